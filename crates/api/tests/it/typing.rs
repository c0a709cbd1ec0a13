//! How bodies are typed, row by row: what Magnum accepts is accepted, what it dies of is a 400 that names the field.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::rig::{Rig, merged, template};

/// A row: what is sent over a good body, and what becomes of it: the field as it is answered, or a part of the refusal.
enum Becomes {
    Stored(&'static str, Value),
    Refused(&'static str),
}
use Becomes::{Refused, Stored};

#[tokio::test]
async fn bodies_of_creates_are_typed_permissively() {
    let rig = Rig::start().await;
    let demo = rig.token("demo", "demo").await;
    for (sent, becomes) in [
        // Numbers.
        (
            json!({"apiserver_port": "2376"}),
            Stored("apiserver_port", json!(2376)),
        ),
        (
            json!({"apiserver_port": " 2376 "}),
            Stored("apiserver_port", json!(2376)),
        ),
        (
            json!({"apiserver_port": 2376}),
            Stored("apiserver_port", json!(2376)),
        ),
        (
            json!({"apiserver_port": null}),
            Stored("apiserver_port", Value::Null),
        ),
        (json!({"apiserver_port": 2376.5}), Refused("apiserver_port")),
        (json!({"apiserver_port": "x"}), Refused("apiserver_port")),
        (json!({"apiserver_port": "2376.0"}), Refused("apiserver_port")),
        (json!({"apiserver_port": 1023}), Refused("apiserver_port")),
        (json!({"apiserver_port": 65536}), Refused("apiserver_port")),
        (json!({"apiserver_port": u64::MAX}), Refused("apiserver_port")),
        (json!({"apiserver_port": []}), Refused("apiserver_port")),
        (json!({"docker_volume_size": 0}), Refused("docker_volume_size")),
        // Booleans.
        (
            json!({"registry_enabled": "True"}),
            Stored("registry_enabled", json!(true)),
        ),
        (
            json!({"registry_enabled": "no"}),
            Stored("registry_enabled", json!(false)),
        ),
        (
            json!({"registry_enabled": 1}),
            Stored("registry_enabled", json!(true)),
        ),
        (
            json!({"registry_enabled": "ON"}),
            Stored("registry_enabled", json!(true)),
        ),
        (
            json!({"registry_enabled": null}),
            Stored("registry_enabled", json!(false)),
        ),
        (
            json!({"registry_enabled": "perhaps"}),
            Refused("registry_enabled"),
        ),
        (json!({"registry_enabled": 2}), Refused("registry_enabled")),
        (json!({"registry_enabled": {}}), Refused("registry_enabled")),
        // Labels.
        (
            json!({"labels": {"t": "x", "i": 1, "b": true, "f": 1.5, "n": false}}),
            Stored(
                "labels",
                json!({"t": "x", "i": "1", "b": "True", "f": "1.5", "n": "False"}),
            ),
        ),
        (json!({"labels": null}), Stored("labels", json!({}))),
        (json!({"labels": {"k": null}}), Refused("labels[k]")),
        (json!({"labels": {"k": {}}}), Refused("labels[k]")),
        (json!({"labels": {"k": []}}), Refused("labels[k]")),
        (json!({"labels": "a=b"}), Refused("labels")),
        (json!({"labels": []}), Refused("labels")),
        // Texts.
        (
            json!({"name": "any thing / at all"}),
            Stored("name", json!("any thing / at all")),
        ),
        (json!({"name": ""}), Refused("name")),
        (json!({"name": 5}), Refused("name")),
        (json!({"name": "x".repeat(256)}), Refused("name")),
        (json!({"tags": ""}), Stored("tags", json!(""))),
        (
            json!({"dns_nameserver": "8.8.8.8,1.1.1.1"}),
            Stored("dns_nameserver", json!("8.8.8.8,1.1.1.1")),
        ),
        (
            json!({"dns_nameserver": "2001:db8::1"}),
            Refused("dns_nameserver"),
        ),
        (json!({"dns_nameserver": ""}), Refused("dns_nameserver")),
        // Choices, what is unknown, what only the service sets, what must be there.
        (json!({"coe": "nomad"}), Refused("coe")),
        (json!({"coe": null}), Refused("coe")),
        (json!({"server_type": "vm"}), Stored("server_type", json!("vm"))),
        (json!({"server_type": "lxc"}), Refused("server_type")),
        (json!({"colour": "red"}), Refused("colour")),
        (json!({"links": []}), Refused("links")),
        (json!({"created_at": null}), Refused("created_at")),
        (json!({"image_id": null}), Refused("image_id")),
        (json!({"uuid": "x"}), Refused("uuid")),
    ] {
        let body = merged(template(), sent.clone());
        let answer = rig.call(&demo, "POST", "/v1/clustertemplates", Some(body)).await;
        match becomes {
            Stored(field, value) => assert_eq!(answer.expect(201)[field], value, "{sent}"),
            Refused(part) => assert!(answer.refusal(400).contains(part), "{sent}: {}", answer.text),
        }
    }
}

#[tokio::test]
async fn clusters_are_typed_by_the_same_rules() {
    let rig = Rig::with("[quotas]\nmax_clusters_per_project = 100").await;
    let demo = rig.token("demo", "demo").await;
    let used = rig.template(&demo, json!({})).await;
    for (sent, becomes) in [
        (json!({"node_count": "2"}), Stored("node_count", json!(2))),
        (json!({"node_count": null}), Stored("node_count", json!(1))),
        (json!({"node_count": -1}), Refused("node_count")),
        (json!({"node_count": "two"}), Refused("node_count")),
        (json!({"node_count": 1.0}), Refused("node_count")),
        (json!({"master_count": null}), Refused("master_count")),
        (json!({"master_count": 2}), Refused("master_count")),
        (
            json!({"create_timeout": null}),
            Stored("create_timeout", Value::Null),
        ),
        (json!({"create_timeout": "0"}), Stored("create_timeout", json!(0))),
        (
            json!({"floating_ip_enabled": "off"}),
            Stored("floating_ip_enabled", json!(false)),
        ),
        (
            json!({"floating_ip_enabled": "never"}),
            Refused("floating_ip_enabled"),
        ),
        (json!({"merge_labels": "x"}), Refused("merge_labels")),
        (json!({"labels": null}), Stored("labels", json!({}))),
        (
            json!({"labels": {"a": true}, "merge_labels": "yes"}),
            Stored("labels", json!({"a": "True"})),
        ),
        (
            json!({"name": null, "uuid": "00000000-0000-4000-8000-000000000000"}),
            Stored("keypair", Value::Null),
        ),
        (json!({"name": ""}), Refused("name")),
        (json!({"name": "1st"}), Refused("name")),
        (json!({"name": "a b"}), Refused("name")),
        (json!({"name": "x".repeat(243)}), Refused("name")),
        (
            json!({"status": "CREATE_COMPLETE"}),
            Stored("status", json!("CREATE_IN_PROGRESS")),
        ),
        (json!({"status": "READY"}), Refused("status")),
        (json!({"stack_id": "x"}), Refused("stack_id")),
        (json!({"id": 1}), Refused("id")),
        (
            json!({"cluster_template_id": null}),
            Refused("cluster_template_id"),
        ),
    ] {
        let body = merged(json!({"name": "c", "cluster_template_id": used}), sent.clone());
        let answer = rig.call(&demo, "POST", "/v1/clusters", Some(body)).await;
        match becomes {
            Stored(field, value) => {
                let made = answer.expect(202);
                let path = format!("/v1/clusters/{}", made["uuid"].as_str().unwrap());
                assert_eq!(rig.get(&demo, &path).await.expect(200)[field], value, "{sent}");
            }
            Refused(part) => assert!(answer.refusal(400).contains(part), "{sent}: {}", answer.text),
        }
    }
}

#[tokio::test]
async fn bodies_of_another_shape_are_refused_everywhere() {
    let rig = Rig::start().await;
    let admin = rig.token("admin", "admin").await;
    let used = rig.template(&admin, json!({})).await;
    let template = format!("/v1/clustertemplates/{used}");
    for (method, path, argument) in [
        ("POST", "/v1/clusters", "cluster"),
        ("POST", "/v1/clustertemplates", "cluster_template"),
        ("POST", "/v1/certificates", "certificate"),
        ("POST", "/v1/quotas", "quota"),
        ("PATCH", "/v1/quotas/p/Cluster", "quotapatch"),
        ("PATCH", template.as_str(), "patch"),
    ] {
        for wrong in ["\"text\"", "7", "true", "null"] {
            let answer = rig.call(&admin, method, path, Some(wrong.parse().unwrap())).await;
            assert!(answer.refusal(400).contains(argument), "{method} {path} {wrong}");
        }
        let other = if argument == "patch" {
            json!({"op": "remove"})
        } else {
            json!([])
        };
        rig.call(&admin, method, path, Some(other)).await.refusal(400);
        let empty = rig.call(&admin, method, path, None).await;
        assert_eq!(empty.refusal(400), format!("Missing argument: \"{argument}\""));
        for (text, status) in [("{", 400), ("{]", 400), (" ", 400)] {
            let request = Request::builder().method(method).uri(path);
            let request = request
                .header("x-auth-token", &admin)
                .header("content-type", "application/json");
            let body = Body::from(text.to_owned());
            rig.send(request.body(body).unwrap()).await.refusal(status);
        }
        let large = json!({"name": "x".repeat(200_000)});
        rig.call(&admin, method, path, Some(large)).await.refusal(413);
    }
    for body in [
        json!({"csr": "x"}),
        json!({"cluster_uuid": "x"}),
        json!({"cluster_uuid": "x", "csr": ""}),
    ] {
        rig.call(&admin, "POST", "/v1/certificates", Some(body))
            .await
            .refusal(400);
    }
}

#[tokio::test]
async fn patches_follow_their_rules() {
    let rig = Rig::start().await;
    let demo = rig.token("demo", "demo").await;
    let good = json!({"labels": {"k": "v", "a.b/c~d": "1"}, "apiserver_port": 2376});
    let op = |op: &str, path: &str, value: Value| match value {
        Value::Null => json!([{"op": op, "path": path}]),
        value => json!([{"op": op, "path": path, "value": value}]),
    };
    let labels = |value: Value| Stored("labels", value);
    let kept = |key: &str, value: &str| json!({"k": "v", "a.b/c~d": "1", key: value});
    for (patch, becomes) in [
        // Operations and paths.
        (op("replace", "/name", json!("n")), Stored("name", json!("n"))),
        (op("test", "/name", json!("n")), Refused("op")),
        (op("move", "/name", json!("n")), Refused("op")),
        (op("copy", "/name", json!("n")), Refused("op")),
        (json!([{"path": "/name", "value": "n"}]), Refused("op")),
        (json!([{"op": "remove"}]), Refused("path")),
        (
            json!([{"op": "replace", "path": 1, "value": "n"}]),
            Refused("path"),
        ),
        (op("replace", "name", json!("n")), Refused("path")),
        (op("replace", "/name/x", json!("n")), Refused("map")),
        // What nobody may touch, also below it.
        (op("replace", "/uuid", json!("n")), Refused("service")),
        (op("add", "/links/x", json!("n")), Refused("service")),
        (op("remove", "/created_at", Value::Null), Refused("service")),
        (op("replace", "/project_id", json!("n")), Refused("service")),
        // Attributes that must be there, that are there, and that are not.
        (op("remove", "/image_id", Value::Null), Refused("mandatory")),
        (op("remove", "/hidden", Value::Null), Refused("mandatory")),
        (op("remove", "/name", Value::Null), Stored("name", Value::Null)),
        (op("remove", "/labels", Value::Null), labels(json!({}))),
        (op("add", "/name", json!("n")), Refused("replace")),
        (op("add", "/tags", json!("x")), Stored("tags", json!("x"))),
        (op("add", "/colour", json!("red")), Refused("attribute")),
        (op("replace", "/colour", json!("red")), Refused("attribute")),
        (op("remove", "/colour", Value::Null), Refused("attribute")),
        // Values.
        (
            op("replace", "/apiserver_port", json!("3000")),
            Stored("apiserver_port", json!(3000)),
        ),
        (
            op("replace", "/apiserver_port", json!("x")),
            Refused("apiserver_port"),
        ),
        (
            op("replace", "/apiserver_port", json!(80)),
            Refused("apiserver_port"),
        ),
        (
            op("replace", "/apiserver_port", json!(3000.5)),
            Refused("integer"),
        ),
        (op("replace", "/apiserver_port", Value::Null), Refused("value")),
        (
            op("replace", "/registry_enabled", json!("True")),
            Stored("registry_enabled", json!(true)),
        ),
        (
            op("replace", "/registry_enabled", json!(true)),
            Stored("registry_enabled", json!(true)),
        ),
        (
            op("replace", "/registry_enabled", json!("perhaps")),
            Refused("registry_enabled"),
        ),
        (op("replace", "/coe", json!("nomad")), Refused("coe")),
        (op("replace", "/name", json!(["n"])), Refused("text")),
        (op("replace", "/name", json!({"n": 1})), Refused("text")),
        // Maps: objects, JSON as text, Python literals.
        (
            op("replace", "/labels", json!({"x": 1})),
            labels(json!({"x": "1"})),
        ),
        (
            op("replace", "/labels", json!("{'x': 'y', 'n': 1, 'b': True}")),
            labels(json!({"x": "y", "n": "1", "b": "True"})),
        ),
        (
            op("replace", "/labels", json!("{\"x\": \"y\"}")),
            labels(json!({"x": "y"})),
        ),
        (
            op("replace", "/labels", json!("{'x': None}")),
            Refused("labels[x]"),
        ),
        (op("replace", "/labels", json!({"x": null})), Refused("labels[x]")),
        (op("replace", "/labels", json!("nonsense")), Refused("map")),
        (op("replace", "/labels", json!("['x']")), Refused("map")),
        // Single labels, and RFC 6901.
        (op("add", "/labels/x", json!("y")), labels(kept("x", "y"))),
        (op("add", "/labels/x", json!(true)), labels(kept("x", "True"))),
        (op("replace", "/labels/k", json!("w")), labels(kept("k", "w"))),
        (
            op("replace", "/labels/a.b~1c~0d", json!("2")),
            labels(kept("a.b/c~d", "2")),
        ),
        (op("add", "/labels/x.y.z", json!("1")), labels(kept("x.y.z", "1"))),
        (
            op("remove", "/labels/a.b~1c~0d", Value::Null),
            labels(json!({"k": "v"})),
        ),
        (op("remove", "/labels/none", Value::Null), Refused("key")),
        (op("replace", "/labels/none", json!("x")), Refused("key")),
        (op("add", "/labels/x", json!({})), Refused("text")),
        // Nothing at all.
        (json!([]), Stored("apiserver_port", json!(2376))),
    ] {
        let uuid = rig.template(&demo, good.clone()).await;
        let path = format!("/v1/clustertemplates/{uuid}");
        for media in ["application/json", "application/json-patch+json; charset=utf-8"] {
            let headers = [("content-type", media)];
            let answer = rig
                .call_with(&demo, "PATCH", &path, Some(patch.clone()), &headers)
                .await;
            match &becomes {
                // The second time there is nothing to add or remove any more.
                Stored(..) if media != "application/json" => {
                    assert_ne!(answer.status.as_u16(), 415, "{patch}")
                }
                Stored(field, value) => assert_eq!(answer.expect(200)[field], *value, "{patch}"),
                Refused(part) => assert!(answer.refusal(400).contains(part), "{patch}: {}", answer.text),
            }
        }
    }
}

#[tokio::test]
async fn every_spelling_of_a_uuid_leads_to_the_same_thing() {
    let rig = Rig::start().await;
    let demo = rig.token("demo", "demo").await;
    let template = rig.template(&demo, json!({})).await;
    let cluster = rig.cluster(&demo, &template, json!({})).await;
    let group = rig
        .get(
            &demo,
            &format!("/v1/clusters/{cluster}/nodegroups/default-worker"),
        )
        .await
        .expect(200);
    let group = group["uuid"].as_str().unwrap();
    for spelt in [str::to_uppercase, |text: &str| text.replace('-', "")] {
        let (template, cluster, group) = (spelt(&template), spelt(&cluster), spelt(group));
        for path in [
            format!("clustertemplates/{template}"),
            format!("clusters/{cluster}"),
            format!("clusters/{cluster}/steps"),
            format!("clusters/{cluster}/nodegroups"),
            format!("clusters/{cluster}/nodegroups/{group}"),
            format!("clusters?marker={cluster}"),
            format!("clustertemplates?marker={template}"),
            format!("clusters/{cluster}/nodegroups?marker={group}"),
        ] {
            rig.get(&demo, &format!("/v1/{path}")).await.expect(200);
        }
        rig.cluster(&demo, &template, json!({"name": "other"})).await;
    }
}
