use std::collections::BTreeMap;

use super::*;
use crate::options::tests::ask;

fn text(
    version: &str,
    documents_of: impl Fn(&Options, &ClusterFacts<'_>, &NodeFacts<'_>) -> Vec<Value>,
) -> String {
    let mut ask = ask(3, 1);
    ask.cluster.labels.0.extend([
        ("kube_tag".to_owned(), version.to_owned()),
        ("kubeapi_options".to_owned(), "--profiling=false".to_owned()),
        ("kubelet_options".to_owned(), "--max-pods=50".to_owned()),
        ("keystone_auth_enabled".to_owned(), "true".to_owned()),
        ("etcd_tag".to_owned(), "3.5.16-0".to_owned()),
        (
            "container_infra_prefix".to_owned(),
            "registry.example.com/kube".to_owned(),
        ),
        ("kube_proxy_conntrack_max_per_core".to_owned(), "0".to_owned()),
    ]);
    let options = Options::parse(&ask).unwrap();
    let cluster = ClusterFacts {
        name: "demo",
        endpoint: "10.0.0.2:6443".into(),
        names: vec!["10.0.0.2".into(), "203.0.113.2".into()],
    };
    let taint = [("key", "gpu"), ("effect", "NoSchedule")];
    let mut group = ask.groups[1].clone();
    group.node_taints = vec![
        taint
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    ];
    let node = NodeFacts {
        name: "demo-0123-node",
        address: "10.0.0.5",
        labels: vec![("magnum.openstack.org/role".into(), "worker".into())],
        taints: Some(crate::options::taints(&group).unwrap()),
    };
    documents(&documents_of(&options, &cluster, &node))
}

#[test]
fn the_first_master_is_told_the_whole_cluster() {
    for version in ["v1.20.2", "v1.29.5", "v1.31.2"] {
        insta::assert_snapshot!(format!("init_{version}"), text(version, init));
    }
}

#[test]
fn others_are_told_where_the_cluster_is() {
    let join = |master| {
        move |options: &Options, _: &ClusterFacts<'_>, node: &NodeFacts<'_>| {
            super::join(options, node, "/etc/jeroboam/join.kubeconfig", master)
        }
    };
    for version in ["v1.20.2", "v1.31.2"] {
        insta::assert_snapshot!(format!("join_master_{version}"), text(version, join(true)));
        insta::assert_snapshot!(format!("join_worker_{version}"), text(version, join(false)));
    }
}

