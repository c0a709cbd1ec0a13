//! One look at the running swarm through the managers' Docker API.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use jeroboam_driver::{Access, Ask, Report};
use reqwest::{Certificate, Client, Identity};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{nodes, options};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest answer, in bytes: nodes belong to the tenant, who may make them say anything. Docker's description of a
/// node takes about 3 KiB, and rebuilt nodes leave theirs behind.
const LONGEST_ANSWER: usize = 1 << 20;
const ANSWER_PER_NODE: usize = 8 << 10;

/// At most so many nodes are named in a report.
const NAMED_NODES: usize = 5;

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
    let longest = LONGEST_ANSWER + ANSWER_PER_NODE * usize::try_from(nodes_asked).unwrap_or(0);
    let client = client(access)?;
    let base = access.address.replacen("tcp://", "https://", 1);
    let found: Vec<SwarmNode> = load(&client, &base, "nodes", longest).await?;
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
    let Version { version } = load(&client, &base, "version", LONGEST_ANSWER).await?;
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

fn summary(expected: usize, waiting: &[String]) -> String {
    let more = waiting.len().saturating_sub(NAMED_NODES);
    let mut text = format!("{} of {expected} nodes are ready; ", expected - waiting.len());
    text.push_str(&waiting[..waiting.len() - more].join(", "));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A client that trusts the cluster's authority and nobody else.
fn client(access: &Access) -> Result<Client, String> {
    let (Some(authority), Some(pair)) = (&access.authority, &access.client) else {
        return Err("the Docker API needs a certificate".into());
    };
    let unusable = |_| "the cluster's certificates cannot be used".to_owned();
    let authority = Certificate::from_pem(authority.as_bytes()).map_err(unusable)?;
    let identity = secrecy::SecretString::from(format!("{}\n{}", pair.certificate, pair.key.expose_secret()));
    let identity = Identity::from_pem(identity.expose_secret().as_bytes()).map_err(unusable)?;
    Client::builder()
        .tls_certs_only([authority])
        .identity(identity)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .build()
        .map_err(unusable)
}

/// Asks for a document of at most `longest` bytes.
async fn load<T: DeserializeOwned>(
    client: &Client,
    base: &str,
    path: &str,
    longest: usize,
) -> Result<T, String> {
    let answer = client.get(format!("{base}/{path}")).send().await;
    let mut answer = answer.map_err(|error| format!("the Docker API does not answer: {}", cause(&error)))?;
    let status = answer.status();
    if !status.is_success() {
        // 503 is Docker's word for a node that is in no swarm.
        return Err(if status.as_u16() == 503 {
            "the first manager has not formed the swarm yet".into()
        } else {
            format!("the Docker API answers {status}")
        });
    }
    let mut body = Vec::new();
    loop {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|error| format!("the Docker API answers badly: {}", cause(&error)))?;
        let Some(chunk) = chunk else { break };
        if body.len() + chunk.len() > longest {
            return Err(format!(
                "the Docker API answers badly: with more than {longest} bytes"
            ));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| {
        // It may quote what was sent.
        let error: String = error.to_string().chars().take(200).collect();
        format!("the Docker API answers badly: {error}")
    })
}

/// The innermost cause, which names neither address nor path.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".into();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
