use chrono::DateTime;
use uuid::Uuid;

use super::*;
use crate::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER, ROLE_MASTER, ROLE_WORKER, first_nodes};
use crate::{ClusterId, Labels, NodeGroupId, Status};

const LIMITS: Limits = Limits {
    patience: Duration::from_secs(300),
    most: 3,
    window: Duration::from_secs(3_600),
};

fn group(name: &str, role: &str, count: i32) -> NodeGroup {
    NodeGroup {
        id: 0,
        uuid: NodeGroupId(Uuid::nil()),
        name: name.to_owned(),
        cluster_id: ClusterId(Uuid::nil()),
        project_id: "p".into(),
        docker_volume_size: None,
        labels: Labels::default(),
        flavor_id: None,
        image_id: None,
        node_addresses: Vec::new(),
        node_count: count,
        nodes: first_nodes(count),
        max_node_count: None,
        min_node_count: None,
        role: role.to_owned(),
        is_default: true,
        stack_id: None,
        status: Status::CreateComplete,
        status_reason: None,
        version: None,
        node_labels: BTreeMap::new(),
        node_taints: Vec::new(),
        roll: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: None,
    }
}

fn groups(masters: i32, workers: i32) -> Vec<NodeGroup> {
    vec![
        group(DEFAULT_MASTER, ROLE_MASTER, masters),
        group(DEFAULT_WORKER, ROLE_WORKER, workers),
    ]
}

/// All nodes; those of the given names are lost, with an exclamation mark for good.
fn nodes(groups: &[NodeGroup], lost: &[&str]) -> Vec<Node> {
    let of_group = |group: &NodeGroup| {
        let stem = if group.is_master() { "master" } else { "worker" };
        let name = group.name.clone();
        let all = group.nodes.clone().into_iter();
        all.map(move |number| Node {
            name: format!("{stem}-{number}"),
            group: name.clone(),
            number,
            lost: None,
        })
    };
    let mut nodes: Vec<Node> = groups.iter().flat_map(of_group).collect();
    for node in &mut nodes {
        let named = lost.iter().find(|name| name.trim_end_matches('!') == node.name);
        node.lost = named.map(|name| Lost {
            cause: "is not ready".to_owned(),
            for_good: name.ends_with('!'),
        });
    }
    nodes
}

/// What is decided when nodes are lost at 0 s and still are later; `before` are seconds of earlier replacements.
fn decided(
    masters: i32,
    workers: i32,
    lost: &[&str],
    secs: i64,
    before: &[i64],
) -> (Vec<String>, Option<String>) {
    let groups = groups(masters, workers);
    let nodes = nodes(&groups, lost);
    let mut memory = Memory {
        replaced: before.iter().map(|secs| Millis(secs * 1_000)).collect(),
        ..Memory::default()
    };
    memory.observe(&nodes, Millis(0), &LIMITS);
    let now = Millis(secs * 1_000);
    memory.observe(&nodes, now, &LIMITS);
    let decision = memory.decide(&groups, &nodes, now, &LIMITS);
    let names = decision.replace.into_iter().map(|node| node.name);
    (names.collect(), decision.paused)
}

#[test]
fn a_node_is_given_time_unless_its_server_is_gone() {
    assert_eq!(decided(1, 3, &[], 900, &[]), (vec![], None));
    assert_eq!(decided(1, 3, &["worker-1"], 299, &[]), (vec![], None));
    assert_eq!(
        decided(1, 3, &["worker-1"], 300, &[]),
        (vec!["worker-1".into()], None)
    );
    assert_eq!(
        decided(1, 3, &["worker-1!"], 0, &[]),
        (vec!["worker-1".into()], None)
    );
}

#[test]
fn a_node_that_came_back_is_given_its_time_again() {
    let groups = groups(1, 2);
    let mut memory = Memory::default();
    let at = |secs: i64| Millis(secs * 1_000);
    memory.observe(&nodes(&groups, &["worker-0"]), at(0), &LIMITS);
    memory.observe(&nodes(&groups, &[]), at(200), &LIMITS);
    let lost = nodes(&groups, &["worker-0"]);
    memory.observe(&lost, at(400), &LIMITS);
    assert_eq!(
        memory.decide(&groups, &lost, at(400), &LIMITS),
        Decision::default()
    );
    memory.observe(&lost, at(700), &LIMITS);
    let decision = memory.decide(&groups, &lost, at(700), &LIMITS);
    assert_eq!(decision.replace, [lost[1].clone()]);
    memory.replaced(&decision.replace, "req-7", at(700));
    assert_eq!(
        (
            memory.request_id.as_deref(),
            memory.replaced.as_slice(),
            memory.lost.len()
        ),
        (Some("req-7"), &[at(700)][..], 0)
    );
}

