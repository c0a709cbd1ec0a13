use std::sync::{Arc, Mutex};

use jeroboam_blueprint::testkit::{Answers, Requests, access, tls_server_seen};
use jeroboam_driver::Authority;
use serde_json::Value;

use super::*;

/// Lets node `n` leave a cluster in which it is so and has these pods; gives what came of it and what was changed.
async fn leave_with(node: (u16, Value), pods: Value, overdue: bool) -> (Departure, Vec<String>) {
    let leaving = Leaving {
        host_name: "n",
        address: None,
        overdue,
        machine_gone: false,
    };
    leave_as(leaving, node, pods).await
}

async fn leave_as(leaving: Leaving<'_>, node: (u16, Value), pods: Value) -> (Departure, Vec<String>) {
    let done = (200, json!({}));
    let answers = Answers::from([
        ("GET /api/v1/nodes/n".to_owned(), node),
        (
            "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn".to_owned(),
            (200, json!({ "items": pods })),
        ),
        ("PATCH /api/v1/nodes/n".to_owned(), done.clone()),
        ("DELETE /api/v1/nodes/n".to_owned(), done.clone()),
        (
            "POST /api/v1/namespaces/d/pods/web/eviction".to_owned(),
            done.clone(),
        ),
        ("DELETE /api/v1/namespaces/d/pods/web".to_owned(), done.clone()),
        ("DELETE /api/v1/namespaces/d/pods/held".to_owned(), done),
        (
            "POST /api/v1/namespaces/d/pods/held/eviction".to_owned(),
            (429, json!({"message": "disruption budget"})),
        ),
    ]);
    let requests: Requests = Arc::new(Mutex::new(Vec::new()));
    let address = tls_server_seen("127.0.0.1", answers, requests.clone());
    let access = access(format!("https://{address}"), Authority::Cluster);
    let departure = leave(&crate::options::tests::ask(1, 1), &access, &leaving).await;
    let seen = requests.lock().unwrap().clone();
    for (what, body) in &seen {
        // 1.20 and 1.21 refuse policy/v1, and 1.25 and later may refuse policy/v1beta1.
        assert!(
            !what.ends_with("/eviction") || body.get("apiVersion").is_none(),
            "{body}"
        );
        // A kubelet that nobody hears of would not let them go.
        assert!(
            !what.contains("DELETE /api/v1/namespaces") || body["gracePeriodSeconds"] == 0,
            "{body}"
        );
    }
    let changes = seen.into_iter().map(|(what, _)| what);
    (
        departure,
        changes.filter(|what| !what.starts_with("GET ")).collect(),
    )
}

fn node(unschedulable: bool) -> (u16, Value) {
    (
        200,
        json!({"metadata": {"name": "n"}, "spec": {"unschedulable": unschedulable}}),
    )
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "d"}, "status": {"phase": "Running"}})
}

/// Pods that need not move.
fn staying() -> Vec<Value> {
    let mut daemon = pod("daemon");
    daemon["metadata"]["ownerReferences"] = json!([{"kind": "DaemonSet"}]);
    let mut mirror = pod("mirror");
    mirror["metadata"]["annotations"] = json!({ MIRROR: "x" });
    let mut ended = pod("ended");
    ended["status"]["phase"] = json!("Succeeded");
    vec![daemon, mirror, ended]
}

#[tokio::test]
async fn a_node_is_emptied_before_it_is_removed() {
    let mut pods = staying();
    pods.extend([pod("web"), pod("held")]);
    let (departure, changes) = leave_with(node(false), json!(pods), false).await;
    assert_eq!(
        departure,
        Departure::NotYet("2 pods of it are being moved to other nodes".into())
    );
    let expected = [
        "PATCH /api/v1/nodes/n",
        "POST /api/v1/namespaces/d/pods/web/eviction",
        "POST /api/v1/namespaces/d/pods/held/eviction",
    ];
    assert_eq!(changes, expected);
    let mut going = pod("web");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-22T20:00:00Z");
    let (departure, changes) = leave_with(node(true), json!([going]), false).await;
    assert!(matches!(departure, Departure::NotYet(_)));
    assert!(changes.is_empty(), "it is evicted already: {changes:?}");
    let (departure, changes) = leave_with(node(true), json!(staying()), false).await;
    assert_eq!(
        (departure, changes.as_slice()),
        (Departure::Gone, &["DELETE /api/v1/nodes/n".to_owned()][..])
    );
}

#[tokio::test]
async fn pods_that_do_not_move_in_time_end_with_their_machine_and_an_unknown_node_is_gone() {
    let (departure, changes) = leave_with(node(true), json!([pod("held")]), true).await;
    let why = "a pod of it did not move in time".to_owned();
    assert_eq!((departure, changes.len()), (Departure::AfterMachine(why), 0));
    let (departure, changes) = leave_with(node(true), json!(staying()), true).await;
    assert_eq!((departure, changes.len()), (Departure::Gone, 1), "none is left");
    let (departure, changes) = leave_with((404, json!({})), json!([]), false).await;
    assert_eq!((departure, changes.len()), (Departure::Gone, 0));
}

#[tokio::test]
async fn the_pods_of_a_silent_node_are_not_waited_for_but_they_are_forgotten_only_when_its_machine_is_gone() {
    let with = |ready: &str| {
        let (status, mut node) = node(true);
        node["status"] = json!({"conditions": [{"type": "Ready", "status": ready}]});
        (status, node)
    };
    let pods = || {
        let mut pods = staying();
        pods.extend([pod("web"), pod("held")]);
        json!(pods)
    };
    let silent = Departure::AfterMachine("its kubelet does not answer".to_owned());
    assert_eq!(
        leave_with(with("Unknown"), pods(), false).await,
        (silent, Vec::new())
    );
    // A kubelet that says that it is not well still ends pods.
    for ready in ["False", "True"] {
        let (departure, changes) = leave_with(with(ready), pods(), false).await;
        assert!(
            matches!(departure, Departure::NotYet(_)),
            "{ready}: {departure:?}"
        );
        assert!(
            changes.iter().all(|what| what.ends_with("/eviction")),
            "{changes:?}"
        );
    }
    let gone = Leaving {
        host_name: "n",
        address: None,
        overdue: false,
        machine_gone: true,
    };
    let expected = [
        "DELETE /api/v1/namespaces/d/pods/web",
        "DELETE /api/v1/namespaces/d/pods/held",
        "DELETE /api/v1/nodes/n",
    ];
    for ready in ["Unknown", "True"] {
        let (departure, changes) = leave_as(gone, with(ready), pods()).await;
        assert_eq!(
            (departure, changes.as_slice()),
            (Departure::Gone, &expected.map(str::to_owned)[..])
        );
    }
}
