//! Networks.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{call, owned};
use crate::error::Error;
use crate::find::{Find, looks_like_id};
use crate::session::Session;

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Network {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    #[serde(default)]
    pub name: String,
    /// `ACTIVE`, `DOWN`, `BUILD` or `ERROR`.
    #[serde(default)]
    pub status: String,
    /// Leads out of the cloud: routers' gateways and floating IPs lie on it.
    #[serde(rename = "router:external", default)]
    pub external: bool,
    /// Ids of its subnets.
    #[serde(default)]
    pub subnets: Vec<String>,
}

/// A network that the caller can see, by id or else by name. `external` asks for one that leads out of the cloud
/// or for one that does not.
pub async fn find_network(
    session: &Session,
    name_or_id: &str,
    external: Option<bool>,
) -> Result<Find<Network>, Error> {
    let fits = |network: &Network| external.is_none_or(|wanted| network.external == wanted);
    if looks_like_id(name_or_id) {
        let found: Option<Network> = call(session, Method::GET, &["networks", name_or_id])
            .find("network")
            .await?;
        if let Some(network) = found.filter(fits) {
            return Ok(Find::One(network));
        }
    }
    let query = call(session, Method::GET, &["networks"]).query("name", name_or_id);
    let mut all: Vec<Network> = query
        .query_if("router:external", external.map(|wanted| wanted.to_string()))
        .list("networks")
        .await?;
    all.retain(|network| network.name == name_or_id && fits(network));
    Ok(all.into())
}

/// Creates a network.
pub async fn create_network(session: &Session, name: &str) -> Result<Network, Error> {
    let body = json!({"network": {"name": name, "admin_state_up": true}});
    call(session, Method::POST, &["networks"])
        .body(body)
        .read("network")
        .await
}

/// The project's networks with exactly this name.
pub async fn networks_named(session: &Session, name: &str) -> Result<Vec<Network>, Error> {
    let mut all: Vec<Network> = owned(session, "networks", "networks", ("name", name)).await?;
    all.retain(|network| network.name == name);
    Ok(all)
}

/// Deletes a network. What is gone already counts as deleted; one with ports in use is a passing conflict.
pub async fn delete_network(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["networks", id]).gone().await
}
