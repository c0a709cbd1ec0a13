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
