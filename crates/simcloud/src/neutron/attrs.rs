//! Reads the attributes of a request body as Neutron does, with its 400s.

use serde_json::{Map, Value};

use super::{Kind, bad_request};
use crate::call::{Call, Refusal};

/// Attributes of one object in a body.
#[derive(Clone, Copy)]
pub(crate) struct Attrs<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Attrs<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key)
    }

    /// True when the attribute is there and not null.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !value.is_null())
    }

    /// A text; `None` when absent or null.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Refusal> {
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(invalid(key, &format!("'{other}' is not a valid string"))),
        }
    }

    pub(crate) fn owned(&self, key: &str) -> Result<Option<String>, Refusal> {
        Ok(self.text(key)?.map(str::to_owned))
    }

    pub(crate) fn required(&self, key: &str) -> Result<&'a str, Refusal> {
        self.text(key)?.ok_or_else(|| missing(key))
    }

    /// A UUID; `None` when absent or null.
    pub(crate) fn uuid(&self, key: &str) -> Result<Option<&'a str>, Refusal> {
        match self.text(key)? {
            Some(text) if !is_uuid(text) => Err(invalid(key, &format!("'{text}' is not a valid UUID"))),
            other => Ok(other),
        }
    }

    pub(crate) fn required_uuid(&self, key: &str) -> Result<&'a str, Refusal> {
        self.uuid(key)?.ok_or_else(|| missing(key))
    }

    /// A boolean; also the texts and numbers that Neutron converts.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Refusal> {
        let wrong = |value: &Value| {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            super::invalid_input(format!("'{shown}' cannot be converted to boolean"))
        };
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(value @ Value::Number(number)) => match number.as_i64() {
                Some(0) => Ok(Some(false)),
                Some(1) => Ok(Some(true)),
                _ => Err(wrong(value)),
            },
            Some(value @ Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(Some(true)),
                "false" | "0" => Ok(Some(false)),
                _ => Err(wrong(value)),
            },
            Some(other) => Err(wrong(other)),
        }
    }

    /// An integer, also written as a text.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, Refusal> {
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_i64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
                .map(Some)
                .ok_or_else(|| invalid(key, &format!("'{value}' is not an integer"))),
        }
    }

    /// A list; `None` when absent or null.
    pub(crate) fn list(&self, key: &str) -> Result<Option<&'a [Value]>, Refusal> {
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(invalid(key, &format!("'{other}' is not a list"))),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(items) = self.list(key)? else {
            return Ok(None);
        };
        items
            .iter()
            .map(|item| {
                item.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| invalid(key, &format!("'{item}' is not a valid string")))
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    }

    /// Project that will own the new object. Only an administrator names another than his own.
    pub(crate) fn project(&self, call: &Call) -> Result<String, Refusal> {
        let named = match self.text("project_id")? {
            Some(project) => Some(project),
            None => self.text("tenant_id")?,
        };
        match named {
            Some(project) if project != call.project() && !call.caller.is_admin => Err(bad_request(
                "Specifying 'project_id' other than the authenticated project in request is not allowed for the current \
                 user.",
            )),
            Some(project) => Ok(project.to_owned()),
            None => Ok(call.project().to_owned()),
        }
    }
}

/// True for a UUID, with or without dashes.
pub(crate) fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

/// The objects of a POST body: one, or many for a bulk request (`true`).
pub(crate) fn of_create(call: &Call, kind: Kind) -> Result<(Vec<Attrs<'_>>, bool), Refusal> {
    let body = body(call)?;
    let (objects, is_bulk) = match (body.get(kind.plural()), body.get(kind.singular())) {
        (Some(Value::Array(items)), _) => (items.iter().collect::<Vec<_>>(), true),
        (_, Some(item)) => (vec![item], false),
        _ => {
            return Err(bad_request(format!(
                "Unable to find '{}' in request body",
                kind.singular()
            )));
        }
    };
    if objects.is_empty() {
        return Err(bad_request("Resources required"));
    }
    let mut found = Vec::with_capacity(objects.len());
    for object in objects {
        let attrs = object_attrs(object, kind)?;
        let unknown: Vec<&str> = attrs
            .0
            .keys()
            .map(String::as_str)
            .filter(|name| !kind.creatable().contains(name) && !["project_id", "tenant_id"].contains(name))
            .collect();
        if let Some(read_only) = unknown.iter().find(|name| READ_ONLY.contains(name)) {
            return Err(bad_request(format!(
                "Attribute '{read_only}' not allowed in POST"
            )));
        }
        if !unknown.is_empty() {
            return Err(bad_request(format!(
                "Unrecognized attribute(s) '{}'",
                unknown.join(", ")
            )));
        }
        found.push(attrs);
    }
    Ok((found, is_bulk))
}

const READ_ONLY: &[&str] = &[
    "id",
    "status",
    "subnets",
    "created_at",
    "updated_at",
    "revision_number",
    "router_id",
    "routes",
    "ip_allocation",
    "tags",
];

/// The attributes of a PUT body.
pub(crate) fn of_update(call: &Call, kind: Kind) -> Result<Attrs<'_>, Refusal> {
    let body = body(call)?;
    let object = body
        .get(kind.singular())
        .ok_or_else(|| bad_request(format!("Unable to find '{}' in request body", kind.singular())))?;
    let attrs = object_attrs(object, kind)?;
    for name in attrs.0.keys() {
        if !kind.updatable().contains(&name.as_str()) {
            let known = kind.creatable().contains(&name.as_str())
                || READ_ONLY.contains(&name.as_str())
                || ["project_id", "tenant_id"].contains(&name.as_str());
            return Err(bad_request(if known {
                format!("Cannot update read-only attribute {name}")
            } else {
                format!("Unrecognized attribute(s) '{name}'")
            }));
        }
    }
    Ok(attrs)
}

fn body(call: &Call) -> Result<&Map<String, Value>, Refusal> {
    match &call.body {
        Value::Object(body) => Ok(body),
        Value::Null => Err(bad_request("Resource body required")),
        _ => Err(bad_request("Body contains invalid data")),
    }
}

fn object_attrs(object: &Value, kind: Kind) -> Result<Attrs<'_>, Refusal> {
    object
        .as_object()
        .map(Attrs)
        .ok_or_else(|| bad_request(format!("Object '{}' contains invalid data", kind.singular())))
}

/// 400 for an attribute whose value does not do.
pub(crate) fn invalid(key: &str, reason: &str) -> Refusal {
    bad_request(format!("Invalid input for {key}. Reason: {reason}."))
}

/// 400 for an attribute that must be there.
pub(crate) fn missing(key: &str) -> Refusal {
    bad_request(format!(
        "Failed to parse request. Required attribute '{key}' not specified"
    ))
}
