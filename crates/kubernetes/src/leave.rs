//! The way of a node out of the cluster: it gets no new pods, those that it has are evicted, and it is removed.
//!
//! Each call takes the next step that the API's own view of the node asks for, and may be repeated. Evictions keep
//! the budgets that the tenant's disruption budgets leave, until the time for them is over. A master leaves etcd too,
//! after a snapshot of that: a machine that just went would count against etcd's majority for ever.
//!
//! A Node object that goes takes its pods with it, and Kubernetes starts them elsewhere. So it goes only when no pod that
//! may run is left on it, or when its machine is gone: else two pods of a StatefulSet could run at once.

use std::collections::BTreeMap;

use jeroboam_blueprint::api::{Api, Method, StatusCode};
use jeroboam_blueprint::nodes;
use jeroboam_driver::{Access, Ask, Departure, Leaving};
use jeroboam_types::NodeGroup;
use serde::Deserialize;
use serde_json::json;

use crate::etcd::Etcd;

/// Longest description of a node, and list of its pods, in bytes.
const LONGEST_NODE: usize = 1 << 20;
const LONGEST_PODS: usize = 16 << 20;

/// Pods that the kubelet runs by itself have this annotation in the API.
const MIRROR: &str = "kubernetes.io/config.mirror";

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Node {
    /// True when its kubelet has not been heard of for so long that Kubernetes gave up on it: no pod on it will be known
    /// to have ended.
    fn is_silent(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|condition| condition.kind == "Ready" && condition.status == "Unknown")
    }
}

#[derive(Default, Deserialize)]
struct NodeSpec {
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Deserialize)]
struct Pods {
    items: Vec<Pod>,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
}

#[derive(Default, Deserialize)]
struct PodStatus {
    #[serde(default)]
    phase: String,
}

impl Pod {
    /// True for a pod that has to find another node.
    fn has_to_move(&self) -> bool {
        let metadata = &self.metadata;
        let stays = metadata.annotations.contains_key(MIRROR)
            || metadata
                .owner_references
                .iter()
                .any(|owner| owner.kind == "DaemonSet")
            || matches!(self.status.phase.as_str(), "Succeeded" | "Failed");
        !stays
    }
}

/// Where a node's pods stand.
enum Drained {
    /// None is left that has to move.
    Empty,
    /// They are given time.
    Moving(String),
    /// They are not known to end while the machine may run. The text says why.
    Stuck(String),
}

/// Takes the next step.
pub(crate) async fn leave(ask: &Ask, access: &Access, node: &Leaving<'_>) -> Departure {
    match step(ask, access, node).await {
        Ok(departure) => departure,
        Err(seen) => Departure::NotYet(seen),
    }
}

async fn step(ask: &Ask, access: &Access, node: &Leaving<'_>) -> Result<Departure, String> {
    let api = Api::new("Kubernetes API", access)?;
    let is_master = nodes::group_of(ask, node.host_name).is_some_and(NodeGroup::is_master);
    let etcd = is_master.then(|| Etcd::new(&api, ask, node));
    if let Some(etcd) = &etcd
        && let Some(waiting) = etcd.save().await?
    {
        return Ok(Departure::NotYet(waiting));
    }
    let path = format!("api/v1/nodes/{}", node.host_name);
    let is_known = api.ask(&path).await?.status() != StatusCode::NOT_FOUND;
    let drained = match is_known {
        true => drain(&api, node).await?,
        false => Drained::Empty,
    };
    if let Drained::Moving(waiting) = drained {
        return Ok(Departure::NotYet(waiting));
    }
    // etcd counts a member that is dead until it is removed, so that comes before its machine.
    if let Some(etcd) = &etcd
        && let Some(waiting) = etcd.remove_member().await?
    {
        return Ok(Departure::NotYet(waiting));
    }
    if let Drained::Stuck(why) = drained {
        return Ok(Departure::AfterMachine(why));
    }
    if is_known {
        api.must_change(Method::DELETE, &path, None).await?;
    }
    if let Some(etcd) = &etcd {
        etcd.clean_up().await?;
    }
    Ok(Departure::Gone)
}

/// Moves pods away.
async fn drain(api: &Api, leaving: &Leaving<'_>) -> Result<Drained, String> {
    let path = format!("api/v1/nodes/{}", leaving.host_name);
    let node: Node = api.load(&path, LONGEST_NODE, |_| None).await?;
    if !node.spec.unschedulable {
        let cordon = json!({"spec": {"unschedulable": true}});
        let body = Some(("application/merge-patch+json", &cordon));
        api.must_change(Method::PATCH, &path, body).await?;
    }
    if node.is_silent() && !leaving.machine_gone {
        return Ok(Drained::Stuck("its kubelet does not answer".to_owned()));
    }
    let path = format!("api/v1/pods?fieldSelector=spec.nodeName%3D{}", leaving.host_name);
    let Pods { items } = api.load(&path, LONGEST_PODS, |_| None).await?;
    let moving: Vec<&Pod> = items.iter().filter(|pod| pod.has_to_move()).collect();
    if leaving.machine_gone {
        for pod in moving {
            forget(api, pod).await?;
        }
        return Ok(Drained::Empty);
    }
    let left = match moving.len() {
        0 => return Ok(Drained::Empty),
        1 => "a pod of it".to_owned(),
        left => format!("{left} pods of it"),
    };
    if leaving.overdue {
        return Ok(Drained::Stuck(format!("{left} did not move in time")));
    }
    for pod in moving
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        evict(api, pod).await?;
    }
    Ok(Drained::Moving(match moving.len() {
        1 => format!("{left} is being moved to another node"),
        _ => format!("{left} are being moved to other nodes"),
    }))
}

/// Removes the object of a pod that runs no more, because its machine is gone: who made it makes another one at once.
async fn forget(api: &Api, pod: &Pod) -> Result<(), String> {
    let (name, namespace) = (&pod.metadata.name, &pod.metadata.namespace);
    let path = format!("api/v1/namespaces/{namespace}/pods/{name}");
    let at_once = json!({"gracePeriodSeconds": 0});
    let body = Some(("application/json", &at_once));
    api.must_change(Method::DELETE, &path, body).await
}

/// Asks for an eviction. One that a disruption budget does not allow now (429) is asked for again.
async fn evict(api: &Api, pod: &Pod) -> Result<(), String> {
    let (name, namespace) = (&pod.metadata.name, &pod.metadata.namespace);
    // Without a version it is read as the API's own: policy/v1beta1 up to 1.21, policy/v1 since.
    let eviction = json!({"metadata": {"name": name, "namespace": namespace}});
    let path = format!("api/v1/namespaces/{namespace}/pods/{name}/eviction");
    let body = Some(("application/json", &eviction));
    match api.change(Method::POST, &path, body).await? {
        (status, _) if status.is_success() => Ok(()),
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_FOUND | StatusCode::CONFLICT, _) => Ok(()),
        (status, message) => Err(format!(
            "the Kubernetes API does not evict {name}: {status} {message}"
        )),
    }
}

#[cfg(test)]
mod tests;
