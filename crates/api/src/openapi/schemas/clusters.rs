//! Clusters, their templates and their node groups.

use jeroboam_types::{Coe, HealthStatus};
use serde_json::{Map, Value, json};

use super::{
    boolean, integer_or_null, joined, object, shared, statuses, text, text_or_null, texts, time_or_null,
    uuid, with_optional,
};

/// A cluster in the short list, in the list in detail, and alone.
pub(super) fn clusters() -> [Value; 3] {
    let healths = [
        HealthStatus::Healthy,
        HealthStatus::Unhealthy,
        HealthStatus::Unknown,
    ];
    let mut healths: Vec<Value> = healths.iter().map(|health| json!(health.as_str())).collect();
    healths.push(Value::Null);
    let short = json!({
        "uuid": uuid(),
        "name": text(),
        "cluster_template_id": uuid(),
        "keypair": text_or_null(),
        "node_count": {"type": "integer", "description": "Of all groups of workers."},
        "master_count": {"type": "integer"},
        "docker_volume_size": integer_or_null(),
        "labels": shared("Labels"),
        "master_flavor_id": text_or_null(),
        "flavor_id": text_or_null(),
        "create_timeout": integer_or_null(),
        "links": shared("Links"),
        "status": statuses(),
        "health_status": {"enum": healths},
        "merge_labels": {"const": false},
        "discovery_url": text_or_null(),
        "floating_ip_enabled": {"type": ["boolean", "null"]},
    });
    let detail = json!({
        "status_reason": text_or_null(),
        "health_status_reason": {"type": "object", "additionalProperties": {"type": "string"}},
        "api_address": text_or_null(),
        "coe_version": text_or_null(),
        "container_version": text_or_null(),
        "project_id": text(),
        "user_id": text(),
        "node_addresses": texts(),
        "master_addresses": texts(),
        "fixed_network": text_or_null(),
        "fixed_subnet": text_or_null(),
        "master_lb_enabled": {"type": ["boolean", "null"]},
        "labels_overridden": shared("Labels"),
        "labels_added": shared("Labels"),
        "labels_skipped": shared("Labels"),
        "created_at": shared("Time"),
        "updated_at": time_or_null(),
    });
    let renamed = json!({
        "stack_id": {"type": ["string", "null"], "description": "Before microversion 1.13."},
        "cluster_id": {"type": ["string", "null"], "description": "Since microversion 1.13."},
    });
    let faults = json!({"faults": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Of a cluster that has failed: node group to reason.",
    }});
    let full = with_optional(object(joined(short.clone(), detail)), renamed.clone());
    [
        with_optional(object(short), renamed),
        full.clone(),
        with_optional(full, faults),
    ]
}

pub(super) fn steps() -> Value {
    let step = object(json!({
        "resource": text(),
        "name": text(),
        "nodegroup": text_or_null(),
        "state": text(),
        "seen": text_or_null(),
        "resource_id": text_or_null(),
        "attempts": {"type": "integer"},
        "started_at": shared("Time"),
        "finished_at": time_or_null(),
        "fault": text_or_null(),
    }));
    object(json!({"steps": {"type": "array", "items": step}, "engine_seconds": {"type": "number"}}))
}

pub(super) fn nodegroup_in_list() -> Value {
    json!({
        "uuid": uuid(),
        "name": text(),
        "flavor_id": text_or_null(),
        "image_id": text_or_null(),
        "node_count": {"type": "integer"},
        "role": text(),
        "min_node_count": {"type": "integer"},
        "max_node_count": integer_or_null(),
        "is_default": boolean(),
        "stack_id": text_or_null(),
        "status": statuses(),
        "merge_labels": {"const": false},
    })
}

pub(super) fn nodegroup() -> Value {
    let more = json!({
        "id": {"type": "integer"},
        "cluster_id": uuid(),
        "project_id": text(),
        "docker_volume_size": integer_or_null(),
        "labels": shared("Labels"),
        "links": shared("Links"),
        "node_addresses": texts(),
        "status_reason": text_or_null(),
        "version": text_or_null(),
        "labels_overridden": shared("Labels"),
        "labels_added": shared("Labels"),
        "labels_skipped": shared("Labels"),
        "node_labels": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "node_taints": {"type": ["array", "null"],
            "items": {"type": "object", "additionalProperties": {"type": "string"}}},
        "created_at": shared("Time"),
        "updated_at": time_or_null(),
    });
    object(joined(nodegroup_in_list(), more))
}

/// Of what only time brings there is nothing yet; what was not given and has no default is not there either.
pub(super) fn accepted_nodegroup() -> Value {
    let Value::Object(mut fields) = nodegroup()["properties"].take() else {
        return Value::Null;
    };
    fields.insert("merge_labels".to_owned(), boolean());
    let optional: Map<String, Value> = ["docker_volume_size", "node_labels", "node_taints"]
        .into_iter()
        .filter_map(|name| fields.remove_entry(name))
        .collect();
    for name in [
        "id",
        "status",
        "status_reason",
        "stack_id",
        "is_default",
        "version",
        "node_addresses",
        "created_at",
        "updated_at",
    ] {
        fields.remove(name);
    }
    with_optional(object(Value::Object(fields)), Value::Object(optional))
}

pub(super) fn template() -> Value {
    let coes: Vec<&str> = Coe::ALL.iter().map(|coe| coe.as_str()).collect();
    let mut fields = json!({
        "uuid": uuid(),
        "coe": {"enum": coes},
        "image_id": text(),
        "apiserver_port": integer_or_null(),
        "docker_volume_size": integer_or_null(),
        "labels": shared("Labels"),
        "server_type": {"enum": ["vm", "bm"]},
        "project_id": text(),
        "user_id": text(),
        "links": shared("Links"),
        "created_at": shared("Time"),
        "updated_at": time_or_null(),
    });
    for name in [
        "name",
        "flavor_id",
        "master_flavor_id",
        "keypair_id",
        "external_network_id",
        "fixed_network",
        "fixed_subnet",
        "dns_nameserver",
        "network_driver",
        "volume_driver",
        "docker_storage_driver",
        "cluster_distro",
        "driver",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "insecure_registry",
        "tags",
    ] {
        fields[name] = text_or_null();
    }
    for name in [
        "registry_enabled",
        "tls_disabled",
        "public",
        "hidden",
        "master_lb_enabled",
        "floating_ip_enabled",
    ] {
        fields[name] = boolean();
    }
    object(fields)
}
