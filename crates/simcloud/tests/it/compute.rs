//! Servers and what belongs to them.

use jeroboam_simcloud::{Options, Pace};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Cloud, INSTANT, Session};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0mzL8kzUJ3mLjGNX4PvXkR2m1U0zRA2iIWcqTQ0a9F me";

async fn network(session: &Session<'_>) -> String {
    let network = json!({"network": {"name": "net"}});
    let network = session
        .post("/networking/v2.0/networks", network)
        .await
        .expect(201);
    let id = network["network"]["id"].as_str().unwrap().to_owned();
    let subnet = json!({"subnet": {"network_id": id, "cidr": "10.0.0.0/24", "ip_version": 4}});
    session.post("/networking/v2.0/subnets", subnet).await.expect(201);
    id
}

async fn port(session: &Session<'_>, network: &str) -> String {
    let port = json!({"port": {"network_id": network}});
    let port = session.post("/networking/v2.0/ports", port).await.expect(201);
    port["port"]["id"].as_str().unwrap().to_owned()
}

fn server_path(made: &Value) -> String {
    format!("/compute/v2.1/servers/{}", made["server"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_server_is_built_gets_its_address_and_frees_its_port_when_it_goes() {
    let pace = Pace {
        server_build_ms: 30,
        server_delete_ms: 30,
        ..INSTANT
    };
    let cloud = Cloud::start_with(Options {
        pace,
        ..Options::default()
    })
    .await;
    let demo = cloud.login("demo", "demo").await;
    let network = network(&demo).await;
    let port = port(&demo, &network).await;
    let nics = json!({"networks": [{"port": port}], "metadata": {"role": "worker"}, "tags": ["a", "b"]});
    let made = demo.create_server("node-1", nics.clone()).await.expect(202);
    let path = server_path(&made);
    let young = demo.get(&path).await.expect(200);
    assert_eq!(
        (
            &young["server"]["status"],
            &young["server"]["OS-EXT-STS:task_state"]
        ),
        (&json!("BUILD"), &json!("spawning"))
    );
    let built = demo
        .wait_for(&path, |answer| answer.body["server"]["status"] == "ACTIVE")
        .await
        .body;
    assert_eq!(built["server"]["addresses"]["net"][0]["OS-EXT-IPS:type"], "fixed");
    assert_eq!(built["server"]["tags"], json!(["a", "b"]));
    assert_eq!(built["server"]["metadata"], json!({"role": "worker"}));
    // The port is taken.
    demo.create_server("node-2", nics).await.expect(409);
    demo.delete(&path).await.expect(204);
    demo.delete(&path).await.expect(204);
    demo.wait_for(&path, |answer| answer.status == 404).await;
    let freed = demo
        .get(&format!("/networking/v2.0/ports/{port}"))
        .await
        .expect(200);
    assert_eq!(freed["port"]["device_id"], "");
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_refused_server_leaves_nothing_behind() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let network = network(&demo).await;
    let port = port(&demo, &network).await;
    let image = demo.first_id("/image/v2/images", "images").await;
    let root = json!({"source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 5,
        "boot_index": 0, "volume_type": "no-such-type"});
    let more = json!({"networks": [{"port": port}, {"uuid": network}], "block_device_mapping_v2": [root],
        "imageRef": ""});
    let refused = demo.create_server("node", more).await;
    assert!((400..500).contains(&refused.status), "{}", refused.body);
    let usage = cloud.sim.usage();
    let counts: Vec<_> = usage
        .counts
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect();
    assert_eq!(counts, [("networks", 1), ("ports", 1), ("subnets", 1)]);
    let freed = demo
        .get(&format!("/networking/v2.0/ports/{port}"))
        .await
        .expect(200);
    assert_eq!(freed["port"]["device_id"], "");
    cloud.sim.stop().await;
}

#[tokio::test]
async fn bad_requests_are_refused_before_anything_is_made() {
    let cloud = Cloud::start().await;
    let (demo, reader) = (
        cloud.login("demo", "demo").await,
        cloud.login("demo_reader", "demo").await,
    );
    let long = "A".repeat(65_536);
    for (more, status) in [
        (json!({"name": ""}), 400),
        (json!({"flavorRef": "99"}), 400),
        (json!({"imageRef": "99"}), 400),
        (json!({"key_name": "none"}), 400),
        (json!({"user_data": "%%%"}), 400),
        (json!({"user_data": long}), 400),
        (json!({"networks": [{"uuid": "none"}]}), 400),
        (json!({"networks": [{"port": "none"}]}), 400),
        (json!({"availability_zone": "mars"}), 400),
        (json!({"metadata": {"a": 1}}), 400),
    ] {
        let body = demo.create_server("node", more.clone()).await.expect(status);
        assert_eq!(body["badRequest"]["code"], 400, "{more}");
    }
    reader.create_server("node", Value::Null).await.expect(403);
    assert!(cloud.sim.usage().is_empty());
    cloud.sim.stop().await;
}

#[tokio::test]
async fn the_quota_of_instances_refuses_in_novas_words() {
    let cloud = Cloud::start().await;
    let (admin, demo) = (
        cloud.login("admin", "admin").await,
        cloud.login("demo", "demo").await,
    );
    let path = format!("/compute/v2.1/os-quota-sets/{}", demo.project_id());
    demo.put(&path, json!({"quota_set": {"instances": 1}}))
        .await
        .expect(403);
    admin
        .put(&path, json!({"quota_set": {"instances": 1}}))
        .await
        .expect(200);
    demo.create_server("one", Value::Null).await.expect(202);
    let refused = demo.create_server("two", Value::Null).await.expect(403);
    let text = "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances";
    assert_eq!(refused, json!({"forbidden": {"code": 403, "message": text}}));
    let limits = demo.get("/compute/v2.1/limits").await.expect(200);
    assert_eq!(limits["limits"]["absolute"]["totalInstancesUsed"], 1);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_server_that_boots_from_a_new_volume_waits_for_it_and_takes_it_along() {
    let pace = Pace {
        volume_ms: 30,
        ..INSTANT
    };
    let cloud = Cloud::start_with(Options {
        pace,
        ..Options::default()
    })
    .await;
    let demo = cloud.login("demo", "demo").await;
    let image = demo.first_id("/image/v2/images", "images").await;
    let root = json!({"source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 5,
        "boot_index": 0, "delete_on_termination": true});
    let data = json!({"source_type": "blank", "destination_type": "volume", "volume_size": 1,
        "boot_index": -1});
    let more = json!({"imageRef": "", "block_device_mapping_v2": [root, data]});
    let path = server_path(&demo.create_server("node", more).await.expect(202));
    let built = demo
        .wait_for(&path, |answer| answer.body["server"]["status"] == "ACTIVE")
        .await
        .body;
    assert_eq!(built["server"]["image"], "");
    assert_eq!(
        built["server"]["os-extended-volumes:volumes_attached"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let attachments = demo
        .get(&format!("{path}/os-volume_attachments"))
        .await
        .expect(200);
    assert_eq!(attachments["volumeAttachments"][0]["device"], "/dev/vda");
    assert_eq!(attachments["volumeAttachments"][1]["device"], "/dev/vdb");
    demo.delete(&path).await.expect(204);
    demo.wait_for(&path, |answer| answer.status == 404).await;
    let only_data = |body: &Value| {
        body["volumes"]
            .as_array()
            .is_some_and(|volumes| volumes.len() == 1)
    };
    let left = demo
        .wait_for("/volume/v3/volumes/detail", |answer| only_data(&answer.body))
        .await
        .body;
    assert_eq!(
        (&left["volumes"][0]["size"], &left["volumes"][0]["status"]),
        (&json!(1), &json!("available"))
    );
    cloud.sim.stop().await;
}

#[tokio::test]
async fn lists_are_filtered_by_name_status_and_tags_and_come_in_pages() {
    let cloud = Cloud::start_with(Options {
        pace: INSTANT,
        roomy: true,
        ..Options::default()
    })
    .await;
    let demo = cloud.login("demo", "demo").await;
    for number in 0..5 {
        let tag = if number % 2 == 0 { "even" } else { "odd" };
        demo.create_server(&format!("node-{number}"), json!({"tags": ["all", tag]}))
            .await
            .expect(202);
    }
    let count = async |query: &str| {
        let body = demo
            .get(&format!("/compute/v2.1/servers?{query}"))
            .await
            .expect(200);
        body["servers"].as_array().unwrap().len()
    };
    assert_eq!(count("name=%5Enode-1%24").await, 1);
    assert_eq!(count("name=node").await, 5);
    assert_eq!(count("tags=all,even").await, 3);
    assert_eq!(count("tags-any=odd,none").await, 2);
    assert_eq!(count("not-tags=odd").await, 3);
    assert_eq!(count("status=ERROR").await, 0);
    let mut path = "/compute/v2.1/servers?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let body = demo.get(&path).await.expect(200);
        seen.extend(
            body["servers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|server| server["name"].clone()),
        );
        match body["servers_links"][0]["href"].as_str() {
            Some(next) => path = next.strip_prefix(cloud.sim.base_url()).unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["node-4", "node-3", "node-2", "node-1", "node-0"]);
    let alt = cloud.login("alt_demo", "alt_demo").await;
    assert_eq!(
        alt.get("/compute/v2.1/servers").await.expect(200)["servers"],
        json!([])
    );
    alt.get("/compute/v2.1/servers?all_tenants=1").await.expect(403);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn stop_start_and_reboot_go_through_their_states() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let path = server_path(&demo.create_server("node", Value::Null).await.expect(202));
    demo.wait_for(&path, |answer| answer.body["server"]["status"] == "ACTIVE")
        .await;
    let action = format!("{path}/action");
    demo.post(&action, json!({"os-start": null})).await.expect(409);
    demo.post(&action, json!({"os-stop": null})).await.expect(202);
    demo.wait_for(&path, |answer| answer.body["server"]["status"] == "SHUTOFF")
        .await;
    demo.post(&action, json!({"reboot": {"type": "SOFT"}}))
        .await
        .expect(409);
    demo.post(&action, json!({"os-start": null})).await.expect(202);
    demo.wait_for(&path, |answer| answer.body["server"]["status"] == "ACTIVE")
        .await;
    demo.post(&action, json!({"reboot": {"type": "HARD"}}))
        .await
        .expect(202);
    demo.wait_for(&path, |answer| answer.body["server"]["status"] == "ACTIVE")
        .await;
    let log = demo
        .post(&action, json!({"os-getConsoleOutput": {"length": 1}}))
        .await
        .expect(200);
    assert_eq!(log["output"].as_str().unwrap().lines().count(), 1);
    demo.post(&action, json!({"fly": null})).await.expect(400);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn keypairs_belong_to_users_and_server_groups_to_projects() {
    let cloud = Cloud::start().await;
    let (demo, reader) = (
        cloud.login("demo", "demo").await,
        cloud.login("demo_reader", "demo").await,
    );
    let key = json!({"keypair": {"name": "mine", "public_key": KEY}});
    demo.post("/compute/v2.1/os-keypairs", key.clone())
        .await
        .expect(201);
    demo.post("/compute/v2.1/os-keypairs", key).await.expect(409);
    demo.get("/compute/v2.1/os-keypairs/mine").await.expect(200);
    let missing = reader.get("/compute/v2.1/os-keypairs/mine").await.expect(404);
    let text = format!("Keypair mine not found for user {}", reader.user_id());
    assert_eq!(missing["itemNotFound"]["message"], text);

    let group = json!({"server_group": {"name": "g", "policy": "soft-anti-affinity"}});
    let group = demo
        .post("/compute/v2.1/os-server-groups", group)
        .await
        .expect(200);
    let id = group["server_group"]["id"].as_str().unwrap();
    let image = demo.first_id("/image/v2/images", "images").await;
    let server = json!({"server": {"name": "n", "imageRef": image, "flavorRef": "2", "networks": "none"},
        "os:scheduler_hints": {"group": id}});
    let made = demo.post("/compute/v2.1/servers", server).await.expect(202);
    let seen = reader
        .get(&format!("/compute/v2.1/os-server-groups/{id}"))
        .await
        .expect(200);
    assert_eq!(seen["server_group"]["members"], json!([made["server"]["id"]]));
    demo.delete(&format!("/compute/v2.1/os-server-groups/{id}"))
        .await
        .expect(204);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn microversions_change_shapes_and_unknown_ones_are_406() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let path = server_path(&demo.create_server("node", Value::Null).await.expect(202));
    let show = async |version: &str| {
        let headers = [
            ("x-auth-token", demo.token.as_str()),
            ("openstack-api-version", version),
        ];
        cloud.call(Method::GET, &path, &headers, None).await
    };
    let oldest = show("compute 2.1").await;
    assert_eq!(oldest.header("x-openstack-nova-api-version"), "2.1");
    assert_eq!(oldest.expect(200)["server"]["flavor"]["id"], "2");
    let newest = show("compute latest").await;
    assert_eq!(newest.header("openstack-api-version"), "compute 2.95");
    assert_eq!(
        newest.expect(200)["server"]["flavor"]["original_name"],
        "m1.small"
    );
    show("compute 2.999").await.expect(406);
    show("compute two").await.expect(400);
    show("volume 3.50").await.expect(200);
    cloud.sim.stop().await;
}
