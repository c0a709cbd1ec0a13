//! Cluster templates: shapes, defaults, refusals, patches and who sees which.

use serde_json::{Value, json};

use crate::rig::{Rig, keys, merged, template};

const KEYS: [&str; 36] = [
    "apiserver_port",
    "cluster_distro",
    "coe",
    "created_at",
    "dns_nameserver",
    "docker_storage_driver",
    "docker_volume_size",
    "driver",
    "external_network_id",
    "fixed_network",
    "fixed_subnet",
    "flavor_id",
    "floating_ip_enabled",
    "hidden",
    "http_proxy",
    "https_proxy",
    "image_id",
    "insecure_registry",
    "keypair_id",
    "labels",
    "links",
    "master_flavor_id",
    "master_lb_enabled",
    "name",
    "network_driver",
    "no_proxy",
    "project_id",
    "public",
    "registry_enabled",
    "server_type",
    "tags",
    "tls_disabled",
    "updated_at",
    "user_id",
    "uuid",
    "volume_driver",
];

const PATH: &str = "/v1/clustertemplates";

#[tokio::test]
async fn a_template_is_answered_alike_everywhere() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let body = merged(template(), json!({"labels": {"a": 1, "b": true, "c": "x"}}));
    let answer = rig.call(&token, "POST", PATH, Some(body)).await;
    let location = answer.header("location").unwrap().to_owned();
    let created = answer.expect(201);
    assert_eq!(keys(&created), KEYS);
    let uuid = created["uuid"].as_str().unwrap();
    assert_eq!(
        location,
        format!("http://magnum.example:9511/v1/clustertemplates/{uuid}")
    );
    let links = json!([
        {"href": format!("http://magnum.example:9511/v1/clustertemplates/{uuid}"), "rel": "self"},
        {"href": format!("http://magnum.example:9511/clustertemplates/{uuid}"), "rel": "bookmark"},
    ]);
    assert_eq!(created["links"], links);
    for (key, value) in [
        ("labels", json!({"a": "1", "b": "True", "c": "x"})),
        ("network_driver", json!("docker")),
        ("cluster_distro", json!("debian")),
        ("driver", json!("swarm_paper")),
        ("server_type", json!("vm")),
        ("floating_ip_enabled", json!(true)),
        ("master_lb_enabled", json!(false)),
        ("updated_at", Value::Null),
    ] {
        assert_eq!(created[key], value, "{key}");
    }
    let stamp = created["created_at"].as_str().unwrap();
    assert_eq!((stamp.len(), &stamp[26..]), (32, "+00:00"), "{stamp}");
    for ident in [
        uuid.to_owned(),
        uuid.to_uppercase(),
        uuid.replace('-', ""),
        "swarm-small".to_owned(),
    ] {
        let shown = rig.get(&token, &format!("{PATH}/{ident}")).await.expect(200);
        assert_eq!(shown, created, "{ident}");
    }
    for list in [PATH.to_owned(), format!("{PATH}/detail")] {
        assert_eq!(
            rig.get(&token, &list).await.expect(200),
            json!({"clustertemplates": [created]})
        );
    }
}

#[tokio::test]
async fn nulls_and_texts_are_taken_as_the_command_line_client_and_horizon_send_them() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let body = json!({
        "name": null, "coe": "swarm", "image_id": "debian-12-docker", "flavor_id": null,
        "master_flavor_id": null, "keypair_id": null, "labels": null, "public": "False",
        "docker_volume_size": "5", "floating_ip_enabled": "no", "apiserver_port": null, "tags": "",
    });
    let created = rig.call(&token, "POST", PATH, Some(body)).await.expect(201);
    let name = created["name"].as_str().unwrap();
    assert!(name.ends_with("-template"), "{name}");
    assert_eq!(created["docker_volume_size"], 5);
    assert_eq!(created["floating_ip_enabled"], false);
    assert_eq!(created["labels"], json!({}));
}

