//! Server groups.

use serde_json::{Value, json};

use super::model::ServerGroup;
use super::{invalid, is_set, no_route, quota, refuse, require_admin, require_member, resource, version};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", []) => {
            let everyone = is_set(call, "all_projects");
            if everyone {
                require_admin(call, "os-server-groups:index:all_projects")?;
            }
            let mut groups: Vec<_> = world
                .nova
                .server_groups
                .iter()
                .filter(|(_, group)| everyone || group.project_id == call.project())
                .collect();
            groups.sort_by_key(|(_, group)| group.sequence);
            let all: Vec<Value> = groups
                .into_iter()
                .map(|(id, group)| render(world, call, id, group))
                .collect();
            Ok(Reply::json(200, json!({"server_groups": all})))
        }
        ("POST", []) => create(world, call),
        ("GET", [id]) => {
            let group = find(world, call, id)?;
            Ok(Reply::json(
                200,
                json!({"server_group": render(world, call, id, group)}),
            ))
        }
        ("DELETE", [id]) => {
            require_member(call, "os-server-groups:delete")?;
            find(world, call, id)?;
            world.nova.server_groups.remove(*id);
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}

/// A group that the caller may see.
pub(super) fn find<'a>(world: &'a World, call: &Call, id: &str) -> Result<&'a ServerGroup, Refusal> {
    let group = world.nova.server_groups.get(id);
    let group = group.filter(|group| group.project_id == call.project() || call.caller.is_admin);
    group.ok_or_else(|| refuse(404, format!("Instance group {id} could not be found.")))
}

/// Ids of the servers in a group.
pub(super) fn members<'a>(world: &'a World, id: &str) -> Vec<&'a str> {
    let servers = world.nova.servers.iter();
    servers
        .filter(|(_, server)| server.group_id.as_deref() == Some(id))
        .map(|(id, _)| id.as_str())
        .collect()
}

fn render(world: &World, call: &Call, id: &str, group: &ServerGroup) -> Value {
    let mut body = json!({"id": id, "name": group.name, "members": members(world, id)});
    if version(call) >= 64 {
        body["policy"] = json!(group.policy);
        body["rules"] = json!({});
    } else {
        body["policies"] = json!([group.policy]);
        body["metadata"] = json!({});
    }
    if version(call) >= 13 {
        body["project_id"] = json!(group.project_id);
        body["user_id"] = json!(group.user_id);
    }
    body
}

fn create(world: &mut World, call: &Call) -> Answer {
    require_member(call, "os-server-groups:create")?;
    let fields = resource(call, "server_group")?;
    let name = fields["name"]
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| invalid("name"))?;
    let (field, policy) = if version(call) >= 64 {
        ("policy", &fields["policy"])
    } else {
        ("policies", &fields["policies"][0])
    };
    let known = match policy.as_str() {
        Some("affinity" | "anti-affinity") => true,
        Some("soft-affinity" | "soft-anti-affinity") => version(call) >= 15,
        _ => false,
    };
    if policy.is_null() {
        return Err(refuse(400, format!("'{field}' is a required property")));
    }
    let policy = policy.as_str().filter(|_| known).ok_or_else(|| invalid(field))?;
    let own = world
        .nova
        .server_groups
        .values()
        .filter(|group| group.project_id == call.project());
    let text = "Quota exceeded, too many server groups.";
    quota::check_simple(world, call.project(), "server_groups", own.count(), text)?;
    world.nova.sequence += 1;
    let group = ServerGroup {
        name: name.to_owned(),
        policy: policy.to_owned(),
        project_id: call.project().to_owned(),
        user_id: call.caller.user_id.clone(),
        sequence: world.nova.sequence,
    };
    let id = world.uuid();
    let body = json!({"server_group": render(world, call, &id, &group)});
    world.nova.server_groups.insert(id, group);
    Ok(Reply::json(200, body))
}
