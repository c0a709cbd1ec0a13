//! Quotas: unlimited unless set for a project.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Kind, body, forbidden, no_such_page};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

const RESOURCES: &[&str] = &[
    "loadbalancer",
    "listener",
    "pool",
    "member",
    "healthmonitor",
    "l7policy",
    "l7rule",
];

/// Sets a project's limit of a resource such as `loadbalancer`; -1 is unlimited.
pub fn set_quota(world: &mut World, project: &str, resource: &str, limit: i64) {
    world
        .octavia
        .quotas
        .entry(project.to_owned())
        .or_default()
        .insert(resource.to_owned(), limit);
}

/// Makes the defaults unlimited, which they are: here so that all services look alike.
pub fn roomy(_world: &mut World) {}

/// Refuses with 403 when the project may not have `more` records of the kind.
pub(super) fn check(world: &World, project: &str, kind: Kind, more: usize) -> Result<(), Refusal> {
    let limit = world
        .octavia
        .quotas
        .get(project)
        .and_then(|limits| limits.get(kind.singular()))
        .copied();
    let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else {
        return Ok(());
    };
    let used = world
        .octavia
        .ids(kind)
        .filter_map(|id| world.octavia.common(kind, id))
        .filter(|common| common.project_id == project)
        .count();
    if used + more <= limit {
        return Ok(());
    }
    let message = format!("Quota has been met for resources: {}", kind.title());
    Err(Refusal::new(403, "QuotaException", message))
}

fn render(limits: Option<&BTreeMap<String, i64>>, project: Option<&str>) -> Value {
    let mut quota: BTreeMap<&str, i64> = RESOURCES
        .iter()
        .map(|name| {
            (
                *name,
                limits.and_then(|limits| limits.get(*name)).copied().unwrap_or(-1),
            )
        })
        .collect();
    // The old spellings are shown along.
    for (old, name) in [
        ("load_balancer", "loadbalancer"),
        ("health_monitor", "healthmonitor"),
    ] {
        quota.insert(old, quota.get(name).copied().unwrap_or(-1));
    }
    let mut quota = json!(quota);
    if let Some(project) = project {
        quota["project_id"] = json!(project);
        quota["tenant_id"] = json!(project);
    }
    quota
}

pub(super) fn handle(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    let is_admin = call.caller.is_admin;
    if let (Some(project), false) = (rest.first(), is_admin) {
        let is_own = call.caller.project_id.as_deref() == Some(*project);
        if !is_own || call.method != "GET" {
            return Err(forbidden());
        }
    }
    let quotas = &mut world.octavia.quotas;
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let shown: Vec<Value> = quotas
                .iter()
                .filter(|(project, _)| is_admin || call.caller.project_id.as_ref() == Some(*project))
                .map(|(project, limits)| render(Some(limits), Some(project)))
                .collect();
            Ok(Reply::json(200, json!({"quotas": shown, "quotas_links": []})))
        }
        ("GET", ["defaults"] | [_, "default"]) => Ok(Reply::json(200, json!({"quota": render(None, None)}))),
        ("GET", [project]) => Ok(Reply::json(
            200,
            json!({"quota": render(quotas.get(*project), Some(project))}),
        )),
        ("PUT", [project]) => {
            let wanted = call.body["quota"]
                .as_object()
                .ok_or_else(|| body::missing("quota"))?;
            let mut limits = quotas.get(*project).cloned().unwrap_or_default();
            for (name, value) in wanted {
                let name = match name.as_str() {
                    "load_balancer" => "loadbalancer",
                    "health_monitor" => "healthmonitor",
                    other => other,
                };
                if !RESOURCES.contains(&name) {
                    return Err(body::bad_value("quota", &json!(name), "Unknown attribute."));
                }
                match value {
                    Value::Null => limits.remove(name),
                    other => {
                        let limit = other.as_i64().filter(|limit| *limit >= -1).ok_or_else(|| {
                            body::bad_value(name, other, "Value should be greater or equal to -1")
                        })?;
                        limits.insert(name.to_owned(), limit)
                    }
                };
            }
            quotas.insert((*project).to_owned(), limits);
            Ok(Reply::json(
                202,
                json!({"quota": render(quotas.get(*project), Some(project))}),
            ))
        }
        ("DELETE", [project]) => {
            quotas.remove(*project);
            Ok(Reply::empty(202))
        }
        _ => Err(no_such_page()),
    }
}
