//! Load balancing: Octavia v2 with load balancers, listeners, pools, members and health monitors.
//!
//! Owns the records and their provisioning states: one change at a time for each load balancer, refused with 409
//! while the last one is under way. Balances no traffic: whoever does reads these records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::common::merged;

use crate::{
    call::{Answer, Call, Refusal, Reply},
    neutron::filter,
    world::World,
};

mod access;
mod body;
mod common;
mod kind;
pub mod listener;
pub mod load_balancer;
pub mod member;
pub mod monitor;
mod ovn;
pub mod pool;
pub mod quota;
mod status;
mod tree;
mod vip;

pub use common::{Common, Provisioning};
pub use kind::Kind;
pub use listener::Listener;
pub use load_balancer::LoadBalancer;
pub use member::Member;
pub use monitor::HealthMonitor;
pub use pool::{Pool, SessionPersistence};
pub use quota::{roomy, set_quota};
pub use tree::{fail_load_balancer, set_member_online};

/// Path of the service below the simulator's address, as in its catalog.
pub const PREFIX: &str = "/load-balancer";

/// State of the load-balancing service: records by id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Octavia {
    /// Load balancers by id.
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    /// Listeners by id.
    pub listeners: BTreeMap<String, Listener>,
    /// Pools by id.
    pub pools: BTreeMap<String, Pool>,
    /// Members by id.
    pub members: BTreeMap<String, Member>,
    /// Health monitors by id.
    pub health_monitors: BTreeMap<String, HealthMonitor>,
    /// Limits set for a project, by project id and resource name; -1 is unlimited.
    pub quotas: BTreeMap<String, BTreeMap<String, i64>>,
    /// Number of records made so far: orders lists by age.
    pub sequence: u64,
}

/// `[{"id": ..}, ..]`
fn id_list<'a>(ids: impl IntoIterator<Item = &'a str>) -> Value {
    ids.into_iter().map(|id| json!({"id": id})).collect()
}

/// 400 `Validation failure: ...`
fn invalid(detail: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        400,
        "ValidationException",
        format!("Validation failure: {detail}"),
    )
}

fn forbidden() -> Refusal {
    Refusal::new(
        403,
        "PolicyForbidden",
        "Policy does not allow this request to be performed.",
    )
}

fn no_such_page() -> Refusal {
    Refusal::new(404, "NotFound", "The resource could not be found.")
}

/// Answers one request to the load-balancing API; `call.path` starts with the version.
///
/// Refuses as Octavia does; the refusals are for [`Dialect::Octavia`](crate::call::Dialect::Octavia).
pub fn handle(world: &mut World, call: &Call) -> Answer {
    tick(world);
    let (method, path) = call.route();
    match (method, path.as_slice()) {
        ("GET", []) => Ok(versions(call)),
        ("GET", ["v2" | "v2.0"]) => Ok(versions(call)),
        (_, ["v2" | "v2.0", "lbaas", "quotas", rest @ ..]) => quota::handle(world, call, rest),
        ("GET", ["v2" | "v2.0", "lbaas", collection]) if fixed_list(collection).is_some() => {
            Ok(Reply::json(200, fixed_list(collection).unwrap_or_default()))
        }
        ("GET", ["v2" | "v2.0", "octavia", "amphorae"]) => {
            if call.caller.is_admin {
                Ok(Reply::json(200, json!({"amphorae": [], "amphorae_links": []})))
            } else {
                Err(forbidden())
            }
        }
        (_, ["v2" | "v2.0", "lbaas", "pools", pool, "members", rest @ ..]) => {
            owned(world, call, Kind::Pool, pool)?;
            member::handle(world, call, pool, rest)
        }
        (_, ["v2" | "v2.0", "lbaas", segment, rest @ ..]) => match Kind::of_segment(segment) {
            Some(kind) => resource(world, call, kind, rest),
            None => Err(no_such_page()),
        },
        _ => Err(no_such_page()),
    }
}

fn versions(call: &Call) -> Reply {
    let version = |id: &str, status: &str| {
        json!({"id": id, "status": status, "updated": "2024-04-30T00:00:00Z",
            "links": [{"rel": "self", "href": format!("{}{PREFIX}/v2", call.base)}]})
    };
    let mut versions: Vec<Value> = (0..26)
        .map(|minor| version(&format!("v2.{minor}"), "SUPPORTED"))
        .collect();
    versions.push(version("v2.26", "CURRENT"));
    Reply::json(200, json!({"versions": versions}))
}

fn fixed_list(collection: &str) -> Option<Value> {
    match collection {
        "providers" => Some(json!({"providers": [
            {"name": "amphora", "description": "The Octavia Amphora driver."},
            {"name": "octavia", "description": "Deprecated alias of the Octavia Amphora driver."},
            {"name": "ovn", "description": "Octavia OVN driver."},
        ]})),
        "flavors" => Some(json!({"flavors": [], "flavors_links": []})),
        "flavorprofiles" => Some(json!({"flavorprofiles": [], "flavorprofile_links": []})),
        "availabilityzones" => Some(json!({"availability_zones": [], "availability_zones_links": []})),
        "l7policies" => Some(json!({"l7policies": [], "l7policies_links": []})),
        _ => None,
    }
}

