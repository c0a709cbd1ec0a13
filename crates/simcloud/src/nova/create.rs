//! POST /servers: checks everything first, then makes the servers with their ports and volumes.
//!
//! A refused request leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::block_device::{self, Device, Disks, Source};
use super::model::{Fate, Flavor, Server, ServerVolume, State, Task};
use super::{
    flavor, host, invalid, keypair, lifecycle, links, metadata, quota, refuse, require_member, resource,
    server_group, version,
};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::secret::Secret;
use crate::world::World;
use crate::{cinder, glance, neutron};

/// Longest user-data in base64, in bytes.
const USER_DATA_LIMIT: usize = 65_535;

/// One network interface of a request.
#[derive(Clone, Debug)]
enum Nic {
    Port(String),
    Network(String, Option<Ipv4Addr>),
}

/// A request that may be carried out.
struct Plan {
    name: String,
    description: Option<String>,
    flavor_id: String,
    flavor: Flavor,
    disks: Disks,
    nics: Vec<Nic>,
    key: Option<(String, String)>,
    user_data: Option<String>,
    metadata: BTreeMap<String, String>,
    tags: BTreeSet<String>,
    security_groups: Vec<String>,
    config_drive: bool,
    group_id: Option<String>,
    count: u64,
}

pub(super) fn handle(world: &mut World, call: &Call) -> Answer {
    require_member(call, "servers:create")?;
    let plan = plan(world, call)?;
    quota::check_servers(
        world,
        call.project(),
        plan.count,
        plan.flavor.vcpus,
        plan.flavor.ram_mib,
    )?;
    let mut made = Vec::new();
    for number in 0..plan.count {
        match make(world, call, &plan, number) {
            Ok(id) => made.push(id),
            Err(refusal) => {
                for id in made {
                    lifecycle::remove(world, &id);
                }
                return Err(refusal);
            }
        }
    }
    let first = made.first().cloned().unwrap_or_default();
    let groups: Vec<Value> = security_group_names(&plan)
        .iter()
        .map(|name| json!({"name": name}))
        .collect();
    let body = json!({"server": {"id": first, "links": links(call, &format!("servers/{first}")),
        "OS-DCF:diskConfig": "MANUAL", "security_groups": groups, "adminPass": world.rng_text(12)}});
    let location = format!("{}/compute/v2.1/servers/{first}", call.base);
    Ok(Reply::json(202, body).with_header("location", location))
}

fn plan(world: &World, call: &Call) -> Result<Plan, Refusal> {
    let fields = resource(call, "server")?;
    let name = fields["name"]
        .as_str()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let name = name
        .filter(|name| name.chars().count() <= 255)
        .ok_or_else(|| invalid("name"))?
        .to_owned();
    let flavor_id = match &fields["flavorRef"] {
        Value::String(id) => id.rsplit('/').next().unwrap_or_default().to_owned(),
        Value::Number(id) => id.to_string(),
        _ => return Err(refuse(400, "'flavorRef' is a required property")),
    };
    let disks = block_device::parse(fields)?;
    let flavor = flavor::visible(world, call, &flavor_id);
    let flavor = flavor
        .ok_or_else(|| refuse(400, format!("Flavor {flavor_id} could not be found.")))?
        .clone();
    check_disks(world, call, &disks, &flavor)?;
    let key = match fields["key_name"].as_str() {
        None => None,
        Some(name) => {
            let found = keypair::find(world, &call.caller.user_id, name);
            let found = found.map_err(|_| refuse(400, "Invalid key_name provided."))?;
            Some((name.to_owned(), found.public_key.clone()))
        }
    };
    let hints = [
        &call.body["os:scheduler_hints"],
        &call.body["OS-SCH-HNT:scheduler_hints"],
    ];
    let group_id = hints
        .iter()
        .find_map(|hints| hints["group"].as_str())
        .map(str::to_owned);
    if let Some(id) = &group_id {
        server_group::find(world, call, id).map_err(|refusal| refuse(400, refusal.message))?;
        let members = server_group::members(world, id).len();
        let text = "Quota exceeded, too many servers in group";
        quota::check_simple(world, call.project(), "server_group_members", members, text)?;
    }
    if fields["availability_zone"]
        .as_str()
        .is_some_and(|zone| zone.split(':').next() != Some(host::ZONE))
    {
        return Err(refuse(400, "The requested availability zone is not available"));
    }
    let tags = match &fields["tags"] {
        Value::Null => BTreeSet::new(),
        _ if version(call) < 52 => {
            return Err(refuse(
                400,
                "Additional properties are not allowed ('tags' was unexpected)",
            ));
        }
        tags => metadata::parse_tags(tags)?,
    };
    Ok(Plan {
        name,
        description: fields["description"].as_str().map(str::to_owned),
        flavor_id,
        flavor,
        nics: nics(world, call, &fields["networks"])?,
        disks,
        key,
        user_data: user_data(&fields["user_data"])?,
        metadata: metadata::parse(&fields["metadata"])?,
        tags,
        security_groups: security_groups(&fields["security_groups"])?,
        config_drive: matches!(&fields["config_drive"], Value::Bool(true))
            || fields["config_drive"]
                .as_str()
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        group_id,
        count: count(fields)?,
    })
}

