//! Requests in the form in which Horizon's panels send them: microversion 1.13, numbers and booleans as text, empty
//! fields left out or null, a slash behind `nodegroups`.

use serde_json::{Value, json};

use crate::rig::Rig;

const VERSION: &str = "1.13";

#[tokio::test]
async fn forms_are_taken_with_every_value_as_text() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let call = async |method: &str, path: &str, body: Option<Value>| {
        rig.call_at(VERSION, &token, method, path, body).await
    };
    let form = json!({
        "name": "panel", "coe": "swarm", "server_type": "vm", "public": "False", "hidden": "False",
        "registry_enabled": "False", "tls_disabled": "False", "image_id": "debian-12-docker",
        "flavor_id": "m1.small", "master_flavor_id": "m1.small", "docker_volume_size": "3",
        "docker_storage_driver": "overlay2", "network_driver": "docker", "external_network_id": "public",
        "dns_nameserver": "9.9.9.9", "master_lb_enabled": "True", "floating_ip_enabled": "True",
        "labels": {"worker_open_ports": "80"}, "keypair_id": null, "volume_driver": null,
    });
    let made = call("POST", "/v1/clustertemplates", Some(form)).await.expect(201);
    for (key, value) in [
        ("public", json!(false)),
        ("master_lb_enabled", json!(true)),
        ("docker_volume_size", json!(3)),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    // The form of an update: a number as text.
    let patch = json!([{"op": "replace", "path": "/docker_volume_size", "value": "7"}]);
    let path = format!("/v1/clustertemplates/{}", made["uuid"].as_str().unwrap());
    let patched = call("PATCH", &path, Some(patch)).await.expect(200);
    assert_eq!(patched["docker_volume_size"], 7);

    let form = json!({
        "name": "panel", "cluster_template_id": made["uuid"], "master_count": "3", "node_count": "2",
        "docker_volume_size": "4", "create_timeout": "90", "flavor_id": "m1.medium",
        "master_flavor_id": "m1.small", "floating_ip_enabled": "False", "merge_labels": "True",
        "labels": {"boot_volume_size": "5"}, "keypair": null, "discovery_url": "", "fixed_network": null,
    });
    call("POST", "/v1/clusters", Some(form)).await.expect(202);
    let shown = call("GET", "/v1/clusters/panel", None).await.expect(200);
    for (key, value) in [
        ("master_count", json!(3)),
        ("node_count", json!(2)),
        ("docker_volume_size", json!(4)),
        ("create_timeout", json!(90)),
        ("floating_ip_enabled", json!(false)),
        (
            "labels",
            json!({"boot_volume_size": "5", "worker_open_ports": "80"}),
        ),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let groups = call("GET", "/v1/clusters/panel/nodegroups/", None)
        .await
        .expect(200);
    assert_eq!(groups["nodegroups"].as_array().map(Vec::len), Some(2));
}
