//! Quotas of projects, and federations, which are not served.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rig::{Rig, keys};

/// Id of a project of the simulated cloud.
fn project(rig: &Rig, name: &str) -> String {
    rig.cloud.with_world(|world| {
        let mut projects = world.keystone.projects.iter();
        projects
            .find(|(_, project)| project.name == name)
            .unwrap()
            .0
            .clone()
    })
}

#[tokio::test]
async fn an_administrator_sets_changes_and_removes_a_quota() {
    let rig = Rig::with("[quotas]\nmax_clusters_per_project = 7").await;
    let (admin, demo) = (rig.token("admin", "admin").await, rig.token("demo", "demo").await);
    let id = project(&rig, "demo");
    let path = format!("/v1/quotas/{id}/Cluster");
    let general = json!({"project_id": id, "resource": "Cluster", "hard_limit": 7});
    assert_eq!(rig.get(&demo, &path).await.expect(200), general);
    assert_eq!(
        rig.get(&admin, "/v1/quotas/nobody/Nothing").await.expect(200)["resource"],
        "Cluster"
    );
    rig.call(&admin, "PATCH", &path, Some(json!({"hard_limit": 2})))
        .await
        .refusal(404);
    rig.call(&admin, "DELETE", &path, None).await.refusal(404);

    let body = json!({"project_id": id, "hard_limit": "1"});
    let made = rig
        .call(&admin, "POST", "/v1/quotas", Some(body.clone()))
        .await
        .expect(201);
    assert_eq!(
        keys(&made),
        [
            "created_at",
            "hard_limit",
            "id",
            "project_id",
            "resource",
            "updated_at"
        ]
    );
    assert_eq!(
        (&made["hard_limit"], &made["updated_at"]),
        (&json!(1), &Value::Null)
    );
    rig.call(&admin, "POST", "/v1/quotas", Some(body))
        .await
        .refusal(409);
    assert_eq!(rig.get(&demo, &path).await.expect(200), made);

    let template = rig.template(&demo, json!({})).await;
    rig.cluster(&demo, &template, json!({"name": "first"})).await;
    let second = json!({"name": "second", "cluster_template_id": template});
    let refused = rig
        .call(&demo, "POST", "/v1/clusters", Some(second.clone()))
        .await;
    assert!(refused.refusal(403).contains("1 clusters"));

    let kept = rig
        .call(&admin, "PATCH", &path, Some(json!({})))
        .await
        .expect(202);
    assert_eq!(kept, made, "what names no limit changes none");
    let body = json!({"project_id": id, "resource": "Cluster", "hard_limit": 2});
    let changed = rig.call(&admin, "PATCH", &path, Some(body)).await.expect(202);
    assert_eq!((&changed["hard_limit"], &changed["id"]), (&json!(2), &made["id"]));
    assert_ne!(changed["updated_at"], Value::Null);
    rig.call(&demo, "POST", "/v1/clusters", Some(second))
        .await
        .expect(202);

    let gone = rig.call(&admin, "DELETE", &path, None).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    assert_eq!(rig.get(&demo, &path).await.expect(200), general);
}

