use std::collections::{BTreeMap, BTreeSet};

use jeroboam_driver::{Driver, Key, Spec};
use jeroboam_types::roll::Source;
use jeroboam_types::{Revision, Roll};
use serde_json::json;

use super::*;
use crate::KubernetesDriver;
use crate::options::tests::ask;
use crate::webhook;

fn with_labels(masters: i32, labels: &[(&str, &str)]) -> Ask {
    let mut ask = ask(masters, 2);
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ask.cluster.labels.0.extend(labels);
    ask
}

const CLOUD: &[(&str, &str)] = &[("cloud_provider_enabled", "true"), ("cinder_csi_enabled", "true")];

/// A driver whose operator has this catalogue.
fn with_catalogue(text: &str) -> KubernetesDriver {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("catalogue.yaml");
    std::fs::write(&file, text).unwrap();
    KubernetesDriver::new(AddOnSettings {
        catalogue: Catalogue::load(&file).unwrap(),
        ..AddOnSettings::default()
    })
}

fn revisions(ask: &Ask) -> BTreeMap<String, String> {
    let graph = KubernetesDriver::default().graph(ask).unwrap();
    let add_ons = graph.iter().filter_map(|resource| match &resource.spec {
        Spec::AddOn { revision, .. } => Some((resource.key.name().to_owned(), revision.clone())),
        _ => None,
    });
    add_ons.collect()
}

#[test]
fn add_ons_need_the_way_to_the_api_and_servers_go_before_what_is_left_over() {
    let keys = |names: &[&str]| -> BTreeSet<Key> { names.iter().map(|name| Key::stored(*name)).collect() };
    for (masters, way) in [
        (1, keys(&["port:master-0", "floating-ip:master-0"])),
        (3, keys(&["load-balancer:api", "floating-ip:api"])),
    ] {
        let ask = with_labels(masters, CLOUD);
        let graph = KubernetesDriver::default().graph(&ask).unwrap();
        let add_on = graph.find(&Key::new("add-on", "cinder-csi")).unwrap();
        assert_eq!(add_on.needs, way);
        assert!(matches!(add_on.spec, Spec::AddOn { cloud: true, .. }));
        let leftovers = Key::new("leftovers", "cloud");
        let found = graph.find(&leftovers).unwrap();
        assert_eq!(found.spec, Spec::Leftovers { volumes: true });
        assert_eq!(found.needs, keys(&["subnet:main", "router-interface:main"]));
        let servers = || {
            graph
                .iter()
                .filter(|resource| matches!(resource.spec, Spec::Server(_)))
        };
        assert!(servers().count() > 0 && servers().all(|server| server.needs.contains(&leftovers)));
    }
    let kept = with_labels(1, &[CLOUD, &[("csi_cinder_reclaim_policy", "Retain")]].concat());
    let graph = KubernetesDriver::default().graph(&kept).unwrap();
    let leftovers = graph.find(&Key::new("leftovers", "cloud")).unwrap();
    assert_eq!(leftovers.spec, Spec::Leftovers { volumes: false });
    let plain = KubernetesDriver::default().graph(&ask(1, 2)).unwrap();
    assert!(
        !plain
            .iter()
            .any(|resource| matches!(resource.spec, Spec::AddOn { .. } | Spec::Leftovers { .. }))
    );
}

#[test]
fn the_webhook_listens_where_api_servers_ask_and_needs_no_login_to_the_cloud() {
    let ask = with_labels(1, &[("keystone_auth_enabled", "true")]);
    let driver = KubernetesDriver::default();
    driver.validate(&ask).unwrap();
    let graph = driver.graph(&ask).unwrap();
    let add_on = graph.find(&Key::new("add-on", KEYSTONE_AUTH)).unwrap();
    assert!(matches!(add_on.spec, Spec::AddOn { cloud: false, .. }));
    assert!(graph.find(&Key::new("leftovers", "cloud")).is_none());
    let selected = driver.add_ons.select(&ask).unwrap();
    let found = selected
        .iter()
        .find(|selected| selected.add_on.name == KEYSTONE_AUTH);
    let objects = found.unwrap().render(&BTreeMap::new(), None, &BTreeMap::new());
    let text = objects.unwrap().documents();
    for place in [
        format!("--listen=127.0.0.1:{}", webhook::PORT),
        format!("--tls-cert-file={}", webhook::CERTIFICATE),
        format!("--tls-private-key-file={}", webhook::KEY),
    ] {
        assert!(text.contains(&place), "{place} in {text}");
    }
    let mut taken = ask;
    taken.template.apiserver_port = Some(webhook::PORT.into());
    assert_eq!(driver.validate(&taken).unwrap_err().field, "apiserver_port");
}

