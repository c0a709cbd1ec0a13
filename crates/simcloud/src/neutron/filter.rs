//! Lists as OpenStack's networking and load-balancing APIs give them: filters, sorting, pages, fields.
//!
//! Works on rendered objects, so what a caller may not see cannot be found by a filter either.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::call::{Call, Refusal, Reply};

/// Query parameters that steer the list and are not filters.
const CONTROLS: &[&str] = &[
    "fields",
    "sort_key",
    "sort_dir",
    "limit",
    "marker",
    "page_reverse",
];

/// The filters of a call: name and value, controls left out.
pub(crate) fn filters(call: &Call) -> impl Iterator<Item = (&str, &str)> {
    call.query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !CONTROLS.contains(name))
}

/// True when a typed field passes the filters of that name: any of the values given, or no filter at all.
pub(crate) fn admits(call: &Call, name: &str, value: &str) -> bool {
    let mut wanted = filters(call).filter(|(key, _)| *key == name).peekable();
    wanted.peek().is_none() || wanted.any(|(_, text)| text == value)
}

/// True when a rendered object passes every filter: values of one name are alternatives, names add up.
pub(crate) fn matches(call: &Call, object: &Value) -> bool {
    let mut names: Vec<&str> = filters(call).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().all(|name| {
        let wanted: Vec<&str> = filters(call)
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .collect();
        match name {
            "tags" => wanted
                .iter()
                .all(|list| list.split(',').all(|tag| has_tag(object, tag))),
            "tags-any" => wanted
                .iter()
                .any(|list| list.split(',').any(|tag| has_tag(object, tag))),
            "not-tags" => !wanted
                .iter()
                .all(|list| list.split(',').all(|tag| has_tag(object, tag))),
            "not-tags-any" => !wanted
                .iter()
                .any(|list| list.split(',').any(|tag| has_tag(object, tag))),
            "fixed_ips" => has_fixed_ip(object, &wanted),
            "changed_since" => wanted
                .iter()
                .any(|since| object["updated_at"].as_str().is_some_and(|at| at >= *since)),
            _ => wanted.iter().any(|text| equals(&object[name], text)),
        }
    })
}

fn has_tag(object: &Value, tag: &str) -> bool {
    object["tags"]
        .as_array()
        .is_some_and(|tags| tags.iter().any(|have| have == tag))
}

/// `ip_address=`, `ip_address_substr=` and `subnet_id=`: values of one key are alternatives, keys add up.
fn has_fixed_ip(object: &Value, wanted: &[&str]) -> bool {
    let Some(fixed_ips) = object["fixed_ips"].as_array() else {
        return false;
    };
    ["ip_address", "ip_address_substr", "subnet_id"]
        .into_iter()
        .all(|key| {
            let mut values = wanted
                .iter()
                .filter_map(|text| text.split_once('='))
                .filter(|(k, _)| *k == key)
                .peekable();
            values.peek().is_none()
                || values.any(|(_, value)| {
                    fixed_ips.iter().any(|fixed| match key {
                        "ip_address_substr" => {
                            fixed["ip_address"].as_str().is_some_and(|ip| ip.contains(value))
                        }
                        _ => fixed[key] == value,
                    })
                })
        })
}

fn equals(value: &Value, text: &str) -> bool {
    match value {
        Value::Bool(have) => *have == matches!(text, "True" | "true" | "1" | "TRUE"),
        Value::Number(number) => number.to_string() == text,
        Value::Null => text.is_empty(),
        Value::String(have) => have == text,
        Value::Array(items) => items.iter().any(|item| item == text || item["id"] == text),
        Value::Object(_) => false,
    }
}

/// Which pages link to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreviousLink {
    /// All but the last one going backwards, as in Neutron.
    Always,
    /// Those that follow a marker, as in Octavia.
    AfterMarker,
}

