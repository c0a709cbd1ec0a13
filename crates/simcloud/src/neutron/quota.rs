//! Quotas: limits by project and what counts against them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Kind, Neutron, bad_request, forbidden, no_such_page};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// Neutron's own defaults; -1 is unlimited.
const DEFAULTS: &[(&str, i64)] = &[
    ("floatingip", 50),
    ("network", 100),
    ("port", 500),
    ("rbac_policy", 10),
    ("router", 10),
    ("router_route", 30),
    ("security_group", 10),
    ("security_group_rule", 100),
    ("subnet", 100),
    ("subnetpool", -1),
    ("trunk", -1),
];

/// Sets a project's limit of a resource such as `port`; -1 is unlimited. Holds from the next create on.
pub fn set_quota(world: &mut World, project: &str, resource: &str, limit: i64) {
    world
        .neutron
        .quotas
        .entry(project.to_owned())
        .or_default()
        .insert(resource.to_owned(), limit);
}

/// Makes the defaults unlimited; limits set for a project stay.
pub fn roomy(world: &mut World) {
    world.neutron.has_roomy_defaults = true;
}

impl Neutron {
    fn default_limit(&self, resource: &str) -> i64 {
        if self.has_roomy_defaults {
            return -1;
        }
        DEFAULTS
            .iter()
            .find(|(name, _)| *name == resource)
            .map_or(-1, |(_, limit)| *limit)
    }

    /// A project's limit of a resource such as `port`; -1 is unlimited.
    pub fn limit(&self, project: &str, resource: &str) -> i64 {
        self.quotas
            .get(project)
            .and_then(|limits| limits.get(resource))
            .copied()
            .unwrap_or_else(|| self.default_limit(resource))
    }

    /// Number of records of a kind that a project owns.
    pub fn used(&self, project: &str, kind: Kind) -> usize {
        self.commons(kind)
            .into_iter()
            .filter(|common| common.project_id == project)
            .count()
    }

    fn limits(&self, project: &str) -> BTreeMap<&'static str, i64> {
        DEFAULTS
            .iter()
            .map(|(name, _)| (*name, self.limit(project, name)))
            .collect()
    }
}

/// Refuses with 409 `OverQuota` when the project may not have `more` records of the kind.
pub(super) fn check(world: &World, project: &str, kind: Kind, more: usize) -> Result<(), Refusal> {
    let limit = world.neutron.limit(project, kind.singular());
    let Ok(limit) = usize::try_from(limit) else {
        return Ok(());
    };
    if world.neutron.used(project, kind) + more <= limit {
        return Ok(());
    }
    let message = format!("Quota exceeded for resources: ['{}'].", kind.singular());
    Err(Refusal::new(409, "OverQuota", message))
}

/// A limit cannot go below what is in use, unless by force.
fn check_lowered(world: &World, project: &str, limits: &[(&String, i64)]) -> Result<(), Refusal> {
    for (name, limit) in limits {
        let kind = Kind::ALL.into_iter().find(|kind| kind.singular() == *name);
        let used = kind.map_or(0, |kind| world.neutron.used(project, kind));
        if usize::try_from(*limit).is_ok_and(|limit| limit < used) {
            return Err(bad_request(format!(
                "Quota limit {limit} for {name} must be greater than or equal to already used {used}"
            )));
        }
    }
    Ok(())
}

pub(super) fn handle(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    let caller = &call.caller;
    if let Some(project) = rest
        .first()
        .filter(|first| !["tenant", "project"].contains(first))
    {
        let is_own = caller.project_id.as_deref() == Some(*project);
        if !(caller.is_admin || is_own && call.method == "GET") {
            let verb = if call.method == "GET" { "get" } else { "update" };
            return Err(forbidden(&format!("{verb}_quota"), None));
        }
    }
    match (call.method.as_str(), rest) {
        ("GET", []) if caller.is_admin => {
            let quotas: Vec<Value> = world
                .neutron
                .quotas
                .keys()
                .map(|project| {
                    let mut quota = json!(world.neutron.limits(project));
                    quota["project_id"] = json!(project);
                    quota["tenant_id"] = json!(project);
                    quota
                })
                .collect();
            Ok(Reply::json(200, json!({"quotas": quotas})))
        }
        ("GET", []) => Err(forbidden("get_quota", None)),
        ("GET", [word @ ("tenant" | "project")]) => Ok(Reply::json(
            200,
            json!({(*word): {"tenant_id": call.project(), "project_id": call.project()}}),
        )),
        ("GET", [project]) => Ok(Reply::json(200, json!({"quota": world.neutron.limits(project)}))),
        ("GET", [_, "default"]) => {
            let defaults: BTreeMap<&str, i64> = DEFAULTS
                .iter()
                .map(|(name, _)| (*name, world.neutron.default_limit(name)))
                .collect();
            Ok(Reply::json(200, json!({"quota": defaults})))
        }
        ("GET", [project, "details" | "details.json"]) => {
            let details: Map<String, Value> = world
                .neutron
                .limits(project)
                .into_iter()
                .map(|(name, limit)| {
                    let kind = Kind::ALL.into_iter().find(|kind| kind.singular() == name);
                    let used = kind.map_or(0, |kind| world.neutron.used(project, kind));
                    (
                        name.to_owned(),
                        json!({"limit": limit, "used": used, "reserved": 0}),
                    )
                })
                .collect();
            Ok(Reply::json(200, json!({"quota": details})))
        }
        ("PUT", [project]) => {
            let wanted = call.body["quota"]
                .as_object()
                .ok_or_else(|| bad_request("Unable to find 'quota' in request body"))?;
            let mut limits = Vec::new();
            for (name, value) in wanted {
                // Clients send these along with the limits.
                if ["tenant_id", "project_id", "force", "check_limit"].contains(&name.as_str()) {
                    continue;
                }
                if !DEFAULTS.iter().any(|(known, _)| known == name) {
                    return Err(bad_request(format!("Unrecognized attribute(s) '{name}'")));
                }
                let limit = value
                    .as_i64()
                    .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
                    .filter(|limit| *limit >= -1)
                    .ok_or_else(|| {
                        bad_request(format!(
                            "Invalid input for {name}. Reason: '{value}' is not a valid quota."
                        ))
                    })?;
                limits.push((name, limit));
            }
            if wanted.get("force") != Some(&json!(true)) {
                check_lowered(world, project, &limits)?;
            }
            for (name, limit) in limits {
                set_quota(world, project, name, limit);
            }
            Ok(Reply::json(200, json!({"quota": world.neutron.limits(project)})))
        }
        ("DELETE", [project]) => match world.neutron.quotas.remove(*project) {
            Some(_) => Ok(Reply::empty(204)),
            None => Err(Refusal::new(
                404,
                "TenantQuotaNotFound",
                format!("Quota for project {project} could not be found."),
            )),
        },
        _ => Err(no_such_page()),
    }
}
