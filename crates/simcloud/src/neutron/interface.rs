//! Router interfaces: `add_router_interface` and `remove_router_interface`.

use serde_json::json;

use super::{
    FixedIp, Kind, Neutron, Port, Subnet, address,
    attrs::{Attrs, is_uuid},
    port, quota,
};
use crate::{
    call::{Call, Refusal, Reply},
    world::World,
};

fn bad_router(message: impl std::fmt::Display) -> Refusal {
    Refusal::new(400, "BadRequest", format!("Bad router request: {message}."))
}

/// The `subnet_id` and `port_id` of the body.
fn named(call: &Call) -> Result<(Option<&str>, Option<&str>), Refusal> {
    let Some(attrs) = call.body.as_object().map(Attrs) else {
        return Err(bad_router("Either subnet_id or port_id must be specified"));
    };
    let uuid = |key: &str| match attrs.text(key)? {
        Some(text) if !is_uuid(text) => Err(bad_router(format!("'{text}' is not a valid UUID"))),
        other => Ok(other),
    };
    match (uuid("subnet_id")?, uuid("port_id")?) {
        (None, None) => Err(bad_router("Either subnet_id or port_id must be specified")),
        both => Ok(both),
    }
}

fn check_subnet(neutron: &Neutron, router_id: &str, subnet: &Subnet) -> Result<(), Refusal> {
    let id = &subnet.common.id;
    for port in neutron.interfaces_of(router_id) {
        for fixed in &port.fixed_ips {
            if fixed.subnet_id == *id {
                return Err(bad_router(format!("Router already has a port on subnet {id}")));
            }
            if let Some(other) = neutron.subnets.get(&fixed.subnet_id)
                && other.cidr.overlaps(&subnet.cidr)
            {
                return Err(bad_router(format!(
                    "Cidr {} of subnet {id} overlaps with cidr {} of subnet {}",
                    subnet.cidr, other.cidr, other.common.id
                )));
            }
        }
    }
    Ok(())
}

pub(super) fn add(world: &mut World, call: &Call, router_id: &str) -> Result<Reply, Refusal> {
    let port_id = match named(call)? {
        (Some(_), Some(_)) => return Err(bad_router("Cannot specify both subnet-id and port-id")),
        (Some(subnet_id), None) => add_subnet(world, call, router_id, subnet_id)?,
        (None, port_id) => {
            let port_id = port_id.unwrap_or_default();
            add_port(world, call, router_id, port_id)?;
            port_id.to_owned()
        }
    };
    Ok(info(&world.neutron, router_id, &port_id, None))
}

fn add_subnet(world: &mut World, call: &Call, router_id: &str, subnet_id: &str) -> Result<String, Refusal> {
    super::visible(world, call, Kind::Subnet, subnet_id)?;
    let neutron = &world.neutron;
    let subnet = neutron
        .subnets
        .get(subnet_id)
        .ok_or_else(|| Kind::Subnet.not_found(subnet_id))?;
    let Some(gateway_ip) = subnet.gateway_ip else {
        return Err(bad_router("Subnet for router interface must have a gateway IP"));
    };
    check_subnet(neutron, router_id, subnet)?;
    address::check_free(neutron, subnet_id, gateway_ip)?;
    let network_id = subnet.network_id.clone();
    let project = neutron
        .routers
        .get(router_id)
        .map(|router| router.common.project_id.clone())
        .unwrap_or_default();
    quota::check(world, &project, Kind::Port, 1)?;
    let mut port = Port::of_service(world, &network_id, port::INTERFACE, router_id);
    port.common.project_id = project;
    port.fixed_ips = vec![FixedIp {
        subnet_id: subnet_id.to_owned(),
        ip_address: gateway_ip,
    }];
    let id = port.common.id.clone();
    world.neutron.ports.insert(id.clone(), port);
    Ok(id)
}

