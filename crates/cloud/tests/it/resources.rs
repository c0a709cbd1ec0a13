//! Everything that a cluster is made of: made, found by its exact name, shown, deleted twice.

use jeroboam_cloud::compute::NewServer;
use jeroboam_cloud::load_balancer::{NewListener, NewLoadBalancer, NewMember};
use jeroboam_cloud::network::{Remote, SecurityRule};
use jeroboam_cloud::{Kind, Session, compute, image, load_balancer, network, volume};
use jeroboam_simcloud::SimCloud;

use super::{cloud, connector, demo, eventually, gone};

struct Lan {
    network_id: String,
    subnet_id: String,
    router_id: String,
    external_id: String,
}

async fn lan(session: &Session) -> Lan {
    let external_id = network::find_network(session, "public", Some(true))
        .await
        .unwrap()
        .one()
        .unwrap()
        .id;
    let network_id = network::create_network(session, "lan").await.unwrap().id;
    let dns = ["203.0.113.53".to_owned()];
    let subnet_id = network::create_subnet(session, "lan", &network_id, "10.0.0.0/24", &dns)
        .await
        .unwrap()
        .id;
    let router_id = network::create_router(session, "lan", &external_id)
        .await
        .unwrap()
        .id;
    network::add_router_interface(session, &router_id, &subnet_id)
        .await
        .unwrap();
    Lan {
        network_id,
        subnet_id,
        router_id,
        external_id,
    }
}

async fn drop_lan(session: &Session, lan: &Lan) {
    for _ in 0..2 {
        network::remove_router_interface(session, &lan.router_id, &lan.subnet_id)
            .await
            .unwrap();
        network::delete_router(session, &lan.router_id).await.unwrap();
        network::delete_subnet(session, &lan.subnet_id).await.unwrap();
        network::delete_network(session, &lan.network_id).await.unwrap();
    }
}

fn assert_empty(cloud: &SimCloud) {
    let left = cloud.usage();
    assert!(left.is_empty(), "left over: {:?}", left.counts);
}

#[tokio::test]
async fn a_network_with_its_router_is_made_found_and_dropped() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let lan = lan(&session).await;
    assert_eq!(
        network::networks_named(&session, "lan").await.unwrap()[0].subnets,
        std::slice::from_ref(&lan.subnet_id)
    );
    let subnets = network::subnets_named(&session, "lan").await.unwrap();
    assert_eq!(
        (subnets.len(), subnets[0].gateway_ip.as_deref()),
        (1, Some("10.0.0.1"))
    );
    assert_eq!(
        network::routers_named(&session, "lan").await.unwrap()[0].id,
        lan.router_id
    );
    assert!(network::routers_named(&session, "la").await.unwrap().is_empty());
    assert!(
        network::has_router_interface(&session, &lan.router_id, &lan.subnet_id)
            .await
            .unwrap()
    );
    let again = network::add_router_interface(&session, &lan.router_id, &lan.subnet_id)
        .await
        .unwrap_err();
    assert_eq!(again.kind, Kind::BadRequest);

    let (pods, node) = ("10.100.5.0/24", "10.0.0.5");
    let has_route = async || {
        network::has_route(&session, &lan.router_id, pods, node)
            .await
            .unwrap()
    };
    assert!(!has_route().await);
    for _ in 0..2 {
        network::add_route(&session, &lan.router_id, pods, node)
            .await
            .unwrap();
        assert!(has_route().await);
    }
    let astray = network::add_route(&session, &lan.router_id, pods, "192.0.2.1").await;
    assert_eq!(astray.unwrap_err().kind, Kind::BadRequest);
    for _ in 0..2 {
        network::remove_route(&session, &lan.router_id, pods, node)
            .await
            .unwrap();
        assert!(!has_route().await);
    }

    let busy = network::delete_router(&session, &lan.router_id)
        .await
        .unwrap_err();
    assert_eq!((busy.kind, busy.is_transient()), (Kind::Conflict, true));
    network::remove_router_interface(&session, &lan.router_id, &lan.subnet_id)
        .await
        .unwrap();
    assert!(
        !network::has_router_interface(&session, &lan.router_id, &lan.subnet_id)
            .await
            .unwrap()
    );
    drop_lan(&session, &lan).await;
    assert_empty(&cloud);
}

