//! Networking: Neutron v2.0 with networks, subnets, routers, ports, security groups and floating IPs.
//!
//! Owns every record of the service and the rules between them: an address belongs to one port of a network,
//! a parent is not deleted before its children, a floating IP needs a router's path. Does not carry packets:
//! whoever does reads these records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use self::common::merged;

use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

mod access;
pub(crate) mod address;
pub(crate) mod attrs;
pub mod cidr;
mod common;
pub mod compute;
mod documents;
pub(crate) mod filter;
pub mod floating;
mod gateway;
mod interface;
pub mod kind;
pub mod network;
pub mod port;
mod port_check;
pub mod quota;
pub mod router;
pub mod rule;
pub mod security;
pub mod subnet;
mod tags;

pub use cidr::{AddressRange, Cidr};
pub use common::Common;
pub use compute::{addresses, addresses_by_server, bind_port, create_port_for_server, unbind_ports};
pub use floating::FloatingIp;
pub use kind::Kind;
pub use network::Network;
pub use port::{AddressPair, FixedIp, Port};
pub use quota::{roomy, set_quota};
pub use router::{ExternalGateway, Router};
pub use rule::{Direction, SecurityGroupRule};
pub use security::SecurityGroup;
pub use subnet::{Route, Subnet};

/// Path of the service below the simulator's address, as in its catalog.
pub const PREFIX: &str = "/networking";

/// State of the networking service: records by id, quotas by project.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Neutron {
    /// Networks by id.
    pub networks: BTreeMap<String, Network>,
    /// Subnets by id.
    pub subnets: BTreeMap<String, Subnet>,
    /// Routers by id.
    pub routers: BTreeMap<String, Router>,
    /// Ports by id: of servers, router interfaces and gateways, floating IPs and load balancers.
    pub ports: BTreeMap<String, Port>,
    /// Security groups by id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// Security group rules by id.
    pub security_group_rules: BTreeMap<String, SecurityGroupRule>,
    /// Floating IPs by id.
    pub floating_ips: BTreeMap<String, FloatingIp>,
    /// Limits set for a project, by project id and resource name; -1 is unlimited.
    pub quotas: BTreeMap<String, BTreeMap<String, i64>>,
    /// True when the defaults of all quotas are unlimited.
    pub has_roomy_defaults: bool,
    /// Number of records made so far: orders lists by age.
    pub sequence: u64,
}

/// 400 of the API layer.
pub(crate) fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "HTTPBadRequest", message)
}

/// 400 of the plugin: `Invalid input for operation: ...`
fn invalid_input(reason: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        400,
        "InvalidInput",
        format!("Invalid input for operation: {reason}."),
    )
}

/// 403 for an action that the default policy keeps for administrators or owners.
fn forbidden(action: &str, attribute: Option<&str>) -> Refusal {
    let rule = match attribute {
        Some(attribute) => format!("(rule:{action} and rule:{action}:{attribute})"),
        None => format!("rule:{action}"),
    };
    Refusal::new(
        403,
        "PolicyNotAuthorized",
        format!("{rule} is disallowed by policy"),
    )
}

fn no_such_page() -> Refusal {
    Refusal::new(404, "HTTPNotFound", "The resource could not be found.")
}

/// Answers one request to the networking API; `call.path` starts with the version.
///
/// Refuses as Neutron does; the refusals are for [`Dialect::Neutron`](crate::call::Dialect::Neutron).
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let (method, mut path) = call.route();
    if let (false, Some(last)) = (path.contains(&"tags"), path.last_mut()) {
        *last = last.strip_suffix(".json").unwrap_or(last);
    }
    match (method, path.as_slice()) {
        ("GET", []) => Ok(documents::versions(call)),
        ("GET", ["v2.0"]) => Ok(documents::resources(call)),
        (_, ["v2.0", "quotas", rest @ ..]) => quota::handle(world, call, rest),
        ("GET", ["v2.0", "extensions", rest @ ..]) => documents::extensions(rest),
        (
            "GET",
            [
                "v2.0",
                collection @ ("subnetpools" | "agents" | "trunks" | "address-groups"),
            ],
        ) => {
            let key = collection.replace('-', "_");
            Ok(Reply::json(200, json!({(key): []})))
        }
        ("GET", ["v2.0", "availability_zones"]) => Ok(documents::availability_zones()),
        ("GET", ["v2.0", "network-ip-availabilities", rest @ ..]) => {
            network::ip_availability(world, call, rest)
        }
        (_, ["v2.0", "routers", id, action]) if method == "PUT" => router::act(world, call, id, action),
        (_, ["v2.0", segment, rest @ ..]) => match Kind::of_segment(segment) {
            Some(kind) => resource(world, call, kind, rest),
            None => Err(no_such_page()),
        },
        _ => Err(no_such_page()),
    }
}

