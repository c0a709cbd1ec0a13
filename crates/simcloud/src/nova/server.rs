//! Servers: reading, renaming, deleting.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::model::{Server, State, Task};
use super::{
    Page, invalid, is_set, lifecycle, links, no_route, page, policy, refuse, require_member, resource,
    version,
};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::clock;
use crate::neutron;
use crate::pattern::regex_search;
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", []) => list(
            world,
            call,
            "servers",
            |_, _, id, server| json!({"id": id, "name": server.name, "links": links(call, &format!("servers/{id}"))}),
        ),
        ("GET", ["detail"]) => {
            let mut addresses = neutron::addresses_by_server(world);
            list(world, call, "servers/detail", |world, call, id, server| {
                let own = addresses.remove(id).unwrap_or_else(|| json!({}));
                render(world, call, id, server, own, false)
            })
        }
        ("GET", [id]) => {
            let server = find(world, call, id)?;
            let addresses = neutron::addresses(world, id);
            let body = render(world, call, id, server, addresses, true);
            Ok(Reply::json(200, json!({"server": body})))
        }
        ("PUT", [id]) => {
            require_member(call, "servers:update")?;
            let fields = resource(call, "server")?;
            let now_ms = world.now_ms;
            let server = find_mut(world, call, id)?;
            if let Some(name) = fields["name"].as_str() {
                let name = name.trim();
                server.name = if name.is_empty() {
                    return Err(invalid("name"));
                } else {
                    name.to_owned()
                };
            }
            if let Some(description) = fields["description"].as_str().filter(|_| version(call) >= 19) {
                server.description = Some(description.to_owned());
            }
            server.updated_ms = now_ms;
            let server = find(world, call, id)?;
            let addresses = neutron::addresses(world, id);
            let body = render(world, call, id, server, addresses, true);
            Ok(Reply::json(200, json!({"server": body})))
        }
        ("DELETE", [id]) => {
            require_member(call, "servers:delete")?;
            delete(world, call, id)
        }
        ("GET", [id, "ips"]) => {
            find(world, call, id)?;
            Ok(Reply::json(
                200,
                json!({"addresses": neutron::addresses(world, id)}),
            ))
        }
        ("GET", [id, "os-instance-actions"]) => {
            find(world, call, id)?;
            Ok(Reply::json(200, json!({"instanceActions": []})))
        }
        ("GET", [id, "os-security-groups"]) => {
            let server = find(world, call, id)?;
            let groups = world.neutron.security_groups.iter().filter(|(id, group)| {
                group.common.project_id == server.project_id
                    && (server.security_groups.contains(&group.common.name)
                        || server.security_groups.contains(id))
            });
            let groups: Vec<Value> = groups
                .map(|(id, group)| {
                    json!({"id": id, "name": group.common.name, "description": group.common.description,
                        "tenant_id": group.common.project_id, "rules": []})
                })
                .collect();
            Ok(Reply::json(200, json!({"security_groups": groups})))
        }
        _ => Err(no_route()),
    }
}

fn not_found(id: &str) -> Refusal {
    refuse(404, format!("Instance {id} could not be found."))
}

/// A server of the caller's project; administrators see all.
pub(super) fn find<'a>(world: &'a World, call: &Call, id: &str) -> Result<&'a Server, Refusal> {
    let server = world.nova.servers.get(id);
    let server = server.filter(|server| server.project_id == call.project() || call.caller.is_admin);
    server.ok_or_else(|| not_found(id))
}

/// As [`find`], to change it.
pub(super) fn find_mut<'a>(world: &'a mut World, call: &Call, id: &str) -> Result<&'a mut Server, Refusal> {
    let server = world.nova.servers.get_mut(id);
    let server = server.filter(|server| server.project_id == call.project() || call.caller.is_admin);
    server.ok_or_else(|| not_found(id))
}

fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    let delete_ms = world.pace.server_delete_ms;
    let now_ms = world.now_ms;
    let server = find_mut(world, call, id)?;
    if !server.is_deleting() {
        server.task = Some(Task::Deleting);
        server.updated_ms = now_ms;
        lifecycle::schedule(world, id, delete_ms);
    }
    Ok(Reply::empty(204))
}

