//! One look at the running cluster through its API.

use std::collections::BTreeMap;

use jeroboam_blueprint::api::{Api, summary};
use jeroboam_blueprint::nodes;
use jeroboam_driver::{Access, ApiHealth, Ask, Health, NodeHealth, Report};
use serde::Deserialize;

use crate::marks::{Mark, Marks};
use crate::{marks, options, version};

/// Longest answers, in bytes: nodes belong to the tenant, who may make them say anything. A node with its images
/// takes about 10 KiB.
const LONGEST_ANSWER: usize = 1 << 20;
const ANSWER_PER_NODE: usize = 64 << 10;

/// Characters of a version that a node tells.
const LONGEST_VERSION: usize = 40;

/// Characters of what a node says of itself, and of the name of a check.
const LONGEST_WORDS: usize = 200;

/// Nodes that one look at the health puts labels and taints back on, at most: it has little time, and others follow.
const MARKED_NODES: usize = 20;

/// Failing checks that are named.
const NAMED_CHECKS: usize = 10;

/// `GET /version`.
#[derive(Deserialize)]
struct Version {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

/// `GET /api/v1/nodes`.
#[derive(Deserialize)]
struct NodeList {
    items: Vec<KubeNode>,
}

#[derive(Deserialize)]
struct KubeNode {
    metadata: Metadata,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    taints: Vec<Mark>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeStatus {
    conditions: Vec<Condition>,
    node_info: NodeInfo,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    container_runtime_version: String,
    kubelet_version: String,
}

impl KubeNode {
    fn is_ready(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    fn marks(&self) -> Marks<'_> {
        Marks {
            name: &self.metadata.name,
            version: &self.metadata.resource_version,
            labels: &self.metadata.labels,
            taints: &self.spec.taints,
        }
    }

    /// Why it is not ready, in the words of the kubelet or of the controller that misses it.
    fn unreadiness(&self) -> String {
        let mut conditions = self.status.conditions.iter();
        let Some(ready) = conditions.find(|condition| condition.kind == "Ready") else {
            return "is not ready".to_owned();
        };
        let words = [ready.reason.as_str(), ready.message.as_str()];
        let words: Vec<&str> = words.into_iter().filter(|words| !words.is_empty()).collect();
        match words.is_empty() {
            true => "is not ready".to_owned(),
            false => format!("is not ready: {}", shortened(&words.join(": "))),
        }
    }

