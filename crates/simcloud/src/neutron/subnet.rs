//! Subnets: IPv4 prefixes of a network, with the pools from which ports get their addresses.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    AddressRange, Cidr, Common, Kind, Neutron,
    attrs::{Attrs, invalid, missing},
    forbidden, invalid_input, merged, port,
};
use crate::{
    call::{Call, Refusal},
    world::World,
};

/// A static route, of a subnet's hosts or of a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Prefix that it leads to.
    pub destination: String,
    /// Next hop.
    pub nexthop: String,
}

/// An IPv4 subnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subnet {
    /// Id, owner, name and so on.
    pub common: Common,
    /// Network that it belongs to.
    pub network_id: String,
    /// Its prefix.
    pub cidr: Cidr,
    /// Address that a router's interface gets; `None` when hosts get no default route.
    pub gateway_ip: Option<Ipv4Addr>,
    /// Ranges from which addresses are chosen.
    pub allocation_pools: Vec<AddressRange>,
    /// Name servers told to hosts.
    pub dns_nameservers: Vec<String>,
    /// Routes told to hosts.
    pub host_routes: Vec<Route>,
    /// True when hosts get their configuration by DHCP.
    pub enable_dhcp: bool,
    /// Device owners that it is reserved for; empty means all.
    pub service_types: Vec<String>,
}

impl Subnet {
    pub(super) fn render(&self, neutron: &Neutron) -> Value {
        let network = neutron.networks.get(&self.network_id);
        merged(
            self.common.render(),
            json!({
                "network_id": self.network_id,
                "cidr": self.cidr,
                "ip_version": 4,
                "gateway_ip": self.gateway_ip,
                "allocation_pools": self.allocation_pools,
                "dns_nameservers": self.dns_nameservers,
                "host_routes": self.host_routes,
                "enable_dhcp": self.enable_dhcp,
                "service_types": self.service_types,
                "subnetpool_id": null,
                "ipv6_ra_mode": null,
                "ipv6_address_mode": null,
                "router:external": network.is_some_and(|network| network.is_external),
            }),
        )
    }
}

pub(super) fn create(
    world: &mut World,
    call: &Call,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    let network_id = attrs.required_uuid("network_id")?;
    super::visible(world, call, Kind::Network, network_id)?;
    if !world.neutron.is_owner(Kind::Network, network_id, &call.caller) {
        return Err(forbidden("create_subnet", None));
    }
    let cidr = check_cidr(world, network_id, attrs)?;
    let gateway_ip = if attrs.get("gateway_ip").is_some_and(Value::is_null) {
        None
    } else {
        Some(check_gateway(attrs, cidr)?.unwrap_or(cidr.hosts().start))
    };
    let allocation_pools = match check_pools(attrs, cidr, gateway_ip)? {
        Some(pools) => pools,
        None => match gateway_ip {
            Some(gateway) => cidr.hosts().without(gateway),
            None => vec![cidr.hosts()],
        },
    };
    let mut subnet = Subnet {
        network_id: network_id.to_owned(),
        cidr,
        gateway_ip,
        allocation_pools,
        dns_nameservers: check_nameservers(attrs)?.unwrap_or_default(),
        host_routes: routes(attrs, "host_routes")?.unwrap_or_default(),
        enable_dhcp: attrs.flag("enable_dhcp")?.unwrap_or(true),
        service_types: attrs.texts("service_types")?.unwrap_or_default(),
        common: Common::of(world, project, attrs)?,
    };
    // Neutron counts the changes of subnets, floating IPs and rules from zero, and a subnet's also as its network's.
    subnet.common.revision_number = 0;
    let id = subnet.common.id.clone();
    let now_ms = world.now_ms;
    if let Some(network) = world.neutron.networks.get_mut(network_id) {
        network.common.touch(now_ms);
    }
    world.neutron.subnets.insert(id.clone(), subnet);
    Ok(id)
}

