//! Answers: their schemas, their headers, and the refusals that all operations share.

use axum::http::StatusCode;
use jeroboam_types::{Coe, HealthStatus, Status};
use serde_json::{Map, Value, json};

use super::describe::Doc;

/// Bodies with labels.
const LABELLED: [&str; 4] = [
    "NewCluster",
    "NewClustertemplate",
    "NewNodegroup",
    super::requests::PATCH,
];

/// The answer of an operation that was done.
pub(super) fn success(doc: &Doc, schema: Option<&str>) -> Value {
    let mut headers =
        json!({"x-openstack-request-id": {"$ref": "#/components/headers/x-openstack-request-id"}});
    if doc.tagged {
        headers["ETag"] = json!({"$ref": "#/components/headers/ETag"});
    }
    if doc.request.is_some_and(|request| LABELLED.contains(&request)) {
        headers["Warning"] = json!({"$ref": "#/components/headers/Warning"});
    }
    if doc.parameters.contains(&"Idempotency-Key") {
        headers["Idempotency-Replayed"] = json!({"$ref": "#/components/headers/Idempotency-Replayed"});
    }
    let mut answer = json!({"description": "Done.", "headers": headers});
    if let Some(schema) = schema {
        let reference = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}});
        answer["content"] = json!({ "application/json": reference });
        if schema == "Health" {
            answer["content"]["text/plain"] = json!({"schema": {"type": "string"}});
        }
    }
    answer
}

/// Headers of answers, by their names.
pub(super) fn headers() -> Map<String, Value> {
    [
        (
            "x-openstack-request-id",
            "Finds the request in the service's log.",
        ),
        (
            "ETag",
            "Addition: strong entity tag of the resource, different for each microversion.",
        ),
        (
            "Warning",
            "Addition: a label that the driver does not know, and that has no effect. Any number of them.",
        ),
        (
            "Idempotency-Replayed",
            "Addition: `true` on an answer that was given before.",
        ),
    ]
    .into_iter()
    .map(|(name, text)| {
        (
            name.to_owned(),
            json!({"description": text, "schema": {"type": "string"}}),
        )
    })
    .collect()
}

/// Refusals, by their statuses.
pub(super) fn refusals() -> Map<String, Value> {
    let refusal = |status: u16, text: &str, schema: &str| {
        let reference = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}});
        let answer = json!({"description": text, "content": {"application/json": reference}});
        (status.to_string(), answer)
    };
    let mut all: Map<String, Value> = [
        (
            400,
            "An argument, a field or what it names does not fit; it is named.",
            "Errors",
        ),
        (401, "No valid token.", "Unauthorized"),
        (403, "The rules, a quota, or another service forbid it.", "Errors"),
        (404, "No such thing, or none that the caller may see.", "Errors"),
        (405, "No such method.", "Errors"),
        (
            406,
            "The microversion has no such operation or does not exist, or the client does not accept JSON.",
            "NotAcceptable",
        ),
        (408, "The body did not arrive in time.", "Errors"),
        (
            409,
            "What is there forbids it, or a name is not unique.",
            "Errors",
        ),
        (
            412,
            "Addition: the resource is not as `If-Match` says any more.",
            "Errors",
        ),
        (413, "The body is too large.", "Errors"),
        (415, "The body is not JSON.", "Errors"),
        (
            422,
            "Addition: the Idempotency-Key was used for another request.",
            "Errors",
        ),
        (
            500,
            "The service has a fault. The request id finds it in the log.",
            "Errors",
        ),
        (501, "Not served.", "Errors"),
        (
            503,
            "Keystone, another service or the database does not answer.",
            "Errors",
        ),
    ]
    .into_iter()
    .map(|(status, text, schema)| refusal(status, text, schema))
    .collect();
    let headers = json!({"ETag": {"$ref": "#/components/headers/ETag"}});
    all.insert(
        StatusCode::NOT_MODIFIED.as_u16().to_string(),
        json!({"description": "Addition: the client has it already.", "headers": headers}),
    );
    all
}

