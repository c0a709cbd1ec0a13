//! Real nodes: from the state of the services to the topology of machines and networks, and back.
//!
//! One background task does all of it, so that at most one topology is applied at a time and requests that come
//! meanwhile share the next one. The services never wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeroboam_simnodes::Machines;
use jeroboam_simnodes::topology::{
    FloatingIp, Leg, Network, Port, Router, Server, ServerState, Subnet, Topology, Volume,
};
use tokio_util::sync::CancellationToken;

use crate::nova::{self, Observed, State, Task};
use crate::simcloud::Shared;
use crate::world::World;

mod balancer;
mod firewall;

/// The world also moves without calls: volumes become available, deletions end.
const PULSE: Duration = Duration::from_millis(50);
/// Pause after a topology that could not be applied as a whole.
const RETRY: Duration = Duration::from_millis(500);

/// Keeps the machines as the world wants them until `cancel` fires.
pub(crate) async fn run(shared: Arc<Shared>, machines: Arc<Machines>, cancel: CancellationToken) {
    let mut changes = machines.changes();
    let mut applied = Topology::default();
    let mut is_complete = true;
    let mut volumes: BTreeSet<String> = BTreeSet::new();
    loop {
        let states = machines.server_states();
        let (wanted, present) = shared.with_world_unannounced(|world| {
            take_over(world, &states, &applied);
            (
                topology(world),
                world.cinder.volumes.keys().cloned().collect::<BTreeSet<_>>(),
            )
        });
        for gone in volumes.difference(&present) {
            machines.forget_volume(gone);
        }
        volumes = present;
        if wanted != applied || !is_complete {
            is_complete = match machines.apply(&wanted).await {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "cannot bring machines and networks to what is wanted; trying again");
                    tokio::time::sleep(RETRY).await;
                    false
                }
            };
            applied = wanted;
            continue;
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = shared.changed.notified() => {}
            _ = changes.changed() => {}
            () = tokio::time::sleep(PULSE) => {}
        }
    }
}

/// Tells Nova what became of its machines. States are believed only when they are about what is wanted now: else
/// a machine that has yet to reboot would count as rebooted.
fn take_over(world: &mut World, states: &BTreeMap<String, ServerState>, applied: &Topology) {
    world.nova.machines = states.keys().cloned().collect();
    for (id, state) in states {
        let wanted = world
            .nova
            .servers
            .get(id)
            .and_then(|server| machine(world, server));
        if wanted.is_none() || wanted.as_ref() != applied.servers.get(id) {
            continue;
        }
        let observed = match state {
            ServerState::Building => continue,
            ServerState::Running => Observed::Running,
            ServerState::Stopped => Observed::Stopped,
            ServerState::Failed(reason) => Observed::Failed(reason.clone()),
        };
        nova::observe(world, id, observed);
    }
}

/// Everything that should exist for the world as it is.
pub(crate) fn topology(world: &World) -> Topology {
    let servers = world.nova.servers.iter();
    let servers: BTreeMap<String, Server> = servers
        .filter_map(|(id, server)| Some((id.clone(), machine(world, server)?)))
        .collect();
    let ports = ports(world, &servers);
    Topology {
        networks: networks(world),
        routers: routers(world),
        ports,
        floating_ips: floating_ips(world),
        servers,
        load_balancers: balancer::load_balancers(world),
    }
}

/// The machine of a server; `None` for one that has none: still without its volumes, failed, or being deleted.
fn machine(world: &World, server: &nova::Server) -> Option<Server> {
    if !server.is_prepared || server.is_deleting() || server.state == State::Error {
        return None;
    }
    let running = match (server.state, server.task) {
        (_, Some(Task::PoweringOff)) => false,
        (State::Stopped, task) => task == Some(Task::PoweringOn),
        _ => true,
    };
    let data = server
        .volumes
        .iter()
        .filter(|volume| volume.is_attached && !volume.is_root);
    let mut volumes: Vec<Volume> = data
        .filter_map(|volume| {
            let size_gib = world.cinder.volumes.get(&volume.id)?.size_gib;
            Some(Volume {
                id: volume.id.clone(),
                size_gib,
                device: volume.device.clone(),
            })
        })
        .collect();
    volumes.sort_by(|one, other| one.device.cmp(&other.device));
    Some(Server {
        name: server.name.clone(),
        running,
        boot: server.boot,
        user_data: server
            .user_data
            .as_ref()
            .and_then(|data| STANDARD.decode(data.reveal()).ok()),
        public_key: server.public_key.clone(),
        metadata: server.metadata.clone(),
        memory_mib: server.flavor.ram_mib,
        volumes,
    })
}

