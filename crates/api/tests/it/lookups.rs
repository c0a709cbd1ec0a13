//! What requests cost other services: each thing that is named is looked up once, and nothing else is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use jeroboam_cloud::{compute, network};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_types::status::Outcome;
use serde_json::{Value, json};

use crate::rig::{Rig, merged, template};
use crate::standing::Standing;

const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJXoHPcqjAR1RDVTDGTGqWkFBOvuJ3sxRn7GEgcfnhCx somebody";

/// Calls to other services since the last look, without those to Keystone.
fn calls(rig: &Rig) -> BTreeMap<String, u64> {
    let counts = rig.cloud.calls();
    rig.cloud.reset_counts();
    let others = counts
        .calls
        .keys()
        .filter(|operation| !operation.contains(" identity "));
    others
        .map(|operation| (operation.clone(), counts.of(operation)))
        .collect()
}

fn each_once<const N: usize>(operations: [&str; N]) -> BTreeMap<String, u64> {
    operations.map(|operation| (operation.to_owned(), 1)).into()
}

#[tokio::test]
async fn a_creation_looks_everything_up_once() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let session = rig.session("demo", "demo");
    let own = network::create_network(&session, "own").await.unwrap();
    let subnet = network::create_subnet(&session, "own", &own.id, "10.9.0.0/24", &[]);
    subnet.await.unwrap();
    let key = compute::create_keypair(&session, "key", PUBLIC_KEY);
    key.await.unwrap();
    calls(&rig);
    let names = [
        "GET image /v2/images",
        "GET network /v2.0/networks",
        "GET compute /v2.1/flavors/detail",
    ];
    let uuid = rig
        .template(&token, json!({"master_flavor_id": "m1.medium"}))
        .await;
    assert_eq!(calls(&rig), each_once(names));

    let more = json!({"keypair": "key", "fixed_subnet": "own"});
    rig.cluster(&token, &uuid, more).await;
    let mut expected = each_once(names);
    expected.extend(each_once(["GET compute /v2.1/limits"]));
    expected.extend(each_once([
        "GET network /v2.0/subnets",
        "GET compute /v2.1/os-keypairs/{name}",
    ]));
    assert_eq!(calls(&rig), expected);
}

#[tokio::test]
async fn what_was_found_serves_further_requests_of_the_same_token_and_nothing_else_does() {
    let rig = Rig::with("[api]\nlookups_kept = 60\n").await;
    let token = rig.token("demo", "demo").await;
    calls(&rig);
    let (first, second) = tokio::join!(
        rig.template(&token, json!({"name": "one"})),
        rig.template(&token, json!({"name": "two"}))
    );
    assert_ne!(first, second);
    let names = [
        "GET image /v2/images",
        "GET network /v2.0/networks",
        "GET compute /v2.1/flavors/detail",
    ];
    assert_eq!(calls(&rig), each_once(names));

    // That something is missing is asked for each time: it may have been made meanwhile.
    let missing = merged(template(), json!({"fixed_network": "own"}));
    let create = async || {
        rig.call(&token, "POST", "/v1/clustertemplates", Some(missing.clone()))
            .await
    };
    create().await.expect(400);
    let session = rig.session("demo", "demo");
    network::create_network(&session, "own").await.unwrap();
    create().await.expect(201);

    let other = rig.token("demo", "demo").await;
    calls(&rig);
    rig.template(&other, json!({"name": "three"})).await;
    assert_eq!(calls(&rig), each_once(names));
}

#[tokio::test]
async fn a_new_node_group_looks_up_once_what_it_names_itself() {
    let standing = Standing::start().await;
    let (rig, path) = (&standing.rig, "/v1/clusters/prod/nodegroups");
    calls(rig);
    let body = json!({"name": "gpu", "flavor_id": "m1.medium", "image_id": "debian-12-docker"});
    standing.call("POST", path, body).await.expect(202);
    let expected = each_once(["GET image /v2/images", "GET compute /v2.1/flavors/detail"]);
    assert_eq!(calls(rig), expected);
    standing.finish(Outcome::Complete).await;
    // The template's image was looked up with the cluster.
    standing
        .call("POST", path, json!({"name": "more"}))
        .await
        .expect(202);
    assert_eq!(calls(rig), each_once(["GET compute /v2.1/flavors/detail"]));
}

#[tokio::test]
async fn changes_that_name_nothing_new_ask_nobody() {
    let standing = Standing::start().await;
    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    let group = "/v1/clusters/prod/nodegroups/default-worker";
    let (cluster, resize) = ("/v1/clusters/prod", "/v1/clusters/prod/actions/resize");
    calls(&standing.rig);
    for (method, path, body) in [
        ("PATCH", cluster, replace("/health_status", json!("HEALTHY"))),
        ("PATCH", cluster, replace("/node_count", json!(4))),
        ("POST", resize, json!({"node_count": 2})),
        ("PATCH", group, replace("/max_node_count", json!(9))),
        ("PATCH", "/v1/credentials/prod", Value::Null),
    ] {
        standing.call(method, path, body).await.expect(202);
        if standing.cluster().await["status"] == "UPDATE_IN_PROGRESS" {
            standing.finish(Outcome::Complete).await;
        }
    }
    assert_eq!(calls(&standing.rig), BTreeMap::new());
}

