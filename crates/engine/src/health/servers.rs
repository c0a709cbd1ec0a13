//! The servers of a cluster as Nova sees them: why a node is lost, and where nodes do not boot, which are.

use std::collections::BTreeMap;

use jeroboam_cloud::compute::{self as nova, Server};
use jeroboam_driver::{ApiHealth, Ask, Health, NodeHealth, Spec};
use jeroboam_plan::ledger::node_number;
use jeroboam_plan::{Entry, Ledger};
use jeroboam_types::Cluster;
use jeroboam_types::repair::Lost;

use crate::fault::StepError;
use crate::identity;
use crate::worker::Engine;

/// Servers by their ids.
pub(super) struct Servers(BTreeMap<String, Server>);

impl Servers {
    /// Asks Nova, once for all servers.
    pub(super) async fn load(engine: &Engine, cluster: &Cluster, ledger: &Ledger) -> Result<Self, StepError> {
        let session = identity::session_of(engine, cluster, ledger).await?;
        let prefix = format!("{}-{}-", cluster.name.stem(), cluster.uuid.short());
        let servers = nova::servers_beginning(&session, &prefix).await?;
        Ok(Self(
            servers
                .into_iter()
                .map(|server| (server.id.clone(), server))
                .collect(),
        ))
    }

    /// What is wrong with the server of an entry; `None` for one that runs.
    pub(super) fn lost(&self, entry: &Entry) -> Option<Lost> {
        let server = entry.id.as_ref().and_then(|id| self.0.get(id));
        let cause = match server.map(|server| (server.status.as_str(), &server.fault)) {
            Some(("ACTIVE", _)) => return None,
            None | Some(("DELETED" | "SOFT_DELETED", _)) => {
                return Some(Lost {
                    cause: "its server is gone".to_owned(),
                    for_good: true,
                });
            }
            Some((status, Some(fault))) => format!("its server is in {status}: {fault}"),
            Some((status, None)) => format!("its server is in {status}"),
        };
        Some(Lost {
            cause,
            for_good: false,
        })
    }
}

/// Health of a cluster whose servers do not boot: of each what Nova says.
pub(super) async fn health(engine: &Engine, ask: &Ask) -> Result<Health, StepError> {
    let ledger = engine.store.clusters().ledger(ask.cluster.uuid).await?;
    let servers = Servers::load(engine, &ask.cluster, &ledger).await?;
    let entries = ledger
        .values()
        .filter(|entry| matches!(entry.spec, Spec::Server(_)) && is_wanted(ask, entry));
    let nodes = entries.map(|entry| NodeHealth {
        name: entry.name.clone(),
        server: Some(entry.key.clone()),
        lack: servers.lost(entry).map(|lost| lost.cause),
    });
    Ok(Health {
        api: ApiHealth::Ok,
        nodes: nodes.collect(),
    })
}

/// True for a node that there should be: what could not be removed is in the ledger too.
pub(super) fn is_wanted(ask: &Ask, entry: &Entry) -> bool {
    let mut groups = ask
        .groups
        .iter()
        .filter(|group| entry.group.as_ref() == Some(&group.name));
    groups.any(|group| node_number(entry).is_some_and(|number| group.nodes.contains(&number)))
}
