//! Routers: static routes here, gateways in `gateway`, interfaces in `interface`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Cidr, Common, FixedIp, Kind, Neutron, Port, Route, attrs::Attrs, bad_request, gateway, interface, merged,
    no_such_page, owned, port, subnet,
};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// A router's place on an external network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalGateway {
    /// The external network.
    pub network_id: String,
    /// True when hosts without a floating IP leave with the router's address.
    pub enable_snat: bool,
    /// The port on the external network.
    pub port_id: String,
    /// The router's addresses there.
    pub external_fixed_ips: Vec<FixedIp>,
}

/// A router; its interfaces are the ports with its id and the owner `network:router_interface`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Router {
    /// Id, owner, name and so on.
    pub common: Common,
    /// False when an operator has switched it off.
    pub admin_state_up: bool,
    /// Way out, if any.
    pub external_gateway: Option<ExternalGateway>,
    /// Static routes.
    pub routes: Vec<Route>,
}

impl Router {
    pub(super) fn render(&self, _neutron: &Neutron, is_admin: bool) -> Value {
        let gateway = self.external_gateway.as_ref().map(|gateway| {
            json!({"network_id": gateway.network_id, "enable_snat": gateway.enable_snat,
                "external_fixed_ips": gateway.external_fixed_ips})
        });
        let mut map = self.common.render();
        if is_admin {
            map.insert("distributed".into(), json!(false));
            map.insert("ha".into(), json!(false));
        }
        merged(
            map,
            json!({
                "admin_state_up": self.admin_state_up,
                "status": "ACTIVE",
                "external_gateway_info": gateway,
                "routes": self.routes,
                "availability_zone_hints": [],
                "availability_zones": ["nova"],
                "flavor_id": null,

            }),
        )
    }
}

impl Neutron {
    /// The interface ports of a router, oldest first.
    pub fn interfaces_of(&self, router_id: &str) -> Vec<&Port> {
        let mut ports: Vec<&Port> = self
            .ports
            .values()
            .filter(|port| port.device_owner == port::INTERFACE && port.device_id == router_id)
            .collect();
        ports.sort_by_key(|port| port.common.sequence);
        ports
    }

    /// The router that joins a subnet with an external network; the one with the subnet's gateway address first.
    pub fn router_between(&self, subnet_id: &str, external_network_id: &str) -> Option<&Router> {
        let gateway_ip = self.subnets.get(subnet_id).and_then(|subnet| subnet.gateway_ip);
        let mut found: Vec<(bool, u64, &Router)> = self
            .ports
            .values()
            .filter(|port| port.device_owner == port::INTERFACE)
            .filter_map(|port| {
                let fixed = port.fixed_ips.iter().find(|fixed| fixed.subnet_id == subnet_id)?;
                let router = self.routers.get(&port.device_id)?;
                let gateway = router.external_gateway.as_ref()?;
                let is_path = gateway.network_id == external_network_id;
                is_path.then_some((
                    Some(fixed.ip_address) != gateway_ip,
                    router.common.sequence,
                    router,
                ))
            })
            .collect();
        found.sort_by_key(|(is_secondary, sequence, _)| (*is_secondary, *sequence));
        found.first().map(|(_, _, router)| *router)
    }
}

pub(super) fn create(
    world: &mut World,
    call: &Call,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    let router = Router {
        admin_state_up: attrs.flag("admin_state_up")?.unwrap_or(true),
        external_gateway: None,
        routes: Vec::new(),
        common: Common::of(world, project, attrs)?,
    };
    let id = router.common.id.clone();
    world.neutron.routers.insert(id.clone(), router);
    let gateway = attrs.get("external_gateway_info").filter(|info| !info.is_null());
    let connected = match gateway {
        Some(info) => gateway::set(world, call, &id, info, "create_router"),
        None => Ok(()),
    };
    if let Err(refusal) = connected {
        world.neutron.routers.remove(&id);
        return Err(refusal);
    }
    Ok(id)
}

