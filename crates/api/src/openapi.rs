//! The OpenAPI 3.1 document, made from the operations that routing leads to. It is the same for every caller, tells
//! nothing of the installation but its address, and is served without a token, as the version documents are: tools
//! read it before they can log in.

mod answers;
mod describe;
mod parameters;
mod requests;
mod schemas;

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use self::describe::{Doc, describe};
use crate::microversion::{MAXIMUM, MINIMUM};
use crate::operations::Operation;

/// The document for clients that reach the API at `base`.
pub(crate) fn text(base: &str) -> String {
    static REST: OnceLock<String> = OnceLock::new();
    let rest = REST.get_or_init(|| Value::Object(rest()).to_string());
    let servers = json!([{ "url": base }]);
    // The object without the brace that opens it.
    format!("{{\"servers\":{servers},{}", rest.trim_start_matches('{'))
}

/// All of the document but the servers.
fn rest() -> Map<String, Value> {
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let path = paths
            .entry(operation.path())
            .or_insert_with(|| json!({"parameters": parameters::of_path(operation.path())}));
        path[operation.method().to_ascii_lowercase()] = rendered(*operation);
    }
    let mut schemas = schemas::schemas();
    schemas.extend(requests::schemas());
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Container infrastructure management",
            "version": MAXIMUM.to_string(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": format!(
                "The Magnum API, microversions {MINIMUM} to {MAXIMUM}, with additions. A request without the header \
                 OpenStack-API-Version gets {MINIMUM}; `container-infra latest` gets {MAXIMUM}. Operations name the \
                 microversion that they exist since, if it is not the first.\n\nPaths are accepted with and without \
                 `/v1`, below `/container-infra`, and with a slash at the end. Numbers and booleans of request bodies \
                 may be sent as text. A query argument or an attribute that is not described is refused with 400."
            ),
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "parameters": parameters::shared(),
            "headers": answers::headers(),
            "responses": answers::refusals(),
            "schemas": schemas,
        },
    });
    match document {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// An operation's object.
fn rendered(operation: Operation) -> Value {
    let doc = describe(operation);
    let mut notes = doc.notes.to_owned();
    if doc.since > 1 {
        notes = format!("Since microversion 1.{}; before it 406.\n\n{notes}", doc.since);
    }
    let mut object = json!({
        "operationId": operation.name(),
        "summary": doc.summary,
        "tags": [doc.tag],
        "parameters": parameters::of(&doc),
        "responses": responses(&doc),
    });
    if !notes.trim().is_empty() {
        object["description"] = json!(notes.trim());
    }
    if doc.open {
        object["security"] = json!([]);
    }
    if let Some(schema) = doc.request {
        let reference = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}});
        let mut content = json!({"application/json": reference});
        if schema == requests::PATCH {
            content["application/json-patch+json"] = reference;
        }
        object["requestBody"] = json!({"required": true, "content": content});
    }
    object
}

fn responses(doc: &Doc) -> Value {
    let mut responses = Map::new();
    if let Some((status, schema)) = doc.success {
        responses.insert(status.to_string(), answers::success(doc, schema));
    }
    for status in doc.refused() {
        let reference = format!("#/components/responses/{status}");
        responses.insert(status.to_string(), json!({ "$ref": reference }));
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::Method;

    use super::*;
    use crate::path::Path;
    use crate::routes::route;

    /// Routing answers these before the table of routes is asked.
    const BESIDE_ROUTING: [Operation; 1] = [Operation::CheckHealth];

    #[test]
    fn every_described_operation_is_routed_as_it_says() {
        for operation in Operation::ALL {
            if BESIDE_ROUTING.contains(operation) {
                continue;
            }
            let path = operation.path().replace('{', "some-").replace('}', "");
            let method: Method = operation.method().parse().unwrap();
            let route = route(&method, &Path::parse(&path).unwrap()).unwrap();
            assert_eq!(route.operation(), *operation, "{method} {path}");
            let since = route.since().map_or(1, |(minor, _)| u64::from(minor));
            assert_eq!(describe(*operation).since, since, "{method} {path}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_component_is_used() {
        let document: Value = serde_json::from_str(&text("http://x")).unwrap();
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        for reference in &used {
            let found = document.pointer(reference.trim_start_matches('#'));
            assert!(found.is_some(), "{reference}");
        }
        for kind in ["parameters", "headers", "responses", "schemas"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let reference = format!("#/components/{kind}/{name}");
                assert!(used.contains(&reference), "{reference} is not used");
            }
        }
    }

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.insert(reference.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_that_is_checked_in_is_the_one_that_is_served() {
        let document: Value = serde_json::from_str(&text("http://localhost:9511")).unwrap();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            let text = serde_json::to_string_pretty(&document).unwrap();
            std::fs::write(file, text + "\n").unwrap();
        }
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(
            kept == document,
            "docs/openapi.json is out of date: run this test with INSTA_UPDATE=always"
        );
    }
}
