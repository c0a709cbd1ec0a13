//! Schemas of request bodies.

use jeroboam_types::Coe;
use serde_json::{Map, Value, json};

/// Name of the schema of JSON patches.
pub(super) const PATCH: &str = "Patch";

/// A text of 1 to 255 characters, or null.
fn short() -> Value {
    json!({"type": ["string", "null"], "minLength": 1, "maxLength": 255})
}

fn flag(default: bool) -> Value {
    json!({"type": ["boolean", "null"], "default": default})
}

fn integer(minimum: i64) -> Value {
    json!({"type": ["integer", "null"], "minimum": minimum, "maximum": i32::MAX})
}

/// Labels as they are sent: other values than texts become texts.
fn labels() -> Value {
    json!({"type": ["object", "null"], "additionalProperties": {"type": ["string", "number", "boolean"]}})
}

/// Every schema by its name.
pub(super) fn schemas() -> Map<String, Value> {
    [
        ("NewCluster", new_cluster()),
        ("NewClustertemplate", new_template()),
        ("NewNodegroup", new_nodegroup()),
        ("Resize", resize()),
        ("Upgrade", upgrade()),
        ("NewQuota", new_quota()),
        ("QuotaChange", quota_change()),
        ("SigningRequest", signing_request()),
        (PATCH, patch()),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}

fn new_cluster() -> Value {
    json!({
        "type": "object",
        "required": ["cluster_template_id"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": ["string", "null"], "minLength": 1, "maxLength": 242,
                "pattern": "^[a-zA-Z][a-zA-Z0-9_.-]*$", "description": "Made up without it."},
            "cluster_template_id": {"type": "string", "minLength": 1, "maxLength": 255,
                "description": "UUID, name or row id."},
            "keypair": short(),
            "node_count": {"type": ["integer", "null"], "minimum": 0, "maximum": i32::MAX, "default": 1,
                "description": "Workers. 0 since microversion 1.10."},
            "master_count": {"type": "integer", "minimum": 1, "maximum": i32::MAX, "default": 1,
                "description": "Odd."},
            "docker_volume_size": integer(1),
            "labels": labels(),
            "merge_labels": flag(false),
            "master_flavor_id": short(),
            "flavor_id": short(),
            "fixed_network": short(),
            "fixed_subnet": short(),
            "floating_ip_enabled": {"type": ["boolean", "null"]},
            "master_lb_enabled": {"type": ["boolean", "null"]},
            "create_timeout": {"type": ["integer", "null"], "minimum": 0, "maximum": i32::MAX, "default": 60,
                "description": "Minutes."},
            "discovery_url": {"type": ["string", "null"], "maxLength": 255},
        },
    })
}

fn new_template() -> Value {
    let coes: Vec<&str> = Coe::ALL.iter().map(|coe| coe.as_str()).collect();
    json!({
        "type": "object",
        "required": ["coe", "image_id"],
        "additionalProperties": false,
        "properties": {
            "uuid": {"type": ["string", "null"], "format": "uuid"},
            "name": short(),
            "coe": {"enum": coes},
            "image_id": {"type": "string", "minLength": 1, "maxLength": 255, "description": "Id or name."},
            "flavor_id": short(),
            "master_flavor_id": short(),
            "keypair_id": short(),
            "external_network_id": short(),
            "fixed_network": short(),
            "fixed_subnet": short(),
            "dns_nameserver": {"type": ["string", "null"], "maxLength": 255,
                "description": "IPv4 addresses with commas between them."},
            "network_driver": short(),
            "volume_driver": short(),
            "apiserver_port": {"type": ["integer", "null"], "minimum": 1024, "maximum": 65535},
            "docker_volume_size": integer(1),
            "docker_storage_driver": short(),
            "cluster_distro": short(),
            "driver": short(),
            "http_proxy": short(),
            "https_proxy": short(),
            "no_proxy": short(),
            "insecure_registry": short(),
            "labels": labels(),
            "server_type": {"enum": ["vm", "bm", null], "default": "vm"},
            "registry_enabled": flag(false),
            "tls_disabled": flag(false),
            "public": flag(false),
            "hidden": flag(false),
            "master_lb_enabled": flag(false),
            "floating_ip_enabled": flag(true),
            "tags": {"type": ["string", "null"], "maxLength": 255},
        },
    })
}

