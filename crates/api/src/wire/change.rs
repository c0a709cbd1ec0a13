//! Changes of clusters on the wire: the patch of a cluster, and the bodies of its actions.

use std::collections::BTreeMap;

use jeroboam_store::ClusterRow;
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::{HealthStatus, Labels};
use serde_json::{Map, Value, json};

use crate::error::{ApiError, ApiResult};
use crate::wire::patch::{Rules, apply_within};
use crate::wire::typing::Body;

/// Attributes of clusters that only the service sets.
const INTERNAL: [&str; 9] = [
    "api_address",
    "node_addresses",
    "master_addresses",
    "stack_id",
    "cluster_id",
    "ca_cert_ref",
    "magnum_cert_ref",
    "etcd_ca_cert_ref",
    "front_proxy_ca_cert_ref",
];
/// Attributes that a patch may change.
const OPEN: [&str; 3] = ["health_status", "health_status_reason", "node_count"];
/// Workers of a patch that removes their number.
const NODES_WITHOUT_COUNT: i32 = 1;

/// What a patch changes of a cluster; `None` for what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterPatch {
    /// Nodes of the default group of workers.
    pub(crate) node_count: Option<i32>,
    /// Health with its reason.
    pub(crate) health: Option<(Option<HealthStatus>, BTreeMap<String, String>)>,
}

impl ClusterPatch {
    /// Applies a JSON patch to a cluster as it is.
    ///
    /// # Errors
    /// 400 for a patch that is none, and for changes of anything else; names what.
    pub(crate) fn parse(row: &ClusterRow, patch: Value) -> ApiResult<Self> {
        // What failed to become so is asked for again by the same number.
        let again = row.cluster.status.is_failed() && names_node_count(&patch);
        let before = document(row);
        let mut after = before.clone();
        let rules = Rules {
            mandatory: &["cluster_template_id"],
            internal: &INTERNAL,
        };
        apply_within(&mut after, patch, rules)?;
        let mut open = Map::new();
        for name in OPEN {
            open.insert(name.to_owned(), after.remove(name).unwrap_or(Value::Null));
        }
        let mut closed: Vec<&str> = after
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(*value))
            .map(|(name, _)| name.as_str())
            .collect();
        closed.sort_unstable();
        if !closed.is_empty() {
            return Err(ApiError::bad_request(format!(
                "These attributes of a cluster cannot be changed: {}.",
                closed.join(", ")
            )));
        }
        let mut body = Body::new("cluster", Value::Object(open))?;
        let node_count = body
            .int("node_count", 0, i32::MAX)?
            .value()
            .unwrap_or(NODES_WITHOUT_COUNT);
        let healths = [
            HealthStatus::Healthy,
            HealthStatus::Unhealthy,
            HealthStatus::Unknown,
        ];
        let health = body
            .choice("health_status", &healths, HealthStatus::as_str)?
            .value();
        let Labels(reason) = body.labels("health_status_reason")?.value().unwrap_or_default();
        let cluster = &row.cluster;
        let is_same_health = health == cluster.health_status && reason == cluster.health_status_reason;
        Ok(Self {
            node_count: (again || Some(node_count) != workers(row)).then_some(node_count),
            health: (!is_same_health).then_some((health, reason)),
        })
    }
}

fn names_node_count(patch: &Value) -> bool {
    let mut operations = patch.as_array().into_iter().flatten();
    operations.any(|operation| operation["path"] == "/node_count")
}

fn workers(row: &ClusterRow) -> Option<i32> {
    let workers = row
        .groups
        .iter()
        .find(|group| group.is_default && group.name == DEFAULT_WORKER);
    workers.map(|group| group.node_count)
}

/// The cluster as patches see it. `node_count` is that of the default workers, which is what a patch sets.
fn document(row: &ClusterRow) -> Map<String, Value> {
    let cluster = &row.cluster;
    let document = json!({
        "name": cluster.name,
        "cluster_template_id": cluster.cluster_template_id,
        "keypair": cluster.keypair,
        "node_count": workers(row),
        "master_count": jeroboam_types::cluster::node_count(&row.groups, true),
        "docker_volume_size": cluster.docker_volume_size,
        "labels": cluster.labels,
        "master_flavor_id": cluster.master_flavor_id,
        "flavor_id": cluster.flavor_id,
        "create_timeout": cluster.create_timeout,
        "status": cluster.status,
        "status_reason": cluster.status_reason,
        "health_status": cluster.health_status,
        "health_status_reason": cluster.health_status_reason,
        "discovery_url": cluster.discovery_url,
        "coe_version": cluster.coe_version,
        "container_version": cluster.container_version,
        "fixed_network": cluster.fixed_network,
        "fixed_subnet": cluster.fixed_subnet,
        "floating_ip_enabled": cluster.floating_ip_enabled,
        "master_lb_enabled": cluster.master_lb_enabled,
    });
    match document {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

/// Body of the action `resize`.
#[derive(Clone, Debug)]
pub(crate) struct Resize {
    pub(crate) node_count: i32,
    /// Servers by UUID or name, or nodes by number.
    pub(crate) nodes_to_remove: Vec<String>,
    /// UUID, name or row id; the default workers without one.
    pub(crate) nodegroup: Option<String>,
}

impl Resize {
    /// Types a request body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let mut body = Body::new("cluster_resize_req", body)?;
        body.mandatory("node_count")?;
        let resize = Self {
            node_count: body.int("node_count", 0, i32::MAX)?.value().unwrap_or_default(),
            nodes_to_remove: body.texts("nodes_to_remove")?.value().unwrap_or_default(),
            nodegroup: body.short_text("nodegroup")?.value(),
        };
        body.finish()?;
        Ok(resize)
    }
}

/// Body of the action `upgrade`.
#[derive(Clone, Debug)]
pub(crate) struct Upgrade {
    pub(crate) cluster_template: String,
    /// Most nodes that are replaced at once.
    pub(crate) max_batch_size: u32,
    /// UUID, name or row id; the control plane and the default workers without one.
    pub(crate) nodegroup: Option<String>,
}

impl Upgrade {
    /// Types a request body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let mut body = Body::new("cluster_upgrade_req", body)?;
        body.mandatory("cluster_template")?;
        let upgrade = Self {
            cluster_template: body.short_text("cluster_template")?.value().unwrap_or_default(),
            max_batch_size: body
                .int("max_batch_size", 1, i32::MAX)?
                .value()
                .and_then(|size| u32::try_from(size).ok())
                .unwrap_or(1),
            nodegroup: body.short_text("nodegroup")?.value(),
        };
        body.finish()?;
        Ok(upgrade)
    }
}
