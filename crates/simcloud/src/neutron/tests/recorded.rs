//! The simulator's answers beside those of the real services.
//!
//! The exchanges were recorded from Neutron 29, Octavia 19 and Cinder 29. Of an answer they keep the status, the
//! names of all fields, or the type and text of the refusal. `<name>` stands for the id saved under that name.

use std::collections::BTreeSet;

use super::*;
use crate::{cinder, octavia};

/// Fields that only the real or only the simulated service has, and why.
const DEVIATIONS: &[&str] = &[
    // Shown by Neutron in the answer to a POST only.
    "network.is_default",
    // Neutron leaks its administrators' view of a router here.
    "router.distributed",
    "router.enable_default_route_bfd",
    "router.enable_default_route_ecmp",
    "router.enable_snat",
    "router.gw_port_id",
    "router.ha",
    "router.ha_vr_id",
    // The recorded cloud had no agents, another volume type, and other extensions and drivers.
    "availability_zones[].name",
    "availability_zones[].resource",
    "availability_zones[].state",
    "volume_type.os-volume-type-access:is_public",
    "quota_set.gigabytes_fake",
    "quota_set.gigabytes_ssd",
    "quota_set.snapshots_fake",
    "quota_set.snapshots_ssd",
    "quota_set.volumes_fake",
    "quota_set.volumes_ssd",
    // A load balancer shows no project's quotas before they are asked for.
    "quotas[]",
];

/// Texts that differ: sets printed in no order, bodies printed as Python does, an operator's configuration.
const TEXT_DEVIATIONS: &[&str] = &[
    "Value should be one of",
    "Value not an unambiguous boolean",
    "invalid literal for int()",
    "The selected flavor is not allowed in this deployment",
    "Additional properties are not allowed",
    "'volume' is a required property",
    "Cannot associate floating IP",
];

fn is_deviation(path: &str) -> bool {
    DEVIATIONS.iter().any(|known| {
        path == *known
            || path.starts_with(&format!("{known}."))
            || (known.ends_with("[]") && path.starts_with(known))
    })
}

/// Names of all fields, with `[]` for every item of a list.
fn fields(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                fields(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| fields(item, &format!("{prefix}[]"), found)),
        _ => {}
    }
}

fn fill(value: &Value, ids: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(ids.iter().fold(text.clone(), |text, (name, id)| {
            text.replace(&format!("{{{name}}}"), id)
        })),
        Value::Array(items) => items.iter().map(|item| fill(item, ids)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), fill(value, ids)))
            .collect(),
        other => other.clone(),
    }
}