fn list(
    world: &World,
    call: &Call,
    path: &str,
    mut show: impl FnMut(&World, &Call, &str, &Server) -> Value,
) -> Answer {
    let everyone = is_set(call, "all_tenants") || is_set(call, "all_projects");
    if everyone && !call.caller.is_admin {
        return Err(policy("servers:index:get_all_tenants"));
    }
    let mut found: Vec<(&str, &Server)> = world
        .nova
        .servers
        .iter()
        .filter(|(id, server)| {
            (everyone || server.project_id == call.project()) && asked_for(call, id, server)
        })
        .map(|(id, server)| (id.as_str(), server))
        .collect();
    // Nova's default order: the newest first.
    found.sort_by_key(|(_, server)| std::cmp::Reverse(server.sequence));
    match (call.query("sort_key"), call.query("sort_dir")) {
        (Some("display_name" | "name"), direction) => {
            found.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
            if direction != Some("asc") {
                found.reverse();
            }
        }
        (_, Some("asc")) => found.reverse(),
        _ => {}
    }
    let Page { items: servers, next } = page(call, path, found)?;
    let all: Vec<Value> = servers
        .into_iter()
        .map(|(id, server)| show(world, call, id, server))
        .collect();
    let mut body = json!({"servers": all});
    if let Some(next) = next {
        body["servers_links"] = next;
    }
    Ok(Reply::json(200, body))
}

fn asked_for(call: &Call, id: &str, server: &Server) -> bool {
    let minor = version(call);
    let tags = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    call.query.iter().all(|(name, value)| match name.as_str() {
        "name" => regex_search(value, &server.name),
        "status" => {
            let wanted = call.query.iter().filter(|(name, _)| name == "status");
            wanted
                .into_iter()
                .any(|(_, status)| status.eq_ignore_ascii_case(server.status()))
        }
        "uuid" => value == id,
        "tenant_id" | "project_id" => *value == server.project_id,
        "user_id" => *value == server.user_id,
        "flavor" => *value == server.flavor_id,
        "image" => server.image_id.as_deref() == Some(value),
        "key_name" => server.key_name.as_deref() == Some(value),
        "availability_zone" => *value == server.availability_zone,
        "vm_state" => value == vm_state(server),
        "tags" if minor >= 26 => tags(value).iter().all(|tag| server.tags.contains(tag)),
        "tags-any" if minor >= 26 => tags(value).iter().any(|tag| server.tags.contains(tag)),
        "not-tags" if minor >= 26 => !tags(value).iter().all(|tag| server.tags.contains(tag)),
        "not-tags-any" if minor >= 26 => !tags(value).iter().any(|tag| server.tags.contains(tag)),
        _ => true,
    })
}

pub(super) fn vm_state(server: &Server) -> &'static str {
    match server.state {
        State::Building => "building",
        State::Active => "active",
        State::Stopped => "stopped",
        State::Error => "error",
    }
}

fn task_state(server: &Server) -> Option<&'static str> {
    server.task.map(|task| match task {
        Task::Spawning => "spawning",
        Task::PoweringOff => "powering-off",
        Task::PoweringOn => "powering-on",
        Task::Rebooting => "rebooting",
        Task::RebootingHard => "rebooting_hard",
        Task::Deleting => "deleting",
    })
}