#[tokio::test]
async fn lists_hold_the_own_project_unless_all_are_asked_for() {
    let rig = Rig::start().await;
    let admin = rig.token("admin", "admin").await;
    for name in ["demo", "admin", "alt_demo"] {
        let body = json!({"project_id": project(&rig, name), "hard_limit": 5});
        rig.call(&admin, "POST", "/v1/quotas", Some(body))
            .await
            .expect(201);
    }
    let own = rig.get(&admin, "/v1/quotas").await.expect(200);
    assert_eq!(own["quotas"].as_array().unwrap().len(), 1);
    assert_eq!(own["quotas"][0]["project_id"], project(&rig, "admin"));
    let mut path = "/v1/quotas?all_tenants=yes&limit=2&sort_key=project_id".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = rig.get(&admin, &path).await.expect(200);
        let rows = page["quotas"].as_array().unwrap();
        seen.extend(
            rows.iter()
                .map(|row| row["project_id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = next
            .strip_prefix("http://magnum.example:9511")
            .unwrap()
            .to_owned();
        assert!(
            path.starts_with("/v1/quotas?all_tenants=True&sort_key=project_id&sort_dir=asc&limit=2&marker="),
            "{path}"
        );
    }
    assert_eq!(seen.len(), 3);
    let sorted: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(seen, sorted.into_iter().collect::<Vec<_>>());
    for (arguments, status) in [
        ("marker=77", 404),
        ("marker=x", 400),
        ("sort_key=quota", 400),
        ("all_tenants=perhaps", 400),
        ("name=x", 400),
    ] {
        rig.get(&admin, &format!("/v1/quotas?{arguments}"))
            .await
            .refusal(status);
    }
}

#[tokio::test]
async fn quotas_are_refused_where_they_must_be() {
    let rig = Rig::start().await;
    let (admin, demo) = (rig.token("admin", "admin").await, rig.token("demo", "demo").await);
    let id = project(&rig, "demo");
    for (body, status, part) in [
        (json!({}), 400, "project_id"),
        (json!({"project_id": null}), 400, "project_id"),
        (json!({"project_id": ""}), 400, "project_id"),
        (json!({"project_id": "x".repeat(256)}), 400, "project_id"),
        (json!({"project_id": id, "hard_limit": -1}), 400, "hard_limit"),
        (json!({"project_id": id, "hard_limit": null}), 400, "hard_limit"),
        (json!({"project_id": id, "hard_limit": 1.5}), 400, "hard_limit"),
        (json!({"project_id": id, "resource": "Node"}), 400, "resource"),
        (json!({"project_id": id, "id": 1}), 400, "id"),
        (json!({"project_id": id, "colour": "red"}), 400, "colour"),
        (json!([]), 400, "quota"),
        (json!({"project_id": "nobody"}), 404, "nobody"),
        (json!({"project_id": ".."}), 404, ".."),
    ] {
        let answer = rig.call(&admin, "POST", "/v1/quotas", Some(body.clone())).await;
        assert!(answer.refusal(status).contains(part), "{body}: {}", answer.text);
    }
    let body = json!({"project_id": id});
    let made = rig
        .call(&admin, "POST", "/v1/quotas", Some(body.clone()))
        .await
        .expect(201);
    assert_eq!(made["hard_limit"], 1, "Magnum's default");
    let path = format!("/v1/quotas/{id}/Cluster");
    for (body, part) in [
        (json!([]), "quotapatch"),
        (json!({"hard_limit": "x"}), "hard_limit"),
        (json!({"hard_limit": null}), "hard_limit"),
        (json!({"project_id": "other"}), "project_id"),
        (json!({"resource": "Node"}), "resource"),
        (json!({"updated_at": null}), "updated_at"),
    ] {
        let answer = rig.call(&admin, "PATCH", &path, Some(body.clone())).await;
        assert!(answer.refusal(400).contains(part), "{body}: {}", answer.text);
    }
    for (method, path, body) in [
        ("GET", "/v1/quotas", None),
        ("POST", "/v1/quotas", Some(body)),
        ("PATCH", path.as_str(), Some(json!({}))),
        ("DELETE", path.as_str(), None),
    ] {
        let answer = rig.call(&demo, method, path, body).await;
        assert!(answer.refusal(403).contains("quota:"), "{}", answer.text);
    }
    let foreign = format!("/v1/quotas/{}/Cluster", project(&rig, "alt_demo"));
    rig.get(&demo, &foreign).await.refusal(403);
}

#[tokio::test]
async fn every_federation_route_says_that_it_is_not_served() {
    let rig = Rig::start().await;
    let demo = rig.token("demo", "demo").await;
    for (method, path, body) in [
        ("GET", "/v1/federations", None),
        ("GET", "/v1/federations/", None),
        ("GET", "/v1/federations/detail", None),
        ("GET", "/v1/federations/f", None),
        ("POST", "/v1/federations", Some(json!({"name": "f"}))),
        ("PATCH", "/v1/federations/f", Some(json!([]))),
        ("DELETE", "/v1/federations/f", None),
    ] {
        rig.call("", method, path, body.clone()).await.expect(401);
        let answer = rig.call(&demo, method, path, body).await;
        assert!(
            answer.refusal(501).contains("Federating clusters"),
            "{method} {path}"
        );
        assert_eq!(answer.body["errors"][0]["code"], "server");
    }
    for (method, path) in [
        ("PATCH", "/v1/federations"),
        ("DELETE", "/v1/federations"),
        ("POST", "/v1/federations/f"),
        ("GET", "/v1/federations/f/detail"),
    ] {
        rig.call(&demo, method, path, None).await.refusal(400);
    }
}
