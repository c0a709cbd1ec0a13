//! Application credentials: logins that a user makes for programs of its own.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::call;
use crate::error::Error;
use crate::session::Session;

/// An application credential, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ApplicationCredential {
    /// Id.
    pub id: String,
    /// Name, unique for the user.
    pub name: String,
}

/// Makes an application credential of the session's own user, with its roles on the project of the session. It can
/// make no further ones. `Conflict` when the user has one of this name.
pub async fn create_application_credential(
    session: &Session,
    user: &str,
    name: &str,
    secret: &SecretString,
    description: &str,
) -> Result<ApplicationCredential, Error> {
    let body = json!({"application_credential": {
        "name": name,
        "secret": secret.expose_secret(),
        "description": description,
        "unrestricted": false,
    }});
    call(session, Method::POST, &["users", user, "application_credentials"])
        .body(body)
        .read("application_credential")
        .await
}

/// Application credentials of a user with exactly this name: at most one.
pub async fn find_application_credentials(
    session: &Session,
    user: &str,
    name: &str,
) -> Result<Vec<ApplicationCredential>, Error> {
    let query = call(session, Method::GET, &["users", user, "application_credentials"]).query("name", name);
    let mut all: Vec<ApplicationCredential> = query.list("application_credentials").await?;
    all.retain(|credential| credential.name == name);
    Ok(all)
}

/// Ends an application credential. What is gone already counts as ended.
pub async fn delete_application_credential(session: &Session, user: &str, id: &str) -> Result<(), Error> {
    call(
        session,
        Method::DELETE,
        &["users", user, "application_credentials", id],
    )
    .gone()
    .await
}
