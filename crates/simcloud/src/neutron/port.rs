//! Ports: a MAC address with fixed IPs on a network, held by a server, a router, a floating IP or a load balancer.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Common, Kind, Neutron, address,
    attrs::Attrs,
    filter, floating, forbidden, merged,
    port_check::{check_groups, check_mac, check_pairs, check_policy, port_security_required},
    security,
};
use crate::{
    call::{Call, Refusal},
    world::World,
};

/// Device owner of a router's interface.
pub const INTERFACE: &str = "network:router_interface";
/// Device owner of a router's gateway.
pub const GATEWAY: &str = "network:router_gateway";
/// Device owner of a floating IP's place on the external network.
pub const FLOATING: &str = "network:floatingip";

/// An address of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// Subnet that the address belongs to.
    pub subnet_id: String,
    /// The address.
    pub ip_address: Ipv4Addr,
}

/// Source addresses that a port may use besides its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    /// Address or prefix, as given.
    pub ip_address: String,
    /// MAC address; the port's own unless given.
    pub mac_address: String,
}

/// A port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Port {
    /// Id, owner, name and so on.
    pub common: Common,
    /// Network that it is on.
    pub network_id: String,
    /// `fa:16:3e:..`, lower case.
    pub mac_address: String,
    /// False when an operator has switched it off.
    pub admin_state_up: bool,
    /// `ACTIVE`, `DOWN`, or `N/A` for the port of a floating IP.
    pub status: String,
    /// Server, router, floating IP or load balancer; empty when free.
    pub device_id: String,
    /// `compute:nova`, `network:router_interface`, ...; empty when free.
    pub device_owner: String,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// Ids of its security groups.
    pub security_groups: Vec<String>,
    /// Addresses that it may use besides its own.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// False when neither security groups nor anti-spoofing apply.
    pub port_security_enabled: bool,
    /// `binding:host_id`
    pub host_id: String,
    /// `binding:vnic_type`
    pub vnic_type: String,
    /// `binding:profile`, kept as given.
    pub profile: Value,
    /// True when the compute service made it and so deletes it with its server.
    pub is_made_by_compute: bool,
}

impl Port {
    /// A port of the service itself: no owner, no security groups, no port security.
    pub(super) fn of_service(
        world: &mut World,
        network_id: &str,
        device_owner: &str,
        device_id: &str,
    ) -> Self {
        Self {
            common: address::service_common(world),
            network_id: network_id.to_owned(),
            mac_address: address::new_mac(world),
            admin_state_up: true,
            status: "ACTIVE".into(),
            device_id: device_id.to_owned(),
            device_owner: device_owner.to_owned(),
            fixed_ips: Vec::new(),
            security_groups: Vec::new(),
            allowed_address_pairs: Vec::new(),
            port_security_enabled: false,
            host_id: String::new(),
            vnic_type: "normal".into(),
            profile: json!({}),
            is_made_by_compute: false,
        }
    }

    pub(super) fn render(&self, neutron: &Neutron, is_admin: bool) -> Value {
        let mut map = self.common.render();
        map.insert("binding:vnic_type".into(), json!(self.vnic_type));
        if is_admin {
            let is_bound = !self.host_id.is_empty();
            map.insert("binding:host_id".into(), json!(self.host_id));
            map.insert("binding:profile".into(), self.profile.clone());
            map.insert(
                "binding:vif_type".into(),
                json!(if is_bound { "ovs" } else { "unbound" }),
            );
            map.insert(
                "binding:vif_details".into(),
                if is_bound {
                    json!({"port_filter": true, "connectivity": "l2"})
                } else {
                    json!({})
                },
            );
        }
        let network = neutron.networks.get(&self.network_id);
        merged(
            map,
            json!({
                "network_id": self.network_id,
                "mac_address": self.mac_address,
                "admin_state_up": self.admin_state_up,
                "status": self.status,
                "device_id": self.device_id,
                "device_owner": self.device_owner,
                "fixed_ips": self.fixed_ips,
                "security_groups": self.security_groups,
                "allowed_address_pairs": self.allowed_address_pairs,
                "port_security_enabled": self.port_security_enabled,
                "extra_dhcp_opts": [],



                "qos_policy_id": null,
                "qos_network_policy_id": null,

                "ip_allocation": if self.fixed_ips.is_empty() && network.is_none() { "none" } else { "immediate" },



            }),
        )
    }
}

/// The filters that most lists use, on typed fields: spares rendering thousands of ports to drop them.
pub(super) fn passes_quick_filters(neutron: &Neutron, call: &Call, id: &str) -> bool {
    neutron.ports.get(id).is_some_and(|port| {
        filter::admits(call, "device_id", &port.device_id)
            && filter::admits(call, "network_id", &port.network_id)
            && filter::admits(call, "device_owner", &port.device_owner)
    })
}

