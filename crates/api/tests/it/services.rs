//! The list of services and the statistics.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};

use crate::rig::{Rig, keys, pass};

#[tokio::test]
async fn services_are_up_while_they_beat() {
    let rig = Rig::start().await;
    let admin = rig.token("admin", "admin").await;
    assert_eq!(
        rig.get(&admin, "/v1/mservices").await.expect(200),
        json!({"mservices": []})
    );
    rig.store
        .services()
        .heartbeat("host-1", "magnum-conductor", Utc::now())
        .await
        .unwrap();
    let list = rig.get(&admin, "/v1/mservices").await.expect(200);
    let service = &list["mservices"][0];
    assert_eq!(
        keys(service),
        [
            "binary",
            "created_at",
            "disabled",
            "disabled_reason",
            "host",
            "id",
            "report_count",
            "state",
            "updated_at"
        ]
    );
    assert_eq!(service["state"], "up");
    assert_eq!(service["id"], 1);
    assert_eq!(service["disabled_reason"], Value::Null);
    pass(Duration::from_secs(181));
    let list = rig.get(&admin, "/v1/mservices").await.expect(200);
    assert_eq!(list["mservices"][0]["state"], "down");
}

#[tokio::test]
async fn statistics_count_clusters_and_all_their_nodes() {
    let rig = Rig::start().await;
    let (demo, alt) = (
        rig.token("demo", "demo").await,
        rig.token("alt_demo", "alt_demo").await,
    );
    let admin = rig.token("admin", "admin").await;
    let template = rig.template(&demo, json!({})).await;
    let other = rig.template(&alt, json!({})).await;
    let cluster = rig.cluster(&demo, &template, json!({"node_count": 3})).await;
    rig.cluster(&alt, &other, json!({})).await;
    let shown = rig
        .get(&demo, &format!("/v1/clusters/{cluster}"))
        .await
        .expect(200);
    let project = shown["project_id"].as_str().unwrap();
    let of_demo = format!("/v1/stats?project_id={project}&type=CLUSTER");
    for (token, path, expected) in [
        (&demo, "/v1/stats", json!({"clusters": 1, "nodes": 4})),
        (&demo, of_demo.as_str(), json!({"clusters": 1, "nodes": 4})),
        (&admin, of_demo.as_str(), json!({"clusters": 1, "nodes": 4})),
        (&admin, "/v1/stats", json!({"clusters": 2, "nodes": 6})),
        (
            &admin,
            "/v1/stats?project_id=none",
            json!({"clusters": 0, "nodes": 0}),
        ),
    ] {
        assert_eq!(rig.get(token, path).await.expect(200), expected, "{path}");
    }
    rig.get(&alt, &of_demo).await.refusal(403);
    rig.get(&demo, "/v1/stats?type=nodes").await.refusal(400);
}
