//! What the compute and load-balancing services ask of networking.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Common, FixedIp, Kind, Neutron, Port, address, port, quota, security};
use crate::{call::Refusal, world::World};

/// Device owner of a server's port in the availability zone `nova`.
const COMPUTE: &str = "compute:nova";

/// Makes a port for a server on a network and binds it; it goes when the server goes. Returns its id.
///
/// `security_groups` are ids or names; empty means the project's default group. Refuses with 404 an unknown
/// network or group, with 409 a full network or a full quota.
pub fn create_port_for_server(
    world: &mut World,
    network_id: &str,
    server_id: &str,
    project: &str,
    security_groups: &[String],
) -> Result<String, Refusal> {
    let Some(network) = world.neutron.networks.get(network_id) else {
        return Err(Kind::Network.not_found(network_id));
    };
    let port_security_enabled = network.port_security_enabled;
    quota::check(world, project, Kind::Port, 1)?;
    let fixed_ips: Vec<FixedIp> = address::any_of_network(&world.neutron, network_id, COMPUTE)?
        .into_iter()
        .collect();
    let groups = if !port_security_enabled || fixed_ips.is_empty() {
        Vec::new()
    } else if security_groups.is_empty() {
        vec![security::ensure_default(world, project)]
    } else {
        security::ensure_default(world, project);
        find_groups(&world.neutron, project, security_groups)?
    };
    let port = Port {
        common: Common::new(world, project),
        fixed_ips,
        security_groups: groups,
        port_security_enabled,
        is_made_by_compute: true,
        host_id: "simcloud".into(),
        ..Port::of_service(world, network_id, COMPUTE, server_id)
    };
    let id = port.common.id.clone();
    world.neutron.ports.insert(id.clone(), port);
    Ok(id)
}

fn find_groups(neutron: &Neutron, project: &str, wanted: &[String]) -> Result<Vec<String>, Refusal> {
    let mut ids: Vec<String> = Vec::with_capacity(wanted.len());
    for name in wanted {
        let found = neutron.security_groups.values().find(|group| {
            group.common.project_id == project && (group.common.id == *name || group.common.name == *name)
        });
        let Some(group) = found else {
            return Err(Kind::SecurityGroup.not_found(name));
        };
        if !ids.contains(&group.common.id) {
            ids.push(group.common.id.clone());
        }
    }
    Ok(ids)
}

/// Gives an existing port to a server. Refuses with 404 an unknown port or another project's, with 400 one in use.
///
/// An empty `project` stands for an administrator.
pub fn bind_port(world: &mut World, port_id: &str, server_id: &str, project: &str) -> Result<(), Refusal> {
    let now_ms = world.now_ms;
    let Some(port) = world.neutron.ports.get_mut(port_id) else {
        return Err(Kind::Port.not_found(port_id));
    };
    if !project.is_empty() && port.common.project_id != project {
        return Err(Kind::Port.not_found(port_id));
    }
    if !port.device_id.is_empty() && port.device_id != server_id {
        return Err(Refusal::new(
            400,
            "PortInUse",
            format!("Port {port_id} is still in use."),
        ));
    }
    port.device_id = server_id.to_owned();
    port.device_owner = COMPUTE.to_owned();
    port.host_id = "simcloud".to_owned();
    port.status = "ACTIVE".to_owned();
    port.common.touch(now_ms);
    Ok(())
}

/// Deletes the ports that compute made for a server and frees the others.
pub fn unbind_ports(world: &mut World, server_id: &str) {
    let ids: Vec<String> = ports_of(&world.neutron, server_id)
        .map(|port| port.common.id.clone())
        .collect();
    for id in ids {
        unbind_port(world, &id);
    }
}

/// Takes one port from its server: deletes it when compute made it, else frees it.
pub fn unbind_port(world: &mut World, port_id: &str) {
    let now_ms = world.now_ms;
    match world.neutron.ports.get_mut(port_id) {
        Some(port) if port.is_made_by_compute => port::remove(world, port_id),
        Some(port) => {
            port.device_id.clear();
            port.device_owner.clear();
            port.host_id.clear();
            port.status = "DOWN".to_owned();
            port.common.touch(now_ms);
        }
        None => {}
    }
}

