//! What a port's attributes must be, before it is made or changed.

use serde_json::json;

use super::{
    AddressPair, Kind, Neutron,
    attrs::{Attrs, invalid},
    forbidden,
};
use crate::{
    call::{Call, Refusal},
    world::World,
};

/// What the default policy keeps for administrators and owners of the network.
pub(super) fn check_policy(
    world: &World,
    call: &Call,
    network_id: &str,
    attrs: Attrs<'_>,
    action: &str,
) -> Result<(), Refusal> {
    let owns_network = world.neutron.is_owner(Kind::Network, network_id, &call.caller);
    for name in ["binding:host_id", "binding:profile"] {
        let asks = attrs
            .get(name)
            .is_some_and(|value| !value.is_null() && *value != json!({}) && *value != "");
        if asks && !call.caller.is_admin {
            return Err(forbidden(action, Some(name)));
        }
    }
    for name in ["mac_address", "port_security_enabled", "allowed_address_pairs"] {
        if attrs.is_set(name) && !owns_network {
            return Err(forbidden(action, Some(name)));
        }
    }
    let asks_address = attrs
        .list("fixed_ips")?
        .is_some_and(|items| items.iter().any(|item| !item["ip_address"].is_null()));
    if asks_address && !owns_network {
        return Err(forbidden(action, Some("fixed_ips:ip_address")));
    }
    Ok(())
}

pub(super) fn check_mac(
    neutron: &Neutron,
    network_id: &str,
    text: &str,
    own: Option<&str>,
) -> Result<String, Refusal> {
    let mac = text.to_ascii_lowercase();
    let parts: Vec<&str> = mac.split(':').collect();
    if parts.len() != 6
        || parts
            .iter()
            .any(|part| part.len() != 2 || u8::from_str_radix(part, 16).is_err())
    {
        return Err(invalid(
            "mac_address",
            &format!("'{text}' is not a valid MAC address"),
        ));
    }
    let mut others = neutron
        .ports
        .values()
        .filter(|port| Some(port.common.id.as_str()) != own);
    if others.any(|port| port.network_id == network_id && port.mac_address == mac) {
        let message = format!(
            "Unable to complete operation for network {network_id}. The mac address {mac} is in use."
        );
        return Err(Refusal::new(409, "MacAddressInUse", message));
    }
    Ok(mac)
}

pub(super) fn check_groups(world: &World, call: &Call, groups: &[String]) -> Result<(), Refusal> {
    match groups
        .iter()
        .find(|id| !world.neutron.is_visible(Kind::SecurityGroup, id, &call.caller))
    {
        Some(unknown) => Err(Kind::SecurityGroup.not_found(unknown)),
        None => Ok(()),
    }
}

pub(super) fn port_security_required() -> Refusal {
    Refusal::new(
        400,
        "PortSecurityAndIPRequiredForSecurityGroups",
        "Port security must be enabled and port must have an IP address in order to use security groups.",
    )
}

pub(super) fn check_pairs(
    attrs: Attrs<'_>,
    mac_address: &str,
    port_security_enabled: bool,
) -> Result<Option<Vec<AddressPair>>, Refusal> {
    let Some(items) = attrs.list("allowed_address_pairs")? else {
        return Ok(None);
    };
    if !items.is_empty() && !port_security_enabled {
        return Err(Refusal::new(
            409,
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        ));
    }
    let mut pairs: Vec<AddressPair> = Vec::with_capacity(items.len());
    for item in items {
        let Some(ip_address) = item["ip_address"].as_str() else {
            let message = "AllowedAddressPair must contain ip_address";
            return Err(Refusal::new(400, "AllowedAddressPairsMissingIP", message));
        };
        let (host, _) = ip_address.split_once('/').unwrap_or((ip_address, ""));
        if host.parse::<std::net::IpAddr>().is_err() {
            let reason = format!("'{ip_address}' is not a valid IP address");
            return Err(invalid("allowed_address_pairs", &reason));
        }
        let mac = item["mac_address"].as_str().unwrap_or(mac_address).to_owned();
        let pair = AddressPair {
            ip_address: ip_address.to_owned(),
            mac_address: mac,
        };
        if pairs.contains(&pair) {
            return Err(Refusal::new(
                400,
                "DuplicateAddressPairInRequest",
                format!(
                    "Request contains duplicate address pair: mac_address {} ip_address {}.",
                    pair.mac_address, pair.ip_address
                ),
            ));
        }
        pairs.push(pair);
    }
    Ok(Some(pairs))
}
