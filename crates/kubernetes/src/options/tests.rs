use std::collections::BTreeMap;

use jeroboam_types::{Coe, Labels};
use serde_json::{Value, json};

use super::*;

/// A wish of so many masters and workers, with floating IPs and an external network.
pub(crate) fn ask(masters: i32, workers: i32) -> Ask {
    let mut ask = jeroboam_blueprint::testkit::ask(masters, workers);
    ask.template.coe = Coe::Kubernetes;
    ask.template.cluster_distro = Some("ubuntu".into());
    ask.template.network_driver = Some("flannel".into());
    ask.cluster.master_lb_enabled = Some(masters > 1);
    ask.cluster.labels = Labels::from_iter([("kube_tag", "v1.31.2")]);
    ask
}

fn with(path: &str, value: Value) -> Ask {
    jeroboam_blueprint::testkit::with(&ask(1, 2), path, value)
}

#[test]
fn a_wrong_value_is_refused_with_the_name_of_its_field() {
    let label = |key: &str, value: &str| {
        (
            format!("/cluster/labels/{key}"),
            json!(value),
            format!("labels.{key}"),
        )
    };
    let mut cases: Vec<(String, Value, String)> = [
        ("/groups/0/node_count", json!(2), "master_count"),
        ("/groups/0/node_count", json!(9), "master_count"),
        ("/groups/0/node_count", json!(3), "master_lb_enabled"),
        ("/groups/1/node_count", json!(-1), "node_count"),
        ("/groups/1/node_count", json!(250), "labels.fixed_subnet_cidr"),
        ("/template/tls_disabled", json!(true), "tls_disabled"),
        ("/template/registry_enabled", json!(true), "registry_enabled"),
        ("/template/volume_driver", json!("rexray"), "volume_driver"),
        ("/template/apiserver_port", json!(10250), "apiserver_port"),
        ("/template/apiserver_port", json!(31000), "apiserver_port"),
        ("/template/http_proxy", json!("proxy:port"), "http_proxy"),
        (
            "/template/insecure_registry",
            json!("10.0.0.0/8"),
            "insecure_registry",
        ),
        ("/resolved/kube_version", json!("v1.30.0"), "labels.kube_tag"),
        ("/resolved/kube_version", json!("latest"), "image_id"),
        ("/resolved/fixed_network_id", json!("n"), "fixed_subnet"),
        ("/cluster/flavor_id", json!(null), "flavor_id"),
        (
            "/groups/1/node_labels",
            json!({"kubernetes.io/role": "z"}),
            "node_labels",
        ),
        ("/groups/1/node_labels", json!({"a b": "z"}), "node_labels"),
        (
            "/groups/1/node_taints",
            json!([{"key": "a", "effect": "Never"}]),
            "node_taints",
        ),
    ]
    .into_iter()
    .map(|(path, value, field)| (path.to_owned(), value, field.to_owned()))
    .collect();
    cases.extend([
        label("kube_tag", "latest"),
        label("kube_tag", "v1.19.0"),
        label("flannel_network_cidr", "10.0.0.0/16"),
        label("flannel_network_cidr", "10.100.0.0/17"),
        label("flannel_network_subnetlen", "33"),
        label("flannel_network_subnetlen", "12"),
        label("flannel_backend", "udp"),
        label("service_cluster_ip_range", "10.100.0.0/16"),
        label("service_cluster_ip_range", "10.254.0.0/30"),
        label("master_lb_allowed_cidrs", "192.0.2.0/33"),
        label("octavia_provider", "a b"),
        label("extra_volumes", "/var/lib/data"),
        label("extra_volumes", "/var/lib/data:0"),
        label("extra_volumes", "/var/lib/etcd:5"),
        label("extra_volumes", "/etc/jeroboam/pki:5"),
        label("extra_volumes", "/srv/../etc:5"),
        label("extra_volumes", "/srv:5,/srv:6"),
        label("registry_mirrors", "docker.io"),
        label("admission_control_list", "a b"),
        label("kubelet_tls_cipher_suites", "none?"),
        label("oidc_issuer_url", "http://issuer"),
        label("kubelet_options", "--max-pods=254"),
        label("container_infra_prefix", "registry#x"),
        label("octavia_lb_algorithm", "RANDOM"),
        label("octavia_lb_healthcheck", "maybe"),
        label("cloud_provider_enabled", "maybe"),
        label("coredns_enabled", "maybe"),
        label("cgroup_driver", "none"),
        label("etcd_volume_size", "big"),
        label("etcd_tag", "a b"),
        label("kubelet_options", "--max pods=3"),
        label("kubecontroller_options", "--node-cidr-mask-size=25"),
        label("kubeapi_options", "-x"),
        label("container_infra_prefix", "registry/\"x\""),
        label("api_server_cert_sans", "a b"),
        label("kube_proxy_conntrack_max_per_core", "-1"),
    ]);
    for (path, value, field) in cases {
        let wrong = Options::parse(&with(&path, value.clone())).expect_err(&path);
        assert_eq!(wrong.field, field, "{path} = {value}: {}", wrong.reason);
    }
    let mut unknown = ask(1, 1);
    unknown.cluster.labels = Labels::default();
    assert_eq!(Options::parse(&unknown).unwrap_err().field, "labels.kube_tag");
}

