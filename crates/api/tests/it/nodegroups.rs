//! Node groups: list and show.

use serde_json::{Value, json};

use crate::rig::{Rig, keys};

const ITEM: [&str; 12] = [
    "flavor_id",
    "image_id",
    "is_default",
    "max_node_count",
    "merge_labels",
    "min_node_count",
    "name",
    "node_count",
    "role",
    "stack_id",
    "status",
    "uuid",
];

const ALONE: [&str; 28] = [
    "cluster_id",
    "created_at",
    "docker_volume_size",
    "flavor_id",
    "id",
    "image_id",
    "is_default",
    "labels",
    "labels_added",
    "labels_overridden",
    "labels_skipped",
    "links",
    "max_node_count",
    "merge_labels",
    "min_node_count",
    "name",
    "node_addresses",
    "node_count",
    "node_labels",
    "node_taints",
    "project_id",
    "role",
    "stack_id",
    "status",
    "status_reason",
    "updated_at",
    "uuid",
    "version",
];

#[tokio::test]
async fn every_cluster_begins_with_two_groups() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({"master_lb_enabled": true})).await;
    let more = json!({"master_count": 3, "node_count": 4, "labels": {"min_node_count": 2},
        "master_flavor_id": "m1.medium"});
    let cluster = rig.cluster(&token, &template, more).await;
    let path = format!("/v1/clusters/{cluster}/nodegroups");
    let list = rig.get(&token, &format!("{path}/")).await.expect(200);
    assert_eq!(keys(&list), ["nodegroups"]);
    let groups = list["nodegroups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    for (group, name, role, count, flavor, least) in [
        (&groups[0], "default-master", "master", 3, "m1.medium", 0),
        (&groups[1], "default-worker", "worker", 4, "m1.small", 2),
    ] {
        assert_eq!(keys(group), ITEM);
        assert_eq!(group["name"], name);
        assert_eq!(group["role"], role);
        assert_eq!(group["node_count"], count);
        assert_eq!(group["flavor_id"], flavor);
        assert_eq!(group["min_node_count"], least);
        assert_eq!(group["max_node_count"], Value::Null);
        assert_eq!(group["is_default"], true);
        assert_eq!(group["image_id"], "debian-12-docker");
        assert_eq!(group["status"], "CREATE_IN_PROGRESS");
    }
    let all = rig.get(&token, &format!("{path}?role=")).await.expect(200);
    assert_eq!(all["nodegroups"].as_array().unwrap().len(), 2);
    let workers = rig.get(&token, &format!("{path}?role=worker")).await.expect(200);
    assert_eq!(workers, json!({"nodegroups": [groups[1]]}));

    let by_name = rig
        .get(&token, &format!("{path}/default-worker"))
        .await
        .expect(200);
    assert_eq!(keys(&by_name), ALONE);
    assert_eq!(by_name["cluster_id"], cluster);
    assert_eq!(by_name["labels"], json!({"min_node_count": "2"}));
    assert_eq!(
        (&by_name["node_labels"], &by_name["node_taints"]),
        (&json!({}), &json!([]))
    );
    let uuid = by_name["uuid"].as_str().unwrap();
    let links = format!("http://magnum.example:9511/v1/clusters/{cluster}/nodegroups/{uuid}");
    assert_eq!(by_name["links"][0]["href"], links);
    for ident in [uuid.to_owned(), by_name["id"].to_string()] {
        assert_eq!(
            rig.get(&token, &format!("{path}/{ident}")).await.expect(200),
            by_name,
            "{ident}"
        );
    }
    rig.get(&token, &format!("{path}/none")).await.refusal(404);

    let page = rig
        .get(&token, &format!("{path}?limit=1&role=master"))
        .await
        .expect(200);
    assert!(page.get("next").is_none());
    let page = rig
        .get(&token, "/v1/clusters/prod/nodegroups?limit=1")
        .await
        .expect(200);
    let next = page["next"].as_str().unwrap();
    assert!(
        next.starts_with(&format!("http://magnum.example:9511{path}?sort_key=id")),
        "{next}"
    );
}
