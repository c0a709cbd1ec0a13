use jeroboam_blueprint::testkit::{self, Answers, Requests, certificates, tls_server, tls_server_seen};
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
    KubernetesDriver::default()
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
async fn a_look_at_the_health_puts_back_what_nodes_lack_and_a_failing_api_is_left_alone() {
    let mut ask = ask(1, 30);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ask.groups[1].node_taints = vec![[pair("key", "gpu"), pair("effect", "NoSchedule")].into()];
    let mut nodes = vec![listed("master-0", "node-role.kubernetes.io/control-plane")];
    nodes.extend((0..30).map(|number| listed(&format!("worker-{number}"), "x")));
    nodes[1]["spec"] = json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]});
    let patched = |readiness: u16, refused: bool| {
        let mut answers = Answers::from([
            ("GET /readyz?verbose".into(), (readiness, json!("ok"))),
            ("GET /api/v1/nodes".into(), (200, json!({ "items": nodes }))),
        ]);
        for node in &nodes {
            let path = format!(
                "PATCH /api/v1/nodes/{}",
                node["metadata"]["name"].as_str().unwrap()
            );
            answers.insert(path, (if refused { 403 } else { 200 }, json!({})));
        }
        let requests = Requests::default();
        let address = tls_server_seen("127.0.0.1", answers, requests.clone());
        let (ask, access) = (ask.clone(), access(address, Authority::Cluster));
        async move {
            let health = KubernetesDriver::default().health(&ask, &access).await;
            assert_eq!(
                (health.api == ApiHealth::Ok, health.nodes.len()),
                (readiness == 200, 31)
            );
            let seen = requests.lock().unwrap().clone();
            seen.into_iter()
                .filter(|(what, _)| what.starts_with("PATCH"))
                .collect::<Vec<_>>()
        }
    };
    let changes = patched(200, false).await;
    assert_eq!(changes.len(), MARKED_NODES, "the rest follows with the next look");
    assert!(
        changes[0].0.ends_with("-worker-1"),
        "worker-0 lacks nothing: {changes:?}"
    );
    assert_eq!(
        changes[0].1["spec"]["taints"],
        json!([{"key": "gpu", "effect": "NoSchedule"}])
    );
    assert_eq!(patched(500, false).await.len(), 0);
    assert_eq!(
        patched(200, true).await.len(),
        1,
        "who refuses once is not asked on"
    );
}

#[tokio::test]
async fn only_the_clusters_own_authority_is_trusted() {
    let address = tls_server("127.0.0.1", Answers::new());
    let stranger = KubernetesDriver::default()
        .check(&ask(1, 2), &access(address, Authority::Node))
        .await;
    assert!(
        matches!(&stranger, Report::NotYet(text) if text.starts_with("the Kubernetes API does not answer")),
        "{stranger:?}"
    );
    let mut distrustful = access(address, Authority::Cluster);
    distrustful.authority = Some(certificates().authority(Authority::Node).unwrap());
    let unknown = KubernetesDriver::default().check(&ask(1, 2), &distrustful).await;
    assert!(matches!(unknown, Report::NotYet(text) if text.contains("invalid peer certificate")));
}

async fn health_at(readiness: (u16, Value), nodes: Value) -> Health {
    let answers = Answers::from([
        ("GET /readyz?verbose".into(), readiness),
        ("GET /api/v1/nodes".into(), (200, json!({"items": nodes}))),
    ]);
    let address = tls_server("127.0.0.1", answers);
    KubernetesDriver::default()
        .health(&ask(1, 1), &access(address, Authority::Cluster))
        .await
}

#[tokio::test]
async fn health_tells_of_every_node_and_of_every_check_that_fails() {
    let name = |name: &str| ask(1, 1).cloud_name(&Key::new("server", name));
    let stranger = json!({"metadata": {"name": "a-stranger"}, "status": {"conditions": []}});
    let mut worker = listed("worker-0", "x");
    worker["status"]["nodeInfo"]["kubeletVersion"] = json!("v1.33.3");
    let master = listed("master-0", "node-role.kubernetes.io/control-plane");
    let good = health_at((200, json!("ok")), json!([master, worker])).await;
    assert!(good.is_good(), "{good:?}");
    worker["status"]["conditions"][1] = json!({
        "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    });
    let seen = health_at((200, json!("ok")), json!([worker, stranger])).await;
    assert_eq!(seen.api, ApiHealth::Ok);
    let lacks: Vec<(&str, bool, Option<&str>)> = seen
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.server.is_some(), node.lack.as_deref()))
        .collect();
    assert_eq!(
        lacks,
        [
            (name("master-0").as_str(), true, Some("is missing")),
            (
                name("worker-0").as_str(),
                true,
                Some("is not ready: NodeStatusUnknown: Kubelet stopped posting node status.")
            ),
            ("a-stranger", false, Some("is not ready")),
        ]
    );
    let failing =
        "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac failed: x\nreadyz check failed";
    assert_eq!(
        super::failing(failing).as_deref(),
        Some("etcd, poststarthook/rbac")
    );
    let down = health_at((500, json!("x")), json!([])).await;
    assert_eq!(
        down.api,
        ApiHealth::Failing("not ready: 500 Internal Server Error".into())
    );
    assert_eq!(down.nodes.len(), 2, "the nodes are told all the same");
    let stranger = KubernetesDriver::default()
        .health(
            &ask(1, 1),
            &access(tls_server("127.0.0.1", Answers::new()), Authority::Node),
        )
        .await;
    assert!(matches!(stranger.api, ApiHealth::Silent(cause) if cause.contains("does not answer")));
}
