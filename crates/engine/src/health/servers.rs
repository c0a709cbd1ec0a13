//! The servers of a cluster as Nova sees them: why a node is lost, and where nodes do not boot, which are.

use std::collections::BTreeMap;

use jeroboam_cloud::compute::{self as nova, Server};
use jeroboam_driver::{ApiHealth, Ask, Health, NodeHealth, Spec};
use jeroboam_plan::{Entry, Ledger};
use jeroboam_types::Cluster;
use jeroboam_types::repair::Lost;

use super::NO_DRIVER;
use crate::context::find_driver;
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

    /// What is wrong with the server that was made for a node, if one was; `None` for one that runs.
    pub(super) fn lost(&self, made: Option<&Entry>) -> Option<Lost> {
        let server = made.and_then(|entry| self.0.get(entry.id.as_ref()?));
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

/// Health of a cluster whose servers do not boot: of each node that there should be, what Nova says.
pub(super) async fn health(engine: &Engine, ask: &Ask) -> Result<Health, StepError> {
    let ledger = engine.store.clusters().ledger(ask.cluster.uuid).await?;
    let servers = Servers::load(engine, &ask.cluster, &ledger).await?;
    let driver = find_driver(engine, ask).ok_or_else(|| StepError::Ours(NO_DRIVER.to_owned()))?;
    let graph = driver
        .graph(ask)
        .map_err(|error| StepError::Ours(error.to_string()))?;
    let wanted = graph
        .iter()
        .filter(|resource| matches!(resource.spec, Spec::Server(_)));
    let nodes = wanted.map(|resource| NodeHealth {
        name: ask.cloud_name(&resource.key),
        server: Some(resource.key.clone()),
        lack: servers.lost(ledger.get(&resource.key)).map(|lost| lost.cause),
    });
    Ok(Health {
        api: ApiHealth::Ok,
        nodes: nodes.collect(),
    })
}
