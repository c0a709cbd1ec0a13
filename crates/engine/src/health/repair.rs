//! Replacement of lost nodes: what is wrong with each, and the wish that replaces them.
//!
//! Whether one is replaced says [`jeroboam_types::repair`]. Nothing is while the COE's API does not answer: what it
//! thinks of its nodes is not known then, and a node that is well may only be cut off from it.

use std::collections::{BTreeMap, BTreeSet};

use jeroboam_driver::{ApiHealth, Ask, Health};
use jeroboam_plan::Ledger;
use jeroboam_plan::ledger::{node_number, nodes_seen};
use jeroboam_store::{ChangeError, ClusterChange, Patient, StoreError, Turn};
use jeroboam_types::repair::{Limits, Lost, Memory, Node};
use jeroboam_types::{Change, NodeGroup, Status};
use tracing::{debug, info, warn};

use super::servers::{Servers, is_wanted};
use super::wants_healing;
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
    let cluster = &patient.ask.cluster;
    if limits.most == 0 || !wants_healing(&cluster.labels) || !patient.is_at_rest {
        return Ok(Repair::default());
    }
    let is_well = health.nodes.iter().all(|node| node.lack.is_none());
    if health.api != ApiHealth::Ok || is_well {
        memory.lost.clear();
        return Ok(Repair::default());
    }
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
    let nodes = nodes(&patient.ask, health, &ledger, servers.as_ref());
    let now = engine.clock.now();
    memory.observe(&nodes, now, limits);
    if !may_begin(cluster.status, memory, patient.generation) {
        return Ok(Repair::default());
    }
    let decision = memory.decide(&patient.ask.groups, &nodes, now, limits);
    let paused = decision.paused;
    if decision.replace.is_empty() {
        return Ok(Repair { wish: None, paused });
    }
    match wish(engine, patient, &ledger, &decision.replace) {
        Ok(wish) => {
            memory.replaced(&decision.replace, wish.change.generation + 1, now);
            Ok(Repair {
                wish: Some(wish),
                paused,
            })
        }
        Err(why) => Ok(Repair {
            wish: None,
            paused: Some(format!("paused: {why}")),
        }),
    }
}

/// Beside clusters that are complete, only one whose last change was a replacement that failed: what somebody asked for
/// and did not get is theirs to ask for again.
fn may_begin(status: Status, memory: &Memory, generation: i64) -> bool {
    Change::Repair.may_start_at(status) && (!status.is_failed() || memory.generation == Some(generation))
}

/// The nodes that there should be, as they are.
fn nodes(ask: &Ask, health: &Health, ledger: &Ledger, servers: Option<&Servers>) -> Vec<Node> {
    let seen = health.nodes.iter().filter_map(|node| {
        let entry = ledger.get(node.server.as_ref()?)?;
        if !is_wanted(ask, entry) {
            return None;
        }
        let lost = node.lack.as_ref().map(|lack| {
            let of_server = servers.and_then(|servers| servers.lost(entry));
            of_server.unwrap_or_else(|| Lost {
                cause: lack.clone(),
                for_good: false,
            })
        });
        Some(Node {
            name: entry.key.name().to_owned(),
            group: entry.group.clone()?,
            number: node_number(entry)?,
            lost,
        })
    });
    seen.collect()
}

/// The wish; an error says why the driver does not replace these nodes.
fn wish(engine: &Engine, patient: &Patient, ledger: &Ledger, replace: &[Node]) -> Result<Wish, String> {
    let ask = &patient.ask;
    let now = engine.clock.now();
    let driver = find_driver(engine, ask).ok_or("no driver of this service knows the cluster")?;
    let mut lost: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for node in replace {
        lost.entry(&node.group).or_default().insert(node.number);
    }
    let mut wanted = ask.clone();
    for group in &mut wanted.groups {
        if let Some(numbers) = lost.get(group.name.as_str()) {
            let present = driver.revision(ask, group);
            group.replace(numbers, present, &nodes_seen(ledger, &group.name));
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
    Ok(Wish {
        reason: format!("auto-healing: {}", causes.collect::<Vec<_>>().join("; ")),
        masters,
        workers: replace.len() - masters,
        change: ClusterChange {
            cluster: ask.cluster.uuid,
            change: Change::Repair,
            generation: patient.generation,
            groups: wanted
                .groups
                .into_iter()
                .filter(|group| lost.contains_key(group.name.as_str()))
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
