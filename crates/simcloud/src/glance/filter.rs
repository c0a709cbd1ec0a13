//! GET /v2/images: filters, order and pages.

use serde_json::{Value, json};

use super::{Image, refuse, render};
use crate::call::{Answer, Call, Reply};
use crate::world::World;

/// Images in one answer when no limit is asked for, and at most.
const DEFAULT_PAGE: usize = 25;
const LARGEST_PAGE: usize = 1000;

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let project = call.project();
    let mut found: Vec<(&String, &Image)> = world
        .glance
        .images
        .iter()
        .filter(|(_, image)| {
            // Community images of others are shown only to those who ask for them.
            let asked = call.query("visibility") == Some("community") && image.visibility == "community";
            call.caller.is_admin || image.owner == project || image.visibility == "public" || asked
        })
        .filter(|(id, image)| asked_for(call, id, image))
        .collect();
    found.sort_by_key(|(_, image)| std::cmp::Reverse(image.sequence));
    if let Some(order) = call.query("sort").or(call.query("sort_key"))
        && order.starts_with("name")
    {
        found.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        if order.ends_with(":desc") {
            found.reverse();
        }
    }
    let start = match call.query("marker") {
        None => 0,
        Some(marker) => match found.iter().position(|(id, _)| *id == marker) {
            Some(at) => at + 1,
            None => return Err(refuse(400, "Invalid marker")),
        },
    };
    let limit = match call.query("limit") {
        None => DEFAULT_PAGE,
        Some(text) => text
            .parse()
            .map_err(|_| refuse(400, "limit param must be an integer"))?,
    };
    let limit = limit.min(LARGEST_PAGE);
    let page: Vec<(&String, &Image)> = found.iter().skip(start).take(limit).copied().collect();
    let kept: Vec<String> = call
        .query
        .iter()
        .filter(|(name, _)| name != "marker")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let first = if kept.is_empty() {
        String::new()
    } else {
        format!("?{}", kept.join("&"))
    };
    let images: Vec<Value> = page.iter().map(|(id, image)| render(id, image)).collect();
    let mut body =
        json!({"images": images, "first": format!("/v2/images{first}"), "schema": "/v2/schemas/images"});
    if let Some((last, _)) = page.last().filter(|_| found.len() > start + limit) {
        let kept = kept.into_iter().map(|pair| pair + "&").collect::<String>();
        body["next"] = json!(format!("/v2/images?{kept}marker={last}"));
    }
    Ok(Reply::json(200, body))
}

/// `in:a,b` means any of these.
fn one_of(wanted: &str, is: &str) -> bool {
    match wanted.strip_prefix("in:") {
        Some(all) => all.split(',').any(|one| one.trim_matches('"') == is),
        None => wanted == is,
    }
}

fn asked_for(call: &Call, id: &str, image: &Image) -> bool {
    call.query.iter().all(|(name, wanted)| match name.as_str() {
        "limit" | "marker" | "sort" | "sort_key" | "sort_dir" | "os_hidden" | "member_status" => true,
        "visibility" => wanted == "all" || *wanted == image.visibility,
        "id" => one_of(wanted, id),
        "name" => image.name.as_deref().is_some_and(|is| one_of(wanted, is)),
        "status" => one_of(wanted, &image.status),
        "owner" => *wanted == image.owner,
        "disk_format" => image.disk_format.as_deref().is_some_and(|is| one_of(wanted, is)),
        "container_format" => image
            .container_format
            .as_deref()
            .is_some_and(|is| one_of(wanted, is)),
        "tag" => image.tags.contains(wanted),
        "protected" => image.protected == wanted.eq_ignore_ascii_case("true"),
        "size_min" => wanted.parse().is_ok_and(|least: u64| image.size_bytes >= least),
        "size_max" => wanted.parse().is_ok_and(|most: u64| image.size_bytes <= most),
        property => image.properties.get(property).and_then(Value::as_str) == Some(wanted),
    })
}
