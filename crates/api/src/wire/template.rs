//! Cluster templates on the wire.

use chrono::{DateTime, Utc};
use jeroboam_types::{ClusterTemplate, Coe, Labels, ProjectId, ServerType, TemplateId, UserId};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{ApiError, ApiResult};
use crate::wire::Timestamp;
use crate::wire::links::{Links, Member};
use crate::wire::typing::{Body, Field};

/// Attributes that a patch cannot remove.
pub(crate) const MANDATORY: [&str; 10] = [
    "image_id",
    "coe",
    "network_driver",
    "external_network_id",
    "tls_disabled",
    "public",
    "server_type",
    "registry_enabled",
    "cluster_distro",
    "hidden",
];

const READ_ONLY: [&str; 5] = ["project_id", "user_id", "links", "created_at", "updated_at"];

/// The attributes that a client may set, after the defaults.
#[derive(Clone, Debug)]
pub(crate) struct TemplateFields {
    pub(crate) uuid: Option<Uuid>,
    pub(crate) name: Option<String>,
    pub(crate) coe: Coe,
    pub(crate) image_id: String,
    pub(crate) flavor_id: Option<String>,
    pub(crate) master_flavor_id: Option<String>,
    pub(crate) keypair_id: Option<String>,
    pub(crate) external_network_id: Option<String>,
    pub(crate) fixed_network: Option<String>,
    pub(crate) fixed_subnet: Option<String>,
    pub(crate) dns_nameserver: Option<String>,
    pub(crate) network_driver: Option<String>,
    pub(crate) volume_driver: Option<String>,
    pub(crate) apiserver_port: Option<i32>,
    pub(crate) docker_volume_size: Option<i32>,
    pub(crate) docker_storage_driver: Option<String>,
    pub(crate) cluster_distro: Option<String>,
    pub(crate) driver: Option<String>,
    pub(crate) http_proxy: Option<String>,
    pub(crate) https_proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
    pub(crate) insecure_registry: Option<String>,
    pub(crate) labels: Labels,
    pub(crate) server_type: ServerType,
    pub(crate) registry_enabled: bool,
    pub(crate) tls_disabled: bool,
    pub(crate) public: bool,
    pub(crate) hidden: bool,
    pub(crate) master_lb_enabled: bool,
    pub(crate) floating_ip_enabled: bool,
    pub(crate) tags: Option<String>,
}

impl TemplateFields {
    /// Types a request body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let mut body = Body::new("cluster_template", body)?;
        body.read_only(&READ_ONLY)?;
        body.mandatory("image_id")?;
        let Field::Value(coe) = body.choice("coe", Coe::ALL, Coe::as_str)? else {
            return Err(ApiError::invalid(
                "coe",
                "None",
                "Requested COE type is not supported.",
            ));
        };
        let flag = |body: &mut Body, name: &str, default: bool| -> ApiResult<bool> {
            Ok(body.boolean(name)?.value().unwrap_or(default))
        };
        let fields = Self {
            uuid: body.uuid("uuid")?.value(),
            name: body.short_text("name")?.value(),
            coe,
            image_id: body.short_text("image_id")?.value().unwrap_or_default(),
            flavor_id: body.short_text("flavor_id")?.value(),
            master_flavor_id: body.short_text("master_flavor_id")?.value(),
            keypair_id: body.short_text("keypair_id")?.value(),
            external_network_id: body.short_text("external_network_id")?.value(),
            fixed_network: body.short_text("fixed_network")?.value(),
            fixed_subnet: body.short_text("fixed_subnet")?.value(),
            dns_nameserver: body.text("dns_nameserver", 0, 255)?.value(),
            network_driver: body.short_text("network_driver")?.value(),
            volume_driver: body.short_text("volume_driver")?.value(),
            apiserver_port: body.int("apiserver_port", 1024, 65535)?.value(),
            docker_volume_size: body.int("docker_volume_size", 1, i32::MAX)?.value(),
            docker_storage_driver: body.short_text("docker_storage_driver")?.value(),
            cluster_distro: body.short_text("cluster_distro")?.value(),
            driver: body.short_text("driver")?.value(),
            http_proxy: body.short_text("http_proxy")?.value(),
            https_proxy: body.short_text("https_proxy")?.value(),
            no_proxy: body.short_text("no_proxy")?.value(),
            insecure_registry: body.short_text("insecure_registry")?.value(),
            labels: body.labels("labels")?.value().unwrap_or_default(),
            server_type: body
                .choice(
                    "server_type",
                    &[ServerType::Vm, ServerType::Bm],
                    ServerType::as_str,
                )?
                .value()
                .unwrap_or_default(),
            registry_enabled: flag(&mut body, "registry_enabled", false)?,
            tls_disabled: flag(&mut body, "tls_disabled", false)?,
            public: flag(&mut body, "public", false)?,
            hidden: flag(&mut body, "hidden", false)?,
            master_lb_enabled: flag(&mut body, "master_lb_enabled", false)?,
            floating_ip_enabled: flag(&mut body, "floating_ip_enabled", true)?,
            tags: body.text("tags", 0, 255)?.value(),
        };
        body.finish()?;
        Ok(fields)
    }

    /// The template with these attributes and what the service sets.
    pub(crate) fn into_template(
        self,
        uuid: TemplateId,
        (project_id, user_id): (ProjectId, UserId),
        (created_at, updated_at): (DateTime<Utc>, Option<DateTime<Utc>>),
    ) -> ClusterTemplate {
        ClusterTemplate {
            uuid,
            project_id,
            user_id,
            name: self.name,
            coe: self.coe,
            image_id: self.image_id,
            flavor_id: self.flavor_id,
            master_flavor_id: self.master_flavor_id,
            keypair_id: self.keypair_id,
            external_network_id: self.external_network_id,
            fixed_network: self.fixed_network,
            fixed_subnet: self.fixed_subnet,
            dns_nameserver: self.dns_nameserver,
            network_driver: self.network_driver,
            volume_driver: self.volume_driver,
            apiserver_port: self.apiserver_port,
            docker_volume_size: self.docker_volume_size,
            docker_storage_driver: self.docker_storage_driver,
            cluster_distro: self.cluster_distro,
            driver: self.driver,
            http_proxy: self.http_proxy,
            https_proxy: self.https_proxy,
            no_proxy: self.no_proxy,
            insecure_registry: self.insecure_registry,
            labels: self.labels,
            server_type: self.server_type,
            registry_enabled: self.registry_enabled,
            tls_disabled: self.tls_disabled,
            public: self.public,
            hidden: self.hidden,
            master_lb_enabled: self.master_lb_enabled,
            floating_ip_enabled: self.floating_ip_enabled,
            tags: self.tags,
            created_at,
            updated_at,
        }
    }
}

