//! What a tenant may ask for beyond the defaults arrives in the cloud.

use jeroboam_cloud::{Find, network};
use jeroboam_simcloud::usage::Item;
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::{Labels, Status};

use crate::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_given_network_a_keypair_zones_and_boot_volumes_are_used() {
    let house = House::build().await;
    let tenant = house.tenant();
    let own = network::create_network(&tenant, "own").await.unwrap();
    let subnet = network::create_subnet(&tenant, "own", &own.id, "192.168.7.0/24", &[])
        .await
        .unwrap();
    let Find::One(external) = network::find_network(&tenant, "public", Some(true))
        .await
        .unwrap()
    else {
        panic!("no external network");
    };
    let router = network::create_router(&tenant, "own", &external.id)
        .await
        .unwrap();
    network::add_router_interface(&tenant, &router.id, &subnet.id)
        .await
        .unwrap();

    let engine = house.engine(|_| {}).await;
    let cluster = house
        .ask(1, 1, |new| {
            new.cluster.fixed_network = Some("own".into());
            new.cluster.fixed_subnet = Some("own".into());
            new.resolved.fixed_network_id = Some(own.id.clone());
            new.resolved.fixed_subnet_id = Some(subnet.id.clone());
            new.resolved.fixed_subnet_cidr = Some("192.168.7.0/24".into());
            new.resolved.public_key = Some(
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f somebody"
                    .into(),
            );
            new.cluster.labels =
                Labels::from_iter([("boot_volume_size", "12"), ("availability_zone", "nova")]);
        })
        .await;
    let row = house.settled(cluster).await;
    assert_eq!(
        row.cluster.status,
        Status::CreateComplete,
        "{:?}",
        row.cluster.status_reason
    );

    let usage = house.cloud.usage();
    let of = |kind: &str| {
        usage
            .items
            .iter()
            .filter(|item| item.kind == kind)
            .collect::<Vec<&Item>>()
    };
    assert_eq!(
        (of("networks").len(), of("routers").len()),
        (1, 1),
        "none was made besides the given ones"
    );
    assert_eq!(of("keypairs").len(), 1);
    assert_eq!(of("volumes").len(), 2, "a boot volume for each server");
    house.cloud.with_world(|world| {
        for server in world.nova.servers.values() {
            assert_eq!(server.availability_zone, "nova");
            assert!(
                server
                    .key_name
                    .as_deref()
                    .is_some_and(|name| name.starts_with("demo-"))
            );
        }
    });

    house.ask_delete(cluster).await;
    house.gone(cluster).await;
    let left: Vec<String> = house
        .cloud
        .usage()
        .items
        .into_iter()
        .map(|item| item.kind)
        .collect();
    let only_own = |kind: &String| ["networks", "subnets", "routers", "ports"].contains(&kind.as_str());
    assert!(
        left.iter().all(only_own),
        "the tenant's own network stays, and nothing else: {left:?}"
    );
    engine.stop().await;
}