#[test]
fn in_a_tunnel_nodes_need_ranges_that_the_controller_manager_can_give() {
    let parse = |network_driver: &str, labels: &[(&str, &str)]| {
        let mut ask = ask(1, 2);
        ask.template.network_driver = Some(network_driver.to_owned());
        let labels = labels.iter().chain(&[(BACKEND_LABEL, "vxlan")]);
        let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        ask.cluster.labels.0.extend(labels);
        Options::parse(&ask)
    };
    assert_eq!(parse("flannel", &[]).unwrap().pod_routing, PodRouting::Tunnel);
    for (driver, routing) in [("neutron", PodRouting::Nodes), ("calico", PodRouting::AddOn)] {
        assert_eq!(parse(driver, &[]).unwrap().pod_routing, routing);
    }
    let pool = ("flannel_network_cidr", "172.16.0.0/12");
    parse("flannel", &[pool, ("flannel_network_subnetlen", "28")]).unwrap();
    for (label, value) in [
        ("flannel_network_cidr", "10.100.0.0/17"),
        ("flannel_network_cidr", "32.0.0.0/7"),
        ("kubelet_options", "--max-pods=254"),
    ] {
        let field = match value {
            "32.0.0.0/7" => "labels.flannel_network_subnetlen".to_owned(),
            _ => format!("labels.{label}"),
        };
        assert_eq!(parse("flannel", &[(label, value)]).unwrap_err().field, field);
    }
}

#[test]
fn right_values_are_read_and_unknown_labels_ignored() {
    let mut ask = ask(3, 2);
    ask.resolved.kube_version = Some("1.31.2".into());
    ask.cluster.labels.0.extend(
        Labels::from_iter([
            ("container_infra_prefix", "registry.example.com/kube/"),
            ("service_cluster_ip_range", "172.30.0.0/16"),
            ("flannel_network_cidr", "172.24.0.0/14"),
            ("fixed_subnet_cidr", "10.9.0.0/22"),
            ("kubeapi_options", "--profiling=false --audit-log-maxage=3"),
            ("monitoring_enabled", "true"),
            ("api_server_cert_sans", "api.example.com, 192.0.2.7"),
            ("flannel_backend", "host-gw"),
        ])
        .0,
    );
    ask.groups[1].node_labels = BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]);
    let options = Options::parse(&ask).unwrap();
    assert_eq!(
        options.image_repository.as_deref(),
        Some("registry.example.com/kube")
    );
    assert_eq!(options.dns_address(), "172.30.0.10");
    assert_eq!(options.more_names, ["api.example.com", "192.0.2.7"]);
    assert_eq!(options.arguments.api_server.len(), 2);
    assert_eq!(options.version.to_string(), "v1.31.2");
    ask.cluster.labels.0.remove("kube_tag");
    assert_eq!(Options::parse(&ask).unwrap(), options);
    let labels = node_labels(&ask.groups[1]).unwrap();
    assert_eq!(labels[0].1, "default-worker");
    assert_eq!(labels[2], ("disk".to_owned(), "ssd".to_owned()));
}

