//! The external gateway of a router: a port on an external network, owned by the service.

use serde_json::{Value, json};

use super::{
    ExternalGateway, Kind, Port, address,
    attrs::{Attrs, invalid, is_uuid},
    port,
};
use crate::{
    call::{Call, Refusal},
    world::World,
};

/// Connects the router as `external_gateway_info` says, keeping its address when the network stays the same.
///
/// Refuses with 400 a network that is not external, with 403 what only administrators may set, with 409 a change
/// of network that floating IPs forbid and an empty pool.
pub(super) fn set(
    world: &mut World,
    call: &Call,
    router_id: &str,
    info: &Value,
    action: &str,
) -> Result<(), Refusal> {
    let attrs = info
        .as_object()
        .map(Attrs)
        .ok_or_else(|| invalid("external_gateway_info", &format!("'{info}' is not a dictionary")))?;
    let network_id = attrs.required("network_id")?;
    if !is_uuid(network_id) {
        return Err(invalid(
            "external_gateway_info",
            &format!("'{network_id}' is not a valid UUID"),
        ));
    }
    let enable_snat = attrs.flag("enable_snat")?;
    let wanted = attrs.list("external_fixed_ips")?;
    for name in ["enable_snat", "external_fixed_ips"] {
        if attrs.is_set(name) && !call.caller.is_admin {
            let rule = format!("rule:{action}:external_gateway_info");
            let message = format!(
                "(rule:{action} and ({rule} and ({rule}:network_id and {rule}:{name}))) is disallowed by policy"
            );
            return Err(Refusal::new(403, "PolicyNotAuthorized", message));
        }
    }
    super::visible(world, call, Kind::Network, network_id)?;
    if !world
        .neutron
        .networks
        .get(network_id)
        .is_some_and(|network| network.is_external)
    {
        let message = format!("Bad router request: Network {network_id} is not an external network.");
        return Err(Refusal::new(400, "BadRequest", message));
    }
    let current = world
        .neutron
        .routers
        .get(router_id)
        .and_then(|router| router.external_gateway.clone());
    let current = match current {
        Some(gateway) if gateway.network_id != network_id => {
            clear(world, router_id)?;
            None
        }
        other => other,
    };
    let held = current.as_ref().map(|gateway| gateway.port_id.as_str());
    let fixed_ips = match (wanted.filter(|items| !items.is_empty()), &current) {
        (Some(items), _) => address::requested(&world.neutron, network_id, items, held)?,
        (None, Some(gateway)) => gateway.external_fixed_ips.clone(),
        (None, None) => address::any_of_network(&world.neutron, network_id, port::GATEWAY)?
            .into_iter()
            .collect(),
    };
    let port_id = match &current {
        Some(gateway) => gateway.port_id.clone(),
        None => {
            let port = Port::of_service(world, network_id, port::GATEWAY, router_id);
            let id = port.common.id.clone();
            world.neutron.ports.insert(id.clone(), port);
            id
        }
    };
    if let Some(port) = world.neutron.ports.get_mut(&port_id) {
        port.fixed_ips.clone_from(&fixed_ips);
        port.profile = json!({});
    }
    let now_ms = world.now_ms;
    if let Some(router) = world.neutron.routers.get_mut(router_id) {
        router.common.touch(now_ms);
        router.external_gateway = Some(ExternalGateway {
            network_id: network_id.to_owned(),
            enable_snat: enable_snat
                .or(current.map(|gateway| gateway.enable_snat))
                .unwrap_or(true),
            port_id,
            external_fixed_ips: fixed_ips,
        });
    }
    Ok(())
}

/// Takes the router off its external network. Refuses with 409 while a floating IP goes through it.
pub(super) fn clear(world: &mut World, router_id: &str) -> Result<(), Refusal> {
    let Some(gateway) = world
        .neutron
        .routers
        .get(router_id)
        .and_then(|router| router.external_gateway.clone())
    else {
        return Ok(());
    };
    if world
        .neutron
        .floating_ips
        .values()
        .any(|fip| fip.router_id.as_deref() == Some(router_id))
    {
        let message = format!(
            "Gateway cannot be updated for router {router_id}, since a gateway to external network {} is required by \
             one or more floating IPs.",
            gateway.network_id
        );
        return Err(Refusal::new(
            409,
            "RouterExternalGatewayInUseByFloatingIp",
            message,
        ));
    }
    port::remove(world, &gateway.port_id);
    if let Some(router) = world.neutron.routers.get_mut(router_id) {
        router.external_gateway = None;
    }
    Ok(())
}