fn render(world: &World, call: &Call, id: &str, server: &Server, addresses: Value, alone: bool) -> Value {
    let minor = version(call);
    let image = match &server.image_id {
        Some(image) => {
            let href = format!("{}/compute/images/{image}", call.base);
            json!({"id": image, "links": [{"rel": "bookmark", "href": href}]})
        }
        None => json!(""),
    };
    let power_state = match server.state {
        State::Active => 1,
        State::Stopped => 4,
        State::Building | State::Error => 0,
    };
    let volumes: Vec<Value> = server
        .volumes
        .iter()
        .filter(|volume| volume.is_attached)
        .map(|volume| match minor >= 3 {
            true => json!({"id": volume.id, "delete_on_termination": volume.delete_on_termination}),
            false => json!({"id": volume.id}),
        })
        .collect();
    let groups = security_groups(world, id);
    let mut body = json!({
        "id": id, "name": server.name, "status": server.status(), "tenant_id": server.project_id,
        "user_id": server.user_id, "metadata": server.metadata, "hostId": host_id(server), "image": image,
        "flavor": flavor(call, server, minor), "created": clock::seconds(server.created_ms),
        "updated": clock::seconds(server.updated_ms), "addresses": addresses, "accessIPv4": "",
        "accessIPv6": "", "links": links(call, &format!("servers/{id}")), "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": server.availability_zone,
        "config_drive": if server.config_drive { "True" } else { "" }, "key_name": server.key_name,
        "OS-SRV-USG:launched_at": server.launched_ms.map(clock::naive_micros),
        "OS-SRV-USG:terminated_at": null, "OS-EXT-STS:task_state": task_state(server),
        "OS-EXT-STS:vm_state": vm_state(server), "OS-EXT-STS:power_state": power_state,
        "os-extended-volumes:volumes_attached": volumes,
    });
    if !groups.is_empty() {
        body["security_groups"] = json!(groups);
    }
    match (server.status(), &server.fault) {
        ("ERROR", Some(fault)) => {
            body["fault"] = json!({"code": fault.code, "message": fault.message,
                "created": clock::seconds(fault.created_ms)});
            if call.caller.is_admin {
                body["fault"]["details"] = json!("");
            }
        }
        ("ACTIVE" | "BUILD", _) => body["progress"] = json!(0),
        _ => {}
    }
    if call.caller.is_admin {
        body["OS-EXT-SRV-ATTR:host"] = json!(server.host);
        body["OS-EXT-SRV-ATTR:hypervisor_hostname"] = json!(server.host);
        body["OS-EXT-SRV-ATTR:instance_name"] = json!(format!("instance-{:08x}", server.sequence));
        if minor >= 3 {
            let root = server.volumes.iter().find(|volume| volume.is_root);
            let root = root.map_or("/dev/vda", |volume| volume.device.as_str());
            body["OS-EXT-SRV-ATTR:root_device_name"] = json!(root);
            body["OS-EXT-SRV-ATTR:user_data"] = json!(server.user_data.as_ref().map(|data| data.reveal()));
            body["OS-EXT-SRV-ATTR:launch_index"] = json!(0);
            body["OS-EXT-SRV-ATTR:kernel_id"] = json!("");
            body["OS-EXT-SRV-ATTR:ramdisk_id"] = json!("");
            body["OS-EXT-SRV-ATTR:reservation_id"] = json!(format!("r-{:08x}", server.sequence));
        }
    }
    if (minor >= 3 && call.caller.is_admin) || minor >= 90 {
        body["OS-EXT-SRV-ATTR:hostname"] = json!(server.name.to_ascii_lowercase());
    }
    let newer = [
        (9, "locked", json!(false)),
        (19, "description", json!(server.description)),
        (26, "tags", json!(server.tags)),
        (63, "trusted_image_certificates", Value::Null),
        (73, "locked_reason", Value::Null),
    ];
    for (since, field, value) in newer {
        if minor >= since {
            body[field] = value;
        }
    }
    if minor >= 71 && alone {
        let known = server
            .group_id
            .iter()
            .filter(|group| world.nova.server_groups.contains_key(*group));
        body["server_groups"] = json!(known.collect::<Vec<_>>());
    }
    body
}

/// Names of the groups that the server's ports are in; a server without ports is in none.
fn security_groups(world: &World, id: &str) -> Vec<Value> {
    let ports = neutron::compute::ports_of(&world.neutron, id);
    let ids: BTreeSet<&String> = ports.flat_map(|port| &port.security_groups).collect();
    let groups = ids
        .into_iter()
        .filter_map(|id| world.neutron.security_groups.get(id));
    groups.map(|group| json!({"name": group.common.name})).collect()
}

fn flavor(call: &Call, server: &Server, minor: u32) -> Value {
    let flavor = &server.flavor;
    if minor >= 47 {
        return json!({"original_name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram_mib,
            "disk": flavor.disk_gib, "ephemeral": 0, "swap": 0, "extra_specs": flavor.extra_specs});
    }
    let href = format!("{}/compute/flavors/{}", call.base, server.flavor_id);
    json!({"id": server.flavor_id, "links": [{"rel": "bookmark", "href": href}]})
}

/// Stands for the SHA-224 of project and host: the same for two servers of a project on one host, and telling
/// nothing else.
fn host_id(server: &Server) -> String {
    let never_on_a_host =
        matches!(server.state, State::Building | State::Error) && server.launched_ms.is_none();
    if never_on_a_host && !server.is_prepared {
        return String::new();
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut text = String::new();
    for salt in 0..4_u8 {
        for byte in server.project_id.bytes().chain(server.host.bytes()).chain([salt]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        text.push_str(&format!("{hash:016x}"));
    }
    text.truncate(56);
    text
}
