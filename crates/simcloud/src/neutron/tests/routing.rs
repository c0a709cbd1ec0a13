//! Routers and floating IPs.

use super::*;

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
