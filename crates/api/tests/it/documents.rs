//! Version documents and the health check.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::rig::{Rig, keys};

async fn open(rig: &Rig, path: &str) -> crate::rig::Answer {
    let request = Request::builder().uri(path).header("host", "magnum.example:9511");
    rig.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_version_list_needs_no_token_and_ignores_the_microversion() {
    let rig = Rig::start().await;
    let request = Request::builder()
        .uri("/")
        .header("host", "h")
        .header("openstack-api-version", "nonsense");
    let answer = rig.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("openstack-api-version"), None);
    let body = answer.expect(200);
    assert_eq!(keys(&body), ["description", "name", "versions"]);
    assert_eq!(body["name"], "OpenStack Magnum API");
    let links = json!([{"href": "http://h/v1/", "rel": "self"}]);
    let version = json!([{"id": "v1", "status": "CURRENT", "min_version": "1.1", "max_version": "1.14", "links": links}]);
    assert_eq!(body["versions"], version);
    let mounted = open(&rig, "/container-infra/").await.expect(200);
    assert_eq!(
        mounted["versions"][0]["links"][0]["href"],
        "http://magnum.example:9511/container-infra/v1/"
    );
}

#[tokio::test]
async fn the_v1_document_lists_every_collection() {
    let rig = Rig::start().await;
    for path in ["/v1", "/v1/", "/container-infra/v1"] {
        let answer = open(&rig, path).await;
        assert_eq!(
            answer.header("openstack-api-version"),
            Some("container-infrastructure-management 1.1")
        );
        let body = answer.expect(200);
        assert_eq!(
            keys(&body),
            [
                "certificates",
                "clusters",
                "clustertemplates",
                "credentials",
                "federations",
                "id",
                "links",
                "media_types",
                "mservices",
                "nodegroups",
                "quotas",
                "stats",
            ]
        );
        assert_eq!(body["links"][1]["rel"], "describedby");
        assert_eq!(body["clusters"][1]["rel"], "bookmark");
        let groups = body["nodegroups"][0]["href"].as_str().unwrap();
        assert!(
            groups.ends_with("/v1/clusters/{cluster_id}/nodegroups"),
            "{groups}"
        );
    }
}

#[tokio::test]
async fn the_health_check_answers_until_its_file_says_otherwise() {
    let rig = Rig::start().await;
    let plain = open(&rig, "/healthcheck").await;
    assert_eq!((plain.status.as_u16(), plain.text.as_str()), (200, "OK"));
    let accepting = || {
        let request = Request::builder()
            .uri("/healthcheck")
            .header("accept", "application/json");
        request.body(Body::empty()).unwrap()
    };
    let body = rig.send(accepting()).await.expect(200);
    assert_eq!(body, json!({"detailed": false, "reasons": ["OK"]}));
    std::fs::write(rig.dir.path().join("disabled"), "").unwrap();
    assert_eq!(open(&rig, "/healthcheck").await.status, 503);
    let body = rig.send(accepting()).await.expect(503);
    assert_eq!(body, json!({"detailed": false, "reasons": ["DISABLED BY FILE"]}));
}
