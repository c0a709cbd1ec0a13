use serde_json::{Value, json};

use super::*;
use crate::{call::Caller, neutron, world::Pace};

/// A world with a network and the subnet 10.0.0.0/24 of project `p`; its id.
fn world() -> (World, String) {
    let mut world = World::new(3, Pace::default(), 1_700_000_000_000, false);
    let mut call = call("POST", "", json!({"network": {"name": "n"}}));
    call.path = vec!["v2.0".into(), "networks".into()];
    let network = neutron::handle(&mut world, &call).unwrap().body.unwrap()["network"]["id"].clone();
    call.path = vec!["v2.0".into(), "subnets".into()];
    call.body = json!({"subnet": {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4}});
    let subnet = neutron::handle(&mut world, &call).unwrap().body.unwrap()["subnet"]["id"].clone();
    (world, subnet.as_str().unwrap().to_owned())
}

fn call(method: &str, path: &str, body: Value) -> Call {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Call {
        method: method.to_owned(),
        path: format!("v2/lbaas/{path}").split('/').map(str::to_owned).collect(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        headers: BTreeMap::new(),
        body,
        caller: Caller {
            project_id: Some("p".to_owned()),
            ..Caller::default()
        },
        base: "http://127.0.0.1:9".to_owned(),
        request_id: "req-1".to_owned(),
    }
}

#[track_caller]
fn ask(world: &mut World, expected: u16, method: &str, path: &str, body: Value) -> Value {
    let reply = handle(world, &call(method, path, body))
        .unwrap_or_else(|refusal| refusal.render(crate::call::Dialect::Octavia));
    assert_eq!(reply.status, expected, "{method} {path}: {:?}", reply.body);
    reply.body.unwrap_or_default()
}

fn later(world: &mut World) {
    world.now_ms += 1_000;
    tick(world);
}

fn id(body: &Value, kind: &str) -> String {
    body[kind]["id"].as_str().unwrap().to_owned()
}

fn balancer(world: &mut World, subnet: &str) -> String {
    let made = ask(
        world,
        201,
        "POST",
        "loadbalancers",
        json!({"loadbalancer": {"name": "lb", "vip_subnet_id": subnet}}),
    );
    assert_eq!(made["loadbalancer"]["provisioning_status"], "PENDING_CREATE");
    later(world);
    id(&made, "loadbalancer")
}

fn full(subnet: &str) -> Value {
    json!({"loadbalancer": {"vip_subnet_id": subnet, "listeners": [
        {"name": "api", "protocol": "TCP", "protocol_port": 6443, "default_pool": {
            "name": "api", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN",
            "members": [{"address": "10.0.0.5", "protocol_port": 6443}],
            "healthmonitor": {"type": "TCP", "delay": 10, "timeout": 5, "max_retries": 3}}}]}})
}

#[test]
fn a_load_balancer_takes_one_change_at_a_time() {
    let (mut world, subnet) = world();
    let made = ask(
        &mut world,
        201,
        "POST",
        "loadbalancers",
        json!({"loadbalancer": {"vip_subnet_id": subnet}}),
    );
    let id = id(&made, "loadbalancer");
    let listener = json!({"listener": {"loadbalancer_id": id, "protocol": "TCP", "protocol_port": 80}});
    let refusal = ask(&mut world, 409, "POST", "listeners", listener.clone());
    assert_eq!(
        refusal["faultstring"],
        format!("Load Balancer {id} is immutable and cannot be updated.")
    );
    let refusal = ask(
        &mut world,
        409,
        "DELETE",
        &format!("loadbalancers/{id}"),
        Value::Null,
    );
    assert_eq!(
        refusal["faultstring"],
        format!("Invalid state PENDING_CREATE of loadbalancer resource {id}")
    );
    later(&mut world);
    ask(&mut world, 201, "POST", "listeners", listener.clone());
    let shown = ask(
        &mut world,
        200,
        "GET",
        &format!("loadbalancers/{id}"),
        Value::Null,
    );
    assert_eq!(shown["loadbalancer"]["provisioning_status"], "PENDING_UPDATE");
    later(&mut world);
    let refusal = ask(&mut world, 409, "POST", "listeners", listener);
    assert!(
        refusal["faultstring"]
            .as_str()
            .unwrap()
            .contains("protocol_port 80")
    );
    let shown = ask(
        &mut world,
        200,
        "GET",
        &format!("loadbalancers/{id}"),
        Value::Null,
    );
    assert_eq!(shown["loadbalancer"]["provisioning_status"], "ACTIVE");
    assert_eq!(shown["loadbalancer"]["operating_status"], "ONLINE");
}

#[test]
fn one_request_can_make_the_whole_tree() {
    let (mut world, subnet) = world();
    let made = ask(&mut world, 201, "POST", "loadbalancers", full(&subnet));
    let balancer = &made["loadbalancer"];
    let pool = &balancer["pools"][0];
    assert_eq!(balancer["listeners"][0]["default_pool_id"], pool["id"]);
    assert_eq!(pool["members"][0]["address"], "10.0.0.5");
    assert_eq!(pool["healthmonitor"]["type"], "TCP");
    assert_eq!(balancer["listeners"][0]["provisioning_status"], "PENDING_CREATE");
    later(&mut world);
    let id = balancer["id"].as_str().unwrap();
    let statuses = ask(
        &mut world,
        200,
        "GET",
        &format!("loadbalancers/{id}/status"),
        Value::Null,
    );
    let listener = &statuses["statuses"]["loadbalancer"]["listeners"][0];
    assert_eq!(listener["provisioning_status"], "ACTIVE");
    assert_eq!(listener["pools"][0]["members"][0]["operating_status"], "ONLINE");
}

#[test]
fn a_refused_tree_leaves_nothing_behind() {
    let (mut world, subnet) = world();
    let mut body = full(&subnet);
    body["loadbalancer"]["listeners"][0]["default_pool"]["members"][0]["address"] = json!("nowhere");
    ask(&mut world, 400, "POST", "loadbalancers", body);
    assert!(world.octavia.load_balancers.is_empty() && world.octavia.pools.is_empty());
    assert!(world.neutron.ports.is_empty());
}

#[test]
fn a_load_balancer_with_children_goes_only_by_cascade() {
    let (mut world, subnet) = world();
    let id = id(
        &ask(&mut world, 201, "POST", "loadbalancers", full(&subnet)),
        "loadbalancer",
    );
    later(&mut world);
    let refusal = ask(
        &mut world,
        400,
        "DELETE",
        &format!("loadbalancers/{id}"),
        Value::Null,
    );
    assert_eq!(
        refusal["faultstring"],
        format!("Validation failure: Cannot delete Load Balancer {id} - it has children")
    );
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("loadbalancers/{id}?cascade=true"),
        Value::Null,
    );
    let shown = ask(
        &mut world,
        200,
        "GET",
        &format!("loadbalancers/{id}"),
        Value::Null,
    );
    assert_eq!(shown["loadbalancer"]["provisioning_status"], "PENDING_DELETE");
    assert_eq!(world.neutron.ports.len(), 1);
    later(&mut world);
    ask(
        &mut world,
        404,
        "GET",
        &format!("loadbalancers/{id}"),
        Value::Null,
    );
    let octavia = &world.octavia;
    assert!(octavia.listeners.is_empty() && octavia.pools.is_empty() && octavia.members.is_empty());
    assert!(octavia.health_monitors.is_empty() && world.neutron.ports.is_empty());
}

