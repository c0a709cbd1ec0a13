//! The stages of a rolling replacement, as the engine takes them.
//!
//! What the next stage is says [`jeroboam_types::roll::advance`]. Here it is written, under the claim and the
//! generation, and its graph is made: of a node whose machine is away there is only what has its addresses.

use jeroboam_driver::{Ask, Driver, Graph, Key, Spec};
use jeroboam_plan::Entry;
use jeroboam_plan::ledger::number_in;
use jeroboam_store::{GoalKind, StoreError, Upgraded, Work};
use jeroboam_types::roll::{advance, source_of};
use jeroboam_types::status::Outcome;
use jeroboam_types::{NodeGroup, cluster, trust};
use tracing::info;

use crate::context::Context;

/// Writes the next stage. `false` when there is none, and `true` also when something else is asked by now.
pub(crate) async fn go_on(context: &Context<'_>, work: &Work) -> Result<bool, StoreError> {
    if work.goal == GoalKind::Absent {
        return Ok(false);
    }
    let next_trust = || {
        let driver = context.driver.as_ref()?;
        trust::advance(&work.groups, |group, stage| driver.trust_of(group, stage))
    };
    let Some(groups) = advance(&work.groups).or_else(next_trust) else {
        return Ok(false);
    };
    for group in &groups {
        if let Some(roll) = &group.roll {
            info!(
                group = group.name,
                nodes = group.nodes.len(),
                behind = roll.behind.len(),
                new = ?roll.unproven,
                away = ?roll.out,
                trust = roll.target.trust.0,
                "replacing nodes"
            );
        }
    }
    let deadline = context.now().plus(context.engine.options.update_limit);
    let store = context.engine.store.engine();
    match store
        .advance(context.claim, work.generation, &groups, deadline)
        .await
    {
        Ok(()) | Err(StoreError::Stale) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The graph while machines are away: without them, and without the COE, which cannot be whole.
pub(crate) fn without_machines(driver: &dyn Driver, ask: &Ask, mut graph: Graph) -> Graph {
    if !ask.groups.iter().any(|group| !away(group).is_empty()) {
        return graph;
    }
    graph.retain(|resource| {
        let is_away = is_away(ask, resource.group.as_deref(), &resource.key, &resource.spec);
        resource.spec != Spec::Coe && (!is_away || driver.stays(ask, resource))
    });
    graph
}

fn away(group: &NodeGroup) -> Vec<u32> {
    let roll = group.roll.iter();
    roll.flat_map(|roll| roll.out.iter().copied()).collect()
}

fn is_away(ask: &Ask, group: Option<&str>, key: &Key, spec: &Spec) -> bool {
    let number = number_in(group, key, spec);
    let mut groups = ask
        .groups
        .iter()
        .filter(|known| Some(known.name.as_str()) == group);
    groups.any(|group| number.is_some_and(|number| away(group).contains(&number)))
}

/// True for the membership of a master that is away when no other master is left: nobody is there to leave.
pub(crate) fn is_last_master(ask: &Ask, entry: &Entry) -> bool {
    let masters = ask.groups.iter().filter(|group| group.is_master());
    let away: usize = masters.map(|group| away(group).len()).sum();
    is_away(ask, entry.group.as_deref(), &entry.key, &entry.spec)
        && usize::try_from(cluster::node_count(&ask.groups, true)).is_ok_and(|all| away >= all)
}

/// Groups that a failure has stopped on the way, as they are to be written.
pub(crate) fn stopped(work: &Work, outcome: Outcome) -> Vec<NodeGroup> {
    if outcome != Outcome::Failed || work.goal == GoalKind::Absent {
        return Vec::new();
    }
    let mut groups: Vec<NodeGroup> = work
        .groups
        .iter()
        .filter(|group| group.is_rolling())
        .cloned()
        .collect();
    for roll in groups.iter_mut().filter_map(|group| group.roll.as_mut()) {
        roll.stopped = true;
    }
    groups
}

/// What to record when all of the cluster is of another template.
pub(crate) fn upgraded(work: &Work, outcome: Outcome) -> Option<Upgraded> {
    let ask = work.ask.as_ref().filter(|_| outcome == Outcome::Complete)?;
    let source = source_of(&ask.groups)?;
    let target = |master: bool| {
        let mut groups = ask.groups.iter().filter(|group| group.is_default);
        groups.find(|group| group.is_master() == master)
    };
    let (master, worker) = (target(true)?, target(false)?);
    let revision = &worker.roll.as_ref()?.target;
    let mut labels = ask.cluster.labels.clone();
    source.relabel(&mut labels);
    let mut resolved = ask.resolved.clone();
    resolved.image_id.clone_from(&revision.image_id);
    resolved.kube_version.clone_from(&revision.version);
    let upgraded = Upgraded {
        template: source.template,
        labels,
        flavor_id: worker.flavor_id.clone(),
        master_flavor_id: master.flavor_id.clone(),
        resolved,
    };
    let is_news = upgraded.template != ask.cluster.cluster_template_id
        || upgraded.labels != ask.cluster.labels
        || upgraded.flavor_id != ask.cluster.flavor_id
        || upgraded.master_flavor_id != ask.cluster.master_flavor_id
        || upgraded.resolved != ask.resolved;
    is_news.then_some(upgraded)
}
