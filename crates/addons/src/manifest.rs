//! Manifests: YAML documents, read as Kubernetes reads them.

use std::path::Path;

use serde_json::Value;

use crate::error::CatalogueError;

/// Largest manifest, or chart, in bytes; Calico's has half a megabyte.
pub const LONGEST: usize = 8 << 20;

/// Key of a document that is to be repeated for each item of a list.
pub(crate) const FOR_EACH: &str = "x-for-each";

/// Reads the objects of a manifest; a `List` is its items.
///
/// # Errors
/// What is no YAML, and what is no object of Kubernetes.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Value>, CatalogueError> {
    let wrong = |line: Option<u64>, reason: String| CatalogueError {
        file: file.to_owned(),
        line,
        reason,
    };
    if text.len() > LONGEST {
        return Err(wrong(None, format!("it is longer than {LONGEST} bytes")));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 4_000_000,
            max_nodes: 2_000_000,
            max_documents: 10_000,
            max_total_scalar_bytes: LONGEST,
        },
        strict_booleans: true,
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let line = error.location().map(|place| place.line());
        wrong(line, error.without_snippet().to_string().replace('\n', "; "))
    })?;
    let mut objects = Vec::new();
    for document in documents {
        match document {
            Value::Null => {}
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                match list.remove("items") {
                    Some(Value::Array(items)) => objects.extend(items),
                    _ => return Err(wrong(None, "a List without items".to_owned())),
                }
            }
            other => objects.push(other),
        }
    }
    for (place, object) in objects.iter().enumerate() {
        let has = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).is_some();
        if !(has("/apiVersion") && has("/kind") && has("/metadata/name")) {
            let reason = format!("object {} has no apiVersion, kind or metadata.name", place + 1);
            return Err(wrong(None, reason));
        }
    }
    Ok(objects)
}