/// Nothing in Neutron waits: here so that all services look alike.
pub fn tick(_world: &mut World) {}

fn resource(world: &mut World, call: &Call, kind: Kind, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", []) => list(world, call, kind),
        ("POST", []) => create(world, call, kind),
        ("GET", [id]) => {
            visible(world, call, kind, id)?;
            let object = world
                .neutron
                .show(kind, id, call.caller.is_admin)
                .ok_or_else(|| kind.not_found(id))?;
            Ok(Reply::json(
                200,
                json!({(kind.singular()): filter::trim(call, object)}),
            ))
        }
        ("PUT", [id]) => update(world, call, kind, id),
        ("DELETE", [id]) => delete(world, call, kind, id),
        (_, [id, "tags", rest @ ..]) if kind != Kind::SecurityGroupRule => {
            visible(world, call, kind, id)?;
            tags::handle(world, call, kind, id, rest)
        }
        _ => Err(no_such_page()),
    }
}

fn visible(world: &World, call: &Call, kind: Kind, id: &str) -> Result<(), Refusal> {
    if world.neutron.is_visible(kind, id, &call.caller) {
        Ok(())
    } else {
        Err(kind.not_found(id))
    }
}

/// 404 for what the caller may not see, 403 for what he sees and does not own.
fn owned(world: &World, call: &Call, kind: Kind, id: &str, verb: &str) -> Result<(), Refusal> {
    visible(world, call, kind, id)?;
    let neutron = &world.neutron;
    let network = match kind {
        Kind::Subnet => neutron.subnets.get(id).map(|subnet| subnet.network_id.as_str()),
        Kind::Port => neutron.ports.get(id).map(|port| port.network_id.as_str()),
        _ => None,
    };
    let owns_network = network.is_some_and(|network| neutron.is_owner(Kind::Network, network, &call.caller));
    if owns_network || neutron.is_owner(kind, id, &call.caller) {
        Ok(())
    } else {
        Err(forbidden(&format!("{verb}_{}", kind.singular()), None))
    }
}

fn list(world: &mut World, call: &Call, kind: Kind) -> Answer {
    if let (Kind::SecurityGroup | Kind::SecurityGroupRule, false) = (kind, call.project().is_empty()) {
        security::ensure_default(world, call.project());
    }
    let unknown: Vec<&str> = filter::filters(call)
        .map(|(name, _)| name)
        .filter(|name| !kind.is_filter(name))
        .collect();
    if !unknown.is_empty() {
        return Err(bad_request(
            format!("{unknown:?} is invalid attribute for filtering").replace('"', "'"),
        ));
    }
    let neutron = &world.neutron;
    let mut found: Vec<&Common> = neutron
        .commons(kind)
        .into_iter()
        .filter(|common| {
            filter::admits(call, "id", &common.id)
                && filter::admits(call, "name", &common.name)
                && filter::admits(call, "project_id", &common.project_id)
                && filter::admits(call, "tenant_id", &common.project_id)
                && (kind != Kind::Port || port::passes_quick_filters(neutron, call, &common.id))
                && neutron.is_visible(kind, &common.id, &call.caller)
        })
        .collect();
    found.sort_by_key(|common| common.sequence);
    let objects = found
        .into_iter()
        .filter_map(|common| neutron.show(kind, &common.id, call.caller.is_admin));
    let path = format!("{PREFIX}/v2.0/{}", kind.segment());
    filter::list(call, kind.plural(), &path, filter::PreviousLink::Always, objects)
}

