//! Neutron v2.0: networks, subnets, routers, ports, security groups, floating IPs.
//!
//! An administrator sees everybody's objects, so every search by name also filters by the session's project.

mod floating_ip;
mod networks;
mod port;
mod route;
mod router;
mod security_group;
mod subnet;

use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::error::Error;
use crate::service::Service;
use crate::session::Session;

pub use floating_ip::{
    FloatingIp, create_floating_ip, delete_floating_ip, floating_ips, floating_ips_described,
    show_floating_ip,
};
pub use networks::{Network, create_network, delete_network, find_network, networks_named};
pub use port::{Port, create_port, delete_port, ports_named, show_port};
pub use route::{add_route, has_route, remove_route};
pub use router::{
    Router, add_router_interface, create_router, delete_router, has_router_interface, own_router_of,
    remove_router_interface, routers_named,
};
pub use security_group::{
    Remote, SecurityGroup, SecurityRule, create_rule, create_security_group, delete_security_group, rules,
    security_groups_named,
};
pub use subnet::{Subnet, create_subnet, delete_subnet, find_subnet, subnets_named, subnets_of};

fn call<'a>(session: &'a Session, method: Method, path: &[&'a str]) -> Call<'a> {
    session.call(Service::Network, method, path)
}

/// Objects of the session's project with a member of exactly this value.
async fn owned<T: DeserializeOwned>(
    session: &Session,
    collection: &'static str,
    key: &str,
    (member, value): (&str, &str),
) -> Result<Vec<T>, Error> {
    let project = session.token().await?.project_id.clone();
    let query = call(session, Method::GET, &[collection]).query(member, value);
    query.query_if("project_id", project).list(key).await
}
