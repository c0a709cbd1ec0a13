//! Lists of volumes, newest first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{PREFIX, Volume, bad_request, links};
use crate::{
    call::{Answer, Call, Reply},
    world::World,
};

fn is_truthy(text: &str) -> bool {
    matches!(
        text.to_ascii_lowercase().as_str(),
        "1" | "true" | "yes" | "on" | "t" | "y"
    )
}

fn visible<'a>(world: &'a World, call: &Call) -> Vec<&'a Volume> {
    let sees_all = call.caller.is_admin && call.query("all_tenants").is_some_and(is_truthy);
    let mut found: Vec<&Volume> = world
        .cinder
        .volumes
        .values()
        .filter(|volume| sees_all || call.caller.project_id.as_ref() == Some(&volume.project_id))
        .filter(|volume| matches(call, volume))
        .collect();
    found.sort_by_key(|volume| std::cmp::Reverse(volume.sequence));
    found
}

fn matches(call: &Call, volume: &Volume) -> bool {
    call.query.iter().all(|(name, text)| match name.as_str() {
        "id" => volume.id == *text,
        "name" | "display_name" => volume.name.as_deref().unwrap_or_default() == text,
        "name~" => volume.name.as_deref().unwrap_or_default().contains(text.as_str()),
        "status" => volume.status.as_str() == text,
        "bootable" => volume.is_bootable == is_truthy(text),
        "availability_zone" => volume.availability_zone == *text,
        "project_id" | "tenant_id" if call.caller.is_admin => volume.project_id == *text,
        "user_id" if call.caller.is_admin => volume.user_id == *text,
        "metadata" => {
            // Clients send a dictionary in Python's notation.
            serde_json::from_str::<Value>(&text.replace('\'', "\""))
                .ok()
                .and_then(|wanted| {
                    let wanted = wanted.as_object()?.clone();
                    let have = &volume.metadata;
                    Some(
                        wanted
                            .iter()
                            .all(|(key, value)| have.get(key).map(String::as_str) == value.as_str()),
                    )
                })
                == Some(true)
        }
        _ => true,
    })
}

/// Filters that Cinder lets ordinary callers use, and the parameters that steer the list.
const PARAMETERS: &[&str] = &[
    "name",
    "name~",
    "status",
    "status~",
    "metadata",
    "bootable",
    "migration_status",
    "availability_zone",
    "group_id",
    "size",
    "created_at",
    "updated_at",
    "id",
    "display_name",
    "with_count",
    "all_tenants",
    "limit",
    "marker",
    "offset",
    "sort",
    "sort_key",
    "sort_dir",
];

pub(super) fn volumes(world: &World, call: &Call, is_detail: bool) -> Answer {
    let unknown: Vec<&str> = call
        .query
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !call.caller.is_admin && !PARAMETERS.contains(name))
        .filter(|name| !["project_id", "tenant_id", "user_id"].contains(name))
        .collect();
    if !unknown.is_empty() {
        return Err(bad_request(format!(
            "Invalid filters {} are found in query options.",
            unknown.join(",")
        )));
    }
    let number = |name: &str| match call.query(name) {
        None => Ok(None),
        Some(text) => text
            .parse::<usize>()
            .map(Some)
            .map_err(|_| bad_request(format!("{name} param must be an integer"))),
    };
    let mut found = visible(world, call);
    let total = found.len();
    sort(call, &mut found);
    if let Some(marker) = call.query("marker") {
        let at = found.iter().position(|volume| volume.id == marker);
        let at = at.ok_or_else(|| super::volume_not_found(marker))?;
        found.drain(..=at);
    }
    let offset = number("offset")?.unwrap_or(0).min(found.len());
    found.drain(..offset);
    let limit = number("limit")?.unwrap_or(1000);

    found.truncate(limit);
    // A full page may be the last one: Cinder does not look further.
    let is_full = call.query("limit").is_some() && found.len() == limit;
    let shown: Vec<Value> = found
        .iter()
        .map(|volume| {
            if is_detail {
                volume.render(&world.cinder, call)
            } else {
                json!({"id": volume.id, "name": volume.name,
                    "links": links(call, &volume.project_id, &volume.id)})
            }
        })
        .collect();
    let mut body = json!({"volumes": shown});
    if let (true, Some(last)) = (is_full, found.last()) {
        let path = if is_detail { "volumes/detail" } else { "volumes" };
        let href = format!(
            "{}{PREFIX}/v3/{}/{path}?limit={limit}&marker={}",
            call.base,
            call.project(),
            last.id
        );
        body["volumes_links"] = json!([{"rel": "next", "href": href}]);
    }
    if call.query("with_count").is_some_and(is_truthy) {
        body["count"] = json!(total);
    }
    Ok(Reply::json(200, body))
}

/// `sort=key:direction,..`, or the older `sort_key` and `sort_dir`.
fn sort(call: &Call, volumes: &mut [&Volume]) {
    let keys: Vec<(String, bool)> = match (call.query("sort"), call.query("sort_key")) {
        (Some(sort), _) => sort
            .split(',')
            .map(|part| part.split_once(':').unwrap_or((part, "desc")))
            .map(|(key, direction)| (key.to_owned(), direction == "desc"))
            .collect(),
        (None, Some(key)) => vec![(key.to_owned(), call.query("sort_dir") != Some("asc"))],
        (None, None) => return,
    };
    for (key, is_descending) in keys.iter().rev() {
        volumes.sort_by(|left, right| {
            let order = match key.as_str() {
                "name" | "display_name" => left.name.cmp(&right.name),
                "size" => left.size_gib.cmp(&right.size_gib),
                "status" => left.status.as_str().cmp(right.status.as_str()),
                "id" => left.id.cmp(&right.id),
                _ => left.sequence.cmp(&right.sequence),
            };
            if *is_descending { order.reverse() } else { order }
        });
    }
}

pub(super) fn summary(world: &World, call: &Call) -> Reply {
    let found = visible(world, call);
    let size: u64 = found.iter().map(|volume| volume.size_gib).sum();
    let mut metadata: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, value) in found.iter().flat_map(|volume| &volume.metadata) {
        metadata.entry(key).or_default().insert(value);
    }
    Reply::json(
        200,
        json!({"volume-summary": {"total_count": found.len(), "total_size": size, "metadata": metadata}}),
    )
}