#[test]
fn another_policy_is_another_revision_of_the_webhook_alone() {
    let ask = with_labels(
        1,
        &[
            ("keystone_auth_enabled", "true"),
            ("metrics_server_enabled", "true"),
        ],
    );
    let with_policy = |keystone_auth_policy| {
        let driver = KubernetesDriver::new(AddOnSettings {
            has_endpoint: false,
            keystone_auth_policy,
            ..AddOnSettings::default()
        });
        let graph = driver.graph(&ask).unwrap();
        ["keystone-auth", "metrics-server"]
            .map(|name| graph.find(&Key::new("add-on", name)).unwrap().spec.clone())
    };
    let [webhook, metrics] = with_policy(KeystonePolicy::shipped().unwrap());
    let [other, same] = with_policy(KeystonePolicy::default());
    assert_ne!(webhook, other);
    assert_eq!(metrics, same);
}

#[test]
fn a_webhook_that_nobody_brings_is_refused_for_new_clusters_and_left_alone_in_those_that_stand() {
    let driver = KubernetesDriver::new(AddOnSettings {
        catalogue: Catalogue::empty(),
        has_endpoint: false,
        ..AddOnSettings::default()
    });
    let mut ask = with_labels(1, &[("keystone_auth_enabled", "true")]);
    ask.cluster.coe_version = None;
    let refusal = driver.validate(&ask).unwrap_err();
    assert_eq!(refusal.field, "labels.keystone_auth_enabled");
    ask.cluster.coe_version = Some("v1.31.2".into());
    driver.validate(&ask).unwrap();
}

#[test]
fn a_private_cluster_is_refused_where_masters_have_nowhere_to_come_and_left_alone_where_it_stands() {
    let driver = KubernetesDriver::new(AddOnSettings {
        catalogue: Catalogue::empty(),
        has_endpoint: false,
        ..AddOnSettings::default()
    });
    let mut ask = with_labels(1, &[("private_cluster_enabled", "true")]);
    ask.cluster.floating_ip_enabled = Some(false);
    assert!(driver.is_private(&ask));
    ask.cluster.coe_version = None;
    assert_eq!(
        driver.validate(&ask).unwrap_err().field,
        "labels.private_cluster_enabled"
    );
    KubernetesDriver::default().validate(&ask).unwrap();
    ask.cluster.coe_version = Some("v1.31.2".into());
    driver.validate(&ask).unwrap();
}

#[test]
fn wrong_wishes_are_refused_with_the_name_of_their_field() {
    let refused = |ask: &Ask| KubernetesDriver::default().validate(ask).unwrap_err();
    for (labels, field) in [
        (&[("cinder_csi_enabled", "true")][..], "labels.cinder_csi_enabled"),
        (
            &[("metrics_server_enabled", "maybe")],
            "labels.metrics_server_enabled",
        ),
        (
            &[
                ("cloud_provider_enabled", "true"),
                ("octavia_lb_algorithm", "RANDOM"),
            ],
            "labels.octavia_lb_algorithm",
        ),
    ] {
        assert_eq!(refused(&with_labels(1, labels)).field, field);
    }
    let mut unknown = ask(1, 1);
    unknown.template.network_driver = Some("weave".into());
    let refusal = refused(&unknown);
    assert_eq!(refusal.field, "network_driver");
    assert!(
        refusal.reason.ends_with("flannel, neutron, calico, cilium"),
        "{}",
        refusal.reason
    );
    unknown.template.network_driver = Some("calico".into());
    unknown
        .cluster
        .labels
        .0
        .insert("kube_tag".into(), "v1.20.2".into());
    assert_eq!(refused(&unknown).field, "network_driver");
}

