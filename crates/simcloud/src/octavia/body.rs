//! Reads request bodies with the 400s of WSME, the library behind Octavia's API.

use serde_json::Value;

use super::Kind;
use crate::call::{Call, Refusal};
pub(super) use crate::neutron::attrs::Attrs;

/// The object of a POST or PUT, with only the attributes of `allowed`.
pub(super) fn of<'a>(call: &'a Call, kind: Kind, allowed: &[&str]) -> Result<Attrs<'a>, Refusal> {
    let object = call
        .body
        .get(kind.singular())
        .and_then(Value::as_object)
        .ok_or_else(|| {
            wsme(format!(
                "Invalid input for field/attribute {}. Value: 'None'. Mandatory field missing.",
                kind.singular()
            ))
        })?;
    check_known(Attrs(object), kind, allowed)?;
    Ok(Attrs(object))
}

/// Refuses with 400 an attribute that is not in `allowed`.
pub(super) fn check_known(attrs: Attrs<'_>, kind: Kind, allowed: &[&str]) -> Result<(), Refusal> {
    match attrs.0.keys().find(|name| !allowed.contains(&name.as_str())) {
        Some(name) => Err(wsme(format!(
            "Unknown attribute for argument {}: {name}",
            kind.singular()
        ))),
        None => Ok(()),
    }
}

/// Each item of a list of nested objects.
pub(super) fn nested<'a>(attrs: Attrs<'a>, key: &str) -> Result<Vec<Attrs<'a>>, Refusal> {
    attrs
        .list(key)?
        .unwrap_or_default()
        .iter()
        .map(|item| {
            item.as_object()
                .map(Attrs)
                .ok_or_else(|| bad_value(key, item, "Wrong type."))
        })
        .collect()
}

/// One nested object.
pub(super) fn nested_one<'a>(attrs: Attrs<'a>, key: &str) -> Result<Option<Attrs<'a>>, Refusal> {
    match attrs.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(Attrs(object))),
        Some(other) => Err(bad_value(key, other, "Wrong type.")),
    }
}

/// A text out of a fixed set.
pub(super) fn choice<'a>(attrs: Attrs<'a>, key: &str, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match attrs.text(key)? {
        Some(text) if !allowed.contains(&text) => {
            let reason = format!("Value should be one of: {}", allowed.join(", "));
            Err(bad_value(key, &Value::from(text), &reason))
        }
        other => Ok(other),
    }
}

/// As [`choice`], but it must be there.
pub(super) fn required_choice<'a>(attrs: Attrs<'a>, key: &str, allowed: &[&str]) -> Result<&'a str, Refusal> {
    choice(attrs, key, allowed)?.ok_or_else(|| missing(key))
}

/// An integer between two bounds, both included.
pub(super) fn integer(attrs: Attrs<'_>, key: &str, min: i64, max: i64) -> Result<Option<i64>, Refusal> {
    match attrs.integer(key)? {
        Some(value) if value < min => Err(bad_value(
            key,
            &Value::from(value),
            &format!("Value should be greater or equal to {min}"),
        )),
        Some(value) if value > max => Err(bad_value(
            key,
            &Value::from(value),
            &format!("Value should be lower or equal to {max}"),
        )),
        other => Ok(other),
    }
}

/// A TCP or UDP port, which must be there.
pub(super) fn required_port(attrs: Attrs<'_>) -> Result<u16, Refusal> {
    let port = integer(attrs, "protocol_port", 1, 65535)?.ok_or_else(|| missing("protocol_port"))?;
    u16::try_from(port).map_err(|_| missing("protocol_port"))
}

pub(super) fn missing(key: &str) -> Refusal {
    wsme(format!(
        "Invalid input for field/attribute {key}. Value: 'None'. Mandatory field missing."
    ))
}

pub(super) fn bad_value(key: &str, value: &Value, reason: &str) -> Refusal {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    wsme(format!(
        "Invalid input for field/attribute {key}. Value: '{shown}'. {reason}"
    ))
}

fn wsme(message: String) -> Refusal {
    Refusal::new(400, "ClientSideError", message)
}
