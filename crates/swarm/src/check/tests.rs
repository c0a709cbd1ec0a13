use jeroboam_driver::{Authority, Certificates, Driver, Key};
use serde_json::{Value, json};

use super::*;
use crate::SwarmDriver;
use crate::options::tests::ask;
use jeroboam_blueprint::testkit::{self, Answers, certificates, tls_server};

fn access(address: impl std::fmt::Display, signer: Authority) -> Access {
    testkit::access(format!("tcp://{address}"), signer)
}

/// A node as Docker lists it.
fn listed(name: &str, manager: bool) -> Value {
    let mut node = json!({
        "ID": "x",
        "Spec": {"Role": if manager { "manager" } else { "worker" }, "Availability": "active", "Labels": {}},
        "Description": {"Hostname": ask(1, 1).cloud_name(&Key::new("server", name))},
        "Status": {"State": "ready", "Addr": "10.0.0.5"},
    });
    if manager {
        node["ManagerStatus"] = json!({"Leader": true, "Reachability": "reachable", "Addr": "10.0.0.5:2377"});
    }
    node
}

async fn look_at(nodes: (u16, Value)) -> Report {
    let answers = Answers::from([
        ("GET /nodes".into(), nodes),
        (
            "GET /version".into(),
            (200, json!({"Version": "20.10.24+dfsg1", "ApiVersion": "1.41"})),
        ),
    ]);
    let address = tls_server("127.0.0.1", answers);
    SwarmDriver
        .check(&ask(1, 2), &access(address, Authority::Cluster))
        .await
}

#[tokio::test]
async fn a_swarm_is_ready_when_every_node_is() {
    let nodes = |change: fn(&mut Value)| {
        let mut nodes = json!([
            listed("master-0", true),
            listed("worker-0", false),
            listed("worker-1", false)
        ]);
        change(&mut nodes);
        (200, nodes)
    };
    let version = Some("20.10.24+dfsg1".to_owned());
    let ready = Report::Ready {
        coe_version: "20.10.24+dfsg1".into(),
        container_version: version,
    };
    assert_eq!(look_at(nodes(|_| {})).await, ready);
    let old_self = |nodes: &mut Value| {
        let mut old = nodes[1].clone();
        old["Status"]["State"] = json!("down");
        nodes.as_array_mut().unwrap().insert(0, old);
    };
    assert_eq!(look_at(nodes(old_self)).await, ready);

    type Change = (fn(&mut Value), &'static str);
    let changes: [Change; 5] = [
        (
            |nodes| nodes[2]["Status"]["State"] = json!("down"),
            "worker-1 is not ready",
        ),
        (
            |nodes| nodes[1]["Spec"]["Role"] = json!("manager"),
            "worker-0 is not a worker",
        ),
        (
            |nodes| nodes[1]["Spec"]["Availability"] = json!("drain"),
            "worker-0 is not active",
        ),
        (
            |nodes| nodes[0]["ManagerStatus"] = Value::Null,
            "master-0 is not reachable as a manager",
        ),
        (
            |nodes| drop(nodes.as_array_mut().unwrap().remove(1)),
            "worker-0 is missing",
        ),
    ];
    for (change, reason) in changes {
        let Report::NotYet(text) = look_at(nodes(change)).await else {
            panic!("ready without {reason}")
        };
        assert!(
            text.starts_with("2 of 3 nodes are ready; demo-") && text.ends_with(reason),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_does_not_answer_is_not_ready() {
    let refused = look_at((503, json!({"message": "This node is not a swarm manager."}))).await;
    assert_eq!(
        refused,
        Report::NotYet("the first manager has not formed the swarm yet".into())
    );

    let address = tls_server("127.0.0.1", Answers::new());
    // A certificate of another authority does not open the door.
    let stranger = SwarmDriver
        .check(&ask(1, 2), &access(address, Authority::Node))
        .await;
    assert!(matches!(stranger, Report::NotYet(text) if text.starts_with("the Docker API does not answer")));
    // The server's certificate is for another address.
    let elsewhere = tls_server("127.0.0.2", Answers::new());
    let other = SwarmDriver
        .check(&ask(1, 2), &access(elsewhere, Authority::Cluster))
        .await;
    assert!(matches!(other, Report::NotYet(text) if text.contains("invalid peer certificate")));
    // The server's certificate is of another authority.
    let mut distrustful = access(address, Authority::Cluster);
    distrustful.authority = Some(certificates().authority(Authority::Node).unwrap());
    let unknown = SwarmDriver.check(&ask(1, 2), &distrustful).await;
    assert!(matches!(unknown, Report::NotYet(text) if text.contains("invalid peer certificate")));
}

#[test]
fn a_long_list_of_missing_nodes_is_cut() {
    let waiting: Vec<_> = (0..9).map(|index| format!("n-{index} is missing")).collect();
    let text = summary(10, &waiting);
    assert!(
        text.starts_with("1 of 10 nodes are ready; n-0 is missing") && text.ends_with(" and 4 more"),
        "{text}"
    );
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    let mut huge = listed("worker-0", false);
    huge["Description"]["Junk"] = json!("x".repeat(LONGEST_ANSWER + 4 * ANSWER_PER_NODE));
    let Report::NotYet(text) = look_at((200, json!([huge]))).await else {
        panic!("ready")
    };
    assert!(
        text.starts_with("the Docker API answers badly: with more than"),
        "{text}"
    );
}

async fn health_at(nodes: (u16, Value)) -> Health {
    let answers = Answers::from([
        ("GET /_ping".into(), (200, json!("OK"))),
        ("GET /nodes".into(), nodes),
    ]);
    let address = tls_server("127.0.0.1", answers);
    SwarmDriver
        .health(&ask(1, 2), &access(address, Authority::Cluster))
        .await
}

#[tokio::test]
async fn health_tells_of_lost_nodes_and_lets_tenants_use_theirs_as_they_like() {
    let nodes = |change: fn(&mut Value)| {
        let mut nodes = json!([
            listed("master-0", true),
            listed("worker-0", false),
            listed("worker-1", false)
        ]);
        change(&mut nodes);
        (200, nodes)
    };
    let used = |nodes: &mut Value| {
        nodes[1]["Spec"]["Availability"] = json!("drain");
        nodes[2]["Spec"]["Role"] = json!("manager");
    };
    for change in [used, |_: &mut Value| {}] {
        let health = health_at(nodes(change)).await;
        assert!(health.is_good() && health.nodes.len() == 3, "{health:?}");
    }
    let lost = |nodes: &mut Value| {
        nodes[0]["ManagerStatus"]["Reachability"] = json!("unreachable");
        nodes[1]["Status"] = json!({"State": "down", "Message": "heartbeat failure"});
        nodes.as_array_mut().unwrap().remove(2);
    };
    let health = health_at(nodes(lost)).await;
    let lacks: Vec<&str> = health
        .nodes
        .iter()
        .filter_map(|node| node.lack.as_deref())
        .collect();
    assert_eq!(
        lacks,
        [
            "is not reachable as a manager",
            "is not ready: down: heartbeat failure",
            "is missing"
        ]
    );
    let headless = health_at((503, json!({"message": "The swarm does not have a leader."}))).await;
    assert_eq!(headless.api, ApiHealth::Failing("the swarm has no leader".into()));
}
