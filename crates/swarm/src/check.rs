//! One look at the running swarm through the managers' Docker API.

use std::collections::BTreeMap;

use jeroboam_blueprint::api::{Api, summary};
use jeroboam_blueprint::nodes;
use jeroboam_driver::{Access, ApiHealth, Ask, Health, NodeHealth, Report};
use serde::Deserialize;

use crate::options;

/// Longest answer, in bytes: nodes belong to the tenant, who may make them say anything. Docker's description of a
/// node takes about 3 KiB, and rebuilt nodes leave theirs behind.
const LONGEST_ANSWER: usize = 1 << 20;
pub(crate) const ANSWER_PER_NODE: usize = 8 << 10;

/// Characters of what a swarm says of a node.
const LONGEST_WORDS: usize = 200;

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
    #[serde(default)]
    message: String,
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

/// Looks at the health of a swarm that stands.
pub(crate) async fn health(ask: &Ask, access: &Access) -> Health {
    let nodes_asked = match options::check_counts(ask) {
        Ok(nodes_asked) => nodes_asked,
        Err(invalid) => return Health::silent(invalid.to_string()),
    };
    let api = match Api::new("Docker API", access) {
        Ok(api) => api,
        Err(cause) => return Health::silent(cause),
    };
    // Docker answers this at once; the list of nodes needs a leader.
    if let Err(cause) = api.ask("_ping").await {
        return Health::silent(cause);
    }
    let explained = |status| (status == 503).then_some("the swarm has no leader");
    let found: Vec<SwarmNode> = match api.load("nodes", longest_list(nodes_asked), explained).await {
        Ok(found) => found,
        Err(cause) => {
            return Health {
                api: ApiHealth::Failing(cause),
                nodes: Vec::new(),
            };
        }
    };
    let nodes = nodes::nodes(&ask.groups);
    let nodes = nodes.iter().map(|node| {
        let server = node.key("server");
        let name = ask.cloud_name(&server);
        NodeHealth {
            lack: lost(&found, &name, node.manager),
            server: Some(server),
            name,
        }
    });
    Health {
        api: ApiHealth::Ok,
        nodes: nodes.collect(),
    }
}

/// Why a node is lost to the swarm; `None` for one that is not. A tenant may drain, promote and demote nodes, so what
/// they are for is theirs.
fn lost(found: &[SwarmNode], name: &str, manager: bool) -> Option<String> {
    let lack = |node: &SwarmNode| {
        let unreachable = |status: &ManagerStatus| manager && status.reachability == "unreachable";
        if node.status.state != "ready" {
            let words = [node.status.state.as_str(), node.status.message.as_str()];
            let words: Vec<&str> = words.into_iter().filter(|words| !words.is_empty()).collect();
            let words: String = words.join(": ").chars().take(LONGEST_WORDS).collect();
            Some(format!("is not ready: {words}"))
        } else if node.manager_status.as_ref().is_some_and(unreachable) {
            Some("is not reachable as a manager".to_owned())
        } else {
            None
        }
    };
    let mut selves = found.iter().filter(|node| node.description.hostname == name);
    let first = match selves.next() {
        Some(node) => lack(node)?,
        None => return Some("is missing".to_owned()),
    };
    match selves.any(|node| lack(node).is_none()) {
        true => None,
        false => Some(first),
    }
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