/// Filters, sorts, cuts and trims objects given in the order of creation.
///
/// `collection_path` is the path of the collection below the host, for the `next` link.
/// Refuses with 400 an unusable `limit` and a `marker` that names nothing in the list.
pub(crate) fn list(
    call: &Call,
    plural: &str,
    collection_path: &str,
    previous: PreviousLink,
    objects: impl Iterator<Item = Value>,
) -> Result<Reply, Refusal> {
    let mut objects: Vec<Value> = objects.filter(|object| matches(call, object)).collect();
    sort(call, &mut objects);
    let reverse = call
        .query("page_reverse")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    if reverse {
        objects.reverse();
    }
    if let Some(marker) = call.query("marker") {
        let Some(at) = objects.iter().position(|object| object["id"] == marker) else {
            return Err(Refusal::new(
                400,
                "HTTPBadRequest",
                format!("Invalid input for marker: {marker}"),
            ));
        };
        objects.drain(..=at);
    }
    let limit = match call.query("limit") {
        None => None,
        Some(text) => Some(text.parse::<usize>().map_err(|_| {
            let message =
                format!("Bad limit request: Limit must be an integer 0 or greater and not '{text}'.");
            Refusal::new(400, "BadRequest", message)
        })?),
    }
    .filter(|limit| *limit > 0);
    let mut links = Vec::new();
    if let Some(limit) = limit {
        objects.truncate(limit);
        if reverse {
            objects.reverse();
        }
        // A full page may be the last one: the services do not look further, and neither do their clients.
        let is_full = objects.len() == limit;
        if let (true, Some(last)) = (is_full || reverse, objects.last()) {
            links.push(json!({"rel": "next", "href": link(call, collection_path, last, false)}));
        }
        let has_previous = match previous {
            PreviousLink::Always => is_full || !reverse,
            PreviousLink::AfterMarker => call.query("marker").is_some(),
        };
        if let (true, Some(first)) = (has_previous, objects.first()) {
            links.push(json!({"rel": "previous", "href": link(call, collection_path, first, true)}));
        }
    } else if reverse {
        objects.reverse();
    }
    let objects: Vec<Value> = objects.into_iter().map(|object| trim(call, object)).collect();
    let mut body = Map::from_iter([(plural.to_owned(), Value::from(objects))]);
    if !links.is_empty() {
        body.insert(format!("{plural}_links"), Value::from(links));
    }
    Ok(Reply::json(200, Value::Object(body)))
}

fn link(call: &Call, collection_path: &str, marker: &Value, is_reverse: bool) -> String {
    let mut query: Vec<String> = call
        .query
        .iter()
        .filter(|(name, _)| name != "marker" && name != "page_reverse")
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    query.push(format!("marker={}", marker["id"].as_str().unwrap_or_default()));
    if is_reverse {
        query.push("page_reverse=True".to_owned());
    }
    format!("{}{collection_path}?{}", call.base, query.join("&"))
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn sort(call: &Call, objects: &mut [Value]) {
    let values = |name: &str| -> Vec<&str> {
        call.query
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .collect()
    };
    let (keys, directions) = (values("sort_key"), values("sort_dir"));
    objects.sort_by(|left, right| {
        keys.iter()
            .enumerate()
            .fold(Ordering::Equal, |order, (index, key)| {
                let next = compare(&left[*key], &right[*key]);
                let descending = directions
                    .get(index)
                    .is_some_and(|text| text.eq_ignore_ascii_case("desc"));
                order.then(if descending { next.reverse() } else { next })
            })
    });
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_i64().cmp(&b.as_i64()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => left
            .as_str()
            .unwrap_or_default()
            .cmp(right.as_str().unwrap_or_default()),
    }
}

/// Keeps only the fields that the caller named in `fields`.
pub(crate) fn trim(call: &Call, object: Value) -> Value {
    let wanted: Vec<&str> = call
        .query
        .iter()
        .filter(|(name, _)| name == "fields")
        .flat_map(|(_, value)| value.split(','))
        .collect();
    match object {
        Value::Object(map) if !wanted.is_empty() => Value::Object(
            map.into_iter()
                .filter(|(name, _)| wanted.contains(&name.as_str()))
                .collect(),
        ),
        other => other,
    }
}
