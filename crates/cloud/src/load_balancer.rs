//! Octavia v2: load balancers, made whole in one call and deleted whole in one, and the members of their pools.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Call;
use crate::error::Error;
use crate::service::Service;
use crate::session::Session;
use crate::wire::nullable;

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LoadBalancer {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// What it is for.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// `PENDING_CREATE`, `ACTIVE`, `PENDING_UPDATE`, `PENDING_DELETE`, `ERROR` or `DELETED`. Immutable while
    /// pending.
    pub provisioning_status: String,
    /// `ONLINE`, `OFFLINE`, `DEGRADED`, `ERROR` or `NO_MONITOR`.
    #[serde(default, deserialize_with = "nullable")]
    pub operating_status: String,
    /// Address that clients use; empty until it is known.
    #[serde(default, deserialize_with = "nullable")]
    pub vip_address: String,
    /// Neutron port of that address; empty until it is known.
    #[serde(default, deserialize_with = "nullable")]
    pub vip_port_id: String,
    /// Its pools.
    #[serde(default)]
    pub pools: Vec<PoolRef>,
}

/// A pool as its load balancer lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PoolRef {
    /// Id.
    pub id: String,
}

/// A load balancer to be made with all that belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewLoadBalancer {
    /// Name.
    pub name: String,
    /// Subnet of its address.
    pub vip_subnet_id: String,
    /// Such as `amphora` or `ovn`; `None` for Octavia's default.
    pub provider: Option<String>,
    /// Listeners.
    pub listeners: Vec<NewListener>,
}

/// A TCP listener with its pool, whose members are checked every 5 s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewListener {
    /// Name of the listener, and with `-pool` and `-monitor` appended of what is behind it.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// Who may connect; empty for everybody.
    pub allowed_cidrs: Vec<String>,
    /// Algorithm such as `SOURCE_IP_PORT`; `None` for turns.
    pub algorithm: Option<String>,
    /// True when members are not checked.
    pub unmonitored: bool,
    /// Where connections go.
    pub members: Vec<NewMember>,
}

/// A member of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMember {
    /// Name; may be empty.
    pub name: String,
    /// IP address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Subnet that the address is reached through; `None` for the one of the load balancer.
    pub subnet_id: Option<String>,
}

#[derive(Deserialize)]
struct Member {
    address: String,
}

impl NewLoadBalancer {
    fn to_json(&self) -> Value {
        let mut balancer = json!({
            "name": self.name,
            "vip_subnet_id": self.vip_subnet_id,
            "admin_state_up": true,
            "listeners": self.listeners.iter().map(NewListener::to_json).collect::<Vec<_>>(),
        });
        if let Some(provider) = &self.provider {
            balancer["provider"] = json!(provider);
        }
        json!({"loadbalancer": balancer})
    }
}

impl NewListener {
    fn to_json(&self) -> Value {
        let mut listener = json!({
            "name": self.name,
            "protocol": "TCP",
            "protocol_port": self.port,
            "default_pool": {
                "name": format!("{}-pool", self.name),
                "protocol": "TCP",
                "lb_algorithm": self.algorithm.as_deref().unwrap_or("ROUND_ROBIN"),
                "members": self.members.iter().map(NewMember::to_json).collect::<Vec<_>>(),
            },
        });
        if !self.unmonitored {
            listener["default_pool"]["healthmonitor"] = json!({
                "name": format!("{}-monitor", self.name),
                "type": "TCP",
                "delay": 5,
                "timeout": 5,
                "max_retries": 3,
            });
        }
        if !self.allowed_cidrs.is_empty() {
            listener["allowed_cidrs"] = json!(self.allowed_cidrs);
        }
        listener
    }
}

impl NewMember {
    fn to_json(&self) -> Value {
        let mut member = json!({"address": self.address, "protocol_port": self.port});
        if !self.name.is_empty() {
            member["name"] = json!(self.name);
        }
        if let Some(subnet) = &self.subnet_id {
            member["subnet_id"] = json!(subnet);
        }
        member
    }
}

/// Asks for a load balancer with its listeners, pools, monitors and members; it is `PENDING_CREATE` at first.
pub async fn create_load_balancer(session: &Session, new: &NewLoadBalancer) -> Result<LoadBalancer, Error> {
    call(session, Method::POST, &["lbaas", "loadbalancers"])
        .body(new.to_json())
        .read("loadbalancer")
        .await
}

