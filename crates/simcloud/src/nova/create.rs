//! POST /servers: makes the servers of a checked request, with their ports and volumes.
//!
//! A refused request leaves nothing behind.

use serde_json::{Value, json};

use super::block_device::{self, Device, Source};
use super::model::{Fate, Server, ServerVolume, State, Task};
use super::plan::{Nic, Plan, plan, security_group_names};
use super::{host, lifecycle, links, quota, refuse, require_member};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::secret::Secret;
use crate::world::World;
use crate::{cinder, neutron};

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
                    _ => refuse(400, format!("Port id {port} could not be found.")),
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
