use serde_json::{Value, json};

use super::*;
use crate::{call::Caller, world::Pace};

mod recorded;

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

#[test]
fn a_subnet_gets_the_first_address_as_gateway_and_the_rest_as_pool() {
    let mut world = world();
    let (network, subnet) = network(&mut world);
    let shown = ask(&mut world, 200, "GET", &format!("subnets/{subnet}"), Value::Null);
    assert_eq!(shown["subnet"]["gateway_ip"], "10.0.0.1");
    assert_eq!(
        shown["subnet"]["allocation_pools"],
        json!([{"start": "10.0.0.2", "end": "10.0.0.254"}])
    );
    let shown = ask(
        &mut world,
        200,
        "GET",
        &format!("networks/{network}"),
        Value::Null,
    );
    assert_eq!(shown["network"]["subnets"], json!([subnet]));
    assert!(shown["network"].get("provider:network_type").is_none());
}

#[test]
fn subnets_of_one_network_may_not_overlap() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let body = json!({"subnet": {"network_id": network, "cidr": "10.0.0.128/25", "ip_version": 4}});
    let refusal = ask(&mut world, 400, "POST", "subnets", body);
    assert_eq!(kind_of(&refusal), "InvalidInput");
}

#[test]
fn an_address_belongs_to_one_port() {
    let mut world = world();
    let (network, subnet) = network(&mut world);
    let body = json!({"port": {"network_id": network, "fixed_ips": [{"subnet_id": subnet, "ip_address": "10.0.0.9"}]}});
    ask(&mut world, 201, "POST", "ports", body.clone());
    let refusal = ask(&mut world, 409, "POST", "ports", body);
    assert_eq!(kind_of(&refusal), "IpAddressAlreadyAllocated");
    let found = ask(
        &mut world,
        200,
        "GET",
        "ports?fixed_ips=ip_address=10.0.0.9",
        Value::Null,
    );
    assert_eq!(found["ports"].as_array().unwrap().len(), 1);
}

#[test]
fn an_exhausted_pool_refuses_ports() {
    let mut world = world();
    let network = id(
        &ask(&mut world, 201, "POST", "networks", json!({"network": {}})),
        "network",
    );
    let body = json!({"subnet": {"network_id": network, "cidr": "10.9.0.0/30", "ip_version": 4}});
    ask(&mut world, 201, "POST", "subnets", body);
    port(&mut world, &network);
    let refusal = ask(
        &mut world,
        409,
        "POST",
        "ports",
        json!({"port": {"network_id": network}}),
    );
    assert_eq!(kind_of(&refusal), "IpAddressGenerationFailure");
}

#[test]
fn parents_are_not_deleted_before_their_children() {
    let mut world = world();
    let (network, subnet) = network(&mut world);
    let router = router(&mut world, &subnet);
    assert_eq!(
        kind_of(&ask(
            &mut world,
            409,
            "DELETE",
            &format!("networks/{network}"),
            Value::Null
        )),
        "NetworkInUse"
    );
    assert_eq!(
        kind_of(&ask(
            &mut world,
            409,
            "DELETE",
            &format!("subnets/{subnet}"),
            Value::Null
        )),
        "SubnetInUse"
    );
    assert_eq!(
        kind_of(&ask(
            &mut world,
            409,
            "DELETE",
            &format!("routers/{router}"),
            Value::Null
        )),
        "RouterInUse"
    );
    let interface = world.neutron.interfaces_of(&router)[0].common.id.clone();
    let refusal = ask(
        &mut world,
        409,
        "DELETE",
        &format!("ports/{interface}"),
        Value::Null,
    );
    assert_eq!(kind_of(&refusal), "ServicePortInUse");
    ask(
        &mut world,
        200,
        "PUT",
        &format!("routers/{router}/remove_router_interface"),
        json!({"subnet_id": subnet}),
    );
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("routers/{router}"),
        Value::Null,
    );
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("networks/{network}"),
        Value::Null,
    );
    assert!(
        world.neutron.ports.is_empty(),
        "the gateway port went with its router"
    );
    assert_eq!(world.neutron.subnets.len(), 1, "only the external subnet is left");
}

