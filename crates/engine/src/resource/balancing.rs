//! Octavia load balancers.

use jeroboam_cloud::Session;
use jeroboam_cloud::load_balancer::{self as octavia, LoadBalancer, NewListener, NewLoadBalancer, NewMember};
use jeroboam_driver::graph::Balancing;
use jeroboam_driver::{Made, Ref, Spec};
use jeroboam_plan::Entry;
use jeroboam_types::Fault;
use serde_json::json;

use super::{Look, Seen, Step, fact, facts, gone, id, outer_network};
use crate::fault::StepError;

pub(super) async fn find(session: &Session, entry: &Entry) -> Step<Vec<Seen>> {
    let found = octavia::load_balancers_named(session, &entry.name).await?;
    Ok(found
        .into_iter()
        .map(|lb| Seen {
            look: state(entry, &lb),
            id: lb.id,
        })
        .collect())
}

pub(super) async fn create(
    session: &Session,
    entry: &Entry,
    made: &Made,
    (subnet, port): (&Ref, u16),
    asked: &Balancing,
) -> Step<Seen> {
    let subnet_id = id(made, subnet)?.to_owned();
    let listener = NewListener {
        name: entry.name.clone(),
        port,
        allowed_cidrs: allowed_cidrs(asked, made),
        algorithm: Some(asked.algorithm.clone()),
        unmonitored: !asked.monitor,
        members: Vec::new(),
    };
    let new = NewLoadBalancer {
        name: entry.name.clone(),
        vip_subnet_id: subnet_id.clone(),
        provider: asked.provider.clone(),
        listeners: vec![listener],
    };
    let lb = octavia::create_load_balancer(session, &new).await?;
    Ok(Seen {
        look: state(entry, &lb),
        id: lb.id,
    })
}

/// Who may connect; empty for everybody.
fn allowed_cidrs(asked: &Balancing, made: &Made) -> Vec<String> {
    let mut allowed = asked.allowed_cidrs.clone();
    if !allowed.is_empty() {
        let router = asked.allowed_router.as_ref();
        allowed.extend(router.and_then(|router| outer_network(made, router)));
    }
    allowed
}

/// What a pool is of, as ids in the cloud.
struct Pool<'a> {
    balancer: &'a str,
    subnet: &'a str,
    port: u16,
    /// Fixed IPs of the members; those of nodes that have none yet are missing.
    addresses: Vec<&'a str>,
}

impl<'a> Pool<'a> {
    fn of(spec: &'a Spec, made: &'a Made) -> Step<Self> {
        let Spec::Pool {
            balancer,
            subnet,
            port,
            members,
        } = spec
        else {
            return Err(StepError::Ours("it is no pool of a load balancer".to_owned()));
        };
        Ok(Self {
            balancer: id(made, balancer)?,
            subnet: id(made, subnet)?,
            port: *port,
            addresses: members
                .iter()
                .filter_map(|member| fact(made, member, "address").ok())
                .collect(),
        })
    }

    fn members<'m>(&self, addresses: impl Iterator<Item = &'m str>) -> Vec<NewMember> {
        let member = |address: &str| NewMember {
            name: String::new(),
            address: address.to_owned(),
            port: self.port,
            subnet_id: Some(self.subnet.to_owned()),
        };
        addresses.map(member).collect()
    }
}

/// The load balancer as it is, and the id of its pool.
async fn pool_of(session: &Session, balancer: &str) -> Step<(LoadBalancer, String)> {
    let shown = octavia::show_load_balancer(session, balancer).await?;
    match shown.pools.first().map(|pool| pool.id.clone()) {
        Some(pool) => Ok((shown, pool)),
        None => Err(StepError::Again("the load balancer has no pool".to_owned())),
    }
}

/// Writes who is behind the load balancer; it is pending until that is so.
pub(super) async fn fill(session: &Session, entry: &Entry, made: &Made) -> Step<Seen> {
    let wanted = Pool::of(&entry.spec, made)?;
    let (mut balancer, pool) = pool_of(session, wanted.balancer).await?;
    let present = octavia::members_of(session, &pool).await?;
    // As after a crash of an earlier try: a load balancer that is pending takes no second change.
    let is_written = present.len() == wanted.addresses.len()
        && present
            .iter()
            .all(|address| wanted.addresses.contains(&address.as_str()));
    if !is_written {
        let members = wanted.members(wanted.addresses.iter().copied());
        octavia::replace_members(session, &pool, &members).await?;
        balancer = octavia::show_load_balancer(session, wanted.balancer).await?;
    }
    Ok(Seen {
        id: pool,
        look: state(entry, &balancer),
    })
}

/// Takes out of the pool who is not wanted there any more. `true` when no new connection goes there.
pub(super) async fn empty(session: &Session, made: &Made, wanted: &Spec) -> Step<bool> {
    let wanted = Pool::of(wanted, made)?;
    let (balancer, pool) = pool_of(session, wanted.balancer).await?;
    let present = octavia::members_of(session, &pool).await?;
    let staying: Vec<&str> = present
        .iter()
        .map(String::as_str)
        .filter(|address| wanted.addresses.contains(address))
        .collect();
    if staying.len() == present.len() {
        return Ok(balancer.provisioning_status == "ACTIVE");
    }
    octavia::replace_members(session, &pool, &wanted.members(staying.into_iter())).await?;
    Ok(false)
}

pub(super) async fn look(session: &Session, entry: &Entry, id: &str) -> Step<Option<Look>> {
    match octavia::show_load_balancer(session, id).await {
        Ok(lb) => Ok(Some(state(entry, &lb))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn drop_one(session: &Session, id: &str) -> Step<bool> {
    match octavia::show_load_balancer(session, id).await {
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(error.into()),
        Ok(lb) => match lb.provisioning_status.as_str() {
            "DELETED" => Ok(true),
            "PENDING_DELETE" => Ok(false),
            // Immutable while it changes: the drop waits for the end of that.
            status if status.starts_with("PENDING_") => Ok(false),
            _ => gone(octavia::delete_cascade(session, id).await).map(|_| false),
        },
    }
}

fn state(entry: &Entry, lb: &LoadBalancer) -> Look {
    match lb.provisioning_status.as_str() {
        "ACTIVE" => Look::Ready(facts([
            ("address", json!(lb.vip_address)),
            ("vip_address", json!(lb.vip_address)),
            ("vip_port_id", json!(lb.vip_port_id)),
        ])),
        "ERROR" => {
            let fault = Fault {
                resource: entry.key.to_string(),
                service: "load-balancer".to_owned(),
                message: "the load balancer went to ERROR".to_owned(),
                request_id: None,
            };
            Look::Broken((fault, true))
        }
        status => Look::Pending(status.to_owned()),
    }
}
