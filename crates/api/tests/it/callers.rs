//! Every route with every kind of caller.

use serde_json::{Value, json};

use crate::rig::{Rig, template};

#[tokio::test]
async fn each_caller_gets_what_the_policy_says_on_each_route() {
    let rig = Rig::start().await;
    rig.add_user("roleless", "demo", &["service"]);
    rig.add_user("colleague", "demo", &["member"]);
    let owner = rig.token("demo", "demo").await;
    let template_id = rig.template(&owner, json!({"name": "used"})).await;
    let cluster = rig.cluster(&owner, &template_id, json!({})).await;
    let mut tokens = vec![String::new()];
    for (user, project) in [
        ("roleless", "demo"),
        ("demo_reader", "demo"),
        ("colleague", "demo"),
        ("alt_demo", "alt_demo"),
        ("admin", "admin"),
    ] {
        tokens.push(rig.token(user, project).await);
    }
    let of_cluster = |rest: &str| format!("/v1/clusters/{cluster}{rest}");
    let of_template = format!("/v1/clustertemplates/{template_id}");
    let certificate = format!("/v1/certificates/{cluster}");
    let csr = json!({"cluster_uuid": cluster, "csr": "x"});
    let rename = json!([{"op": "replace", "path": "/name", "value": "used"}]);
    let new_cluster = json!({"cluster_template_id": template_id});
    // Columns: no token, no role, reader, member, member of another project, administrator of another project.
    let table: Vec<(&str, String, Option<Value>, [u16; 6])> = vec![
        ("GET", "/".into(), None, [200, 200, 200, 200, 200, 200]),
        ("GET", "/v1".into(), None, [200, 200, 200, 200, 200, 200]),
        ("GET", "/healthcheck".into(), None, [200, 200, 200, 200, 200, 200]),
        ("GET", "/v1/clusters".into(), None, [401, 403, 200, 200, 200, 200]),
        (
            "GET",
            "/v1/clusters/detail".into(),
            None,
            [401, 403, 200, 200, 200, 200],
        ),
        ("GET", of_cluster(""), None, [401, 403, 200, 200, 404, 200]),
        ("GET", of_cluster("/steps"), None, [401, 403, 200, 200, 404, 200]),
        (
            "GET",
            of_cluster("/nodegroups"),
            None,
            [401, 403, 200, 200, 404, 200],
        ),
        (
            "GET",
            of_cluster("/nodegroups/default-worker"),
            None,
            [401, 403, 200, 200, 404, 200],
        ),
        (
            "GET",
            "/v1/clusters/none".into(),
            None,
            [401, 403, 404, 404, 404, 404],
        ),
        (
            "POST",
            "/v1/clusters".into(),
            Some(new_cluster),
            [401, 403, 403, 202, 404, 404],
        ),
        (
            "GET",
            "/v1/clustertemplates".into(),
            None,
            [401, 403, 200, 200, 200, 200],
        ),
        (
            "GET",
            "/v1/clustertemplates/detail".into(),
            None,
            [401, 403, 200, 200, 200, 200],
        ),
        ("GET", of_template.clone(), None, [401, 403, 200, 200, 404, 200]),
        (
            "POST",
            "/v1/clustertemplates".into(),
            Some(template()),
            [401, 403, 403, 201, 201, 201],
        ),
        (
            "PATCH",
            of_template.clone(),
            Some(rename),
            [401, 403, 403, 200, 404, 200],
        ),
        ("DELETE", of_template, None, [401, 403, 403, 400, 404, 400]),
        ("GET", certificate, None, [401, 403, 403, 403, 404, 409]),
        (
            "POST",
            "/v1/certificates".into(),
            Some(csr),
            [401, 403, 403, 403, 400, 409],
        ),
        (
            "GET",
            "/v1/mservices".into(),
            None,
            [401, 403, 403, 403, 403, 200],
        ),
        ("GET", "/v1/stats".into(), None, [401, 403, 200, 200, 200, 200]),
        (
            "PATCH",
            of_cluster(""),
            Some(json!([])),
            [401, 501, 501, 501, 501, 501],
        ),
        (
            "POST",
            of_cluster("/actions/resize"),
            Some(json!({})),
            [401, 501, 501, 501, 501, 501],
        ),
        ("GET", "/v1/quotas".into(), None, [401, 403, 403, 403, 403, 200]),
        (
            "GET",
            "/v1/quotas/elsewhere/Cluster".into(),
            None,
            [401, 403, 403, 403, 403, 200],
        ),
        (
            "POST",
            "/v1/quotas".into(),
            Some(json!({"project_id": "nobody"})),
            [401, 403, 403, 403, 403, 404],
        ),
        (
            "PATCH",
            "/v1/quotas/elsewhere/Cluster".into(),
            Some(json!({})),
            [401, 403, 403, 403, 403, 404],
        ),
        (
            "DELETE",
            "/v1/quotas/elsewhere/Cluster".into(),
            None,
            [401, 403, 403, 403, 403, 404],
        ),
        (
            "GET",
            "/v1/federations".into(),
            None,
            [401, 501, 501, 501, 501, 501],
        ),
        // The last column takes the cluster away.
        ("DELETE", of_cluster(""), None, [401, 403, 403, 204, 404, 204]),
    ];
    for (method, path, body, expected) in table {
        for (token, status) in tokens.iter().zip(expected) {
            let answer = rig.call(token, method, &path, body.clone()).await;
            let who = tokens.iter().position(|known| known == token);
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{method} {path} as {who:?}: {}",
                answer.text
            );
            if status == 403 {
                assert!(
                    answer.refusal(403).contains(':'),
                    "{method} {path}: {}",
                    answer.text
                );
            }
        }
    }
}