#[tokio::test]
async fn ports_rules_and_floating_ips_are_made_found_and_dropped() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let lan = lan(&session).await;
    let group = network::create_security_group(&session, "nodes", "of a cluster")
        .await
        .unwrap();
    let rules = [
        SecurityRule {
            protocol: Some("tcp".into()),
            ports: Some((2376, 2377)),
            remote: Remote::Anywhere,
        },
        SecurityRule {
            protocol: Some("udp".into()),
            ports: None,
            remote: Remote::Cidr("10.0.0.0/24".into()),
        },
        SecurityRule {
            protocol: Some("tcp".into()),
            ports: None,
            remote: Remote::Group(group.id.clone()),
        },
    ];
    for rule in rules.iter().chain(&rules) {
        network::create_rule(&session, &group.id, rule).await.unwrap();
    }
    let present = network::rules(&session, &group.id).await.unwrap();
    assert_eq!(present.len(), rules.len());
    assert!(rules.iter().all(|rule| present.contains(rule)), "{present:?}");
    assert_eq!(
        network::security_groups_named(&session, "nodes").await.unwrap(),
        std::slice::from_ref(&group)
    );

    let groups = [group.id.clone()];
    let port = network::create_port(
        &session,
        "p",
        &lan.network_id,
        Some(&lan.subnet_id),
        &groups,
        &["10.100.0.0/16".into()],
    )
    .await
    .unwrap();
    assert_eq!(port.fixed_ips.len(), 1);
    assert_eq!(
        (port.fixed_ips[0].0.as_str(), port.device_id.as_str()),
        (lan.subnet_id.as_str(), "")
    );
    assert_eq!(network::ports_named(&session, "p").await.unwrap()[0].id, port.id);
    assert_eq!(
        network::show_port(&session, &port.id).await.unwrap().fixed_ips,
        port.fixed_ips
    );
    let busy = network::delete_security_group(&session, &group.id)
        .await
        .unwrap_err();
    assert_eq!((busy.kind, busy.is_transient()), (Kind::Conflict, true));

    let ip = network::create_floating_ip(&session, "of p", &lan.external_id, Some(&port.id))
        .await
        .unwrap();
    assert_eq!(ip.port_id.as_deref(), Some(port.id.as_str()));
    let found = network::floating_ips_described(&session, "of p").await.unwrap();
    assert_eq!((found.len(), &found[0].address), (1, &ip.address));
    assert!(
        network::floating_ips_described(&session, "of")
            .await
            .unwrap()
            .is_empty()
    );
    for _ in 0..2 {
        network::delete_floating_ip(&session, &ip.id).await.unwrap();
        network::delete_port(&session, &port.id).await.unwrap();
        network::delete_security_group(&session, &group.id).await.unwrap();
    }
    assert!(
        gone(network::show_floating_ip(&session, &ip.id).await)
            .unwrap()
            .is_some()
    );
    drop_lan(&session, &lan).await;
    cloud.with_world(|_| ());
    let left = cloud.usage();
    // Neutron makes the project's default security group at first use and keeps it.
    assert!(
        left.items.iter().all(|item| item.name == "default"),
        "left over: {:?}",
        left.counts
    );
}

