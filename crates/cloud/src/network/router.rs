//! Routers and their legs on subnets.

use std::net::Ipv4Addr;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::port::PortBody;
use super::{call, owned};
use crate::error::Error;
use crate::session::Session;
use crate::wire::nullable;

/// A router.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Router {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    #[serde(default)]
    pub name: String,
    /// `ACTIVE`, `ALLOCATING` or `ERROR`.
    #[serde(default)]
    pub status: String,
    /// Its way out, as far as it may be seen.
    #[serde(default, deserialize_with = "nullable", rename = "external_gateway_info")]
    gateway: Gateway,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Gateway {
    #[serde(default)]
    external_fixed_ips: Vec<ExternalAddress>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ExternalAddress {
    ip_address: String,
}

impl Router {
    /// Its own IPv4 address on the external network, which those behind it have outside.
    pub fn outer_address(&self) -> Option<&str> {
        let mut all = self.gateway.external_fixed_ips.iter();
        let own = all.find(|outer| outer.ip_address.parse::<Ipv4Addr>().is_ok())?;
        Some(&own.ip_address)
    }
}

/// Creates a router with a gateway on an external network.
pub async fn create_router(
    session: &Session,
    name: &str,
    external_network_id: &str,
) -> Result<Router, Error> {
    let body = json!({"router": {
        "name": name,
        "admin_state_up": true,
        "external_gateway_info": {"network_id": external_network_id},
    }});
    call(session, Method::POST, &["routers"])
        .body(body)
        .read("router")
        .await
}

/// The project's routers with exactly this name.
pub async fn routers_named(session: &Session, name: &str) -> Result<Vec<Router>, Error> {
    let mut all: Vec<Router> = owned(session, "routers", "routers", ("name", name)).await?;
    all.retain(|router| router.name == name);
    Ok(all)
}

/// Deletes a router. What is gone already counts as deleted; one with legs left is a passing conflict.
pub async fn delete_router(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["routers", id]).gone().await
}

/// Gives a router a leg on a subnet, at the subnet's gateway address. `BadRequest` when it has one there.
pub async fn add_router_interface(session: &Session, router_id: &str, subnet_id: &str) -> Result<(), Error> {
    let path = ["routers", router_id, "add_router_interface"];
    call(session, Method::PUT, &path)
        .body(json!({"subnet_id": subnet_id}))
        .done()
        .await
}

/// Takes a router's leg on a subnet away. One that it does not have is fine, and so is a router that is gone; a
/// floating IP that still goes through it is a passing conflict.
pub async fn remove_router_interface(
    session: &Session,
    router_id: &str,
    subnet_id: &str,
) -> Result<(), Error> {
    let path = ["routers", router_id, "remove_router_interface"];
    call(session, Method::PUT, &path)
        .body(json!({"subnet_id": subnet_id}))
        .gone()
        .await
}

/// The session's own router that is a subnet's gateway or has another leg on it; the first, if there are several.
/// `None` when there is none, or when it is of another project.
pub async fn own_router_of(session: &Session, subnet_id: &str) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Owned {
        #[serde(default)]
        project_id: String,
    }
    let query = call(session, Method::GET, &["ports"]).query("fixed_ips", format!("subnet_id={subnet_id}"));
    let ports: Vec<PortBody> = query.list("ports").await?;
    let mut legs: Vec<&PortBody> = ports
        .iter()
        .filter(|port| port.device_owner.contains("interface") && !port.device_id.is_empty())
        .collect();
    legs.sort_by(|one, other| one.device_id.cmp(&other.device_id));
    let project = session.token().await?.project_id.clone();
    for leg in legs {
        let found: Option<Owned> = call(session, Method::GET, &["routers", &leg.device_id])
            .find("router")
            .await?;
        if found.is_some_and(|router| Some(router.project_id) == project) {
            return Ok(Some(leg.device_id.clone()));
        }
    }
    Ok(None)
}

/// True when a router has a leg on a subnet.
pub async fn has_router_interface(
    session: &Session,
    router_id: &str,
    subnet_id: &str,
) -> Result<bool, Error> {
    let query = call(session, Method::GET, &["ports"])
        .query("device_id", router_id)
        .query("fixed_ips", format!("subnet_id={subnet_id}"));
    let ports: Vec<PortBody> = query.list("ports").await?;
    // Plain, distributed and highly available routers own their legs as `network:router_interface`,
    // `network:router_interface_distributed` and `network:ha_router_replicated_interface`.
    Ok(ports.iter().any(|port| {
        port.device_id == router_id
            && port.device_owner.contains("interface")
            && port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet_id)
    }))
}
