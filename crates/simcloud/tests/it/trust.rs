//! Trusts: what makes them, and what ends them.

use serde_json::{Value, json};

use crate::support::{Cloud, Session, password_of_id};

/// A trustee in the trustee domain and a trust of demo to it. Returns the ids of trustee and trust.
async fn delegate(demo: &Session<'_>) -> (String, String) {
    let domain_admin = demo.cloud.login_domain_admin().await;
    let user = json!({"user": {"name": "trustee", "password": "pw"}});
    let user = domain_admin.post("/identity/v3/users", user).await.expect(201);
    let trustee = user["user"]["id"].as_str().unwrap().to_owned();
    let made = demo
        .post("/identity/v3/OS-TRUST/trusts", trust(demo, &trustee, "member"))
        .await
        .expect(201);
    (trustee, made["trust"]["id"].as_str().unwrap().to_owned())
}

fn trust(trustor: &Session<'_>, trustee: &str, role: &str) -> Value {
    json!({"trust": {"trustor_user_id": trustor.user_id(), "trustee_user_id": trustee,
        "project_id": trustor.project_id(), "impersonation": true, "roles": [{"name": role}]}})
}

fn scope(trust: &str) -> Value {
    json!({"OS-TRUST:trust": {"id": trust}})
}

#[tokio::test]
async fn a_trustee_acts_as_the_trustor_with_the_delegated_roles() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let (trustee, id) = delegate(&demo).await;
    let acting = cloud.session(password_of_id(&trustee, "pw"), scope(&id)).await;
    assert_eq!(acting.user_id(), demo.user_id());
    assert_eq!(acting.project_id(), demo.project_id());
    assert_eq!(
        acting.info["OS-TRUST:trust"]["trustee_user"]["id"],
        trustee.as_str()
    );
    acting.get("/compute/v2.1/servers").await.expect(200);
    // Not a second trust, and no token of another scope.
    acting
        .post("/identity/v3/OS-TRUST/trusts", trust(&demo, &trustee, "member"))
        .await
        .expect(403);
    let identity = json!({"methods": ["token"], "token": {"id": acting.token}});
    cloud
        .authenticate(identity, json!({"project": {"id": demo.project_id()}}))
        .await
        .expect(403);
    let listed = demo
        .get(&format!(
            "/identity/v3/OS-TRUST/trusts?trustor_user_id={}",
            demo.user_id()
        ))
        .await;
    let listed = listed.expect(200);
    assert_eq!(listed["trusts"][0]["id"], id.as_str());
    assert!(listed["trusts"][0].get("roles").is_none());
    acting
        .delete(&format!("/identity/v3/OS-TRUST/trusts/{id}"))
        .await
        .expect(204);
    acting.get("/compute/v2.1/servers").await.expect(401);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn only_the_trustee_may_use_a_trust() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let (_, id) = delegate(&demo).await;
    cloud
        .authenticate(password_of_id(demo.user_id(), "secret"), scope(&id))
        .await
        .expect(403);
    cloud
        .authenticate(password_of_id(demo.user_id(), "secret"), scope("gone"))
        .await
        .expect(401);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_trust_needs_a_trustor_who_is_the_caller_and_has_the_roles() {
    let cloud = Cloud::start().await;
    let (demo, alt) = (
        cloud.login("demo", "demo").await,
        cloud.login("alt_demo", "alt_demo").await,
    );
    let path = "/identity/v3/OS-TRUST/trusts";
    demo.post(path, trust(&alt, demo.user_id(), "member"))
        .await
        .expect(403);
    demo.post(path, trust(&demo, alt.user_id(), "admin"))
        .await
        .expect(404);
    let missing = demo
        .post(path, trust(&demo, "nobody", "member"))
        .await
        .expect(404);
    assert_eq!(missing["error"]["message"], "Could not find user: nobody.");
    let mut bare = trust(&demo, alt.user_id(), "member");
    bare["trust"]["roles"] = json!([]);
    demo.post(path, bare).await.expect(403);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_token_of_an_application_credential_makes_no_trusts() {
    let cloud = Cloud::start().await;
    let (demo, alt) = (
        cloud.login("demo", "demo").await,
        cloud.login("alt_demo", "alt_demo").await,
    );
    let path = format!("/identity/v3/users/{}/application_credentials", demo.user_id());
    let wanted = json!({"application_credential": {"name": "ci", "unrestricted": true}});
    let made = demo.post(&path, wanted).await.expect(201)["application_credential"].clone();
    let identity = json!({"methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]}});
    let session = cloud.session(identity, Value::Null).await;
    session
        .post(
            "/identity/v3/OS-TRUST/trusts",
            trust(&demo, alt.user_id(), "member"),
        )
        .await
        .expect(403);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_trust_is_worth_no_more_than_its_trustors_roles() {
    let cloud = Cloud::start().await;
    let (admin, demo) = (
        cloud.login("admin", "admin").await,
        cloud.login("demo", "demo").await,
    );
    let (trustee, id) = delegate(&demo).await;
    let acting = cloud.session(password_of_id(&trustee, "pw"), scope(&id)).await;
    let role = admin.first_id("/identity/v3/roles?name=member", "roles").await;
    let grant = format!(
        "/identity/v3/projects/{}/users/{}/roles/{role}",
        demo.project_id(),
        demo.user_id()
    );
    admin.delete(&grant).await.expect(204);
    // Keystone forbids; keystonemiddleware in front of the others does not expect that answer.
    acting.get("/identity/v3/auth/projects").await.expect(403);
    admin.validate(&acting.token).await.expect(403);
    acting.get("/compute/v2.1/servers").await.expect(503);
    cloud
        .authenticate(password_of_id(&trustee, "pw"), scope(&id))
        .await
        .expect(403);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_trust_goes_with_its_trustee_and_with_its_trustor() {
    let cloud = Cloud::start().await;
    let (admin, demo) = (
        cloud.login("admin", "admin").await,
        cloud.login("demo", "demo").await,
    );
    let (trustee, _) = delegate(&demo).await;
    assert_eq!(cloud.sim.usage().count("trusts"), 1);
    admin
        .delete(&format!("/identity/v3/users/{trustee}"))
        .await
        .expect(204);
    assert!(cloud.sim.usage().is_empty(), "{:?}", cloud.sim.usage());
    delegate(&demo).await;
    admin
        .delete(&format!("/identity/v3/users/{}", demo.user_id()))
        .await
        .expect(204);
    assert_eq!(cloud.sim.usage().count("trusts"), 0);
    cloud.sim.stop().await;
}
