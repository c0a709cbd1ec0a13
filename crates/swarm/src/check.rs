//! One look at the running swarm through the managers' Docker API.

use std::collections::BTreeMap;

use jeroboam_blueprint::api::{Api, summary};
use jeroboam_blueprint::nodes;
use jeroboam_driver::{Access, Ask, Report};
use serde::Deserialize;

use crate::options;

/// Longest answer, in bytes: nodes belong to the tenant, who may make them say anything. Docker's description of a
/// node takes about 3 KiB, and rebuilt nodes leave theirs behind.
const LONGEST_ANSWER: usize = 1 << 20;
pub(crate) const ANSWER_PER_NODE: usize = 8 << 10;

/// Longest list of so many nodes, in bytes.
pub(crate) fn longest_list(nodes: u64) -> usize {
    LONGEST_ANSWER + ANSWER_PER_NODE * usize::try_from(nodes).unwrap_or(0)
}

/// Docker's `GET /version`.
#[derive(Deserialize)]
struct Version {
    #[serde(rename = "Version")]
    version: String,
}

/// An item of Docker's `GET /nodes`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SwarmNode {
    spec: NodeSpec,
    description: Description,
    status: NodeStatus,
    manager_status: Option<ManagerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeSpec {
    role: String,
    availability: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(default)]
    hostname: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeStatus {
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManagerStatus {
    #[serde(default)]
    reachability: String,
}

/// Looks once.
pub(crate) async fn check(ask: &Ask, access: &Access) -> Report {
    match look(ask, access).await {
        Ok(report) => report,
        Err(reason) => Report::NotYet(reason),
    }
}

async fn look(ask: &Ask, access: &Access) -> Result<Report, String> {
    let nodes_asked = options::check_counts(ask).map_err(|invalid| invalid.to_string())?;
    let api = Api::new("Docker API", access)?;
    let found: Vec<SwarmNode> = api.load("nodes", longest_list(nodes_asked), explain).await?;
    let expected: BTreeMap<String, bool> = nodes::nodes(&ask.groups)
        .iter()
        .map(|node| (ask.cloud_name(&node.key("server")), node.manager))
        .collect();
    let waiting: Vec<String> = expected
        .iter()
        .filter_map(|(name, manager)| Some(format!("{name} {}", missing(&found, name, *manager)?)))
        .collect();
    if !waiting.is_empty() {
        return Ok(Report::NotYet(summary(expected.len(), &waiting)));
    }
    let Version { version } = api.load("version", LONGEST_ANSWER, explain).await?;
    Ok(Report::Ready {
        coe_version: version.clone(),
        container_version: Some(version),
    })
}

/// What a node lacks; `None` for one that is ready. Of a rebuilt node the swarm also lists the old self, which
/// is down for ever.
fn missing(found: &[SwarmNode], name: &str, manager: bool) -> Option<&'static str> {
    let role = if manager { "manager" } else { "worker" };
    let lack = |node: &SwarmNode| {
        if node.status.state != "ready" {
            Some("is not ready")
        } else if node.spec.role != role {
            Some(if manager {
                "is not a manager"
            } else {
                "is not a worker"
            })
        } else if node.spec.availability != "active" {
            Some("is not active")
        } else if manager
            && node
                .manager_status
                .as_ref()
                .is_none_or(|status| status.reachability != "reachable")
        {
            Some("is not reachable as a manager")
        } else {
            None
        }
    };
    let mut lacks = found
        .iter()
        .filter(|node| node.description.hostname == name)
        .map(lack);
    let first = lacks.next().unwrap_or(Some("is missing"))?;
    if lacks.any(|lack| lack.is_none()) {
        None
    } else {
        Some(first)
    }
}

/// 503 is Docker's word for a node that is in no swarm.
pub(crate) fn explain(status: u16) -> Option<&'static str> {
    (status == 503).then_some("the first manager has not formed the swarm yet")
}

#[cfg(test)]
mod tests;
