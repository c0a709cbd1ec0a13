//! Subnets.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{call, owned};
use crate::error::Error;
use crate::find::{Find, looks_like_id};
use crate::session::Session;

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subnet {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    #[serde(default)]
    pub name: String,
    /// Network that it is on.
    pub network_id: String,
    /// Such as `10.0.0.0/24`.
    pub cidr: String,
    /// Address of its router.
    #[serde(default)]
    pub gateway_ip: Option<String>,
}

/// A subnet that the caller can see, by id or else by name.
pub async fn find_subnet(session: &Session, name_or_id: &str) -> Result<Find<Subnet>, Error> {
    if looks_like_id(name_or_id)
        && let Some(found) = call(session, Method::GET, &["subnets", name_or_id])
            .find("subnet")
            .await?
    {
        return Ok(Find::One(found));
    }
    let query = call(session, Method::GET, &["subnets"]).query("name", name_or_id);
    let mut all: Vec<Subnet> = query.list("subnets").await?;
    all.retain(|subnet| subnet.name == name_or_id);
    Ok(all.into())
}

/// IPv4 subnets of a network that the caller can see.
pub async fn subnets_of(session: &Session, network_id: &str) -> Result<Vec<Subnet>, Error> {
    let query = call(session, Method::GET, &["subnets"])
        .query("network_id", network_id)
        .query("ip_version", "4");
    let mut all: Vec<Subnet> = query.list("subnets").await?;
    all.retain(|subnet| subnet.network_id == network_id);
    Ok(all)
}

/// Creates an IPv4 subnet with DHCP, a gateway at the first address, and these name servers.
pub async fn create_subnet(
    session: &Session,
    name: &str,
    network_id: &str,
    cidr: &str,
    dns: &[String],
) -> Result<Subnet, Error> {
    let body = json!({"subnet": {
        "name": name,
        "network_id": network_id,
        "ip_version": 4,
        "cidr": cidr,
        "dns_nameservers": dns,
        "enable_dhcp": true,
    }});
    call(session, Method::POST, &["subnets"])
        .body(body)
        .read("subnet")
        .await
}

/// The project's subnets with exactly this name.
pub async fn subnets_named(session: &Session, name: &str) -> Result<Vec<Subnet>, Error> {
    let mut all: Vec<Subnet> = owned(session, "subnets", "subnets", ("name", name)).await?;
    all.retain(|subnet| subnet.name == name);
    Ok(all)
}

/// Deletes a subnet. What is gone already counts as deleted; one with ports in use is a passing conflict.
pub async fn delete_subnet(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["subnets", id]).gone().await
}
