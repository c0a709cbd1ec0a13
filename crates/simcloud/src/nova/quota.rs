//! Limits of a project and what it uses of them.

use serde_json::{Map, Value, json};

use super::{no_route, policy, refuse, require_admin, resource, version};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

/// Resources and Nova's own default limits.
const DEFAULTS: [(&str, i64); 7] = [
    ("instances", 10),
    ("cores", 20),
    ("ram", 51_200),
    ("metadata_items", 128),
    ("key_pairs", 100),
    ("server_groups", 10),
    ("server_group_members", 10),
];

/// Lifts all defaults, for tests of thousands.
pub fn make_roomy(world: &mut World) {
    for (resource, limit) in DEFAULTS {
        let limit = if resource == "ram" {
            1_000_000_000
        } else {
            limit.max(100_000)
        };
        world.nova.default_quotas.insert(resource.to_owned(), limit);
    }
}

/// Sets default limits by resource name.
///
/// # Errors
/// A text when a resource is unknown or a limit is not a number of at least -1; nothing is changed then.
pub fn set_default_quotas(world: &mut World, limits: &Map<String, Value>) -> Result<(), String> {
    let limits = checked(limits)?;
    world.nova.default_quotas.extend(limits);
    Ok(())
}

fn checked(limits: &Map<String, Value>) -> Result<Vec<(String, i64)>, String> {
    let mut good = Vec::new();
    for (resource, limit) in limits {
        if !DEFAULTS.iter().any(|(known, _)| known == resource) {
            return Err(format!(
                "Additional properties are not allowed ('{resource}' was unexpected)"
            ));
        }
        let limit = limit.as_i64().filter(|limit| *limit >= -1);
        good.push((
            resource.clone(),
            limit.ok_or_else(|| format!("no limit for {resource}"))?,
        ));
    }
    Ok(good)
}

fn limit(world: &World, project: &str, resource: &str) -> i64 {
    let own = world
        .nova
        .quotas
        .get(project)
        .and_then(|limits| limits.get(resource));
    own.copied().unwrap_or_else(|| default_limit(world, resource))
}

fn default_limit(world: &World, resource: &str) -> i64 {
    let built_in = DEFAULTS
        .iter()
        .find(|(name, _)| *name == resource)
        .map_or(-1, |(_, limit)| *limit);
    world
        .nova
        .default_quotas
        .get(resource)
        .copied()
        .unwrap_or(built_in)
}

