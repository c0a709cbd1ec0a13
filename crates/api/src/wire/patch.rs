//! JSON patches by Magnum's rules: `add`, `replace` and `remove` on the attributes of a resource and on single
//! labels. Paths are RFC 6901 pointers, and whole maps may come as objects or as Python literals.

use serde_json::{Map, Value};

use crate::error::{ApiError, ApiResult};
use crate::wire::literal;
use crate::wire::typing::shown;

/// Attributes that no patch may touch.
const INTERNAL: [&str; 7] = [
    "created_at",
    "id",
    "links",
    "updated_at",
    "uuid",
    "project_id",
    "user_id",
];
/// Attributes that are maps.
const MAPS: [&str; 3] = ["labels", "health_status_reason", "node_labels"];
/// Attributes that are lists of maps.
const LISTS: [&str; 1] = ["node_taints"];
/// Most operations of one patch.
const MAX_OPERATIONS: usize = 500;

/// What else of a resource a patch must leave alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules<'a> {
    /// Attributes that cannot be removed.
    pub(crate) mandatory: &'a [&'a str],
    /// Attributes that only the service sets, besides those of every resource.
    pub(crate) internal: &'a [&'a str],
}

/// Applies a patch to a document; `mandatory` attributes cannot be removed.
///
/// # Errors
/// 400 that says what of the patch is wrong.
pub(crate) fn apply(document: &mut Map<String, Value>, patch: Value, mandatory: &[&str]) -> ApiResult<()> {
    let rules = Rules {
        mandatory,
        ..Rules::default()
    };
    apply_within(document, patch, rules)
}

/// Applies a patch to a document within the rules of its resource.
///
/// # Errors
/// 400 that says what of the patch is wrong.
pub(crate) fn apply_within(
    document: &mut Map<String, Value>,
    patch: Value,
    rules: Rules<'_>,
) -> ApiResult<()> {
    let Value::Array(operations) = patch else {
        return Err(ApiError::invalid(
            "patch",
            shown(&patch),
            "A list of operations is expected",
        ));
    };
    if operations.len() > MAX_OPERATIONS {
        let reason = format!("It should not have more than {MAX_OPERATIONS} operations");
        return Err(ApiError::invalid("patch", operations.len(), reason));
    }
    for operation in operations {
        apply_one(document, operation, rules)?;
    }
    Ok(())
}

fn apply_one(document: &mut Map<String, Value>, operation: Value, rules: Rules<'_>) -> ApiResult<()> {
    let bad = |reason: &str| ApiError::invalid("patch", shown(&operation), reason);
    let fields = operation
        .as_object()
        .ok_or_else(|| bad("An operation is an object"))?;
    if let Some(stray) = fields
        .keys()
        .find(|key| !matches!(key.as_str(), "op" | "path" | "value"))
    {
        return Err(ApiError::bad_request(format!(
            "Unknown attribute for argument patch: {stray}"
        )));
    }
    let op = fields
        .get("op")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("'op' is mandatory"))?;
    let path = fields
        .get("path")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("'path' is mandatory"))?;
    if !matches!(op, "add" | "replace" | "remove") {
        return Err(bad("'op' should be one of: add, replace, remove"));
    }
    let (attribute, key) = pointer(path).ok_or_else(|| bad("'path' does not lead to an attribute"))?;
    if INTERNAL.contains(&attribute.as_str()) || rules.internal.contains(&attribute.as_str()) {
        return Err(bad("The attribute is set by the service only"));
    }
    let value = match (op, fields.get("value")) {
        ("remove", _) => None,
        (_, None | Some(Value::Null)) => return Err(bad("'add' and 'replace' operations need a value")),
        (_, Some(value)) => Some(value.clone()),
    };
    match key {
        Some(key) => change_entry(document, &attribute, key, op, value, &bad),
        None => change_attribute(document, &attribute, op, value, rules.mandatory, &bad),
    }
}

/// Attribute, and key inside it, that an RFC 6901 pointer leads to. A slash in a key may stand unescaped.
fn pointer(path: &str) -> Option<(String, Option<String>)> {
    let unescape = |text: &str| text.replace("~1", "/").replace("~0", "~");
    let (attribute, key) = match path.strip_prefix('/')?.split_once('/') {
        Some((attribute, key)) => (attribute, Some(key)),
        None => (path.strip_prefix('/')?, None),
    };
    if attribute.is_empty() || key == Some("") {
        return None;
    }
    Some((unescape(attribute), key.map(unescape)))
}

fn change_attribute(
    document: &mut Map<String, Value>,
    attribute: &str,
    op: &str,
    value: Option<Value>,
    mandatory: &[&str],
    bad: &dyn Fn(&str) -> ApiError,
) -> ApiResult<()> {
    let Some(present) = document.get_mut(attribute) else {
        return Err(bad(match op {
            "add" => "The resource can have no such attribute",
            _ => "The resource has no such attribute",
        }));
    };
    match value {
        None if mandatory.contains(&attribute) => {
            Err(bad("The attribute is mandatory and cannot be removed"))
        }
        None => {
            *present = Value::Null;
            Ok(())
        }
        Some(_) if op == "add" && !present.is_null() => {
            Err(bad("The attribute has a value already: 'replace' changes it"))
        }
        Some(value) => {
            *present = typed(attribute, value, bad)?;
            Ok(())
        }
    }
}

