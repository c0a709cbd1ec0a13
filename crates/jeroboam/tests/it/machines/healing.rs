//! Machines of a swarm that die, and others that take their places.

use serde_json::{Value, json};

use super::cloud::Cloud;

fn is_healthy(shown: &Value) -> bool {
    let status = shown["status"].as_str().unwrap();
    assert!(!status.ends_with("_FAILED"), "{shown:#}");
    shown["health_status"] == "HEALTHY" && !status.ends_with("_IN_PROGRESS")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_and_one_of_three_managers_that_die_are_replaced() {
    let cloud = Cloud::start(&[]).await;
    let template = json!({
        "name": "healing", "coe": "swarm-mode", "image_id": "debian-12-docker", "flavor_id": "m1.small",
        "master_flavor_id": "m1.small", "external_network_id": "public", "dns_nameserver": "9.9.9.9",
        "docker_storage_driver": "overlay2", "master_lb_enabled": true, "labels": {"auto_healing_enabled": "true"},
    });
    let wish = json!({"name": "heal", "master_count": 3, "node_count": 1, "create_timeout": 10});
    let uuid = &cloud.create(template, wish).await;
    let shown = cloud.until(uuid, "healthy", is_healthy).await;
    let reason = shown["health_status_reason"].as_object().unwrap();
    assert_eq!((reason.len(), &reason["api"]), (5, &json!("ok")), "{reason:?}");

    for lost in ["worker-0", "master-1"] {
        let before = cloud.servers().await;
        cloud.power_cut(&before[lost]).await;
        let is_lost = |shown: &Value| shown["health_status"] == "UNHEALTHY";
        let shown = cloud.until(uuid, "unhealthy", is_lost).await;
        eprintln!("{}", shown["health_status_reason"]);
        let told = format!("auto-healing: {lost} is replaced: ");
        let is_healed = |shown: &Value| {
            let reason = shown["status_reason"].as_str().unwrap_or_default();
            is_healthy(shown) && reason.starts_with(&told)
        };
        let shown = cloud.until(uuid, "healed", is_healed).await;
        eprintln!("{}", shown["status_reason"]);
        let after = cloud.servers().await;
        assert_eq!(after.len(), before.len(), "{after:?}");
        assert!(!after.values().any(|id| *id == before[lost]));
        assert!(
            before.iter().all(|(name, id)| name == lost || after[name] == *id),
            "others stay"
        );
        assert_eq!(
            after.contains_key(lost),
            lost.starts_with("master"),
            "masters keep their names"
        );
    }

    cloud.delete_and_stop(uuid).await;
}
