//! Metadata and tags of a server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::server::{find, find_mut};
use super::{invalid, no_route, refuse, require_member, version};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

/// Longest key, value or tag.
const LONGEST: usize = 255;
/// Most tags of one server.
const MOST_TAGS: usize = 50;

/// Metadata out of a request: texts of at most 255 characters.
pub(super) fn parse(value: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(fields) = value.as_object() else {
        return if value.is_null() {
            Ok(BTreeMap::new())
        } else {
            Err(invalid("metadata"))
        };
    };
    let mut all = BTreeMap::new();
    for (key, value) in fields {
        let text = value.as_str().filter(|text| text.chars().count() <= LONGEST);
        let text = text.filter(|_| !key.is_empty() && key.chars().count() <= LONGEST);
        all.insert(
            key.clone(),
            text.ok_or_else(|| invalid(&format!("metadata/{key}")))?
                .to_owned(),
        );
    }
    Ok(all)
}

/// Tags out of a request.
pub(super) fn parse_tags(value: &Value) -> Result<BTreeSet<String>, Refusal> {
    let tags = value.as_array().ok_or_else(|| invalid("tags"))?;
    let good = |tag: &str| !tag.is_empty() && tag.chars().count() <= 60 && !tag.contains(['/', ',']);
    let tags: Option<BTreeSet<String>> = tags
        .iter()
        .map(|tag| tag.as_str().filter(|tag| good(tag)).map(str::to_owned))
        .collect();
    tags.filter(|tags| tags.len() <= MOST_TAGS)
        .ok_or_else(|| invalid("tags"))
}

pub(super) fn handle(world: &mut World, call: &Call, method: &str, id: &str, path: &[&str]) -> Answer {
    let missing = || refuse(404, "Metadata item was not found");
    if method != "GET" {
        require_member(call, "server-metadata:update")?;
    }
    match (method, path) {
        ("GET", []) => {
            let server = find(world, call, id)?;
            Ok(Reply::json(200, json!({"metadata": server.metadata})))
        }
        ("POST" | "PUT", []) => {
            let new = parse(&call.body["metadata"])?;
            let server = find_mut(world, call, id)?;
            if method == "PUT" {
                server.metadata.clear();
            }
            server.metadata.extend(new);
            Ok(Reply::json(200, json!({"metadata": server.metadata})))
        }
        ("GET", [key]) => {
            let server = find(world, call, id)?;
            let value = server.metadata.get(*key).ok_or_else(missing)?;
            Ok(Reply::json(200, json!({"meta": {*key: value}})))
        }
        ("PUT", [key]) => {
            let new = parse(&call.body["meta"])?;
            if new.len() != 1 || !new.contains_key(*key) {
                return Err(refuse(400, "Request body and URI mismatch"));
            }
            find_mut(world, call, id)?.metadata.extend(new);
            Ok(Reply::json(200, json!({"meta": call.body["meta"]})))
        }
        ("DELETE", [key]) => {
            find_mut(world, call, id)?
                .metadata
                .remove(*key)
                .ok_or_else(missing)?;
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}

pub(super) fn tags(world: &mut World, call: &Call, method: &str, id: &str, path: &[&str]) -> Answer {
    if version(call) < 26 {
        return Err(no_route());
    }
    if method != "GET" {
        require_member(call, "os-server-tags:update")?;
    }
    let missing = |tag: &str| refuse(404, format!("Server {id} has no tag '{tag}'"));
    match (method, path) {
        ("GET", []) => Ok(Reply::json(200, json!({"tags": find(world, call, id)?.tags}))),
        ("PUT", []) => {
            let tags = parse_tags(&call.body["tags"])?;
            let server = find_mut(world, call, id)?;
            server.tags = tags;
            Ok(Reply::json(200, json!({"tags": server.tags})))
        }
        ("DELETE", []) => {
            find_mut(world, call, id)?.tags.clear();
            Ok(Reply::empty(204))
        }
        ("GET", [tag]) => {
            let known = find(world, call, id)?.tags.contains(*tag);
            if known {
                Ok(Reply::empty(204))
            } else {
                Err(missing(tag))
            }
        }
        ("PUT", [tag]) => {
            let tag = parse_tags(&json!([tag]))?;
            let server = find_mut(world, call, id)?;
            let before = server.tags.len();
            server.tags.extend(tag);
            Ok(Reply::empty(if server.tags.len() > before { 201 } else { 204 }))
        }
        ("DELETE", [tag]) => {
            let known = find_mut(world, call, id)?.tags.remove(*tag);
            if known {
                Ok(Reply::empty(204))
            } else {
                Err(missing(tag))
            }
        }
        _ => Err(no_route()),
    }
}
