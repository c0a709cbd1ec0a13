//! Tokens, users, roles, application credentials, version documents.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Cloud, Session, password, password_of_id};

const UNAUTHENTICATED: &str = "The request you have made requires authentication.";

/// Makes a user of the default domain who is a member of the project demo. Returns the ids of user, project, role.
async fn member(admin: &Session<'_>) -> (String, String, String) {
    let user = json!({"user": {"name": "worker", "password": "pw", "domain_id": "default"}});
    let user = admin.post("/identity/v3/users", user).await.expect(201);
    let user = user["user"]["id"].as_str().unwrap().to_owned();
    let project = admin
        .first_id("/identity/v3/projects?name=demo", "projects")
        .await;
    let role = admin.first_id("/identity/v3/roles?name=member", "roles").await;
    let grant = format!("/identity/v3/projects/{project}/users/{user}/roles/{role}");
    admin.put(&grant, Value::Null).await.expect(204);
    (user, project, role)
}

#[tokio::test]
async fn a_project_token_tells_user_project_implied_roles_and_catalog() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let names = |list: &Value| -> Vec<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut roles = names(&demo.info["roles"]);
    roles.sort();
    assert_eq!(roles, ["member", "reader"]);
    assert_eq!(demo.info["project"]["name"], "demo");
    assert_eq!(demo.info["user"]["domain"]["id"], "default");
    assert_eq!(demo.info["methods"], json!(["password"]));
    let services = names(&demo.info["catalog"]);
    for service in [
        "keystone", "nova", "neutron", "glance", "cinderv3", "octavia", "magnum",
    ] {
        assert!(
            services.contains(&service.to_owned()),
            "{service} in {services:?}"
        );
    }
    let bare = cloud
        .call(
            Method::GET,
            "/identity/v3/auth/tokens?nocatalog",
            &[("x-auth-token", &demo.token), ("x-subject-token", &demo.token)],
            None,
        )
        .await;
    assert!(bare.expect(200)["token"].get("catalog").is_none());
    cloud.sim.stop().await;
}