fn typed(attribute: &str, value: Value, bad: &dyn Fn(&str) -> ApiError) -> ApiResult<Value> {
    match value {
        // Clients clear a map by an empty text.
        Value::String(text) if MAPS.contains(&attribute) && text.trim().is_empty() => {
            Ok(Value::Object(Map::new()))
        }
        Value::String(text) if LISTS.contains(&attribute) && text.trim().is_empty() => {
            Ok(Value::Array(Vec::new()))
        }
        Value::String(text) if LISTS.contains(&attribute) => literal::parse_maps(&text)
            .map(Value::Array)
            .ok_or_else(|| bad("The text is not a list of maps")),
        value @ Value::Array(_) if LISTS.contains(&attribute) => Ok(value),
        Value::String(text) if MAPS.contains(&attribute) => literal::parse_map(&text)
            .map(Value::Object)
            .ok_or_else(|| bad("The text is not a map")),
        value @ Value::Object(_) if MAPS.contains(&attribute) => Ok(value),
        value @ (Value::String(_) | Value::Bool(_)) => Ok(value),
        value @ Value::Number(_) if value.is_i64() || value.is_u64() => Ok(value),
        _ => Err(bad("A value should be a text or an integer")),
    }
}

fn change_entry(
    document: &mut Map<String, Value>,
    attribute: &str,
    key: String,
    op: &str,
    value: Option<Value>,
    bad: &dyn Fn(&str) -> ApiError,
) -> ApiResult<()> {
    let Some(Value::Object(map)) = document.get_mut(attribute) else {
        return Err(bad("The attribute is not a map"));
    };
    if op != "add" && !map.contains_key(&key) {
        return Err(bad("The attribute has no such key"));
    }
    match value {
        None => drop(map.remove(&key)),
        Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => drop(map.insert(key, value)),
        Some(_) => return Err(bad("A value should be a text or an integer")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(patch: Value) -> ApiResult<Value> {
        let mut document = Map::new();
        for (name, value) in [
            ("name", json!("a")),
            ("tags", Value::Null),
            ("labels", json!({"k": "v"})),
        ] {
            document.insert(name.to_owned(), value);
        }
        apply(&mut document, patch, &["name"])?;
        Ok(Value::Object(document))
    }

    #[test]
    fn attributes_and_single_labels_change() {
        let patch = json!([
            {"op": "replace", "path": "/name", "value": "b"},
            {"op": "add", "path": "/tags", "value": "x"},
            {"op": "add", "path": "/labels/a.b~1c", "value": 1},
            {"op": "remove", "path": "/labels/k"},
        ]);
        let expected = json!({"name": "b", "tags": "x", "labels": {"a.b/c": 1}});
        assert_eq!(patched(patch).unwrap(), expected);
    }

    #[test]
    fn a_map_comes_as_an_object_or_as_a_python_literal() {
        for value in [json!("{'a': 'b'}"), json!({"a": "b"}), json!(r#"{"a": "b"}"#)] {
            let document = patched(json!([{"op": "replace", "path": "/labels", "value": value}])).unwrap();
            assert_eq!(document["labels"], json!({"a": "b"}));
        }
    }

    #[test]
    fn wrong_patches_are_refused() {
        for operation in [
            json!({"op": "test", "path": "/name", "value": "a"}),
            json!({"op": "add", "path": "/name", "value": "b"}),
            json!({"op": "add", "path": "/colour", "value": "red"}),
            json!({"op": "replace", "path": "/colour", "value": "red"}),
            json!({"op": "remove", "path": "/name"}),
            json!({"op": "remove", "path": "/labels/none"}),
            json!({"op": "replace", "path": "/labels/none", "value": "x"}),
            json!({"op": "replace", "path": "/name"}),
            json!({"op": "replace", "path": "/name", "value": null}),
            json!({"op": "replace", "path": "/name", "value": {"a": 1}}),
            json!({"op": "replace", "path": "/name", "value": 1.5}),
            json!({"op": "replace", "path": "/labels", "value": "nonsense"}),
            json!({"op": "replace", "path": "name", "value": "b"}),
            json!({"op": "replace", "path": "/", "value": "b"}),
            json!({"op": "replace", "path": "/uuid", "value": "b"}),
            json!({"op": "add", "path": "/name/x", "value": "b"}),
            json!({"op": "add", "path": "/tags", "value": "b", "from": "/name"}),
            json!({"path": "/tags", "value": "b"}),
            json!("replace"),
        ] {
            assert!(patched(json!([operation])).is_err(), "{operation}");
        }
        assert!(patched(json!({"op": "remove"})).is_err());
        assert_eq!(patched(json!([])).unwrap()["name"], "a");
    }
}
