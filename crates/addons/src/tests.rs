use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

pub(crate) fn variables() -> Variables {
    let texts = VARIABLES
        .iter()
        .map(|name| ((*name).to_owned(), json!(format!("the-{name}"))));
    let mut variables: Variables = texts.collect();
    variables.insert(
        "cloud_login".into(),
        json!("[Global]\nauth-url = \"https://keystone\""),
    );
    variables.insert("floating_network_id".into(), Value::Null);
    variables.insert("cloud_authority".into(), Value::Null);
    variables.insert(
        "volume_types".into(),
        json!([{"name": "cinder-fast", "type": "Fast SSD", "default": "true"},
            {"name": "cinder-slow", "type": "slow", "default": "false"}]),
    );
    variables
}

pub(crate) fn select<'c>(
    catalogue: &'c Catalogue,
    minor: u32,
    network_driver: Option<&str>,
    labels: &[(&str, &str)],
) -> Result<Vec<Selected<'c>>, WrongLabel> {
    select_with(catalogue, minor, network_driver, labels, &[])
}

fn select_with<'c>(
    catalogue: &'c Catalogue,
    minor: u32,
    network_driver: Option<&str>,
    labels: &[(&str, &str)],
    enabled: &[String],
) -> Result<Vec<Selected<'c>>, WrongLabel> {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    catalogue.select(&Wish {
        minor,
        network_driver,
        enabled,
        label: &|name| labels.get(name).copied(),
    })
}

const ALL: &[(&str, &str)] = &[
    ("cloud_provider_enabled", "true"),
    ("cinder_csi_enabled", "true"),
    ("metrics_server_enabled", "true"),
    ("keystone_auth_enabled", "true"),
];

#[test]
fn what_ships_is_rendered_as_it_was_looked_at() {
    let catalogue = Catalogue::shipped().unwrap();
    let labels = [ALL, &[("auto_scaling_enabled", "true")]].concat();
    let routed = select(&catalogue, 31, None, &labels).unwrap();
    let tunnel = select(&catalogue, 31, Some("flannel"), &[]).unwrap();
    for selected in routed.into_iter().chain(tunnel) {
        let objects = selected.render(&variables(), None, &BTreeMap::new()).unwrap();
        insta::assert_snapshot!(selected.add_on.name.clone(), objects.documents());
    }
}

#[test]
fn every_version_of_kubernetes_gets_versions_and_no_place_stays_open() {
    let catalogue = Catalogue::shipped().unwrap();
    for minor in 20..=40 {
        // The autoscaler's protocol is of 1.24.
        let autoscaler = [("auto_scaling_enabled", if minor < 24 { "false" } else { "true" })];
        let selected = select(&catalogue, minor, Some("flannel"), &[ALL, &autoscaler].concat()).unwrap();
        assert_eq!(selected.len(), if minor < 24 { 5 } else { 6 });
        for selected in selected {
            let objects = selected.render(&variables(), Some("registry.example/kube/"), &BTreeMap::new());
            let text = objects.unwrap().documents();
            assert!(!text.contains("${"), "{minor} {}", selected.add_on.name);
            for image in text.lines().filter(|line| line.contains("\"image\":")) {
                assert!(
                    image.contains("\"registry.example/kube/") && image.matches('/').count() == 2,
                    "{image}"
                );
            }
        }
    }
}