fn networks(world: &World) -> BTreeMap<String, Network> {
    let subnets = |network_id: &String| {
        let own = world
            .neutron
            .subnets
            .values()
            .filter(|subnet| subnet.network_id == *network_id);
        own.map(|subnet| Subnet {
            address: subnet.cidr.network(),
            prefix_len: subnet.cidr.prefix_len(),
            gateway: subnet.gateway_ip,
            dns: subnet
                .dns_nameservers
                .iter()
                .filter_map(|server| server.parse().ok())
                .collect(),
        })
        .collect()
    };
    let networks = world.neutron.networks.iter();
    networks
        .map(|(id, network)| {
            (
                id.clone(),
                Network {
                    external: network.is_external,
                    subnets: subnets(id),
                },
            )
        })
        .collect()
}

/// Prefix length of the subnet that an address is in.
fn prefix_len(world: &World, subnet_id: &str) -> u8 {
    world
        .neutron
        .subnets
        .get(subnet_id)
        .map_or(32, |subnet| subnet.cidr.prefix_len())
}

fn routers(world: &World) -> BTreeMap<String, Router> {
    let leg = |network: &str, fixed: &crate::neutron::FixedIp| Leg {
        network: network.to_owned(),
        address: fixed.ip_address,
        prefix_len: prefix_len(world, &fixed.subnet_id),
    };
    let build = |id: &String, router: &crate::neutron::Router| {
        let gateway = router.external_gateway.as_ref();
        let gateway = gateway.and_then(|out| Some(leg(&out.network_id, out.external_fixed_ips.first()?)));
        let inside = world
            .neutron
            .ports
            .values()
            .filter(|port| port.device_id == *id && port.device_owner == "network:router_interface");
        let legs = inside.flat_map(|port| port.fixed_ips.iter().map(|fixed| leg(&port.network_id, fixed)));
        let routes = router.routes.iter();
        let routes =
            routes.filter_map(|route| Some((route.destination.clone(), route.nexthop.parse().ok()?)));
        Router {
            gateway,
            legs: legs.collect(),
            routes: routes.collect(),
        }
    };
    let up = world
        .neutron
        .routers
        .iter()
        .filter(|(_, router)| router.admin_state_up);
    up.map(|(id, router)| (id.clone(), build(id, router))).collect()
}

fn ports(world: &World, servers: &BTreeMap<String, Server>) -> BTreeMap<String, Port> {
    let plugged = world
        .neutron
        .ports
        .values()
        .filter(|port| servers.contains_key(&port.device_id));
    plugged
        .map(|port| {
            let fixed = port.fixed_ips.iter();
            let built = Port {
                network: port.network_id.clone(),
                server: port.device_id.clone(),
                mac: port.mac_address.clone(),
                fixed_ips: fixed
                    .map(|ip| (ip.ip_address, prefix_len(world, &ip.subnet_id)))
                    .collect(),
                allowed_address_pairs: port
                    .allowed_address_pairs
                    .iter()
                    .map(|pair| pair.ip_address.clone())
                    .collect(),
                rules: port.port_security_enabled.then(|| firewall::rules(world, port)),
            };
            (port.common.id.clone(), built)
        })
        .collect()
}

fn floating_ips(world: &World) -> BTreeMap<String, FloatingIp> {
    let build = |floating: &crate::neutron::FloatingIp| {
        let fixed: Ipv4Addr = floating.fixed_ip_address?;
        let router = floating.router_id.clone()?;
        Some(FloatingIp {
            address: floating.floating_ip_address,
            fixed,
            router,
        })
    };
    let all = world.neutron.floating_ips.iter();
    all.filter_map(|(id, floating)| Some((id.clone(), build(floating)?)))
        .collect()
}

#[cfg(test)]
mod tests;
