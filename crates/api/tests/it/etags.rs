//! Entity tags: bodies that are spared, and changes of what is not as it was.

use jeroboam_types::status::Outcome;
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::standing::Standing;

/// Id of the caller's project.
async fn project(rig: &Rig, token: &str) -> String {
    let template = rig.template(token, json!({})).await;
    let shown = rig
        .get(token, &format!("/v1/clustertemplates/{template}"))
        .await
        .body;
    shown["project_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_the_client_has_already_is_not_sent_again() {
    let rig = Rig::start().await;
    let (demo, admin) = (rig.token("demo", "demo").await, rig.token("admin", "admin").await);
    let template = rig.template(&demo, json!({})).await;
    let cluster = rig.cluster(&demo, &template, json!({})).await;
    let id = project(&rig, &demo).await;
    let general = format!("/v1/quotas/{id}/Cluster");
    for path in [
        format!("/v1/clustertemplates/{template}"),
        format!("/v1/clusters/{cluster}"),
        format!("/v1/clusters/{cluster}/nodegroups/default-worker"),
        general.clone(),
    ] {
        let shown = rig.get(&demo, &path).await;
        let tag = shown.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with("-14\""), "{tag}");
        let weak = format!("\"x\", W/{tag}");
        for known in [tag.as_str(), &weak, "*"] {
            let answer = rig
                .call_with(&demo, "GET", &path, None, &[("if-none-match", known)])
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.text.as_str()),
                (304, ""),
                "{path}"
            );
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(answer.header("vary"), Some("OpenStack-API-Version"));
        }
        let older = [
            ("if-none-match", tag.as_str()),
            ("openstack-api-version", "container-infra 1.9"),
        ];
        let other = rig.call_with(&demo, "GET", &path, None, &older).await;
        assert_ne!(
            other.header("etag"),
            Some(tag.as_str()),
            "another body has another tag"
        );
        other.expect(200);
        rig.call_with(&demo, "GET", &path, None, &[("if-none-match", "x")])
            .await
            .refusal(400);
    }
    let before = rig.get(&demo, &general).await.header("etag").map(str::to_owned);
    let body = json!({"project_id": id, "hard_limit": 20});
    let made = rig.call(&admin, "POST", "/v1/quotas", Some(body)).await;
    let after = rig.get(&demo, &general).await.header("etag").map(str::to_owned);
    assert_eq!(made.header("etag"), after.as_deref());
    assert_ne!(before, after);
}

#[tokio::test]
async fn a_change_of_what_is_not_as_it_was_seen_is_refused() {
    let rig = Rig::start().await;
    let demo = rig.token("demo", "demo").await;
    let template = rig.template(&demo, json!({})).await;
    let path = format!("/v1/clustertemplates/{template}");
    let rename = |name: &str| Some(json!([{"op": "replace", "path": "/name", "value": name}]));
    let first = rig.get(&demo, &path).await.header("etag").unwrap().to_owned();
    // Read at another microversion, which shows the same state.
    let older = [("openstack-api-version", "container-infra 1.9")];
    let at_older = rig.call_with(&demo, "GET", &path, None, &older).await;
    let at_older = at_older.header("etag").unwrap().to_owned();
    let renamed = rig
        .call_with(&demo, "PATCH", &path, rename("b"), &[("if-match", &at_older)])
        .await;
    let second = renamed.header("etag").unwrap().to_owned();
    renamed.expect(200);
    assert_eq!(rig.get(&demo, &path).await.header("etag"), Some(second.as_str()));
    for stale in [first.as_str(), "\"\"", "\"x-14\""] {
        let headers = [("if-match", stale)];
        rig.call_with(&demo, "PATCH", &path, rename("c"), &headers)
            .await
            .refusal(412);
        rig.call_with(&demo, "DELETE", &path, None, &headers)
            .await
            .refusal(412);
    }
    rig.call_with(&demo, "PATCH", &path, rename("c"), &[("if-match", "nonsense")])
        .await
        .refusal(400);
    assert_eq!(rig.get(&demo, &path).await.body["name"], "b");
    let tags = format!("\"x\", {second}");
    rig.call_with(&demo, "DELETE", &path, None, &[("if-match", &tags)])
        .await
        .expect(204);
    rig.call_with(&demo, "DELETE", &path, None, &[("if-match", "*")])
        .await
        .refusal(404);
}

