//! One cluster, from claim to release: load, plan, take steps, and write down how it ended.

use std::collections::{BTreeMap, BTreeSet};

use jeroboam_driver::graph::{Graph, Spec};
use jeroboam_driver::{Ask, Key, Ref, Resource};
use jeroboam_plan::{Goal, Ledger, Phase, ledger};
use jeroboam_store::{Claim, GoalKind, Settlement, StoreError, Work};
use jeroboam_types::status::{Operation, Outcome};
use jeroboam_types::{Fault, Millis, NodeGroup, Status, TrustStage};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::authorities::generation_of;
use crate::context::{Context, certificates_key, credential_key, identity_key, trust_key};
use crate::executor::{Ending, execute};
use crate::fault::{StepError, backoff};
use crate::stopwatch::Stopwatch;
use crate::worker::Engine;
use crate::{application_credential, autoscaler, groups, roll};

/// Tries of giving a lease back while the database is busy.
const RELEASES: u32 = 5;

/// Works on a claimed cluster until it is settled, must wait, or is taken away.
pub(crate) async fn reconcile(engine: &Engine, claim: &Claim, lost: &CancellationToken) {
    match attempt(engine, claim, lost).await {
        Ok(()) => {}
        Err(StoreError::LeaseLost) => warn!("lease lost: stopping"),
        Err(error) => {
            engine.metrics.engine().failed_database();
            error!(%error, cause = error.cause(), "the database refused; trying again");
            give_back(engine, claim).await;
        }
    }
}

/// Gives a lease back after a refusal of the database. If even that fails, the lease runs out.
async fn give_back(engine: &Engine, claim: &Claim) {
    for attempt in 1..=RELEASES {
        tokio::time::sleep(backoff(attempt, None)).await;
        let again = engine.clock.now().plus(engine.options.poll_interval);
        match engine.store.engine().hand_back(claim, again).await {
            Ok(()) | Err(StoreError::LeaseLost) => return,
            Err(error) => warn!(%error, cause = error.cause(), "cannot give the lease back"),
        }
    }
}

async fn attempt(engine: &Engine, claim: &Claim, lost: &CancellationToken) -> Result<(), StoreError> {
    let watch = Stopwatch::start();
    loop {
        let mut work = engine.store.engine().load(claim).await?;
        let context = Context::new(engine, claim, &work, &watch);
        let spent_ms = work.engine_ms;
        let own_ms = || spent_ms + watch.own_ms();
        let goal = goal(&context, &work);
        let ending = match &goal {
            Ok(goal) => execute(&context, goal, &mut work, lost).await?,
            Err(fault) => Ending::Failed(vec![fault.clone()]),
        };
        let graph = goal.as_ref().ok().and_then(Goal::graph);
        match ending {
            Ending::Superseded => debug!("something else is asked now: planning anew"),
            Ending::Pause(at) => return engine.store.engine().release(claim, at, own_ms()).await,
            Ending::Stopped => {
                return engine
                    .store
                    .engine()
                    .release(claim, context.now(), own_ms())
                    .await;
            }
            Ending::Settled if roll::go_on(&context, &work).await? => debug!("the next nodes are replaced"),
            Ending::Settled => return settle(&context, &work, graph, Vec::new(), Outcome::Complete).await,
            Ending::Failed(faults) => return settle(&context, &work, graph, faults, Outcome::Failed).await,
        }
    }
}

/// What should be there: the driver's graph on top of what the engine itself needs.
fn goal(context: &Context<'_>, work: &Work) -> Result<Goal, Fault> {
    if work.goal == GoalKind::Absent {
        return Ok(Goal::Absent);
    }
    let graph = || -> Result<Graph, StepError> {
        let (driver, ask) = (context.driver()?, context.ask()?);
        Ok(roll::without_machines(driver.as_ref(), ask, driver.graph(ask)?))
    };
    let mut graph = graph().map_err(|error| error.fault(&Key::new("cluster", &work.cluster.name)))?;
    let stage_of = |group: Option<&str>| match &work.ask {
        Some(ask) => ask.trust_of(group),
        None => TrustStage::default(),
    };
    // A generation that no node needs any more is not in the graph, and so its keys are destroyed.
    let needed = work.ledger.values().flat_map(|entry| &entry.needs);
    let mut generations: BTreeSet<u32> = needed.filter_map(generation_of).collect();
    generations.extend(stage_of(None).trusted());
    for resource in graph.iter_mut() {
        // Add-ons are applied with a client certificate, and may come before every server.
        if matches!(resource.spec, Spec::Server(_) | Spec::AddOn { .. }) {
            let trusted = stage_of(resource.group.as_deref()).trusted();
            resource.needs.extend(trusted.clone().map(certificates_key));
            generations.extend(trusted);
        }
        resource.needs.insert(identity_key());
    }
    graph.add(identity_key(), Spec::Identity);
    for generation in generations {
        graph.add(certificates_key(generation), Spec::Certificates);
    }
    let coe = graph.iter().find(|resource| resource.spec == Spec::Coe);
    if let (Some(coe), Some(ask)) = (coe, &work.ask)
        && prepares_next_stage(ask)
    {
        let needs = BTreeSet::from([coe.key.clone()]);
        graph.insert(Resource {
            key: trust_key(ask.trust()),
            needs,
            group: None,
            spec: Spec::Trust,
        });
    }
    if work.credential > 0 {
        graph.insert(Resource {
            key: credential_key(work.credential),
            needs: BTreeSet::from([identity_key()]),
            group: None,
            spec: Spec::Credential,
        });
    }
    add_credential(context, work, &mut graph);
    Ok(Goal::Present(graph))
}