#[test]
fn a_floating_ip_needs_a_router_between_port_and_external_network() {
    let mut world = world();
    let (network, subnet) = network(&mut world);
    let port = port(&mut world, &network);
    let external = public(&world);
    let body = json!({"floatingip": {"floating_network_id": external, "port_id": port}});
    let refusal = ask(&mut world, 404, "POST", "floatingips", body.clone());
    assert_eq!(kind_of(&refusal), "ExternalGatewayForFloatingIPNotFound");
    let router = router(&mut world, &subnet);
    let made = ask(&mut world, 201, "POST", "floatingips", body.clone());
    assert_eq!(made["floatingip"]["status"], "ACTIVE");
    assert_eq!(made["floatingip"]["router_id"], router);
    assert_eq!(made["floatingip"]["fixed_ip_address"], "10.0.0.2");
    let refusal = ask(&mut world, 409, "POST", "floatingips", body);
    assert_eq!(kind_of(&refusal), "FloatingIPPortAlreadyAssociated");
    let path = format!("routers/{router}/remove_router_interface");
    let refusal = ask(&mut world, 409, "PUT", &path, json!({"subnet_id": subnet}));
    assert_eq!(kind_of(&refusal), "RouterInterfaceInUseByFloatingIP");
    ask(&mut world, 204, "DELETE", &format!("ports/{port}"), Value::Null);
    let shown = ask(
        &mut world,
        200,
        "GET",
        &format!("floatingips/{}", id(&made, "floatingip")),
        Value::Null,
    );
    assert_eq!(shown["floatingip"]["port_id"], Value::Null);
    assert_eq!(shown["floatingip"]["status"], "DOWN");
}

#[test]
fn floating_ips_end_with_the_external_pool() {
    let mut world = world();
    let external = public(&world);
    let body = json!({"floatingip": {"floating_network_id": external}});
    // The pool of 203.0.113.0/28 is .10 to .14.
    let first = id(
        &ask(&mut world, 201, "POST", "floatingips", body.clone()),
        "floatingip",
    );
    for _ in 1..5 {
        ask(&mut world, 201, "POST", "floatingips", body.clone());
    }
    let refusal = ask(&mut world, 409, "POST", "floatingips", body.clone());
    assert_eq!(kind_of(&refusal), "IpAddressGenerationFailure");
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("floatingips/{first}"),
        Value::Null,
    );
    ask(&mut world, 201, "POST", "floatingips", body);
}

#[test]
fn a_project_has_one_default_security_group_from_the_start() {
    let mut world = world();
    let groups = ask(&mut world, 200, "GET", "security-groups", Value::Null);
    let groups = groups["security_groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0]["name"], "default");
    assert_eq!(groups[0]["security_group_rules"].as_array().unwrap().len(), 4);
    let refusal = ask(
        &mut world,
        409,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "default"}}),
    );
    assert_eq!(kind_of(&refusal), "SecurityGroupDefaultAlreadyExists");
    let made = ask(
        &mut world,
        201,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "g"}}),
    );
    assert_eq!(
        made["security_group"]["security_group_rules"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn equal_and_senseless_rules_are_refused() {
    let mut world = world();
    let made = ask(
        &mut world,
        201,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "g"}}),
    );
    let group = id(&made, "security_group");
    let rule = |extra: Value| {
        let mut rule = json!({"security_group_id": group, "direction": "ingress"});
        rule.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!({"security_group_rule": rule})
    };
    let ssh = rule(json!({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}));
    ask(&mut world, 201, "POST", "security-group-rules", ssh.clone());
    let path = "security-group-rules";
    for (status, class, body) in [
        (409, "SecurityGroupRuleExists", ssh),
        (
            400,
            "SecurityGroupProtocolRequiredWithPorts",
            rule(json!({"port_range_min": 1, "port_range_max": 2})),
        ),
        (
            400,
            "SecurityGroupInvalidPortRange",
            rule(json!({"protocol": "udp", "port_range_min": 9, "port_range_max": 2})),
        ),
        (
            400,
            "SecurityGroupRuleInvalidProtocol",
            rule(json!({"protocol": "carrier-pigeon"})),
        ),
        (400, "InvalidCIDR", rule(json!({"remote_ip_prefix": "nowhere"}))),
        (
            400,
            "SecurityGroupRuleParameterConflict",
            rule(json!({"remote_ip_prefix": "fd00::/8"})),
        ),
        (
            404,
            "SecurityGroupNotFound",
            rule(json!({"remote_group_id": "none"})),
        ),
    ] {
        let refusal = ask(&mut world, status, "POST", path, body);
        assert_eq!(kind_of(&refusal), class);
    }
}