#[test]
fn more_than_a_third_of_a_group_at_once_is_no_matter_of_single_nodes() {
    let (replaced, paused) = decided(1, 6, &["worker-0", "worker-1"], 300, &[]);
    assert_eq!((replaced.len(), paused), (2, None));
    let (replaced, paused) = decided(1, 6, &["worker-0", "worker-1", "worker-2"], 300, &[]);
    assert!(replaced.is_empty());
    assert_eq!(
        paused.unwrap(),
        "paused: 3 of 6 nodes of default-worker are lost at once"
    );
    assert_eq!(
        decided(1, 1, &["worker-0"], 300, &[]).0,
        ["worker-0"],
        "one always may be"
    );
    assert!(decided(1, 2, &["worker-0", "worker-1"], 300, &[]).0.is_empty());
}

#[test]
fn no_more_are_replaced_within_the_window_than_the_operator_allows() {
    let lost = ["worker-0", "worker-1"];
    assert_eq!(
        decided(1, 9, &lost, 3_700, &[200, 300]).0,
        ["worker-0"],
        "one is left"
    );
    let (replaced, paused) = decided(1, 9, &lost, 3_700, &[200, 300, 400]);
    assert!(replaced.is_empty());
    assert_eq!(
        paused.unwrap(),
        "paused: 3 nodes were replaced within 60 minutes, and more are lost"
    );
    assert_eq!(
        decided(1, 9, &lost, 4_000, &[200, 300, 400]).0.len(),
        2,
        "the window has passed"
    );
}

#[test]
fn masters_are_replaced_one_at_a_time_and_only_by_a_majority() {
    assert_eq!(
        decided(3, 3, &["master-1", "worker-0"], 300, &[]).0,
        ["master-1"],
        "and before workers"
    );
    assert_eq!(decided(5, 0, &["master-1", "master-3"], 300, &[]).0, ["master-1"]);
    let (replaced, paused) = decided(3, 3, &["master-1", "master-2", "worker-0!"], 900, &[]);
    assert!(replaced.is_empty());
    assert!(paused.unwrap().contains("1 of 3 nodes of the control plane"));
    let (replaced, paused) = decided(1, 3, &["master-0!"], 900, &[]);
    assert!(replaced.is_empty());
    assert_eq!(
        paused.unwrap(),
        "paused: the only node of the control plane is lost"
    );
}

#[test]
fn a_worker_gets_another_number_and_a_master_another_machine() {
    let seen = NodesSeen {
        taken: [0, 1, 2].into(),
        ready: [0, 1, 2].into(),
    };
    let mut workers = group(DEFAULT_WORKER, ROLE_WORKER, 3);
    workers.replace(&[0, 2].into(), Revision::default(), &seen);
    assert_eq!(
        (workers.nodes.as_slice(), workers.node_count, workers.roll),
        (&[1, 3, 4][..], 3, None)
    );
    let mut masters = group(DEFAULT_MASTER, ROLE_MASTER, 3);
    masters.replace(&[1].into(), Revision::default(), &seen);
    assert_eq!(masters.nodes, [0, 1, 2]);
    let away = crate::roll::advance(&[masters.clone()]).unwrap();
    assert!(masters.is_rolling() && away[0].roll.as_ref().unwrap().unproven == [1].into());
    assert!(crate::roll::advance(&away).unwrap()[0].is_uniform());
}

#[test]
fn what_is_remembered_reads_back_and_an_empty_memory_is_nothing() {
    let memory = Memory {
        lost: BTreeMap::from([("worker-1".to_owned(), Millis(5))]),
        replaced: vec![Millis(3)],
        request_id: Some("req-4".to_owned()),
        add_ons: Some(AddOns {
            looked: Millis(6),
            wrong: Some("metrics-server: 0 of 1 pods are ready".to_owned()),
        }),
    };
    let text = serde_json::to_string(&memory).unwrap();
    assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
    assert_eq!(serde_json::to_string(&Memory::default()).unwrap(), "{}");
}
