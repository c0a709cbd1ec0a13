//! Table `cluster_template`.

use jeroboam_types::{ClusterTemplate, Coe, ServerType};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, IntoActiveModel};

use super::columns::by_position;
use super::{damaged, from_json, json, moment, parsed, utc};
use crate::StoreError;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cluster_template")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub created_at: Option<ChronoDateTime>,
    pub updated_at: Option<ChronoDateTime>,
    pub uuid: String,
    pub project_id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub coe: String,
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
    pub docker_volume_size: Option<i32>,
    pub docker_storage_driver: Option<String>,
    pub cluster_distro: Option<String>,
    pub driver: Option<String>,
    pub http_proxy: Option<String>,
    pub https_proxy: Option<String>,
    pub no_proxy: Option<String>,
    pub insecure_registry: Option<String>,
    pub labels: Option<String>,
    pub server_type: Option<String>,
    pub registry_enabled: Option<bool>,
    pub tls_disabled: Option<bool>,
    pub public: Option<bool>,
    pub hidden: Option<bool>,
    pub master_lb_enabled: Option<bool>,
    pub floating_ip_enabled: Option<bool>,
    pub tags: Option<String>,
}

by_position!(
    id,
    created_at,
    updated_at,
    uuid,
    project_id,
    user_id,
    name,
    coe,
    image_id,
    flavor_id,
    master_flavor_id,
    keypair_id,
    external_network_id,
    fixed_network,
    fixed_subnet,
    dns_nameserver,
    network_driver,
    volume_driver,
    apiserver_port,
    docker_volume_size,
    docker_storage_driver,
    cluster_distro,
    driver,
    http_proxy,
    https_proxy,
    no_proxy,
    insecure_registry,
    labels,
    server_type,
    registry_enabled,
    tls_disabled,
    public,
    hidden,
    master_lb_enabled,
    floating_ip_enabled,
    tags
);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A row to insert.
pub(crate) fn new(template: &ClusterTemplate) -> Result<ActiveModel, StoreError> {
    let model = Model {
        id: 0,
        created_at: Some(moment(template.created_at)),
        updated_at: template.updated_at.map(moment),
        uuid: template.uuid.to_string(),
        project_id: template.project_id.to_string(),
        user_id: template.user_id.to_string(),
        name: template.name.clone(),
        coe: template.coe.to_string(),
        image_id: template.image_id.clone(),
        flavor_id: template.flavor_id.clone(),
        master_flavor_id: template.master_flavor_id.clone(),
        keypair_id: template.keypair_id.clone(),
        external_network_id: template.external_network_id.clone(),
        fixed_network: template.fixed_network.clone(),
        fixed_subnet: template.fixed_subnet.clone(),
        dns_nameserver: template.dns_nameserver.clone(),
        network_driver: template.network_driver.clone(),
        volume_driver: template.volume_driver.clone(),
        apiserver_port: template.apiserver_port,
        docker_volume_size: template.docker_volume_size,
        docker_storage_driver: template.docker_storage_driver.clone(),
        cluster_distro: template.cluster_distro.clone(),
        driver: template.driver.clone(),
        http_proxy: template.http_proxy.clone(),
        https_proxy: template.https_proxy.clone(),
        no_proxy: template.no_proxy.clone(),
        insecure_registry: template.insecure_registry.clone(),
        labels: Some(json(&template.labels)?),
        server_type: Some(template.server_type.as_str().to_owned()),
        registry_enabled: Some(template.registry_enabled),
        tls_disabled: Some(template.tls_disabled),
        public: Some(template.public),
        hidden: Some(template.hidden),
        master_lb_enabled: Some(template.master_lb_enabled),
        floating_ip_enabled: Some(template.floating_ip_enabled),
        tags: template.tags.clone(),
    };
    Ok(ActiveModel {
        id: ActiveValue::NotSet,
        ..model.into_active_model()
    })
}

/// A row to write over one that exists. Identity, owner and time of creation never change.
pub(crate) fn changed(template: &ClusterTemplate) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        id: ActiveValue::NotSet,
        uuid: ActiveValue::NotSet,
        project_id: ActiveValue::NotSet,
        user_id: ActiveValue::NotSet,
        created_at: ActiveValue::NotSet,
        ..new(template)?.reset_all()
    })
}

impl TryFrom<Model> for ClusterTemplate {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            uuid: parsed("uuid", &row.uuid)?,
            project_id: row.project_id.into(),
            user_id: row.user_id.into(),
            name: row.name,
            coe: row.coe.parse::<Coe>().map_err(|()| damaged("coe", &row.coe))?,
            image_id: row.image_id,
            flavor_id: row.flavor_id,
            master_flavor_id: row.master_flavor_id,
            keypair_id: row.keypair_id,
            external_network_id: row.external_network_id,
            fixed_network: row.fixed_network,
            fixed_subnet: row.fixed_subnet,
            dns_nameserver: row.dns_nameserver,
            network_driver: row.network_driver,
            volume_driver: row.volume_driver,
            apiserver_port: row.apiserver_port,
            docker_volume_size: row.docker_volume_size,
            docker_storage_driver: row.docker_storage_driver,
            cluster_distro: row.cluster_distro,
            driver: row.driver,
            http_proxy: row.http_proxy,
            https_proxy: row.https_proxy,
            no_proxy: row.no_proxy,
            insecure_registry: row.insecure_registry,
            labels: from_json("labels", row.labels.as_deref())?,
            server_type: match row.server_type.as_deref() {
                Some("bm") => ServerType::Bm,
                _ => ServerType::Vm,
            },
            registry_enabled: row.registry_enabled.unwrap_or(false),
            tls_disabled: row.tls_disabled.unwrap_or(false),
            public: row.public.unwrap_or(false),
            hidden: row.hidden.unwrap_or(false),
            master_lb_enabled: row.master_lb_enabled.unwrap_or(false),
            floating_ip_enabled: row.floating_ip_enabled.unwrap_or(true),
            tags: row.tags,
            created_at: utc(row.created_at),
            updated_at: row.updated_at.map(|time| time.and_utc()),
        })
    }
}