/// The attributes that a patch works on.
#[derive(Debug, Serialize)]
struct Attributes<'a> {
    name: Option<&'a str>,
    coe: Coe,
    image_id: &'a str,
    flavor_id: Option<&'a str>,
    master_flavor_id: Option<&'a str>,
    keypair_id: Option<&'a str>,
    external_network_id: Option<&'a str>,
    fixed_network: Option<&'a str>,
    fixed_subnet: Option<&'a str>,
    dns_nameserver: Option<&'a str>,
    network_driver: Option<&'a str>,
    volume_driver: Option<&'a str>,
    apiserver_port: Option<i32>,
    docker_volume_size: Option<i32>,
    docker_storage_driver: Option<&'a str>,
    cluster_distro: Option<&'a str>,
    driver: Option<&'a str>,
    http_proxy: Option<&'a str>,
    https_proxy: Option<&'a str>,
    no_proxy: Option<&'a str>,
    insecure_registry: Option<&'a str>,
    labels: &'a Labels,
    server_type: ServerType,
    registry_enabled: bool,
    tls_disabled: bool,
    public: bool,
    hidden: bool,
    master_lb_enabled: bool,
    floating_ip_enabled: bool,
    tags: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    fn of(template: &'a ClusterTemplate) -> Self {
        Self {
            name: template.name.as_deref(),
            coe: template.coe,
            image_id: &template.image_id,
            flavor_id: template.flavor_id.as_deref(),
            master_flavor_id: template.master_flavor_id.as_deref(),
            keypair_id: template.keypair_id.as_deref(),
            external_network_id: template.external_network_id.as_deref(),
            fixed_network: template.fixed_network.as_deref(),
            fixed_subnet: template.fixed_subnet.as_deref(),
            dns_nameserver: template.dns_nameserver.as_deref(),
            network_driver: template.network_driver.as_deref(),
            volume_driver: template.volume_driver.as_deref(),
            apiserver_port: template.apiserver_port,
            docker_volume_size: template.docker_volume_size,
            docker_storage_driver: template.docker_storage_driver.as_deref(),
            cluster_distro: template.cluster_distro.as_deref(),
            driver: template.driver.as_deref(),
            http_proxy: template.http_proxy.as_deref(),
            https_proxy: template.https_proxy.as_deref(),
            no_proxy: template.no_proxy.as_deref(),
            insecure_registry: template.insecure_registry.as_deref(),
            labels: &template.labels,
            server_type: template.server_type,
            registry_enabled: template.registry_enabled,
            tls_disabled: template.tls_disabled,
            public: template.public,
            hidden: template.hidden,
            master_lb_enabled: template.master_lb_enabled,
            floating_ip_enabled: template.floating_ip_enabled,
            tags: template.tags.as_deref(),
        }
    }
}

/// A template as it is told: the same in lists, in detail and alone.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    #[serde(flatten)]
    attributes: Attributes<'a>,
    uuid: TemplateId,
    project_id: &'a ProjectId,
    user_id: &'a UserId,
    links: Links<'a, Member<'a, TemplateId>>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

/// The attributes that a patch works on, as JSON.
pub(crate) fn document(template: &ClusterTemplate) -> Map<String, Value> {
    match serde_json::to_value(Attributes::of(template)) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The answer.
pub(crate) fn render<'a>(template: &'a ClusterTemplate, base: &'a str) -> Shown<'a> {
    Shown {
        attributes: Attributes::of(template),
        uuid: template.uuid,
        project_id: &template.project_id,
        user_id: &template.user_id,
        links: Links {
            base,
            path: Member("clustertemplates", template.uuid),
        },
        created_at: Timestamp(template.created_at),
        updated_at: template.updated_at.map(Timestamp),
    }
}
