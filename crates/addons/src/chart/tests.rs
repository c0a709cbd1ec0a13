use std::fs;

use tempfile::TempDir;

use super::*;
use crate::tests::{select, variables};
use crate::{Catalogue, RenderError, Selected, WrongLabel};

/// The values that ship, for a cluster as others see it.
fn given() -> Variables {
    let mut given = variables();
    for (name, value) in [
        ("pods", json!("10.100.0.0/16")),
        ("node_prefix_len", json!(24)),
        ("api_host", json!("10.0.0.5")),
        ("api_port", json!("6443")),
        ("kubernetes_version", json!("v1.31.2")),
    ] {
        given.insert(name.to_owned(), value);
    }
    given
}

#[test]
fn the_chart_that_ships_is_given_what_was_looked_at() {
    let catalogue = Catalogue::shipped().unwrap();
    for minor in 20..=40 {
        let selected = select(&catalogue, minor, Some("cilium"), &[]).unwrap();
        let [selected] = selected.as_slice() else {
            panic!("{selected:?}")
        };
        assert!(selected.has_charts() && selected.remotes().next().is_none());
        let given = given();
        let charts = selected.charts(&given);
        let [rendering] = charts.as_slice() else {
            panic!("{minor}")
        };
        let url = format!("https://helm.cilium.io/cilium-{}.tgz", &selected.version[1..]);
        let chart = rendering.chart;
        assert_eq!(chart.to_string(), url);
        assert_eq!(
            (chart.release.as_str(), chart.namespace.as_str()),
            ("cilium", "kube-system")
        );
        assert!(!rendering.has_secrets);
        assert_eq!(
            rendering.values,
            json!({
                "image": {"useDigest": false},
                "operator": {"replicas": 1, "image": {"useDigest": false}},
                "ipam": {"mode": "cluster-pool", "operator": {
                    "clusterPoolIPv4PodCIDRList": ["10.100.0.0/16"],
                    "clusterPoolIPv4MaskSize": 24,
                }},
                "kubeProxyReplacement": "false",
                "k8sServiceHost": "10.0.0.5",
                "k8sServicePort": "6443",
                "hubble": {"enabled": false},
                "envoy": {"enabled": false},
            })
        );
    }
}

/// An upgrade of Kubernetes is of one minor version at a time, and so must be that of Cilium.
#[test]
fn no_release_of_cilium_is_left_out_by_an_upgrade() {
    let catalogue = Catalogue::shipped().unwrap();
    let versions = &catalogue.find("cilium").unwrap().versions;
    let minors: Vec<u32> = versions
        .iter()
        .map(|known| known.version.split('.').nth(1).unwrap().parse().unwrap())
        .collect();
    assert!(minors.windows(2).all(|pair| pair[1] == pair[0] + 1), "{minors:?}");
}

#[test]
fn a_chart_has_the_versions_that_are_named_and_no_others() {
    let catalogue = Catalogue::shipped().unwrap();
    let tagged = |tag| select(&catalogue, 31, Some("cilium"), &[("cilium_tag", tag)]);
    assert_eq!(tagged("v1.18.12").unwrap()[0].version, "v1.18.12");
    let wrong = tagged("v1.18.0").unwrap_err();
    assert_eq!(wrong.label, "cilium_tag");
    assert!(wrong.reason.contains("v1.17.18, v1.18.12"), "{wrong}");
}

struct Own(TempDir);

impl Own {
    fn build() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("chart/templates")).unwrap();
        fs::write(home.path().join("chart/Chart.yaml"), "name: a\n").unwrap();
        fs::write(home.path().join("chart/templates/a.yaml"), "a: 1\n").unwrap();
        fs::create_dir(home.path().join("empty")).unwrap();
        fs::write(home.path().join("packed.tgz"), b"\x1f\x8b").unwrap();
        Self(home)
    }

    fn load(&self, chart: &str) -> Result<Catalogue, CatalogueError> {
        let file = self.0.path().join("catalogue.yaml");
        let text = format!(
            "- name: own\n  default: true\n  versions: [{{kubernetes: '1.20', version: v1}}]\n  parameters:\n  \
             - {{name: who, label: own_who, description: who}}\n  manifests: [{{chart: {chart}}}]\n"
        );
        fs::write(&file, text).unwrap();
        Catalogue::load(&file)
    }
}