pub(super) fn update(world: &mut World, call: &Call, id: &str, attrs: Attrs<'_>) -> Result<(), Refusal> {
    let admin_state_up = attrs.flag("admin_state_up")?;
    let routes = subnet::routes(attrs, "routes")?;
    if let Some(routes) = &routes {
        check_routes(&world.neutron, id, routes)?;
    }
    if let Some(info) = attrs.get("external_gateway_info") {
        if info.is_null() || info.as_object().is_some_and(serde_json::Map::is_empty) {
            gateway::clear(world, id)?;
        } else {
            gateway::set(world, call, id, info, "update_router")?;
        }
    }
    let router = world
        .neutron
        .routers
        .get_mut(id)
        .ok_or_else(|| Kind::Router.not_found(id))?;
    router.common.update(attrs)?;
    router.admin_state_up = admin_state_up.unwrap_or(router.admin_state_up);
    if let Some(routes) = routes {
        router.routes = routes;
    }
    Ok(())
}

/// Next hops must be on a connected subnet and must not be the router itself.
fn check_routes(neutron: &Neutron, router_id: &str, routes: &[Route]) -> Result<(), Refusal> {
    let gateway_port = neutron
        .routers
        .get(router_id)
        .and_then(|router| router.external_gateway.as_ref())
        .map(|g| &g.port_id);
    let own: Vec<&FixedIp> = neutron
        .interfaces_of(router_id)
        .into_iter()
        .chain(gateway_port.and_then(|id| neutron.ports.get(id)))
        .flat_map(|port| &port.fixed_ips)
        .collect();
    let connected: Vec<Cidr> = own
        .iter()
        .filter_map(|fixed| neutron.subnets.get(&fixed.subnet_id))
        .map(|subnet| subnet.cidr)
        .collect();
    for route in routes {
        let hop: Option<Ipv4Addr> = route.nexthop.parse().ok();
        let reason = match hop {
            Some(hop) if own.iter().any(|fixed| fixed.ip_address == hop) => "the nexthop is used by router",
            Some(hop) if connected.iter().any(|cidr| cidr.contains(hop)) => continue,
            _ => "the nexthop is not connected with router",
        };
        let shown: Vec<String> = routes
            .iter()
            .map(|route| {
                format!(
                    "{{'destination': '{}', 'nexthop': '{}'}}",
                    route.destination, route.nexthop
                )
            })
            .collect();
        let message = format!("Invalid format for routes: [{}], {reason}", shown.join(", "));
        return Err(Refusal::new(400, "InvalidRoutes", message));
    }
    Ok(())
}

/// Refuses with 409 while the router has interfaces; its gateway goes with it.
pub(super) fn delete(world: &mut World, id: &str) -> Result<(), Refusal> {
    let left: Vec<&str> = world
        .neutron
        .interfaces_of(id)
        .into_iter()
        .map(|port| port.common.id.as_str())
        .collect();
    if !left.is_empty() {
        let message = format!("Router {id} has ports still attached: {}", left.join(", "));
        return Err(Refusal::new(409, "RouterInUse", message));
    }
    gateway::clear(world, id)?;
    world.neutron.routers.remove(id);
    Ok(())
}

/// `PUT /routers/{id}/{action}`
pub(super) fn act(world: &mut World, call: &Call, id: &str, action: &str) -> Answer {
    if action == "tags" {
        super::visible(world, call, Kind::Router, id)?;
        return super::tags::handle(world, call, Kind::Router, id, &[]);
    }
    owned(world, call, Kind::Router, id, "update")?;
    let reply = match action {
        "add_router_interface" => interface::add(world, call, id)?,
        "remove_router_interface" => interface::remove(world, call, id)?,
        "add_extraroutes" | "remove_extraroutes" => {
            let wanted = call.body["router"]
                .as_object()
                .map(Attrs)
                .ok_or_else(|| bad_request("Unable to find 'router' in request body"))?;
            let named = subnet::routes(wanted, "routes")?.unwrap_or_default();
            let router = world
                .neutron
                .routers
                .get(id)
                .ok_or_else(|| Kind::Router.not_found(id))?;
            let mut routes = router.routes.clone();
            if action == "add_extraroutes" {
                routes.extend(named.into_iter().filter(|route| !router.routes.contains(route)));
                check_routes(&world.neutron, id, &routes)?;
            } else {
                routes.retain(|route| !named.contains(route));
            }
            if let Some(router) = world.neutron.routers.get_mut(id) {
                router.routes = routes;
            }
            Reply::empty(200)
        }
        _ => return Err(no_such_page()),
    };
    let now_ms = world.now_ms;
    if let Some(router) = world.neutron.routers.get_mut(id) {
        router.common.touch(now_ms);
    }
    if reply.body.is_some() {
        return Ok(reply);
    }
    let object = world.neutron.show(Kind::Router, id, call.caller.is_admin);
    Ok(Reply::json(200, json!({"router": object})))
}