fn resource(world: &mut World, call: &Call, kind: Kind, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", []) => list(world, call, kind, None),
        ("POST", []) => match kind {
            Kind::LoadBalancer => load_balancer::create(world, call),
            Kind::Listener => listener::create(world, call),
            Kind::Pool => pool::create(world, call),
            Kind::HealthMonitor => monitor::create(world, call),
            Kind::Member => Err(no_such_page()),
        },
        ("GET", [id]) => {
            owned(world, call, kind, id)?;
            show(world, call, kind, id, 200)
        }
        ("PUT", [id]) => {
            owned(world, call, kind, id)?;
            match kind {
                Kind::LoadBalancer => load_balancer::update(world, call, id)?,
                Kind::Listener => listener::update(world, call, id)?,
                Kind::Pool => pool::update(world, call, id)?,
                Kind::HealthMonitor => monitor::update(world, call, id)?,
                Kind::Member => return Err(no_such_page()),
            }
            show(world, call, kind, id, 200)
        }
        ("DELETE", [id]) => {
            owned(world, call, kind, id)?;
            match kind {
                Kind::LoadBalancer => load_balancer::delete(world, call, id)?,
                Kind::Listener => listener::delete(world, id)?,
                Kind::Pool => pool::delete(world, id)?,
                Kind::HealthMonitor => monitor::delete(world, id)?,
                Kind::Member => return Err(no_such_page()),
            }
            Ok(Reply::empty(204))
        }
        ("GET", [id, "status" | "statuses"]) if kind == Kind::LoadBalancer => {
            owned(world, call, kind, id)?;
            status::tree(&world.octavia, id)
        }
        ("GET", [id, "stats"]) if matches!(kind, Kind::LoadBalancer | Kind::Listener) => {
            owned(world, call, kind, id)?;
            Ok(Reply::json(
                200,
                json!({"stats": {"bytes_in": 0, "bytes_out": 0, "active_connections": 0,
                "total_connections": 0, "request_errors": 0}}),
            ))
        }
        ("PUT", [id, "failover"]) if kind == Kind::LoadBalancer => {
            owned(world, call, kind, id)?;
            if !call.caller.is_admin {
                return Err(forbidden());
            }
            tree::claim_load_balancer(world, id, Provisioning::PendingUpdate)?;
            Ok(Reply::empty(202))
        }
        _ => Err(no_such_page()),
    }
}

fn show(world: &World, call: &Call, kind: Kind, id: &str, status: u16) -> Answer {
    let object = world.octavia.show(kind, id).ok_or_else(|| kind.not_found(id))?;
    Ok(Reply::json(
        status,
        json!({(kind.singular()): filter::trim(call, object)}),
    ))
}

/// 404 for what is not there, 403 for another project's.
fn owned(world: &World, call: &Call, kind: Kind, id: &str) -> Result<(), Refusal> {
    let common = world.octavia.common(kind, id).ok_or_else(|| kind.not_found(id))?;
    let is_owner = call.caller.is_admin || call.caller.project_id.as_ref() == Some(&common.project_id);
    if is_owner { Ok(()) } else { Err(forbidden()) }
}

/// Lists a kind; members of one pool only.
fn list(world: &World, call: &Call, kind: Kind, pool_id: Option<&str>) -> Answer {
    let octavia = &world.octavia;
    if filter::filters(call).any(|(name, _)| !kind.is_filter(name)) {
        let message = "One or more arguments are either duplicate or invalid";
        return Err(Refusal::new(400, "InvalidArguments", message));
    }
    // These name the parent, which a record shows under another name; `cascade` and the like are no filters.
    let parents = ["loadbalancer_id", "load_balancer_id"];
    let mut rest = call.clone();
    rest.query.retain(|(name, _)| !parents.contains(&name.as_str()));
    let objects = octavia
        .commons(kind)
        .into_iter()
        .filter(|common| call.caller.is_admin || Some(&common.project_id) == call.caller.project_id.as_ref())
        .filter(|common| {
            let load_balancer = octavia.load_balancer_of(kind, &common.id).unwrap_or_default();
            parents
                .iter()
                .all(|name| filter::admits(call, name, load_balancer))
                && filter::admits(call, "id", &common.id)
                && filter::admits(call, "name", &common.name)
        })
        .filter(|common| {
            pool_id.is_none_or(|pool| {
                octavia
                    .members
                    .get(&common.id)
                    .is_some_and(|member| member.pool_id == pool)
            })
        })
        .filter_map(|common| octavia.show(kind, &common.id));
    let path = match pool_id {
        Some(pool) => format!("{PREFIX}/v2/lbaas/pools/{pool}/members"),
        None => format!("{PREFIX}/v2/lbaas/{}", kind.plural()),
    };
    let mut reply = filter::list(
        &rest,
        kind.plural(),
        &path,
        filter::PreviousLink::AfterMarker,
        objects,
    )?;
    if let Some(Value::Object(body)) = &mut reply.body {
        body.entry(format!("{}_links", kind.plural()))
            .or_insert_with(|| json!([]));
    }
    Ok(reply)
}

/// Ends what is due by now: PENDING_CREATE and PENDING_UPDATE become ACTIVE, PENDING_DELETE goes.
pub fn tick(world: &mut World) {
    tree::settle(world);
}

#[cfg(test)]
mod tests;