/// True while a rotation is in a stage that another one follows, once the control plane is of it.
fn prepares_next_stage(ask: &Ask) -> bool {
    let mut masters = ask.groups.iter().filter(|group| group.is_master());
    !ask.trust().is_settled() && masters.all(NodeGroup::is_uniform)
}

/// Adds the login of those add-ons that have one, and makes them another revision by each new one.
fn add_credential(context: &Context<'_>, work: &Work, graph: &mut Graph) {
    let key = application_credential::key(work.credential);
    let mut is_used = false;
    for resource in graph.iter_mut() {
        if let Spec::AddOn {
            revision,
            cloud,
            autoscales,
        } = &mut resource.spec
            && (*cloud || *autoscales)
        {
            revision.push_str(&format!("-{}", work.credential));
            if *autoscales {
                revision.push_str(&format!("-{}", autoscaler::period(context.now())));
            }
            if !*cloud {
                continue;
            }
            if application_credential::are_used(context) {
                is_used = true;
                resource.needs.insert(key.clone());
            } else if work.credential > 0 {
                resource.needs.insert(credential_key(work.credential));
            }
        }
    }
    if is_used {
        graph.insert(Resource {
            key,
            needs: BTreeSet::from([identity_key()]),
            group: None,
            spec: Spec::ApplicationCredential,
        });
    }
}

/// Counts an operation that ended, by the two words of its status. A row is touched when something is asked of it.
fn count(context: &Context<'_>, work: &Work, outcome: Outcome) {
    let status = Status::of(work.operation, outcome).as_str();
    let (operation, outcome) = status.split_once('_').unwrap_or((status, ""));
    let asked = match work.operation {
        Operation::Create => Some(work.cluster.created_at),
        _ => work.cluster.updated_at,
    };
    let asked = asked.map_or(context.now(), |asked| Millis(asked.timestamp_millis()));
    let metrics = context.engine.metrics.engine();
    metrics.settled(operation, outcome, context.now().since(asked));
}

async fn settle(
    context: &Context<'_>,
    work: &Work,
    graph: Option<&Graph>,
    faults: Vec<Fault>,
    outcome: Outcome,
) -> Result<(), StoreError> {
    let store = context.engine.store.engine();
    let own_ms = work.engine_ms + context.watch.own_ms();
    context.engine.cache_session(work.cluster.uuid, None);
    context.engine.diagnoses.forget(work.cluster.uuid);
    if work.goal == GoalKind::Absent && outcome == Outcome::Complete {
        info!(engine_ms = own_ms, "cluster deleted");
        count(context, work, outcome);
        return store.forget(context.claim, work.generation).await;
    }
    let status = ended(work.cluster.status, work.operation, outcome);
    let made = ledger::made(&work.ledger);
    let coe = work
        .ledger
        .values()
        .find(|entry| entry.spec == Spec::Coe && entry.phase == Phase::Ready);
    let coe_fact = |name: &str| coe?.facts.get(name)?.as_str().map(str::to_owned);
    let api_address = match (&context.driver, &context.ask) {
        (Some(driver), Some(ask)) => driver.api_address(ask, &made),
        _ => work.cluster.api_address.clone(),
    };
    let addresses = node_addresses(&work.ledger);
    let settlement = Settlement {
        generation: work.generation,
        now: context.now(),
        status,
        status_reason: told(work, &faults),
        group_status: groups::statuses(work, graph, outcome, &faults),
        gone_groups: groups::gone(work),
        api_address,
        coe_version: coe_fact("coe_version").or_else(|| work.cluster.coe_version.clone()),
        container_version: coe_fact("container_version").or_else(|| work.cluster.container_version.clone()),
        node_addresses: work
            .groups
            .iter()
            .map(|group| {
                (
                    group.uuid,
                    addresses.get(&group.name).cloned().unwrap_or_default(),
                )
            })
            .collect(),
        stopped: roll::stopped(work, outcome),
        upgraded: roll::upgraded(work, outcome),
        engine_ms: own_ms,
    };
    match store.settle(context.claim, &settlement).await {
        // Something else was asked in the meantime: it stands in the database and is due.
        Err(StoreError::Stale) => store.release(context.claim, context.now(), own_ms).await,
        other => {
            count(context, work, outcome);
            let elapsed_ms = context
                .now()
                .since(Millis(work.cluster.created_at.timestamp_millis()))
                .as_millis() as u64;
            match outcome {
                Outcome::Failed => warn!(%status, reason = settlement.status_reason, "cluster failed"),
                _ => info!(%status, engine_ms = own_ms, since_created_ms = elapsed_ms, "cluster settled"),
            }
            other
        }
    }
}

