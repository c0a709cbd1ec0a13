//! Replacement of lost nodes: what is wrong with each, and the wish that replaces them.
//!
//! Whether one is replaced says [`jeroboam_types::repair`]. Nothing is while the COE's API does not answer: what it
//! thinks of its nodes is not known then, and a node that is well may only be cut off from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use jeroboam_driver::{ApiHealth, Driver, Graph, Health};
use jeroboam_plan::Ledger;
use jeroboam_plan::ledger::{nodes_seen, number_in};
use jeroboam_store::{ChangeError, ClusterChange, Patient, StoreError, Turn};
use jeroboam_types::repair::{Limits, Lost, Memory, Node};
use jeroboam_types::{Change, NodeGroup, Status};
use tracing::{debug, info, warn};

use super::servers::Servers;
use super::{NO_DRIVER, wants_healing};
use crate::context::find_driver;
use crate::fault::StepError;
use crate::worker::Engine;

/// What comes of a look.
#[derive(Default)]
pub(super) struct Repair {
    /// The wish that replaces nodes.
    pub wish: Option<Wish>,
    /// Why lost nodes are not replaced.
    pub paused: Option<String>,
}

impl Repair {
    fn paused(why: impl Display) -> Self {
        Self {
            wish: None,
            paused: Some(format!("paused: {why}")),
        }
    }
}

/// A wish that replaces nodes.
pub(super) struct Wish {
    change: ClusterChange,
    reason: String,
    masters: usize,
    workers: usize,
}

/// Notes which nodes are lost, and makes the wish that replaces those that are for long.
pub(super) async fn consider(
    engine: &Engine,
    limits: &Limits,
    memory: &mut Memory,
    patient: &Patient,
    health: &Health,
) -> Result<Repair, StoreError> {
    let ask = &patient.ask;
    let cluster = &ask.cluster;
    if limits.most == 0 || !wants_healing(&cluster.labels) || !patient.is_at_rest {
        return Ok(Repair::default());
    }
    let is_well = health.nodes.iter().all(|node| node.lack.is_none());
    if health.api != ApiHealth::Ok || is_well && !cluster.status.is_failed() {
        memory.lost.clear();
        return Ok(Repair::default());
    }
    let Some(driver) = find_driver(engine, ask) else {
        return Ok(Repair::paused(NO_DRIVER));
    };
    let graph = match driver.graph(ask) {
        Ok(graph) => graph,
        Err(error) => return Ok(Repair::paused(error)),
    };
    let ledger = engine.store.clusters().ledger(cluster.uuid).await?;
    // Without Nova's view only what the COE says counts.
    let servers = match Servers::load(engine, cluster, &ledger).await {
        Ok(servers) => Some(servers),
        Err(StepError::Store(error)) => return Err(error),
        Err(error) => {
            debug!(%error, "cannot look at the servers of a cluster");
            None
        }
    };
    let nodes = nodes(&graph, health, &ledger, servers.as_ref());
    let now = engine.clock.now();
    memory.observe(&nodes, now, limits);
    if !may_begin(cluster.status, memory, &patient.request_id) {
        return Ok(Repair::default());
    }
    let decision = memory.decide(&ask.groups, &nodes, now, limits);
    let paused = decision.paused;
    // A replacement that failed when its node stood already is gone on with.
    let goes_on = is_well && memory.may_go_on(now, limits);
    if decision.replace.is_empty() && !goes_on {
        return Ok(Repair { wish: None, paused });
    }
    match wish(engine, patient, driver.as_ref(), &ledger, &decision.replace) {
        Ok(wish) => {
            memory.replaced(&decision.replace, &wish.change.request_id, now);
            Ok(Repair {
                wish: Some(wish),
                paused,
            })
        }
        Err(why) => Ok(Repair::paused(why)),
    }
}

/// Beside clusters that are complete, only one whose last change was a replacement that failed: what somebody asked for
/// and did not get is theirs to ask for again.
fn may_begin(status: Status, memory: &Memory, request_id: &str) -> bool {
    let is_ours = || memory.request_id.as_deref() == Some(request_id);
    Change::Repair.may_start_at(status) && (!status.is_failed() || is_ours())
}