/// The project's load balancers with exactly this name. Octavia forgets deleted ones after a while; those still
/// listed as `DELETED` are left out.
pub async fn load_balancers_named(session: &Session, name: &str) -> Result<Vec<LoadBalancer>, Error> {
    let project = session.token().await?.project_id.clone();
    let query = call(session, Method::GET, &["lbaas", "loadbalancers"]).query("name", name);
    let mut all: Vec<LoadBalancer> = query
        .query_if("project_id", project)
        .list("loadbalancers")
        .await?;
    all.retain(|balancer| balancer.name == name && balancer.provisioning_status != "DELETED");
    Ok(all)
}

/// The project's load balancers, without those still listed as `DELETED`.
pub async fn load_balancers(session: &Session) -> Result<Vec<LoadBalancer>, Error> {
    let project = session.token().await?.project_id.clone();
    let query = call(session, Method::GET, &["lbaas", "loadbalancers"]).query_if("project_id", project);
    let mut all: Vec<LoadBalancer> = query.list("loadbalancers").await?;
    all.retain(|balancer| balancer.provisioning_status != "DELETED");
    Ok(all)
}

/// A load balancer. `NotFound` when it is gone.
pub async fn show_load_balancer(session: &Session, id: &str) -> Result<LoadBalancer, Error> {
    call(session, Method::GET, &["lbaas", "loadbalancers", id])
        .read("loadbalancer")
        .await
}

/// Asks for a load balancer's deletion with everything behind it; it is gone some time after that. What is gone
/// already counts as deleted; one that is pending is a passing conflict.
pub async fn delete_cascade(session: &Session, id: &str) -> Result<(), Error> {
    let path = ["lbaas", "loadbalancers", id];
    call(session, Method::DELETE, &path)
        .query("cascade", "true")
        .gone()
        .await
}

/// Addresses of a pool's members.
pub async fn members_of(session: &Session, pool: &str) -> Result<Vec<String>, Error> {
    let path = ["lbaas", "pools", pool, "members"];
    let members: Vec<Member> = call(session, Method::GET, &path).list("members").await?;
    Ok(members.into_iter().map(|member| member.address).collect())
}

/// Makes a pool have these members and no others. Its load balancer is `PENDING_UPDATE` until that is done, and one
/// that is pending already is a passing conflict.
pub async fn replace_members(session: &Session, pool: &str, members: &[NewMember]) -> Result<(), Error> {
    let members: Vec<Value> = members.iter().map(NewMember::to_json).collect();
    call(session, Method::PUT, &["lbaas", "pools", pool, "members"])
        .body(json!({ "members": members }))
        .done()
        .await
}

fn call<'a>(session: &'a Session, method: Method, path: &[&'a str]) -> Call<'a> {
    session.call(Service::LoadBalancer, method, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_load_balancer_is_one_body() {
        let member = NewMember {
            address: "10.0.0.5".into(),
            port: 2376,
            ..NewMember::default()
        };
        let listener = NewListener {
            name: "api".into(),
            port: 2376,
            members: vec![member],
            ..NewListener::default()
        };
        let new = NewLoadBalancer {
            name: "lb".into(),
            vip_subnet_id: "s".into(),
            listeners: vec![listener],
            ..NewLoadBalancer::default()
        };
        assert_eq!(
            new.to_json(),
            json!({"loadbalancer": {"name": "lb", "vip_subnet_id": "s", "admin_state_up": true, "listeners": [{
            "name": "api", "protocol": "TCP", "protocol_port": 2376, "default_pool": {
                "name": "api-pool", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN",
                "healthmonitor": {"name": "api-monitor", "type": "TCP", "delay": 5, "timeout": 5,
                    "max_retries": 3},
                "members": [{"address": "10.0.0.5", "protocol_port": 2376}],
            }}]}})
        );
        let mut other = new;
        other.listeners[0].algorithm = Some("SOURCE_IP_PORT".into());
        other.listeners[0].unmonitored = true;
        other.listeners[0].allowed_cidrs = vec!["192.0.2.0/24".into()];
        let listener = &other.to_json()["loadbalancer"]["listeners"][0];
        assert_eq!(listener["allowed_cidrs"], json!(["192.0.2.0/24"]));
        let pool = &listener["default_pool"];
        assert_eq!(
            (&pool["lb_algorithm"], &pool["healthmonitor"]),
            (&json!("SOURCE_IP_PORT"), &Value::Null)
        );
    }
}