fn check_cidr(world: &World, network_id: &str, attrs: Attrs<'_>) -> Result<Cidr, Refusal> {
    let version = attrs
        .integer("ip_version")?
        .ok_or_else(|| missing("ip_version"))?;
    if attrs.is_set("subnetpool_id") {
        let id = attrs.text("subnetpool_id")?.unwrap_or_default();
        return Err(Refusal::new(
            404,
            "SubnetPoolNotFound",
            format!("Subnet pool {id} could not be found."),
        ));
    }
    let text = attrs.text("cidr")?.ok_or_else(|| {
        Refusal::new(
            400,
            "BadRequest",
            "Bad subnets request: a subnetpool must be specified in the absence of a cidr.",
        )
    })?;
    if version != 4 || text.contains(':') {
        return Err(invalid_input("this cloud has IPv4 subnets only"));
    }
    let cidr = Cidr::parse(text).filter(|_| text.contains('/'));
    let cidr = cidr.ok_or_else(|| invalid_input(format!("{text} is not in a CIDR format")))?;
    if cidr.prefix_len() == 0 {
        return Err(invalid_input("0 is not allowed as CIDR prefix length"));
    }
    let mut siblings = world
        .neutron
        .subnets
        .values()
        .filter(|subnet| subnet.network_id == network_id);
    if siblings.any(|subnet| subnet.cidr.overlaps(&cidr)) {
        return Err(invalid_input(format!(
            "Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet"
        )));
    }
    Ok(cidr)
}

fn check_gateway(attrs: Attrs<'_>, cidr: Cidr) -> Result<Option<Ipv4Addr>, Refusal> {
    let Some(text) = attrs.text("gateway_ip")? else {
        return Ok(None);
    };
    let gateway: Ipv4Addr = text
        .parse()
        .map_err(|_| invalid("gateway_ip", &format!("'{text}' is not a valid IP address")))?;
    let is_usable = !cidr.contains(gateway) || cidr.hosts().contains(gateway);
    if is_usable {
        Ok(Some(gateway))
    } else {
        Err(invalid_input("Gateway is not valid on subnet"))
    }
}

fn check_pools(
    attrs: Attrs<'_>,
    cidr: Cidr,
    gateway_ip: Option<Ipv4Addr>,
) -> Result<Option<Vec<AddressRange>>, Refusal> {
    let Some(items) = attrs.list("allocation_pools")? else {
        return Ok(None);
    };
    let mut pools: Vec<AddressRange> = Vec::with_capacity(items.len());
    for item in items {
        let pool: AddressRange = serde_json::from_value(item.clone())
            .map_err(|_| invalid("allocation_pools", &format!("'{item}' is not a valid IP address")))?;
        if pool.start > pool.end {
            let message = format!(
                "The allocation pool {{'start': '{}', 'end': '{}'}} is not valid.",
                pool.start, pool.end
            );
            return Err(Refusal::new(400, "InvalidAllocationPool", message));
        }
        if !cidr.hosts().contains(pool.start) || !cidr.hosts().contains(pool.end) {
            let message = format!("The allocation pool {pool} spans beyond the subnet cidr {cidr}.");
            return Err(Refusal::new(400, "OutOfBoundsAllocationPool", message));
        }
        if let Some(other) = pools
            .iter()
            .find(|other| other.contains(pool.start) || pool.contains(other.start))
        {
            let message = format!("Found overlapping allocation pools: {other} {pool} for subnet {cidr}.");
            return Err(Refusal::new(409, "OverlappingAllocationPools", message));
        }
        if let Some(gateway) = gateway_ip.filter(|gateway| pool.contains(*gateway)) {
            let message = format!("Gateway ip {gateway} conflicts with allocation pool {pool}.");
            return Err(Refusal::new(409, "GatewayConflictWithAllocationPools", message));
        }
        pools.push(pool);
    }
    Ok(Some(pools))
}