#[test]
fn masters_share_an_address_of_a_load_balancer_or_one_that_they_lend_each_other() {
    let mut ask = ask(3, 1);
    let entrance = |ask: &Ask| Options::parse(ask).map(|options| options.network.entrance);
    assert_eq!(entrance(&ask).unwrap(), Entrance::LoadBalancer);
    ask.cluster
        .labels
        .0
        .insert("virtual_ip_enabled".into(), "true".into());
    let both = entrance(&ask).unwrap_err();
    assert_eq!(both.field, "labels.virtual_ip_enabled");
    ask.cluster.master_lb_enabled = Some(false);
    assert_eq!(entrance(&ask).unwrap(), Entrance::VirtualIp);
    ask.resolved.external_network_id = None;
    ask.cluster.floating_ip_enabled = Some(false);
    assert_eq!(entrance(&ask).unwrap(), Entrance::VirtualIp);
    ask.cluster
        .labels
        .0
        .insert("master_lb_floating_ip_enabled".into(), "true".into());
    assert_eq!(entrance(&ask).unwrap_err().field, "external_network_id");
    ask.cluster
        .labels
        .0
        .insert("virtual_ip_enabled".into(), "perhaps".into());
    assert_eq!(entrance(&ask).unwrap_err().field, "labels.virtual_ip_enabled");
}

#[test]
fn the_api_of_a_private_cluster_has_no_floating_ip_and_its_masters_know_the_service() {
    let mut ask = ask(1, 1);
    let label = |ask: &mut Ask, name: &str, value: &str| {
        ask.cluster.labels.0.insert(name.into(), value.into());
        Options::parse(ask).map_err(|invalid| invalid.field)
    };
    let refused = Err("labels.private_cluster_enabled".to_owned());
    assert_eq!(label(&mut ask, "private_cluster_enabled", "perhaps"), refused);
    ask.cluster.floating_ip_enabled = Some(true);
    assert_eq!(label(&mut ask, "private_cluster_enabled", "true"), refused);
    ask.cluster.floating_ip_enabled = Some(false);
    assert!(
        label(&mut ask, "private_cluster_enabled", "true")
            .unwrap()
            .private
    );
    assert_eq!(label(&mut ask, "plain_user_data", "true"), refused);
    label(&mut ask, "plain_user_data", "false").unwrap();
    ask.cluster.master_lb_enabled = Some(true);
    assert_eq!(label(&mut ask, "master_lb_floating_ip_enabled", "true"), refused);
    assert!(
        !label(&mut ask, "private_cluster_enabled", "false")
            .unwrap()
            .private
    );
}

#[test]
fn another_number_of_masters_is_odd_and_needs_an_address_that_they_share() {
    let mut ask = ask(1, 1);
    for (shared, masters, refusal) in [
        ("balanced", 1, None),
        ("balanced", 3, None),
        ("balanced", 7, None),
        ("balanced", 0, Some("odd")),
        ("balanced", 2, Some("odd")),
        ("balanced", -1, Some("odd")),
        ("balanced", 9, Some("too many")),
        ("lent", 3, None),
        ("no", 1, None),
        ("no", 3, Some("load balancer")),
    ] {
        ask.cluster.master_lb_enabled = Some(shared == "balanced");
        let lent = (shared == "lent").to_string();
        ask.cluster.labels.0.insert("virtual_ip_enabled".into(), lent);
        let refused = check_masters(&ask, masters).err();
        let said = refused.map(|invalid| (invalid.field, invalid.reason));
        match (refusal, said) {
            (None, None) => {}
            (Some(word), Some((field, reason))) => {
                assert!(
                    field == "node_count" && reason.contains(word),
                    "{masters}: {reason}"
                );
            }
            (_, said) => panic!("{masters} with {shared}: {said:?}"),
        }
    }
}