/// Lets no call of other services end, and waits until as many are under way at once as are asked for.
async fn all_at_once(standing: &Standing, path: &str, body: Value, expected: u64) {
    let rig = &standing.rig;
    let hold = [Service::Image, Service::Compute, Service::Network].map(|service| {
        let matches = Match {
            service: Some(service),
            ..Match::default()
        };
        Rule::new(matches, Effect::Timeout { ms: 60_000 })
    });
    for rule in hold {
        rig.cloud.faults().add(rule);
    }
    let under_way = async {
        let hits = || {
            rig.cloud
                .faults()
                .list()
                .iter()
                .map(|(.., hits)| *hits)
                .sum::<u64>()
        };
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while hits() != expected {
            ticks.tick().await;
        }
    };
    let call = standing.call("POST", path, body);
    let patience = Duration::from_secs(30);
    tokio::select! {
        answer = call => panic!("answered without its look-ups: {}", answer.text),
        waited = tokio::time::timeout(patience, under_way) => assert!(waited.is_ok(), "not all at once"),
    }
    rig.cloud.faults().clear();
}

#[tokio::test]
async fn all_look_ups_of_a_creation_are_under_way_at_once() {
    let standing = Standing::start().await;
    let more = json!({
        "name": "second", "cluster_template_id": standing.template, "keypair": "key",
        "fixed_network": "net", "fixed_subnet": "own",
    });
    all_at_once(&standing, "/v1/clusters", more, 7).await;
    let body = json!({"name": "gpu", "flavor_id": "m1.medium", "image_id": "debian-12-docker"});
    all_at_once(&standing, "/v1/clusters/prod/nodegroups", body, 2).await;
}

#[tokio::test]
async fn the_only_subnet_of_a_given_network_needs_no_name() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let session = rig.session("demo", "demo");
    let own = network::create_network(&session, "own").await.unwrap();
    let one = network::create_subnet(&session, "one", &own.id, "10.9.0.0/24", &[]);
    let one = one.await.unwrap();
    let template = rig.template(&token, json!({})).await;
    let chosen = async |name: &str| {
        let more = json!({"name": name, "fixed_network": "own"});
        let uuid = rig.cluster(&token, &template, more).await.parse().unwrap();
        let standing = rig.store.clusters().standing(uuid).await.unwrap();
        let resolved = standing.ask.resolved;
        assert_eq!(resolved.fixed_network_id.as_deref(), Some(own.id.as_str()));
        (resolved.fixed_subnet_id, resolved.fixed_subnet_cidr)
    };
    assert_eq!(
        chosen("first").await,
        (Some(one.id.clone()), Some("10.9.0.0/24".into()))
    );
    let two = network::create_subnet(&session, "two", &own.id, "10.9.1.0/24", &[]);
    two.await.unwrap();
    assert_eq!(chosen("second").await, (None, None));
}

#[tokio::test]
async fn ids_are_asked_for_directly_and_never_in_lists() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let image = rig
        .cloud
        .with_world(|world| world.glance.images.keys().next().unwrap().clone());
    let external = rig.cloud.with_world(|world| {
        let mut networks = world.neutron.networks.iter();
        networks
            .find(|(_, network)| network.is_external)
            .unwrap()
            .0
            .clone()
    });
    let (small, medium) = rig.cloud.with_world(|world| {
        let id = |name: &str| {
            let mut flavors = world.nova.flavors.iter();
            flavors.find(|(_, flavor)| flavor.name == name).unwrap().0.clone()
        };
        (id("m1.small"), id("m1.medium"))
    });
    calls(&rig);
    let ids = json!({
        "image_id": image, "external_network_id": external, "flavor_id": small, "master_flavor_id": medium,
    });
    rig.template(&token, ids).await;
    let mut expected = each_once(["GET image /v2/images/{id}", "GET network /v2.0/networks/{id}"]);
    expected.insert("GET compute /v2.1/flavors/{name}".to_owned(), 2);
    assert_eq!(calls(&rig), expected);
}

#[tokio::test]
async fn reading_and_renaming_ask_nobody() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({})).await;
    rig.cluster(&token, &uuid, json!({})).await;
    calls(&rig);
    for path in [
        "/v1/clusters/prod",
        "/v1/clusters/detail",
        "/v1/clustertemplates",
        "/v1/drivers",
    ] {
        rig.get(&token, path).await.expect(200);
    }
    let patch = json!([{"op": "replace", "path": "/name", "value": "other"}]);
    let path = format!("/v1/clustertemplates/{uuid}");
    rig.call(&token, "PATCH", &path, Some(patch)).await.expect(200);
    // A body that cannot be right is refused before anybody is asked.
    let wrong = merged(template(), json!({"network_driver": "smoke"}));
    rig.call(&token, "POST", "/v1/clustertemplates", Some(wrong))
        .await
        .refusal(400);
    assert_eq!(calls(&rig), BTreeMap::new());
}
