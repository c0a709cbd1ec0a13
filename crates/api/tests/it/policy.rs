//! Operators' rules: in force at once, safe when broken, and asked of servers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jeroboam_cloud::{DomainName, Scope};
use jeroboam_simcloud::keystone::Target;
use serde_json::json;
use tokio::net::TcpListener;

use crate::rig::{Rig, pass};

const OPTIONS: &str =
    "[oslo_policy]\npolicy_file = $state_path/policy.yaml\npolicy_dirs = $state_path/policy.d\n";

/// Writes a policy file and lets the time pass after which it is looked for.
fn write(rig: &Rig, file: &str, text: &str) {
    let path = rig.dir.path().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    pass(Duration::from_secs(2));
}

#[tokio::test]
async fn policy_files_take_effect_when_they_change_and_broken_ones_change_nothing() {
    let rig = Rig::with(OPTIONS).await;
    let token = rig.token("demo", "demo").await;
    let list = async || rig.get(&token, "/v1/clusters").await.status.as_u16();
    assert_eq!(list().await, 200);
    write(&rig, "policy.yaml", "\"cluster:get_all\": \"role:nobody\"\n");
    assert_eq!(list().await, 403);
    write(&rig, "policy.d/b.yaml", "\"cluster:get_all\": \"role:member\"\n");
    assert_eq!(list().await, 200);
    write(
        &rig,
        "policy.d/c.yaml",
        "{\"cluster:get_all\": [[\"role:still-nobody\"]]}",
    );
    assert_eq!(list().await, 403);
    write(&rig, "policy.yaml", "\"cluster:get_all\": [oops\n");
    assert_eq!(list().await, 403);
    write(&rig, "policy.yaml", "# nothing more to say here\n");
    assert_eq!(list().await, 403);
    std::fs::remove_file(rig.dir.path().join("policy.d/c.yaml")).unwrap();
    pass(Duration::from_secs(2));
    assert_eq!(list().await, 200);
}

#[tokio::test]
async fn who_is_an_administrator_is_up_to_the_rules() {
    let rig = Rig::with(OPTIONS).await;
    let (admin, demo) = (rig.token("admin", "admin").await, rig.token("demo", "demo").await);
    rig.template(&demo, json!({"name": "of demo"})).await;
    let count = async |token: &str| {
        let answer = rig.get(token, "/v1/clustertemplates").await.expect(200);
        answer["clustertemplates"].as_array().unwrap().len()
    };
    assert_eq!((count(&admin).await, count(&demo).await), (1, 1));
    write(&rig, "policy.yaml", "context_is_admin: role:emperor\n");
    assert_eq!(count(&admin).await, 0);
    assert_eq!(rig.get(&admin, "/v1/mservices").await.status, 403);
    write(
        &rig,
        "policy.yaml",
        "\"clustertemplate:get_all_all_projects\": \"!\"\n",
    );
    let refused = rig.get(&admin, "/v1/clustertemplates").await;
    assert!(
        refused
            .refusal(403)
            .contains("clustertemplate:get_all_all_projects")
    );
    assert_eq!(count(&demo).await, 1);
}

#[tokio::test]
async fn scopes_are_enforced_unless_told_otherwise() {
    let domain = || Scope::Domain(DomainName::Id("default".to_owned()));
    for (options, status) in [("enforce_scope = true", 403), ("enforce_scope = false", 200)] {
        let rig = Rig::with(&format!("[oslo_policy]\n{options}\n")).await;
        rig.add_user("prince", "alt_demo", &[]);
        rig.grant("prince", Target::Domain("default".to_owned()), "admin");
        let token = rig.scoped_token("prince", domain()).await;
        assert_eq!(rig.get(&token, "/v1/clusters").await.status, status, "{options}");
    }
}

/// A server of rules: says yes to what its path says, and keeps what it was asked.
async fn server() -> (String, Arc<Mutex<Vec<(String, String)>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&asked);
    let say = move |Path(answer): Path<String>, headers: HeaderMap, body: String| {
        let kind = headers["content-type"].to_str().unwrap().to_owned();
        keep.lock().unwrap().push((kind, body));
        std::future::ready(answer)
    };
    let router = Router::new()
        .route("/hang", post(std::future::pending::<String>))
        .route(
            "/failing",
            post(|| std::future::ready((StatusCode::BAD_GATEWAY, "True"))),
        )
        .route("/say/{answer}", post(say));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, asked)
}

#[tokio::test]
async fn a_server_decides_and_whatever_is_no_clear_yes_refuses() {
    let (address, asked) = server().await;
    for kind in ["application/json", "application/x-www-form-urlencoded"] {
        let rig = Rig::with(&format!(
            "{OPTIONS}remote_timeout = 0.3\nremote_content_type = {kind}\n"
        ))
        .await;
        let token = rig.token("demo", "demo").await;
        for (path, status) in [
            ("/say/True", 200),
            ("/say/%22True%22", 200),
            ("/say/False", 403),
            ("/say/true", 403),
            ("/failing", 403),
            ("/hang", 403),
            ("/", 403),
        ] {
            // A rule's percent signs are its own.
            let path = path.replace('%', "%%");
            write(
                &rig,
                "policy.yaml",
                &format!("\"cluster:get_all\": \"not role:nobody and {address}{path}\"\n"),
            );
            assert_eq!(rig.get(&token, "/v1/clusters").await.status, status, "{path}");
        }
        let (sent_as, body) = asked.lock().unwrap().pop().unwrap();
        assert_eq!(sent_as, kind);
        assert!(body.contains("cluster") && body.contains("get_all"), "{body}");
        assert!(
            body.contains("credentials") && body.contains("demo") && !body.contains(&token),
            "{body}"
        );
        // Nothing listens there.
        write(
            &rig,
            "policy.yaml",
            "\"cluster:get_all\": \"http://127.0.0.1:1/ or @\"\n",
        );
        assert_eq!(rig.get(&token, "/v1/clusters").await.status, 403);
    }
}