    /// kubeadm's mark; `master` up to 1.23.
    fn is_master(&self) -> bool {
        let roles = [
            "node-role.kubernetes.io/control-plane",
            "node-role.kubernetes.io/master",
        ];
        roles.iter().any(|role| self.metadata.labels.contains_key(*role))
    }
}

/// Looks at the health of a cluster that stands.
pub(crate) async fn health(ask: &Ask, access: &Access) -> Health {
    match try_health(ask, access).await {
        Ok(health) => health,
        Err(cause) => Health::silent(cause),
    }
}

async fn try_health(ask: &Ask, access: &Access) -> Result<Health, String> {
    let nodes_asked = options::check_counts(ask).map_err(|invalid| invalid.to_string())?;
    let api = Api::new("Kubernetes API", access)?;
    let answer = api.ask("readyz?verbose").await?;
    let mut state = ApiHealth::Ok;
    if !answer.status().is_success() {
        let status = answer.status();
        let text = api.body(answer, LONGEST_ANSWER).await.unwrap_or_default();
        state = ApiHealth::Failing(match failing(&String::from_utf8_lossy(&text)) {
            Some(checks) => format!("not ready: {checks}"),
            None => format!("not ready: {status}"),
        });
    }
    let found: Result<NodeList, String> = api
        .load("api/v1/nodes", longest_list(nodes_asked), |_| None)
        .await;
    let found = match (found, &state) {
        (Ok(found), _) => found.items,
        (Err(cause), ApiHealth::Ok) => {
            state = ApiHealth::Failing(cause);
            return Ok(Health {
                api: state,
                nodes: Vec::new(),
            });
        }
        (Err(_), _) => {
            return Ok(Health {
                api: state,
                nodes: Vec::new(),
            });
        }
    };
    if state == ApiHealth::Ok {
        keep_marks(&api, ask, &found).await;
    }
    let mut nodes: Vec<NodeHealth> = nodes::nodes(&ask.groups)
        .iter()
        .map(|node| {
            let server = node.key("server");
            let name = ask.cloud_name(&server);
            let listed = found.iter().find(|listed| listed.metadata.name == name);
            let lack = match listed {
                Some(listed) => (!listed.is_ready()).then(|| listed.unreadiness()),
                None => Some("is missing".to_owned()),
            };
            NodeHealth {
                name,
                server: Some(server),
                lack,
            }
        })
        .collect();
    let known = |name: &str| nodes.iter().any(|node| node.name == name);
    let strangers: Vec<NodeHealth> = found
        .iter()
        .filter(|listed| !known(&listed.metadata.name))
        .map(|listed| NodeHealth {
            name: shortened(&listed.metadata.name),
            server: None,
            lack: (!listed.is_ready()).then(|| listed.unreadiness()),
        })
        .collect();
    nodes.extend(strangers);
    Ok(Health { api: state, nodes })
}

/// Puts back labels and taints that somebody took from nodes. What fails here says nothing of the cluster's health: the
/// next look tries again, and the next change tells.
async fn keep_marks(api: &Api, ask: &Ask, found: &[KubeNode]) {
    let by_name: BTreeMap<&str, &KubeNode> = found
        .iter()
        .map(|node| (node.metadata.name.as_str(), node))
        .collect();
    let mut changed = 0;
    for node in nodes::nodes(&ask.groups) {
        let name = ask.cloud_name(&node.key("server"));
        let Some(known) = by_name.get(name.as_str()) else {
            continue;
        };
        match marks::keep(api, known.marks(), node.group).await {
            Ok(kept) => changed += usize::from(kept),
            Err(_) => return,
        }
        if changed >= MARKED_NODES {
            return;
        }
    }
}

/// The checks that fail in what `/readyz?verbose` answers, such as `etcd, poststarthook/start-apiextensions-informers`.
fn failing(text: &str) -> Option<String> {
    let named = text.lines().filter_map(|line| line.strip_prefix("[-]"));
    let names = named.map(|line| shortened(line.split(' ').next().unwrap_or_default()));
    let names: Vec<String> = names.take(NAMED_CHECKS).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LONGEST_WORDS).collect()
}

/// Longest list of so many nodes, in bytes.
fn longest_list(nodes: u64) -> usize {
    LONGEST_ANSWER + ANSWER_PER_NODE * usize::try_from(nodes).unwrap_or(0)
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
    let api = Api::new("Kubernetes API", access)?;
    let readiness = api.ask("readyz").await?;
    if !readiness.status().is_success() {
        return Err(format!("the Kubernetes API is not ready: {}", readiness.status()));
    }
    let NodeList { items: found } = api
        .load("api/v1/nodes", longest_list(nodes_asked), |_| None)
        .await?;
    let nodes = nodes::nodes(&ask.groups);
    let expected: BTreeMap<String, Expected> = nodes
        .iter()
        .map(|node| (ask.cloud_name(&node.key("server")), Expected::of(node)))
        .collect();
    let waiting: Vec<String> = expected
        .iter()
        .filter_map(|(name, expected)| Some(format!("{name} {}", missing(&found, name, expected)?)))
        .collect();
    if !waiting.is_empty() {
        return Ok(Report::NotYet(summary(expected.len(), &waiting)));
    }
    for node in &nodes {
        let name = ask.cloud_name(&node.key("server"));
        if let Some(known) = found.iter().find(|known| known.metadata.name == name) {
            marks::keep(&api, known.marks(), node.group).await?;
        }
    }
    let Version { git_version } = api.load("version", LONGEST_ANSWER, |_| None).await?;
    Ok(Report::Ready {
        coe_version: git_version,
        container_version: runtime(&found, &expected),
    })
}

/// What a node should be.
struct Expected<'a> {
    master: bool,
    /// Version of a node that an upgrade made, which is what the upgrade is for.
    version: Option<&'a str>,
}

impl<'a> Expected<'a> {
    fn of(node: &nodes::Node<'a>) -> Self {
        let roll = node.group.roll.as_ref().filter(|roll| roll.source.is_some());
        let number = node.number;
        let version = roll.and_then(|roll| {
            roll.behind
                .get(&number)
                .unwrap_or(&roll.target)
                .version
                .as_deref()
        });
        Self {
            master: node.manager,
            version,
        }
    }
}

/// What a node lacks; `None` for one that is ready.
fn missing(found: &[KubeNode], name: &str, expected: &Expected<'_>) -> Option<String> {
    let Some(node) = found.iter().find(|node| node.metadata.name == name) else {
        return Some("is missing".to_owned());
    };
    if !node.is_ready() {
        return Some("is not ready".to_owned());
    }
    if expected.master && !node.is_master() {
        return Some("is not a master".to_owned());
    }
    let runs = node.status.node_info.kubelet_version.as_str();
    let version = |text: &str| text.parse::<version::Version>().ok();
    match expected.version {
        Some(wanted) if version(wanted) != version(runs) => {
            let runs: String = runs.chars().take(LONGEST_VERSION).collect();
            Some(format!("runs Kubernetes {runs} instead of {wanted}"))
        }
        _ => None,
    }
}

/// Version of the container runtime, without its name.
fn runtime(found: &[KubeNode], expected: &BTreeMap<String, Expected<'_>>) -> Option<String> {
    let node = found
        .iter()
        .find(|node| expected.contains_key(&node.metadata.name))?;
    let text = &node.status.node_info.container_runtime_version;
    let version = text
        .split_once("://")
        .map_or(text.as_str(), |(_, version)| version);
    Some(version.to_owned()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests;
