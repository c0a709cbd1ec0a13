//! Tags of records: `/{collection}/{id}/tags`.

use serde_json::{Value, json};

use super::{Kind, invalid_input, no_such_page, owned};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// Most tags that one record may have.
const MAX_TAGS: usize = 50;
/// Characters of the longest tag.
const MAX_TAG_CHARS: usize = 255;

pub(super) fn check(tags: &[String]) -> Result<(), Refusal> {
    if let Some(long) = tags.iter().find(|tag| tag.chars().count() > MAX_TAG_CHARS) {
        return Err(invalid_input(format!(
            "'{long}' exceeds maximum length of {MAX_TAG_CHARS}"
        )));
    }
    let mut sorted: Vec<&String> = tags.iter().collect();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(invalid_input(format!(
            "Duplicate items in the list: '{}'",
            twice[0]
        )));
    }
    if tags.len() > MAX_TAGS {
        let message = format!("The number of tags exceed the per-resource limit of {MAX_TAGS}");
        return Err(Refusal::new(
            400,
            "BadRequest",
            format!("Bad tags request: {message}."),
        ));
    }
    Ok(())
}

/// The caller has been checked to see the record.
pub(super) fn handle(world: &mut World, call: &Call, kind: Kind, id: &str, rest: &[&str]) -> Answer {
    let tags = world
        .neutron
        .common(kind, id)
        .map(|common| common.tags.clone())
        .unwrap_or_default();
    let unknown = |tag: &str| Refusal::new(404, "TagNotFound", format!("Tag {tag} could not be found."));
    let method = call.method.as_str();
    if method != "GET" {
        owned(world, call, kind, id, "update")?;
    }
    match (method, rest) {
        ("GET", []) => Ok(Reply::json(200, json!({"tags": tags}))),
        ("GET", [tag]) => {
            if tags.iter().any(|have| have == tag) {
                Ok(Reply::empty(204))
            } else {
                Err(unknown(tag))
            }
        }
        ("PUT", []) => {
            let wanted = of_body(call)?;
            store(world, kind, id, wanted.clone());
            Ok(Reply::json(200, json!({"tags": wanted})))
        }
        ("POST", []) => {
            let mut all = tags;
            let added = of_body(call)?;
            for tag in &added {
                if !all.contains(tag) {
                    all.push(tag.clone());
                }
            }
            check(&all)?;
            store(world, kind, id, all);
            Ok(Reply::json(200, json!({"tags": added})))
        }
        ("PUT", [tag]) => {
            let mut all = tags;
            if !all.iter().any(|have| have == tag) {
                all.push((*tag).to_owned());
            }
            check(&all)?;
            store(world, kind, id, all);
            Ok(Reply::empty(201))
        }
        ("DELETE", []) => {
            store(world, kind, id, Vec::new());
            Ok(Reply::empty(204))
        }
        ("DELETE", [tag]) => {
            if !tags.iter().any(|have| have == tag) {
                return Err(unknown(tag));
            }
            store(
                world,
                kind,
                id,
                tags.into_iter().filter(|have| have != tag).collect(),
            );
            Ok(Reply::empty(204))
        }
        _ => Err(no_such_page()),
    }
}

fn of_body(call: &Call) -> Result<Vec<String>, Refusal> {
    let Some(tags) = call.body.get("tags") else {
        return Err(invalid_input("Invalid tags body"));
    };
    let Some(items) = tags.as_array() else {
        let shown = tags.as_str().map_or_else(|| tags.to_string(), str::to_owned);
        return Err(invalid_input(format!("'{shown}' is not a list")));
    };
    let tags: Vec<String> = items
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if tags.len() != items.len() {
        return Err(invalid_input("Invalid tags body"));
    }
    check(&tags)?;
    Ok(tags)
}

fn store(world: &mut World, kind: Kind, id: &str, tags: Vec<String>) {
    let now_ms = world.now_ms;
    if let Some(common) = world.neutron.common_mut(kind, id) {
        common.tags = tags;
        common.touch(now_ms);
    }
}
