//! Answers: their headers, and the refusals that all operations share.

use axum::http::StatusCode;
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
