//! The habits of Magnum's routing.

use axum::body::Body;
use axum::http::Request;

use crate::rig::Rig;

#[tokio::test]
async fn every_odd_path_has_its_answer() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for (method, path, status, part) in [
        ("GET", "/clusters", 200, ""),
        ("GET", "/container-infra/v1/clusters", 200, ""),
        ("GET", "/v1/clusters/", 200, ""),
        ("GET", "/v1//clusters", 200, ""),
        ("GET", "/v1/clustertemplates/", 200, ""),
        ("GET", "/v1/clusters/detail", 200, ""),
        ("GET", "/v1/clustertemplates/detail", 200, ""),
        ("GET", "/v2/clusters", 400, "v2"),
        ("GET", "/v1/clusters/x/detail", 400, "'x'"),
        ("GET", "/v1/clustertemplates/x/detail", 400, "'x'"),
        ("GET", "/v1/clusters/detail/", 404, "detail"),
        ("GET", "/v1/clusters/x/", 404, "x"),
        ("GET", "/v1/clusters/x/nodegroups/detail", 404, "x"),
        ("DELETE", "/v1/clusters", 400, "\"cluster_ident\""),
        ("PATCH", "/v1/clusters/", 400, "\"cluster_ident\""),
        (
            "DELETE",
            "/v1/clustertemplates",
            400,
            "\"cluster_template_ident\"",
        ),
        ("PATCH", "/v1/clustertemplates", 400, "\"cluster_template_ident\""),
        ("PATCH", "/v1/certificates", 400, "\"cluster_ident\""),
        ("POST", "/v1/clusters/actions/resize", 400, "\"cluster_ident\""),
        ("DELETE", "/v1/clusters/x/nodegroups", 400, "\"nodegroup_id\""),
        ("GET", "/v1/quotas/detail", 400, "\"resource\""),
        ("GET", "/v1/quotas/project", 400, "\"resource\""),
        ("POST", "/v1/clusters", 400, "\"cluster\""),
        ("POST", "/v1/clustertemplates", 400, "\"cluster_template\""),
        ("POST", "/v1/certificates", 400, "\"certificate\""),
        ("POST", "/v1/clusters/foo", 400, "foo"),
        ("GET", "/v1/clusters?colour=red", 400, "\"colour\""),
        ("GET", "/v1/mservices?limit=1", 400, "\"limit\""),
        ("PATCH", "/v1/clusters/x", 400, "\"patch\""),
        ("PATCH", "/v1/certificates/x", 404, "x"),
        ("PATCH", "/v1/credentials/x", 404, "x"),
        (
            "POST",
            "/v1/clusters/x/actions/resize",
            400,
            "\"cluster_resize_req\"",
        ),
        (
            "POST",
            "/v1/clusters/x/actions/upgrade",
            400,
            "\"cluster_upgrade_req\"",
        ),
        ("POST", "/v1/clusters/x/nodegroups/", 400, "\"nodegroup\""),
        ("GET", "/v1/quotas", 403, "quota:get_all"),
        ("GET", "/v1/quotas/p/Cluster", 403, "another project"),
        ("GET", "/v1/federations", 501, "Federating"),
    ] {
        let answer = rig.call(&token, method, path, None).await;
        if status == 200 {
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
        } else {
            let detail = answer.refusal(status);
            assert!(detail.contains(part), "{method} {path}: {detail}");
        }
        assert!(
            answer.header("openstack-api-version").is_some(),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn what_is_not_routed_has_no_code_and_no_version_headers() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for (method, path, status, allow) in [
        ("GET", "/v1/nope", 404, None),
        ("GET", "/nope", 404, None),
        ("PUT", "/nope", 404, None),
        ("GET", "/v1/clusters.json", 404, None),
        ("GET", "/v1.json", 404, None),
        ("GET", "/.json", 404, None),
        ("GET", "/v1/clusters/a%2Fb", 404, None),
        ("GET", "/v1/clusters/%ff", 404, None),
        ("PUT", "/v1/clusters", 405, Some("DELETE, GET, PATCH, POST")),
        ("PUT", "/v1/clusters/x", 405, Some("DELETE, GET, PATCH, POST")),
        ("HEAD", "/v1/clusters", 405, Some("DELETE, GET, PATCH, POST")),
        ("PUT", "/v1/certificates/x", 405, Some("GET, PATCH, POST")),
        ("HEAD", "/v1/credentials/x", 405, Some("PATCH")),
        ("PUT", "/v1/mservices", 405, Some("GET")),
        ("HEAD", "/v1/stats", 405, Some("GET")),
        ("POST", "/v1", 405, Some("GET")),
        ("GET", "/v1/clusters/x/actions", 405, Some("POST")),
        ("GET", "/v1/clusters/x/actions/resize", 405, Some("POST")),
        ("POST", "/v1/clusters/x/actions/nothing", 405, Some("POST")),
        ("GET", "/v1/certificates", 405, Some("PATCH, POST")),
        ("GET", "/v1/credentials", 405, Some("PATCH")),
        ("GET", "/v1/stats/x", 405, Some("GET")),
        ("GET", "/v1/mservices/1", 405, Some("GET")),
        ("POST", "/v1/mservices", 405, Some("GET")),
    ] {
        let answer = rig.call(&token, method, path, None).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert_eq!(answer.header("openstack-api-version"), None, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(answer.refusal(status), "", "{method} {path}");
            assert_eq!(answer.body["errors"][0]["code"], "", "{method} {path}");
        }
    }
    let options = rig.call("", "OPTIONS", "/v1/clusters", None).await;
    assert_eq!((options.status.as_u16(), options.text.as_str()), (200, ""));
}

#[tokio::test]
async fn request_ids_are_new_each_time_and_a_callers_own_is_not_echoed() {
    let rig = Rig::start().await;
    let sent = "req-00000000-1111-2222-3333-444444444444";
    let request = Request::builder().uri("/").header("x-openstack-request-id", sent);
    let first = rig.send(request.body(Body::empty()).unwrap()).await;
    let second = rig.call("", "GET", "/v1/clusters", None).await;
    let ids = [
        first.header("x-openstack-request-id"),
        second.header("x-openstack-request-id"),
    ];
    assert!(
        ids.iter()
            .all(|id| id.is_some_and(|id| id.starts_with("req-") && id.len() == 40)),
        "{ids:?}"
    );
    assert_ne!(ids[0], ids[1]);
    assert_ne!(ids[0], Some(sent));
}

#[tokio::test]
async fn only_json_comes_in_and_goes_out() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let request = |accept: &str, media: &str, body: &str| {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/clusters")
            .header("x-auth-token", &token);
        let request = request.header("accept", accept).header("content-type", media);
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let answer = rig.send(request("text/html", "application/json", "{}")).await;
    assert_eq!(answer.refusal(406), "");
    assert_eq!(answer.body["errors"][0]["title"], "");
    for media in [
        "application/xml",
        "text/plain",
        "application/json-patch+json",
        "application/octet-stream",
    ] {
        rig.send(request("*/*", media, "{}")).await.refusal(415);
    }
    let patch = Request::builder()
        .method("PATCH")
        .uri("/v1/clustertemplates/none")
        .header("x-auth-token", &token);
    let patch = patch
        .header("content-type", "application/json-patch+json")
        .body(Body::from("[]"))
        .unwrap();
    rig.send(patch).await.refusal(404);
    let form = rig
        .send(request("", "application/x-www-form-urlencoded", "name=x"))
        .await;
    assert!(form.refusal(400).contains("\"name\""));
    let charset = rig
        .send(request(
            "application/json;q=0.5",
            "application/json; charset=utf-8",
            "{}",
        ))
        .await;
    assert!(charset.refusal(400).contains("cluster_template_id"));
}

#[tokio::test]
async fn forwarded_headers_are_believed_only_where_the_operator_says_so() {
    for (option, expected) in [
        ("true", "https://api.example/magnum/v1/"),
        ("false", "http://inner/v1/"),
    ] {
        let rig = Rig::with(&format!(
            "[oslo_middleware]\nenable_proxy_headers_parsing = {option}"
        ))
        .await;
        let request = Request::builder().uri("/").header("host", "inner");
        let request = request
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "api.example");
        let request = request.header("x-forwarded-prefix", "/magnum");
        let body = rig.send(request.body(Body::empty()).unwrap()).await.expect(200);
        assert_eq!(body["versions"][0]["links"][0]["href"], expected);
    }
}
