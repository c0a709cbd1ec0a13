//! Neutron's rules, over its handler: a world, a caller and what is answered.

use serde_json::{Value, json};

use super::*;
use crate::{call::Caller, world::Pace};

mod addresses;
mod lists;
mod recorded;
mod routing;
mod rules;

fn world() -> World {
    let mut world = World::new(7, Pace::default(), 1_700_000_000_000, false);
    seed(&mut world, "203.0.113.0/28");
    world
}

fn call_as(project: &str, is_admin: bool, method: &str, path: &str, body: Value) -> Call {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Call {
        method: method.to_owned(),
        path: format!("v2.0/{path}")
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        headers: BTreeMap::new(),
        body,
        caller: Caller {
            project_id: Some(project.to_owned()),
            is_admin,
            ..Caller::default()
        },
        base: "http://127.0.0.1:9".to_owned(),
        request_id: "req-1".to_owned(),
    }
}

/// Asks as project `p`, and expects a status; the body may be that of a refusal.
#[track_caller]
fn ask(world: &mut World, expected: u16, method: &str, path: &str, body: Value) -> Value {
    ask_as(world, "p", expected, method, path, body)
}

#[track_caller]
fn ask_as(world: &mut World, project: &str, expected: u16, method: &str, path: &str, body: Value) -> Value {
    let call = call_as(project, project == "admin", method, path, body);
    let reply = handle(world, &call).unwrap_or_else(|refusal| refusal.render(crate::call::Dialect::Neutron));
    assert_eq!(reply.status, expected, "{method} {path}: {:?}", reply.body);
    reply.body.unwrap_or_default()
}

fn id(body: &Value, kind: &str) -> String {
    body[kind]["id"].as_str().unwrap().to_owned()
}

fn public(world: &World) -> String {
    world
        .neutron
        .networks
        .values()
        .find(|network| network.is_external)
        .unwrap()
        .common
        .id
        .clone()
}

/// A network with a subnet 10.0.0.0/24 of project `p`.
fn network(world: &mut World) -> (String, String) {
    let network = id(
        &ask(world, 201, "POST", "networks", json!({"network": {"name": "n"}})),
        "network",
    );
    let body = json!({"subnet": {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4}});
    let subnet = id(&ask(world, 201, "POST", "subnets", body), "subnet");
    (network, subnet)
}

fn port(world: &mut World, network: &str) -> String {
    id(
        &ask(
            world,
            201,
            "POST",
            "ports",
            json!({"port": {"network_id": network}}),
        ),
        "port",
    )
}

/// A router between the subnet and the external network.
fn router(world: &mut World, subnet: &str) -> String {
    let body = json!({"router": {"external_gateway_info": {"network_id": public(world)}}});
    let router = id(&ask(world, 201, "POST", "routers", body), "router");
    ask(
        world,
        200,
        "PUT",
        &format!("routers/{router}/add_router_interface"),
        json!({"subnet_id": subnet}),
    );
    router
}

fn kind_of(body: &Value) -> &str {
    body["NeutronError"]["type"].as_str().unwrap()
}