pub(super) fn create(
    world: &mut World,
    call: &Call,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    let network_id = attrs.required_uuid("network_id")?;
    super::visible(world, call, Kind::Network, network_id)?;
    check_policy(world, call, network_id, attrs, "create_port")?;
    let device_owner = attrs.text("device_owner")?.unwrap_or_default();
    let network_secures = world
        .neutron
        .networks
        .get(network_id)
        .is_some_and(|network| network.port_security_enabled);
    let port_security_enabled = attrs.flag("port_security_enabled")?.unwrap_or(network_secures);
    let fixed_ips = match attrs.list("fixed_ips")? {
        Some(items) => address::requested(&world.neutron, network_id, items, None)?,
        None => address::any_of_network(&world.neutron, network_id, device_owner)?
            .into_iter()
            .collect(),
    };
    let mac_address = match attrs.text("mac_address")? {
        Some(text) => check_mac(&world.neutron, network_id, text, None)?,
        None => address::new_mac(world),
    };
    let security_groups = match attrs.texts("security_groups")? {
        Some(groups) => {
            if !groups.is_empty() && !port_security_enabled {
                return Err(port_security_required());
            }
            check_groups(world, call, &groups)?;
            groups
        }
        None if port_security_enabled && !device_owner.starts_with("network:") => {
            vec![security::ensure_default(world, project)]
        }
        None => Vec::new(),
    };
    let allowed_address_pairs = check_pairs(attrs, &mac_address, port_security_enabled)?.unwrap_or_default();
    let host_id = attrs.owned("binding:host_id")?.unwrap_or_default();
    let port = Port {
        network_id: network_id.to_owned(),
        admin_state_up: attrs.flag("admin_state_up")?.unwrap_or(true),
        status: "DOWN".into(),
        device_id: attrs.owned("device_id")?.unwrap_or_default(),
        device_owner: device_owner.to_owned(),
        fixed_ips,
        security_groups,
        allowed_address_pairs,
        port_security_enabled,
        host_id,
        vnic_type: attrs.text("binding:vnic_type")?.unwrap_or("normal").to_owned(),
        profile: attrs
            .get("binding:profile")
            .filter(|value| value.is_object())
            .cloned()
            .unwrap_or(json!({})),
        is_made_by_compute: false,
        mac_address,
        common: Common::of(world, project, attrs)?,
    };
    let id = port.common.id.clone();
    world.neutron.ports.insert(id.clone(), port);
    Ok(id)
}

pub(super) fn update(world: &mut World, call: &Call, id: &str, attrs: Attrs<'_>) -> Result<(), Refusal> {
    let Some(old) = world.neutron.ports.get(id).cloned() else {
        return Err(Kind::Port.not_found(id));
    };
    check_policy(world, call, &old.network_id, attrs, "update_port")?;
    let mut port = old;
    port.common.update(attrs)?;
    if let Some(flag) = attrs.flag("admin_state_up")? {
        port.admin_state_up = flag;
    }
    if let Some(text) = attrs.text("mac_address")? {
        port.mac_address = check_mac(&world.neutron, &port.network_id, text, Some(id))?;
    }
    if let Some(items) = attrs.list("fixed_ips")? {
        port.fixed_ips = address::requested(&world.neutron, &port.network_id, items, Some(id))?;
    }
    if attrs.get("device_id").is_some() {
        port.device_id = attrs.owned("device_id")?.unwrap_or_default();
    }
    if attrs.get("device_owner").is_some() {
        port.device_owner = attrs.owned("device_owner")?.unwrap_or_default();
    }
    if let Some(groups) = attrs.texts("security_groups")? {
        check_groups(world, call, &groups)?;
        port.security_groups = groups;
    }
    if let Some(flag) = attrs.flag("port_security_enabled")? {
        port.port_security_enabled = flag;
    }
    if !port.port_security_enabled && !port.security_groups.is_empty() {
        if attrs.is_set("security_groups") {
            return Err(port_security_required());
        }
        return Err(Refusal::new(
            409,
            "PortSecurityPortHasSecurityGroup",
            "Port has security group associated. Cannot disable port security or IP address until security group is \
             removed.",
        ));
    }
    if let Some(pairs) = check_pairs(attrs, &port.mac_address, port.port_security_enabled)? {
        port.allowed_address_pairs = pairs;
    }
    if attrs.get("binding:host_id").is_some() {
        port.host_id = attrs.owned("binding:host_id")?.unwrap_or_default();
        port.status = if port.host_id.is_empty() { "DOWN" } else { "ACTIVE" }.into();
    }
    if let Some(kind) = attrs.owned("binding:vnic_type")? {
        port.vnic_type = kind;
    }
    if let Some(profile) = attrs.get("binding:profile").filter(|value| value.is_object()) {
        port.profile = profile.clone();
    }
    world.neutron.ports.insert(id.to_owned(), port);
    Ok(())
}

/// Refuses with 409 for the ports of routers and floating IPs, and with 403 for those of servers, all of which go
/// with their owner.
pub(super) fn delete(world: &mut World, id: &str, is_admin: bool) -> Result<(), Refusal> {
    let Some(port) = world.neutron.ports.get(id) else {
        return Err(Kind::Port.not_found(id));
    };
    // The default policy leaves the ports of servers to the compute service.
    if !is_admin
        && ["compute:", "baremetal:", "manila:"]
            .iter()
            .any(|owner| port.device_owner.starts_with(owner))
    {
        return Err(forbidden("delete_port", None));
    }
    let has_device = match port.device_owner.as_str() {
        INTERFACE | GATEWAY => world.neutron.routers.contains_key(&port.device_id),
        FLOATING => world.neutron.floating_ips.contains_key(&port.device_id),
        _ => false,
    };
    if has_device {
        let message = format!(
            "Port {id} cannot be deleted directly via the port API: has device owner {}.",
            port.device_owner
        );
        return Err(Refusal::new(409, "ServicePortInUse", message));
    }
    remove(world, id);
    Ok(())
}

/// Deletes a port whatever holds it and takes it from its floating IPs.
pub(crate) fn remove(world: &mut World, id: &str) {
    world.neutron.ports.remove(id);
    floating::disassociate(world, id);
}
