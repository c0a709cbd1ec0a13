//! Reads request bodies.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::bad_request;
use crate::call::{Call, Refusal};

/// The object under a key of the body.
pub(super) fn object<'a>(call: &'a Call, key: &str) -> Result<&'a Map<String, Value>, Refusal> {
    call.body.get(key).and_then(Value::as_object).ok_or_else(|| {
        bad_request(format!(
            "Invalid input for field/attribute {key}. '{key}' is a required property"
        ))
    })
}

/// Text under a key; `None` when absent or null.
pub(super) fn text<'a>(body: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(key, other, "is not of type 'string', 'null'")),
    }
}

/// Whole number of at least `min` under a key, also written as a text; `None` when absent or null.
pub(super) fn number(body: &Map<String, Value>, key: &str, min: i64) -> Result<Option<i64>, Refusal> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
            .filter(|number| *number >= min)
            .map(Some)
            .ok_or_else(|| not_a_number(key, value, min)),
    }
}

/// Truth under a key, also written as a text; `None` when absent or null.
pub(super) fn flag(body: &Map<String, Value>, key: &str) -> Result<Option<bool>, Refusal> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(other) => Err(wrong(key, other, "is not of type 'boolean'")),
    }
}

/// Keys and texts, 1 to 255 characters each.
pub(super) fn metadata(value: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(object) = value.as_object() else {
        return Err(wrong("metadata", value, "is not of type 'object'"));
    };
    object
        .iter()
        .map(|(key, value)| {
            let is_key = (1..=255).contains(&key.chars().count());
            match value
                .as_str()
                .filter(|text| is_key && text.chars().count() <= 255)
            {
                Some(text) => Ok((key.clone(), text.to_owned())),
                None => Err(wrong(key, value, "is not of type 'string'")),
            }
        })
        .collect()
}

fn not_a_number(key: &str, value: &Value, min: i64) -> Refusal {
    match value {
        Value::Number(_) => wrong(key, value, &format!("is less than the minimum of {min}")),
        _ => wrong(key, value, "does not match '^[0-9]+$'"),
    }
}

/// Refuses with 400 an attribute that is not in `allowed`.
pub(super) fn check_known(body: &Map<String, Value>, key: &str, allowed: &[&str]) -> Result<(), Refusal> {
    match body.keys().find(|name| !allowed.contains(&name.as_str())) {
        Some(name) => Err(bad_request(format!(
            "Invalid input for field/attribute {key}. Additional properties are not allowed ('{name}' was unexpected)"
        ))),
        None => Ok(()),
    }
}

fn wrong(key: &str, value: &Value, reason: &str) -> Refusal {
    let (plain, quoted) = match value {
        Value::String(text) => (text.clone(), format!("'{text}'")),
        other => (other.to_string(), other.to_string()),
    };
    bad_request(format!(
        "Invalid input for field/attribute {key}. Value: {plain}. {quoted} {reason}"
    ))
}
