//! Floating IPs: an address of an external network, carried by a router to a port's fixed IP.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Common, Kind, Neutron, Port, address,
    attrs::{Attrs, invalid},
    forbidden, merged, port,
};
use crate::{
    call::{Call, Refusal},
    world::World,
};

/// A floating IP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FloatingIp {
    /// Id, owner, description and so on; no name.
    pub common: Common,
    /// External network.
    pub floating_network_id: String,
    /// Address on the external network.
    pub floating_ip_address: Ipv4Addr,
    /// The service's own port that keeps the address.
    pub floating_port_id: String,
    /// Port that it leads to.
    pub port_id: Option<String>,
    /// Address of that port.
    pub fixed_ip_address: Option<Ipv4Addr>,
    /// Router that carries it.
    pub router_id: Option<String>,
}

impl FloatingIp {
    /// `ACTIVE` when it leads to a port, else `DOWN`.
    pub fn status(&self) -> &'static str {
        if self.port_id.is_some() { "ACTIVE" } else { "DOWN" }
    }

    pub(super) fn render(&self, neutron: &Neutron) -> Value {
        let details = self.port_id.as_ref().and_then(|id| neutron.ports.get(id)).map(|port| {
            json!({"name": port.common.name, "network_id": port.network_id, "mac_address": port.mac_address,
                "admin_state_up": port.admin_state_up, "status": port.status, "device_id": port.device_id,
                "device_owner": port.device_owner})
        });
        let mut map = self.common.render();
        map.remove("name");
        merged(
            map,
            json!({
                "floating_network_id": self.floating_network_id,
                "floating_ip_address": self.floating_ip_address,
                "port_id": self.port_id,
                "fixed_ip_address": self.fixed_ip_address,
                "router_id": self.router_id,
                "status": self.status(),
                "port_details": details,
                "port_forwardings": [],


                "qos_policy_id": null,
            }),
        )
    }

    fn release(&mut self) {
        self.port_id = None;
        self.fixed_ip_address = None;
        self.router_id = None;
    }
}

fn bad_floating_ip(message: impl std::fmt::Display) -> Refusal {
    Refusal::new(400, "BadRequest", format!("Bad floatingip request: {message}."))
}

pub(super) fn create(
    world: &mut World,
    call: &Call,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    let network_id = attrs.required_uuid("floating_network_id")?;
    super::visible(world, call, Kind::Network, network_id)?;
    if !world
        .neutron
        .networks
        .get(network_id)
        .is_some_and(|network| network.is_external)
    {
        return Err(bad_floating_ip(format!(
            "Network {network_id} is not a valid external network"
        )));
    }
    if !world
        .neutron
        .subnets
        .values()
        .any(|subnet| subnet.network_id == network_id)
    {
        return Err(bad_floating_ip(format!(
            "Network {network_id} does not contain any IPv4 subnet"
        )));
    }
    if attrs.is_set("floating_ip_address") && !call.caller.is_admin {
        return Err(forbidden("create_floatingip", Some("floating_ip_address")));
    }
    let mut wanted = serde_json::Map::new();
    for (name, key) in [("subnet_id", "subnet_id"), ("floating_ip_address", "ip_address")] {
        if let Some(text) = attrs.text(name)? {
            wanted.insert(key.to_owned(), json!(text));
        }
    }
    let fixed = if wanted.is_empty() {
        address::any_of_network(&world.neutron, network_id, port::FLOATING)?
    } else {
        address::requested(&world.neutron, network_id, &[Value::Object(wanted)], None)?
            .into_iter()
            .next()
    };
    let Some(fixed) = fixed else {
        let message = format!("Unable to find any IP address on external network {network_id}.");
        return Err(Refusal::new(400, "ExternalIpAddressExhausted", message));
    };
    let common = Common {
        revision_number: 0,
        ..Common::of(world, project, attrs)?
    };
    let mut fip = FloatingIp {
        floating_network_id: network_id.to_owned(),
        floating_ip_address: fixed.ip_address,
        floating_port_id: String::new(),
        port_id: None,
        fixed_ip_address: None,
        router_id: None,
        common,
    };
    associate(world, call, &mut fip, attrs)?;
    let mut port = Port::of_service(world, network_id, port::FLOATING, &fip.common.id);
    port.fixed_ips = vec![fixed];
    port.status = "N/A".into();
    fip.floating_port_id.clone_from(&port.common.id);
    world.neutron.ports.insert(port.common.id.clone(), port);
    let id = fip.common.id.clone();
    world.neutron.floating_ips.insert(id.clone(), fip);
    Ok(id)
}