#[test]
fn labels_switch_and_wrong_ones_are_named() {
    let catalogue = Catalogue::shipped().unwrap();
    let names = |minor, driver: Option<&str>, labels: &[(&str, &str)]| {
        let selected = select(&catalogue, minor, driver, labels)?;
        let names: Vec<String> = selected
            .iter()
            .map(|one| format!("{} {}", one.add_on.name, one.version))
            .collect();
        Ok::<_, WrongLabel>(names.join(", "))
    };
    assert_eq!(names(31, None, &[]).unwrap(), "");
    assert_eq!(
        names(31, None, &[("metrics_server_enabled", "yes")]).unwrap(),
        "metrics-server v0.8.1"
    );
    assert_eq!(
        names(
            30,
            None,
            &[("cloud_provider_enabled", "1"), ("cloud_provider_tag", "v1.30.0")]
        )
        .unwrap(),
        "cloud-controller-manager v1.30.0"
    );
    assert_eq!(names(31, Some("flannel"), &[]).unwrap(), "flannel v0.28.9");
    assert_eq!(names(31, Some("calico"), &[]).unwrap(), "calico v3.31.5");
    assert_eq!(
        names(31, Some("calico"), &[("calico_tag", "v3.28.5")]).unwrap(),
        "calico v3.28.5"
    );
    for (minor, driver, labels, field) in [
        (
            31,
            None,
            vec![("cinder_csi_enabled", "true")],
            "cinder_csi_enabled",
        ),
        (
            31,
            None,
            vec![("metrics_server_enabled", "maybe")],
            "metrics_server_enabled",
        ),
        (
            31,
            Some("flannel"),
            vec![("flannel_cni_tag", "a b")],
            "flannel_cni_tag",
        ),
        (31, Some("calico"), vec![("calico_tag", "v3.21.2")], "calico_tag"),
        (
            31,
            Some("calico"),
            vec![("calico_ipv4pool_ipip", "Sometimes")],
            "calico_ipv4pool_ipip",
        ),
        (20, Some("calico"), vec![], "network_driver"),
        (
            31,
            None,
            vec![("metrics_server_enabled", "true"), ("metrics_server_tag", "a b")],
            "metrics_server_tag",
        ),
    ] {
        assert_eq!(names(minor, driver, &labels).unwrap_err().label, field);
    }
    let enabled = ["cloud-controller-manager", "cinder-csi"].map(str::to_owned);
    catalogue.check_enabled(&enabled).unwrap();
    let on = |labels: &[(&str, &str)]| select_with(&catalogue, 31, None, labels, &enabled).unwrap();
    assert_eq!(on(&[]).len(), 2);
    let off = on(&[("cloud_provider_enabled", "false")]);
    assert!(
        off.is_empty(),
        "what is on by default is off without what it needs"
    );
    for wrong in ["cilium", "calico"] {
        let wrong = catalogue.check_enabled(&[wrong.to_owned()]).unwrap_err();
        assert!(wrong.contains("add-on"), "{wrong}");
    }
}

#[test]
fn a_revision_changes_with_everything_that_objects_are_made_of() {
    let catalogue = Catalogue::shipped().unwrap();
    let revision = |minor, labels: &[(&str, &str)], more: &[(&str, &str)]| {
        let mut all = ALL.to_vec();
        all.extend(labels);
        let more = more
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        select(&catalogue, minor, None, &all).unwrap()[0].revision(&more)
    };
    let first = revision(31, &[], &[]);
    assert_eq!(first, revision(31, &[], &[]));
    for other in [
        revision(32, &[], &[]),
        revision(31, &[("cloud_provider_tag", "v1.31.0")], &[]),
        revision(31, &[], &[("pods", "10.0.0.0/8")]),
    ] {
        assert_ne!(first, other);
    }
}

#[test]
fn values_cannot_break_out_of_their_place_and_nothing_leaves_no_trace() {
    let catalogue = Catalogue::shipped().unwrap();
    let mut own = variables();
    own.insert("cluster_uuid".into(), json!("x\"\n- --evil: {a: b}"));
    let selected = select(&catalogue, 31, None, ALL).unwrap();
    let objects = selected[0].render(&own, None, &BTreeMap::new()).unwrap();
    let daemon_set = objects
        .0
        .iter()
        .find(|object| object["kind"] == "DaemonSet")
        .unwrap();
    let args = &daemon_set["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args[2], json!("--cluster-name=x\"\n- --evil: {a: b}"));
    assert_eq!(args.as_array().unwrap().len(), 7);
    let secret = objects
        .0
        .iter()
        .find(|object| object["kind"] == "Secret")
        .unwrap();
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.decode(secret["data"]["cloud.conf"].as_str().unwrap());
    let text = String::from_utf8(text.unwrap()).unwrap();
    assert!(
        text.starts_with("[Global]\nauth-url = \"https://keystone\"\n[LoadBalancer]\n"),
        "{text}"
    );
    assert!(!text.contains("floating-network-id"), "{text}");
    assert!(secret["data"].get("ca.pem").is_none() && secret.get("stringData").is_none());
    assert!(!format!("{objects:?}").contains("keystone"));
}

#[test]
fn an_operators_catalogue_overrides_extends_and_removes() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    std::fs::create_dir(home.path().join("cilium")).unwrap();
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {script: 'echo ${HOME}'}\n";
    write("cilium/1.yaml", object);
    write("cilium/2.yml", &format!("# nothing\n---\n{object}---\n"));
    write("cilium/NOTES.txt", "not a manifest");
    write(
        "catalogue.yaml",
        "- {name: metrics-server, default: true}\n- {name: calico, remove: true}\n- name: cilium\n  network_driver: cilium\n  \
         versions: [{kubernetes: '1.29', version: v1.19.3}]\n  manifests: [{file: cilium}]\n",
    );
    let catalogue = Catalogue::load(&home.path().join("catalogue.yaml")).unwrap();
    assert_eq!(
        catalogue.network_drivers().collect::<Vec<_>>(),
        ["flannel", "cilium"]
    );
    let selected = select(&catalogue, 31, Some("cilium"), &[]).unwrap();
    let cilium = selected.iter().find(|one| one.add_on.name == "cilium").unwrap();
    let objects = cilium.render(&variables(), None, &BTreeMap::new()).unwrap();
    assert_eq!(objects.0.len(), 2);
    assert_eq!(
        objects.0[0]["data"]["script"], "echo ${HOME}",
        "it is no template"
    );
    assert!(selected.iter().any(|one| one.add_on.name == "metrics-server"));
}