fn count(fields: &Value) -> Result<u64, Refusal> {
    let number = |name: &str| match &fields[name] {
        Value::Null => Ok(1),
        Value::String(text) => text.parse::<u64>().map_err(|_| invalid(name)),
        other => other.as_u64().ok_or_else(|| invalid(name)),
    };
    let least = number("min_count")?;
    let most = if fields["max_count"].is_null() {
        least
    } else {
        number("max_count")?
    };
    if least == 0 || most == 0 {
        return Err(invalid("min_count"));
    }
    if least > most {
        Err(refuse(400, "min_count must be <= max_count"))
    } else {
        Ok(most)
    }
}

fn security_groups(value: &Value) -> Result<Vec<String>, Refusal> {
    let groups = value.as_array().into_iter().flatten();
    groups
        .map(|group| {
            group["name"]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| invalid("security_groups"))
        })
        .collect()
}

fn security_group_names(plan: &Plan) -> Vec<String> {
    if plan.security_groups.is_empty() {
        vec!["default".to_owned()]
    } else {
        plan.security_groups.clone()
    }
}

fn user_data(value: &Value) -> Result<Option<String>, Refusal> {
    let Some(text) = value.as_str() else {
        return if value.is_null() {
            Ok(None)
        } else {
            Err(invalid("user_data"))
        };
    };
    if text.len() > USER_DATA_LIMIT {
        return Err(refuse(
            400,
            "Invalid input for field/attribute user_data. The value is too long",
        ));
    }
    let packed: String = text.split_whitespace().collect();
    match STANDARD.decode(&packed) {
        Ok(_) => Ok(Some(packed)),
        Err(_) => Err(refuse(400, "User data needs to be valid base 64.")),
    }
}

fn check_disks(world: &World, call: &Call, disks: &Disks, flavor: &Flavor) -> Result<(), Refusal> {
    const GIB: u64 = 1 << 30;
    let from_volumes = disks.volumes.iter().filter_map(|device| match &device.source {
        Source::Image(id) => Some((id, device.size_gib)),
        _ => None,
    });
    let local = disks.image_id.iter().map(|id| (id, flavor.disk_gib));
    for (id, room_gib) in local.chain(from_volumes) {
        let image = glance::visible(world, call.project(), call.caller.is_admin, id);
        let image = image.ok_or_else(|| refuse(400, "Can not find requested image"))?;
        if image.status != "active" {
            return Err(refuse(400, format!("Image {id} is not active.")));
        }
        if image.min_ram_mib > flavor.ram_mib {
            return Err(refuse(400, "Flavor's memory is too small for requested image."));
        }
        if image.min_disk_gib > room_gib {
            let text = format!(
                "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {} \
                 bytes, minimum size is {} bytes.",
                room_gib * GIB,
                image.min_disk_gib * GIB
            );
            return Err(refuse(400, text));
        }
        if image.size_bytes > room_gib * GIB {
            let text = format!(
                "Flavor's disk is too small for requested image. Flavor disk is {} bytes, image is {} bytes.",
                room_gib * GIB,
                image.size_bytes
            );
            return Err(refuse(400, text));
        }
    }
    for device in &disks.volumes {
        if let Source::Volume(id) = &device.source
            && cinder::status(world, id).is_none_or(|status| status != "available")
        {
            return Err(refuse(
                400,
                format!("Block Device Mapping is Invalid: failed to get volume {id}."),
            ));
        }
    }
    Ok(())
}

