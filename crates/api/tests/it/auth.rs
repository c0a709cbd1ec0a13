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
    // python-magnumclient dies of it.
    assert_eq!(answer.header("retry-after"), None);
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
