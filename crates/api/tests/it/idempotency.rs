//! `Idempotency-Key`: the same create twice makes one object.

use std::sync::Arc;

use jeroboam_types::Millis;
use jeroboam_types::status::Outcome;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, merged, template};
use crate::standing::Standing;

async fn post(rig: &Rig, token: &str, path: &str, body: &Value, key: &str) -> Answer {
    let headers = [("idempotency-key", key)];
    rig.call_with(token, "POST", path, Some(body.clone()), &headers)
        .await
}

#[tokio::test]
async fn the_same_create_gets_the_same_answer_and_makes_one_object() {
    let rig = Rig::start().await;
    let (demo, admin) = (rig.token("demo", "demo").await, rig.token("admin", "admin").await);
    let used = rig.template(&demo, json!({})).await;
    let shown = rig.get(&demo, &format!("/v1/clustertemplates/{used}")).await.body;
    for (token, path, body, status, list) in [
        (
            &demo,
            "/v1/clusters",
            json!({"name": "c", "cluster_template_id": used}),
            202,
            "clusters",
        ),
        (
            &demo,
            "/v1/clustertemplates",
            merged(template(), json!({"name": "once"})),
            201,
            "clustertemplates",
        ),
        (
            &admin,
            "/v1/quotas",
            json!({"project_id": shown["project_id"], "hard_limit": 5}),
            201,
            "quotas",
        ),
    ] {
        let key = format!("key of {path}");
        let first = post(&rig, token, path, &body, &key).await;
        assert_eq!(first.status.as_u16(), status, "{}", first.text);
        assert_eq!(first.header("idempotency-replayed"), None);
        let again = post(&rig, token, path, &body, &key).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));

        let mut other = body.clone();
        match path {
            "/v1/quotas" => other["hard_limit"] = json!(6),
            _ => other["name"] = json!("other"),
        }
        post(&rig, token, path, &other, &key).await.refusal(422);
        let version = [
            ("idempotency-key", key.as_str()),
            ("openstack-api-version", "container-infra 1.10"),
        ];
        rig.call_with(token, "POST", path, Some(body.clone()), &version)
            .await
            .refusal(422);
        let all = format!(
            "/v1/{list}{}",
            if list == "quotas" { "?all_tenants=1" } else { "" }
        );
        let rows = rig.get(token, &all).await.expect(200);
        let is_it = |row: &&Value| match path {
            "/v1/quotas" => row["id"] == first.body["id"],
            _ => row["name"] == body["name"],
        };
        let made = rows[list].as_array().unwrap().iter().filter(is_it).count();
        assert_eq!(made, 1, "{path}");
    }
}

#[tokio::test]
async fn a_key_counts_in_one_project_while_it_is_kept_and_only_for_what_was_made() {
    let rig = Rig::start().await;
    let demo = rig.token("demo", "demo").await;
    let used = rig.template(&demo, json!({})).await;
    let body = json!({"name": "c", "cluster_template_id": used});
    let wrong = json!({"name": "c", "cluster_template_id": "nowhere"});
    post(&rig, &demo, "/v1/clusters", &wrong, "k").await.refusal(404);
    let first = post(&rig, &demo, "/v1/clusters", &body, "k").await.expect(202);

    // A colleague of the project shares it; who may not create learns nothing; other projects have their own.
    rig.add_user("colleague", "demo", &["member"]);
    let colleague = rig.token("colleague", "demo").await;
    let same = post(&rig, &colleague, "/v1/clusters", &body, "k").await;
    assert_eq!(same.expect(202), first);
    let reader = rig.token("demo_reader", "demo").await;
    post(&rig, &reader, "/v1/clusters", &body, "k").await.refusal(403);
    let alt = rig.token("alt_demo", "alt_demo").await;
    let theirs = rig.template(&alt, json!({})).await;
    let body_of_alt = json!({"name": "c", "cluster_template_id": theirs});
    let other = post(&rig, &alt, "/v1/clusters", &body_of_alt, "k")
        .await
        .expect(202);
    assert_ne!(other, first);

    for bad in ["", "   ", &"k".repeat(256)] {
        let headers = [("idempotency-key", bad)];
        let answer = rig
            .call_with(&demo, "POST", "/v1/clusters", Some(body.clone()), &headers)
            .await;
        assert!(answer.refusal(400).contains("Idempotency-Key"));
    }
    // What the heartbeat does a day later.
    rig.store.answers().forget(Millis(i64::MAX)).await.unwrap();
    let next_day = post(&rig, &demo, "/v1/clusters", &body, "k").await.expect(202);
    assert_ne!(next_day, first);
}

#[tokio::test]
async fn a_node_group_is_made_once_though_its_making_changes_the_status() {
    let standing = Standing::start().await;
    let (rig, demo) = (&standing.rig, &standing.token);
    let path = "/v1/clusters/prod/nodegroups";
    let body = json!({"name": "gpu", "flavor_id": "m1.small"});
    let calls = (0..4).map(|_| post(rig, demo, path, &body, "k"));
    let answers = futures_util::future::join_all(calls).await;
    let first = answers[0].body.clone();
    for answer in answers {
        assert_eq!(answer.expect(202), first);
    }
    assert_eq!(first["name"], "gpu");
    // By the cluster's other name, and when the group stands.
    standing.finish(Outcome::Complete).await;
    let by_uuid = format!("/v1/clusters/{}/nodegroups/", standing.uuid);
    let again = post(rig, demo, &by_uuid, &body, "k").await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(202), first);
    let other = json!({"name": "other", "flavor_id": "m1.small"});
    post(rig, demo, path, &other, "k").await.refusal(422);
    post(rig, demo, path, &body, "l").await.refusal(409);
    // The same body for another cluster is another request.
    rig.cluster(demo, &standing.template, json!({"name": "second"}))
        .await;
    post(rig, demo, "/v1/clusters/second/nodegroups", &body, "k")
        .await
        .refusal(422);
    let groups = rig.get(demo, path).await.expect(200);
    assert_eq!(groups["nodegroups"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn of_many_at_once_one_makes_the_object_and_all_hear_of_it() {
    let rig = Arc::new(Rig::with("[quotas]\nmax_clusters_per_project = 1").await);
    let demo = rig.token("demo", "demo").await;
    let used = rig.template(&demo, json!({})).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (rig, demo) = (Arc::clone(&rig), demo.clone());
        let body = json!({"cluster_template_id": used});
        calls.spawn(async move { post(&rig, &demo, "/v1/clusters", &body, "k").await });
    }
    let mut answers = Vec::new();
    while let Some(answer) = calls.join_next().await {
        answers.push(answer.unwrap().expect(202));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let list = rig.get(&demo, "/v1/clusters").await.expect(200);
    assert_eq!(list["clusters"].as_array().unwrap().len(), 1);
}
