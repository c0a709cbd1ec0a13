//! Table `cluster`.

use jeroboam_types::{Cluster, ClusterName, HealthStatus};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, IntoActiveModel};

use super::columns::by_position;
use super::{damaged, from_json, json, moment, parsed, utc};
use crate::StoreError;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cluster")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub created_at: Option<ChronoDateTime>,
    pub updated_at: Option<ChronoDateTime>,
    pub uuid: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub cluster_template_id: String,
    pub keypair: Option<String>,
    pub docker_volume_size: Option<i32>,
    pub labels: Option<String>,
    pub master_flavor_id: Option<String>,
    pub flavor_id: Option<String>,
    pub fixed_network: Option<String>,
    pub fixed_subnet: Option<String>,
    pub floating_ip_enabled: Option<bool>,
    pub master_lb_enabled: Option<bool>,
    pub create_timeout: Option<i32>,
    pub discovery_url: Option<String>,
    pub stack_id: Option<String>,
    pub status: String,
    pub status_reason: Option<String>,
    pub health_status: Option<String>,
    pub health_status_reason: Option<String>,
    pub api_address: Option<String>,
    pub coe_version: Option<String>,
    pub container_version: Option<String>,
    pub ca_cert_ref: Option<String>,
    pub magnum_cert_ref: Option<String>,
    pub etcd_ca_cert_ref: Option<String>,
    pub front_proxy_ca_cert_ref: Option<String>,
}

by_position!(
    id,
    created_at,
    updated_at,
    uuid,
    project_id,
    user_id,
    name,
    cluster_template_id,
    keypair,
    docker_volume_size,
    labels,
    master_flavor_id,
    flavor_id,
    fixed_network,
    fixed_subnet,
    floating_ip_enabled,
    master_lb_enabled,
    create_timeout,
    discovery_url,
    stack_id,
    status,
    status_reason,
    health_status,
    health_status_reason,
    api_address,
    coe_version,
    container_version,
    ca_cert_ref,
    magnum_cert_ref,
    etcd_ca_cert_ref,
    front_proxy_ca_cert_ref
);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::template::Entity",
        from = "Column::ClusterTemplateId",
        to = "super::template::Column::Uuid"
    )]
    Template,
    #[sea_orm(
        belongs_to = "super::nodegroup::Entity",
        from = "Column::Uuid",
        to = "super::nodegroup::Column::ClusterId"
    )]
    NodeGroup,
}

impl Related<super::template::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Template.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

/// A row to insert.
pub(crate) fn new(cluster: &Cluster) -> Result<ActiveModel, StoreError> {
    let model = Model {
        id: 0,
        created_at: Some(moment(cluster.created_at)),
        updated_at: cluster.updated_at.map(moment),
        uuid: cluster.uuid.to_string(),
        project_id: cluster.project_id.to_string(),
        user_id: cluster.user_id.to_string(),
        name: cluster.name.to_string(),
        cluster_template_id: cluster.cluster_template_id.to_string(),
        keypair: cluster.keypair.clone(),
        docker_volume_size: cluster.docker_volume_size,
        labels: Some(json(&cluster.labels)?),
        master_flavor_id: cluster.master_flavor_id.clone(),
        flavor_id: cluster.flavor_id.clone(),
        fixed_network: cluster.fixed_network.clone(),
        fixed_subnet: cluster.fixed_subnet.clone(),
        floating_ip_enabled: cluster.floating_ip_enabled,
        master_lb_enabled: cluster.master_lb_enabled,
        create_timeout: cluster.create_timeout,
        discovery_url: cluster.discovery_url.clone(),
        stack_id: cluster.stack_id.clone(),
        status: cluster.status.to_string(),
        status_reason: cluster.status_reason.clone(),
        health_status: cluster.health_status.map(|health| health.as_str().to_owned()),
        health_status_reason: Some(json(&cluster.health_status_reason)?),
        api_address: cluster.api_address.clone(),
        coe_version: cluster.coe_version.clone(),
        container_version: cluster.container_version.clone(),
        ca_cert_ref: None,
        magnum_cert_ref: None,
        etcd_ca_cert_ref: None,
        front_proxy_ca_cert_ref: None,
    };
    Ok(ActiveModel {
        id: ActiveValue::NotSet,
        ..model.into_active_model()
    })
}

impl TryFrom<Model> for Cluster {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            uuid: parsed("uuid", &row.uuid)?,
            project_id: row.project_id.into(),
            user_id: row.user_id.into(),
            name: ClusterName::try_from(row.name).map_err(|error| damaged("name", error))?,
            cluster_template_id: parsed("cluster_template_id", &row.cluster_template_id)?,
            keypair: row.keypair,
            docker_volume_size: row.docker_volume_size,
            labels: from_json("labels", row.labels.as_deref())?,
            master_flavor_id: row.master_flavor_id,
            flavor_id: row.flavor_id,
            fixed_network: row.fixed_network,
            fixed_subnet: row.fixed_subnet,
            floating_ip_enabled: row.floating_ip_enabled,
            master_lb_enabled: row.master_lb_enabled,
            create_timeout: row.create_timeout,
            discovery_url: row.discovery_url,
            stack_id: row.stack_id,
            status: parsed("status", &row.status)?,
            status_reason: row.status_reason,
            health_status: row.health_status.as_deref().map(health).transpose()?,
            health_status_reason: from_json("health_status_reason", row.health_status_reason.as_deref())?,
            api_address: row.api_address,
            coe_version: row.coe_version,
            container_version: row.container_version,
            created_at: utc(row.created_at),
            updated_at: row.updated_at.map(|time| time.and_utc()),
        })
    }
}

/// Reads the column `health_status`.
pub(crate) fn health(text: &str) -> Result<HealthStatus, StoreError> {
    [
        HealthStatus::Healthy,
        HealthStatus::Unhealthy,
        HealthStatus::Unknown,
    ]
    .into_iter()
    .find(|health| health.as_str() == text)
    .ok_or_else(|| damaged("health_status", text))
}
