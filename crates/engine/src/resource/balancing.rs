//! Octavia load balancers.

use jeroboam_cloud::Session;
use jeroboam_cloud::load_balancer::{self as octavia, LoadBalancer, NewListener, NewLoadBalancer, NewMember};
use jeroboam_driver::graph::Balancing;
use jeroboam_driver::{Made, Ref};
use jeroboam_plan::Entry;
use jeroboam_types::Fault;
use serde_json::json;

use super::{Look, Seen, Step, fact, facts, gone, id, outer_network};

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
    (subnet, port, members): (&Ref, u16, &[Ref]),
    asked: &Balancing,
) -> Step<Seen> {
    let subnet_id = id(made, subnet)?.to_owned();
    let members: Step<Vec<NewMember>> = members
        .iter()
        .map(|member| {
            let address = fact(made, member, "address")?.to_owned();
            Ok(NewMember {
                name: String::new(),
                address,
                port,
                subnet_id: Some(subnet_id.clone()),
            })
        })
        .collect();
    let listener = NewListener {
        name: entry.name.clone(),
        port,
        allowed_cidrs: allowed_cidrs(asked, made),
        algorithm: Some(asked.algorithm.clone()),
        unmonitored: !asked.monitor,
        members: members?,
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
