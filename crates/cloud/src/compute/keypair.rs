//! Keypairs: they belong to a user, not to a project.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::call;
use crate::error::Error;
use crate::session::Session;

/// A keypair of the session's user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Keypair {
    /// Name, unique for the user.
    pub name: String,
    /// Public key in OpenSSH's form.
    pub public_key: String,
}

/// Imports a public key. `Conflict` when the user has a keypair of this name.
pub async fn create_keypair(session: &Session, name: &str, public_key: &str) -> Result<Keypair, Error> {
    let body = json!({"keypair": {"name": name, "public_key": public_key, "type": "ssh"}});
    call(session, Method::POST, &["os-keypairs"])
        .body(body)
        .read("keypair")
        .await
}

/// The user's keypair of this name.
pub async fn find_keypair(session: &Session, name: &str) -> Result<Option<Keypair>, Error> {
    call(session, Method::GET, &["os-keypairs", name])
        .find("keypair")
        .await
}

/// Deletes a keypair. What is gone already counts as deleted.
pub async fn delete_keypair(session: &Session, name: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["os-keypairs", name]).gone().await
}
