//! Machines that never become nodes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cloud::Cloud;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_kubernetes_ends_the_creation_with_what_its_console_says() {
    let cloud = Cloud::start(&["--coe", "kubernetes"]).await;
    let template = json!({
        "name": "wrong", "coe": "kubernetes", "image_id": "debian-12-docker", "flavor_id": "m1.small",
        "master_flavor_id": "m1.small", "external_network_id": "public", "dns_nameserver": "9.9.9.9",
        "labels": {"kube_tag": "v1.31.2"},
    });
    let begun = Instant::now();
    let wish = json!({"name": "wrong", "master_count": 1, "node_count": 0, "create_timeout": 30});
    let uuid = &cloud.create(template, wish).await;
    let is_over = |shown: &Value| !shown["status"].as_str().unwrap().ends_with("_IN_PROGRESS");
    let shown = cloud.until(uuid, "over", is_over).await;
    assert_eq!(shown["status"], "CREATE_FAILED");
    assert_eq!(
        shown["status_reason"],
        "server:master-0: kubeadm is missing: this image is not made for Kubernetes"
    );
    // Long before the time for a Kubernetes, which is 15 minutes.
    assert!(
        begun.elapsed() < Duration::from_secs(300),
        "{:?}",
        begun.elapsed()
    );
    cloud.delete_and_stop(uuid).await;
}