/// Puts names for ids, and `<uuid>` for those without a name.
fn abstracted(text: &str, ids: &BTreeMap<String, String>) -> String {
    let named = ids.iter().fold(text.to_owned(), |text, (name, id)| {
        text.replace(id.as_str(), &format!("<{name}>"))
    });
    let mut rest = named.as_str();
    let mut out = String::new();
    while let Some(first) = rest.chars().next() {
        match rest.get(..36) {
            Some(candidate) if uuid::Uuid::try_parse(candidate).is_ok() => {
                out.push_str("<uuid>");
                rest = &rest[36..];
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn follow<'a>(body: &'a Value, path: &str) -> Option<&'a str> {
    path.split('.')
        .try_fold(body, |value, key| value.get(key))?
        .as_str()
}

/// Sends every recorded request to the simulator and lists where the answers part.
fn replay(recording: &str) -> Vec<String> {
    let exchanges: Vec<Value> = serde_json::from_str(recording).unwrap();
    let mut world = World::new(11, Pace::default(), 1_700_000_000_000, true);
    let project = "0123456789abcdef0123456789abcdef";
    let external = seed(&mut world, "203.0.113.0/24");
    let default_group = security::ensure_default(&mut world, project);
    let mut ids = BTreeMap::from([
        ("project".to_owned(), project.to_owned()),
        ("ext".to_owned(), external),
        ("dsg".to_owned(), default_group),
    ]);
    let mut differences = Vec::new();
    for exchange in &exchanges {
        if exchange["wait"] == true {
            world.now_ms += 10_000;
            octavia::tick(&mut world);
            cinder::tick(&mut world);
            continue;
        }
        if let Some(limits) = exchange["quota"].as_object() {
            for (resource, limit) in limits {
                cinder::set_quota(&mut world, project, resource, limit.as_i64().unwrap());
            }
            continue;
        }
        let method = exchange["method"].as_str().unwrap();
        let path = fill(&exchange["path"], &ids);
        let path = path.as_str().unwrap().trim_start_matches('/').replace("%3D", "=");
        let mut call = call_as(project, false, method, &path, fill(&exchange["body"], &ids));
        let (prefix, dialect): (&[&str], _) = match exchange["service"].as_str().unwrap() {
            "lb" => (&["v2", "lbaas"], crate::call::Dialect::Octavia),
            "vol" => (&["v3"], crate::call::Dialect::Cinder),
            _ => (&["v2.0"], crate::call::Dialect::Neutron),
        };
        if dialect == crate::call::Dialect::Cinder {
            let version = "volume 3.71".to_owned();
            call.headers.insert("openstack-api-version".to_owned(), version);
        }
        call.path
            .splice(..1, prefix.iter().map(|part| (*part).to_owned()));
        let answer = match dialect {
            crate::call::Dialect::Octavia => octavia::handle(&mut world, &call),
            crate::call::Dialect::Cinder => cinder::handle(&mut world, &call),
            _ => handle(&mut world, &call),
        };
        let reply = answer.unwrap_or_else(|refusal| refusal.render(dialect));
        let body = reply.body.unwrap_or_default();
        for (name, path) in exchange["save"].as_object().into_iter().flatten() {
            if let Some(id) = follow(&body, path.as_str().unwrap()) {
                ids.insert(name.clone(), id.to_owned());
            }
        }
        let place = format!("{method} {} {}", exchange["path"], exchange["body"]);
        if reply.status != exchange["status"].as_u64().unwrap() as u16 {
            differences.push(format!(
                "{place}: status {} where {} is real: {body}",
                reply.status, exchange["status"]
            ));
            continue;
        }
        if let Some(error) = exchange["error"].as_array() {
            let text = [
                "/NeutronError/message",
                "/faultstring",
                "/badRequest/message",
                "/itemNotFound/message",
                "/forbidden/message",
                "/overLimit/message",
            ]
            .iter()
            .find_map(|pointer| body.pointer(pointer)?.as_str())
            .unwrap_or_default();
            let kind = match dialect {
                crate::call::Dialect::Neutron => kind_of(&body).to_owned(),
                crate::call::Dialect::Cinder => body.as_object().unwrap().keys().next().unwrap().clone(),
                _ => String::new(),
            };
            let real = error[1].as_str().unwrap();
            let is_known = TEXT_DEVIATIONS.iter().any(|known| real.contains(known));
            if kind != error[0] || (abstracted(text, &ids) != real && !is_known) {
                differences.push(format!(
                    "{place}: {kind} {} where {error:?} is real",
                    abstracted(text, &ids)
                ));
            }
        }
        if let Some(real) = exchange["fields"].as_array() {
            let real: BTreeSet<String> = real
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect();
            let mut found = BTreeSet::new();
            fields(&body, "", &mut found);
            let parted: Vec<&String> = real
                .symmetric_difference(&found)
                .filter(|path| !is_deviation(path))
                .collect();
            if !parted.is_empty() {
                differences.push(format!("{place}: fields {parted:?}"));
            }
        }
    }
    differences
}

#[test]
fn networking_answers_as_recorded_from_neutron() {
    let differences = replay(include_str!("neutron.json"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn load_balancing_answers_as_recorded_from_octavia() {
    let differences = replay(include_str!("octavia.json"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn block_storage_answers_as_recorded_from_cinder() {
    let differences = replay(include_str!("cinder.json"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
