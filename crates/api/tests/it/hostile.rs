//! Whatever is sent, no answer is a 5xx, and every refusal has the error format.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, merged, template};
use crate::standing::Standing;

const CLUSTER_FIELDS: [&str; 28] = [
    "name",
    "cluster_template_id",
    "keypair",
    "node_count",
    "master_count",
    "docker_volume_size",
    "labels",
    "merge_labels",
    "master_flavor_id",
    "flavor_id",
    "fixed_network",
    "fixed_subnet",
    "floating_ip_enabled",
    "master_lb_enabled",
    "create_timeout",
    "discovery_url",
    "status",
    "status_reason",
    "health_status",
    "health_status_reason",
    "faults",
    "labels_overridden",
    "labels_added",
    "labels_skipped",
    "uuid",
    "stack_id",
    "links",
    "nonsense",
];

const NODEGROUP_FIELDS: [&str; 21] = [
    "name",
    "node_count",
    "min_node_count",
    "max_node_count",
    "role",
    "flavor_id",
    "image_id",
    "docker_volume_size",
    "labels",
    "merge_labels",
    "node_labels",
    "node_taints",
    "id",
    "uuid",
    "cluster_id",
    "is_default",
    "status",
    "version",
    "labels_added",
    "stack_id",
    "nonsense",
];

const TEMPLATE_FIELDS: [&str; 34] = [
    "name",
    "coe",
    "image_id",
    "flavor_id",
    "master_flavor_id",
    "keypair_id",
    "external_network_id",
    "fixed_network",
    "fixed_subnet",
    "dns_nameserver",
    "network_driver",
    "volume_driver",
    "apiserver_port",
    "docker_volume_size",
    "docker_storage_driver",
    "cluster_distro",
    "driver",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "insecure_registry",
    "labels",
    "server_type",
    "registry_enabled",
    "tls_disabled",
    "public",
    "hidden",
    "master_lb_enabled",
    "floating_ip_enabled",
    "tags",
    "uuid",
    "project_id",
    "links",
    "nonsense",
];

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(2_147_483_648_i64),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!("\u{1F680}\u{202e}'\"--;<script>"),
        json!("y".repeat(5000)),
        json!("../../../etc/passwd?x=1#y"),
        json!([]),
        json!(["x", {}]),
        json!({}),
        json!({"x": null}),
        json!({"x": {"y": []}}),
        json!({"": "x"}),
        json!({"k": "v".repeat(70_000)}),
    ]
}

fn check(answer: &Answer, what: &str) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{what}: {}", answer.text);
    if status >= 400 {
        answer.refusal(status);
    }
}

async fn raw(rig: &Rig, token: &str, method: &str, path: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-auth-token", token);
    let request = request.header("content-type", "application/json");
    rig.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn no_value_of_any_field_breaks_a_create() {
    let rig = Rig::with("[quotas]\nmax_clusters_per_project = 100000").await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({})).await;
    let cluster = json!({"name": "c", "cluster_template_id": uuid});
    for value in values() {
        for field in CLUSTER_FIELDS {
            let body = merged(cluster.clone(), json!({ field: value }));
            check(
                &rig.call(&token, "POST", "/v1/clusters", Some(body)).await,
                &format!("{field} {value}"),
            );
        }
        for field in TEMPLATE_FIELDS {
            let body = merged(template(), json!({ field: value }));
            let answer = rig.call(&token, "POST", "/v1/clustertemplates", Some(body)).await;
            check(&answer, &format!("{field} {value}"));
        }
        for field in ["cluster_uuid", "csr", "ca_cert_type", "pem", "nonsense"] {
            let body = merged(json!({"cluster_uuid": "c", "csr": "x"}), json!({ field: value }));
            let answer = rig.call(&token, "POST", "/v1/certificates", Some(body)).await;
            check(&answer, &format!("{field} {value}"));
        }
    }
}

