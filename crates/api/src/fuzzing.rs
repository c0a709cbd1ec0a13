//! Entrances for the fuzz targets of the crate `fuzz`, which know nothing of how requests are taken apart. Each feeds
//! one parser of what comes in before or just after authentication, and checks what must hold of every answer.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use jeroboam_types::{ClusterTemplate, TemplateId};
use serde_json::Value;
use uuid::Uuid;

use crate::error::{ApiError, ApiResult};
use crate::etag;
use crate::filters::{self, OF_CLUSTERS};
use crate::microversion::{MAXIMUM, MINIMUM, Version};
use crate::negotiate::{self, BodyKind};
use crate::paging::Paging;
use crate::path::{Path, percent_decoded, percent_encoded};
use crate::query::Query;
use crate::routes::route;
use crate::wire::cluster::NewCluster;
use crate::wire::template::{MANDATORY, TemplateFields, document};
use crate::wire::{literal, patch};

/// A raw path, with every method that the API knows and one that it does not.
pub fn path(raw: &str) {
    for method in [
        Method::GET,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
        Method::PUT,
    ] {
        refused_by_us(Path::parse(raw).and_then(|path| route(&method, &path)));
    }
    assert_eq!(percent_decoded(&percent_encoded(raw), true).as_deref(), Some(raw));
}

/// A raw query string, as a list reads it.
pub fn query(raw: &str) {
    let Some(query) = refused_by_us(Query::parse(raw)) else {
        return;
    };
    refused_by_us(filters::parse(&query, &OF_CLUSTERS));
    if let Some(paging) = refused_by_us(Paging::parse(&query, 1_000)) {
        let mut rows = vec![Uuid::nil(); 1_001];
        let next = paging.next(&mut rows, |row| *row, "http://localhost/v1/clusters", &[]);
        let next = next.and_then(|next| Some(next.split_once('?')?.1.to_owned()));
        // The link to the next page must be one that this service understands.
        let read = next.map(|next| Query::parse(&next).and_then(|query| Paging::parse(&query, 1_000)));
        assert!(
            read.is_some_and(|read| read.is_ok()),
            "the next page of {raw:?} cannot be read"
        );
    }
}

/// The value of the header that asks for a microversion.
pub fn microversion(value: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let headers = HeaderMap::from_iter([(HeaderName::from_static("openstack-api-version"), value)]);
    let Some(version) = refused_by_us(Version::requested(&headers)) else {
        return;
    };
    assert!((MINIMUM..=MAXIMUM).contains(&version));
    let mut announced = HeaderMap::new();
    version.announce(&mut announced);
    assert_eq!(Version::requested(&announced).ok(), Some(version));
}

/// The header `Accept`.
pub fn accept(value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        let headers = HeaderMap::from_iter([(axum::http::header::ACCEPT, value)]);
        refused_by_us(negotiate::accepts_json(&headers));
    }
}

/// The headers `If-Match` and `If-None-Match`.
pub fn entity_tags(value: &str) {
    let _ = etag::parse(value);
}

/// A map written as a Python literal.
pub fn python_literal(text: &str) {
    if let Some(map) = literal::parse_map(text) {
        // Fractions are read to within a unit of their last place, and so not always back to the same number.
        if map.values().any(Value::is_f64) {
            return;
        }
        let json = Value::Object(map.clone()).to_string();
        assert_eq!(literal::parse_map(&json), Some(map), "{json}");
    }
}

/// The body of a JSON patch, applied to a template.
pub fn json_patch(body: &[u8]) {
    let Some(operations) = json(body, BodyKind::Patch) else {
        return;
    };
    let before = document(&template());
    let mut after = before.clone();
    if refused_by_us(patch::apply(&mut after, operations, &MANDATORY)).is_some() {
        assert!(
            after.keys().eq(before.keys()),
            "a patch added or removed an attribute"
        );
        refused_by_us(TemplateFields::parse(Value::Object(after)));
    }
}

/// The body of a new cluster or template.
pub fn new_object(body: &[u8]) {
    if let Some(body) = json(body, BodyKind::Object) {
        refused_by_us(NewCluster::parse(body.clone()));
        if let Some(fields) = refused_by_us(TemplateFields::parse(body)) {
            // What was accepted once is accepted again as it is shown.
            let owner = ("project".into(), "user".into());
            let moment = chrono::DateTime::UNIX_EPOCH;
            let template = fields.into_template(TemplateId(Uuid::nil()), owner, (moment, None));
            let shown = Value::Object(document(&template));
            assert!(TemplateFields::parse(shown.clone()).is_ok(), "{shown}");
        }
    }
}

fn json(body: &[u8], kind: BodyKind) -> Option<Value> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    refused_by_us(negotiate::read_json(&headers, body, "fuzzed", kind))
}

fn template() -> ClusterTemplate {
    let body = serde_json::json!({"name": "t", "coe": "swarm-mode", "image_id": "i", "labels": {"a": "b"}});
    let fields = TemplateFields::parse(body).unwrap_or_else(|_| unreachable!("it has what is needed"));
    let owner = ("project".into(), "user".into());
    fields.into_template(
        TemplateId(Uuid::nil()),
        owner,
        (chrono::DateTime::UNIX_EPOCH, None),
    )
}

/// Whatever comes in, it is the client's fault, and the answer says so in the error format.
fn refused_by_us<T>(result: ApiResult<T>) -> Option<T> {
    result
        .map_err(|error: ApiError| {
            assert!(error.status.is_client_error(), "{error:?}");
            let _ = error.respond("req-00000000-0000-0000-0000-000000000000");
        })
        .ok()
}