#[tokio::test]
async fn a_server_with_a_volume_is_built_found_and_dropped() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let lan = lan(&session).await;
    let port = network::create_port(&session, "n", &lan.network_id, None, &[], &[])
        .await
        .unwrap();
    let disk = volume::create_volume(&session, "n", 2, None, None).await.unwrap();
    assert_eq!(disk.size_gib, 2);
    eventually("the volume", async || {
        Ok(Some(volume::show_volume(&session, &disk.id).await?).filter(|disk| disk.status == "available"))
    })
    .await;
    assert_eq!(volume::volumes_named(&session, "n").await.unwrap()[0].id, disk.id);
    let group = compute::create_server_group(&session, "n", "soft-anti-affinity")
        .await
        .unwrap();
    assert_eq!(group.policy.as_deref(), Some("soft-anti-affinity"));

    let (image_name, flavor_name) = cloud.with_world(|world| {
        let image = world.glance.images.values().next().unwrap().name.clone().unwrap();
        (image, world.nova.flavors.values().next().unwrap().name.clone())
    });
    let new = NewServer {
        name: "n".into(),
        image_id: Some(
            image::find_image(&session, &image_name)
                .await
                .unwrap()
                .one()
                .unwrap()
                .id,
        ),
        flavor_id: compute::find_flavor(&session, &flavor_name)
            .await
            .unwrap()
            .one()
            .unwrap()
            .id,
        port_ids: vec![port.id.clone()],
        user_data: Some(b"#!/bin/sh\n".to_vec()),
        metadata: [("cluster".to_owned(), "c".to_owned())].into(),
        tags: vec!["node".into()],
        server_group: Some(group.id.clone()),
        volumes: vec![disk.id.clone()],
        config_drive: true,
        ..NewServer::default()
    };
    let id = compute::create_server(&session, &new).await.unwrap();
    let server = eventually("the server", async || {
        Ok(Some(compute::show_server(&session, &id).await?).filter(|server| server.status == "ACTIVE"))
    })
    .await;
    assert_eq!(server.addresses, [port.fixed_ips[0].1.clone()]);
    assert_eq!(compute::servers_named(&session, "n").await.unwrap()[0].id, id);
    assert!(compute::servers_named(&session, "").await.unwrap().is_empty());
    assert_eq!(
        network::show_port(&session, &port.id).await.unwrap().device_id,
        id
    );
    assert_eq!(
        volume::show_volume(&session, &disk.id).await.unwrap().attachments[0].server_id,
        id
    );
    assert_eq!(
        compute::server_groups_named(&session, "n").await.unwrap()[0].members,
        std::slice::from_ref(&id)
    );
    compute::console_log(&session, &id, 10).await.unwrap();
    let busy = volume::delete_volume(&session, &disk.id).await.unwrap_err();
    assert_eq!(
        (busy.kind, busy.is_transient()),
        (Kind::Conflict, true),
        "{busy:?}"
    );

    compute::delete_server(&session, &id).await.unwrap();
    eventually("the end of the server", async || {
        gone(compute::show_server(&session, &id).await)
    })
    .await;
    compute::delete_server(&session, &id).await.unwrap();
    eventually("the free volume", async || {
        Ok(Some(volume::show_volume(&session, &disk.id).await?).filter(|disk| disk.status == "available"))
    })
    .await;
    volume::delete_volume(&session, &disk.id).await.unwrap();
    eventually("the end of the volume", async || {
        gone(volume::show_volume(&session, &disk.id).await)
    })
    .await;
    for _ in 0..2 {
        volume::delete_volume(&session, &disk.id).await.unwrap();
        compute::delete_server_group(&session, &group.id).await.unwrap();
        network::delete_port(&session, &port.id).await.unwrap();
    }
    drop_lan(&session, &lan).await;
}

#[tokio::test]
async fn a_load_balancer_is_made_whole_and_dropped_whole() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let lan = lan(&session).await;
    let member = NewMember {
        name: "m-0".into(),
        address: "10.0.0.50".into(),
        port: 2376,
        subnet_id: Some(lan.subnet_id.clone()),
    };
    let new = NewLoadBalancer {
        name: "lb".into(),
        vip_subnet_id: lan.subnet_id.clone(),
        provider: None,
        listeners: vec![NewListener {
            name: "api".into(),
            port: 2376,
            algorithm: None,
            unmonitored: false,
            allowed_cidrs: Vec::new(),
            members: vec![member],
        }],
    };
    let made = load_balancer::create_load_balancer(&session, &new).await.unwrap();
    assert_eq!(made.provisioning_status, "PENDING_CREATE");
    let busy = load_balancer::delete_cascade(&session, &made.id)
        .await
        .unwrap_err();
    assert_eq!(
        (busy.kind, busy.is_transient()),
        (Kind::Conflict, true),
        "{busy:?}"
    );
    let ready = eventually("the load balancer", async || {
        let shown = load_balancer::show_load_balancer(&session, &made.id).await?;
        Ok(Some(shown).filter(|balancer| balancer.provisioning_status == "ACTIVE"))
    })
    .await;
    let vip = network::show_port(&session, &ready.vip_port_id).await.unwrap();
    assert_eq!(vip.fixed_ips[0].1, ready.vip_address);
    assert_eq!(
        load_balancer::load_balancers_named(&session, "lb").await.unwrap()[0].id,
        made.id
    );

    load_balancer::delete_cascade(&session, &made.id).await.unwrap();
    eventually("the end of the load balancer", async || {
        Ok(load_balancer::load_balancers_named(&session, "lb")
            .await?
            .is_empty()
            .then_some(()))
    })
    .await;
    load_balancer::delete_cascade(&session, &made.id).await.unwrap();
    drop_lan(&session, &lan).await;
}