fn nics(world: &World, call: &Call, networks: &Value) -> Result<Vec<Nic>, Refusal> {
    let auto = || {
        let own = |network: &&neutron::Network| {
            !network.is_external && (network.shared || network.common.project_id == call.project())
        };
        let found: Vec<_> = world.neutron.networks.values().filter(own).collect();
        match found.as_slice() {
            [] if networks.is_null() => Ok(Vec::new()),
            [] => {
                let text = format!(
                    "Unable to automatically allocate a network for project {}",
                    call.project()
                );
                Err(refuse(400, text))
            }
            [only] => Ok(vec![Nic::Network(only.common.id.clone(), None)]),
            _ => Err(refuse(
                409,
                "Multiple possible networks found, use a Network ID to be more specific.",
            )),
        }
    };
    match networks {
        Value::Null if version(call) >= 37 => Err(refuse(400, "'networks' is a required property")),
        Value::Null => auto(),
        Value::String(word) if word == "auto" => auto(),
        Value::String(word) if word == "none" => Ok(Vec::new()),
        Value::Array(all) => all.iter().map(|one| nic(world, call, one)).collect(),
        _ => Err(invalid("networks")),
    }
}

fn nic(world: &World, call: &Call, one: &Value) -> Result<Nic, Refusal> {
    if let Some(port) = one["port"].as_str() {
        return Ok(Nic::Port(port.to_owned()));
    }
    let id = one["uuid"].as_str().ok_or_else(|| invalid("networks/0"))?;
    let missing = || refuse(400, format!("Network {id} could not be found."));
    let network = world.neutron.networks.get(id).ok_or_else(missing)?;
    let own = network.common.project_id == call.project() || call.caller.is_admin;
    if network.is_external && !own && !network.shared {
        return Err(refuse(
            403,
            format!("It is not allowed to create an interface on external network {id}"),
        ));
    }
    if !own && !network.shared {
        return Err(missing());
    }
    let fixed = match one["fixed_ip"].as_str() {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| invalid("fixed_ip"))?),
    };
    Ok(Nic::Network(id.to_owned(), fixed))
}

