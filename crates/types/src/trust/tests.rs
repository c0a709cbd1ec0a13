use std::collections::BTreeMap;

use super::*;
use crate::nodegroup::tests::group;
use crate::roll;

/// Workers that see masters' certificates all the time, as kubelets do.
fn watchful(group: &NodeGroup, stage: TrustStage) -> TrustStage {
    match group.is_master() || !stage.is_overlap_of_new() {
        true => stage,
        false => stage.next(),
    }
}

/// Workers that see them only while they join.
fn joining(group: &NodeGroup, stage: TrustStage) -> TrustStage {
    match (group.is_master(), stage.0 % STAGES) {
        (false, 1) => stage.previous(),
        (false, 2) => stage.next(),
        _ => stage,
    }
}

fn cluster() -> Vec<NodeGroup> {
    let mut masters = group(&[0, 1, 2]);
    masters.role = crate::nodegroup::ROLE_MASTER.to_owned();
    masters.name = crate::nodegroup::DEFAULT_MASTER.to_owned();
    let mut gpu = group(&[0]);
    gpu.name = "gpu".to_owned();
    vec![masters, group(&[0, 1, 4]), gpu]
}

fn all(group: &NodeGroup) -> NodesSeen {
    let nodes: BTreeSet<u32> = group.nodes.iter().copied().collect();
    NodesSeen {
        taken: nodes.clone(),
        ready: nodes,
    }
}

fn begin(groups: &mut [NodeGroup], wanted: fn(&NodeGroup, TrustStage) -> TrustStage) {
    let stage = match is_rotating(groups) {
        true => stage_of(groups),
        false => stage_of(groups).next(),
    };
    for group in groups {
        let seen = all(group);
        group.begin_rotation(Revision::default(), wanted(group, stage), &seen);
    }
}

/// Takes up the groups as they are written next; false at the end.
fn step(groups: &mut [NodeGroup], wanted: fn(&NodeGroup, TrustStage) -> TrustStage) -> bool {
    let Some(next) = roll::advance(groups).or_else(|| advance(groups, wanted)) else {
        return false;
    };
    for group in next {
        let known = groups.iter_mut().find(|known| known.name == group.name);
        *known.unwrap() = group;
    }
    true
}

/// Stages of the machines that are there: true for masters.
fn machines(groups: &[NodeGroup]) -> Vec<(bool, TrustStage)> {
    let of_group = |group: &NodeGroup| {
        let roll = group.roll.clone().unwrap_or_default();
        let there: Vec<_> = group
            .nodes
            .iter()
            .filter(|node| !roll.out.contains(node))
            .map(|node| roll.behind.get(node).unwrap_or(&roll.target).trust)
            .map(|trust| (group.is_master(), trust))
            .collect();
        there
    };
    groups.iter().flat_map(of_group).collect()
}

/// Panics if anybody shows something to somebody who does not trust it.
fn check(groups: &[NodeGroup], workers_watch: bool) {
    let machines = machines(groups);
    let ours = stage_of(groups);
    for (_, master) in machines.iter().filter(|(is_master, _)| *is_master) {
        let (trusted, shown) = (master.trusted(), master.signing());
        assert!(trusted.contains(&ours.signing()), "our own client at {master:?}");
        assert!(ours.trusted().contains(&shown), "{master:?} to our own client");
        for (is_master, node) in &machines {
            assert!(trusted.contains(&node.signing()), "{node:?} to {master:?}");
            if *is_master || workers_watch {
                assert!(node.trusted().contains(&shown), "{master:?} to {node:?}");
            }
        }
    }
}

