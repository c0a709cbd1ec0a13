//! What a tenant may ask for beyond the defaults arrives in the cloud.

use jeroboam_cloud::{Find, network};
use jeroboam_simcloud::usage::Item;
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
