//! Tokens: refused, expired, revoked, and remembered while Keystone is away.

use std::time::Duration;

use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_simcloud::keystone::{Grant, Scope, Target};
use serde_json::json;

use crate::rig::{Rig, keys, pass};

/// Until a background task has run: a bounded wait on a condition.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come true within five seconds");
}

fn validations(rig: &Rig) -> u64 {
    let calls = rig.cloud.calls().calls;
    let validations = calls
        .iter()
        .filter(|(operation, _)| operation.ends_with("identity /v3/auth/tokens"));
    validations
        .filter(|(operation, _)| operation.starts_with("GET"))
        .flat_map(|(_, outcomes)| outcomes.values())
        .sum()
}

fn cut_off(rig: &Rig) {
    let matches = Match {
        service: Some(Service::Identity),
        ..Match::default()
    };
    rig.cloud.faults().add(Rule::new(matches, Effect::Reset));
}

#[tokio::test]
async fn without_a_valid_token_the_filter_answers() {
    let rig = Rig::start().await;
    let long = "x".repeat(9000);
    for token in ["", "nonsense", "gAAAA%20", long.as_str()] {
        for path in ["/v1/clusters", "/v1/nope", "/clusters.json"] {
            let answer = rig.call(token, "GET", path, None).await;
            assert_eq!(answer.status, 401);
            assert_eq!(keys(&answer.body), ["error"]);
            assert_eq!(keys(&answer.body["error"]), ["code", "message", "title"]);
            assert_eq!(answer.body["error"]["code"], 401);
            assert_eq!(answer.body["error"]["title"], "Unauthorized");
            let uri = format!("Keystone uri=\"{}\"", rig.cloud.auth_url());
            assert_eq!(answer.header("www-authenticate"), Some(uri.as_str()));
            assert_eq!(answer.header("openstack-api-version"), None);
            assert!(answer.header("x-openstack-request-id").is_some());
        }
    }
    let put = rig.call("", "PUT", "/v1/clusters", None).await;
    assert_eq!(put.status, 401);
}

#[tokio::test]
async fn a_token_is_validated_once_and_not_past_its_expiry() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    rig.cloud.reset_counts();
    for _ in 0..5 {
        rig.get(&token, "/v1/clusters").await.expect(200);
    }
    assert_eq!(validations(&rig), 1);
    pass(Duration::from_secs(3601));
    assert_eq!(rig.get(&token, "/v1/clusters").await.status, 401);
}

#[tokio::test]
async fn a_revoked_token_is_soon_refused() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    rig.get(&token, "/v1/clusters").await.expect(200);
    rig.cloud.with_world(|world| {
        for held in world.keystone.tokens.values_mut() {
            let is_demo = world
                .keystone
                .users
                .get(&held.user_id)
                .is_some_and(|user| user.name == "demo");
            held.revoked |= is_demo;
        }
    });
    rig.get(&token, "/v1/clusters").await.expect(200);
    pass(Duration::from_secs(11));
    // The answer that was known serves once more, and Keystone is asked behind it.
    rig.get(&token, "/v1/clusters").await.expect(200);
    eventually(async || rig.get(&token, "/v1/clusters").await.status == 401).await;
}

#[tokio::test]
async fn known_tokens_outlive_keystone_and_unknown_ones_are_put_off() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let other = rig.token("alt_demo", "alt_demo").await;
    rig.get(&token, "/v1/clusters").await.expect(200);
    cut_off(&rig);
    pass(Duration::from_secs(60));
    rig.get(&token, "/v1/clusters").await.expect(200);
    rig.get(&token, "/v1/clusters").await.expect(200);
    let answer = rig.get(&other, "/v1/clusters").await;
    assert!(!answer.refusal(503).contains("127.0.0.1"));
    // Whoever can stand it is told when to come again; python-magnumclient dies of it.
    for (agent, expected) in [
        ("curl/7.88.1", Some("5")),
        (
            "openstacksdk/4.22.0 keystoneauth1/5.18.1 python-requests/2.34.2",
            Some("5"),
        ),
        ("gophercloud/v2.8.0", Some("5")),
        ("python-urllib3/2.8.0", None),
        ("python-magnumclient", None),
    ] {
        let answer = rig.with_headers(&other, &[("user-agent", agent)]).await;
        assert_eq!(answer.refusal(503), "The identity service cannot be asked now.");
        assert_eq!(answer.header("retry-after"), expected, "{agent}");
    }
    rig.cloud.faults().clear();
    rig.get(&other, "/v1/clusters").await.expect(200);
}

