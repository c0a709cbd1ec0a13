//! Reads request bodies with the 400s of WSME, the library behind Octavia's API.

use serde_json::{Map, Value, json};

use super::Kind;
use crate::call::{Call, Refusal};

/// Attributes of one object in a body.
#[derive(Clone, Copy)]
pub(super) struct Attrs<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Attrs<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key)
    }

    /// True when the attribute is there and not null.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !value.is_null())
    }

    fn given(&self, key: &str) -> Option<&'a Value> {
        self.get(key).filter(|value| !value.is_null())
    }

    /// A text; `None` when absent or null.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Refusal> {
        match self.given(key) {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .map(Some)
                .ok_or_else(|| bad_value(key, value, "Value should be string")),
        }
    }

    pub(super) fn owned(&self, key: &str) -> Result<Option<String>, Refusal> {
        Ok(self.text(key)?.map(str::to_owned))
    }

    /// A UUID; `None` when absent or null.
    pub(super) fn uuid(&self, key: &str) -> Result<Option<&'a str>, Refusal> {
        match self.text(key)? {
            Some(text) if uuid::Uuid::try_parse(text).is_err() => {
                Err(bad_value(key, &json!(text), "Value should be UUID format"))
            }
            other => Ok(other),
        }
    }

    pub(super) fn required_uuid(&self, key: &str) -> Result<&'a str, Refusal> {
        self.uuid(key)?.ok_or_else(|| missing(key))
    }

    /// A boolean; also the texts that WSME takes for one.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.given(key) else {
            return Ok(None);
        };
        let text = value.as_str().map(str::to_ascii_lowercase);
        match (value.as_bool(), text.as_deref()) {
            (Some(flag), _) => Ok(Some(flag)),
            (None, Some("true" | "on" | "yes" | "y" | "t" | "1")) => Ok(Some(true)),
            (None, Some("false" | "off" | "no" | "n" | "f" | "0")) => Ok(Some(false)),
            _ => Err(bad_value(key, value, "Value not an unambiguous boolean")),
        }
    }

    /// An integer, also written as a text.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.given(key) else {
            return Ok(None);
        };
        value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
            .map(Some)
            .ok_or_else(|| bad_value(key, value, "invalid literal for int() with base 10"))
    }

    /// A list; `None` when absent or null.
    pub(super) fn list(&self, key: &str) -> Result<Option<&'a [Value]>, Refusal> {
        match self.given(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(value) => Err(bad_value(key, value, "Wrong type.")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(items) = self.list(key)? else {
            return Ok(None);
        };
        items
            .iter()
            .map(|item| {
                item.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| bad_value(key, item, "Value should be string"))
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    }
}

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
            kind.argument()
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
