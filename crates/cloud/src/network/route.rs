//! Extra routes of routers, added and removed one at a time (Neutron's extension `extraroute-atomic`).

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call;
use crate::error::Error;
use crate::session::Session;

#[derive(Deserialize)]
struct Routes {
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(Deserialize)]
struct Route {
    destination: String,
    nexthop: String,
}

fn body(destination: &str, next_hop: &str) -> Value {
    json!({"router": {"routes": [{"destination": destination, "nexthop": next_hop}]}})
}

/// Adds a route; one that is there already stays. `BadRequest` when the next hop is in none of the router's subnets.
pub async fn add_route(
    session: &Session,
    router_id: &str,
    destination: &str,
    next_hop: &str,
) -> Result<(), Error> {
    call(session, Method::PUT, &["routers", router_id, "add_extraroutes"])
        .body(body(destination, next_hop))
        .done()
        .await
}

/// Removes a route. One that is not there is fine, and so is a router that is gone.
pub async fn remove_route(
    session: &Session,
    router_id: &str,
    destination: &str,
    next_hop: &str,
) -> Result<(), Error> {
    call(
        session,
        Method::PUT,
        &["routers", router_id, "remove_extraroutes"],
    )
    .body(body(destination, next_hop))
    .gone()
    .await
}

/// True when a router has a route; false also for one that is gone.
pub async fn has_route(
    session: &Session,
    router_id: &str,
    destination: &str,
    next_hop: &str,
) -> Result<bool, Error> {
    let found: Result<Routes, Error> = call(session, Method::GET, &["routers", router_id])
        .read("router")
        .await;
    match found {
        Ok(Routes { routes }) => Ok(routes
            .iter()
            .any(|route| route.destination == destination && route.nexthop == next_hop)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