#[tokio::test]
async fn wrong_credentials_and_foreign_scopes_are_401_in_keystones_words() {
    let cloud = Cloud::start().await;
    let demo = json!({"project": {"name": "demo", "domain": {"id": "default"}}});
    let admin = json!({"project": {"name": "admin", "domain": {"id": "default"}}});
    for (identity, scope) in [
        (password("demo", "wrong"), demo.clone()),
        (password("nobody", "secret"), demo.clone()),
        (password("demo", "secret"), admin),
        (password("demo", "secret"), json!({"system": {"all": true}})),
    ] {
        let answer = cloud.authenticate(identity, scope).await;
        assert!(answer.header("www-authenticate").starts_with("Keystone uri="));
        let body = answer.expect(401);
        assert_eq!(
            body["error"],
            json!({"code": 401, "message": UNAUTHENTICATED, "title": "Unauthorized"})
        );
    }
    let malformed = cloud
        .call(
            Method::POST,
            "/identity/v3/auth/tokens",
            &[],
            Some(json!({"auth": {}})),
        )
        .await;
    malformed.expect(400);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn an_unscoped_token_has_no_roles_and_can_be_rescoped() {
    let cloud = Cloud::start().await;
    let unscoped = cloud.session(password("demo", "secret"), Value::Null).await;
    assert!(unscoped.info.get("roles").is_none());
    let identity = json!({"methods": ["token"], "token": {"id": unscoped.token}});
    let scope = json!({"project": {"name": "demo", "domain": {"id": "default"}}});
    let scoped = cloud.session(identity, scope).await;
    assert_eq!(scoped.info["expires_at"], unscoped.info["expires_at"]);
    assert_eq!(scoped.info["audit_ids"][1], unscoped.info["audit_ids"][0]);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_unknown_to_services_and_to_validation() {
    let cloud = Cloud::start().await;
    let (admin, demo) = (
        cloud.login("admin", "admin").await,
        cloud.login("demo", "demo").await,
    );
    admin.validate(&demo.token).await.expect(200);
    demo.validate(&admin.token).await.expect(403);
    let headers = [
        ("x-auth-token", admin.token.as_str()),
        ("x-subject-token", demo.token.as_str()),
    ];
    cloud
        .call(Method::DELETE, "/identity/v3/auth/tokens", &headers, None)
        .await
        .expect(204);
    admin.validate(&demo.token).await.expect(404);
    let refused = demo.get("/compute/v2.1/servers").await;
    assert_eq!(refused.expect(401)["error"]["message"], UNAUTHENTICATED);
    let unknown = admin.validate("nonsense").await.expect(404);
    assert_eq!(unknown["error"]["message"], "Could not recognize Fernet token");
    cloud.sim.stop().await;
}

#[tokio::test]
async fn a_token_ends_with_its_life() {
    let cloud = Cloud::start().await;
    let admin = cloud.login("admin", "admin").await;
    cloud.sim.with_world(|world| world.keystone.token_life_ms = 0);
    let scope = json!({"project": {"name": "demo", "domain": {"id": "default"}}});
    cloud
        .authenticate(password("demo", "secret"), scope)
        .await
        .expect(401);
    cloud.sim.with_world(|world| world.keystone.token_life_ms = 1000);
    let demo = cloud.login("demo", "demo").await;
    cloud.sim.with_world(|world| {
        world.keystone.tokens.get_mut(&demo.token).unwrap().expires_ms = world.now_ms;
    });
    demo.get("/compute/v2.1/servers").await.expect(401);
    let gone = admin.validate(&demo.token).await.expect(404);
    assert_eq!(gone["error"]["message"], "Failed to validate token");
    cloud.sim.stop().await;
}

#[tokio::test]
async fn losing_the_role_ends_a_members_tokens_for_that_project() {
    let cloud = Cloud::start().await;
    let admin = cloud.login("admin", "admin").await;
    let (user, project, role) = member(&admin).await;
    let scope = json!({"project": {"id": project}});
    let worker = cloud.session(password_of_id(&user, "pw"), scope.clone()).await;
    let grant = format!("/identity/v3/projects/{project}/users/{user}/roles/{role}");
    let check = [("x-auth-token", admin.token.as_str())];
    cloud.call(Method::HEAD, &grant, &check, None).await.expect(204);
    admin.delete(&grant).await.expect(204);
    cloud.call(Method::HEAD, &grant, &check, None).await.expect(404);
    worker.get("/compute/v2.1/servers").await.expect(401);
    cloud
        .authenticate(password_of_id(&user, "pw"), scope)
        .await
        .expect(401);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn disabling_a_user_or_changing_the_password_ends_the_users_tokens() {
    let cloud = Cloud::start().await;
    let admin = cloud.login("admin", "admin").await;
    let (user, project, _) = member(&admin).await;
    let scope = json!({"project": {"id": project}});
    let path = format!("/identity/v3/users/{user}");

    let worker = cloud.session(password_of_id(&user, "pw"), scope.clone()).await;
    let change = json!({"user": {"original_password": "pw", "password": "new"}});
    worker
        .post(&format!("{path}/password"), change.clone())
        .await
        .expect(204);
    worker.get("/compute/v2.1/servers").await.expect(401);
    cloud
        .authenticate(password_of_id(&user, "pw"), scope.clone())
        .await
        .expect(401);

    let worker = cloud.session(password_of_id(&user, "new"), scope.clone()).await;
    worker.post(&format!("{path}/password"), change).await.expect(401);
    admin
        .patch(&path, json!({"user": {"enabled": false}}))
        .await
        .expect(200);
    worker.get("/compute/v2.1/servers").await.expect(401);
    cloud
        .authenticate(password_of_id(&user, "new"), scope.clone())
        .await
        .expect(401);

    admin
        .patch(&path, json!({"user": {"enabled": true}}))
        .await
        .expect(200);
    worker.get("/compute/v2.1/servers").await.expect(401);
    let worker = cloud.session(password_of_id(&user, "new"), scope).await;
    admin.delete(&path).await.expect(204);
    worker.get("/compute/v2.1/servers").await.expect(401);
    let gone = admin.get(&path).await.expect(404);
    assert_eq!(gone["error"]["message"], format!("Could not find user: {user}."));
    cloud.sim.stop().await;
}

#[tokio::test]
async fn names_are_unique_in_their_domain() {
    let cloud = Cloud::start().await;
    let admin = cloud.login("admin", "admin").await;
    let user = json!({"user": {"name": "demo", "domain_id": "default"}});
    let refused = admin.post("/identity/v3/users", user).await.expect(409);
    let text = "Conflict occurred attempting to store user - Duplicate entry found with name demo at domain ID \
                default.";
    assert_eq!(refused["error"]["message"], text);
    let magnum = admin
        .first_id("/identity/v3/domains?name=magnum", "domains")
        .await;
    let elsewhere = json!({"user": {"name": "demo", "domain_id": magnum, "password": "x", "email": "a@b"}});
    let made = admin.post("/identity/v3/users", elsewhere).await.expect(201);
    assert!(made["user"].get("password").is_none());
    assert_eq!(made["user"]["email"], "a@b");
    cloud.sim.stop().await;
}

#[tokio::test]
async fn members_administer_nothing_and_a_domain_admin_only_its_domain() {
    let cloud = Cloud::start().await;
    let (admin, demo) = (
        cloud.login("admin", "admin").await,
        cloud.login("demo", "demo").await,
    );
    for path in [
        "users",
        "projects",
        "domains",
        "roles",
        "services",
        "endpoints",
        "role_assignments",
    ] {
        let body = demo.get(&format!("/identity/v3/{path}")).await.expect(403);
        let text = body["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("You are not authorized to perform the requested action: identity:list_"));
    }
    demo.get(&format!("/identity/v3/users/{}", demo.user_id()))
        .await
        .expect(200);

    let domain_admin = cloud.login_domain_admin().await;
    let own = json!({"user": {"name": "trustee", "password": "pw"}});
    let made = domain_admin.post("/identity/v3/users", own).await.expect(201);
    assert_eq!(made["user"]["domain_id"], domain_admin.info["domain"]["id"]);
    let trustee = made["user"]["id"].as_str().unwrap();
    let foreign = json!({"user": {"name": "other", "domain_id": "default"}});
    domain_admin.post("/identity/v3/users", foreign).await.expect(403);
    domain_admin
        .delete(&format!("/identity/v3/users/{}", demo.user_id()))
        .await
        .expect(403);

    let role = admin.first_id("/identity/v3/roles?name=member", "roles").await;
    let grant = format!(
        "/identity/v3/projects/{}/users/{trustee}/roles/{role}",
        demo.project_id()
    );
    domain_admin.put(&grant, Value::Null).await.expect(403);
    admin.put(&grant, Value::Null).await.expect(204);
    domain_admin
        .delete(&format!("/identity/v3/users/{trustee}"))
        .await
        .expect(204);
    domain_admin
        .delete(&format!("/identity/v3/users/{trustee}"))
        .await
        .expect(404);
    assert!(cloud.sim.usage().is_empty(), "{:?}", cloud.sim.usage());
    cloud.sim.stop().await;
}

#[tokio::test]
async fn an_application_credential_acts_on_its_project_and_makes_no_others() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let path = format!("/identity/v3/users/{}/application_credentials", demo.user_id());
    let wanted = json!({"application_credential": {"name": "ci", "roles": [{"name": "reader"}]}});
    let made = demo.post(&path, wanted).await.expect(201)["application_credential"].clone();
    let identity = |secret: &Value| {
        json!({"methods": ["application_credential"],
            "application_credential": {"id": made["id"], "secret": secret}})
    };
    let session = cloud.session(identity(&made["secret"]), Value::Null).await;
    assert_eq!(session.info["project"]["name"], "demo");
    assert_eq!(session.info["roles"].as_array().unwrap().len(), 1);
    assert_eq!(session.info["application_credential"]["restricted"], true);
    session
        .post(&path, json!({"application_credential": {"name": "more"}}))
        .await
        .expect(403);
    cloud
        .authenticate(identity(&json!("wrong")), Value::Null)
        .await
        .expect(401);
    demo.delete(&format!("{path}/{}", made["id"].as_str().unwrap()))
        .await
        .expect(204);
    session.get("/compute/v2.1/servers").await.expect(401);
    cloud.sim.stop().await;
}

#[tokio::test]
async fn every_service_tells_its_versions_to_anybody_and_nothing_else() {
    let cloud = Cloud::start().await;
    for (root, versioned, protected) in [
        ("/identity/", "/identity/v3/", "/identity/v3/users"),
        ("/image/", "/image/v2/", "/image/v2/images"),
        ("/compute/", "/compute/v2.1/", "/compute/v2.1/servers"),
        ("/networking/", "/networking/v2.0/", "/networking/v2.0/networks"),
        ("/volume/", "/volume/v3/", "/volume/v3/volumes"),
        (
            "/load-balancer/",
            "/load-balancer/v2.0/",
            "/load-balancer/v2.0/lbaas/loadbalancers",
        ),
    ] {
        let body = cloud.call(Method::GET, root, &[], None).await.body;
        let versions = body["versions"].get("values").unwrap_or(&body["versions"]);
        assert!(
            versions[0]["links"][0]["href"]
                .as_str()
                .unwrap()
                .starts_with(cloud.sim.base_url()),
            "{root}"
        );
        cloud.call(Method::GET, versioned, &[], None).await.expect(200);
        let refused = cloud.call(Method::GET, protected, &[], None).await;
        assert!(
            refused.header("www-authenticate").starts_with("Keystone"),
            "{protected}"
        );
        // Glance and Octavia give no request id to whom they do not know.
        let has_id = refused.header("x-openstack-request-id").starts_with("req-");
        let is_silent = ["/image/", "/load-balancer/"].contains(&root);
        assert_eq!(has_id, !is_silent, "{protected}");
        refused.expect(401);
    }
    cloud.sim.stop().await;
}
