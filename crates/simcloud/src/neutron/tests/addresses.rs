//! Subnets, ports and their addresses.

use super::*;

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