#[test]
fn a_port_given_for_the_address_outlives_the_load_balancer() {
    let (mut world, subnet) = world();
    let network = world.neutron.subnets[&subnet].network_id.clone();
    let mut make = call("POST", "", json!({"port": {"network_id": network}}));
    make.path = vec!["v2.0".into(), "ports".into()];
    let port = neutron::handle(&mut world, &make).unwrap().body.unwrap()["port"]["id"].clone();
    let made = ask(
        &mut world,
        201,
        "POST",
        "loadbalancers",
        json!({"loadbalancer": {"vip_port_id": port}}),
    );
    assert_eq!(made["loadbalancer"]["vip_address"], "10.0.0.2");
    later(&mut world);
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("loadbalancers/{}", id(&made, "loadbalancer")),
        Value::Null,
    );
    later(&mut world);
    assert!(world.octavia.load_balancers.is_empty());
    assert_eq!(world.neutron.ports.len(), 1);
}

#[test]
fn a_batch_update_replaces_members_or_only_adds() {
    let (mut world, subnet) = world();
    let balancer = balancer(&mut world, &subnet);
    let body =
        json!({"pool": {"loadbalancer_id": balancer, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}});
    let pool = id(&ask(&mut world, 201, "POST", "pools", body), "pool");
    later(&mut world);
    let path = format!("pools/{pool}/members");
    let member = |last: u8| json!({"address": format!("10.0.0.{last}"), "protocol_port": 80});
    ask(
        &mut world,
        202,
        "PUT",
        &path,
        json!({"members": [member(5), member(6)]}),
    );
    later(&mut world);
    ask(
        &mut world,
        202,
        "PUT",
        &format!("{path}?additive_only=true"),
        json!({"members": [member(7)]}),
    );
    later(&mut world);
    assert_eq!(world.octavia.members_of(&pool).len(), 3);
    let kept = world.octavia.members_of(&pool)[1].common.id.clone();
    ask(&mut world, 202, "PUT", &path, json!({"members": [member(6)]}));
    later(&mut world);
    let left: Vec<String> = world
        .octavia
        .members_of(&pool)
        .iter()
        .map(|member| member.common.id.clone())
        .collect();
    assert_eq!(left, [kept]);
    ask(&mut world, 409, "POST", &path, json!({"member": member(6)}));
    let shown = ask(&mut world, 200, "GET", &path, Value::Null);
    assert_eq!(shown["members"][0]["operating_status"], "NO_MONITOR");
}

