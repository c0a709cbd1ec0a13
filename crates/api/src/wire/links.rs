//! Links of resources.

use serde_json::{Value, json};

/// `self` and `bookmark` of a resource: `path` is its collection and identifier.
pub(crate) fn of(base: &str, path: &str) -> Value {
    json!([
        {"href": format!("{base}/v1/{path}"), "rel": "self"},
        {"href": format!("{base}/{path}"), "rel": "bookmark"},
    ])
}
