//! Floating IPs. They have no name, so their exact description serves as one.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{call, owned};
use crate::error::Error;
use crate::session::Session;
use crate::wire::nullable;

/// A floating IP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FloatingIp {
    /// Id.
    pub id: String,
    /// The address that the outside sees.
    #[serde(rename = "floating_ip_address")]
    pub address: String,
    /// Port that it leads to.
    #[serde(default)]
    pub port_id: Option<String>,
    /// `ACTIVE`, `DOWN` or `ERROR`.
    #[serde(default)]
    pub status: String,
    /// What it is for.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
}

/// Takes a floating IP of an external network and leads it to a port. `NotFound` while no router joins the two.
pub async fn create_floating_ip(
    session: &Session,
    description: &str,
    network_id: &str,
    port_id: Option<&str>,
) -> Result<FloatingIp, Error> {
    let mut ip = json!({"description": description, "floating_network_id": network_id});
    if let Some(port) = port_id {
        ip["port_id"] = json!(port);
    }
    call(session, Method::POST, &["floatingips"])
        .body(json!({"floatingip": ip}))
        .read("floatingip")
        .await
}

/// The project's floating IPs with exactly this description.
pub async fn floating_ips_described(session: &Session, description: &str) -> Result<Vec<FloatingIp>, Error> {
    let mut all: Vec<FloatingIp> = owned(
        session,
        "floatingips",
        "floatingips",
        ("description", description),
    )
    .await?;
    all.retain(|ip| ip.description == description);
    Ok(all)
}

/// The project's floating IPs.
pub async fn floating_ips(session: &Session) -> Result<Vec<FloatingIp>, Error> {
    let project = session.token().await?.project_id.clone();
    call(session, Method::GET, &["floatingips"])
        .query_if("project_id", project)
        .list("floatingips")
        .await
}

/// A floating IP. `NotFound` when it is gone.
pub async fn show_floating_ip(session: &Session, id: &str) -> Result<FloatingIp, Error> {
    call(session, Method::GET, &["floatingips", id])
        .read("floatingip")
        .await
}

/// Gives a floating IP back. What is gone already counts as deleted.
pub async fn delete_floating_ip(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["floatingips", id]).gone().await
}
