//! Things that a person names: by id, by name, ambiguous, absent.

use jeroboam_cloud::{Find, compute, image, network};

use super::{cloud, connector, demo, magnum};

const NO_ID: &str = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a";

#[tokio::test]
async fn networks_and_subnets_are_found_by_name_and_by_id() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let public = network::find_network(&session, "public", Some(true))
        .await
        .unwrap()
        .one()
        .unwrap();
    assert!(public.external);
    assert_eq!(
        network::find_network(&session, &public.id, None).await.unwrap(),
        Find::One(public.clone())
    );
    assert_eq!(
        network::find_network(&session, "public", Some(false))
            .await
            .unwrap(),
        Find::None
    );
    assert_eq!(
        network::find_network(&session, &public.id, Some(false))
            .await
            .unwrap(),
        Find::None
    );
    for name in [NO_ID, "pub", "..", ""] {
        assert_eq!(
            network::find_network(&session, name, None).await.unwrap(),
            Find::None
        );
    }
    let mine = network::create_network(&session, "mine").await.unwrap();
    let subnet = network::create_subnet(&session, "s", &mine.id, "10.1.0.0/24", &[])
        .await
        .unwrap();
    for name in ["s", &subnet.id] {
        assert_eq!(
            network::find_subnet(&session, name).await.unwrap(),
            Find::One(subnet.clone())
        );
    }
    assert_eq!(
        network::subnets_of(&session, &mine.id).await.unwrap(),
        std::slice::from_ref(&subnet)
    );
    let other = network::create_network(&session, "mine").await.unwrap();
    assert_eq!(network::subnets_of(&session, &other.id).await.unwrap(), []);
    assert_eq!(
        network::find_network(&session, "mine", None).await.unwrap(),
        Find::Many
    );
}

#[tokio::test]
async fn an_administrator_searching_its_project_does_not_meet_others() {
    let cloud = cloud().await;
    let connector = connector(&cloud);
    network::create_network(&demo(&connector), "same").await.unwrap();
    assert!(
        network::networks_named(&magnum(&connector), "same")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn images_and_flavors_are_found_by_name_and_by_id() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let (image_name, flavor_name) = cloud.with_world(|world| {
        let image = world.glance.images.values().next().unwrap().name.clone().unwrap();
        let flavor = world.nova.flavors.values().next().unwrap().name.clone();
        (image, flavor)
    });
    let found = image::find_image(&session, &image_name)
        .await
        .unwrap()
        .one()
        .unwrap();
    assert_eq!((found.status.as_str(), &found.name), ("active", &image_name));
    assert_eq!(
        image::find_image(&session, &found.id)
            .await
            .unwrap()
            .one()
            .unwrap()
            .id,
        found.id
    );
    let flavor = compute::find_flavor(&session, &flavor_name)
        .await
        .unwrap()
        .one()
        .unwrap();
    assert!(flavor.ram_mib > 0 && flavor.vcpus > 0);
    assert_eq!(
        compute::find_flavor(&session, &flavor.id).await.unwrap(),
        Find::One(flavor)
    );
    for name in [NO_ID, "no such thing", "a/b", ".."] {
        assert_eq!(image::find_image(&session, name).await.unwrap(), Find::None);
        assert_eq!(compute::find_flavor(&session, name).await.unwrap(), Find::None);
    }
}

#[tokio::test]
async fn keypairs_come_and_go() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBHHmXCBqTUrPJ8Q2MGHSN8v4dGqKSVCi1y5kwKZHzHY someone@somewhere";
    compute::create_keypair(&session, "k", key).await.unwrap();
    let again = compute::create_keypair(&session, "k", key).await.unwrap_err();
    assert_eq!(again.kind, jeroboam_cloud::Kind::Conflict);
    assert_eq!(
        compute::find_keypair(&session, "k")
            .await
            .unwrap()
            .unwrap()
            .public_key,
        key
    );
    for _ in 0..2 {
        compute::delete_keypair(&session, "k").await.unwrap();
    }
    assert!(compute::find_keypair(&session, "k").await.unwrap().is_none());
}
