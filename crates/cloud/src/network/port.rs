//! Ports.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{call, owned};
use crate::error::Error;
use crate::session::Session;
use crate::wire::nullable;

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    pub name: String,
    /// `ACTIVE`, `DOWN`, `BUILD` or `ERROR`.
    pub status: String,
    /// Server, router or load balancer that it belongs to; empty when free.
    pub device_id: String,
    /// Network.
    pub network_id: String,
    /// Subnet id and address of each fixed IP.
    pub fixed_ips: Vec<(String, String)>,
}

#[derive(Deserialize)]
pub(super) struct FixedIp {
    pub subnet_id: String,
    ip_address: String,
}

#[derive(Deserialize)]
pub(super) struct PortBody {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    pub device_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub device_owner: String,
    network_id: String,
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
}

impl From<PortBody> for Port {
    fn from(body: PortBody) -> Self {
        Self {
            id: body.id,
            name: body.name,
            status: body.status,
            device_id: body.device_id,
            network_id: body.network_id,
            fixed_ips: body
                .fixed_ips
                .into_iter()
                .map(|ip| (ip.subnet_id, ip.ip_address))
                .collect(),
        }
    }
}

/// Creates a port with an address on the subnet, or on one of Neutron's choice. Without security groups it gets
/// the project's default one. It may send from `allowed_addresses` too,
/// which are addresses or CIDRs.
pub async fn create_port(
    session: &Session,
    name: &str,
    network_id: &str,
    subnet_id: Option<&str>,
    security_group_ids: &[String],
    allowed_addresses: &[String],
) -> Result<Port, Error> {
    let mut port = json!({"name": name, "network_id": network_id, "admin_state_up": true});
    if let Some(subnet) = subnet_id {
        port["fixed_ips"] = json!([{"subnet_id": subnet}]);
    }
    if !security_group_ids.is_empty() {
        port["security_groups"] = json!(security_group_ids);
    }
    if !allowed_addresses.is_empty() {
        let pairs = allowed_addresses.iter().map(|cidr| json!({"ip_address": cidr}));
        port["allowed_address_pairs"] = pairs.collect();
    }
    let body: PortBody = call(session, Method::POST, &["ports"])
        .body(json!({"port": port}))
        .read("port")
        .await?;
    Ok(body.into())
}

/// The project's ports with exactly this name.
pub async fn ports_named(session: &Session, name: &str) -> Result<Vec<Port>, Error> {
    let all: Vec<PortBody> = owned(session, "ports", "ports", ("name", name)).await?;
    Ok(all
        .into_iter()
        .filter(|port| port.name == name)
        .map(Port::from)
        .collect())
}

/// A port. `NotFound` when it is gone.
pub async fn show_port(session: &Session, id: &str) -> Result<Port, Error> {
    let body: PortBody = call(session, Method::GET, &["ports", id]).read("port").await?;
    Ok(body.into())
}

/// Deletes a port. What is gone already counts as deleted.
pub async fn delete_port(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["ports", id]).gone().await
}
