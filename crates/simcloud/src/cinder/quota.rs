//! Quotas and limits.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Cinder, bad_request, body, forbidden, no_such_page};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// Cinder's own defaults; -1 is unlimited.
const DEFAULTS: &[(&str, i64)] = &[
    ("volumes", 10),
    ("gigabytes", 1000),
    ("snapshots", 10),
    ("backups", 10),
    ("backup_gigabytes", 1000),
    ("groups", 10),
    ("per_volume_gigabytes", -1),
];

/// Sets a project's limit of `volumes` or `gigabytes`; -1 is unlimited. Holds from the next create on.
pub fn set_quota(world: &mut World, project: &str, resource: &str, limit: i64) {
    world
        .cinder
        .quotas
        .entry(project.to_owned())
        .or_default()
        .insert(resource.to_owned(), limit);
}

/// Makes the defaults unlimited; limits set for a project stay.
pub fn roomy(world: &mut World) {
    world.cinder.has_roomy_defaults = true;
}

/// What a request would add.
pub(super) struct Wanted {
    pub(super) volumes: u64,
    pub(super) gigabytes: u64,
}

impl Cinder {
    fn default_limit(&self, resource: &str) -> i64 {
        if self.has_roomy_defaults {
            return -1;
        }
        DEFAULTS
            .iter()
            .find(|(name, _)| *name == resource)
            .map_or(-1, |(_, limit)| *limit)
    }

    /// A project's limit of a resource such as `gigabytes`; -1 is unlimited.
    pub fn limit(&self, project: &str, resource: &str) -> i64 {
        self.quotas
            .get(project)
            .and_then(|limits| limits.get(resource))
            .copied()
            .unwrap_or_else(|| self.default_limit(resource))
    }

    /// Number of volumes of a project, and their size.
    fn used(&self, project: &str) -> (u64, u64) {
        let volumes = self
            .volumes
            .values()
            .filter(|volume| volume.project_id == project);
        volumes.fold((0, 0), |(count, size), volume| {
            (count + 1, size + volume.size_gib)
        })
    }

    fn used_of(&self, project: &str, resource: &str) -> u64 {
        match resource {
            "volumes" => self.used(project).0,
            "gigabytes" => self.used(project).1,
            _ => 0,
        }
    }
}

/// Refuses with 413 what would go past the project's limits.
pub(super) fn check(world: &World, project: &str, wanted: Wanted) -> Result<(), Refusal> {
    let cinder = &world.cinder;
    let (volumes, gigabytes) = cinder.used(project);
    let past = |resource: &str, total: u64| {
        u64::try_from(cinder.limit(project, resource))
            .ok()
            .filter(|limit| total > *limit)
    };
    if let Some(limit) = past("gigabytes", gigabytes + wanted.gigabytes) {
        let message = format!(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested \
             {}G, quota is {limit}G and {gigabytes}G has been consumed.",
            wanted.gigabytes
        );
        return Err(Refusal::new(413, "VolumeSizeExceedsAvailableQuota", message));
    }
    if let Some(limit) = past("volumes", volumes + wanted.volumes) {
        let message = format!(
            "VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota 'volumes'."
        );
        return Err(Refusal::new(413, "VolumeLimitExceeded", message));
    }
    Ok(())
}

/// A quota set; the answer to a change leaves the id out.
fn render(cinder: &Cinder, project: &str, has_usage: bool) -> Value {
    let mut quota = Map::from_iter([("id".to_owned(), json!(project))]);
    for (name, _) in DEFAULTS {
        let limit = cinder.limit(project, name);
        let value = if has_usage {
            json!({"limit": limit, "in_use": cinder.used_of(project, name), "reserved": 0})
        } else {
            json!(limit)
        };
        quota.insert((*name).to_owned(), value);
    }
    for volume_type in cinder.types.values() {
        for resource in ["volumes", "gigabytes", "snapshots"] {
            let value = if has_usage {
                json!({"limit": -1, "in_use": 0, "reserved": 0})
            } else {
                json!(-1)
            };
            quota.insert(format!("{resource}_{}", volume_type.name), value);
        }
    }
    json!({"quota_set": quota})
}

pub(super) fn handle(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    let Some(project) = rest.first() else {
        return Err(no_such_page());
    };
    let is_own = call.caller.project_id.as_deref() == Some(*project);
    if !(call.caller.is_admin || is_own && call.method == "GET") {
        let verb = if call.method == "GET" { "show" } else { "update" };
        return Err(forbidden(&format!("volume_extension:quotas:{verb}")));
    }
    match (call.method.as_str(), rest) {
        ("GET", [_]) => {
            let has_usage = call
                .query("usage")
                .is_some_and(|text| text.eq_ignore_ascii_case("true"));
            Ok(Reply::json(200, render(&world.cinder, project, has_usage)))
        }
        ("GET", [_, "defaults"]) => {
            let mut quota: BTreeMap<&str, Value> = DEFAULTS
                .iter()
                .map(|(name, _)| (*name, json!(world.cinder.default_limit(name))))
                .collect();
            quota.insert("id", json!(project));
            Ok(Reply::json(200, json!({"quota_set": quota})))
        }
        ("PUT", [_]) => {
            let body = body::object(call, "quota_set")?;
            let mut limits = Vec::new();
            for name in body
                .keys()
                .filter(|name| *name != "tenant_id" && *name != "skip_validation")
            {
                if !DEFAULTS.iter().any(|(known, _)| known == name) {
                    return Err(bad_request(format!("Bad key(s) in quota set: {name}")));
                }
                if let Some(limit) = body::number(body, name, -1)? {
                    limits.push((name.clone(), limit));
                }
            }
            for (name, limit) in limits {
                set_quota(world, project, &name, limit);
            }
            let mut body = render(&world.cinder, project, false);
            if let Some(set) = body["quota_set"].as_object_mut() {
                set.remove("id");
            }
            Ok(Reply::json(200, body))
        }
        ("DELETE", [_]) => {
            world.cinder.quotas.remove(*project);
            Ok(Reply::empty(200))
        }
        _ => Err(no_such_page()),
    }
}

/// `GET /limits`
pub(super) fn limits(world: &World, project: &str) -> Reply {
    let cinder = &world.cinder;
    let (volumes, gigabytes) = cinder.used(project);
    Reply::json(
        200,
        json!({"limits": {"rate": [], "absolute": {
            "maxTotalVolumes": cinder.limit(project, "volumes"),
            "maxTotalVolumeGigabytes": cinder.limit(project, "gigabytes"),
            "maxTotalSnapshots": cinder.limit(project, "snapshots"),
            "maxTotalBackups": cinder.limit(project, "backups"),
            "maxTotalBackupGigabytes": cinder.limit(project, "backup_gigabytes"),
            "totalVolumesUsed": volumes,
            "totalGigabytesUsed": gigabytes,
            "totalSnapshotsUsed": 0,
            "totalBackupsUsed": 0,
            "totalBackupGigabytesUsed": 0,
        }}}),
    )
}