#[tokio::test]
async fn a_token_that_another_service_refuses_is_a_401_and_forgotten() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    rig.get(&token, "/v1/clusters").await.expect(200);
    rig.cloud.with_world(|world| world.keystone.tokens.remove(&token));
    let body = Some(crate::rig::template());
    assert_eq!(
        rig.call(&token, "POST", "/v1/clustertemplates", body)
            .await
            .status,
        401
    );
    assert_eq!(rig.get(&token, "/v1/clusters").await.status, 401);
}

#[tokio::test]
async fn the_administrator_of_a_domain_is_nobody_here() {
    let rig = Rig::start().await;
    let owner = rig.token("demo", "demo").await;
    let template_id = rig.template(&owner, json!({})).await;
    let cluster = rig.cluster(&owner, &template_id, json!({})).await;
    for (scope, target, status) in [
        (
            Scope::Domain("default".to_owned()),
            Target::Domain("default".to_owned()),
            403,
        ),
        (Scope::System, Target::System, 200),
    ] {
        let token = rig.token("admin", "admin").await;
        rig.cloud.with_world(|world| {
            let keystone = &mut world.keystone;
            let held = keystone.tokens.get_mut(&token).unwrap();
            held.scope = scope;
            let user_id = held.user_id.clone();
            let admins = keystone.roles.iter().filter(|(_, role)| role.name == "admin");
            let grants = admins.map(|(role_id, _)| Grant {
                user_id: user_id.clone(),
                target: target.clone(),
                role_id: role_id.clone(),
            });
            keystone.grants.extend(grants.collect::<Vec<_>>());
        });
        for path in [
            "/v1/clusters".to_owned(),
            format!("/v1/clusters/{cluster}"),
            format!("/v1/clusters/{cluster}/nodegroups"),
            "/v1/clustertemplates".to_owned(),
            "/v1/mservices".to_owned(),
            "/v1/stats".to_owned(),
        ] {
            let answer = rig.get(&token, &path).await;
            assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        }
        let path = format!("/v1/clusters/{cluster}");
        let deleted = rig.call(&token, "DELETE", &path, None).await.status.as_u16();
        assert_eq!(deleted, if status == 200 { 204 } else { 403 });
    }
}

#[tokio::test]
async fn tokens_are_in_no_answer() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let answer = rig
        .call(
            &token,
            "POST",
            "/v1/clusters",
            Some(json!({"cluster_template_id": "x"})),
        )
        .await;
    assert!(!answer.text.contains(&token));
}

/// Makes the tokens of a user end in the past.
fn expire(rig: &Rig, token: &str, ago_secs: i64) {
    rig.cloud.with_world(|world| {
        let now = world.now_ms;
        world.keystone.tokens.get_mut(token).unwrap().expires_ms = now - ago_secs * 1000;
    });
}

#[tokio::test]
async fn an_expired_token_goes_through_beside_the_token_of_a_service_only() {
    let rig = Rig::start().await;
    rig.add_user("heat", "service", &["service"]);
    let service = rig.token("heat", "service").await;
    let user = rig.token("demo", "demo").await;
    let other = rig.token("alt_demo", "alt_demo").await;
    expire(&rig, &user, 60);
    assert_eq!(rig.get(&user, "/v1/clusters").await.status, 401);
    let beside = |service: String| rig.with_headers_owned(&user, vec![("x-service-token", service)]);
    beside(service.clone()).await.expect(200);
    // What was learnt for the service serves nobody else, nor the other way round.
    assert_eq!(rig.get(&user, "/v1/clusters").await.status, 401);
    beside(service.clone()).await.expect(200);

    // A token of somebody who is no service, one that is none, and a service's whose time is over.
    assert_eq!(beside(other.clone()).await.status, 401);
    assert_eq!(beside("nonsense".to_owned()).await.status, 401);
    let with_other = rig.with_headers(&other, &[("x-service-token", "nonsense")]).await;
    assert_eq!(with_other.status, 401, "a valid token beside an invalid one");
    // Keystone itself tells of expired tokens for two days.
    expire(&rig, &user, 3 * 24 * 3600);
    pass(Duration::from_secs(301));
    assert_eq!(beside(service.clone()).await.status, 401);
    expire(&rig, &service, 1);
    pass(Duration::from_secs(3601));
    assert_eq!(beside(service).await.status, 401);
}

