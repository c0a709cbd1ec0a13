//! Trusts: a user lets another act with some of its roles on a project.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call;
use crate::error::Error;
use crate::session::Session;

/// A trust.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Trust {
    /// Id.
    pub id: String,
    /// Who trusts.
    pub trustor_user_id: String,
    /// Who is trusted.
    pub trustee_user_id: String,
    /// Project that it is about.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Tokens show the trustor as their user.
    #[serde(default)]
    pub impersonation: bool,
}

/// Creates a trust with roles by name. Only the trustor itself can, with a token that was not made with an
/// application credential: `NotAllowed` otherwise. A role that the trustor lacks is `NotFound`.
pub async fn create_trust(
    session: &Session,
    trustor_user_id: &str,
    trustee_user_id: &str,
    project_id: &str,
    roles: &[String],
    impersonation: bool,
) -> Result<Trust, Error> {
    let roles: Vec<Value> = roles.iter().map(|name| json!({"name": name})).collect();
    let body = json!({"trust": {
        "trustor_user_id": trustor_user_id,
        "trustee_user_id": trustee_user_id,
        "project_id": project_id,
        "roles": roles,
        "impersonation": impersonation,
    }});
    call(session, Method::POST, &["OS-TRUST", "trusts"])
        .body(body)
        .read("trust")
        .await
}

/// Trusts of a trustee. The caller is the trustee or an administrator.
pub async fn find_trusts(session: &Session, trustee_user_id: &str) -> Result<Vec<Trust>, Error> {
    let query = call(session, Method::GET, &["OS-TRUST", "trusts"]).query("trustee_user_id", trustee_user_id);
    query.list("trusts").await
}

/// Ends a trust and its tokens. What is gone already counts as deleted.
pub async fn delete_trust(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["OS-TRUST", "trusts", id])
        .gone()
        .await
}
