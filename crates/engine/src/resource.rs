//! One face for every kind of resource: find, create, look, drop. Each is safe to call again.

mod balancing;
mod compute;
mod networking;

use std::collections::BTreeMap;

use jeroboam_cloud::Error as CloudError;
use jeroboam_driver::{Access, Departure, Key, Leaving, Made, Ref, Report, Resource, Spec};
use jeroboam_plan::Entry;
use jeroboam_types::Fault;
use serde_json::{Value, json};

use crate::context::Context;
use crate::fault::StepError;
use crate::{addons, application_credential, authorities, diagnosis, identity, leftovers, roll};

/// State of a resource that exists.
#[derive(Debug)]
pub(crate) enum Look {
    /// Ready, with facts for those that need it.
    Ready(BTreeMap<String, Value>),
    /// Not ready; the state as the cloud names it.
    Pending(String),
    /// Not ready, and it will not become so unless something changes that nobody here changes. One that stays so for a
    /// while is given up.
    Stuck(String),
    /// It will not become ready. `true` if a new one might.
    Broken((Fault, bool)),
}

/// A resource that exists.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Id in the cloud.
    pub id: String,
    /// Its state.
    pub look: Look,
}

type Step<T> = Result<T, StepError>;

/// Everything of the entry's name: nothing, or what an earlier, interrupted try has made.
pub(crate) async fn find(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<Vec<Seen>> {
    match &entry.spec {
        Spec::Identity => identity::find(context).await,
        Spec::ApplicationCredential => application_credential::find(context, entry).await,
        Spec::Certificates
        | Spec::Coe
        | Spec::Member
        | Spec::Credential
        | Spec::Trust
        | Spec::AddOn { .. }
        | Spec::Leftovers { .. }
        | Spec::Pool { .. } => Ok(Vec::new()),
        Spec::Network
        | Spec::Subnet { .. }
        | Spec::Router { .. }
        | Spec::RouterInterface { .. }
        | Spec::PodRoute { .. }
        | Spec::SecurityGroup { .. }
        | Spec::Port { .. }
        | Spec::FloatingIp { .. } => networking::find(&context.session().await?, entry, made).await,
        Spec::Keypair { .. } | Spec::ServerGroup { .. } | Spec::Volume { .. } | Spec::Server(_) => {
            compute::find(&context.session().await?, entry).await
        }
        Spec::LoadBalancer { .. } => balancing::find(&context.session().await?, entry).await,
    }
}

/// Makes the resource. Its entry is in the ledger already.
pub(crate) async fn create(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<Seen> {
    match &entry.spec {
        Spec::Identity => identity::create(context).await,
        Spec::Certificates => {
            authorities::ensure(context, &entry.key).await?;
            Ok(Seen {
                id: "certificates".to_owned(),
                look: Look::Ready(BTreeMap::new()),
            })
        }
        Spec::Coe => Ok(Seen {
            id: "coe".to_owned(),
            look: check(context, entry, made).await?,
        }),
        Spec::Trust => Ok(Seen {
            id: entry.key.name().to_owned(),
            look: settle_trust(context, made).await?,
        }),
        Spec::AddOn { .. } => Ok(Seen {
            id: entry.key.name().to_owned(),
            look: Box::pin(addons::look(context, entry, made)).await?,
        }),
        Spec::ApplicationCredential => Box::pin(application_credential::create(context, entry)).await,
        // What is left over is not made by us.
        Spec::Leftovers { .. } => Ok(Seen {
            id: entry.name.clone(),
            look: Look::Ready(BTreeMap::new()),
        }),
        Spec::Member => Ok(Seen {
            id: entry.name.clone(),
            look: join(context, entry, made).await?,
        }),
        Spec::Credential => {
            Box::pin(identity::rotate(context, &entry.key)).await?;
            Ok(Seen {
                id: entry.key.name().to_owned(),
                look: Look::Ready(BTreeMap::new()),
            })
        }
        Spec::Network
        | Spec::Subnet { .. }
        | Spec::Router { .. }
        | Spec::RouterInterface { .. }
        | Spec::PodRoute { .. }
        | Spec::SecurityGroup { .. }
        | Spec::Port { .. }
        | Spec::FloatingIp { .. } => networking::create(&context.session().await?, entry, made).await,
        Spec::Keypair { .. } | Spec::ServerGroup { .. } | Spec::Volume { .. } | Spec::Server(_) => {
            compute::create(context, entry, made).await
        }
        Spec::LoadBalancer {
            subnet,
            port,
            balancing,
        } => {
            let session = context.session().await?;
            balancing::create(&session, entry, made, (subnet, *port), balancing).await
        }
        Spec::Pool { .. } => balancing::fill(&context.session().await?, entry, made).await,
    }
}

/// Looks at a resource by its id; `None` when it is not there any more.
pub(crate) async fn look(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<Option<Look>> {
    let Some(id) = entry.id.as_deref() else {
        return Ok(None);
    };
    match &entry.spec {
        Spec::Identity => identity::look(context, id).await,
        Spec::AddOn { .. } => Ok(Some(Box::pin(addons::look(context, entry, made)).await?)),
        Spec::Member => Ok(Some(Box::pin(join(context, entry, made)).await?)),
        Spec::Certificates | Spec::Credential | Spec::ApplicationCredential | Spec::Leftovers { .. } => {
            Ok(Some(Look::Ready(BTreeMap::new())))
        }
        Spec::Coe => Ok(Some(check(context, entry, made).await?)),
        Spec::Trust => Ok(Some(settle_trust(context, made).await?)),
        Spec::Network
        | Spec::Subnet { .. }
        | Spec::Router { .. }
        | Spec::RouterInterface { .. }
        | Spec::PodRoute { .. }
        | Spec::SecurityGroup { .. }
        | Spec::Port { .. }
        | Spec::FloatingIp { .. } => networking::look(&context.session().await?, entry, id, made).await,
        Spec::Keypair { .. } | Spec::ServerGroup { .. } | Spec::Volume { .. } | Spec::Server(_) => {
            compute::look(&context.session().await?, entry, id).await
        }
        Spec::LoadBalancer { .. } => balancing::look(&context.session().await?, entry, id).await,
        Spec::Pool { balancer, .. } => {
            let balancer = self::id(made, balancer)?;
            balancing::look(&context.session().await?, entry, balancer).await
        }
    }
}

/// Drops the resource and everything else of its name. `true` when all of it is gone. What is `wanted` in its place
/// may need a part of it.
pub(crate) async fn drop(
    context: &Context<'_>,
    entry: &Entry,
    made: &Made,
    wanted: Option<&Resource>,
) -> Step<bool> {
    match &entry.spec {
        Spec::Identity => return identity::drop_user(context, entry).await,
        Spec::Coe | Spec::Credential | Spec::Trust => return Ok(true),
        Spec::Certificates => {
            authorities::destroy(context, &entry.key).await?;
            return Ok(true);
        }
        Spec::Pool { .. } => {
            return match wanted {
                Some(wanted) => balancing::empty(&context.session().await?, made, &wanted.spec).await,
                // It goes with its load balancer.
                None => Ok(true),
            };
        }
        Spec::Member => return Box::pin(leave(context, entry, made)).await,
        Spec::AddOn { .. } => return Box::pin(addons::remove(context, entry, made)).await,
        Spec::ApplicationCredential => return Box::pin(application_credential::drop(context, entry)).await,
        Spec::Leftovers { volumes } => return Box::pin(leftovers::sweep(context, *volumes)).await,
        // Whoever comes with the token of a server that goes is not let in any more.
        Spec::Server(_) => {
            let store = context.engine.store.engine();
            store.drop_node_tokens(context.claim, &entry.key).await?;
        }
        _ => {}
    }
    let mut gone = true;
    for id in all_ids(context, entry, made, entry.id.clone()).await? {
        gone &= drop_one(context, entry, &id).await?;
    }
    Ok(gone)
}

/// Drops what was made twice, all but the one that the entry names.
pub(crate) async fn drop_extras(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<()> {
    for seen in find(context, entry, made).await? {
        if entry.id.as_ref() != Some(&seen.id) {
            drop_one(context, entry, &seen.id).await?;
        }
    }
    Ok(())
}

async fn all_ids(
    context: &Context<'_>,
    entry: &Entry,
    made: &Made,
    known: Option<String>,
) -> Step<Vec<String>> {
    let mut ids: Vec<String> = known.into_iter().collect();
    if ids.is_empty() || entry.uncertain || entry.maybe_twice {
        for seen in find(context, entry, made).await? {
            if !ids.contains(&seen.id) {
                ids.push(seen.id);
            }
        }
    }
    Ok(ids)
}

async fn drop_one(context: &Context<'_>, entry: &Entry, id: &str) -> Step<bool> {
    let session = context.session().await?;
    match &entry.spec {
        Spec::Keypair { .. } | Spec::ServerGroup { .. } | Spec::Volume { .. } | Spec::Server(_) => {
            compute::drop_one(&session, entry, id).await
        }
        Spec::LoadBalancer { .. } => balancing::drop_one(&session, id).await,
        _ => networking::drop_one(&session, entry, id).await,
    }
}

/// Looks at the running COE.
async fn check(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<Look> {
    if context.engine.options.trust_server_active {
        return Ok(Look::Ready(BTreeMap::new()));
    }
    let Some(access) = context.access(made).await? else {
        return Ok(Look::Pending("without an address".to_owned()));
    };
    Ok(match context.driver()?.check(context.ask()?, &access).await {
        Report::NotYet(seen) => diagnosis::explain(context, entry, made, &access, seen).await,
        Report::Ready {
            coe_version,
            container_version,
        } => Look::Ready(BTreeMap::from([
            ("coe_version".to_owned(), json!(coe_version)),
            ("container_version".to_owned(), json!(container_version)),
        ])),
    })
}

/// Prepares what runs in the COE for the next stage of a rotation.
async fn settle_trust(context: &Context<'_>, made: &Made) -> Step<Look> {
    if context.engine.options.trust_server_active {
        return Ok(Look::Ready(BTreeMap::new()));
    }
    let Some(access) = context.access(made).await? else {
        return Ok(Look::Pending("without an address".to_owned()));
    };
    let ask = context.ask()?;
    let authorities = context.authorities(ask.trust()).await?;
    let settled = context.driver()?.settle_trust(ask, &access, authorities.as_ref());
    Ok(match settled.await {
        Ok(()) => Look::Ready(BTreeMap::new()),
        Err(seen) => Look::Pending(seen),
    })
}

/// Nodes join by themselves, and the COE waits for all of them. Only one of a control plane that lives already is waited
/// for by itself: it is put behind the load balancer when it serves.
async fn join(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<Look> {
    let ready = Look::Ready(BTreeMap::new());
    let ask = context.ask()?;
    let mut masters = ask.groups.iter().filter(|group| group.is_master());
    let is_master = masters.any(|group| entry.group.as_ref() == Some(&group.name));
    let lives = ask.cluster.coe_version.is_some();
    if !is_master || !lives || context.engine.options.trust_server_active {
        return Ok(ready);
    }
    let Some(access) = context.access(made).await? else {
        return Ok(ready);
    };
    Ok(match context.driver()?.serves(ask, &access, &entry.name).await {
        Ok(()) => ready,
        Err(seen) => diagnosis::explain(context, entry, made, &access, seen).await,
    })
}

/// Takes a node out of the COE. When all of the cluster goes, nobody is left to miss it.
async fn leave(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<bool> {
    let options = &context.engine.options;
    if context.is_deletion || options.trust_server_active || roll::is_last_master(context.ask()?, entry) {
        return Ok(true);
    }
    let Some(access) = context.access(made).await? else {
        return Err(StepError::Again("the cluster has no address".to_owned()));
    };
    let limit = options.drain_limit.min(options.budgets.of(&entry.spec) / 2);
    let mut node = Leaving {
        host_name: &entry.name,
        address: made.fact(&Key::new("port", entry.key.name()), "address"),
        overdue: context.now().since(entry.started) >= limit,
        machine_gone: false,
    };
    let departure = match ask_to_leave(context, &access, &node).await? {
        Departure::AfterMachine(why) => {
            if !drop_machine(context, entry, made).await? {
                return Err(StepError::Pending(format!("{why}, so its server goes first")));
            }
            node.machine_gone = true;
            ask_to_leave(context, &access, &node).await?
        }
        departure => departure,
    };
    match departure {
        Departure::Gone => Ok(true),
        Departure::NotYet(seen) | Departure::AfterMachine(seen) => Err(StepError::Pending(seen)),
    }
}

async fn ask_to_leave(context: &Context<'_>, access: &Access, node: &Leaving<'_>) -> Step<Departure> {
    Ok(context.driver()?.leave(context.ask()?, access, node).await)
}

/// Drops the server of a node before its membership. Its own entry stays, and finds it gone. `true` when it is.
async fn drop_machine(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<bool> {
    let server = Ref::Made(Key::new("server", entry.key.name()));
    let session = context.session().await?;
    compute::drop_server(&session, id(made, &server)?).await
}

/// True for what a call to another service makes: only that can still happen after a crash of this process. A pool is
/// always written whole.
pub(crate) fn is_remote(spec: &Spec) -> bool {
    !matches!(
        spec,
        Spec::Certificates
            | Spec::Coe
            | Spec::Member
            | Spec::Credential
            | Spec::Trust
            | Spec::Pool { .. }
            | Spec::AddOn { .. }
            | Spec::Leftovers { .. }
    )
}

/// Type of the service that a kind of resource lives in.
pub(crate) fn service(spec: &Spec) -> &'static str {
    match spec {
        Spec::Identity | Spec::Credential | Spec::ApplicationCredential => "identity",
        Spec::Certificates
        | Spec::Coe
        | Spec::Member
        | Spec::Trust
        | Spec::AddOn { .. }
        | Spec::Leftovers { .. } => "",
        Spec::Keypair { .. } | Spec::ServerGroup { .. } | Spec::Server(_) => "compute",
        Spec::Volume { .. } => "block-storage",
        Spec::LoadBalancer { .. } | Spec::Pool { .. } => "load-balancer",
        _ => "network",
    }
}

/// Id of what a reference leads to; everything needed is made before.
fn id<'a>(made: &'a Made, reference: &'a Ref) -> Step<&'a str> {
    made.id(reference)
        .ok_or_else(|| StepError::Ours(format!("{reference:?} is not made")))
}

/// A fact of what a reference leads to.
fn fact<'a>(made: &'a Made, reference: &Ref, name: &str) -> Step<&'a str> {
    let found = match reference {
        Ref::Made(key) => made.fact(key, name),
        Ref::Given(_) => None,
    };
    found.ok_or_else(|| StepError::Ours(format!("{reference:?} has no {name}")))
}

/// The outer address of a router as a network, where it is known.
fn outer_network(made: &Made, router: &Ref) -> Option<String> {
    let Ref::Made(key) = router else { return None };
    Some(format!("{}/32", made.fact(key, "outer_address")?))
}

/// Not there any more is what a drop is after.
fn gone(result: Result<(), CloudError>) -> Step<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Facts of a resource from pairs.
fn facts<const N: usize>(pairs: [(&str, Value); N]) -> BTreeMap<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