#[tokio::test]
async fn no_value_of_any_field_breaks_a_change() {
    let standing = Standing::start().await;
    let (cluster, groups) = ("/v1/clusters/prod", "/v1/clusters/prod/nodegroups");
    let group = format!("{groups}/default-worker");
    let (resize, upgrade) = (
        format!("{cluster}/actions/resize"),
        format!("{cluster}/actions/upgrade"),
    );
    for value in values() {
        for field in NODEGROUP_FIELDS {
            let body = merged(
                json!({"name": "g", "flavor_id": "m1.small"}),
                json!({ field: value }),
            );
            let answer = standing.call("POST", groups, body).await;
            check(&answer, &format!("{field} {value}"));
            let op = if value.is_null() { "remove" } else { "replace" };
            let patch = json!([{"op": op, "path": format!("/{field}"), "value": value}]);
            check(
                &standing.call("PATCH", &group, patch).await,
                &format!("{field} {value}"),
            );
        }
        for field in CLUSTER_FIELDS {
            let patch = json!([{"op": "replace", "path": format!("/{field}"), "value": value}]);
            check(
                &standing.call("PATCH", cluster, patch).await,
                &format!("{field} {value}"),
            );
        }
        for field in ["node_count", "nodes_to_remove", "nodegroup", "nonsense"] {
            let answer = standing
                .resize(merged(json!({"node_count": 2}), json!({ field: value })))
                .await;
            check(&answer, &format!("{field} {value}"));
        }
        for field in ["cluster_template", "max_batch_size", "nodegroup", "nonsense"] {
            let body = merged(
                json!({"cluster_template": "swarm-small"}),
                json!({ field: value }),
            );
            check(
                &standing.call("POST", &upgrade, body).await,
                &format!("{field} {value}"),
            );
        }
        for path in [
            cluster,
            groups,
            &group,
            &resize,
            &upgrade,
            "/v1/certificates/prod",
            "/v1/credentials/prod",
        ] {
            for method in ["POST", "PATCH"] {
                check(
                    &standing.call(method, path, value.clone()).await,
                    &format!("{path} {value}"),
                );
            }
        }
    }
    standing.cluster().await;
    for (operations, status) in [(500, 202), (501, 400), (1_500, 400), (10_000, 413)] {
        let operation = json!({"op": "replace", "path": "/max_node_count", "value": 9});
        let patch = Value::Array(vec![operation; operations]);
        let answer = standing.call("PATCH", &group, patch).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_name_of_any_characters_is_found_again() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    // One of each 128 characters of Unicode, forty at a time.
    let mut left = (1..0x11_0000).step_by(128).filter_map(char::from_u32).peekable();
    while left.peek().is_some() {
        let name: String = left.by_ref().take(40).filter(|sign| *sign != '/').collect();
        rig.template(&token, json!({"name": name, "tags": name})).await;
        let path: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/v1/clustertemplates/{path}");
        let shown = rig.get(&token, &path).await.expect(200);
        assert_eq!((&shown["name"], &shown["tags"]), (&json!(name), &json!(name)));
        rig.call(&token, "DELETE", &path, None).await.expect(204);
    }
}

#[tokio::test]
async fn no_patch_breaks_a_template() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({"labels": {"a": "b"}})).await;
    let path = format!("/v1/clustertemplates/{uuid}");
    let fields = TEMPLATE_FIELDS.iter().map(|field| format!("/{field}"));
    let paths: Vec<String> = fields
        .chain(["", "/", "//", "/labels/", "/labels/a", "/labels/~", "/name/x"].map(str::to_owned))
        .collect();
    for value in values() {
        for pointer in &paths {
            let op = if value.is_null() { "remove" } else { "replace" };
            let patch = json!([{"op": op, "path": pointer, "value": value}]);
            check(
                &rig.call(&token, "PATCH", &path, Some(patch)).await,
                &format!("{pointer} {value}"),
            );
        }
        check(
            &rig.call(&token, "PATCH", &path, Some(value.clone())).await,
            "patch",
        );
        check(
            &rig.call(&token, "PATCH", &path, Some(json!([value]))).await,
            "operation",
        );
    }
    rig.get(&token, &path).await.expect(200);
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_deep_or_too_large_are_refused() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let deep_label = format!("{{\"labels\":{}1{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    for path in ["/v1/clusters", "/v1/clustertemplates", "/v1/certificates"] {
        for body in [
            b"{".to_vec(),
            b"nul".to_vec(),
            b"{\"a\": 1} trailing".to_vec(),
            b"\xff\xfe".to_vec(),
            b"[]".to_vec(),
            b"\"x\"".to_vec(),
            b"null".to_vec(),
            b"1".to_vec(),
            b"   ".to_vec(),
            deep.clone().into_bytes(),
            deep_label.clone().into_bytes(),
        ] {
            raw(&rig, &token, "POST", path, body).await.refusal(400);
        }
        let large = raw(&rig, &token, "POST", path, vec![b' '; 200_000]).await;
        large.refusal(413);
    }
}

#[tokio::test]
async fn no_path_or_query_breaks_a_look_up() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let long = "x".repeat(4000);
    for ident in [
        long.as_str(),
        "%27%20OR%201=1",
        "%F0%9F%9A%80",
        "-1",
        "0",
        "99999999999999999999",
        "%",
        "{}",
        "..%5c",
    ] {
        for path in ["clusters", "clustertemplates", "certificates"] {
            check(&rig.get(&token, &format!("/v1/{path}/{ident}")).await, ident);
            check(
                &rig.call(&token, "DELETE", &format!("/v1/{path}/{ident}"), None)
                    .await,
                ident,
            );
        }
        for argument in ["limit", "marker", "sort_key", "sort_dir", "role", ident] {
            check(
                &rig.get(&token, &format!("/v1/clusters?{argument}={ident}")).await,
                ident,
            );
            check(
                &rig.get(
                    &token,
                    &format!("/v1/clusters/{ident}/nodegroups?{argument}={ident}"),
                )
                .await,
                ident,
            );
        }
    }
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({})).await;
    let body = json!({"cluster_template_id": uuid, "labels": {"panic": "now"}});
    let answer = rig.call(&token, "POST", "/v1/clusters", Some(body)).await;
    assert!(!answer.refusal(500).contains("secret"));
    assert_eq!(answer.body["errors"][0]["code"], "server");
    rig.get(&token, "/v1/clusters").await.expect(200);
}