/// Makes one server, or nothing.
fn make(world: &mut World, call: &Call, plan: &Plan, number: u64) -> Result<String, Refusal> {
    let id = world.uuid();
    world.nova.sequence += 1;
    let sequence = world.nova.sequence;
    let place = usize::try_from(sequence).unwrap_or_default();
    let server = Server {
        name: if plan.count == 1 {
            plan.name.clone()
        } else {
            format!("{}-{}", plan.name, number + 1)
        },
        description: plan.description.clone(),
        project_id: call.project().to_owned(),
        user_id: call.caller.user_id.clone(),
        image_id: plan.disks.image_id.clone(),
        flavor_id: plan.flavor_id.clone(),
        flavor: plan.flavor.clone(),
        key_name: plan.key.as_ref().map(|(name, _)| name.clone()),
        public_key: plan.key.as_ref().map(|(_, key)| key.clone()),
        metadata: plan.metadata.clone(),
        tags: plan.tags.clone(),
        user_data: plan.user_data.clone().map(Secret::new),
        config_drive: plan.config_drive,
        availability_zone: host::ZONE.to_owned(),
        host: host::host_name(place),
        security_groups: security_group_names(plan),
        group_id: plan.group_id.clone(),
        volumes: Vec::new(),
        state: State::Building,
        task: Some(Task::Spawning),
        fate: Fate::Healthy,
        fault: None,
        is_prepared: false,
        boot: 0,
        created_ms: world.now_ms,
        updated_ms: world.now_ms,
        launched_ms: None,
        sequence,
    };
    world.nova.servers.insert(id.clone(), server);
    let equipped = plan
        .nics
        .iter()
        .try_for_each(|nic| plug(world, call, plan, &id, nic))
        .and_then(|()| {
            plan.disks
                .volumes
                .iter()
                .try_for_each(|device| connect(world, call, &id, device))
        });
    if let Err(refusal) = equipped {
        lifecycle::remove(world, &id);
        return Err(refusal);
    }
    let build_ms = if world.real_nodes {
        0
    } else {
        world.pace.server_build_ms
    };
    lifecycle::schedule(world, &id, build_ms);
    Ok(id)
}

fn plug(world: &mut World, call: &Call, plan: &Plan, server_id: &str, nic: &Nic) -> Result<(), Refusal> {
    match nic {
        Nic::Port(port) => {
            let project = if call.caller.is_admin { "" } else { call.project() };
            neutron::bind_port(world, port, server_id, project).map_err(|refusal| {
                match refusal.kind.as_str() {
                    "PortInUse" => refuse(409, refusal.message),
                    _ => refuse(400, format!("Port {port} could not be found.")),
                }
            })
        }
        Nic::Network(network, fixed) => {
            let groups = &plan.security_groups;
            let made = neutron::create_port_for_server(world, network, server_id, call.project(), groups);
            let port = made.map_err(|refusal| match refusal.kind.as_str() {
                "OverQuota" => refuse(403, "Maximum number of ports exceeded"),
                "SecurityGroupNotFound" => refuse(400, refusal.message),
                _ => refuse(400, refusal.message),
            })?;
            let port = world.neutron.ports.get_mut(&port);
            if let (Some(address), Some(first)) = (fixed, port.and_then(|port| port.fixed_ips.first_mut())) {
                first.ip_address = *address;
            }
            Ok(())
        }
    }
}

/// Attaches an existing volume, or starts to make a new one.
fn connect(world: &mut World, call: &Call, server_id: &str, device: &Device) -> Result<(), Refusal> {
    let taken: Vec<String> = match world.nova.servers.get(server_id) {
        Some(server) => server
            .volumes
            .iter()
            .map(|volume| volume.device.clone())
            .collect(),
        None => Vec::new(),
    };
    let name = device.name.clone().filter(|name| !taken.contains(name));
    let name = name.unwrap_or_else(|| block_device::free_device(&taken, device.is_root));
    let kind = device.volume_type.as_deref();
    let (id, is_attached) = match &device.source {
        Source::Volume(id) => {
            let project = if call.caller.is_admin { "" } else { call.project() };
            cinder::attach(world, id, server_id, &name, project)
                .map_err(|refusal| refuse(400, refusal.message))?;
            (id.clone(), true)
        }
        Source::Image(image) => (
            cinder::create_from_image(world, device.size_gib, image, kind, call.project())?,
            false,
        ),
        Source::Blank => {
            let id = cinder::create_from_image(world, device.size_gib, "", kind, call.project())?;
            if let Some(volume) = world.cinder.volumes.get_mut(&id) {
                volume.image_id = None;
                volume.is_bootable = false;
            }
            (id, false)
        }
    };
    if let Some(server) = world.nova.servers.get_mut(server_id) {
        server.volumes.push(ServerVolume {
            id,
            device: name,
            is_root: device.is_root,
            delete_on_termination: device.delete_on_termination,
            is_attached,
        });
    }
    Ok(())
}
