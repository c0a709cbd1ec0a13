//! The virtual address of a load balancer: which network, subnet, address and port.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{body::Attrs, invalid};
use crate::{
    call::{Call, Refusal},
    neutron::{FixedIp, Kind, compute},
    world::World,
};

/// Where a load balancer listens.
pub(super) struct Vip {
    pub(super) network_id: String,
    pub(super) subnet_id: String,
    pub(super) port_id: String,
    pub(super) address: Ipv4Addr,
    pub(super) owns_port: bool,
}

fn not_found(what: &str, id: &str) -> Refusal {
    Refusal::new(400, "InvalidSubresource", format!("{what} {id} not found."))
}

fn may_see(world: &World, call: &Call, kind: Kind, id: &str) -> bool {
    let neutron = &world.neutron;
    let is_own = neutron.common(kind, id).is_some_and(|common| {
        call.caller.is_admin || Some(&common.project_id) == call.caller.project_id.as_ref()
    });
    let network = match kind {
        Kind::Network => neutron.networks.get(id),
        Kind::Subnet => neutron
            .subnets
            .get(id)
            .and_then(|subnet| neutron.networks.get(&subnet.network_id)),
        _ => None,
    };
    is_own || network.is_some_and(|network| network.shared || network.is_external)
}

/// Takes the port named, or makes one on the subnet or network named.
///
/// Refuses with 400 what is missing or does not fit together, and as Neutron does when it refuses the port.
pub(super) fn allocate(
    world: &mut World,
    call: &Call,
    attrs: Attrs<'_>,
    load_balancer_id: &str,
    project: &str,
) -> Result<Vip, Refusal> {
    let address = match attrs.text("vip_address")? {
        Some(text) => Some(text.parse::<Ipv4Addr>().map_err(|_| {
            super::body::bad_value("vip_address", &json!(text), "Value should be IPv4 or IPv6 format")
        })?),
        None => None,
    };
    let subnet_id = attrs.uuid("vip_subnet_id")?;
    if let Some(port_id) = attrs.uuid("vip_port_id")? {
        return of_port(world, call, port_id, subnet_id, address);
    }
    let network_id = match (attrs.uuid("vip_network_id")?, subnet_id) {
        (Some(network), _) => {
            if !may_see(world, call, Kind::Network, network) {
                return Err(not_found("Network", network));
            }
            network.to_owned()
        }
        (None, Some(subnet)) => world
            .neutron
            .subnets
            .get(subnet)
            .filter(|_| may_see(world, call, Kind::Subnet, subnet))
            .map(|subnet| subnet.network_id.clone())
            .ok_or_else(|| not_found("Subnet", subnet))?,
        (None, None) => {
            return Err(invalid(
                "VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.",
            ));
        }
    };
    let mut on_network = world
        .neutron
        .subnets
        .values()
        .filter(|subnet| subnet.network_id == network_id)
        .peekable();
    if on_network.peek().is_none() {
        return Err(invalid("Supplied network does not contain a subnet."));
    }
    if let Some(subnet) = subnet_id
        && !on_network.any(|candidate| candidate.common.id == subnet)
    {
        return Err(invalid(
            "Supplied network does not contain a subnet for VIP address specified.",
        ));
    }
    let mut fixed = serde_json::Map::new();
    if let Some(subnet) = subnet_id {
        fixed.insert("subnet_id".into(), json!(subnet));
    }
    if let Some(address) = address {
        fixed.insert("ip_address".into(), json!(address));
    }
    let wanted = if fixed.is_empty() {
        Vec::new()
    } else {
        vec![Value::Object(fixed)]
    };
    let port = compute::create_vip_port(world, &network_id, load_balancer_id, project, &wanted)
        .map_err(|refusal| refused_by_networking(&refusal, subnet_id.is_some()))?;
    let Some(FixedIp {
        subnet_id,
        ip_address,
    }) = port.fixed_ips.first().cloned()
    else {
        return Err(invalid("Supplied network does not contain a subnet."));
    };
    Ok(Vip {
        network_id,
        subnet_id,
        port_id: port.common.id,
        address: ip_address,
        owns_port: true,
    })
}

/// What becomes of a refusal by Neutron.
fn refused_by_networking(refusal: &Refusal, has_subnet: bool) -> Refusal {
    match refusal.status {
        409 if !has_subnet && refusal.kind == "IpAddressGenerationFailure" => {
            invalid("Subnet(s) in the supplied network do not contain enough available IPs.")
        }
        409 => {
            let message = format!("The VIP IP address is already in use: {}", refusal.message);
            Refusal::new(409, "VIPInUse", message)
        }
        status => {
            let cause = if status == 404 {
                "NotFoundException"
            } else {
                "BadRequestException"
            };
            let message = format!("Provider 'amphora' reports error: {cause}: {status}");
            Refusal::new(500, "ProviderDriverError", message)
        }
    }
}

fn of_port(
    world: &World,
    call: &Call,
    port_id: &str,
    subnet_id: Option<&str>,
    address: Option<Ipv4Addr>,
) -> Result<Vip, Refusal> {
    let port = world
        .neutron
        .ports
        .get(port_id)
        .filter(|_| may_see(world, call, Kind::Port, port_id))
        .ok_or_else(|| not_found("Port", port_id))?;
    let fits = |fixed: &&FixedIp| {
        subnet_id.is_none_or(|subnet| fixed.subnet_id == subnet)
            && address.is_none_or(|address| fixed.ip_address == address)
    };
    let fixed = match (port.fixed_ips.as_slice(), subnet_id, address) {
        ([only], None, None) => only,
        (_, None, None) => {
            return Err(invalid(
                "VIP port's subnet could not be determined. Please specify either a VIP subnet or address.",
            ));
        }
        (all, _, _) => all.iter().find(fits).ok_or_else(|| {
            invalid(if address.is_some() {
                "Specified VIP address not found on the specified VIP port."
            } else {
                "No VIP address found on the specified VIP port within the specified subnet."
            })
        })?,
    };
    Ok(Vip {
        network_id: port.network_id.clone(),
        subnet_id: fixed.subnet_id.clone(),
        port_id: port_id.to_owned(),
        address: fixed.ip_address,
        owns_port: false,
    })
}
