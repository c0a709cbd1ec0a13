use std::sync::{Arc, Mutex};

use jeroboam_blueprint::testkit::{Answers, Requests, access, tls_server_seen};
use jeroboam_driver::{Authority, Driver, Key};

use super::*;
use crate::SwarmDriver;
use crate::options::tests::ask;

fn host_name(name: &str) -> String {
    ask(1, 2).cloud_name(&Key::new("server", name))
}

/// A node as Docker lists it.
fn listed(name: &str, availability: &str, state: &str) -> Value {
    json!({
        "ID": format!("id-{name}"),
        "Version": {"Index": 7},
        "Spec": {"Role": "worker", "Availability": availability, "Labels": {"kept": "yes"}},
        "Description": {"Hostname": host_name(name)},
        "Status": {"State": state, "Addr": "10.0.0.5"},
    })
}

/// Lets worker-1 leave a swarm of these nodes and tasks; gives what came of it and what Docker was asked to change.
async fn leave(nodes: Value, tasks: Value, overdue: bool) -> (Departure, Vec<(String, Value)>) {
    let filters = "%7B%22node%22%3A%5B%22id-worker-1%22%5D%7D";
    let done = (200, Value::Null);
    let answers = Answers::from([
        ("GET /nodes".to_owned(), (200, nodes)),
        (format!("GET /tasks?filters={filters}"), (200, tasks)),
        (
            "POST /nodes/id-worker-1/update?version=7".to_owned(),
            done.clone(),
        ),
        ("DELETE /nodes/id-worker-1?force=true".to_owned(), done),
    ]);
    let requests: Requests = Arc::new(Mutex::new(Vec::new()));
    let address = tls_server_seen("127.0.0.1", answers, requests.clone());
    let access = access(format!("tcp://{address}"), Authority::Cluster);
    let node = Leaving {
        host_name: &host_name("worker-1"),
        address: None,
        overdue,
        machine_gone: false,
    };
    let departure = SwarmDriver.leave(&ask(1, 1), &access, &node).await;
    let seen = requests.lock().unwrap().clone();
    let changes = seen
        .into_iter()
        .filter(|(what, _)| !what.starts_with("GET "))
        .collect();
    (departure, changes)
}

fn running(count: usize) -> Value {
    let mut tasks = vec![json!({"Status": {"State": "running"}}); count];
    tasks.push(json!({"Status": {"State": "shutdown"}}));
    json!(tasks)
}

const REMOVAL: &str = "DELETE /nodes/id-worker-1?force=true";

#[tokio::test]
async fn a_node_is_drained_before_it_is_removed() {
    let others = listed("worker-0", "active", "ready");
    let (departure, changes) = leave(
        json!([others, listed("worker-1", "active", "ready")]),
        running(1),
        false,
    )
    .await;
    assert!(matches!(departure, Departure::NotYet(_)));
    assert_eq!(changes.len(), 1);
    let (what, spec) = &changes[0];
    assert_eq!(what, "POST /nodes/id-worker-1/update?version=7");
    let expected = json!({"Role": "worker", "Availability": "drain", "Labels": {"kept": "yes"}});
    assert_eq!(*spec, expected);

    let drained = || {
        json!([
            listed("worker-0", "active", "ready"),
            listed("worker-1", "drain", "ready")
        ])
    };
    let (departure, changes) = leave(drained(), running(2), false).await;
    assert_eq!(
        departure,
        Departure::NotYet("2 tasks of it have not stopped yet".into())
    );
    assert!(changes.is_empty(), "{changes:?}");

    let (departure, changes) = leave(drained(), running(0), false).await;
    assert_eq!(departure, Departure::Gone);
    assert_eq!(changes[0].0, REMOVAL);
}

#[tokio::test]
async fn tasks_that_do_not_stop_in_time_do_not_keep_a_node() {
    let (departure, changes) = leave(json!([listed("worker-1", "drain", "ready")]), running(2), true).await;
    assert_eq!((departure, changes[0].0.as_str()), (Departure::Gone, REMOVAL));
}

#[tokio::test]
async fn a_node_that_is_down_is_removed_at_once_and_one_that_is_unknown_is_gone() {
    let (departure, changes) = leave(json!([listed("worker-1", "active", "down")]), running(2), false).await;
    assert_eq!((departure, changes[0].0.as_str()), (Departure::Gone, REMOVAL));
    let (departure, changes) = leave(json!([listed("worker-0", "active", "ready")]), running(2), false).await;
    assert_eq!((departure, changes.len()), (Departure::Gone, 0));
}

#[tokio::test]
async fn a_worker_that_was_made_a_manager_is_demoted_first() {
    let mut promoted = listed("worker-1", "drain", "ready");
    promoted["Spec"]["Role"] = json!("manager");
    let (departure, changes) = leave(json!([promoted]), running(0), true).await;
    assert!(matches!(departure, Departure::NotYet(_)));
    assert_eq!(changes[0].1["Role"], "worker");
}

#[tokio::test]
async fn what_docker_refuses_is_told_and_tried_again() {
    let mut unknown = listed("worker-1", "active", "ready");
    unknown["Version"]["Index"] = json!(8);
    // 404 is as good as gone; the next look tells more.
    let (departure, _) = leave(json!([unknown]), running(0), false).await;
    assert!(matches!(departure, Departure::NotYet(_)));
    let (departure, _) = leave(json!({"message": "no"}), running(0), false).await;
    assert!(matches!(departure, Departure::NotYet(text) if text.starts_with("the Docker API answers badly")));
}