fn only<'c>(catalogue: &'c Catalogue, labels: &[(&str, &str)]) -> Result<Selected<'c>, WrongLabel> {
    Ok(select(catalogue, 31, None, labels)?.remove(0))
}

#[test]
fn what_is_wrong_with_a_chart_is_found_when_the_catalogue_is_read() {
    let own = Own::build();
    for (chart, told) in [
        ("{}", "a file, or a url"),
        ("{file: chart, url: 'https://a/b.tgz'}", "a file, or a url"),
        ("{url: 'https://a/b.tgz'}", "a file, or a url"),
        ("{url: 'https://a/b.tgz', sha256: abc}", "SHA-256"),
        ("{file: missing}", "missing: cannot be read"),
        ("{file: empty}", "no Chart.yaml"),
        ("{file: chart, release: 'My Shop'}", "release \"My Shop\""),
        ("{file: chart, namespace: --set}", "namespace \"--set\""),
        ("{file: chart, values: [1]}", "values"),
        ("{file: chart, values: {a: '${nobody}'}}", "${nobody}"),
        ("{file: chart, version: 1}", "version"),
    ] {
        let error = own.load(chart).unwrap_err().to_string();
        assert!(error.contains(told), "{chart}: {error}");
    }
    for chart in ["{file: chart}", "{file: packed.tgz}"] {
        assert!(own.load(chart).unwrap().find("own").unwrap().has_charts());
    }
}

#[test]
fn a_revision_changes_with_everything_that_a_chart_is_made_of() {
    let own = Own::build();
    let revision = |chart: &str| {
        let catalogue = own.load(chart).unwrap();
        only(&catalogue, &[]).unwrap().revision(&Variables::new())
    };
    let first = revision("{file: chart, values: {a: 1}}");
    assert_eq!(first, revision("{file: chart, values: {a: 1}}"));
    for other in [
        "{file: chart}",
        "{file: chart, values: {a: 2}}",
        "{file: chart, values: {a: 1}, namespace: b}",
        "{file: chart, values: {a: 1}, release: b}",
        "{file: packed.tgz, values: {a: 1}}",
    ] {
        assert_ne!(first, revision(other), "{other}");
    }
    fs::write(own.0.path().join("chart/templates/a.yaml"), "a: 2\n").unwrap();
    assert_ne!(first, revision("{file: chart, values: {a: 1}}"));
}

#[test]
fn values_are_filled_and_what_helm_makes_of_others_is_not_taken() {
    let own = Own::build();
    let catalogue = own
        .load("{file: chart, values: {who: '${who}', login: '${cloud_login}'}}")
        .unwrap();
    let selected = only(&catalogue, &[("own_who", "me: {a: 1}")]).unwrap();
    let given = given();
    let rendering = selected.charts(&given).remove(0);
    assert_eq!(rendering.values["who"], "me: {a: 1}");
    assert!(rendering.has_secrets);
    // What is nothing is left out.
    let nobody = only(&catalogue, &[]).unwrap();
    assert!(nobody.charts(&given)[0].values.get("who").is_none());
    let texts = BTreeMap::from([(nobody.charts(&given)[0].key(), String::new())]);
    let missing = selected.render(&given, None, &texts).unwrap_err();
    assert!(matches!(missing, RenderError::Missing(_)), "{missing}");
    // A chart may take its values for templates.
    let wrong = only(&catalogue, &[("own_who", "{{ lookup }}")]).unwrap_err();
    assert_eq!(wrong.label, "own_who");
}
