//! Networks.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    AddressRange, Cidr, Common, Kind, Neutron, Subnet, attrs::Attrs, attrs::invalid, filter, forbidden,
    merged, no_such_page, port, security,
};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// A layer 2 network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// Id, owner, name and so on.
    pub common: Common,
    /// False when an operator has switched it off.
    pub admin_state_up: bool,
    /// True when all projects may use it.
    pub shared: bool,
    /// True when routers may have their gateway here: `router:external`.
    pub is_external: bool,
    /// `is_default`: the external network of auto-allocated topologies.
    pub is_default: bool,
    /// Bytes.
    pub mtu: i64,
    /// Port security of new ports.
    pub port_security_enabled: bool,
    /// `provider:physical_network`, if any.
    pub physical_network: Option<String>,
    /// `geneve`, or `flat` for external networks.
    pub network_type: String,
    /// Segment number of a tunnelled network.
    pub segmentation_id: Option<u64>,
}

/// Geneve inside 1500 bytes, as OVN deployments have it.
const TENANT_MTU: i64 = 1442;
const PHYSICAL_MTU: i64 = 1500;
const ADMIN_ONLY: &[&str] = &[
    "shared",
    "router:external",
    "is_default",
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
];

impl Network {
    pub(super) fn render(&self, neutron: &Neutron, is_admin: bool) -> Value {
        let mut subnets: Vec<&Subnet> = neutron
            .subnets
            .values()
            .filter(|subnet| subnet.network_id == self.common.id)
            .collect();
        subnets.sort_by_key(|subnet| subnet.common.sequence);
        let subnets: Vec<&str> = subnets
            .into_iter()
            .map(|subnet| subnet.common.id.as_str())
            .collect();
        let mut map = self.common.render();
        if is_admin {
            map.insert("provider:network_type".into(), json!(self.network_type));
            map.insert("provider:physical_network".into(), json!(self.physical_network));
            map.insert("provider:segmentation_id".into(), json!(self.segmentation_id));
        }
        if self.is_external {
            map.insert("is_default".into(), json!(self.is_default));
        }
        merged(
            map,
            json!({
                "admin_state_up": self.admin_state_up,
                "status": "ACTIVE",
                "subnets": subnets,
                "shared": self.shared,
                "router:external": self.is_external,
                "mtu": self.mtu,
                "port_security_enabled": self.port_security_enabled,
                "availability_zone_hints": [],
                "availability_zones": [],
                "ipv4_address_scope": null,
                "ipv6_address_scope": null,
                "l2_adjacency": true,
                "qos_policy_id": null,
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
    check_policy(call, attrs, "create_network")?;
    let is_external = attrs.flag("router:external")?.unwrap_or(false);
    let default_type = if is_external { "flat" } else { "geneve" };
    let network_type = attrs
        .text("provider:network_type")?
        .unwrap_or(default_type)
        .to_owned();
    let default_mtu = if network_type == "geneve" {
        TENANT_MTU
    } else {
        PHYSICAL_MTU
    };
    let mtu = check_mtu(attrs)?.unwrap_or(default_mtu);
    let segmentation_id = match attrs.integer("provider:segmentation_id")? {
        Some(number) => u64::try_from(number).ok(),
        None => (network_type == "geneve").then_some(world.neutron.sequence + 1),
    };
    let network = Network {
        admin_state_up: attrs.flag("admin_state_up")?.unwrap_or(true),
        shared: attrs.flag("shared")?.unwrap_or(false),
        is_external,
        is_default: attrs.flag("is_default")?.unwrap_or(false),
        mtu,
        port_security_enabled: attrs.flag("port_security_enabled")?.unwrap_or(true),
        physical_network: attrs.owned("provider:physical_network")?,
        network_type,
        segmentation_id,
        common: Common::of(world, project, attrs)?,
    };
    if !project.is_empty() {
        security::ensure_default(world, project);
    }
    let id = network.common.id.clone();
    world.neutron.networks.insert(id.clone(), network);
    Ok(id)
}

fn check_policy(call: &Call, attrs: Attrs<'_>, action: &str) -> Result<(), Refusal> {
    for name in ADMIN_ONLY.iter().filter(|name| attrs.is_set(name)) {
        // Saying `shared: false` asks for nothing and is let through by the real policy's defaults.
        let is_asked = attrs.get(name) != Some(&Value::Bool(false)) || action.starts_with("update");
        if is_asked && !call.caller.is_admin {
            return Err(forbidden(action, Some(name)));
        }
    }
    Ok(())
}

/// Zero stands for the default.
fn check_mtu(attrs: Attrs<'_>) -> Result<Option<i64>, Refusal> {
    match attrs.integer("mtu")? {
        Some(mtu) if mtu < 0 => Err(invalid("mtu", &format!("'{mtu}' should be non-negative"))),
        other => Ok(other.filter(|mtu| *mtu != 0)),
    }
}

pub(super) fn update(world: &mut World, call: &Call, id: &str, attrs: Attrs<'_>) -> Result<(), Refusal> {
    check_policy(call, attrs, "update_network")?;
    let mtu = check_mtu(attrs)?;
    let admin_state_up = attrs.flag("admin_state_up")?;
    let shared = attrs.flag("shared")?;
    let is_external = attrs.flag("router:external")?;
    let is_default = attrs.flag("is_default")?;
    let port_security_enabled = attrs.flag("port_security_enabled")?;
    if is_external == Some(false) {
        let has_gateways = world.neutron.ports.values().any(|port| {
            port.network_id == id && [port::GATEWAY, port::FLOATING].contains(&port.device_owner.as_str())
        });
        if has_gateways {
            return Err(Refusal::new(
                409,
                "ExternalNetworkInUse",
                format!(
                    "External network {id} cannot be updated to be made non-external, since it has existing gateway ports."
                ),
            ));
        }
    }
    let network = world
        .neutron
        .networks
        .get_mut(id)
        .ok_or_else(|| Kind::Network.not_found(id))?;
    network.common.update(attrs)?;
    network.admin_state_up = admin_state_up.unwrap_or(network.admin_state_up);
    network.shared = shared.unwrap_or(network.shared);
    network.is_external = is_external.unwrap_or(network.is_external);
    network.is_default = is_default.unwrap_or(network.is_default);
    network.mtu = mtu.unwrap_or(network.mtu);
    network.port_security_enabled = port_security_enabled.unwrap_or(network.port_security_enabled);
    Ok(())
}

/// Deletes the network with its subnets. Refuses with 409 while any port is left on it.
pub(super) fn delete(world: &mut World, id: &str) -> Result<(), Refusal> {
    let left: Vec<&str> = world
        .neutron
        .ports
        .values()
        .filter(|port| port.network_id == id)
        .map(|port| port.common.id.as_str())
        .collect();
    if !left.is_empty() {
        return Err(Refusal::new(
            409,
            "NetworkInUse",
            format!(
                "Unable to complete operation on network {id}. There are one or more ports still in use on the \
                 network, id for these ports is: {}.",
                left.join(",")
            ),
        ));
    }
    world.neutron.subnets.retain(|_, subnet| subnet.network_id != id);
    world.neutron.networks.remove(id);
    Ok(())
}

pub(super) fn seed_external(world: &mut World, external_cidr: &str) -> String {
    let network = Network {
        common: Common {
            name: "public".into(),
            ..Common::new(world, "")
        },
        admin_state_up: true,
        shared: false,
        is_external: true,
        is_default: true,
        mtu: PHYSICAL_MTU,
        port_security_enabled: true,
        physical_network: Some("public".into()),
        network_type: "flat".into(),
        segmentation_id: None,
    };
    let id = network.common.id.clone();
    world.neutron.networks.insert(id.clone(), network);
    let Some(cidr) = Cidr::parse(external_cidr) else {
        return id;
    };
    let nth = |offset: u32| Ipv4Addr::from(u32::from(cidr.network()).saturating_add(offset));
    let pool = AddressRange {
        start: nth(10),
        end: cidr.hosts().end,
    };
    if pool.start <= pool.end {
        let common = Common {
            name: "public-subnet".into(),
            ..Common::new(world, "")
        };
        let subnet = Subnet {
            network_id: id.clone(),
            cidr,
            gateway_ip: Some(nth(1)),
            allocation_pools: vec![pool],
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            enable_dhcp: false,
            service_types: Vec::new(),
            common,
        };
        world.neutron.subnets.insert(subnet.common.id.clone(), subnet);
    }
    id
}

/// `GET /network-ip-availabilities[/{network}]`: addresses in the subnets and how many are taken.
pub(super) fn ip_availability(world: &World, call: &Call, rest: &[&str]) -> Answer {
    let neutron = &world.neutron;
    let is_admin = call.caller.is_admin;
    let show = |network: &Network| {
        let subnets: Vec<Value> = neutron
            .subnets
            .values()
            .filter(|subnet| subnet.network_id == network.common.id)
            .map(|subnet| {
                let total: u64 = subnet
                    .allocation_pools
                    .iter()
                    .map(|pool| u64::from(u32::from(pool.end)) - u64::from(u32::from(pool.start)) + 1)
                    .sum();
                json!({"subnet_id": subnet.common.id, "subnet_name": subnet.common.name, "ip_version": 4,
                    "cidr": subnet.cidr, "total_ips": total,
                    "used_ips": super::address::taken(neutron, &subnet.common.id).len()})
            })
            .collect();
        let sum = |key: &str| {
            subnets
                .iter()
                .filter_map(|subnet| subnet[key].as_u64())
                .sum::<u64>()
        };
        json!({"network_id": network.common.id, "network_name": network.common.name,
            "project_id": network.common.project_id, "tenant_id": network.common.project_id,
            "total_ips": sum("total_ips"), "used_ips": sum("used_ips"), "subnet_ip_availability": subnets})
    };
    match rest {
        [] => {
            let objects = neutron.networks.values().filter(|_| is_admin).map(show);
            filter::list(
                call,
                "network_ip_availabilities",
                "",
                filter::PreviousLink::Always,
                objects,
            )
        }
        [id] => {
            let network = neutron
                .networks
                .get(*id)
                .ok_or_else(|| Kind::Network.not_found(id))?;
            Ok(Reply::json(
                200,
                json!({"network_ip_availability": show(network)}),
            ))
        }
        _ => Err(no_such_page()),
    }
}
