//! Cluster templates: the defaults of clusters.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Coe, Labels, ProjectId, ServerType, TemplateId, UserId};

/// A cluster template as it is stored. Field names and meanings are Magnum's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are Magnum's own and carry its meaning")]
pub struct ClusterTemplate {
    pub uuid: TemplateId,
    pub project_id: ProjectId,
    pub user_id: UserId,
    pub name: Option<String>,
    pub coe: Coe,
    pub image_id: String,
    pub flavor_id: Option<String>,
    pub master_flavor_id: Option<String>,
    pub keypair_id: Option<String>,
    pub external_network_id: Option<String>,
    pub fixed_network: Option<String>,
    pub fixed_subnet: Option<String>,
    pub dns_nameserver: Option<String>,
    pub network_driver: Option<String>,
    pub volume_driver: Option<String>,
    pub apiserver_port: Option<i32>,
    /// GiB.
    pub docker_volume_size: Option<i32>,
    pub docker_storage_driver: Option<String>,
    pub cluster_distro: Option<String>,
    pub driver: Option<String>,
    pub http_proxy: Option<String>,
    pub https_proxy: Option<String>,
    pub no_proxy: Option<String>,
    pub insecure_registry: Option<String>,
    pub labels: Labels,
    pub server_type: ServerType,
    pub registry_enabled: bool,
    pub tls_disabled: bool,
    pub public: bool,
    pub hidden: bool,
    pub master_lb_enabled: bool,
    pub floating_ip_enabled: bool,
    pub tags: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}