/// The ports of a server.
pub fn ports_of<'a>(neutron: &'a Neutron, server_id: &'a str) -> impl Iterator<Item = &'a Port> {
    neutron
        .ports
        .values()
        .filter(move |port| port.device_id == server_id && !server_id.is_empty())
}

/// Nova's `addresses` of a server: network name to addresses, fixed and floating.
pub fn addresses(world: &World, server_id: &str) -> Value {
    let mut ports: Vec<&Port> = ports_of(&world.neutron, server_id).collect();
    ports.sort_by_key(|port| port.common.sequence);
    Value::Object(render(&world.neutron, &ports))
}

/// [`addresses`] of all servers at once, for lists: one pass instead of one for each server.
pub fn addresses_by_server(world: &World) -> BTreeMap<String, Value> {
    let mut by_server: BTreeMap<&str, Vec<&Port>> = BTreeMap::new();
    for port in world
        .neutron
        .ports
        .values()
        .filter(|port| port.device_owner.starts_with("compute:"))
    {
        by_server.entry(&port.device_id).or_default().push(port);
    }
    by_server
        .into_iter()
        .map(|(server, mut ports)| {
            ports.sort_by_key(|port| port.common.sequence);
            (server.to_owned(), Value::Object(render(&world.neutron, &ports)))
        })
        .collect()
}

fn render(neutron: &Neutron, ports: &[&Port]) -> Map<String, Value> {
    let mut networks: Map<String, Value> = Map::new();
    for port in ports {
        let Some(network) = neutron.networks.get(&port.network_id) else {
            continue;
        };
        let mut found: Vec<Value> = Vec::new();
        let entry = |address: std::net::Ipv4Addr, kind: &str| {
            json!({"version": 4, "addr": address, "OS-EXT-IPS:type": kind,
                "OS-EXT-IPS-MAC:mac_addr": port.mac_address})
        };
        for fixed in &port.fixed_ips {
            found.push(entry(fixed.ip_address, "fixed"));
            let floating = neutron.floating_ips.values().filter(|fip| {
                fip.port_id.as_deref() == Some(port.common.id.as_str())
                    && fip.fixed_ip_address == Some(fixed.ip_address)
            });
            found.extend(floating.map(|fip| entry(fip.floating_ip_address, "floating")));
        }
        if found.is_empty() {
            continue;
        }
        match networks
            .entry(network.common.name.clone())
            .or_insert_with(|| json!([]))
        {
            Value::Array(all) => all.extend(found),
            _ => continue,
        }
    }
    networks
}

/// Makes the port of a load balancer's virtual address, as Octavia does. Returns it.
///
/// `fixed` are the items of a `fixed_ips` list; empty means any address of the network.
pub(crate) fn create_vip_port(
    world: &mut World,
    network_id: &str,
    load_balancer_id: &str,
    project: &str,
    fixed: &[Value],
) -> Result<Port, Refusal> {
    if !world.neutron.networks.contains_key(network_id) {
        return Err(Kind::Network.not_found(network_id));
    }
    quota::check(world, project, Kind::Port, 1)?;
    let fixed_ips = if fixed.is_empty() {
        address::any_of_network(&world.neutron, network_id, VIP_OWNER)?
            .into_iter()
            .collect()
    } else {
        address::requested(&world.neutron, network_id, fixed, None)?
    };
    let common = Common {
        name: format!("octavia-lb-{load_balancer_id}"),
        ..Common::new(world, project)
    };
    let port = Port {
        common,
        fixed_ips,
        status: "DOWN".into(),
        ..Port::of_service(world, network_id, VIP_OWNER, &format!("lb-{load_balancer_id}"))
    };
    world.neutron.ports.insert(port.common.id.clone(), port.clone());
    Ok(port)
}

/// Device owner of a load balancer's port.
pub(crate) const VIP_OWNER: &str = "Octavia";
