//! Clusters.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ClusterId, ClusterName, HealthStatus, Labels, NodeGroup, ProjectId, Status, TemplateId, UserId};

/// A cluster as it is stored. Field names and meanings are Magnum's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are Magnum's own and carry its meaning")]
pub struct Cluster {
    pub uuid: ClusterId,
    pub project_id: ProjectId,
    pub user_id: UserId,
    pub name: ClusterName,
    pub cluster_template_id: TemplateId,
    /// Name of the Nova keypair that was given.
    pub keypair: Option<String>,
    /// GiB.
    pub docker_volume_size: Option<i32>,
    pub labels: Labels,
    pub master_flavor_id: Option<String>,
    pub flavor_id: Option<String>,
    pub fixed_network: Option<String>,
    pub fixed_subnet: Option<String>,
    pub floating_ip_enabled: Option<bool>,
    pub master_lb_enabled: Option<bool>,
    /// Minutes that the creation may take; `None` and zero mean the default of 60.
    pub create_timeout: Option<i32>,
    pub discovery_url: Option<String>,
    /// Shown as `stack_id` or `cluster_id`: names the cluster's resources in the cloud.
    pub stack_id: Option<String>,
    pub status: Status,
    pub status_reason: Option<String>,
    pub health_status: Option<HealthStatus>,
    pub health_status_reason: BTreeMap<String, String>,
    pub api_address: Option<String>,
    pub coe_version: Option<String>,
    pub container_version: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// Minutes that a creation may take when the tenant names none.
pub const DEFAULT_CREATE_TIMEOUT_MINS: i32 = 60;

/// Number of nodes of all groups that are masters (`true`) or not.
pub fn node_count(groups: &[NodeGroup], masters: bool) -> i32 {
    groups
        .iter()
        .filter(|group| group.is_master() == masters)
        .map(|group| group.node_count)
        .sum()
}

/// Addresses of the nodes of all groups that are masters (`true`) or not.
pub fn node_addresses(groups: &[NodeGroup], masters: bool) -> Vec<String> {
    groups
        .iter()
        .filter(|group| group.is_master() == masters)
        .flat_map(|group| group.node_addresses.clone())
        .collect()
}
