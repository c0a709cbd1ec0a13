//! What the service says of itself, its drivers, quotas and certificates.

use serde_json::{Value, json};

use super::{boolean, joined, object, shared, text, text_or_null, texts, time_or_null, uuid, with_optional};

pub(super) fn driver() -> Value {
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

pub(super) fn certificate() -> Value {
    json!({"cluster_uuid": uuid(), "links": shared("Links"), "pem": text()})
}

pub(super) fn signed() -> Value {
    let sent = json!({"ca_cert_type": {"type": "string", "description": "If it was sent."}});
    with_optional(object(joined(certificate(), json!({"csr": text()}))), sent)
}

pub(super) fn quota() -> Value {
    object(json!({
        "id": {"type": "integer"},
        "project_id": text(),
        "resource": text(),
        "hard_limit": {"type": "integer"},
        "created_at": shared("Time"),
        "updated_at": time_or_null(),
    }))
}

pub(super) fn shown_quota() -> Value {
    let limit = object(json!({"project_id": text(), "resource": text(), "hard_limit": {"type": "integer"}}));
    let own = json!({"id": {"type": "integer"}, "created_at": shared("Time"), "updated_at": time_or_null()});
    with_optional(limit, own)
}

pub(super) fn services() -> Value {
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

pub(super) fn versions() -> Value {
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

pub(super) fn version() -> Value {
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