#[tokio::test]
async fn clusters_and_quotas_are_guarded_too() {
    let rig = Rig::start().await;
    let (demo, admin) = (rig.token("demo", "demo").await, rig.token("admin", "admin").await);
    let template = rig.template(&demo, json!({})).await;
    let cluster = rig.cluster(&demo, &template, json!({})).await;
    let path = format!("/v1/clusters/{cluster}");
    let tag = rig.get(&demo, &path).await.header("etag").unwrap().to_owned();
    rig.call_with(&demo, "DELETE", &path, None, &[("if-match", "\"x-14\"")])
        .await
        .refusal(412);
    rig.call_with(&demo, "DELETE", &path, None, &[("if-match", &tag)])
        .await
        .expect(204);
    rig.call_with(&demo, "DELETE", &path, None, &[("if-match", &tag)])
        .await
        .refusal(412);

    let id = project(&rig, &demo).await;
    let body = json!({"project_id": id, "hard_limit": 2});
    let made = rig.call(&admin, "POST", "/v1/quotas", Some(body)).await;
    let tag = made.header("etag").unwrap().to_owned();
    let path = format!("/v1/quotas/{id}/Cluster");
    let change = |limit: i32| Some(json!({ "hard_limit": limit }));
    let changed = rig
        .call_with(&admin, "PATCH", &path, change(3), &[("if-match", &tag)])
        .await
        .expect(202);
    assert_eq!(changed["hard_limit"], Value::from(3));
    for method in ["PATCH", "DELETE"] {
        rig.call_with(&admin, method, &path, change(4), &[("if-match", &tag)])
            .await
            .refusal(412);
    }
    rig.call_with(&admin, "DELETE", &path, None, &[("if-match", "*")])
        .await
        .expect(204);
}

#[tokio::test]
async fn every_change_of_a_cluster_and_its_groups_is_guarded() {
    let standing = Standing::start().await;
    let (rig, demo) = (&standing.rig, &standing.token);
    let (cluster, group) = ("/v1/clusters/prod", "/v1/clusters/prod/nodegroups/default-worker");
    let patch = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    // What is changed, as what it is read, with what.
    let calls = [
        ("PATCH", cluster, cluster, patch("/node_count", json!(4))),
        (
            "PATCH",
            cluster,
            cluster,
            patch("/health_status", json!("HEALTHY")),
        ),
        ("PATCH", cluster, cluster, json!([])),
        (
            "POST",
            "/v1/clusters/prod/actions/resize",
            cluster,
            json!({"node_count": 2}),
        ),
        ("PATCH", "/v1/credentials/prod", cluster, Value::Null),
        ("PATCH", group, group, patch("/max_node_count", json!(9))),
    ];
    for (method, path, read, body) in calls {
        let body = (!body.is_null()).then_some(body);
        let seen = rig.get(demo, read).await.header("etag").unwrap().to_owned();
        for (tag, is_refused) in [("\"0-14\"", true), (seen.as_str(), false)] {
            let headers = [("if-match", tag)];
            let answer = rig.call_with(demo, method, path, body.clone(), &headers).await;
            match is_refused {
                true => assert!(answer.refusal(412).contains("If-Match")),
                false => drop(answer.expect(202)),
            }
        }
        // The engine's end of the change is one more.
        if rig.get(demo, cluster).await.body["status"] == "UPDATE_IN_PROGRESS" {
            standing.finish(Outcome::Complete).await;
            let answer = rig
                .call_with(demo, method, path, body, &[("if-match", &seen)])
                .await;
            answer.refusal(412);
        }
    }
    let gpu = "/v1/clusters/prod/nodegroups/gpu";
    let body = json!({"name": "gpu", "flavor_id": "m1.small"});
    standing
        .call("POST", "/v1/clusters/prod/nodegroups", body)
        .await
        .expect(202);
    let seen = rig.get(demo, gpu).await.header("etag").unwrap().to_owned();
    standing.finish(Outcome::Complete).await;
    let stale = [("if-match", seen.as_str())];
    rig.call_with(demo, "DELETE", gpu, None, &stale)
        .await
        .refusal(412);
    let seen = rig.get(demo, gpu).await.header("etag").unwrap().to_owned();
    let fresh = [("if-match", seen.as_str())];
    rig.call_with(demo, "DELETE", gpu, None, &fresh).await.expect(204);
}