#[test]
fn a_security_group_stays_while_a_port_is_in_it() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let made = ask(
        &mut world,
        201,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "g"}}),
    );
    let group = id(&made, "security_group");
    let body = json!({"port": {"network_id": network, "security_groups": [group]}});
    let port = id(&ask(&mut world, 201, "POST", "ports", body), "port");
    let path = format!("security-groups/{group}");
    assert_eq!(
        kind_of(&ask(&mut world, 409, "DELETE", &path, Value::Null)),
        "SecurityGroupInUse"
    );
    ask(
        &mut world,
        200,
        "PUT",
        &format!("ports/{port}"),
        json!({"port": {"security_groups": []}}),
    );
    ask(&mut world, 204, "DELETE", &path, Value::Null);
}

#[test]
fn others_see_only_what_is_shared() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let port = port(&mut world, &network);
    let refusal = ask_as(
        &mut world,
        "other",
        404,
        "GET",
        &format!("ports/{port}"),
        Value::Null,
    );
    assert_eq!(
        refusal["NeutronError"]["message"],
        format!("Port {port} could not be found.")
    );
    ask_as(
        &mut world,
        "other",
        404,
        "GET",
        &format!("networks/{network}"),
        Value::Null,
    );
    let seen = ask_as(&mut world, "other", 200, "GET", "networks", Value::Null);
    let names: Vec<&str> = seen["networks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|network| network["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["public"]);
    let external = public(&world);
    let refusal = ask_as(
        &mut world,
        "other",
        403,
        "DELETE",
        &format!("networks/{external}"),
        Value::Null,
    );
    assert_eq!(kind_of(&refusal), "PolicyNotAuthorized");
    let refusal = ask(
        &mut world,
        403,
        "POST",
        "networks",
        json!({"network": {"shared": true}}),
    );
    assert_eq!(kind_of(&refusal), "PolicyNotAuthorized");
    ask_as(
        &mut world,
        "admin",
        201,
        "POST",
        "networks",
        json!({"network": {"shared": true}}),
    );
}

#[test]
fn quotas_refuse_what_is_too_much() {
    let mut world = world();
    set_quota(&mut world, "p", "network", 1);
    let body = json!({"network": {"name": "n"}});
    let first = id(&ask(&mut world, 201, "POST", "networks", body.clone()), "network");
    let refusal = ask(&mut world, 409, "POST", "networks", body.clone());
    assert_eq!(kind_of(&refusal), "OverQuota");
    assert_eq!(
        refusal["NeutronError"]["message"],
        "Quota exceeded for resources: ['network']."
    );
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("networks/{first}"),
        Value::Null,
    );
    ask(&mut world, 201, "POST", "networks", body.clone());
    let details = ask(&mut world, 200, "GET", "quotas/p/details.json", Value::Null);
    assert_eq!(
        details["quota"]["network"],
        json!({"limit": 1, "used": 1, "reserved": 0})
    );
    ask(
        &mut world,
        403,
        "PUT",
        "quotas/p",
        json!({"quota": {"network": 9}}),
    );
    ask_as(
        &mut world,
        "admin",
        200,
        "PUT",
        "quotas/p",
        json!({"quota": {"network": -1}}),
    );
    ask(&mut world, 201, "POST", "networks", body);
}

#[test]
fn a_bulk_request_is_all_or_nothing() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let ok = json!({"network_id": network});
    let made = ask(&mut world, 201, "POST", "ports", json!({"ports": [ok, ok]}));
    assert_eq!(made["ports"].as_array().unwrap().len(), 2);
    let unknown = "00000000-0000-0000-0000-000000000000";
    ask(
        &mut world,
        404,
        "POST",
        "ports",
        json!({"ports": [ok, {"network_id": unknown}]}),
    );
    assert_eq!(world.neutron.ports.len(), 2);
}