/// Points the floating IP where `port_id` and `fixed_ip_address` say; a null `port_id` sets it free.
fn associate(world: &World, call: &Call, fip: &mut FloatingIp, attrs: Attrs<'_>) -> Result<(), Refusal> {
    let Some(port_id) = attrs.uuid("port_id")? else {
        if attrs.is_set("fixed_ip_address") && fip.port_id.is_none() {
            return Err(bad_floating_ip(
                "fixed_ip_address cannot be specified without a port_id",
            ));
        }
        if attrs.get("port_id").is_some() {
            fip.release();
        }
        return Ok(());
    };
    super::visible(world, call, Kind::Port, port_id)?;
    let neutron = &world.neutron;
    let port = neutron
        .ports
        .get(port_id)
        .ok_or_else(|| Kind::Port.not_found(port_id))?;
    if port.common.project_id != fip.common.project_id && !call.caller.is_admin {
        return Err(bad_floating_ip(format!(
            "Cannot process floating IP association with Port {port_id}, since that port is owned by a different \
             project"
        )));
    }
    let fixed = match (attrs.text("fixed_ip_address")?, port.fixed_ips.as_slice()) {
        (Some(text), all) => {
            let wanted: Ipv4Addr = text
                .parse()
                .map_err(|_| invalid("fixed_ip_address", &format!("'{text}' is not a valid IP address")))?;
            all.iter()
                .find(|fixed| fixed.ip_address == wanted)
                .ok_or_else(|| bad_floating_ip(format!("Port {port_id} does not have fixed ip {wanted}")))?
        }
        (None, [only]) => only,
        (None, []) => {
            return Err(bad_floating_ip(format!(
                "Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses"
            )));
        }
        (None, _) => {
            return Err(bad_floating_ip(format!(
                "Port {port_id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when \
                 assigning a floating IP"
            )));
        }
    };
    let router = neutron.router_between(&fixed.subnet_id, &fip.floating_network_id).ok_or_else(|| {
        let message = format!(
            "External network {} is not reachable from subnet {}.  Therefore, cannot associate Port {port_id} with a \
             Floating IP.",
            fip.floating_network_id, fixed.subnet_id
        );
        Refusal::new(404, "ExternalGatewayForFloatingIPNotFound", message)
    })?;
    let has_one = neutron.floating_ips.values().any(|other| {
        other.common.id != fip.common.id
            && other.port_id.as_deref() == Some(port_id)
            && other.fixed_ip_address == Some(fixed.ip_address)
            && other.floating_network_id == fip.floating_network_id
    });
    if has_one {
        let message = format!(
            "Cannot associate floating IP {} ({}) with port {port_id} using fixed IP {}, as that fixed IP already has \
             a floating IP on external network {}.",
            fip.floating_ip_address, fip.common.id, fixed.ip_address, fip.floating_network_id
        );
        return Err(Refusal::new(409, "FloatingIPPortAlreadyAssociated", message));
    }
    fip.port_id = Some(port_id.to_owned());
    fip.fixed_ip_address = Some(fixed.ip_address);
    fip.router_id = Some(router.common.id.clone());
    Ok(())
}

pub(super) fn update(world: &mut World, call: &Call, id: &str, attrs: Attrs<'_>) -> Result<(), Refusal> {
    let Some(mut fip) = world.neutron.floating_ips.get(id).cloned() else {
        return Err(Kind::FloatingIp.not_found(id));
    };
    associate(world, call, &mut fip, attrs)?;
    fip.common.update(attrs)?;
    world.neutron.floating_ips.insert(id.to_owned(), fip);
    Ok(())
}

pub(super) fn delete(world: &mut World, id: &str) {
    if let Some(fip) = world.neutron.floating_ips.remove(id) {
        port::remove(world, &fip.floating_port_id);
    }
}

/// Sets free the floating IPs that lead to a port.
pub(super) fn disassociate(world: &mut World, port_id: &str) {
    let now_ms = world.now_ms;
    for fip in world.neutron.floating_ips.values_mut() {
        if fip.port_id.as_deref() == Some(port_id) {
            fip.release();
            fip.common.touch(now_ms);
        }
    }
}