/// Reason of a cluster's status after an operation: what went wrong, behind what an operation that nobody asked for
/// says of itself.
fn told(work: &Work, faults: &[Fault]) -> Option<String> {
    let own = work.cluster.status_reason.clone();
    let own = own.filter(|_| work.operation == Operation::Update);
    let faults = (!faults.is_empty()).then(|| reason(faults));
    let parts: Vec<String> = own.into_iter().chain(faults).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Status of a cluster after an operation. One that was complete all the while, because what was asked is nothing
/// that its status tells, stays what it was.
fn ended(before: Status, operation: Operation, outcome: Outcome) -> Status {
    if outcome == Outcome::Complete && !before.is_in_progress() && !before.is_failed() {
        before
    } else {
        Status::of(operation, outcome)
    }
}

pub(crate) fn reason(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

/// Addresses of the servers by node group, in the order of their numbers: the floating IP, or else the fixed.
fn node_addresses(ledger: &Ledger) -> BTreeMap<String, Vec<String>> {
    let address = |key: &Key| Some(ledger.get(key)?.facts.get("address")?.as_str()?.to_owned());
    let floating = |port: &Key| {
        ledger.values().find_map(|entry| match &entry.spec {
            Spec::FloatingIp {
                target: Ref::Made(target),
                ..
            } if target == port => address(&entry.key),
            _ => None,
        })
    };
    let mut servers: Vec<_> = ledger
        .values()
        .filter_map(|entry| match (&entry.spec, &entry.group) {
            (Spec::Server(server), Some(group)) => Some((entry.key.name(), group, server)),
            _ => None,
        })
        .collect();
    // Shorter first, so that worker-10 comes after worker-9.
    servers.sort_by_key(|(name, ..)| (name.len(), *name));
    let mut addresses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, group, server) in servers {
        let Some(Ref::Made(port)) = server.ports.first() else {
            continue;
        };
        if let Some(found) = floating(port).or_else(|| address(port)) {
            addresses.entry(group.clone()).or_default().push(found);
        }
    }
    addresses
}

/// Fault of a cluster whose time is over: names everything that it still waited for.
pub(crate) fn overdue(work: &Work) -> Fault {
    let waiting: Vec<String> = work
        .ledger
        .values()
        .filter(|entry| entry.phase != Phase::Ready)
        .map(|entry| match (&entry.fault, &entry.seen) {
            (Some(fault), _) => fault.to_string(),
            (None, Some(seen)) => format!("{} ({seen})", entry.key),
            (None, None) => format!("{} ({})", entry.key, entry.phase.as_str()),
        })
        .collect();
    let limit = match work.operation {
        Operation::Create => {
            let minutes = work.cluster.create_timeout.filter(|minutes| *minutes > 0);
            let minutes = minutes.unwrap_or(jeroboam_types::cluster::DEFAULT_CREATE_TIMEOUT_MINS);
            format!("not done within create_timeout of {minutes} minutes")
        }
        Operation::Update | Operation::Delete => "not done within the time limit".to_owned(),
    };
    let message = if waiting.is_empty() {
        limit
    } else {
        format!("{limit}; still waiting for {}", waiting.join(", "))
    };
    Fault {
        resource: "cluster".to_owned(),
        service: String::new(),
        message,
        request_id: None,
    }
}
