//! Images.

use serde_json::json;

use crate::support::Cloud;

#[tokio::test]
async fn the_seeded_image_is_found_by_its_properties() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    for (query, count) in [
        ("name=debian-12-docker", 1),
        ("os_distro=debian", 1),
        ("os_distro=ubuntu", 0),
        ("status=active&visibility=public", 1),
        ("visibility=private", 0),
    ] {
        let body = demo.get(&format!("/image/v2/images?{query}")).await.expect(200);
        assert_eq!(body["images"].as_array().unwrap().len(), count, "{query}");
    }
    cloud.sim.stop().await;
}

#[tokio::test]
async fn an_image_is_queued_until_its_data_comes_and_private_to_its_owner() {
    let cloud = Cloud::start().await;
    let (demo, alt) = (
        cloud.login("demo", "demo").await,
        cloud.login("alt_demo", "alt_demo").await,
    );
    let new =
        json!({"name": "mine", "disk_format": "raw", "container_format": "bare", "os_distro": "debian"});
    let made = demo.post("/image/v2/images", new).await.expect(201);
    assert_eq!((&made["status"], &made["size"]), (&json!("queued"), &json!(null)));
    let path = format!("/image/v2/images/{}", made["id"].as_str().unwrap());
    demo.put(&format!("{path}/file"), json!("data")).await.expect(204);
    let ready = demo.get(&path).await.expect(200);
    assert_eq!((&ready["status"], &ready["size"]), (&json!("active"), &json!(6)));
    alt.get(&path).await.expect(404);
    let publish = json!([{"op": "replace", "path": "/visibility", "value": "public"}]);
    demo.patch(&path, publish.clone()).await.expect(403);
    let admin = cloud.login("admin", "admin").await;
    admin.patch(&path, publish).await.expect(200);
    alt.get(&path).await.expect(200);
    alt.delete(&path).await.expect(403);
    let change = json!([{"op": "add", "path": "/os_version", "value": "13"},
        {"op": "remove", "path": "/os_distro"}]);
    let changed = demo.patch(&path, change).await.expect(200);
    assert_eq!(
        (&changed["os_version"], changed.get("os_distro")),
        (&json!("13"), None)
    );
    demo.delete(&path).await.expect(204);
    demo.get(&path).await.expect(404);
    cloud.sim.stop().await;
}
