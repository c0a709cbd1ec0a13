//! Whose templates are seen and used by whom.

use serde_json::json;

use crate::rig::Rig;

const PATH: &str = "/v1/clustertemplates";

#[tokio::test]
async fn visibility_follows_project_publication_and_hiding() {
    let rig = Rig::start().await;
    let admin = rig.token("admin", "admin").await;
    let (owner, other) = (
        rig.token("demo", "demo").await,
        rig.token("alt_demo", "alt_demo").await,
    );
    for (public, hidden, other_shows, other_patch, other_use, owner_use) in [
        (false, false, 404, 404, 404, 202),
        (true, false, 200, 403, 202, 202),
        (true, true, 404, 404, 404, 403),
        (false, true, 404, 404, 404, 403),
    ] {
        let uuid = rig
            .template(&owner, json!({"name": format!("t-{public}-{hidden}")}))
            .await;
        let path = format!("{PATH}/{uuid}");
        let patch = json!([
            {"op": "replace", "path": "/public", "value": public.to_string()},
            {"op": "replace", "path": "/hidden", "value": hidden.to_string()},
        ]);
        rig.call(&admin, "PATCH", &path, Some(patch)).await.expect(200);
        let case = format!("public {public}, hidden {hidden}");
        for token in [&owner, &admin] {
            rig.get(token, &path).await.expect(200);
            let listed = rig.get(token, PATH).await.expect(200).to_string();
            assert!(listed.contains(&uuid), "{case}");
        }
        assert_eq!(rig.get(&other, &path).await.status, other_shows, "{case}");
        let listed = rig.get(&other, PATH).await.expect(200).to_string();
        assert_eq!(listed.contains(&uuid), other_shows == 200, "{case}");
        let rename = json!([{"op": "replace", "path": "/name", "value": "stolen"}]);
        assert_eq!(
            rig.call(&other, "PATCH", &path, Some(rename)).await.status,
            other_patch,
            "{case}"
        );
        assert_eq!(
            rig.call(&other, "DELETE", &path, None).await.status,
            other_patch,
            "{case}"
        );
        let cluster = json!({"cluster_template_id": uuid});
        let used = rig
            .call(&other, "POST", "/v1/clusters", Some(cluster.clone()))
            .await;
        assert_eq!(used.status, other_use, "{case}: {}", used.text);
        let used = rig
            .call(&owner, "POST", "/v1/clusters", Some(cluster.clone()))
            .await;
        assert_eq!(used.status, owner_use, "{case}: {}", used.text);
        let used = rig.call(&admin, "POST", "/v1/clusters", Some(cluster)).await;
        assert_eq!(
            used.status,
            if public { 202 } else { 404 },
            "{case}: {}",
            used.text
        );
    }
}

#[tokio::test]
async fn an_administrators_own_template_is_not_confused_with_that_of_another_project() {
    let rig = Rig::start().await;
    let (admin, other) = (rig.token("admin", "admin").await, rig.token("demo", "demo").await);
    rig.template(&other, json!({"name": "same"})).await;
    rig.call(
        &admin,
        "POST",
        "/v1/clusters",
        Some(json!({"cluster_template_id": "same"})),
    )
    .await
    .refusal(404);
    let own = rig.template(&admin, json!({"name": "same"})).await;
    let cluster = rig.cluster(&admin, "same", json!({})).await;
    let shown = rig
        .get(&admin, &format!("/v1/clusters/{cluster}"))
        .await
        .expect(200);
    assert_eq!(shown["cluster_template_id"], own);
}
