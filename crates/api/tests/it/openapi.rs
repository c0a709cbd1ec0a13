//! The OpenAPI document as it is served, and answers as it describes them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rig::{Answer, Rig, keys};

#[tokio::test]
async fn the_document_is_served_without_a_token_and_names_the_address() {
    let rig = Rig::start().await;
    for (path, base) in [
        ("/v1/openapi.json", "http://magnum.example:9511"),
        (
            "/container-infra/v1/openapi.json",
            "http://magnum.example:9511/container-infra",
        ),
        ("//v1/openapi.json/", "http://magnum.example:9511"),
    ] {
        let answer = rig.get("", path).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = answer.expect(200);
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"], json!([{ "url": base }]));
    }
    rig.call("", "POST", "/v1/openapi.json", None).await.refusal(405);
    rig.get("", "/openapi.json").await.expect(401);
}

/// Checks that an answer has the fields of a schema: those that must be there, and no others than may be there.
#[track_caller]
fn assert_described(document: &Value, schema: &str, value: &Value) {
    let schema = &document["components"]["schemas"][schema];
    let known: BTreeSet<&str> = keys(&schema["properties"]).into_iter().collect();
    let found: BTreeSet<&str> = keys(value).into_iter().collect();
    let required = schema["required"].as_array().unwrap().iter();
    let required: BTreeSet<&str> = required.map(|name| name.as_str().unwrap()).collect();
    assert!(found.is_subset(&known), "not described: {:?}", &found - &known);
    assert!(required.is_subset(&found), "missing: {:?}", &required - &found);
}

#[tokio::test]
async fn answers_have_the_fields_that_the_document_describes() {
    let rig = Rig::start().await;
    let (demo, admin) = (rig.token("demo", "demo").await, rig.token("admin", "admin").await);
    let document = rig.get("", "/v1/openapi.json").await.expect(200);
    let template = rig.template(&demo, json!({})).await;
    let cluster = rig.cluster(&demo, &template, json!({})).await;
    let shown = rig
        .get(&demo, &format!("/v1/clustertemplates/{template}"))
        .await
        .body;
    let project = shown["project_id"].as_str().unwrap();
    let body = json!({ "project_id": project });
    rig.call(&admin, "POST", "/v1/quotas", Some(body))
        .await
        .expect(201);
    rig.store
        .services()
        .heartbeat("host", "magnum-conductor", chrono::Utc::now())
        .await
        .unwrap();
    let of_cluster = |rest: &str| format!("/v1/clusters/{cluster}{rest}");
    for (path, schema, pointer) in [
        ("/".to_owned(), "Versions", ""),
        ("/v1".to_owned(), "Version", ""),
        ("/healthcheck".to_owned(), "Health", ""),
        ("/v1/clusters".to_owned(), "ClusterList", ""),
        ("/v1/clusters".to_owned(), "ClusterInList", "/clusters/0"),
        ("/v1/clusters/detail".to_owned(), "ClusterInDetail", "/clusters/0"),
        (of_cluster(""), "Cluster", ""),
        (of_cluster("/steps"), "Steps", ""),
        (of_cluster("/nodegroups"), "NodegroupInList", "/nodegroups/0"),
        (of_cluster("/nodegroups/default-worker"), "Nodegroup", ""),
        (
            "/v1/clustertemplates".to_owned(),
            "Clustertemplate",
            "/clustertemplates/0",
        ),
        ("/v1/quotas?all_tenants=1".to_owned(), "Quota", "/quotas/0"),
        (format!("/v1/quotas/{project}/Cluster"), "ShownQuota", ""),
        ("/v1/mservices".to_owned(), "ServiceList", ""),
        ("/v1/stats".to_owned(), "Stats", ""),
    ] {
        let answer = rig.get(&admin, &path).await.expect(200);
        assert_described(&document, schema, answer.pointer(pointer).unwrap());
    }
    for (answer, schema) in [
        (rig.get(&demo, "/v1/clusters/none").await, "Errors"),
        (rig.get("", "/v1/clusters").await, "Unauthorized"),
    ] {
        let Answer { body, .. } = answer;
        assert_described(&document, schema, &body);
    }
}
