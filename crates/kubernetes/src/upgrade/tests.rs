use std::collections::BTreeMap;

use jeroboam_driver::Driver;
use jeroboam_types::roll::{Order, Source};
use jeroboam_types::{NodesSeen, Revision, TrustStage};

use super::*;
use crate::options::tests::ask;

fn revision(version: &str) -> Revision {
    Revision {
        image_id: version.to_owned(),
        flavor_id: "flavor-id".to_owned(),
        version: Some(version.to_owned()),
        ..Revision::default()
    }
}

/// A cluster of three masters and two workers of some versions; the given groups are to be of others.
fn upgraded(masters: &str, workers: &str, master_target: Option<&str>, worker_target: Option<&str>) -> Ask {
    let mut ask = ask(3, 2);
    let template = ask.template.uuid;
    let groups = ask
        .groups
        .iter_mut()
        .zip([(masters, master_target), (workers, worker_target)]);
    for (group, (present, target)) in groups {
        let seen = NodesSeen {
            ready: group.nodes.iter().copied().collect(),
            ..NodesSeen::default()
        };
        let target = target.unwrap_or(present);
        let order = Order {
            target: revision(target),
            source: Source {
                template,
                image_id: target.to_owned(),
                flavor_id: None,
                labels: BTreeMap::new(),
            },
            batch: 1,
        };
        group.begin_roll(revision(present), order, &seen);
    }
    ask
}

#[test]
fn a_control_plane_goes_up_one_minor_version_at_a_time_and_workers_follow() {
    for (masters, workers, master_target, worker_target, refusal) in [
        ("v1.30.1", "v1.30.1", Some("v1.31.0"), Some("v1.31.0"), None),
        ("v1.30.1", "v1.30.1", Some("v1.30.9"), Some("v1.30.9"), None),
        ("v1.30.1", "v1.30.1", Some("v1.31.0"), None, None),
        ("v1.31.0", "v1.30.1", None, Some("v1.31.0"), None),
        ("v1.31.0", "v1.31.0", None, Some("v1.30.1"), None),
        ("v1.30.1", "v1.27.4", Some("v1.30.2"), None, None),
        (
            "v1.30.1",
            "v1.30.1",
            Some("v1.32.0"),
            None,
            Some("one minor version at a time: upgrade to 1.31"),
        ),
        (
            "v1.30.1",
            "v1.30.1",
            Some("v1.29.9"),
            None,
            Some("cannot go back"),
        ),
        (
            "v1.30.1",
            "v1.30.1",
            Some("v1.30.0"),
            None,
            Some("cannot go back"),
        ),
        (
            "v1.31.0",
            "v1.30.1",
            Some("v1.31.0-rc.1"),
            None,
            Some("cannot go back"),
        ),
        (
            "v1.30.1",
            "v1.30.1",
            None,
            Some("v1.31.0"),
            Some("newer than the control plane's v1.30.1"),
        ),
        (
            "v1.30.1",
            "v1.27.4",
            Some("v1.31.0"),
            Some("v1.31.0"),
            Some("too old for a control plane of v1.31.0"),
        ),
        ("v1.26.0", "v1.25.0", Some("v1.27.0"), None, None),
        (
            "v1.26.0",
            "v1.24.0",
            Some("v1.27.0"),
            None,
            Some("upgrade the node group to 1.25"),
        ),
    ] {
        let ask = upgraded(masters, workers, master_target, worker_target);
        let refused = check(&ask).err().map(|invalid| invalid.to_string());
        let case = format!("{masters} {workers} to {master_target:?} {worker_target:?}: {refused:?}");
        match refusal {
            Some(part) => assert!(refused.is_some_and(|text| text.contains(part)), "{case}"),
            None => assert!(refused.is_none(), "{case}"),
        }
    }
}

#[test]
fn the_only_master_is_not_replaced_and_its_workers_may_be() {
    let mut whole = upgraded("v1.30.1", "v1.30.1", Some("v1.31.0"), None);
    let master = &mut whole.groups[0];
    (master.node_count, master.nodes) = (1, vec![0]);
    let refused = check(&whole).unwrap_err();
    assert_eq!(refused.field, "nodegroup");
    assert!(refused.reason.contains("resize it to 3 masters"), "{refused}");
    let mut workers = upgraded("v1.31.0", "v1.30.1", None, Some("v1.31.0"));
    let master = &mut workers.groups[0];
    (master.node_count, master.nodes) = (1, vec![0]);
    check(&workers).unwrap();
}

#[test]
fn the_authorities_of_several_masters_can_be_rotated_and_those_of_one_cannot() {
    for (masters, refusal) in [(3, None), (1, Some("resize it to 3 masters before"))] {
        let mut ask = ask(masters, 2);
        ask.cluster.master_lb_enabled = Some(true);
        let driver = crate::KubernetesDriver::default();
        for group in &mut ask.groups {
            let trust = driver.trust_of(group, TrustStage(1));
            group.begin_rotation(revision("v1.30.1"), trust, &NodesSeen::default());
        }
        let refused = driver.validate_rotation(&ask).err().map(|invalid| invalid.reason);
        match refusal {
            Some(part) => assert!(refused.is_some_and(|text| text.contains(part)), "{part}"),
            None => assert_eq!(refused, None),
        }
    }
}

#[test]
fn a_node_of_an_older_revision_is_configured_for_the_version_that_it_gets() {
    let ask = upgraded("v1.30.1", "v1.29.5", Some("v1.31.0"), None);
    let options = options::Options::parse(&ask).unwrap();
    let of = |group: usize| {
        options
            .of_group(&ask, &ask.groups[group])
            .unwrap()
            .version
            .to_string()
    };
    assert_eq!((of(0).as_str(), of(1).as_str()), ("v1.31.0", "v1.29.5"));
}

#[test]
fn an_upgrade_needs_room_for_the_nodes_that_come_before_others_go() {
    let full = |hosts: usize, batch: u32| {
        let mut ask = upgraded("v1.30.1", "v1.30.1", None, Some("v1.30.2"));
        // Three masters and the workers, gateway, DHCP and load balancer in 14 addresses.
        ask.cluster
            .labels
            .0
            .insert("fixed_subnet_cidr".into(), "10.0.0.0/28".into());
        let group = &mut ask.groups[1];
        group.nodes = (0..u32::try_from(hosts).unwrap()).collect();
        group.node_count = i32::try_from(hosts).unwrap();
        let roll = group.roll.as_mut().unwrap();
        roll.behind = group
            .nodes
            .iter()
            .map(|node| (*node, revision("v1.30.1")))
            .collect();
        roll.batch = batch;
        jeroboam_blueprint::NetworkOptions::check_surge(&ask, jeroboam_blueprint::Entrance::FirstMaster)
            .map_err(|invalid| invalid.field)
    };
    assert_eq!(full(6, 1), Ok(()));
    assert_eq!(full(5, 2), Ok(()));
    assert_eq!(full(5, 9), Err("max_batch_size".to_owned()));
    assert_eq!(full(7, 1), Err("labels.fixed_subnet_cidr".to_owned()));
}
