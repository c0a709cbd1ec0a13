//! Node groups: equal nodes of one cluster.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{ClusterId, Labels, NodeGroupId, ProjectId, Status};

/// Role of the nodes that run the control plane.
pub const ROLE_MASTER: &str = "master";
/// Role of the nodes that run workloads; any role but [`ROLE_MASTER`] is a worker's.
pub const ROLE_WORKER: &str = "worker";
/// Name of the node group of masters that every cluster has.
pub const DEFAULT_MASTER: &str = "default-master";
/// Name of the node group of workers that every cluster has.
pub const DEFAULT_WORKER: &str = "default-worker";

/// A node group as it is stored. Field names and meanings are Magnum's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are Magnum's own and carry its meaning")]
pub struct NodeGroup {
    /// Row id, which the API shows as `id`; zero before the row exists.
    pub id: i64,
    pub uuid: NodeGroupId,
    pub name: String,
    pub cluster_id: ClusterId,
    pub project_id: ProjectId,
    /// GiB.
    pub docker_volume_size: Option<i32>,
    pub labels: Labels,
    pub flavor_id: Option<String>,
    pub image_id: Option<String>,
    pub node_addresses: Vec<String>,
    pub node_count: i32,
    pub max_node_count: Option<i32>,
    pub min_node_count: Option<i32>,
    pub role: String,
    pub is_default: bool,
    pub stack_id: Option<String>,
    pub status: Status,
    pub status_reason: Option<String>,
    pub version: Option<String>,
    pub node_labels: BTreeMap<String, String>,
    pub node_taints: Vec<BTreeMap<String, String>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl NodeGroup {
    /// True for the nodes of the control plane.
    pub fn is_master(&self) -> bool {
        self.role == ROLE_MASTER
    }
}