/// Remote prefixes of the ingress rules of a port in the managers' security group.
fn let_in(house: &House, port: u16) -> Vec<String> {
    let groups = house.ids("security_groups");
    let (_, group) = groups.iter().find(|(name, _)| *name == "masters").unwrap();
    house.cloud.with_world(|world| {
        let rules = world.neutron.security_group_rules.values();
        let rules =
            rules.filter(|rule| rule.security_group_id == *group && rule.port_range_min == Some(port));
        let mut prefixes: Vec<String> = rules
            .map(|rule| rule.remote_ip_prefix.clone().unwrap_or_default())
            .collect();
        prefixes.sort();
        prefixes
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_who_are_allowed_and_the_cluster_itself_reach_the_api() {
    for (provider, algorithm) in [("amphora", "LEAST_CONNECTIONS"), ("ovn", "SOURCE_IP_PORT")] {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = house
            .ask(3, 1, |new| {
                new.resolved.defaults.source_cidrs = vec!["198.51.100.0/28".into()];
                new.cluster.labels = Labels::from_iter([
                    ("octavia_provider", provider),
                    ("octavia_lb_algorithm", algorithm),
                    ("octavia_lb_healthcheck", "false"),
                    ("master_lb_allowed_cidrs", "203.0.113.128/25"),
                ]);
            })
            .await;
        house.settled_as(cluster, Status::CreateComplete).await;
        let outer = house.cloud.with_world(|world| {
            let router = world.neutron.routers.values().next().unwrap();
            router.external_gateway.as_ref().unwrap().external_fixed_ips[0].ip_address
        });
        let mut expected = ["10.0.0.0/24", "198.51.100.0/28", "203.0.113.128/25"]
            .map(str::to_owned)
            .to_vec();
        expected.push(format!("{outer}/32"));
        expected.sort();
        assert_eq!(let_in(&house, 2376), expected, "{provider}");
        house.cloud.with_world(|world| {
            let octavia = &world.octavia;
            let balancer = octavia.load_balancers.values().next().unwrap();
            assert_eq!(balancer.provider, provider);
            let pool = octavia.pools.values().next().unwrap();
            assert_eq!(
                (pool.lb_algorithm.as_str(), octavia.health_monitors.len()),
                (algorithm, 0)
            );
            let mut allowed = octavia.listeners.values().next().unwrap().allowed_cidrs.clone();
            allowed.iter_mut().for_each(|cidrs| cidrs.sort());
            // The provider refuses these, and keeps clients' addresses for the security group to tell.
            assert_eq!(allowed, (provider != "ovn").then(|| expected.clone()));
        });
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_group_has_more_members_than_nova_lets_it() {
    let house = House::build().await;
    let limits = serde_json::json!({"server_group_members": 3});
    house
        .cloud
        .with_world(|world| jeroboam_simcloud::nova::set_default_quotas(world, limits.as_object().unwrap()))
        .unwrap();
    let engine = house.engine(|_| {}).await;
    let most = jeroboam_cloud::compute::server_group_members(&house.tenant())
        .await
        .unwrap();
    assert_eq!(most, Some(3));
    let cluster = house
        .ask(1, 7, |new| new.resolved.server_group_members = most)
        .await;
    house.settled_as(cluster, Status::CreateComplete).await;
    let groups = |house: &House| -> Vec<String> { house.ids("server_groups").into_keys().collect() };
    assert_eq!(groups(&house), ["masters", "workers", "workers.1", "workers.2"]);
    let medium = house.template_of("m1.medium").await;
    house.upgrade(cluster, &[DEFAULT_WORKER], &medium, 2).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers().len(), 8);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_routed_by_the_tenants_own_router_and_it_is_left_as_it_was() {
    let mut house = House::build().await;
    house.build_kubernetes().await;
    let tenant = house.tenant();
    let own = network::create_network(&tenant, "own").await.unwrap();
    let subnet = network::create_subnet(&tenant, "own", &own.id, "192.168.7.0/24", &[])
        .await
        .unwrap();
    assert_eq!(network::own_router_of(&tenant, &subnet.id).await.unwrap(), None);
    let Find::One(external) = network::find_network(&tenant, "public", Some(true))
        .await
        .unwrap()
    else {
        panic!("no external network");
    };
    let router = network::create_router(&tenant, "own", &external.id)
        .await
        .unwrap();
    network::add_router_interface(&tenant, &router.id, &subnet.id)
        .await
        .unwrap();
    network::add_route(&tenant, &router.id, "172.16.0.0/16", "192.168.7.200")
        .await
        .unwrap();
    let found = network::own_router_of(&tenant, &subnet.id).await.unwrap();
    assert_eq!(found.as_deref(), Some(router.id.as_str()));
    // What is another project's cannot be changed, and is not tried.
    assert_eq!(
        network::own_router_of(&house.admin(), &subnet.id).await.unwrap(),
        None
    );

    let routes = |house: &House| -> Vec<String> {
        house.cloud.with_world(|world| {
            let routes = &world.neutron.routers[&router.id].routes;
            let mut texts: Vec<String> = routes
                .iter()
                .map(|route| format!("{} {}", route.destination, route.nexthop))
                .collect();
            texts.sort();
            texts
        })
    };
    let before = routes(&house);
    let engine = house.engine(|_| {}).await;
    let cluster = house
        .ask(1, 2, |new| {
            new.resolved.fixed_network_id = Some(own.id.clone());
            new.resolved.fixed_subnet_id = Some(subnet.id.clone());
            new.resolved.fixed_subnet_cidr = Some("192.168.7.0/24".into());
            new.resolved.fixed_router_id = found.clone();
        })
        .await;
    house.settled_as(cluster, Status::CreateComplete).await;
    let during = routes(&house);
    assert_eq!(during.len(), 4, "{during:?}");
    let ours: Vec<&String> = during
        .iter()
        .filter(|route| route.starts_with("10.100."))
        .collect();
    assert!(ours.iter().all(|route| route.contains(" 192.168.7.")), "{ours:?}");
    house.resize(cluster, DEFAULT_WORKER, 1, &[0]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(routes(&house).len(), 3);
    house.ask_delete(cluster).await;
    house.gone(cluster).await;
    assert_eq!(routes(&house), before);
    engine.stop().await;
}