#[test]
fn audit_log_and_webhook_are_outside_of_the_api_servers_container() {
    let mut ask = ask(1, 1);
    let labels = [
        ("audit_log_enabled", "true"),
        ("keystone_auth_enabled", "true"),
        ("flannel_network_subnetlen", "26"),
        ("kubelet_tls_cipher_suites", "TLS_AES_128_GCM_SHA256"),
    ];
    ask.cluster
        .labels
        .0
        .extend(labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let options = Options::parse(&ask).unwrap();
    let cluster = ClusterFacts {
        name: "demo",
        endpoint: "10.0.0.2:6443".into(),
        names: vec![],
    };
    let api_server = cluster_configuration(&options, &cluster)["apiServer"].clone();
    let paths: Vec<_> = api_server["extraVolumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|volume| &volume["hostPath"])
        .collect();
    assert_eq!(paths, [AUDIT_DIRECTORY, AUDIT_POLICY, webhook::CONFIG]);
    let kubelet = kubelet_configuration(&options);
    // 64 addresses without the network's own, the node's and the broadcast address.
    assert_eq!(kubelet["maxPods"], 61);
    assert_eq!(kubelet["tlsCipherSuites"], json!(["TLS_AES_128_GCM_SHA256"]));
}

#[test]
fn the_controller_manager_gives_ranges_to_nodes_where_flannel_waits_for_them() {
    let arguments = |backend: &str| {
        let mut ask = ask(1, 1);
        let labels = [("flannel_backend", backend), ("flannel_network_subnetlen", "26")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        ask.cluster.labels.0.extend(labels);
        let options = Options::parse(&ask).unwrap();
        let cluster = ClusterFacts {
            name: "demo",
            endpoint: "10.0.0.2:6443".into(),
            names: vec![],
        };
        cluster_configuration(&options, &cluster)["controllerManager"]["extraArgs"].clone()
    };
    let ranges = json!([
        {"name": "allocate-node-cidrs", "value": "true"},
        {"name": "cluster-cidr", "value": "10.100.0.0/16"},
        {"name": "node-cidr-mask-size", "value": "26"},
    ]);
    let own = |backend: &str| -> Vec<Value> {
        let arguments = arguments(backend);
        let ranges = ranges.as_array().unwrap();
        let all = arguments.as_array().into_iter().flatten();
        all.filter(|one| ranges.contains(one)).cloned().collect()
    };
    assert_eq!(json!(own("vxlan")), ranges);
    assert!(own("host-gw").is_empty());
}

/// Every label that changes a document.
const FULL: &[(&str, &str)] = &[
    ("kubeapi_options", "--profiling=false"),
    ("kubecontroller_options", "--node-monitor-period=5s"),
    ("kubescheduler_options", "--v=2"),
    ("kubelet_options", "--max-pods=50"),
    ("etcd_tag", "3.5.16-0"),
    ("container_infra_prefix", "registry.example.com/kube"),
    ("kube_proxy_conntrack_max_per_core", "0"),
    ("audit_log_enabled", "true"),
    ("keystone_auth_enabled", "true"),
    ("admission_control_list", "LimitRanger"),
    ("kubelet_tls_cipher_suites", "TLS_AES_128_GCM_SHA256"),
    ("flannel_network_subnetlen", "26"),
    ("api_server_cert_sans", "api.example.com"),
    ("cgroup_driver", "cgroupfs"),
];

#[test]
fn every_document_is_of_the_published_type_of_its_version() {
    let taint = BTreeMap::from([
        ("key".to_owned(), "gpu".to_owned()),
        ("effect".to_owned(), "NoSchedule".to_owned()),
    ]);
    for version in ["v1.20.2", "v1.21.14", "v1.22.0", "v1.30.9", "v1.31.2", "v1.36.1"] {
        for labels in [&[][..], FULL] {
            let mut ask = ask(3, 1);
            let tag = [("kube_tag", version)];
            let given = labels.iter().chain(&tag);
            ask.cluster
                .labels
                .0
                .extend(given.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
            ask.groups[1].node_taints = vec![taint.clone()];
            let options = Options::parse(&ask).unwrap();
            let cluster = ClusterFacts {
                name: "demo",
                endpoint: "10.0.0.2:6443".into(),
                names: vec!["10.0.0.2".into()],
            };
            for group in &ask.groups {
                let taints = crate::options::taints(group).unwrap();
                let node = NodeFacts {
                    name: "demo-0123-node",
                    address: "10.0.0.5",
                    labels: crate::options::node_labels(group).unwrap(),
                    taints: (!taints.is_empty()).then_some(taints),
                };
                let mut documents = super::join(
                    &options,
                    &node,
                    "/etc/jeroboam/join.kubeconfig",
                    group.is_master(),
                );
                documents.extend(init(&options, &cluster, &node));
                for document in &documents {
                    if let Err(wrong) = schema::check(options.version.format(), document) {
                        panic!("{version}: {wrong}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_another_version_has_is_found() {
    let options = Options::parse(&ask(1, 1)).unwrap();
    let node = NodeFacts {
        name: "n",
        address: "10.0.0.5",
        labels: vec![],
        taints: None,
    };
    let join = super::join(&options, &node, "/etc/jeroboam/join.kubeconfig", true).remove(0);
    schema::check(Format::V1Beta4, &join).unwrap();
    assert!(
        schema::check(Format::V1Beta3, &join)
            .unwrap_err()
            .contains("not of kubeadm.k8s.io/v1beta3")
    );
    let refused = |field: &str| {
        let mut document = join.clone();
        document["apiVersion"] = json!(Format::V1Beta3.api_version());
        match field {
            "timeouts" => document.as_object_mut().unwrap().remove(field),
            other => document["nodeRegistration"]
                .as_object_mut()
                .unwrap()
                .remove(other),
        };
        schema::check(Format::V1Beta3, &document).unwrap_err()
    };
    let said = refused("kubeletExtraArgs");
    assert!(said.contains("JoinConfiguration has no field timeouts"), "{said}");
    let said = refused("timeouts");
    assert!(said.contains("kubeletExtraArgs is no {string}"), "{said}");
}