/// Every schema of an answer, by its name.
pub(super) fn schemas() -> Map<String, Value> {
    let [short, detail, alone] = clusters();
    [
        ("Errors", errors()),
        ("NotAcceptable", json!({"anyOf": [{"$ref": "#/components/schemas/Errors"}, out_of_range()]})),
        ("Unauthorized", object(json!({"error": object(json!({
            "code": {"type": "integer"}, "title": {"type": "string"}, "message": {"type": "string"},
        }))}))),
        ("Links", json!({"type": "array", "items": {
            "type": "object",
            "required": ["href", "rel"],
            "properties": {"href": {"type": "string"}, "rel": {"type": "string"}, "type": {"type": "string"}},
        }})),
        ("Labels", json!({"type": "object", "additionalProperties": {"type": "string"}})),
        ("Time", json!({"type": "string", "format": "date-time"})),
        ("Accepted", object(json!({"uuid": uuid()}))),
        ("ClusterInList", short),
        ("ClusterInDetail", detail),
        ("Cluster", alone),
        ("ClusterList", list("clusters", "ClusterInList")),
        ("ClusterDetailList", list("clusters", "ClusterInDetail")),
        ("Steps", steps()),
        ("NodegroupInList", object(nodegroup_in_list())),
        ("Nodegroup", nodegroup()),
        ("AcceptedNodegroup", accepted_nodegroup()),
        ("NodegroupList", list("nodegroups", "NodegroupInList")),
        ("Clustertemplate", template()),
        ("ClustertemplateList", list("clustertemplates", "Clustertemplate")),
        ("Certificate", object(certificate())),
        ("SignedCertificate", signed()),
        ("Quota", quota()),
        ("ShownQuota", shown_quota()),
        ("QuotaList", list("quotas", "Quota")),
        ("Driver", driver()),
        ("DriverList", object(json!({"drivers": {"type": "array", "items": shared("Driver")}}))),
        ("ServiceList", services()),
        ("Stats", object(json!({"clusters": {"type": "integer"}, "nodes": {"type": "integer"}}))),
        ("Versions", versions()),
        ("Version", version()),
        ("Health", object(json!({
            "detailed": {"type": "boolean"}, "reasons": {"type": "array", "items": {"type": "string"}},
        }))),
        ("Openapi", json!({"type": "object", "required": ["openapi", "info", "paths"]})),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}

/// An object that has all of these fields.
fn object(properties: Value) -> Value {
    let required: Vec<String> = properties
        .as_object()
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default();
    json!({"type": "object", "required": required, "properties": properties})
}

/// The same with more fields that may be missing.
fn with_optional(mut schema: Value, more: Value) -> Value {
    if let (Some(Value::Object(properties)), Value::Object(more)) = (schema.get_mut("properties"), more) {
        properties.extend(more);
    }
    schema
}

/// The fields of two objects.
fn joined(mut fields: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

fn list(key: &str, item: &str) -> Value {
    let items = json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{item}")}});
    let next =
        json!({"next": {"type": "string", "description": "URL of the next page, while there is one."}});
    with_optional(object(json!({ key: items })), next)
}

fn shared(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn text_or_null() -> Value {
    json!({"type": ["string", "null"]})
}

fn integer_or_null() -> Value {
    json!({"type": ["integer", "null"]})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn time_or_null() -> Value {
    json!({"anyOf": [shared("Time"), {"type": "null"}]})
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn statuses() -> Value {
    let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    json!({ "enum": all })
}

fn errors() -> Value {
    let entry = object(json!({
        "request_id": text(),
        "code": {"enum": ["client", "server", ""]},
        "status": {"type": "integer"},
        "title": text(),
        "detail": {"type": "string", "description": "All of the message; `title` is its first sentence."},
        "links": {"type": "array"},
    }));
    object(json!({"errors": {"type": "array", "items": entry}}))
}

fn out_of_range() -> Value {
    let entry = object(json!({
        "code": {"const": "magnum.microversion-unsupported"},
        "title": text(),
        "description": text(),
        "min_version": text(),
        "max_version": text(),
        "links": shared("Links"),
    }));
    object(json!({"errors": {"type": "array", "items": entry}}))
}

fn driver() -> Value {
    let provides = object(json!({
        "server_type": {"enum": ["vm", "bm"]},
        "os": {"type": ["string", "null"], "description": "`os_distro` of images; null for any."},
        "coe": text(),
    }));
    let value = with_optional(
        object(json!({"type": {"enum": ["boolean", "integer", "string", "list"]}})),
        json!({
            "minimum": {"type": "integer"},
            "maximum": {"type": "integer"},
            "unit": text(),
            "enum": texts(),
            "form": {"type": "string", "description": "In words."},
            "items": {"type": "object", "description": "The same of each item of a list."},
        }),
    );
    let label = object(json!({
        "name": text(),
        "description": text(),
        "value": value,
        "default": text_or_null(),
        "default_from": {
            "type": ["string", "null"],
            "description": "The field or the operator's option that holds without the label.",
        },
        "scope": {"enum": ["cluster", "nodegroup"]},
    }));
    object(json!({
        "name": text(),
        "beta": boolean(),
        "provides": {"type": "array", "items": provides},
        "labels": {"type": "array", "items": label},
    }))
}

/// A cluster in the short list, in the list in detail, and alone.
fn clusters() -> [Value; 3] {
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

fn steps() -> Value {
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

fn nodegroup_in_list() -> Value {
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

fn nodegroup() -> Value {
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
fn accepted_nodegroup() -> Value {
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

fn template() -> Value {
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

fn certificate() -> Value {
    json!({"cluster_uuid": uuid(), "links": shared("Links"), "pem": text()})
}

fn signed() -> Value {
    let sent = json!({"ca_cert_type": {"type": "string", "description": "If it was sent."}});
    with_optional(object(joined(certificate(), json!({"csr": text()}))), sent)
}

fn quota() -> Value {
    object(json!({
        "id": {"type": "integer"},
        "project_id": text(),
        "resource": text(),
        "hard_limit": {"type": "integer"},
        "created_at": shared("Time"),
        "updated_at": time_or_null(),
    }))
}

fn shown_quota() -> Value {
    let limit = object(json!({"project_id": text(), "resource": text(), "hard_limit": {"type": "integer"}}));
    let own = json!({"id": {"type": "integer"}, "created_at": shared("Time"), "updated_at": time_or_null()});
    with_optional(limit, own)
}

fn services() -> Value {
    let service = object(json!({
        "id": {"type": "integer"},
        "host": text(),
        "binary": text(),
        "state": {"enum": ["up", "down"]},
        "report_count": {"type": "integer"},
        "disabled": boolean(),
        "disabled_reason": text_or_null(),
        "created_at": shared("Time"),
        "updated_at": time_or_null(),
    }));
    object(json!({"mservices": {"type": "array", "items": service}}))
}

fn versions() -> Value {
    let version = object(json!({
        "id": text(),
        "status": text(),
        "min_version": text(),
        "max_version": text(),
        "links": shared("Links"),
    }));
    object(json!({
        "name": text(),
        "description": text(),
        "versions": {"type": "array", "items": version},
    }))
}

fn version() -> Value {
    let mut fields = json!({"id": text(), "media_types": {"type": "array", "items": {"type": "object"}}});
    for name in [
        "links",
        "clustertemplates",
        "clusters",
        "quotas",
        "certificates",
        "mservices",
        "stats",
        "federations",
        "credentials",
        "nodegroups",
    ] {
        fields[name] = shared("Links");
    }
    object(fields)
}
