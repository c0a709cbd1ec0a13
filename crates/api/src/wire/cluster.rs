//! Clusters on the wire.

use jeroboam_store::ClusterRow;
use jeroboam_types::cluster::{DEFAULT_CREATE_TIMEOUT_MINS, node_addresses, node_count};
use jeroboam_types::{ClusterName, HealthStatus, Labels, Status};
use serde_json::{Map, Value, json};

use crate::error::{ApiError, ApiResult};
use crate::microversion::Version;
use crate::wire::typing::{Body, Field};
use crate::wire::{links, timestamp, timestamp_or_null};

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

/// How much of a cluster is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Item of the short list.
    Short,
    /// Item of the list in detail.
    Detail,
    /// Alone: with `faults` if it failed.
    Alone,
}

/// The answer.
pub(crate) fn render(row: &ClusterRow, form: Form, version: Version, base: &str) -> Value {
    let cluster = &row.cluster;
    let mut answer = json!({
        "uuid": cluster.uuid,
        "name": cluster.name,
        "cluster_template_id": cluster.cluster_template_id,
        "keypair": cluster.keypair,
        "node_count": node_count(&row.groups, false),
        "master_count": node_count(&row.groups, true),
        "docker_volume_size": cluster.docker_volume_size,
        "labels": cluster.labels,
        "master_flavor_id": cluster.master_flavor_id,
        "flavor_id": cluster.flavor_id,
        "create_timeout": cluster.create_timeout,
        "links": links::of(base, &format!("clusters/{}", cluster.uuid)),
        "status": cluster.status,
        "health_status": cluster.health_status,
        "merge_labels": false,
        // Magnum leaves these two out of the short form: clients that compare a listed cluster with what they want,
        // such as Ansible's module, then find a difference that is none.
        "discovery_url": cluster.discovery_url,
        "floating_ip_enabled": cluster.floating_ip_enabled,
    });
    let renamed = if version >= Version::v1(13) {
        "cluster_id"
    } else {
        "stack_id"
    };
    answer[renamed] = json!(cluster.stack_id);
    if form == Form::Short {
        return answer;
    }
    let diff = cluster.labels.diff(&row.template_labels);
    let more = json!({
        "status_reason": cluster.status_reason,
        "health_status_reason": cluster.health_status_reason,
        "api_address": cluster.api_address,
        "coe_version": cluster.coe_version,
        "container_version": cluster.container_version,
        "project_id": cluster.project_id,
        "user_id": cluster.user_id,
        "node_addresses": node_addresses(&row.groups, false),
        "master_addresses": node_addresses(&row.groups, true),
        "fixed_network": cluster.fixed_network,
        "fixed_subnet": cluster.fixed_subnet,
        "master_lb_enabled": cluster.master_lb_enabled,
        "labels_overridden": diff.overridden,
        "labels_added": diff.added,
        "labels_skipped": diff.skipped,
        "created_at": timestamp(cluster.created_at),
        "updated_at": timestamp_or_null(cluster.updated_at),
    });
    if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
        answer.extend(more);
    }
    if form == Form::Alone && cluster.status.is_failed() {
        answer["faults"] = faults(row);
    }
    answer
}

fn faults(row: &ClusterRow) -> Value {
    let failed = row.groups.iter().filter(|group| group.status.is_failed());
    let faults: Map<String, Value> = failed
        .map(|group| {
            (
                group.name.clone(),
                json!(group.status_reason.as_deref().unwrap_or_default()),
            )
        })
        .collect();
    Value::Object(faults)
}
