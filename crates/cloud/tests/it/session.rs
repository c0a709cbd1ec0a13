//! Tokens: one for many calls, renewed when refused, never for a caller's own.

use std::sync::Arc;

use jeroboam_cloud::{Credentials, Kind, Meter, identity, network};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;

use super::{cloud, connector, demo, magnum, project, user};

const AUTHENTICATE: &str = "POST identity /v3/auth/tokens";

/// Revokes a token as its owner would: `DELETE /v3/auth/tokens`.
fn revoke(cloud: &jeroboam_simcloud::SimCloud, token: &SecretString) {
    cloud.with_world(|world| {
        let token = world.keystone.tokens.get_mut(token.expose_secret()).unwrap();
        token.revoked = true;
    });
}

#[tokio::test]
async fn many_calls_at_once_share_one_authentication() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let session = session.clone();
        calls.spawn(async move { network::find_network(&session, "public", None).await.map(drop) });
    }
    for outcome in calls.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(cloud.calls().of(AUTHENTICATE), 1);
}

#[tokio::test]
async fn many_calls_at_once_share_one_refusal() {
    let cloud = cloud().await;
    let password = "wrong".into();
    let name = jeroboam_cloud::UserName::Name {
        name: "demo".into(),
        domain: jeroboam_cloud::DomainName::Id("default".into()),
    };
    let credentials = Credentials::Password {
        user: name,
        password,
        scope: project("demo"),
    };
    let session = connector(&cloud).session(credentials);
    let (first, second, third) = tokio::join!(session.token(), session.token(), session.token());
    for outcome in [first, second, third] {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.service, error.kind, error.status),
            ("identity", Kind::Unauthorized, Some(401))
        );
        assert!(!format!("{error:?}").contains("wrong"));
    }
    assert_eq!(cloud.calls().of(AUTHENTICATE), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_repeated() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let before = session.token().await.unwrap();
    revoke(&cloud, &before.token);
    network::create_network(&session, "after").await.unwrap();
    let after = session.token().await.unwrap();
    assert_ne!(before.token.expose_secret(), after.token.expose_secret());
    assert_eq!(cloud.calls().of(AUTHENTICATE), 2);
    assert_eq!(network::networks_named(&session, "after").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_s_token_is_used_as_it_is_and_not_replaced() {
    let cloud = cloud().await;
    let connector = connector(&cloud);
    let own = demo(&connector).token().await.unwrap();
    let session = connector.session(Credentials::Token {
        token: own.token.clone(),
    });
    let token = session.token().await.unwrap();
    assert_eq!(
        (&token.user_id, &token.project_id),
        (&own.user_id, &own.project_id)
    );
    assert_eq!(token.token.expose_secret(), own.token.expose_secret());
    network::find_network(&session, "public", Some(true))
        .await
        .unwrap();
    revoke(&cloud, &own.token);
    let error = network::find_network(&session, "public", Some(true))
        .await
        .unwrap_err();
    assert_eq!((error.service, error.kind), ("network", Kind::Unauthorized));
    assert_eq!(cloud.calls().of(AUTHENTICATE), 1);
}

#[tokio::test]
async fn an_unknown_token_of_a_caller_is_unauthorized() {
    let cloud = cloud().await;
    let connector = connector(&cloud);
    for token in ["gAAAAAnonsense", "two\nlines"] {
        let session = connector.session(Credentials::Token { token: token.into() });
        assert_eq!(session.token().await.unwrap_err().kind, Kind::Unauthorized);
    }
}

#[tokio::test]
async fn tokens_of_others_are_validated_until_they_are_revoked() {
    let cloud = cloud().await;
    let connector = connector(&cloud);
    let service = magnum(&connector);
    let caller = demo(&connector).token().await.unwrap();
    let seen = identity::validate_token(&service, &caller.token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (seen.user_name.as_str(), seen.project_name.as_deref()),
        ("demo", Some("demo"))
    );
    assert_eq!((&seen.roles, seen.expires_at), (&caller.roles, caller.expires_at));
    assert!(
        seen.roles.iter().any(|role| role == "reader"),
        "implied roles are missing"
    );
    assert!(!seen.is_system && seen.catalog.services.is_empty() && !caller.catalog.services.is_empty());
    revoke(&cloud, &caller.token);
    for token in [
        caller.token.clone(),
        "nonsense".into(),
        "two\nlines".into(),
        "".into(),
    ] {
        assert!(
            identity::validate_token(&service, &token)
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_system_scoped_token_says_so() {
    let cloud = cloud().await;
    let session = user(&connector(&cloud), "admin", jeroboam_cloud::Scope::System);
    let token = session.token().await.unwrap();
    assert!(token.is_system && token.project_id.is_none());
}

#[tokio::test]
async fn the_meter_counts_and_the_request_id_travels() {
    let cloud = cloud().await;
    let meter = Arc::new(Meter::new());
    let session = demo(&connector(&cloud))
        .with_meter(meter.clone())
        .with_request_id("req-5b9f1c9e-0a4f-4a53-9a86-0d5d3c1e7a10");
    network::find_network(&session, "public", None).await.unwrap();
    assert_eq!((meter.calls(), meter.in_flight()), (2, 0));
    assert!(!meter.busy().is_zero());
    let error = network::show_port(&session, "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a")
        .await
        .unwrap_err();
    assert!(error.is_not_found());
    assert!(error.request_id.unwrap().starts_with("req-"));
}

#[tokio::test]
async fn a_hundred_refusals_at_once_make_one_new_token() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    let before = session.token().await.unwrap();
    revoke(&cloud, &before.token);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let session = session.clone();
        calls.spawn(async move { network::find_network(&session, "public", None).await.map(drop) });
    }
    for outcome in calls.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(
        cloud.calls().of(AUTHENTICATE),
        2,
        "the first token and its successor"
    );
}

/// A port at which nobody listens.
fn dead_url() -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}/v3", listener.local_addr().unwrap())
}

#[tokio::test]
async fn the_next_url_of_keystone_is_asked_when_one_does_not_answer() {
    let cloud = cloud().await;
    let options = jeroboam_cloud::Options {
        other_auth_urls: vec![cloud.auth_url()],
        ..jeroboam_cloud::Options::new(dead_url())
    };
    let connector = jeroboam_cloud::Connector::new(options, 4).unwrap();
    connector.probe().await.unwrap();
    let (session, service) = (demo(&connector), magnum(&connector));
    let token = session.token().await.unwrap();
    let seen = identity::validate_token(&service, &token.token).await.unwrap();
    assert_eq!(seen.unwrap().user_id, token.user_id);

    // Keystone at the first one again: the second goes on to serve until it does not.
    let matches = jeroboam_simcloud::faults::Match {
        service: Some(jeroboam_simcloud::Service::Identity),
        ..Default::default()
    };
    let broken = jeroboam_simcloud::faults::Effect::Status {
        status: 503,
        retry_after: None,
    };
    cloud
        .faults()
        .add(jeroboam_simcloud::faults::Rule::new(matches, broken));
    let error = identity::validate_token(&service, &token.token)
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        Kind::Connection,
        "the dead one is asked last: {error}"
    );
    cloud.faults().clear();
    assert!(
        identity::validate_token(&service, &token.token)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_token_can_be_exchanged_for_others_until_it_ends() {
    let cloud = cloud().await;
    let connector = connector(&cloud);
    let own = demo(&connector).token().await.unwrap();
    let session = connector.session(Credentials::Exchange {
        token: own.token.clone(),
        scope: project("demo"),
    });
    network::find_network(&session, "public", None).await.unwrap();
    let first = session.token().await.unwrap();
    assert_ne!(first.token.expose_secret(), own.token.expose_secret());
    revoke(&cloud, &first.token);
    network::find_network(&session, "public", None).await.unwrap();
    revoke(&cloud, &own.token);
    revoke(&cloud, &session.token().await.unwrap().token);
    let error = network::find_network(&session, "public", None).await.unwrap_err();
    assert_eq!((error.service, error.kind), ("identity", Kind::Unauthorized));
}

#[tokio::test]
async fn an_application_credential_logs_in() {
    let cloud = cloud().await;
    let connector = connector(&cloud);
    let owner = demo(&connector).token().await.unwrap();
    let made = reqwest::Client::new()
        .post(format!(
            "{}/users/{}/application_credentials",
            cloud.auth_url(),
            owner.user_id
        ))
        .header("x-auth-token", owner.token.expose_secret())
        .json(&serde_json::json!({"application_credential": {"name": "c"}}));
    let made: serde_json::Value = made.send().await.unwrap().json().await.unwrap();
    let text = |key: &str| made["application_credential"][key].as_str().unwrap().to_owned();
    for credential in [
        jeroboam_cloud::ApplicationCredentialName::Id(text("id")),
        jeroboam_cloud::ApplicationCredentialName::Name {
            name: "c".to_owned(),
            user: jeroboam_cloud::UserName::Id(owner.user_id.clone()),
        },
    ] {
        let session = connector.session(Credentials::ApplicationCredential {
            credential,
            secret: text("secret").into(),
        });
        let token = session.token().await.unwrap();
        assert!(token.app_cred && token.access_rules.is_none());
        assert_eq!(
            (&token.user_id, &token.project_id),
            (&owner.user_id, &owner.project_id)
        );
        network::find_network(&session, "public", None).await.unwrap();
    }
}