/// The nodes that there should be, as they are. One that was never made, because its cluster failed before, is lost.
fn nodes(graph: &Graph, health: &Health, ledger: &Ledger, servers: Option<&Servers>) -> Vec<Node> {
    let seen = health.nodes.iter().filter_map(|node| {
        let resource = graph.find(node.server.as_ref()?)?;
        let group = resource.group.clone()?;
        let made = ledger.get(&resource.key);
        let lost = node.lack.as_ref().map(|lack| {
            let of_server = servers.and_then(|servers| servers.lost(made));
            of_server.unwrap_or_else(|| Lost {
                cause: lack.clone(),
                for_good: false,
            })
        });
        Some(Node {
            name: resource.key.name().to_owned(),
            number: number_in(Some(&group), &resource.key, &resource.spec)?,
            group,
            lost,
        })
    });
    seen.collect()
}

/// The wish, of no nodes to go on with one that failed; an error says why the driver does not replace these nodes.
fn wish(
    engine: &Engine,
    patient: &Patient,
    driver: &dyn Driver,
    ledger: &Ledger,
    replace: &[Node],
) -> Result<Wish, String> {
    let ask = &patient.ask;
    let now = engine.clock.now();
    let mut lost: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for node in replace {
        lost.entry(&node.group).or_default().insert(node.number);
    }
    let mut wanted = ask.clone();
    for group in &mut wanted.groups {
        let numbers = lost.get(group.name.as_str());
        if let Some(numbers) = numbers {
            let present = driver.revision(ask, group);
            group.replace(numbers, present, &nodes_seen(ledger, &group.name));
        }
        if numbers.is_some() || group.status.is_failed() {
            group.status = Status::UpdateInProgress;
            group.status_reason = None;
        }
    }
    let is_of_master = |node: &&Node| {
        let mut groups = ask.groups.iter().filter(|group| group.name == node.group);
        groups.any(NodeGroup::is_master)
    };
    let masters = replace.iter().filter(is_of_master).count();
    if masters > 0 {
        // The same question as for an upgrade: can this control plane do without one of its nodes for a while?
        driver
            .validate_upgrade(&wanted)
            .map_err(|invalid| invalid.reason)?;
    }
    let causes = replace.iter().map(|node| {
        let cause = node.lost.as_ref().map_or("", |lost| lost.cause.as_str());
        format!("{} is replaced: {cause}", node.name)
    });
    let causes = match replace.is_empty() {
        true => "a replacement that failed is gone on with".to_owned(),
        false => causes.collect::<Vec<_>>().join("; "),
    };
    Ok(Wish {
        reason: format!("auto-healing: {causes}"),
        masters,
        workers: replace.len() - masters,
        change: ClusterChange {
            cluster: ask.cluster.uuid,
            change: Change::Repair,
            generation: patient.generation,
            groups: wanted
                .groups
                .into_iter()
                .filter(|group| group.status == Status::UpdateInProgress)
                .collect(),
            new_groups: Vec::new(),
            health: None,
            resolved: None,
            now,
            deadline: now.plus(engine.options.update_limit),
            request_id: format!("req-{}", uuid::Uuid::new_v4()),
        },
    })
}

impl Wish {
    /// Asks for it. That something else is asked meanwhile is no error: nodes that are lost still will be seen again.
    pub(super) async fn ask(self, engine: &Engine, turn: &Turn) -> Result<(), StoreError> {
        let clusters = engine.store.clusters();
        match clusters.request_repair(&self.change, &self.reason, turn).await {
            Ok(()) => {
                warn!(
                    reason = self.reason,
                    request_id = self.change.request_id,
                    "lost nodes are replaced"
                );
                let metrics = engine.metrics.engine();
                (0..self.masters).for_each(|_| metrics.replaced("master"));
                (0..self.workers).for_each(|_| metrics.replaced("worker"));
                Ok(())
            }
            Err(ChangeError::Store(error)) => Err(error),
            Err(refusal) => {
                info!(%refusal, "lost nodes are not replaced now");
                Ok(())
            }
        }
    }
}
