//! Clusters on the wire.

use std::collections::BTreeMap;

use jeroboam_store::{ClusterRow, ClusterSummary};
use jeroboam_types::cluster::{DEFAULT_CREATE_TIMEOUT_MINS, node_addresses, node_count};
use jeroboam_types::{ClusterId, ClusterName, HealthStatus, Labels, ProjectId, Status, TemplateId, UserId};
use serde::Serialize;
use serde_json::Value;

use crate::error::{ApiError, ApiResult};
use crate::microversion::Version;
use crate::wire::Timestamp;
use crate::wire::links::{Links, Member};
use crate::wire::typing::{Body, Field};

const READ_ONLY: [&str; 12] = [
    "stack_id",
    "cluster_id",
    "api_address",
    "coe_version",
    "container_version",
    "project_id",
    "user_id",
    "node_addresses",
    "master_addresses",
    "links",
    "created_at",
    "updated_at",
];

/// What a client asks of a new cluster, before the template's defaults.
#[derive(Clone, Debug)]
pub(crate) struct NewCluster {
    pub(crate) name: Option<ClusterName>,
    pub(crate) cluster_template_id: String,
    pub(crate) keypair: Option<String>,
    pub(crate) node_count: i32,
    pub(crate) master_count: i32,
    pub(crate) docker_volume_size: Option<i32>,
    pub(crate) labels: Option<Labels>,
    pub(crate) merge_labels: bool,
    pub(crate) master_flavor_id: Option<String>,
    pub(crate) flavor_id: Option<String>,
    pub(crate) fixed_network: Option<String>,
    pub(crate) fixed_subnet: Option<String>,
    /// An explicit null stays null.
    pub(crate) floating_ip_enabled: Field<bool>,
    /// An explicit null stays null.
    pub(crate) master_lb_enabled: Field<bool>,
    pub(crate) create_timeout: Option<i32>,
    pub(crate) discovery_url: Option<String>,
}

impl NewCluster {
    /// Types a request body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let mut body = Body::new("cluster", body)?;
        body.read_only(&READ_ONLY)?;
        body.mandatory("cluster_template_id")?;
        let name = match body.text("name", 1, 242)? {
            Field::Value(text) => {
                let name = ClusterName::try_from(text.clone());
                Some(name.map_err(|error| ApiError::invalid("name", text, error))?)
            }
            Field::Absent | Field::Null => None,
        };
        let master_count = match body.int("master_count", 1, i32::MAX)? {
            Field::Value(count) => count,
            Field::Absent => 1,
            Field::Null => {
                return Err(ApiError::invalid(
                    "master_count",
                    "None",
                    "Value should be an integer",
                ));
            }
        };
        let fields = Self {
            name,
            cluster_template_id: body
                .short_text("cluster_template_id")?
                .value()
                .unwrap_or_default(),
            keypair: body.short_text("keypair")?.value(),
            node_count: body.int("node_count", 0, i32::MAX)?.value().unwrap_or(1),
            master_count,
            docker_volume_size: body.int("docker_volume_size", 1, i32::MAX)?.value(),
            labels: body.labels("labels")?.value(),
            merge_labels: body.boolean("merge_labels")?.value().unwrap_or(false),
            master_flavor_id: body.short_text("master_flavor_id")?.value(),
            flavor_id: body.short_text("flavor_id")?.value(),
            fixed_network: body.short_text("fixed_network")?.value(),
            fixed_subnet: body.short_text("fixed_subnet")?.value(),
            floating_ip_enabled: body.boolean("floating_ip_enabled")?,
            master_lb_enabled: body.boolean("master_lb_enabled")?,
            create_timeout: body
                .int("create_timeout", 0, i32::MAX)?
                .absent_or(Some(DEFAULT_CREATE_TIMEOUT_MINS)),
            discovery_url: body.text("discovery_url", 0, 255)?.value(),
        };
        // Taken and typed as Magnum does, and without effect.
        body.uuid("uuid")?;
        body.choice("status", Status::ALL, Status::as_str)?;
        let healths = [
            HealthStatus::Healthy,
            HealthStatus::Unhealthy,
            HealthStatus::Unknown,
        ];
        body.choice("health_status", &healths, HealthStatus::as_str)?;
        body.text("status_reason", 0, usize::MAX)?;
        for map in [
            "health_status_reason",
            "faults",
            "labels_overridden",
            "labels_added",
            "labels_skipped",
        ] {
            body.labels(map)?;
        }
        body.finish()?;
        Ok(fields)
    }
}

/// How much of a cluster in detail is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Item of a list.
    Listed,
    /// Alone: with `faults` if it failed.
    Alone,
}

/// A cluster as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    uuid: ClusterId,
    name: &'a ClusterName,
    cluster_template_id: TemplateId,
    keypair: Option<&'a str>,
    node_count: i32,
    master_count: i32,
    docker_volume_size: Option<i32>,
    labels: &'a Labels,
    master_flavor_id: Option<&'a str>,
    flavor_id: Option<&'a str>,
    create_timeout: Option<i32>,
    links: Links<'a, Member<'a, ClusterId>>,
    status: Status,
    health_status: Option<HealthStatus>,
    merge_labels: bool,
    // Magnum leaves these two out of the short form: clients that compare a listed cluster with what they want, such as
    // Ansible's module, then find a difference that is none.
    discovery_url: Option<&'a str>,
    floating_ip_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack_id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<Option<&'a str>>,
    #[serde(flatten)]
    details: Option<Details<'a>>,
}