#[test]
fn a_bad_catalogue_is_told_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("catalogue.yaml");
    std::fs::write(home.path().join("broken.yaml"), "a: [\n").unwrap();
    std::fs::write(
        home.path().join("open.yaml"),
        "apiVersion: v1\nkind: A\nmetadata: {name: \"${who}\"}\n",
    )
    .unwrap();
    let own = |rest: &str| format!("# mine\n- name: mine\n  {rest}\n");
    let version = "versions: [{kubernetes: '1.20', version: v1}]";
    for (text, line, words) in [
        ("- [".to_owned(), true, ""),
        (own("colour: red"), true, "colour"),
        (own("default: true"), true, "no versions"),
        (own(version), true, "no manifests"),
        (
            "- {name: keystone-auth, default: true}".to_owned(),
            true,
            "[addons] enabled",
        ),
        (
            own(&format!("{version}\n  manifests: [{{file: missing.yaml}}]")),
            false,
            "missing.yaml",
        ),
        (
            own(&format!("{version}\n  manifests: [{{file: broken.yaml}}]")),
            true,
            "broken.yaml",
        ),
        (
            own(&format!(
                "{version}\n  manifests: [{{url: 'http://a', sha256: b}}]"
            )),
            true,
            "https",
        ),
        (
            own(&format!(
                "{version}\n  manifests: [{{file: open.yaml, template: true}}]"
            )),
            true,
            "${who}",
        ),
        (
            own(
                "needs: [other]\n  versions: [{kubernetes: '1.20', version: v1}]\n  manifests: [{file: open.yaml}]",
            ),
            false,
            "mine",
        ),
        (
            own("versions: [{kubernetes: '2', version: v1}]"),
            true,
            "minor version",
        ),
        ("- {name: 'My App'}".to_owned(), true, "a-z"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let error = Catalogue::load(&file).unwrap_err();
        assert_eq!(error.line.is_some(), line, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let missing = Catalogue::load(Path::new("/nowhere/catalogue.yaml")).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("/nowhere/catalogue.yaml: cannot be read"),
        "{missing}"
    );
}

#[test]
fn a_manifest_by_reference_must_be_what_the_catalogue_says() {
    let catalogue = Catalogue::shipped().unwrap();
    let selected = select(
        &catalogue,
        31,
        Some("calico"),
        &[("calico_ipv4pool_ipip", "CrossSubnet")],
    )
    .unwrap();
    let remotes: Vec<&Remote> = selected[0].remotes().collect();
    assert_eq!(remotes.len(), 1);
    let missing = selected[0]
        .render(&variables(), None, &BTreeMap::new())
        .unwrap_err();
    assert_eq!(missing, RenderError::Missing(remotes[0].url.clone()));
    let wrong = BTreeMap::from([(remotes[0].sha256.clone(), "apiVersion: v1".to_owned())]);
    let wrong = selected[0].render(&variables(), None, &wrong).unwrap_err();
    assert!(matches!(wrong, RenderError::Digest { .. }), "{wrong}");
}

#[test]
fn ports_name_their_protocol_and_amounts_are_texts_because_older_servers_ask_for_it() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write(
        "own.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 53, protocol: UDP}, {port: 80}]}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\nspec: {template: {spec: {containers: [{name: c, \
         resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 0.5}}, ports: [{containerPort: 80}]}]}}}\n",
    );
    write(
        "catalogue.yaml",
        "- {name: own, default: true, versions: [{kubernetes: '1.20', version: v1}], manifests: [{file: own.yaml}]}\n",
    );
    let catalogue = Catalogue::load(&home.path().join("catalogue.yaml")).unwrap();
    let selected = select(&catalogue, 31, None, &[]).unwrap();
    let objects = selected[0]
        .render(&variables(), None, &BTreeMap::new())
        .unwrap()
        .0;
    let protocols =
        ["/spec/ports/0", "/spec/ports/1"].map(|port| objects[0].pointer(port).unwrap()["protocol"].clone());
    assert_eq!(protocols, ["UDP", "TCP"]);
    let container = objects[1].pointer("/spec/template/spec/containers/0").unwrap();
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    assert_eq!(
        container["resources"],
        json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}})
    );
}
