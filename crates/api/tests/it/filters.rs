//! Filters of lists.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn lists_are_narrowed_by_name_status_and_project_and_next_keeps_that() {
    let rig = Rig::start().await;
    let (demo, alt) = (
        rig.token("demo", "demo").await,
        rig.token("alt_demo", "alt_demo").await,
    );
    let admin = rig.token("admin", "admin").await;
    let template = rig.template(&demo, json!({"name": "a b"})).await;
    rig.template(&demo, json!({"name": "other"})).await;
    let foreign = rig.template(&alt, json!({"name": "a b"})).await;
    for name in ["one", "two", "two", "two"] {
        rig.cluster(&demo, &template, json!({ "name": name })).await;
    }
    rig.cluster(&alt, &foreign, json!({"name": "two"})).await;
    let gone = rig.cluster(&demo, &template, json!({"name": "three"})).await;
    rig.call(&demo, "DELETE", &format!("/v1/clusters/{gone}"), None)
        .await
        .expect(204);
    let project = rig.get(&demo, "/v1/clusters").await.expect(200);
    let project = rig
        .get(
            &demo,
            &format!(
                "/v1/clusters/{}",
                project["clusters"][0]["uuid"].as_str().unwrap()
            ),
        )
        .await
        .expect(200)["project_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (token, path, expected) in [
        (&demo, "clusters?name=two", 3),
        (&demo, "clusters/detail?name=two&status=CREATE_IN_PROGRESS", 3),
        (&demo, "clusters?status=delete_in_progress", 1),
        (&demo, "clusters?status=CREATE_COMPLETE", 0),
        (&demo, "clusters?name=TWO", 0),
        (&demo, "clusters?name=", 0),
        (&demo, "clusters?project_id=elsewhere", 0),
        (&admin, "clusters?name=two", 4),
        (&admin, &format!("clusters?name=two&project_id={project}"), 3),
        (&demo, "clustertemplates?name=a%20b", 1),
        (&admin, "clustertemplates/detail?name=a+b", 2),
        (&admin, &format!("clustertemplates?project_id={project}"), 2),
    ] {
        let list = rig.get(token, &format!("/v1/{path}")).await.expect(200);
        let key = path.split(['/', '?']).next().unwrap();
        assert_eq!(list[key].as_array().unwrap().len(), expected, "{path}");
    }
    for path in [
        "clusters?status=READY",
        "clusters?coe=swarm",
        "clustertemplates?status=CREATE_COMPLETE",
        "mservices?name=x",
        "quotas?name=x",
    ] {
        rig.get(&admin, &format!("/v1/{path}")).await.refusal(400);
    }

    let mut path = "/v1/clusters/detail?limit=2&name=two&sort_dir=desc".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = rig.get(&demo, &path).await.expect(200);
        sizes.push(page["clusters"].as_array().unwrap().len());
        let Some(next) = page["next"].as_str() else { break };
        path = next
            .strip_prefix("http://magnum.example:9511")
            .unwrap()
            .to_owned();
        assert!(
            path.starts_with("/v1/clusters/detail?name=two&sort_key=id&sort_dir=desc&limit=2&marker="),
            "{path}"
        );
    }
    assert_eq!(sizes, [2, 1]);
}