fn create(world: &mut World, call: &Call, kind: Kind) -> Answer {
    let (objects, is_bulk) = attrs::of_create(call, kind)?;
    // A bulk request is all or nothing.
    let before = is_bulk.then(|| world.neutron.clone());
    let made: Result<Vec<String>, Refusal> = objects
        .into_iter()
        .map(|attrs| create_one(world, call, kind, attrs))
        .collect();
    let ids = match (made, before) {
        (Err(refusal), Some(before)) => {
            world.neutron = before;
            return Err(refusal);
        }
        (made, _) => made?,
    };
    if let (Kind::Port, false, Some(port)) = (
        kind,
        is_bulk,
        ids.first().and_then(|id| world.neutron.ports.get_mut(id)),
    ) {
        // Neutron takes tags of a port only in a bulk request; it lets those of a single one pass and forgets them.
        port.common.tags.clear();
    }
    let mut shown = ids
        .iter()
        .filter_map(|id| world.neutron.show(kind, id, call.caller.is_admin));
    let mut body = if is_bulk {
        json!({(kind.plural()): shown.collect::<Vec<_>>()})
    } else {
        json!({(kind.singular()): shown.next()})
    };
    // Neutron shows it of other networks than external ones only here.
    if kind == Kind::Network && body["network"].is_object() && body["network"]["is_default"].is_null() {
        body["network"]["is_default"] = json!(false);
    }
    Ok(Reply::json(201, body))
}

fn create_one(
    world: &mut World,
    call: &Call,
    kind: Kind,
    attrs: attrs::Attrs<'_>,
) -> Result<String, Refusal> {
    let project = attrs.project(call)?;
    quota::check(world, &project, kind, 1)?;
    match kind {
        Kind::Network => network::create(world, call, &project, attrs),
        Kind::Subnet => subnet::create(world, call, &project, attrs),
        Kind::Router => router::create(world, call, &project, attrs),
        Kind::Port => port::create(world, call, &project, attrs),
        Kind::SecurityGroup => security::create(world, &project, attrs),
        Kind::SecurityGroupRule => rule::create(world, call, &project, attrs),
        Kind::FloatingIp => floating::create(world, call, &project, attrs),
    }
}

fn update(world: &mut World, call: &Call, kind: Kind, id: &str) -> Answer {
    owned(world, call, kind, id, "update")?;
    let attrs = attrs::of_update(call, kind)?;
    match kind {
        Kind::Network => network::update(world, call, id, attrs)?,
        Kind::Subnet => subnet::update(world, id, attrs)?,
        Kind::Router => router::update(world, call, id, attrs)?,
        Kind::Port => port::update(world, call, id, attrs)?,
        Kind::SecurityGroup => security::update(world, id, attrs)?,
        Kind::SecurityGroupRule => return Err(no_such_page()),
        Kind::FloatingIp => floating::update(world, call, id, attrs)?,
    }
    let now_ms = world.now_ms;
    if let Some(common) = world.neutron.common_mut(kind, id) {
        common.touch(now_ms);
    }
    Ok(Reply::json(
        200,
        json!({(kind.singular()): world.neutron.show(kind, id, call.caller.is_admin)}),
    ))
}

fn delete(world: &mut World, call: &Call, kind: Kind, id: &str) -> Answer {
    owned(world, call, kind, id, "delete")?;
    match kind {
        Kind::Network => network::delete(world, id)?,
        Kind::Subnet => subnet::delete(world, id)?,
        Kind::Router => router::delete(world, id)?,
        Kind::Port => port::delete(world, id, call.caller.is_admin)?,
        Kind::SecurityGroup => security::delete(world, id, call.caller.is_admin)?,
        Kind::SecurityGroupRule => rule::delete(world, id),
        Kind::FloatingIp => floating::delete(world, id),
    }
    Ok(Reply::empty(204))
}

/// Makes the external network `public` with the subnet `public-subnet`: no DHCP, gateway at the first address,
/// floating and gateway addresses from the tenth on. Returns the network's id.
///
/// An `external_cidr` that is not an IPv4 prefix, or has no tenth address, leaves the network without a subnet.
pub fn seed(world: &mut World, external_cidr: &str) -> String {
    network::seed_external(world, external_cidr)
}

#[cfg(test)]
mod tests;
