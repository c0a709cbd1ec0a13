//! Keystone v3: tokens of others, users, projects, roles, trusts.

mod application_credential;
mod role;
mod trust;
mod user;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::call::Call;
use crate::error::Error;
use crate::service::Service;
use crate::session::{Session, read_token};
use crate::token::TokenInfo;

pub use application_credential::{
    ApplicationCredential, create_application_credential, delete_application_credential,
    find_application_credentials,
};
pub use role::{Role, find_roles, grant_role, list_assignments, list_roles, revoke_role};
pub use trust::{Trust, create_trust, delete_trust, find_trusts};
pub use user::{User, create_user, delete_user, find_user, find_users, set_password};

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Domain {
    /// Id.
    pub id: String,
    /// Name, unique in the deployment.
    pub name: String,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Id.
    pub id: String,
    /// Name, unique in its domain.
    pub name: String,
    /// Domain that it is in.
    #[serde(default)]
    pub domain_id: String,
    /// False for a project that nobody may work in.
    #[serde(default)]
    pub enabled: bool,
}

/// Asks Keystone about somebody's token, with the rights of `session` (its own token, or a role that may validate
/// tokens). `None` when the token is unknown, expired or revoked. The catalog is left out.
pub async fn validate_token(session: &Session, subject: &SecretString) -> Result<Option<TokenInfo>, Error> {
    look_at_token(session, subject, false).await
}

/// As [`validate_token`], for a token that may have expired: Keystone tells of it for some days more
/// (`[token] allow_expired_window`), so that a service can finish what a user began.
pub async fn validate_expired_token(
    session: &Session,
    subject: &SecretString,
) -> Result<Option<TokenInfo>, Error> {
    look_at_token(session, subject, true).await
}

async fn look_at_token(
    session: &Session,
    subject: &SecretString,
    allow_expired: bool,
) -> Result<Option<TokenInfo>, Error> {
    // What no header can hold is no token.
    if subject
        .expose_secret()
        .bytes()
        .any(|byte| !(0x21..0x7f).contains(&byte))
        || subject.expose_secret().is_empty()
    {
        return Ok(None);
    }
    let call = call(session, Method::GET, &["auth", "tokens"])
        .query("nocatalog", "")
        .query_if("allow_expired", allow_expired.then_some("1"))
        // Without this Keystone does not show tokens that are good for certain requests only.
        .header("openstack-identity-access-rules", "1.0")
        .subject(subject);
    match call.send().await {
        Ok(answer) => read_token(&answer, subject.clone()).map(Some),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A domain by its name.
pub async fn find_domain(session: &Session, name: &str) -> Result<Option<Domain>, Error> {
    let all: Vec<Domain> = call(session, Method::GET, &["domains"])
        .query("name", name)
        .list("domains")
        .await?;
    Ok(all.into_iter().find(|domain| domain.name == name))
}

/// A project by its id.
pub async fn find_project(session: &Session, id: &str) -> Result<Option<Project>, Error> {
    call(session, Method::GET, &["projects", id])
        .find("project")
        .await
}

fn call<'a>(session: &'a Session, method: Method, path: &[&'a str]) -> Call<'a> {
    session.call(Service::Identity, method, path)
}