fn new_nodegroup() -> Value {
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 255},
            "node_count": {"type": ["integer", "null"], "minimum": 0, "maximum": i32::MAX, "default": 1},
            "min_node_count": {"type": ["integer", "null"], "minimum": 0, "maximum": i32::MAX, "default": 0},
            "max_node_count": {"type": ["integer", "null"], "minimum": 0, "maximum": i32::MAX,
                "description": "0 is no maximum."},
            "role": {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "default": "worker",
                "description": "Not master."},
            "flavor_id": short(),
            "image_id": short(),
            "docker_volume_size": integer(1),
            "labels": labels(),
            "merge_labels": flag(false),
            "node_labels": labels(),
            "node_taints": {"type": ["array", "null"], "items": {
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
                "description": "`key`, `effect` and `value`.",
            }},
        },
    })
}

fn resize() -> Value {
    json!({
        "type": "object",
        "required": ["node_count"],
        "additionalProperties": false,
        "properties": {
            "node_count": {"type": "integer", "minimum": 0, "maximum": i32::MAX,
                "description": "0 since microversion 1.10."},
            "nodes_to_remove": {"type": ["array", "null"], "items": {"type": ["string", "integer"]},
                "description": "Servers by id or name, or nodes by number. They go even when the group does not \
                    shrink by as many; others are made in their place."},
            "nodegroup": {"type": ["string", "null"], "minLength": 1, "maxLength": 255,
                "description": "The default workers without it."},
        },
    })
}

fn upgrade() -> Value {
    json!({
        "type": "object",
        "required": ["cluster_template"],
        "additionalProperties": false,
        "properties": {
            "cluster_template": {"type": "string", "minLength": 1, "maxLength": 255},
            "max_batch_size": {"type": ["integer", "null"], "minimum": 1, "maximum": i32::MAX, "default": 1},
            "nodegroup": short(),
        },
    })
}

fn new_quota() -> Value {
    json!({
        "type": "object",
        "required": ["project_id"],
        "additionalProperties": false,
        "properties": {
            "project_id": {"type": "string", "minLength": 1, "maxLength": 255},
            "resource": {"enum": ["Cluster", null], "default": "Cluster"},
            "hard_limit": {"type": "integer", "minimum": 0, "maximum": i32::MAX, "default": 1},
        },
    })
}

fn quota_change() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "project_id": {"type": ["string", "null"], "description": "As in the path."},
            "resource": {"enum": ["Cluster", null], "description": "As in the path."},
            "hard_limit": {"type": "integer", "minimum": 0, "maximum": i32::MAX},
        },
    })
}

fn signing_request() -> Value {
    json!({
        "type": "object",
        "required": ["cluster_uuid", "csr"],
        "additionalProperties": false,
        "properties": {
            "cluster_uuid": {"type": "string", "minLength": 1, "maxLength": 255, "description": "UUID or name."},
            "csr": {"type": "string", "minLength": 1, "maxLength": 65536, "description": "PKCS#10 PEM."},
            "ca_cert_type": {"enum": ["kubernetes", "kubelet", "etcd", "front-proxy", "front_proxy", null]},
            "pem": {"type": ["string", "null"], "description": "Without effect."},
        },
    })
}

fn patch() -> Value {
    json!({
        "type": "array",
        "maxItems": 500,
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "additionalProperties": false,
            "properties": {
                "op": {"enum": ["add", "replace", "remove"]},
                "path": {"type": "string", "pattern": "^/.+",
                    "description": "RFC 6901: an attribute, or a key of a map such as `/labels/a.b~1c`."},
                "value": {"description": "A text, number or boolean; an object or a Python literal for a map. Needed \
                    by add and replace."},
            },
        },
    })
}
