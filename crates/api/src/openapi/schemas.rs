//! Schemas of what is answered.

mod clusters;
mod service;

use jeroboam_types::Status;
use serde_json::{Map, Value, json};

/// Every schema of an answer, by its name.
pub(super) fn schemas() -> Map<String, Value> {
    let [short, detail, alone] = clusters::clusters();
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
        ("Steps", clusters::steps()),
        ("NodegroupInList", object(clusters::nodegroup_in_list())),
        ("Nodegroup", clusters::nodegroup()),
        ("AcceptedNodegroup", clusters::accepted_nodegroup()),
        ("NodegroupList", list("nodegroups", "NodegroupInList")),
        ("Clustertemplate", clusters::template()),
        ("ClustertemplateList", list("clustertemplates", "Clustertemplate")),
        ("Certificate", object(service::certificate())),
        ("SignedCertificate", service::signed()),
        ("Quota", service::quota()),
        ("ShownQuota", service::shown_quota()),
        ("QuotaList", list("quotas", "Quota")),
        ("Driver", service::driver()),
        ("DriverList", object(json!({"drivers": {"type": "array", "items": shared("Driver")}}))),
        ("ServiceList", service::services()),
        ("Stats", object(json!({"clusters": {"type": "integer"}, "nodes": {"type": "integer"}}))),
        ("Versions", service::versions()),
        ("Version", service::version()),
        ("Health", object(json!({
            "detailed": {"type": "boolean"}, "reasons": {"type": "array", "items": {"type": "string"}},
        }))),
        ("Openapi", json!({"type": "object", "required": ["openapi", "info", "paths"]})),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
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
