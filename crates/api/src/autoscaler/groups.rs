//! What the autoscaler is told: which groups are its own, and how their nodes stand.

use std::collections::BTreeSet;

use jeroboam_driver::Spec;
use jeroboam_plan::ledger::{node_number, nodes_seen};
use jeroboam_plan::{Entry, Phase};
use jeroboam_store::Standing;
use jeroboam_types::labels::loose_bool;
use jeroboam_types::{Fault, NodeGroup};

use super::grpc::{Code, Refusal};
use super::messages::{self, Instance, InstanceError, InstanceState, InstanceStatus};

/// What the cloud controller manager makes provider ids of.
const PROVIDER: &str = "openstack:///";

/// Classes of errors: the autoscaler tries another group for a while, with either.
const OUT_OF_RESOURCES: i32 = 1;
const OTHER_ERROR: i32 = 99;

/// Longest cause that is told, in characters.
const LONGEST_CAUSE: usize = 500;

/// Worker groups that have a greatest size, and no label against it.
pub(super) fn autoscaled(standing: &Standing) -> impl Iterator<Item = &NodeGroup> {
    standing.groups.iter().filter(|group| {
        let label = standing.ask.label(Some(group), "auto_scaling_enabled");
        let is_off = label.and_then(|text| loose_bool(text.trim())) == Some(false);
        let has_most = group.max_node_count.is_some_and(|most| most > 0);
        !group.is_master() && !group.is_leaving() && has_most && !is_off
    })
}

/// A group by its name.
///
/// # Errors
/// A group that is not there, or not scaled.
pub(super) fn named<'s>(standing: &'s Standing, id: &str) -> Result<&'s NodeGroup, Refusal> {
    let found = autoscaled(standing).find(|group| group.name == id);
    found.ok_or_else(|| {
        let shown: String = id.chars().take(255).collect();
        let text = format!("the cluster has no node group {shown} that is scaled by itself");
        Refusal::new(Code::NotFound, text)
    })
}

/// A group as the protocol has it.
pub(super) fn rendered(group: &NodeGroup) -> messages::NodeGroup {
    let (least, most) = (
        group.min_node_count.unwrap_or(0),
        group.max_node_count.unwrap_or(0),
    );
    messages::NodeGroup {
        id: group.name.clone(),
        min_size: least,
        max_size: most,
        debug: format!(
            "{} {}: {} nodes of {least} to {most}, {}",
            group.name, group.uuid, group.node_count, group.status
        ),
    }
}

/// What of a node can be meant by a server's id or name, or a node's number: the end of its provider id, and its name.
pub(super) fn idents(node: &messages::Node) -> impl Iterator<Item = &str> {
    let end = |text: &'_ str| text.rsplit('/').next().unwrap_or_default().len();
    let texts = [node.provider_id.as_str(), node.name.as_str()];
    texts
        .into_iter()
        .map(move |text| &text[text.len() - end(text)..])
        .filter(|text| !text.is_empty())
}

/// The group that a node's server was made for, if that is scaled.
pub(super) fn of_node<'s>(standing: &'s Standing, node: &messages::Node) -> Option<&'s NodeGroup> {
    let server = idents(node).find_map(|ident| {
        let mut servers = servers(standing);
        servers.find(|entry| entry.id.as_deref() == Some(ident) || entry.name == ident)
    })?;
    autoscaled(standing).find(|group| server.group.as_deref() == Some(&group.name))
}

fn servers(standing: &Standing) -> impl Iterator<Item = &Entry> {
    let entries = standing.ledger.values();
    entries.filter(|entry| matches!(entry.spec, Spec::Server(_)))
}

/// Nodes of a group: those that are asked for, made or not, and those on their way out.
pub(super) fn instances(standing: &Standing, group: &NodeGroup) -> Vec<Instance> {
    let servers: Vec<(u32, &Entry)> = servers(standing)
        .filter(|entry| entry.group.as_deref() == Some(&group.name))
        .filter_map(|entry| Some((node_number(entry)?, entry)))
        .collect();
    let mut instances = Vec::new();
    for number in &group.nodes {
        let server = servers
            .iter()
            .find(|(known, _)| known == number)
            .map(|(_, entry)| *entry);
        let id = server.and_then(|entry| entry.id.as_deref());
        let is_running = server.is_some_and(|entry| entry.phase == Phase::Ready);
        let error = match is_running {
            true => None,
            false => failure(standing, group, *number).map(|fault| error(&fault)),
        };
        let state = match is_running {
            true => InstanceState::Running,
            false => InstanceState::Creating,
        };
        let id = match id {
            Some(id) => format!("{PROVIDER}{id}"),
            // Nova does not know it yet: it is known by its number, as DeleteNodes takes it.
            None => format!("{PROVIDER}{}/{number}", group.name),
        };
        instances.push(instance(id, state, error));
    }
    let going = servers.iter().filter(|(number, _)| !group.nodes.contains(number));
    for id in going.filter_map(|(_, entry)| entry.id.as_deref()) {
        instances.push(instance(format!("{PROVIDER}{id}"), InstanceState::Deleting, None));
    }
    instances
}

fn instance(id: String, state: InstanceState, error: Option<InstanceError>) -> Instance {
    Instance {
        id,
        status: Some(InstanceStatus {
            state: state.into(),
            error,
        }),
    }
}

/// Why a node cannot be made: its server, or something that the server needs.
fn failure(standing: &Standing, group: &NodeGroup, number: u32) -> Option<Fault> {
    let mut entries = standing.ledger.values();
    entries.find_map(|entry| {
        let is_of_node = entry.group.as_deref() == Some(&group.name) && node_number(entry) == Some(number);
        entry.failure().filter(|_| is_of_node && !entry.drop_failed)
    })
}

/// What the autoscaler backs off from.
fn error(fault: &Fault) -> InstanceError {
    let text = fault.message.to_ascii_lowercase();
    let is_of = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let (code, class) = if is_of(&["quota", "exceed"]) {
        ("QUOTA_EXCEEDED", OUT_OF_RESOURCES)
    } else if is_of(&["no valid host", "not enough", "no more ip"]) {
        ("OUT_OF_RESOURCES", OUT_OF_RESOURCES)
    } else {
        ("CREATION_FAILED", OTHER_ERROR)
    };
    InstanceError {
        code: code.to_owned(),
        message: fault.to_string().chars().take(LONGEST_CAUSE).collect(),
        class,
    }
}

/// Nodes of a group that do not stand yet.
pub(super) fn unmade(standing: &Standing, group: &NodeGroup) -> BTreeSet<u32> {
    let seen = nodes_seen(&standing.ledger, &group.name);
    let nodes = group.nodes.iter().copied();
    nodes.filter(|node| !seen.ready.contains(node)).collect()
}