/// What the short list leaves out.
#[derive(Debug, Serialize)]
struct Details<'a> {
    status_reason: Option<&'a str>,
    health_status_reason: &'a BTreeMap<String, String>,
    api_address: Option<&'a str>,
    coe_version: Option<&'a str>,
    container_version: Option<&'a str>,
    project_id: &'a ProjectId,
    user_id: &'a UserId,
    node_addresses: Vec<String>,
    master_addresses: Vec<String>,
    fixed_network: Option<&'a str>,
    fixed_subnet: Option<&'a str>,
    master_lb_enabled: Option<bool>,
    labels_overridden: Labels,
    labels_added: Labels,
    labels_skipped: Labels,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<BTreeMap<&'a str, &'a str>>,
}

/// An item of the short list.
pub(crate) fn render_summary<'a>(cluster: &'a ClusterSummary, version: Version, base: &'a str) -> Shown<'a> {
    let [stack_id, cluster_id] = stack(cluster.stack_id.as_deref(), version);
    Shown {
        uuid: cluster.uuid,
        name: &cluster.name,
        cluster_template_id: cluster.cluster_template_id,
        keypair: cluster.keypair.as_deref(),
        node_count: cluster.node_count,
        master_count: cluster.master_count,
        docker_volume_size: cluster.docker_volume_size,
        labels: &cluster.labels,
        master_flavor_id: cluster.master_flavor_id.as_deref(),
        flavor_id: cluster.flavor_id.as_deref(),
        create_timeout: cluster.create_timeout,
        links: links_of(cluster.uuid, base),
        status: cluster.status,
        health_status: cluster.health_status,
        merge_labels: false,
        discovery_url: cluster.discovery_url.as_deref(),
        floating_ip_enabled: cluster.floating_ip_enabled,
        stack_id,
        cluster_id,
        details: None,
    }
}

/// A cluster in detail.
pub(crate) fn render<'a>(row: &'a ClusterRow, form: Form, version: Version, base: &'a str) -> Shown<'a> {
    let cluster = &row.cluster;
    let [stack_id, cluster_id] = stack(cluster.stack_id.as_deref(), version);
    Shown {
        uuid: cluster.uuid,
        name: &cluster.name,
        cluster_template_id: cluster.cluster_template_id,
        keypair: cluster.keypair.as_deref(),
        node_count: node_count(&row.groups, false),
        master_count: node_count(&row.groups, true),
        docker_volume_size: cluster.docker_volume_size,
        labels: &cluster.labels,
        master_flavor_id: cluster.master_flavor_id.as_deref(),
        flavor_id: cluster.flavor_id.as_deref(),
        create_timeout: cluster.create_timeout,
        links: links_of(cluster.uuid, base),
        status: cluster.status,
        health_status: cluster.health_status,
        merge_labels: false,
        discovery_url: cluster.discovery_url.as_deref(),
        floating_ip_enabled: cluster.floating_ip_enabled,
        stack_id,
        cluster_id,
        details: Some(details(row, form)),
    }
}

fn links_of(cluster: ClusterId, base: &str) -> Links<'_, Member<'_, ClusterId>> {
    Links {
        base,
        path: Member("clusters", cluster),
    }
}

/// The fields `stack_id` and `cluster_id`: one name until microversion 1.12, the other from 1.13 on.
fn stack(stack_id: Option<&str>, version: Version) -> [Option<Option<&str>>; 2] {
    match version >= Version::v1(13) {
        true => [None, Some(stack_id)],
        false => [Some(stack_id), None],
    }
}

fn details(row: &ClusterRow, form: Form) -> Details<'_> {
    let cluster = &row.cluster;
    let diff = cluster.labels.diff(&row.template_labels);
    Details {
        status_reason: cluster.status_reason.as_deref(),
        health_status_reason: &cluster.health_status_reason,
        api_address: cluster.api_address.as_deref(),
        coe_version: cluster.coe_version.as_deref(),
        container_version: cluster.container_version.as_deref(),
        project_id: &cluster.project_id,
        user_id: &cluster.user_id,
        node_addresses: node_addresses(&row.groups, false),
        master_addresses: node_addresses(&row.groups, true),
        fixed_network: cluster.fixed_network.as_deref(),
        fixed_subnet: cluster.fixed_subnet.as_deref(),
        master_lb_enabled: cluster.master_lb_enabled,
        labels_overridden: diff.overridden,
        labels_added: diff.added,
        labels_skipped: diff.skipped,
        created_at: Timestamp(cluster.created_at),
        updated_at: cluster.updated_at.map(Timestamp),
        faults: (form == Form::Alone && cluster.status.is_failed()).then(|| faults(row)),
    }
}

/// What the failed node groups say.
fn faults(row: &ClusterRow) -> BTreeMap<&str, &str> {
    let failed = row.groups.iter().filter(|group| group.status.is_failed());
    failed
        .map(|group| {
            (
                group.name.as_str(),
                group.status_reason.as_deref().unwrap_or_default(),
            )
        })
        .collect()
}
