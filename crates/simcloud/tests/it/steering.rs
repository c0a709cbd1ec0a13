//! The admin endpoint, and starting and stopping.

use jeroboam_simcloud::{Options, SimCloud};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Cloud;

async fn sim(cloud: &Cloud, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let answer = cloud.call(method, &format!("/_sim/{path}"), &[], body).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn usage_shows_what_is_left_over_and_by_whom() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let (_, empty) = sim(&cloud, Method::GET, "usage", None).await;
    assert_eq!(empty, json!({"counts": {}, "projects": {}, "items": []}));
    let network = json!({"network": {"name": "leak"}});
    let network = demo.post("/networking/v2.0/networks", network).await.expect(201);
    let id = network["network"]["id"].as_str().unwrap();
    let (_, usage) = sim(&cloud, Method::GET, "usage", None).await;
    assert_eq!(usage["counts"], json!({"networks": 1}));
    assert_eq!(usage["projects"][demo.project_id()], json!({"networks": 1}));
    let item = json!({"kind": "networks", "id": id, "name": "leak", "project": demo.project_id()});
    assert_eq!(usage["items"], json!([item]));
    demo.delete(&format!("/networking/v2.0/networks/{id}"))
        .await
        .expect(204);
    assert!(cloud.sim.usage().is_empty());
    cloud.sim.stop().await;
}

#[tokio::test]
async fn calls_are_counted_by_operation_and_status() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    assert_eq!(sim(&cloud, Method::POST, "reset-counts", None).await.0, 204);
    for id in [
        "7c6f2f4a-77a0-4a64-8d7b-13e2a8e6f5a0",
        "8c6f2f4a-77a0-4a64-8d7b-13e2a8e6f5a0",
    ] {
        demo.get(&format!("/compute/v2.1/servers/{id}")).await.expect(404);
    }
    let (_, calls) = sim(&cloud, Method::GET, "calls", None).await;
    assert_eq!(
        calls,
        json!({"calls": {"GET compute /v2.1/servers/{id}": {"404": 2}}, "total": 2})
    );
    cloud.sim.stop().await;
}

#[tokio::test]
async fn fault_rules_are_added_listed_and_dropped() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let rule = json!({"match": {"service": "compute", "path": "/v2.1/flavors"},
        "effect": {"kind": "status", "status": 503}, "times": 1});
    let (status, made) = sim(&cloud, Method::POST, "faults", Some(rule)).await;
    assert_eq!(status, 201);
    demo.get("/compute/v2.1/flavors").await.expect(503);
    demo.get("/compute/v2.1/flavors").await.expect(200);
    let (_, listed) = sim(&cloud, Method::GET, "faults", None).await;
    assert_eq!(listed["faults"][0]["hits"], 1);
    assert_eq!(
        sim(&cloud, Method::DELETE, &format!("faults/{}", made["id"]), None)
            .await
            .0,
        204
    );
    let preset = json!({"preset": "chaos", "probability": 0.05});
    assert_eq!(sim(&cloud, Method::POST, "faults", Some(preset)).await.0, 201);
    assert_eq!(sim(&cloud, Method::DELETE, "faults", None).await.0, 204);
    for bad in [
        json!({"effect": {"kind": "explode"}}),
        json!({"effect": {"kind": "reset"}, "probability": 2}),
        json!({"preset": "calm"}),
        json!({"match": {"servce": "compute"}, "effect": {"kind": "reset"}}),
    ] {
        assert_eq!(sim(&cloud, Method::POST, "faults", Some(bad)).await.0, 400);
    }
    cloud.sim.stop().await;
}

#[tokio::test]
async fn pace_token_life_and_the_container_infra_endpoint_can_be_set() {
    let cloud = Cloud::start().await;
    let (status, pace) = sim(&cloud, Method::PUT, "pace", Some(json!({"server_build_ms": 77}))).await;
    assert_eq!(
        (status, &pace["server_build_ms"], &pace["volume_ms"]),
        (200, &json!(77), &json!(0))
    );
    assert_eq!(
        sim(&cloud, Method::PUT, "pace", Some(json!({"speed": 1})))
            .await
            .0,
        400
    );
    assert_eq!(
        sim(&cloud, Method::PUT, "token_life", Some(json!({"secs": 5})))
            .await
            .0,
        204
    );
    assert_eq!(cloud.sim.with_world(|world| world.keystone.token_life_ms), 5000);
    let url = json!({"url": "http://127.0.0.1:1/v1"});
    assert_eq!(
        sim(&cloud, Method::PUT, "endpoints/container-infra", Some(url))
            .await
            .0,
        204
    );
    let demo = cloud.login("demo", "demo").await;
    let services = demo.info["catalog"].as_array().unwrap();
    let magnum: Vec<_> = services
        .iter()
        .filter(|service| service["type"] == "container-infra")
        .collect();
    assert_eq!(magnum.len(), 1);
    assert_eq!(magnum[0]["endpoints"][0]["url"], "http://127.0.0.1:1/v1");
    assert_eq!(sim(&cloud, Method::GET, "nothing", None).await.0, 404);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn malformed_json_is_400_and_a_huge_body_413() {
    let cloud = Cloud::start().await;
    let http = reqwest::Client::new();
    let url = format!("{}/auth/tokens", cloud.sim.auth_url());
    let broken = http.post(&url).body("{\"auth\":").send().await.unwrap();
    assert_eq!(broken.status(), 400);
    let huge = http.post(&url).body("x".repeat(2 << 20)).send().await;
    // The server may close before the client has sent all.
    assert!(huge.is_err() || huge.is_ok_and(|response| response.status() == 413));
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error_and_a_stopped_one_is_free_again() {
    let first = SimCloud::start(Options::default()).await.unwrap();
    let listen = first.address();
    let again = || {
        SimCloud::start(Options {
            listen,
            ..Options::default()
        })
    };
    assert!(again().await.is_err());
    first.stop().await;
    again().await.unwrap().stop().await;
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids() {
    let ids = async |seed: u64| {
        let cloud = Cloud::start_with(Options {
            seed,
            ..Options::default()
        })
        .await;
        let demo = cloud.login("demo", "demo").await;
        let ids = (demo.user_id().to_owned(), demo.project_id().to_owned());
        cloud.sim.stop().await;
        ids
    };
    assert_eq!(ids(3).await, ids(3).await);
    assert_ne!(ids(3).await, ids(4).await);
}
