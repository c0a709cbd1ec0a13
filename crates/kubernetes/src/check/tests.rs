use jeroboam_blueprint::testkit::{self, Answers, certificates, tls_server};
use jeroboam_driver::{Authority, Certificates, Driver, Key};
use serde_json::{Value, json};

use super::*;
use crate::KubernetesDriver;
use crate::options::tests::ask;

fn access(address: impl std::fmt::Display, signer: Authority) -> Access {
    testkit::access(format!("https://{address}"), signer)
}

/// A node as Kubernetes lists it.
fn listed(name: &str, role: &str) -> Value {
    json!({
        "metadata": {
            "name": ask(1, 1).cloud_name(&Key::new("server", name)),
            "labels": {
                (role): "",
                "magnum.openstack.org/role": name.split('-').next(),
                "magnum.openstack.org/nodegroup": format!("default-{}", name.split('-').next().unwrap()),
            },
        },
        "status": {
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": "True"},
            ],
            "nodeInfo": {"containerRuntimeVersion": "containerd://1.6.20", "kubeletVersion": "v1.20.2"},
        },
    })
}

async fn look_at(readiness: u16, nodes: Value) -> Report {
    let answers = Answers::from([
        ("GET /readyz".into(), (readiness, json!("ok"))),
        (
            "GET /api/v1/nodes".into(),
            (200, json!({"kind": "NodeList", "items": nodes})),
        ),
        (
            "GET /version".into(),
            (200, json!({"major": "1", "gitVersion": "v1.20.2"})),
        ),
    ]);
    let address = tls_server("127.0.0.1", answers);
    KubernetesDriver
        .check(&ask(1, 2), &access(address, Authority::Cluster))
        .await
}

#[tokio::test]
async fn a_cluster_is_ready_when_every_node_is() {
    let nodes = |change: fn(&mut Value)| {
        let mut nodes = json!([
            listed("master-0", "node-role.kubernetes.io/control-plane"),
            listed("worker-0", "x"),
            listed("worker-1", "x"),
            {"metadata": {"name": "a-stranger"}},
        ]);
        change(&mut nodes);
        nodes
    };
    let ready = Report::Ready {
        coe_version: "v1.20.2".into(),
        container_version: Some("1.6.20".into()),
    };
    assert_eq!(look_at(200, nodes(|_| {})).await, ready);
    type Change = (fn(&mut Value), &'static str);
    let changes: [Change; 4] = [
        (
            |nodes| nodes[2]["status"]["conditions"][1]["status"] = json!("Unknown"),
            "worker-1 is not ready",
        ),
        (|nodes| nodes[1]["status"] = json!({}), "worker-0 is not ready"),
        (
            |nodes| nodes[0]["metadata"]["labels"] = json!({}),
            "master-0 is not a master",
        ),
        (
            |nodes| drop(nodes.as_array_mut().unwrap().remove(1)),
            "worker-0 is missing",
        ),
    ];
    for (change, reason) in changes {
        let Report::NotYet(text) = look_at(200, nodes(change)).await else {
            panic!("ready without {reason}")
        };
        assert!(
            text.starts_with("2 of 3 nodes are ready; demo-") && text.ends_with(reason),
            "{text}"
        );
    }
    let starting = look_at(500, nodes(|_| {})).await;
    assert_eq!(
        starting,
        Report::NotYet("the Kubernetes API is not ready: 500 Internal Server Error".into())
    );
}

#[tokio::test]
async fn only_the_clusters_own_authority_is_trusted() {
    let address = tls_server("127.0.0.1", Answers::new());
    let stranger = KubernetesDriver
        .check(&ask(1, 2), &access(address, Authority::Node))
        .await;
    assert!(
        matches!(&stranger, Report::NotYet(text) if text.starts_with("the Kubernetes API does not answer")),
        "{stranger:?}"
    );
    let mut distrustful = access(address, Authority::Cluster);
    distrustful.authority = Some(certificates().authority(Authority::Node).unwrap());
    let unknown = KubernetesDriver.check(&ask(1, 2), &distrustful).await;
    assert!(matches!(unknown, Report::NotYet(text) if text.contains("invalid peer certificate")));
}
