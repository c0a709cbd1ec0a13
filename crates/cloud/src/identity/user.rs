//! Users.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::call;
use crate::error::Error;
use crate::session::Session;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Id.
    pub id: String,
    /// Name, unique in its domain.
    pub name: String,
    /// Domain that it is in.
    pub domain_id: String,
    /// False for a user that cannot authenticate.
    #[serde(default)]
    pub enabled: bool,
}

/// Creates a user for a machine: its password neither ends nor must be changed at first, and failed logins do
/// not lock it out. `Conflict` when the domain has a user of this name.
pub async fn create_user(
    session: &Session,
    name: &str,
    domain_id: &str,
    password: &SecretString,
    description: &str,
) -> Result<User, Error> {
    let body = json!({"user": {
        "name": name,
        "domain_id": domain_id,
        "password": password.expose_secret(),
        "description": description,
        "enabled": true,
        "options": {
            "ignore_password_expiry": true,
            "ignore_change_password_upon_first_use": true,
            "ignore_lockout_failure_attempts": true,
        },
    }});
    call(session, Method::POST, &["users"])
        .body(body)
        .read("user")
        .await
}

/// A user by its id.
pub async fn find_user(session: &Session, id: &str) -> Result<Option<User>, Error> {
    call(session, Method::GET, &["users", id]).find("user").await
}

/// Users of a domain with exactly this name: at most one.
pub async fn find_users(session: &Session, name: &str, domain_id: &str) -> Result<Vec<User>, Error> {
    let query = call(session, Method::GET, &["users"])
        .query("name", name)
        .query("domain_id", domain_id);
    let mut all: Vec<User> = query.list("users").await?;
    all.retain(|user| user.name == name && user.domain_id == domain_id);
    Ok(all)
}

/// Sets a user's password as an administrator; its tokens end.
pub async fn set_password(session: &Session, id: &str, password: &SecretString) -> Result<(), Error> {
    let body = json!({"user": {"password": password.expose_secret()}});
    call(session, Method::PATCH, &["users", id])
        .body(body)
        .done()
        .await
}

/// Deletes a user with its role assignments. What is gone already counts as deleted.
pub async fn delete_user(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["users", id]).gone().await
}
