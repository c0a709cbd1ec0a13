//! The way of a node out of the cluster: it gets no new pods, those that it has are evicted, and it is removed.
//!
//! Each call takes the next step that the API's own view of the node asks for, and may be repeated. Evictions keep
//! the budgets that the tenant's disruption budgets leave, until the time for them is over. A master leaves etcd too,
//! after a snapshot of that: a machine that just went would count against etcd's majority for ever.

use std::collections::BTreeMap;

use jeroboam_blueprint::api::{Api, Method, StatusCode};
use jeroboam_blueprint::nodes;
use jeroboam_driver::{Access, Ask, Departure};
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

/// Takes the next step.
pub(crate) async fn leave(ask: &Ask, access: &Access, host_name: &str, overdue: bool) -> Departure {
    match step(ask, access, host_name, overdue).await {
        Ok(None) => Departure::Gone,
        Ok(Some(seen)) | Err(seen) => Departure::NotYet(seen),
    }
}

/// What is still waited for.
async fn step(ask: &Ask, access: &Access, host_name: &str, overdue: bool) -> Result<Option<String>, String> {
    let api = Api::new("Kubernetes API", access)?;
    let is_master = nodes::group_of(ask, host_name).is_some_and(NodeGroup::is_master);
    let etcd = is_master.then(|| Etcd::new(&api, ask, host_name));
    if let Some(etcd) = &etcd
        && let Some(waiting) = etcd.save().await?
    {
        return Ok(Some(waiting));
    }
    let path = format!("api/v1/nodes/{host_name}");
    let is_known = api.ask(&path).await?.status() != StatusCode::NOT_FOUND;
    if is_known && let Some(waiting) = drain(&api, host_name, overdue).await? {
        return Ok(Some(waiting));
    }
    if let Some(etcd) = &etcd
        && let Some(waiting) = etcd.remove_member().await?
    {
        return Ok(Some(waiting));
    }
    if is_known {
        api.must_change(Method::DELETE, &path, None).await?;
    }
    if let Some(etcd) = &etcd {
        etcd.clean_up().await?;
    }
    Ok(None)
}

/// Moves pods away. Gives what is still waited for.
async fn drain(api: &Api, host_name: &str, overdue: bool) -> Result<Option<String>, String> {
    let path = format!("api/v1/nodes/{host_name}");
    let node: Node = api.load(&path, LONGEST_NODE, |_| None).await?;
    if !node.spec.unschedulable {
        let cordon = json!({"spec": {"unschedulable": true}});
        let body = Some(("application/merge-patch+json", &cordon));
        api.must_change(Method::PATCH, &path, body).await?;
    }
    if overdue {
        return Ok(None);
    }
    let path = format!("api/v1/pods?fieldSelector=spec.nodeName%3D{host_name}");
    let Pods { items } = api.load(&path, LONGEST_PODS, |_| None).await?;
    let moving: Vec<&Pod> = items.iter().filter(|pod| pod.has_to_move()).collect();
    for pod in moving
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        evict(api, pod).await?;
    }
    Ok(match moving.len() {
        0 => None,
        1 => Some("a pod of it is being moved to another node".to_owned()),
        left => Some(format!("{left} pods of it are being moved to other nodes")),
    })
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