#[test]
fn with_an_add_on_for_the_pod_network_nodes_route_nothing_themselves() {
    for (name, label, in_ip) in [
        ("flannel", "flannel_network_cidr", false),
        ("calico", "calico_ipv4pool", true),
        ("cilium", "cilium_ipv4pool", true),
    ] {
        let mut ask = with_labels(1, &[(label, "172.24.0.0/16"), ("flannel_backend", "vxlan")]);
        ask.template.network_driver = Some(name.into());
        // New ones with a chart need helm.
        ask.cluster.coe_version = Some("v1.31.2".into());
        let driver = KubernetesDriver::default();
        driver.validate(&ask).unwrap();
        let graph = driver.graph(&ask).unwrap();
        assert!(graph.find(&Key::new("add-on", name)).is_some());
        assert!(
            !graph
                .iter()
                .any(|resource| matches!(resource.spec, Spec::PodRoute { .. }))
        );
        let port = graph.find(&Key::new("port", "worker-0")).unwrap();
        let Spec::Port {
            allowed_addresses, ..
        } = &port.spec
        else {
            panic!("{port:?}")
        };
        assert_eq!(allowed_addresses, &["172.24.0.0/16"]);
        let group = graph.find(&Key::new("security-group", "nodes")).unwrap();
        let rules = serde_json::to_string(&group.spec).unwrap();
        assert_eq!(rules.contains(r#""protocol":"4""#), in_ip);
        let services = ("service_cluster_ip_range".to_owned(), "172.24.8.0/24".to_owned());
        ask.cluster.labels.0.extend([services]);
        let overlap = driver.validate(&ask).unwrap_err();
        assert_eq!(overlap.field, "labels.service_cluster_ip_range");
        let nodes = (label.to_owned(), "10.0.0.0/16".to_owned());
        ask.cluster.labels.0.extend([nodes]);
        assert_eq!(
            driver.validate(&ask).unwrap_err().field,
            format!("labels.{label}")
        );
    }
}

#[test]
fn a_template_with_volumes_has_what_makes_them() {
    let with_volumes = |labels: &[(&str, &str)]| {
        let mut ask = with_labels(1, labels);
        ask.template.volume_driver = Some("cinder".into());
        ask
    };
    let driver = KubernetesDriver::default();
    let ask = with_volumes(&[]);
    driver.validate(&ask).unwrap();
    assert!(Options::parse(&ask).unwrap().external_cloud);
    let names: Vec<String> = revisions(&ask).into_keys().collect();
    assert_eq!(names, ["cinder-csi", "cloud-controller-manager"]);
    for off in ["cinder_csi_enabled", "cloud_provider_enabled"] {
        let refusal = driver.validate(&with_volumes(&[(off, "false")])).unwrap_err();
        assert_eq!(refusal.field, "volume_driver");
        assert!(
            refusal.reason.ends_with("which the labels switch off"),
            "{}",
            refusal.reason
        );
    }
    let driver = with_catalogue("- {name: cinder-csi, remove: true}\n");
    let refusal = driver.validate(&ask).unwrap_err();
    assert_eq!(refusal.field, "volume_driver");
    assert!(
        refusal.reason.ends_with("which is not here"),
        "{}",
        refusal.reason
    );
}

#[test]
fn flannel_is_an_add_on_for_a_tunnel_alone_and_says_so_where_it_is_taken_out() {
    let has_flannel = |labels: &[(&str, &str)]| {
        let mut ask = with_labels(1, labels);
        ask.template.network_driver = Some("flannel".into());
        let graph = KubernetesDriver::default().graph(&ask).unwrap();
        graph.find(&Key::new("add-on", "flannel")).is_some()
    };
    assert!(!has_flannel(&[]));
    assert!(!has_flannel(&[("flannel_backend", "host-gw")]));
    assert!(has_flannel(&[("flannel_backend", "vxlan")]));
    let driver = with_catalogue("- {name: flannel, remove: true}\n");
    let refusal = driver.validate(&with_labels(1, &[("flannel_backend", "vxlan")]));
    assert_eq!(refusal.unwrap_err().field, "labels.flannel_backend");
    driver.validate(&with_labels(1, &[])).unwrap();
}

#[test]
fn a_chart_is_another_one_for_each_kubernetes_and_each_size_of_the_nodes_ranges() {
    let revision = |labels: &[(&str, &str)]| {
        let mut ask = with_labels(1, &[labels, &[("metrics_server_enabled", "true")]].concat());
        ask.template.network_driver = Some("cilium".into());
        let mut all = revisions(&ask);
        [
            all.remove("cilium").unwrap(),
            all.remove("metrics-server").unwrap(),
        ]
    };
    let [first, metrics] = revision(&[("kube_tag", "v1.31.2")]);
    for labels in [
        [("kube_tag", "v1.31.3"), ("flannel_network_subnetlen", "24")],
        [("kube_tag", "v1.31.2"), ("flannel_network_subnetlen", "25")],
        [("kube_tag", "v1.31.2"), ("cilium_ipv4pool", "10.128.0.0/16")],
    ] {
        assert_ne!(revision(&labels)[0], first, "{labels:?}");
    }
    assert_eq!(revision(&[("kube_tag", "v1.31.3")])[1], metrics);
}

#[test]
fn without_helm_new_clusters_with_a_chart_are_refused_by_what_asks_for_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("catalogue.yaml");
    let url = "url: 'https://charts.example/own.tgz'";
    let digest = format!("sha256: {}", "a".repeat(64));
    std::fs::write(
        &file,
        format!(
            "- name: own\n  label: own_enabled\n  versions: [{{kubernetes: '1.20', version: v1}}]\n  \
             manifests: [{{chart: {{{url}, {digest}}}}}]\n"
        ),
    )
    .unwrap();
    let with_helm = |helm: &str| {
        KubernetesDriver::new(AddOnSettings {
            catalogue: Catalogue::load(&file).unwrap(),
            helm: helm.into(),
            ..AddOnSettings::default()
        })
    };
    let missing = with_helm("/nowhere/helm");
    let mut asks = [
        ("network_driver", ask(1, 1)),
        ("labels.own_enabled", with_labels(1, &[("own_enabled", "true")])),
    ];
    asks[0].1.template.network_driver = Some("cilium".into());
    for (field, mut ask) in asks {
        ask.cluster.coe_version = None;
        let refusal = missing.validate(&ask).unwrap_err();
        assert_eq!(refusal.field, field);
        for words in ["is a chart", "/nowhere/helm", "[addons] helm", "not installed"] {
            assert!(refusal.reason.contains(words), "{}", refusal.reason);
        }
        with_helm("sh").validate(&ask).unwrap();
        // What stands is left alone, so that it can be resized and deleted.
        ask.cluster.coe_version = Some("v1.31.2".into());
        missing.validate(&ask).unwrap();
        missing.graph(&ask).unwrap();
    }
    let mut plain = ask(1, 1);
    plain.cluster.coe_version = None;
    missing.validate(&plain).unwrap();
}

#[test]
fn every_label_of_the_catalogue_is_known_once() {
    let driver = KubernetesDriver::default();
    let names: Vec<&str> = driver.labels().iter().map(|spec| spec.name).collect();
    for name in [
        "cloud_provider_enabled",
        "csi_cinder_fstype",
        "csi_attacher_tag",
        "calico_tag",
        "calico_ipv4pool",
        "cilium_tag",
        "cilium_ipv4pool",
        "kube_tag",
    ] {
        assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{name}");
    }
    for spec in driver.labels() {
        if let Some(default) = spec.default.value() {
            spec.check(default).unwrap();
        }
    }
    assert!(driver.upgrade_labels().contains(&"cloud_provider_tag"));
}

#[test]
fn add_ons_follow_an_upgrade_when_the_control_plane_is_through() {
    let mut ask = with_labels(3, &[("cloud_provider_enabled", "true")]);
    let before = revisions(&ask);
    let mut roll = Roll::standing(Revision {
        image_id: "new".into(),
        flavor_id: "flavor-id".into(),
        version: Some("v1.32.0".into()),
        ..Revision::default()
    });
    roll.source = Some(Source {
        template: ask.template.uuid,
        image_id: "new".into(),
        flavor_id: None,
        labels: BTreeMap::from([("cloud_provider_tag".to_owned(), Some("v1.32.9".to_owned()))]),
    });
    roll.behind = BTreeMap::from([(
        1,
        Revision {
            version: Some("v1.31.2".into()),
            ..Revision::default()
        },
    )]);
    ask.groups[0].roll = Some(roll);
    assert_eq!(
        revisions(&ask),
        before,
        "a master of the old version is still there"
    );
    ask.groups[0].roll.as_mut().unwrap().behind.clear();
    let selected = KubernetesDriver::default().add_ons.select(&ask).unwrap()[0]
        .version
        .clone();
    assert_eq!(selected, "v1.32.9");
    assert_ne!(revisions(&ask), before);
    // When all is done the cluster's own labels say the same.
    let during = revisions(&ask);
    ask.groups[0].roll.as_mut().unwrap().source = None;
    let labels = [("cloud_provider_tag", "v1.32.9"), ("kube_tag", "v1.32.0")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ask.cluster.labels.0.extend(labels);
    assert_eq!(revisions(&ask), during);
}

fn driver_without_endpoint() -> KubernetesDriver {
    KubernetesDriver::new(AddOnSettings {
        has_endpoint: false,
        ..AddOnSettings::default()
    })
}

const SCALED: &[(&str, &str)] = &[
    ("cloud_provider_enabled", "true"),
    ("auto_scaling_enabled", "true"),
];

#[test]
fn new_clusters_are_scaled_where_they_reach_the_service_and_others_are_refused_by_the_label() {
    let field = "labels.auto_scaling_enabled";
    let (driver, scaled) = (KubernetesDriver::default(), with_labels(1, SCALED));
    driver.validate(&scaled).unwrap();
    assert!(driver.autoscales(&scaled) && !driver.autoscales(&with_labels(1, CLOUD)));
    let graph = driver.graph(&scaled).unwrap();
    let add_on = graph.find(&Key::new("add-on", "cluster-autoscaler")).unwrap();
    let is_scaler = |spec: &Spec| {
        matches!(
            spec,
            Spec::AddOn {
                autoscales: true,
                cloud: false,
                ..
            }
        )
    };
    assert!(is_scaler(&add_on.spec), "{add_on:?}");
    assert!(driver.upgrade_labels().contains(&"autoscaler_tag"));

    let refusal = driver_without_endpoint().validate(&scaled).unwrap_err();
    assert_eq!(refusal.field, field);
    assert!(refusal.reason.contains("[bootstrap] url"), "{}", refusal.reason);
    let alone = with_labels(1, &SCALED[1..]);
    let old = with_labels(1, &[SCALED, &[("kube_tag", "v1.23.4")]].concat());
    for refused in [&alone, &old] {
        assert_eq!(driver.validate(refused).unwrap_err().field, field);
    }

    // Those that stand have had the label when it meant nothing.
    for mut standing in [alone, old, scaled] {
        standing.cluster.status = Status::UpdateComplete;
        let driver = driver_without_endpoint();
        driver.validate(&standing).unwrap();
        assert!(!driver.autoscales(&standing));
        let graph = driver.graph(&standing).unwrap();
        assert!(!graph.iter().any(|resource| is_scaler(&resource.spec)));
    }
}

#[test]
fn a_new_node_bears_what_its_group_says() {
    let mut scaled = with_labels(1, &[("flannel_network_subnetlen", "26")]);
    let group = scaled.groups.last_mut().unwrap();
    group.node_labels = BTreeMap::from([("disk".to_owned(), "fast".to_owned())]);
    let taint = [("key", "only"), ("value", "gpu"), ("effect", "NoSchedule")];
    let taint = taint.map(|(name, value)| (name.to_owned(), value.to_owned()));
    group.node_taints = vec![BTreeMap::from(taint)];
    let group = group.clone();
    let driver = KubernetesDriver::default();
    let marks = driver.node_marks(&scaled, &group).unwrap();
    assert_eq!(marks.labels["disk"], "fast");
    assert_eq!(marks.labels["magnum.openstack.org/nodegroup"], group.name);
    let taint = ("only".to_owned(), "gpu".to_owned(), "NoSchedule".to_owned());
    assert_eq!(marks.taints, [taint]);
    assert_eq!(marks.pods, 61, "as many as a /26 has addresses for");
    let usual = with_labels(1, &[]);
    assert_eq!(driver.node_marks(&usual, &group).unwrap().pods, 110);
}

#[test]
fn nodes_wait_for_a_cloud_controller_manager_where_there_is_one() {
    let of = |ask: &Ask| Options::parse(ask).unwrap().external_cloud;
    assert!(!of(&ask(1, 1)));
    assert!(of(&with_labels(1, &[("cloud_provider_enabled", "true")])));
    let mut default = ask(1, 1);
    default.resolved.defaults.add_ons = vec![CLOUD_CONTROLLER_MANAGER.to_owned()];
    assert!(of(&default));
    default
        .cluster
        .labels
        .0
        .insert("cloud_provider_enabled".into(), json!(false).to_string());
    assert!(!of(&default));
}