fn add_port(world: &mut World, call: &Call, router_id: &str, port_id: &str) -> Result<(), Refusal> {
    super::visible(world, call, Kind::Port, port_id)?;
    let neutron = &world.neutron;
    let port = neutron
        .ports
        .get(port_id)
        .ok_or_else(|| Kind::Port.not_found(port_id))?;
    if !port.device_id.is_empty() {
        let message = format!(
            "Unable to complete operation on port {port_id} for network {}. Port already has an attached device {}.",
            port.network_id, port.device_id
        );
        return Err(Refusal::new(409, "PortInUse", message));
    }
    if port.fixed_ips.is_empty() {
        return Err(bad_router("Router port must have at least one fixed IP"));
    }
    for fixed in &port.fixed_ips {
        if let Some(subnet) = neutron.subnets.get(&fixed.subnet_id) {
            check_subnet(neutron, router_id, subnet)?;
        }
    }
    if let Some(port) = world.neutron.ports.get_mut(port_id) {
        port.device_id = router_id.to_owned();
        port.device_owner = port::INTERFACE.to_owned();
        port.status = "ACTIVE".to_owned();
        port.security_groups.clear();
        port.port_security_enabled = false;
    }
    Ok(())
}

pub(super) fn remove(world: &mut World, call: &Call, router_id: &str) -> Result<Reply, Refusal> {
    let (subnet_id, port_id) = named(call)?;
    let neutron = &world.neutron;
    let mut interfaces = neutron.interfaces_of(router_id).into_iter();
    let holds = |port: &Port, subnet: &str| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet);
    let port = match (port_id, subnet_id) {
        (Some(id), _) => interfaces.find(|port| port.common.id == id).ok_or_else(|| {
            let message = format!("Router {router_id} does not have an interface with id {id}");
            Refusal::new(404, "RouterInterfaceNotFound", message)
        })?,
        (None, subnet) => {
            let subnet = subnet.unwrap_or_default();
            super::visible(world, call, Kind::Subnet, subnet)?;
            interfaces.find(|port| holds(port, subnet)).ok_or_else(|| {
                let message = format!("Router {router_id} has no interface on subnet {subnet}");
                Refusal::new(404, "RouterInterfaceNotFoundForSubnet", message)
            })?
        }
    };
    if let Some(subnet) = subnet_id.filter(|subnet| !holds(port, subnet)) {
        let message = format!(
            "Subnet on port {} does not match the requested subnet {subnet}.",
            port.common.id
        );
        return Err(Refusal::new(400, "SubnetMismatchForPort", message));
    }
    check_unused(neutron, router_id, port)?;
    let id = port.common.id.clone();
    let reply = info(neutron, router_id, &id, subnet_id);
    port::remove(world, &id);
    Ok(reply)
}

/// An interface stays while a floating IP or a static route needs it.
fn check_unused(neutron: &Neutron, router_id: &str, port: &Port) -> Result<(), Refusal> {
    for fixed in &port.fixed_ips {
        let subnet = &fixed.subnet_id;
        let serves_floating = neutron
            .floating_ips
            .values()
            .filter(|fip| fip.router_id.as_deref() == Some(router_id))
            .filter_map(|fip| neutron.ports.get(fip.port_id.as_deref()?))
            .any(|inner| inner.fixed_ips.iter().any(|fixed| fixed.subnet_id == *subnet));
        if serves_floating {
            let message = format!(
                "Router interface for subnet {subnet} on router {router_id} cannot be deleted, as it is required by \
                 one or more floating IPs."
            );
            return Err(Refusal::new(409, "RouterInterfaceInUseByFloatingIP", message));
        }
        let serves_route = neutron.routers.get(router_id).is_some_and(|router| {
            router.routes.iter().any(|route| {
                let hop = route.nexthop.parse().ok();
                hop.is_some_and(|hop| {
                    neutron
                        .subnets
                        .get(subnet)
                        .is_some_and(|subnet| subnet.cidr.contains(hop))
                })
            })
        });
        if serves_route {
            let message = format!(
                "Router interface for subnet {subnet} on router {router_id} cannot be deleted, as it is required by \
                 one or more routes."
            );
            return Err(Refusal::new(409, "RouterInterfaceInUseByRoute", message));
        }
    }
    Ok(())
}

fn info(neutron: &Neutron, router_id: &str, port_id: &str, subnet_id: Option<&str>) -> Reply {
    let router = neutron.routers.get(router_id);
    let port = neutron.ports.get(port_id);
    let subnets: Vec<&str> = port
        .iter()
        .flat_map(|port| &port.fixed_ips)
        .map(|fixed| fixed.subnet_id.as_str())
        .collect();
    let project = router.map(|router| &router.common.project_id);
    Reply::json(
        200,
        json!({
            "id": router_id,

            "project_id": project,
            "port_id": port_id,
            "network_id": port.map(|port| &port.network_id),
            "subnet_id": subnet_id.or(subnets.first().copied()),
            "subnet_ids": subnets,

        }),
    )
}