#[test]
fn nobody_ever_sees_what_they_do_not_trust() {
    type Policy = fn(&NodeGroup, TrustStage) -> TrustStage;
    for (policy, workers_watch) in [(watchful as Policy, true), (joining, false)] {
        let mut groups = cluster();
        for generation in 1..=3 {
            begin(&mut groups, policy);
            let mut stages = vec![stage_of(&groups)];
            check(&groups, workers_watch);
            while step(&mut groups, policy) {
                check(&groups, workers_watch);
                if stages.last() != Some(&stage_of(&groups)) {
                    stages.push(stage_of(&groups));
                }
            }
            let first = generation * STAGES - 2;
            assert_eq!(stages, [first, first + 1, first + 2].map(TrustStage));
            assert!(!is_rotating(&groups));
            let end = TrustStage(generation * STAGES);
            assert!(machines(&groups).iter().all(|(_, trust)| *trust == end));
            assert_eq!(
                (end.signing(), end.trusted()),
                (generation, generation..=generation)
            );
        }
    }
}

#[test]
fn each_node_is_replaced_as_seldom_as_can_be() {
    let count = |policy: fn(&NodeGroup, TrustStage) -> TrustStage| {
        let mut groups = cluster();
        begin(&mut groups, policy);
        let mut made = BTreeMap::new();
        loop {
            for group in &groups {
                let new = group.roll.iter().flat_map(|roll| roll.unproven.clone());
                *made.entry(group.name.clone()).or_insert(0) += new.count();
            }
            if !step(&mut groups, policy) {
                return made.into_values().collect::<Vec<_>>();
            }
        }
    };
    // Three masters in three stages; four workers in two of them, or in one.
    assert_eq!(count(watchful), [9, 6, 2]);
    assert_eq!(count(joining), [9, 3, 1]);
}

#[test]
fn what_was_stopped_is_taken_up_where_it_stopped_and_an_upgrade_keeps_the_stage() {
    let mut groups = cluster();
    begin(&mut groups, watchful);
    let is_midway = |groups: &[NodeGroup]| {
        let behind = groups[0].roll.as_ref().map_or(0, |roll| roll.behind.len());
        stage_of(groups).is_overlap_of_new() && behind == 1
    };
    while !is_midway(&groups) {
        assert!(step(&mut groups, watchful));
    }
    for roll in groups.iter_mut().filter_map(|group| group.roll.as_mut()) {
        roll.stopped = true;
    }
    let left = |groups: &[NodeGroup]| -> usize {
        let rolls = groups.iter().filter_map(|group| group.roll.as_ref());
        rolls.map(|roll| roll.behind.len()).sum()
    };
    while step(&mut groups, watchful) {}
    assert!(is_rotating(&groups));
    let (stopped_at, behind) = (stage_of(&groups), left(&groups));
    begin(&mut groups, watchful);
    assert_eq!((stage_of(&groups), left(&groups)), (stopped_at, behind));

    let order = roll::Order {
        target: Revision {
            image_id: "new".to_owned(),
            ..Revision::default()
        },
        source: roll::Source {
            template: crate::TemplateId(uuid::Uuid::nil()),
            image_id: "new".to_owned(),
            flavor_id: None,
            labels: BTreeMap::new(),
        },
        batch: 1,
    };
    let mut upgraded = groups[1].clone();
    let seen = all(&upgraded);
    upgraded.begin_roll(Revision::default(), order, &seen);
    assert_eq!(upgraded.trust(), groups[1].trust());
    assert!(upgraded.is_upgrading() && !groups[1].is_upgrading());
    while step(&mut groups, watchful) {}
    assert!(!is_rotating(&groups));
}

#[test]
fn stages_say_who_signs_and_who_is_trusted() {
    let shown: Vec<String> = (0..7)
        .map(TrustStage)
        .map(|stage| format!("{} of {:?}", stage.signing(), stage.trusted()))
        .collect();
    let expected = [
        "0 of 0..=0",
        "0 of 0..=1",
        "1 of 0..=1",
        "1 of 1..=1",
        "1 of 1..=2",
        "2 of 1..=2",
        "2 of 2..=2",
    ];
    assert_eq!(shown, expected);
    let old: Revision = serde_json::from_str(r#"{"image_id": "i", "flavor_id": "f"}"#).unwrap();
    assert!(old.trust.is_first() && !serde_json::to_string(&old).unwrap().contains("trust"));
}
