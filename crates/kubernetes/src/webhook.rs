//! Tokens of Keystone: how the API server of a master asks the webhook beside it.
//!
//! The add-on `keystone-auth` runs it on each master at a loopback address. An API server reads these files when it
//! starts, and asks nobody before a token comes that it does not know itself, or a request that RBAC does not allow: so it
//! starts without the webhook, and certificates and service accounts work without it. They are written when a master is
//! made, and go with it.

use jeroboam_driver::CertificateRequest;
use serde_json::{Value, json};

/// Port of the webhook on each master's 127.0.0.1. The add-on's manifest names it too.
pub(crate) const PORT: u16 = 10_261;

/// Where the API server finds how to ask it.
pub(crate) const CONFIG: &str = "/etc/jeroboam/keystone-auth.kubeconfig";

/// Certificate and key of the webhook. The add-on's manifest names them too.
pub(crate) const CERTIFICATE: &str = "/etc/jeroboam/keystone-auth/tls.crt";
pub(crate) const KEY: &str = "/etc/jeroboam/keystone-auth/tls.key";

/// The API server asks it about tokens and about requests, in the version of its questions that it knows.
pub(crate) const ARGUMENTS: [(&str, &str); 4] = [
    ("authentication-token-webhook-config-file", CONFIG),
    ("authentication-token-webhook-version", "v1beta1"),
    ("authorization-webhook-config-file", CONFIG),
    ("authorization-webhook-version", "v1beta1"),
];

/// How the API server decides whether a request is allowed: what comes last is asked last.
pub(crate) const MODES: &str = "Node,RBAC,Webhook";

/// How the API server asks it. `authorities` is a file that the API server's container sees.
pub(crate) fn kubeconfig(authorities: &str) -> Value {
    let name = "keystone-auth";
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://127.0.0.1:{PORT}/webhook"),
            "certificate-authority": authorities,
        }}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    })
}

/// What the webhook is known by: good for nothing but that address, and as long as the cluster's authority.
pub(crate) fn certificate() -> CertificateRequest {
    CertificateRequest {
        common_name: "keystone-auth".to_owned(),
        organizations: vec![],
        addresses: vec!["127.0.0.1".to_owned()],
        names: vec![],
        server: true,
        client: false,
        days: None,
    }
}

/// What the API server's container sees of its node.
pub(crate) fn volume() -> Value {
    json!({"name": "keystone-auth", "hostPath": CONFIG, "mountPath": CONFIG, "readOnly": true, "pathType": "File"})
}