/// Instances, cores and memory in MiB in use.
fn used(world: &World, project: &str) -> [i64; 3] {
    let servers = world
        .nova
        .servers
        .values()
        .filter(|server| server.project_id == project);
    servers.fold([0, 0, 0], |[instances, cores, ram], server| {
        [
            instances + 1,
            cores + signed(server.flavor.vcpus),
            ram + signed(server.flavor.ram_mib),
        ]
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Checks the three quotas of new servers together and names all that are exceeded, as Nova does.
pub(super) fn check_servers(
    world: &World,
    project: &str,
    count: u64,
    vcpus: u64,
    ram_mib: u64,
) -> Result<(), Refusal> {
    let used = used(world, project);
    let [instances, cores, ram] = [count, count * vcpus, count * ram_mib].map(signed);
    let mut over: Vec<[String; 4]> = Vec::new();
    for (resource, requested, used) in [
        ("cores", cores, used[1]),
        ("instances", instances, used[0]),
        ("ram", ram, used[2]),
    ] {
        let limit = limit(world, project, resource);
        if limit >= 0 && used + requested > limit {
            over.push([
                resource.to_owned(),
                requested.to_string(),
                used.to_string(),
                limit.to_string(),
            ]);
        }
    }
    if over.is_empty() {
        return Ok(());
    }
    let [names, requested, used, allowed] = [0, 1, 2, 3].map(|column| {
        over.iter()
            .map(|row| row[column].as_str())
            .collect::<Vec<_>>()
            .join(", ")
    });
    let text = format!(
        "Quota exceeded for {names}: Requested {requested}, but already used {used} of {allowed} {names}"
    );
    Err(refuse(403, text))
}

/// Checks that one more of `resource` may be made.
pub(super) fn check_simple(
    world: &World,
    project: &str,
    resource: &str,
    used: usize,
    text: &str,
) -> Result<(), Refusal> {
    let limit = limit(world, project, resource);
    let used = i64::try_from(used).unwrap_or(i64::MAX);
    if limit >= 0 && used >= limit {
        Err(refuse(403, text))
    } else {
        Ok(())
    }
}

/// Checks the number of metadata items of one server.
pub(super) fn check_metadata(world: &World, project: &str, items: usize) -> Result<(), Refusal> {
    let limit = limit(world, project, "metadata_items");
    if limit >= 0 && i64::try_from(items).unwrap_or(i64::MAX) > limit {
        let text = format!("Maximum number of metadata items exceeds {limit}");
        return Err(refuse(403, text));
    }
    Ok(())
}

/// A limit cannot go below what is in use, unless by force.
fn check_lowered(world: &World, project: &str, limits: &[(String, i64)]) -> Result<(), Refusal> {
    let [instances, cores, ram] = used(world, project);
    for (resource, limit) in limits {
        let used = match resource.as_str() {
            "instances" => instances,
            "cores" => cores,
            "ram" => ram,
            _ => 0,
        };
        if *limit >= 0 && *limit < used {
            let text = format!(
                "Quota limit {limit} for {resource} must be greater than or equal to already used and reserved \
                 {used}."
            );
            return Err(refuse(400, text));
        }
    }
    Ok(())
}

/// GET /limits.
pub(super) fn limits(world: &World, call: &Call) -> Reply {
    let asked = call.query("tenant_id").filter(|_| call.caller.is_admin);
    let project = asked.unwrap_or(call.project());
    let [instances, cores, ram] = used(world, project);
    let groups = world
        .nova
        .server_groups
        .values()
        .filter(|group| group.project_id == project)
        .count();
    let limit = |resource| limit(world, project, resource);
    let mut absolute = json!({
        "maxTotalInstances": limit("instances"), "maxTotalCores": limit("cores"),
        "maxTotalRAMSize": limit("ram"), "maxServerMeta": limit("metadata_items"),
        "maxTotalKeypairs": limit("key_pairs"), "maxServerGroups": limit("server_groups"),
        "maxServerGroupMembers": limit("server_group_members"), "totalInstancesUsed": instances,
        "totalCoresUsed": cores, "totalRAMUsed": ram, "totalServerGroupsUsed": groups,
    });
    if version(call) < 39 {
        absolute["maxImageMeta"] = json!(limit("metadata_items"));
    }
    Reply::json(200, json!({"limits": {"rate": [], "absolute": absolute}}))
}

/// Quota sets: read one's own, administrators change any.
pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    let Some((&project, rest)) = path.split_first() else {
        return Err(no_route());
    };
    if method == "GET" && project != call.project() && !call.caller.is_admin {
        return Err(policy("os-quota-sets:show"));
    }
    match (method, rest) {
        ("GET", []) => Ok(Reply::json(
            200,
            json!({"quota_set": render(world, project, Some(project))}),
        )),
        ("GET", ["defaults"]) => {
            let mut set = Value::Object(Map::new());
            for (resource, _) in DEFAULTS {
                set[resource] = json!(default_limit(world, resource));
            }
            set["id"] = json!(project);
            Ok(Reply::json(200, json!({"quota_set": set})))
        }
        ("GET", ["detail"]) => {
            let [instances, cores, ram] = used(world, project);
            let mut set = json!({"id": project});
            for (resource, _) in DEFAULTS {
                let in_use = match resource {
                    "instances" => instances,
                    "cores" => cores,
                    "ram" => ram,
                    _ => 0,
                };
                let limit = limit(world, project, resource);
                set[resource] = json!({"limit": limit, "in_use": in_use, "reserved": 0});
            }
            Ok(Reply::json(200, json!({"quota_set": set})))
        }
        ("PUT", []) => {
            require_admin(call, "os-quota-sets:update")?;
            let mut limits = resource(call, "quota_set")?
                .as_object()
                .cloned()
                .unwrap_or_default();
            let is_forced = limits.remove("force").is_some_and(|force| force == true);
            let limits = checked(&limits).map_err(|text| refuse(400, text))?;
            if !is_forced {
                check_lowered(world, project, &limits)?;
            }
            world
                .nova
                .quotas
                .entry(project.to_owned())
                .or_default()
                .extend(limits);
            Ok(Reply::json(
                200,
                json!({"quota_set": render(world, project, None)}),
            ))
        }
        ("DELETE", []) => {
            require_admin(call, "os-quota-sets:delete")?;
            world.nova.quotas.remove(project);
            Ok(Reply::empty(202))
        }
        _ => Err(no_route()),
    }
}

fn render(world: &World, project: &str, id: Option<&str>) -> Value {
    let mut set = Value::Object(Map::new());
    for (resource, _) in DEFAULTS {
        set[resource] = json!(limit(world, project, resource));
    }
    if let Some(id) = id {
        set["id"] = json!(id);
    }
    set
}
