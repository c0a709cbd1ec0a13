//! Which addresses a port gets: those asked for, or the first free ones of the pools.

use std::{collections::HashSet, net::Ipv4Addr};

use serde_json::Value;

use super::{
    Common, FixedIp, Kind, Neutron, Subnet,
    attrs::{invalid, is_uuid},
    invalid_input,
};
use crate::{call::Refusal, world::World};

/// Addresses of a subnet that ports hold.
pub(super) fn taken(neutron: &Neutron, subnet_id: &str) -> HashSet<Ipv4Addr> {
    neutron
        .ports
        .values()
        .flat_map(|port| &port.fixed_ips)
        .filter(|fixed| fixed.subnet_id == subnet_id)
        .map(|fixed| fixed.ip_address)
        .collect()
}

/// One free address of the network, from its subnets in order of age.
///
/// A network without subnets gives none. Refuses with 409 `IpAddressGenerationFailure` when the pools are empty.
pub(super) fn any_of_network(
    neutron: &Neutron,
    network_id: &str,
    device_owner: &str,
) -> Result<Option<FixedIp>, Refusal> {
    let all = subnets(neutron, network_id);
    let usable: Vec<&Subnet> = all
        .iter()
        .copied()
        .filter(|subnet| {
            subnet.service_types.is_empty() || subnet.service_types.iter().any(|t| t == device_owner)
        })
        .collect();
    if usable.is_empty() {
        return Ok(None);
    }
    usable
        .into_iter()
        .find_map(|subnet| first_free(neutron, subnet, &[]))
        .map(Some)
        .ok_or_else(|| exhausted(network_id))
}

fn subnets<'a>(neutron: &'a Neutron, network_id: &str) -> Vec<&'a Subnet> {
    let mut found: Vec<&Subnet> = neutron
        .subnets
        .values()
        .filter(|subnet| subnet.network_id == network_id)
        .collect();
    found.sort_by_key(|subnet| subnet.common.sequence);
    found
}

fn first_free(neutron: &Neutron, subnet: &Subnet, chosen: &[FixedIp]) -> Option<FixedIp> {
    let taken = taken(neutron, &subnet.common.id);
    subnet
        .allocation_pools
        .iter()
        .flat_map(super::AddressRange::addresses)
        .find(|address| {
            !taken.contains(address)
                && subnet.gateway_ip != Some(*address)
                && !chosen.iter().any(|fixed| fixed.ip_address == *address)
        })
        .map(|ip_address| FixedIp {
            subnet_id: subnet.common.id.clone(),
            ip_address,
        })
}

fn exhausted(network_id: &str) -> Refusal {
    Refusal::new(
        409,
        "IpAddressGenerationFailure",
        format!("No more IP addresses available on network {network_id}."),
    )
}

/// The addresses that a `fixed_ips` list asks for; `port_id` is the port that may keep what it holds.
///
/// Refuses with 404 an unknown subnet, with 400 what does not fit the network, with 409 a taken address.
pub(super) fn requested(
    neutron: &Neutron,
    network_id: &str,
    items: &[Value],
    port_id: Option<&str>,
) -> Result<Vec<FixedIp>, Refusal> {
    let held: &[FixedIp] = port_id
        .and_then(|id| neutron.ports.get(id))
        .map(|port| port.fixed_ips.as_slice())
        .unwrap_or_default();
    let mut chosen: Vec<FixedIp> = Vec::with_capacity(items.len());
    for item in items {
        let subnet_id = item["subnet_id"].as_str();
        if let Some(wrong) = subnet_id.filter(|id| !is_uuid(id)) {
            return Err(invalid("fixed_ips", &format!("'{wrong}' is not a valid UUID")));
        }
        let address = match item["ip_address"].as_str() {
            Some(text) => Some(
                text.parse::<Ipv4Addr>()
                    .map_err(|_| invalid("fixed_ips", &format!("'{text}' is not a valid IP address")))?,
            ),
            None => None,
        };
        let subnet = choose_subnet(neutron, network_id, subnet_id, address)?;
        let fixed = match address {
            Some(ip_address) => {
                if !held.iter().any(|fixed| fixed.ip_address == ip_address) {
                    check_free(neutron, &subnet.common.id, ip_address)?;
                }
                FixedIp {
                    subnet_id: subnet.common.id.clone(),
                    ip_address,
                }
            }
            None => held
                .iter()
                .find(|fixed| fixed.subnet_id == subnet.common.id && !chosen.contains(fixed))
                .cloned()
                .or_else(|| first_free(neutron, subnet, &chosen))
                .ok_or_else(|| exhausted(network_id))?,
        };
        if chosen.contains(&fixed) {
            let reason = format!("Duplicate IP address '{}'", fixed.ip_address);
            return Err(invalid("fixed_ips", &reason));
        }
        chosen.push(fixed);
    }
    Ok(chosen)
}

fn choose_subnet<'a>(
    neutron: &'a Neutron,
    network_id: &str,
    subnet_id: Option<&str>,
    address: Option<Ipv4Addr>,
) -> Result<&'a Subnet, Refusal> {
    let is_valid = |subnet: &Subnet, ip: Ipv4Addr| subnet.cidr.hosts().contains(ip);
    match (subnet_id, address) {
        (Some(id), _) => {
            let subnet = neutron
                .subnets
                .get(id)
                .ok_or_else(|| Kind::Subnet.not_found(id))?;
            if subnet.network_id != network_id {
                return Err(invalid_input(format!(
                    "Failed to create port on network {network_id}, because fixed_ips included invalid subnet {id}"
                )));
            }
            if let Some(ip) = address.filter(|ip| !is_valid(subnet, *ip)) {
                let message = format!("IP address {ip} is not a valid IP for the specified subnet.");
                return Err(Refusal::new(400, "InvalidIpForSubnet", message));
            }
            Ok(subnet)
        }
        (None, Some(ip)) => subnets(neutron, network_id)
            .into_iter()
            .find(|subnet| is_valid(subnet, ip))
            .ok_or_else(|| {
                let message = format!(
                    "IP address {ip} is not a valid IP for any of the subnets on the specified network."
                );
                Refusal::new(400, "InvalidIpForNetwork", message)
            }),
        (None, None) => Err(invalid_input("IP allocation requires subnet_id or ip_address")),
    }
}

/// Refuses with 409 `IpAddressAlreadyAllocated` when a port of the subnet holds the address.
pub(super) fn check_free(neutron: &Neutron, subnet_id: &str, address: Ipv4Addr) -> Result<(), Refusal> {
    let is_taken = neutron.ports.values().any(|port| {
        port.fixed_ips
            .iter()
            .any(|fixed| fixed.ip_address == address && fixed.subnet_id == subnet_id)
    });
    if !is_taken {
        return Ok(());
    }
    let message = format!("IP address {address} already allocated in subnet {subnet_id}");
    Err(Refusal::new(409, "IpAddressAlreadyAllocated", message))
}

/// A MAC address with Neutron's default prefix that no port has.
pub(super) fn new_mac(world: &mut World) -> String {
    loop {
        let [_, a, b, c] = world.rng.u32(..).to_be_bytes();
        let mac = format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}");
        if !world.neutron.ports.values().any(|port| port.mac_address == mac) {
            return mac;
        }
    }
}

/// The record that a port of the service itself starts from: no owner, no quota.
pub(super) fn service_common(world: &mut World) -> Common {
    Common::new(world, "")
}