#[tokio::test]
async fn where_roles_are_not_required_any_token_is_a_service_s_but_expired_ones_stay_refused() {
    let rig = Rig::with("service_token_roles_required = false\n").await;
    let user = rig.token("demo", "demo").await;
    let other = rig.token("alt_demo", "alt_demo").await;
    let beside = || rig.with_headers_owned(&user, vec![("x-service-token", other.clone())]);
    beside().await.expect(200);
    expire(&rig, &user, 60);
    pass(Duration::from_secs(3600));
    let fresh = rig.token("alt_demo", "alt_demo").await;
    let beside = rig
        .with_headers_owned(&user, vec![("x-service-token", fresh)])
        .await;
    assert_eq!(beside.status, 401);
}

#[tokio::test]
async fn tokens_of_each_of_keystone_s_formats_are_taken() {
    let rig = Rig::start().await;
    let alphabet: Vec<char> = ('a'..='z')
        .chain('A'..='Z')
        .chain('0'..='9')
        .chain(['-', '_'])
        .collect();
    let text =
        |length: usize| -> String { (0..length).map(|at| alphabet[at * 7 % alphabet.len()]).collect() };
    for token in [
        // Fernet: base64 with its padding, for one project and for a federated user of many groups.
        format!("gAAAAAB{}==", text(176)),
        format!("gAAAAAB{}=", text(2_000)),
        // JWS: three parts, ES256.
        format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.{}.{}", text(420), text(86)),
        // UUID, of old releases.
        "0a1b2c3d4e5f60718293a4b5c6d7e8f9".to_owned(),
    ] {
        let own = rig.token("demo", "demo").await;
        rig.cloud.with_world(|world| {
            let held = world.keystone.tokens.remove(&own).unwrap();
            world.keystone.tokens.insert(token.clone(), held);
        });
        rig.get(&token, "/v1/clusters").await.expect(200);
        let shorter = &token[..token.len() - 1];
        assert_eq!(rig.get(shorter, "/v1/clusters").await.status, 401);
    }
}

#[tokio::test]
async fn an_application_credential_with_access_rules_is_good_for_those_requests_only() {
    let rig = Rig::start().await;
    let owner = rig.token("demo", "demo").await;
    let rules = json!([
        {"service": "container-infra", "method": "GET", "path": "/v1/clusters/**"},
        {"service": "container-infra", "method": "GET", "path": "/v1/clusters"},
        {"service": "compute", "method": "GET", "path": "/v1/clustertemplates"},
    ]);
    let token = rig.application_credential_token(&owner, rules).await;
    rig.get(&token, "/v1/clusters").await.expect(200);
    assert_eq!(rig.get(&token, "/v1/clusters/x").await.status, 404);
    assert_eq!(rig.get(&token, "/v1/clustertemplates").await.status, 401);
    let created = rig.call(&token, "POST", "/v1/clusters", Some(json!({}))).await;
    assert_eq!(created.status, 401);
    let none = rig.application_credential_token(&owner, json!([])).await;
    assert_eq!(rig.get(&none, "/v1/clusters").await.status, 401);
    // A service that goes on with the user's request makes others than the user listed.
    rig.add_user("heat", "service", &["service"]);
    let service = rig.token("heat", "service").await;
    rig.with_headers(&none, &[("x-service-token", &service)])
        .await
        .expect(200);
}