fn check_nameservers(attrs: Attrs<'_>) -> Result<Option<Vec<String>>, Refusal> {
    let Some(servers) = attrs.texts("dns_nameservers")? else {
        return Ok(None);
    };
    if let Some(wrong) = servers
        .iter()
        .find(|text| text.parse::<std::net::IpAddr>().is_err())
    {
        let reason = format!("'{wrong}' is not a valid nameserver. '{wrong}' is not a valid IP address");
        return Err(invalid("dns_nameservers", &reason));
    }
    Ok(Some(servers))
}

/// Reads a list of routes.
pub(super) fn routes(attrs: Attrs<'_>, key: &str) -> Result<Option<Vec<Route>>, Refusal> {
    let Some(items) = attrs.list(key)? else {
        return Ok(None);
    };
    let mut routes = Vec::with_capacity(items.len());
    for item in items {
        let route: Route = serde_json::from_value(item.clone())
            .map_err(|_| invalid(key, &format!("Invalid data format for hostroute: '{item}'")))?;
        let is_prefix = route.destination.contains(':') || Cidr::parse(&route.destination).is_some();
        if !is_prefix {
            return Err(invalid(
                key,
                &format!("'{}' is not a valid CIDR", route.destination),
            ));
        }
        if route.nexthop.parse::<std::net::IpAddr>().is_err() {
            return Err(invalid(
                key,
                &format!("'{}' is not a valid IP address", route.nexthop),
            ));
        }
        routes.push(route);
    }
    Ok(Some(routes))
}

pub(super) fn update(world: &mut World, id: &str, attrs: Attrs<'_>) -> Result<(), Refusal> {
    let neutron = &mut world.neutron;
    let subnet = neutron
        .subnets
        .get(id)
        .ok_or_else(|| Kind::Subnet.not_found(id))?;
    let gateway_ip = match attrs.get("gateway_ip") {
        None => subnet.gateway_ip,
        Some(_) => check_gateway(attrs, subnet.cidr)?,
    };
    if let Some(old) = subnet.gateway_ip.filter(|old| Some(*old) != gateway_ip) {
        let user = neutron.ports.values().find(|port| {
            port.device_owner == port::INTERFACE
                && port
                    .fixed_ips
                    .iter()
                    .any(|fixed| fixed.subnet_id == id && fixed.ip_address == old)
        });
        if let Some(port) = user {
            let message = format!(
                "Current gateway ip {old} already in use by port {}. Unable to update.",
                port.common.id
            );
            return Err(Refusal::new(409, "GatewayIpInUse", message));
        }
    }
    let pools = check_pools(attrs, subnet.cidr, gateway_ip)?;
    let nameservers = check_nameservers(attrs)?;
    let host_routes = routes(attrs, "host_routes")?;
    let enable_dhcp = attrs.flag("enable_dhcp")?;
    let service_types = attrs.texts("service_types")?;
    let Some(subnet) = neutron.subnets.get_mut(id) else {
        return Ok(());
    };
    subnet.common.update(attrs)?;
    subnet.gateway_ip = gateway_ip;
    subnet.enable_dhcp = enable_dhcp.unwrap_or(subnet.enable_dhcp);
    if let Some(pools) = pools {
        subnet.allocation_pools = pools;
    }
    if let Some(nameservers) = nameservers {
        subnet.dns_nameservers = nameservers;
    }
    if let Some(host_routes) = host_routes {
        subnet.host_routes = host_routes;
    }
    if let Some(service_types) = service_types {
        subnet.service_types = service_types;
    }
    Ok(())
}

/// Refuses with 409 while a port has an address of this subnet.
pub(super) fn delete(world: &mut World, id: &str) -> Result<(), Refusal> {
    let in_use = world
        .neutron
        .ports
        .values()
        .any(|port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id));
    if in_use {
        return Err(Refusal::new(
            409,
            "SubnetInUse",
            format!(
                "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this \
                 subnet."
            ),
        ));
    }
    world.neutron.subnets.remove(id);
    Ok(())
}
