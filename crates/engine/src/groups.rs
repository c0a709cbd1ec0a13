//! How the node groups of a cluster stand when the work on a wish has ended.

use jeroboam_driver::{Graph, Key};
use jeroboam_plan::{Entry, Phase};
use jeroboam_store::Work;
use jeroboam_types::status::{Operation, Outcome};
use jeroboam_types::{Fault, NodeGroup, NodeGroupId, Status};

use crate::reconcile::reason;

/// Groups that were to go and of which nothing is left.
pub(crate) fn gone(work: &Work) -> Vec<NodeGroupId> {
    let gone = work.groups.iter().filter(|group| is_gone(work, group));
    gone.map(|group| group.uuid).collect()
}

fn is_gone(work: &Work, group: &NodeGroup) -> bool {
    work.operation == Operation::Update && group.is_leaving() && entries(work, group).next().is_none()
}

/// Status and reason of the groups that have new ones. When a cluster is created or deleted its groups end as it
/// does. When it is changed, each group that was to change ends as its own resources did.
pub(crate) fn statuses(
    work: &Work,
    graph: Option<&Graph>,
    outcome: Outcome,
    faults: &[Fault],
) -> Vec<(NodeGroupId, Status, Option<String>)> {
    let staying = work.groups.iter().filter(|group| !is_gone(work, group));
    let ended = staying.filter_map(|group| {
        let (status, reason) = match work.operation {
            Operation::Create | Operation::Delete => {
                let failed = outcome == Outcome::Failed;
                (
                    Status::of(work.operation, outcome),
                    failed.then(|| cause(work, group, faults)),
                )
            }
            Operation::Update => of_change(work, graph, group, outcome, faults)?,
        };
        Some((group.uuid, status, reason))
    });
    ended.collect()
}

/// How a group ends in a change of its cluster; `None` for one that the change did not touch.
fn of_change(
    work: &Work,
    graph: Option<&Graph>,
    group: &NodeGroup,
    outcome: Outcome,
    faults: &[Fault],
) -> Option<(Status, Option<String>)> {
    let has_own_fault = own(work, group, faults).next().is_some();
    let is_open = group.status.is_in_progress() || group.status.is_failed();
    if !is_open && !has_own_fault {
        return None;
    }
    let operation = group
        .status
        .operation()
        .filter(|_| is_open)
        .unwrap_or(Operation::Update);
    let is_whole = outcome == Outcome::Complete
        || (!has_own_fault
            && shared(work, faults).next().is_none()
            && group.is_uniform()
            && is_whole(work, graph, group));
    match is_whole {
        true => Some((Status::of(operation, Outcome::Complete), None)),
        false => Some((
            Status::of(operation, Outcome::Failed),
            Some(cause(work, group, faults)),
        )),
    }
}

/// True when what should be there of a group is there, and nothing else.
fn is_whole(work: &Work, graph: Option<&Graph>, group: &NodeGroup) -> bool {
    let Some(graph) = graph else { return false };
    let mut wanted = graph
        .iter()
        .filter(|resource| resource.group.as_deref() == Some(&group.name));
    let is_ready = |key: &Key| {
        let entry = work.ledger.get(key);
        entry.is_some_and(|entry| entry.phase == Phase::Ready)
    };
    wanted.all(|resource| is_ready(&resource.key))
        && entries(work, group).all(|entry| graph.find(&entry.key).is_some())
}

fn entries<'a>(work: &'a Work, group: &'a NodeGroup) -> impl Iterator<Item = &'a Entry> {
    let all = work.ledger.values();
    all.filter(|entry| entry.group.as_deref() == Some(&group.name))
}

fn group_of<'a>(work: &'a Work, fault: &Fault) -> Option<&'a str> {
    work.ledger
        .get(&Key::stored(&fault.resource))
        .and_then(|entry| entry.group.as_deref())
}

fn own<'a>(work: &'a Work, group: &'a NodeGroup, faults: &'a [Fault]) -> impl Iterator<Item = &'a Fault> {
    faults
        .iter()
        .filter(|fault| group_of(work, fault) == Some(group.name.as_str()))
}

/// Faults of the cluster as a whole.
fn shared<'a>(work: &'a Work, faults: &'a [Fault]) -> impl Iterator<Item = &'a Fault> {
    faults.iter().filter(|fault| group_of(work, fault).is_none())
}

/// Why a group failed: its own faults, or else those of the whole cluster.
fn cause(work: &Work, group: &NodeGroup, faults: &[Fault]) -> String {
    let own: Vec<Fault> = own(work, group, faults).cloned().collect();
    let shared: Vec<Fault> = shared(work, faults).cloned().collect();
    match (own.is_empty(), shared.is_empty()) {
        (false, _) => reason(&own),
        (true, false) => reason(&shared),
        (true, true) => "another node group failed".to_owned(),
    }
}