#[tokio::test]
async fn wrong_templates_are_refused_with_the_field() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for (change, status, part) in [
        (json!({"coe": null}), 400, "coe"),
        (json!({"coe": "nomad"}), 400, "coe"),
        (json!({"coe": "kubernetes"}), 400, "(vm, debian, kubernetes)"),
        (
            json!({"server_type": "bm", "driver": "swarm_paper"}),
            400,
            "(bm, debian, swarm-mode)",
        ),
        (json!({"driver": "nobody"}), 400, "nobody"),
        (json!({"image_id": null}), 400, "image_id"),
        (json!({"image_id": "nothing"}), 400, "nothing"),
        (json!({"flavor_id": "m1.none"}), 400, "m1.none"),
        (json!({"external_network_id": "nowhere"}), 400, "nowhere"),
        (json!({"fixed_network": "nowhere"}), 400, "nowhere"),
        (json!({"fixed_subnet": "nowhere"}), 400, "nowhere"),
        (
            json!({"dns_nameserver": "8.8.8.8,dns.example"}),
            400,
            "dns_nameserver",
        ),
        (json!({"dns_nameserver": "2001:db8::1"}), 400, "dns_nameserver"),
        (json!({"dns_nameserver": ""}), 400, "dns_nameserver"),
        (json!({"network_driver": "flannel"}), 400, "network_driver"),
        (json!({"tls_disabled": true}), 400, "tls_disabled: needs TLS"),
        (json!({"volume_driver": "cinder"}), 400, "volume_driver"),
        (
            json!({"docker_storage_driver": "devicemapper"}),
            400,
            "docker_volume_size",
        ),
        (
            json!({"docker_storage_driver": "devicemapper", "docker_volume_size": 2}),
            400,
            "docker_volume_size",
        ),
        (json!({"docker_volume_size": 0}), 400, "docker_volume_size"),
        (json!({"apiserver_port": 1023}), 400, "apiserver_port"),
        (
            json!({"labels": {"boot_volume_size": "big"}}),
            400,
            "boot_volume_size",
        ),
        (json!({"labels": {"x": null}}), 400, "labels"),
        (json!({"name": ""}), 400, "name"),
        (json!({"name": "x".repeat(256)}), 400, "name"),
        (json!({"colour": "red"}), 400, "colour"),
        (json!({"project_id": "x"}), 400, "project_id"),
        (json!({"uuid": "x"}), 400, "uuid"),
        (json!({"public": true}), 403, "clustertemplate:publish"),
        (json!({"hidden": "yes"}), 403, "clustertemplate:publish"),
    ] {
        let body = merged(template(), change.clone());
        let answer = rig.call(&token, "POST", PATH, Some(body)).await;
        let detail = answer.refusal(status);
        assert!(detail.contains(part), "{change}: {detail}");
        assert_eq!(answer.body["errors"][0]["code"], "client");
    }
    assert_eq!(
        rig.get(&token, PATH).await.expect(200),
        json!({"clustertemplates": []})
    );
}

#[tokio::test]
async fn a_given_uuid_is_kept_and_taken_only_once() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = "11111111-2222-4333-8444-555555555555";
    assert_eq!(rig.template(&token, json!({ "uuid": uuid })).await, uuid);
    let body = merged(template(), json!({ "uuid": uuid }));
    rig.call(&token, "POST", PATH, Some(body)).await.refusal(409);
}

#[tokio::test]
async fn names_may_repeat_and_are_then_ambiguous() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    rig.template(&token, json!({"name": "two words"})).await;
    rig.get(&token, &format!("{PATH}/two%20words")).await.expect(200);
    rig.template(&token, json!({"name": "two words"})).await;
    let answer = rig.get(&token, &format!("{PATH}/two%20words")).await;
    assert!(answer.refusal(409).contains("two words"));
    rig.call(&token, "DELETE", &format!("{PATH}/two%20words"), None)
        .await
        .refusal(409);
}

fn replace(path: &str, value: Value) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

#[tokio::test]
async fn patches_change_what_they_name() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({"labels": {"a": "1"}})).await;
    let path = format!("{PATH}/{uuid}");
    for (patch, key, value) in [
        (replace("/name", json!("other")), "name", json!("other")),
        (
            replace("/docker_volume_size", json!("7")),
            "docker_volume_size",
            json!(7),
        ),
        (
            replace("/master_lb_enabled", json!("True")),
            "master_lb_enabled",
            json!(true),
        ),
        (
            replace("/labels", json!("{'x': 'y', 'n': 1}")),
            "labels",
            json!({"x": "y", "n": "1"}),
        ),
        (replace("/labels", json!({"z": "1"})), "labels", json!({"z": "1"})),
        (
            json!([{"op": "add", "path": "/labels/a.b~1c", "value": "d"}]),
            "labels",
            json!({"z": "1", "a.b/c": "d"}),
        ),
        (json!([{"op": "remove", "path": "/labels"}]), "labels", json!({})),
        (json!([{"op": "remove", "path": "/name"}]), "name", Value::Null),
        (
            json!([{"op": "remove", "path": "/floating_ip_enabled"}]),
            "floating_ip_enabled",
            json!(true),
        ),
        (
            replace("/flavor_id", json!("m1.medium")),
            "flavor_id",
            json!("m1.medium"),
        ),
        (json!([]), "flavor_id", json!("m1.medium")),
    ] {
        let patched = rig
            .call(&token, "PATCH", &path, Some(patch.clone()))
            .await
            .expect(200);
        assert_eq!(patched[key], value, "{patch}");
        assert_eq!(keys(&patched), KEYS);
        assert_eq!(rig.get(&token, &path).await.expect(200)[key], value, "{patch}");
    }
    assert!(rig.get(&token, &path).await.expect(200)["updated_at"].is_string());
    for (patch, status) in [
        (replace("/coe", json!("nomad")), 400),
        (replace("/coe", json!("kubernetes")), 400),
        (replace("/driver", json!("nobody")), 400),
        (replace("/cluster_distro", json!("plan9")), 400),
        (replace("/tls_disabled", json!(true)), 400),
        (replace("/uuid", json!("x")), 400),
        (replace("/links", json!("x")), 400),
        (replace("/flavor_id", json!("m1.none")), 400),
        (replace("/docker_volume_size", json!("x")), 400),
        (replace("/public", json!(true)), 403),
        (replace("/hidden", json!("true")), 403),
        (json!([{"op": "remove", "path": "/image_id"}]), 400),
        (json!([{"op": "move", "path": "/name", "from": "/tags"}]), 400),
        (json!({"name": "x"}), 400),
    ] {
        rig.call(&token, "PATCH", &path, Some(patch))
            .await
            .refusal(status);
    }
}

