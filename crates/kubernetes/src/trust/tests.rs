use std::sync::{Arc, Mutex};

use jeroboam_blueprint::testkit::{Answers, Requests, access, tls_server_seen};
use jeroboam_driver::Authority;
use secrecy::SecretString;
use serde_json::Value;

use super::*;

const SECRETS: &str =
    "GET /api/v1/secrets?fieldSelector=type%3Dkubernetes.io%2Fservice-account-token&limit=250";
const ROOT: &str = "GET /api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt";
const PROXY: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";
const DNS: &str = "/apis/apps/v1/namespaces/kube-system/deployments";

fn authorities() -> String {
    access(String::new(), Authority::Cluster).authority.unwrap()
}

fn secret(key: Option<&str>, authorities: &str) -> Value {
    let token = key.map(|key| {
        let header = BASE64_URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "kid": key}).to_string());
        BASE64_STANDARD.encode(format!("{header}.claims.signature"))
    });
    json!({"metadata": {"name": "proxy-token", "namespace": "kube-system"},
        "data": {"token": token.unwrap_or_default(), "ca.crt": BASE64_STANDARD.encode(authorities)}})
}

fn daemon_set(mark: &str, updated: i64) -> Value {
    json!({"metadata": {"name": "kube-proxy", "generation": 4},
        "spec": {"template": {"metadata": {"annotations": {MARK: mark}}}, "updateStrategy": {"type": "RollingUpdate"}},
        "status": {"observedGeneration": 4, "desiredNumberScheduled": 5, "updatedNumberScheduled": updated}})
}

fn deployment(mark: Option<&str>) -> Value {
    let metadata = mark.map(|mark| json!({"annotations": {MARK: mark}}));
    json!({"metadata": {"name": "coredns", "generation": 2},
        "spec": {"replicas": 2, "template": {"metadata": metadata.unwrap_or_else(|| json!({"annotations": null}))}},
        "status": {"observedGeneration": 2, "updatedReplicas": 2}})
}

/// Looks once at a cluster that publishes these; gives what is waited for and what was changed.
async fn settled(
    published: &str,
    secrets: Value,
    daemon_set: Value,
    deployment: Value,
) -> (Result<(), String>, Vec<String>) {
    let done = (200, json!({}));
    let answers = Answers::from([
        (ROOT.to_owned(), (200, json!({"data": {"ca.crt": published}}))),
        (
            SECRETS.to_owned(),
            (200, json!({"metadata": {"continue": "next"}, "items": secrets})),
        ),
        (
            format!("{SECRETS}&continue=next"),
            (200, json!({"metadata": {}, "items": []})),
        ),
        (format!("GET {PROXY}"), (200, json!({"items": [daemon_set]}))),
        (format!("GET {DNS}"), (200, json!({"items": [deployment]}))),
        (
            "PATCH /api/v1/namespaces/kube-system/secrets/proxy-token".to_owned(),
            done.clone(),
        ),
        (format!("PATCH {PROXY}/kube-proxy"), done.clone()),
        (format!("PATCH {DNS}/coredns"), done),
    ]);
    let requests: Requests = Arc::new(Mutex::new(Vec::new()));
    let address = tls_server_seen("127.0.0.1", answers, requests.clone());
    let access = access(format!("https://{address}"), Authority::Cluster);
    let keys = TokenKeys {
        public: String::new(),
        private: SecretString::from(""),
        id: "new".to_owned(),
    };
    let result = settle(&access, &keys, TrustStage(2)).await;
    let seen = requests.lock().unwrap().clone();
    let changes = seen.into_iter().filter(|(what, _)| !what.starts_with("GET "));
    (
        result,
        changes.map(|(what, body)| format!("{what} {body}")).collect(),
    )
}

#[tokio::test]
async fn nothing_is_touched_before_the_authorities_are_published() {
    let old = json!([secret(Some("old"), "old")]);
    let (result, changes) = settled("old", old, daemon_set("1", 5), deployment(None)).await;
    assert!(result.unwrap_err().contains("publish"));
    assert!(changes.is_empty(), "{changes:?}");
}

#[tokio::test]
async fn tokens_of_the_old_key_are_signed_anew_and_waited_for() {
    let own = authorities();
    let published = format!("{own}\n");
    for (held, changed) in [
        (secret(Some("old"), &own), 1),
        (secret(None, &own), 0),
        (secret(Some("new"), "old"), 0),
    ] {
        let (result, changes) = settled(
            &published,
            json!([held]),
            daemon_set("2", 5),
            deployment(Some("2")),
        )
        .await;
        assert!(result.unwrap_err().contains("token"));
        assert_eq!(changes.len(), changed, "{changes:?}");
        assert!(
            changes
                .iter()
                .all(|change| change.ends_with(r#"{"data":{"token":null}}"#))
        );
    }
}

#[tokio::test]
async fn kubernetes_own_pods_start_anew_once() {
    let own = authorities();
    let current = || json!([secret(Some("new"), &own)]);
    let (result, changes) = settled(&own, current(), daemon_set("1", 5), deployment(None)).await;
    assert!(result.unwrap_err().contains("kube-proxy"));
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].contains(r#""jeroboam.openstack.org/trust":"2""#));
    let (result, changes) = settled(&own, current(), daemon_set("2", 4), deployment(None)).await;
    assert!(result.unwrap_err().contains("kube-proxy") && changes.is_empty());
    let (result, changes) = settled(&own, current(), daemon_set("2", 5), deployment(None)).await;
    assert!(result.unwrap_err().contains("coredns"));
    assert_eq!(changes.len(), 1, "{changes:?}");
    let (result, changes) = settled(&own, current(), daemon_set("2", 5), deployment(Some("2"))).await;
    assert_eq!((result, changes.len()), (Ok(()), 0));
}
