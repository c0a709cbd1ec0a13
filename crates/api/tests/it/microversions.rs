//! Which version is used, which headers tell it, and which handlers it hides.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::rig::{Answer, Rig, keys};

async fn asking(rig: &Rig, token: &str, path: &str, version: Option<&str>) -> Answer {
    let mut request = Request::builder().uri(path).header("x-auth-token", token);
    if let Some(version) = version {
        request = request.header("openstack-api-version", version);
    }
    rig.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_header_chooses_the_version_and_the_answer_tells_it() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for (asked, used) in [
        (None, "1.1"),
        (Some("container-infra 1.9"), "1.9"),
        (Some("container-infrastructure 1.13"), "1.13"),
        (Some("container-infrastructure-management 1.1"), "1.1"),
        (Some("container-infra latest"), "1.14"),
        (Some("anything LATEST"), "1.14"),
    ] {
        let answer = asking(&rig, &token, "/v1/clusters", asked).await;
        let service = "container-infrastructure-management";
        assert_eq!(answer.status, 200, "{asked:?}");
        assert_eq!(
            answer.header("openstack-api-version"),
            Some(format!("{service} {used}").as_str())
        );
        assert_eq!(
            answer.header("openstack-api-minimum-version").unwrap(),
            format!("{service} 1.1")
        );
        assert_eq!(
            answer.header("openstack-api-maximum-version").unwrap(),
            format!("{service} 1.14")
        );
        assert_eq!(answer.header("vary"), Some("OpenStack-API-Version"));
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_without_version_headers() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for asked in [
        "1.9",
        "container-infra 1.9 x",
        "compute 2.79",
        "container-infra x",
        "container-infra 1",
        "container-infra 1.2.3",
        "container-infra 1.",
        "container-infra +1.2",
    ] {
        let answer = asking(&rig, &token, "/v1/clusters", Some(asked)).await;
        assert!(!answer.refusal(406).is_empty(), "{asked}");
        assert_eq!(answer.header("openstack-api-version"), None, "{asked}");
        assert_eq!(answer.body["errors"][0]["code"], "");
    }
}

#[tokio::test]
async fn a_version_outside_the_range_gets_the_special_body() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for asked in ["1.15", "1.0", "2.1", "0.9", "99999999999.1", "1.99999999999"] {
        for path in ["/v1/clusters", "/v1", "/v1/nope"] {
            let answer = asking(&rig, &token, path, Some(&format!("container-infra {asked}"))).await;
            assert_eq!(answer.status, 406, "{asked} {path}");
            let entry = &answer.body["errors"][0];
            assert_eq!(
                keys(entry),
                [
                    "code",
                    "description",
                    "links",
                    "max_version",
                    "min_version",
                    "title"
                ]
            );
            assert_eq!(entry["code"], "magnum.microversion-unsupported");
            let echoed = format!("container-infrastructure-management {asked}");
            assert_eq!(answer.header("openstack-api-version"), Some(echoed.as_str()));
        }
    }
}

#[tokio::test]
async fn handlers_younger_than_the_version_are_hidden() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for (method, path, below, from) in [
        ("POST", "/v1/clusters/x/actions/resize", "1.6", "1.7"),
        ("POST", "/v1/clusters/x/actions/upgrade", "1.6", "1.7"),
        ("GET", "/v1/clusters/x/nodegroups", "1.8", "1.9"),
        ("GET", "/v1/clusters/x/nodegroups/y", "1.8", "1.9"),
        ("PATCH", "/v1/credentials/x", "1.11", "1.12"),
    ] {
        let hidden = rig.call_at(below, &token, method, path, None).await;
        assert!(hidden.refusal(406).contains(below), "{path}");
        assert_eq!(hidden.body["errors"][0]["code"], "");
        assert_eq!(hidden.header("openstack-api-version"), None);
        assert_ne!(
            rig.call_at(from, &token, method, path, None).await.status,
            406,
            "{path}"
        );
    }
    let upgrade = "/v1/clusters/x/actions/upgrade";
    let body = json!({"cluster_template": "t"});
    let early = rig
        .call_at("1.7", &token, "POST", upgrade, Some(body.clone()))
        .await;
    assert!(early.refusal(400).contains("1.8"));
    rig.call_at("1.8", &token, "POST", upgrade, Some(body))
        .await
        .refusal(404);
}