#[tokio::test]
async fn the_distribution_is_that_of_the_image() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    // Its driver takes every distribution.
    let uuid = rig.template(&token, json!({"server_type": "bm"})).await;
    let path = format!("{PATH}/{uuid}");
    let patch = replace("/cluster_distro", json!("plan9"));
    let answer = rig.call(&token, "PATCH", &path, Some(patch)).await;
    assert!(
        answer.refusal(400).contains("os_distro debian"),
        "{}",
        answer.text
    );
    let shown = rig.get(&token, &path).await.expect(200);
    assert_eq!(shown["cluster_distro"], "debian");
}

#[tokio::test]
async fn a_patch_that_was_answered_is_never_lost_to_another_one() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({})).await;
    let path = format!("{PATH}/{uuid}");
    let patches = [
        ("replace", "flavor_id", json!("m1.medium")),
        ("replace", "name", json!("other")),
        ("add", "tags", json!("a,b")),
    ];
    let calls = patches.iter().map(|(op, key, value)| {
        let patch = json!([{"op": op, "path": format!("/{key}"), "value": value}]);
        rig.call(&token, "PATCH", &path, Some(patch))
    });
    let answers = futures_util::future::join_all(calls).await;
    let shown = rig.get(&token, &path).await.expect(200);
    for ((_, key, value), answer) in patches.iter().zip(&answers) {
        match answer.status.as_u16() {
            200 => assert_eq!(shown[key], *value, "{key}"),
            _ => assert!(answer.refusal(409).contains(&uuid)),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
}

#[tokio::test]
async fn a_patch_does_not_look_up_what_it_leaves_alone() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({})).await;
    rig.cloud.with_world(|world| world.nova.flavors.clear());
    let patch = replace("/name", json!("still-there"));
    rig.call(&token, "PATCH", &format!("{PATH}/{uuid}"), Some(patch))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_template_in_use_takes_one_harmless_change_at_a_time_and_no_delete() {
    let rig = Rig::start().await;
    let (token, admin) = (rig.token("demo", "demo").await, rig.token("admin", "admin").await);
    let uuid = rig.template(&token, json!({})).await;
    rig.cluster(&token, &uuid, json!({})).await;
    let path = format!("{PATH}/{uuid}");
    for (patch, status) in [
        (replace("/name", json!("renamed")), 200),
        (json!([{"op": "add", "path": "/tags", "value": "a,b"}]), 200),
        (replace("/hidden", json!(true)), 200),
        (replace("/hidden", json!(false)), 200),
        (replace("/public", json!(true)), 200),
        (replace("/public", json!(false)), 400),
        (json!([{"op": "remove", "path": "/tags"}]), 400),
        (replace("/flavor_id", json!("m1.medium")), 400),
        (
            json!([{"op": "replace", "path": "/name", "value": "x"},
                {"op": "replace", "path": "/tags", "value": "x"}]),
            400,
        ),
    ] {
        let answer = rig.call(&admin, "PATCH", &path, Some(patch.clone())).await;
        assert_eq!(answer.status.as_u16(), status, "{patch}: {}", answer.text);
    }
    assert!(
        rig.call(&token, "DELETE", &path, None)
            .await
            .refusal(400)
            .contains(&uuid)
    );
}

#[tokio::test]
async fn a_template_without_clusters_is_deleted() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({})).await;
    let answer = rig.call(&token, "DELETE", &format!("{PATH}/{uuid}"), None).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    rig.get(&token, &format!("{PATH}/{uuid}")).await.refusal(404);
    rig.call(&token, "DELETE", &format!("{PATH}/{uuid}"), None)
        .await
        .refusal(404);
}

#[tokio::test]
async fn the_catalog_is_asked_for_once_for_each_token() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    rig.template(&token, json!({"name": "first"})).await;
    rig.cloud.reset_counts();
    rig.template(&token, json!({"name": "second"})).await;
    let calls = rig.cloud.calls().calls;
    assert!(
        calls.keys().all(|operation| !operation.contains(" identity ")),
        "{calls:?}"
    );
    assert!(
        calls.keys().any(|operation| operation.contains(" image ")),
        "{calls:?}"
    );
}