#[test]
fn tags_are_kept_and_found() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let tags = format!("networks/{network}/tags");
    ask(&mut world, 200, "PUT", &tags, json!({"tags": ["a", "b"]}));
    ask(&mut world, 201, "PUT", &format!("{tags}/c.d"), Value::Null);
    ask(&mut world, 204, "GET", &format!("{tags}/c.d"), Value::Null);
    ask(&mut world, 404, "DELETE", &format!("{tags}/z"), Value::Null);
    for (query, count) in [
        ("tags=a,b", 1),
        ("tags=a,z", 0),
        ("tags-any=z,b", 1),
        ("not-tags=a", 1),
        ("not-tags-any=a", 1),
    ] {
        let found = ask(&mut world, 200, "GET", &format!("networks?{query}"), Value::Null);
        assert_eq!(found["networks"].as_array().unwrap().len(), count, "{query}");
    }
    ask(&mut world, 204, "DELETE", &tags, Value::Null);
    let shown = ask(
        &mut world,
        200,
        "GET",
        &format!("networks/{network}"),
        Value::Null,
    );
    assert_eq!(shown["network"]["tags"], json!([]));
}

#[test]
fn pages_link_to_the_next_one() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let ids: Vec<String> = (0..3).map(|_| port(&mut world, &network)).collect();
    let page = ask(&mut world, 200, "GET", "ports?limit=2&fields=id", Value::Null);
    assert_eq!(page["ports"], json!([{"id": ids[0]}, {"id": ids[1]}]));
    let next = page["ports_links"][0]["href"].as_str().unwrap();
    let expected = format!(
        "http://127.0.0.1:9/networking/v2.0/ports?limit=2&fields=id&marker={}",
        ids[1]
    );
    assert_eq!(next, expected);
    let page = ask(
        &mut world,
        200,
        "GET",
        &format!("ports?limit=2&marker={}", ids[1]),
        Value::Null,
    );
    assert_eq!(page["ports"].as_array().unwrap().len(), 1);
    let relations: Vec<&str> = page["ports_links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["rel"].as_str().unwrap())
        .collect();
    assert_eq!(relations, ["previous"]);
    ask(&mut world, 400, "GET", "ports?colour=red", Value::Null);
}

#[test]
fn extra_routes_need_a_connected_next_hop() {
    let mut world = world();
    let (_, subnet) = network(&mut world);
    let router = router(&mut world, &subnet);
    let routes =
        |hop: &str| json!({"router": {"routes": [{"destination": "10.100.0.0/24", "nexthop": hop}]}});
    let path = format!("routers/{router}");
    assert_eq!(
        kind_of(&ask(&mut world, 400, "PUT", &path, routes("192.0.2.1"))),
        "InvalidRoutes"
    );
    ask(
        &mut world,
        200,
        "PUT",
        &format!("{path}/add_extraroutes"),
        routes("10.0.0.5"),
    );
    let remove = format!("{path}/remove_router_interface");
    let refusal = ask(&mut world, 409, "PUT", &remove, json!({"subnet_id": subnet}));
    assert_eq!(kind_of(&refusal), "RouterInterfaceInUseByRoute");
    let shown = ask(
        &mut world,
        200,
        "PUT",
        &format!("{path}/remove_extraroutes"),
        routes("10.0.0.5"),
    );
    assert_eq!(shown["router"]["routes"], json!([]));
}

#[test]
fn a_server_takes_with_it_only_the_ports_that_compute_made() {
    let mut world = world();
    let (network, subnet) = network(&mut world);
    let mine = port(&mut world, &network);
    bind_port(&mut world, &mine, "s", "p").unwrap();
    assert_eq!(bind_port(&mut world, &mine, "t", "p").unwrap_err().status, 400);
    assert_eq!(
        bind_port(&mut world, &mine, "t", "other").unwrap_err().status,
        404
    );
    let made = create_port_for_server(&mut world, &network, "s", "p", &["default".into()]).unwrap();
    router(&mut world, &subnet);
    let body = json!({"floatingip": {"floating_network_id": public(&world), "port_id": made}});
    ask(&mut world, 201, "POST", "floatingips", body);
    let shown = addresses(&world, "s");
    let kinds: Vec<&str> = shown["n"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["OS-EXT-IPS:type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["fixed", "fixed", "floating"]);
    assert_eq!(addresses_by_server(&world)["s"], shown);
    unbind_ports(&mut world, "s");
    assert!(!world.neutron.ports.contains_key(&made));
    let left = &world.neutron.ports[&mine];
    assert_eq!((left.device_id.as_str(), left.status.as_str()), ("", "DOWN"));
}