#[test]
fn a_deleted_pool_is_forgotten_by_its_listener() {
    let (mut world, subnet) = world();
    let made = ask(&mut world, 201, "POST", "loadbalancers", full(&subnet));
    later(&mut world);
    let pool = made["loadbalancer"]["pools"][0]["id"].as_str().unwrap();
    ask(&mut world, 204, "DELETE", &format!("pools/{pool}"), Value::Null);
    later(&mut world);
    ask(&mut world, 404, "GET", &format!("pools/{pool}"), Value::Null);
    let listeners = ask(&mut world, 200, "GET", "listeners", Value::Null);
    assert_eq!(listeners["listeners"][0]["default_pool_id"], Value::Null);
    assert_eq!(listeners["listeners"][0]["provisioning_status"], "ACTIVE");
    assert!(world.octavia.members.is_empty());
}

#[test]
fn a_failed_load_balancer_can_only_be_deleted() {
    let (mut world, subnet) = world();
    let id = balancer(&mut world, &subnet);
    fail_load_balancer(&mut world, &id);
    let body = json!({"listener": {"loadbalancer_id": id, "protocol": "TCP", "protocol_port": 80}});
    ask(&mut world, 409, "POST", "listeners", body);
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("loadbalancers/{id}"),
        Value::Null,
    );
    later(&mut world);
    assert!(world.octavia.load_balancers.is_empty());
}

#[test]
fn health_checks_decide_the_state_of_members_and_pool() {
    let (mut world, subnet) = world();
    ask(&mut world, 201, "POST", "loadbalancers", full(&subnet));
    later(&mut world);
    let member = world.octavia.members.keys().next().unwrap().clone();
    set_member_online(&mut world, &member, false);
    assert_eq!(world.octavia.members[&member].common.operating_status, "ERROR");
    assert_eq!(
        world
            .octavia
            .pools
            .values()
            .next()
            .unwrap()
            .common
            .operating_status,
        "ERROR"
    );
}

#[test]
fn quotas_and_filters_hold() {
    let (mut world, subnet) = world();
    set_quota(&mut world, "p", "loadbalancer", 1);
    let id = balancer(&mut world, &subnet);
    let body = json!({"loadbalancer": {"vip_subnet_id": subnet}});
    let refusal = ask(&mut world, 403, "POST", "loadbalancers", body);
    assert_eq!(
        refusal["faultstring"],
        "Quota has been met for resources: Load Balancer"
    );
    let listener = json!({"listener": {"loadbalancer_id": id, "protocol": "TCP", "protocol_port": 80}});
    ask(&mut world, 201, "POST", "listeners", listener);
    for (query, count) in [
        (format!("loadbalancer_id={id}"), 1),
        ("loadbalancer_id=x".to_owned(), 0),
    ] {
        let found = ask(&mut world, 200, "GET", &format!("listeners?{query}"), Value::Null);
        assert_eq!(found["listeners"].as_array().unwrap().len(), count);
    }
    let port = world.octavia.load_balancers[&id].vip_port_id.clone();
    assert_eq!(world.neutron.ports[&port].common.name, format!("octavia-lb-{id}"));
    let found = ask(
        &mut world,
        200,
        "GET",
        &format!("loadbalancers?vip_port_id={port}"),
        Value::Null,
    );
    assert_eq!(found["loadbalancers"].as_array().unwrap().len(), 1);
    let shown = ask(&mut world, 200, "GET", "quotas/p", Value::Null);
    assert_eq!(shown["quota"]["loadbalancer"], 1);
    assert_eq!(shown["quota"]["listener"], -1);
}

#[test]
fn ovn_refuses_what_it_cannot_do() {
    let (mut world, subnet) = world();
    let refusal = |world: &mut World, change: fn(&mut Value)| {
        let mut body = full(&subnet);
        body["loadbalancer"]["provider"] = json!("ovn");
        let listener = &mut body["loadbalancer"]["listeners"][0];
        listener["default_pool"]["lb_algorithm"] = json!("SOURCE_IP_PORT");
        change(listener);
        let answer = ask(world, 501, "POST", "loadbalancers", body);
        assert!(world.octavia.load_balancers.is_empty() && world.octavia.pools.is_empty());
        answer["faultstring"].as_str().unwrap_or_default().to_owned()
    };
    let said = refusal(&mut world, |listener| {
        listener["default_pool"]["lb_algorithm"] = json!("ROUND_ROBIN")
    });
    assert!(
        said.ends_with("OVN provider does not support ROUND_ROBIN algorithm"),
        "{said}"
    );
    let said = refusal(&mut world, |listener| {
        listener["allowed_cidrs"] = json!(["10.0.0.0/8"])
    });
    assert!(
        said.ends_with("OVN provider does not support allowed_cidrs option"),
        "{said}"
    );
    refusal(&mut world, |listener| {
        listener["default_pool"]["healthmonitor"]["type"] = json!("PING")
    });
    let mut body = full(&subnet);
    body["loadbalancer"]["provider"] = json!("ovn");
    body["loadbalancer"]["listeners"][0]["default_pool"]["lb_algorithm"] = json!("SOURCE_IP_PORT");
    ask(&mut world, 201, "POST", "loadbalancers", body);
}
