use chrono::DateTime;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER, ROLE_MASTER, ROLE_WORKER, first_nodes};
use crate::{ClusterId, Labels, NodeGroupId, Status};

fn group(name: &str, role: &str, count: i32) -> NodeGroup {
    NodeGroup {
        id: 0,
        uuid: NodeGroupId(Uuid::nil()),
        name: name.to_owned(),
        cluster_id: ClusterId(Uuid::nil()),
        project_id: "p".into(),
        docker_volume_size: None,
        labels: Labels::from_iter([("kube_tag", "v1.30.0"), ("other", "stays")]),
        flavor_id: None,
        image_id: Some("old".to_owned()),
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

fn workers(count: i32) -> NodeGroup {
    group(DEFAULT_WORKER, ROLE_WORKER, count)
}

fn masters(count: i32) -> NodeGroup {
    group(DEFAULT_MASTER, ROLE_MASTER, count)
}

fn revision(image: &str) -> Revision {
    Revision {
        image_id: image.to_owned(),
        ..Revision::default()
    }
}

fn order(image: &str, batch: u32) -> Order {
    let kube_tag = ("kube_tag".to_owned(), Some("v1.31.0".to_owned()));
    Order {
        target: revision(image),
        source: Source {
            template: TemplateId(Uuid::from_u128(u128::from(image.as_bytes()[0]))),
            image_id: image.to_owned(),
            flavor_id: None,
            labels: BTreeMap::from([kube_tag]),
        },
        batch,
    }
}

fn all_ready(group: &NodeGroup) -> NodesSeen {
    let nodes: BTreeSet<u32> = group.nodes.iter().copied().collect();
    NodesSeen {
        taken: nodes.clone(),
        ready: nodes,
    }
}

fn begun(mut group: NodeGroup, image: &str, batch: u32) -> NodeGroup {
    let seen = all_ready(&group);
    group.begin_roll(revision("old"), order(image, batch), &seen);
    group
}

/// The group after the next step.
fn step(group: &NodeGroup) -> NodeGroup {
    advance(std::slice::from_ref(group)).unwrap().remove(0)
}

/// Each set of nodes that is written on the way, those of an older revision in brackets and machines that are away
/// with a minus.
fn walk(mut group: NodeGroup) -> Vec<String> {
    let show = |group: &NodeGroup| {
        let roll = group.roll.as_ref().unwrap();
        let node = |node: &u32| match (roll.out.contains(node), roll.behind.contains_key(node)) {
            (true, _) => format!("-{node}"),
            (false, true) => format!("[{node}]"),
            (false, false) => node.to_string(),
        };
        group.nodes.iter().map(node).collect::<Vec<_>>().join(" ")
    };
    let mut seen = vec![show(&group)];
    while let Some(next) = advance(std::slice::from_ref(&group)) {
        group = next.into_iter().next().unwrap();
        if seen.last() != Some(&show(&group)) {
            seen.push(show(&group));
        }
    }
    seen
}

#[test]
fn workers_are_surged_after_a_canary() {
    assert_eq!(
        walk(begun(workers(4), "new", 2)),
        [
            "[0] [1] [2] [3]",
            "[0] [1] [2] [3] 4",
            "[1] [2] [3] 4",
            "0 [1] [2] [3] 4 5",
            "0 [3] 4 5",
            "0 1 [3] 4 5",
            "0 1 4 5",
        ]
    );
    assert_eq!(walk(begun(workers(1), "new", 9)), ["[0]", "[0] 1", "1"]);
    assert_eq!(walk(begun(workers(0), "new", 1)), [""]);
}

#[test]
fn masters_go_and_come_back_one_at_a_time_under_their_numbers() {
    assert_eq!(
        walk(begun(masters(3), "new", 3)),
        [
            "[0] [1] [2]",
            "-0 [1] [2]",
            "0 [1] [2]",
            "0 -1 [2]",
            "0 1 [2]",
            "0 1 -2",
            "0 1 2"
        ]
    );
}

#[test]
fn the_control_plane_comes_first_and_one_group_after_the_other() {
    let mut groups = vec![
        begun(workers(2), "new", 1),
        begun(masters(1), "new", 1),
        begun(group("gpu", ROLE_WORKER, 1), "new", 1),
    ];
    let mut order = Vec::new();
    while let Some(next) = advance(&groups) {
        for group in next {
            if order.last() != Some(&group.name) {
                order.push(group.name.clone());
            }
            let known = groups.iter_mut().find(|known| known.name == group.name);
            *known.unwrap() = group;
        }
    }
    assert_eq!(order, [DEFAULT_MASTER, DEFAULT_WORKER, "gpu"]);
    assert!(groups.iter().all(NodeGroup::is_uniform));
}

#[test]
fn a_group_without_a_newer_revision_is_left_alone() {
    assert_eq!(advance(&[workers(2), masters(1)]), None);
    let mut same = workers(2);
    let seen = all_ready(&same);
    same.begin_roll(revision("new"), order("new", 1), &seen);
    let shown = step(&same);
    assert_eq!(shown.nodes, [0, 1]);
    assert_eq!(advance(&[shown]), None);
}

#[test]
fn what_a_group_shows_changes_only_when_all_of_it_has_changed() {
    let mut group = begun(workers(1), "new", 1);
    group = step(&group);
    assert_eq!(group.image_id.as_deref(), Some("old"));
    while let Some(mut next) = advance(std::slice::from_ref(&group)) {
        group = next.remove(0);
    }
    assert_eq!(group.image_id.as_deref(), Some("new"));
    let labels = Labels::from_iter([("kube_tag", "v1.31.0"), ("other", "stays")]);
    assert_eq!(group.labels, labels);
}

#[test]
fn a_failure_stops_the_roll_and_the_same_order_again_makes_the_failed_batch_anew() {
    let mut group = step(&begun(workers(3), "new", 2));
    assert_eq!(group.nodes, [0, 1, 2, 3]);
    // The canary failed; whether its server stands does not matter.
    group.roll.as_mut().unwrap().stopped = true;
    let seen = all_ready(&group);
    let mut again = group.clone();
    again.begin_roll(revision("old"), order("new", 2), &seen);
    assert_eq!(again.nodes, [0, 1, 2]);
    assert_eq!(walk(again)[..2], ["[0] [1] [2]", "[0] [1] [2] 3"]);
    // Back to what it was: nothing is left to do.
    let mut back = group.clone();
    back.begin_roll(revision("old"), order("old", 2), &seen);
    assert_eq!(walk(back), ["0 1 2"]);
    // To another one.
    group.begin_roll(revision("old"), order("third", 2), &seen);
    assert_eq!(group.roll.as_ref().unwrap().behind.len(), 3);
    assert!(group.is_rolling());
}

#[test]
fn half_rolled_groups_go_back_without_touching_what_is_old() {
    let mut group = begun(workers(3), "new", 1);
    for _ in 0..2 {
        group = step(&group);
    }
    assert_eq!(group.nodes, [1, 2, 3]);
    let seen = all_ready(&group);
    group.begin_roll(revision("old"), order("old", 5), &seen);
    assert_eq!(walk(group), ["1 2 [3]", "0 1 2 [3]", "0 1 2"]);
}

#[test]
fn a_master_that_failed_goes_before_anything_is_waited_for() {
    let mut group = begun(masters(3), "new", 1);
    for _ in 0..2 {
        group = step(&group);
    }
    let roll = group.roll.as_mut().unwrap();
    assert_eq!(roll.unproven, BTreeSet::from([0]));
    roll.stopped = true;
    let seen = all_ready(&group);
    group.begin_roll(revision("old"), order("mended", 1), &seen);
    assert_eq!(walk(group)[..2], ["-0 [1] [2]", "0 [1] [2]"]);
}

#[test]
fn a_stopped_roll_brings_back_what_is_away_and_begins_nothing() {
    let mut group = step(&begun(masters(3), "new", 1));
    group.roll.as_mut().unwrap().stopped = true;
    assert_eq!(walk(group), ["-0 [1] [2]", "0 [1] [2]"]);
    let mut group = begun(workers(2), "new", 1);
    group.roll.as_mut().unwrap().stopped = true;
    assert_eq!(advance(&[group]), None);
}

#[test]
fn a_cluster_is_of_a_template_when_all_default_groups_are() {
    let done = |group: NodeGroup| {
        let mut groups = vec![group];
        while let Some(next) = advance(&groups) {
            groups = next;
        }
        groups.remove(0)
    };
    let (master, worker) = (
        done(begun(masters(1), "new", 1)),
        done(begun(workers(2), "new", 1)),
    );
    let of = |groups: &[NodeGroup]| source_of(groups).map(|source| source.image_id.clone());
    assert_eq!(of(&[master.clone(), worker.clone()]).as_deref(), Some("new"));
    assert_eq!(of(&[master.clone(), workers(2)]), None);
    assert_eq!(of(&[master, begun(workers(2), "new", 1)]), None);
    assert_eq!(of(&[masters(1), worker]), None);
}

proptest! {
    /// Whatever the sizes, and resizes on the way: it ends, with the right number of new nodes, never with fewer nodes
    /// than asked for, and never with more than a batch above them.
    #[test]
    fn a_roll_ends_and_never_leaves_too_few_nodes(
        count in 0_i32..9,
        batch in 1_u32..5,
        resizes in prop::collection::vec((0_usize..6, 0_i32..9, prop::collection::btree_set(0_u32..12, 0..3)), 0..3),
    ) {
        let mut group = begun(workers(count), "new", batch);
        let mut resizes: Vec<_> = resizes;
        for turn in 0..200 {
            if let Some(at) = resizes.iter().position(|(at, ..)| *at == turn) {
                let (_, count, going) = resizes.remove(at);
                let seen = all_ready(&group);
                group.resize(count, &going, &seen);
                prop_assert_eq!(group.nodes.len(), count as usize);
            }
            let Some(mut next) = advance(std::slice::from_ref(&group)) else { break };
            group = next.remove(0);
            let (nodes, count) = (group.nodes.len(), group.node_count as usize);
            prop_assert!(nodes >= count && nodes <= count + batch as usize, "{nodes} of {count}");
            let roll = group.roll.as_ref().unwrap();
            prop_assert!(roll.behind.keys().chain(&roll.unproven).all(|node| group.nodes.contains(node)));
        }
        prop_assert_eq!(advance(std::slice::from_ref(&group)), None);
        prop_assert!(group.is_uniform());
        prop_assert_eq!(group.nodes.len(), group.node_count as usize);
    }
}
