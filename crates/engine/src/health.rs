//! The health of clusters that stand: looked at from time to time, beside the work and never in its way.
//!
//! Which process looks is settled by the moment of the next look, which stands in the database (see
//! [`jeroboam_store::Health`]): no lease is taken, and nothing is locked while a cluster is asked. What is seen is
//! written only when it is news. The one thing that a look may ask for is the replacement of lost nodes, and it asks
//! as anybody would: by a wish, which is refused if anything else is asked or done. Add-ons that somebody changed
//! are applied again under a lease, see [`mend`].

mod mend;
mod repair;
mod servers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jeroboam_driver::{Access, ApiHealth, Ask, Authority, Certificates, Driver, Health};
use jeroboam_store::{Patient, StoreError, Turn};
use jeroboam_types::labels::loose_bool;
use jeroboam_types::{HealthStatus, Labels};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use crate::authorities::Authorities;
use crate::context::find_driver;
use crate::fault::StepError;
use crate::options::Watch;
use crate::relay;
use crate::worker::Engine;

/// Pause between two rounds when more is due than may be looked at, at least.
const BREATH: Duration = Duration::from_millis(50);

/// What is said of a cluster that nobody can look at.
const NO_DRIVER: &str = "no driver of this service knows it";

/// Most nodes that a reason names; those that are not ready come first.
const NAMED_NODES: usize = 500;

impl Engine {
    /// Looks at the health of clusters until `shutdown`.
    pub(crate) async fn watch(&self, shutdown: &CancellationToken) {
        let Some(watch) = self.options.health else {
            return;
        };
        let mut looks: JoinSet<()> = JoinSet::new();
        while !shutdown.is_cancelled() {
            while looks.try_join_next().is_some() {}
            let pause = match self.begin_looks(&watch, &mut looks).await {
                Ok(true) => BREATH,
                Ok(false) => self.options.poll_interval.max(BREATH),
                Err(error) => {
                    warn!(%error, cause = error.cause(), "cannot look at the health of clusters; trying again");
                    self.metrics.engine().failed_database();
                    self.options.poll_interval.max(BREATH)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // A look holds nothing, or a lease that runs out: cut off, it is as if it had not been.
        looks.shutdown().await;
    }

    /// Begins as many looks as may run. True when more may be due.
    async fn begin_looks(&self, watch: &Watch, looks: &mut JoinSet<()>) -> Result<bool, StoreError> {
        let free = watch.parallel.saturating_sub(looks.len());
        if free == 0 {
            return Ok(true);
        }
        let now = self.clock.now();
        // With a fifth of jitter, so that what began together does not stay together.
        let next = || now.plus(watch.interval.mul_f64(0.9 + 0.2 * fastrand::f64()));
        let turns = self.store.health().take_due(now, next, free as u64).await?;
        let is_more = turns.len() == free;
        for turn in turns {
            let (engine, watch) = (self.clone(), *watch);
            let span = info_span!("health", cluster.id = %turn.cluster);
            let look = async move {
                if let Err(error) = look(&engine, &watch, turn).await {
                    warn!(%error, cause = error.cause(), "cannot write the health of a cluster");
                    engine.metrics.engine().failed_database();
                }
            };
            looks.spawn(look.instrument(span));
        }
        Ok(is_more)
    }
}

/// One look at one cluster.
async fn look(engine: &Engine, watch: &Watch, mut turn: Turn) -> Result<(), StoreError> {
    let store = engine.store.health();
    let Some(patient) = store.load(&turn).await? else {
        return Ok(());
    };
    let cluster = &patient.ask.cluster;
    if is_told_by_others(&cluster.labels) {
        return Ok(());
    }
    let begun = Instant::now();
    let examined = tokio::time::timeout(watch.limit, examine(engine, &patient)).await;
    let (status, health) = match examined {
        Ok(Err(StepError::Store(error))) => return Err(error),
        // Nobody was asked: that says nothing of the cluster.
        Ok(Err(error)) => (HealthStatus::Unknown, Health::silent(error.to_string())),
        Ok(Ok(health)) => (judge(engine, &patient.ask, &health), health),
        Err(_) => {
            let health = Health::silent("it does not answer in time");
            (judge(engine, &patient.ask, &health), health)
        }
    };
    engine.metrics.engine().looked(status.as_str(), begun.elapsed());
    let mut reason = reason(&health);
    let remembered = turn.memory.clone();
    let repair = repair::consider(engine, &watch.repair, &mut turn.memory, &patient, &health).await?;
    if let Some(paused) = &repair.paused {
        reason.insert("auto_healing".to_owned(), paused.clone());
    }
    if repair.wish.is_none() {
        mend::look(engine, watch, &mut turn.memory, &patient, &health).await?;
    }
    if let Some(wrong) = turn.memory.add_ons.as_ref().and_then(|seen| seen.wrong.clone()) {
        reason.insert("add_ons".to_owned(), wrong);
    }
    if cluster.health_status != Some(status) || cluster.health_status_reason != reason {
        if cluster.health_status != Some(status) {
            info!(health = status.as_str(), "the health of a cluster has changed");
        }
        store.record(&turn, status, &reason).await?;
    }
    if let Some(wish) = repair.wish {
        return wish.ask(engine, &turn).await;
    }
    if turn.memory != remembered {
        store.remember(&turn).await?;
    }
    Ok(())
}

/// True for a cluster in which magnum-auto-healer tells of the health by itself.
fn is_told_by_others(labels: &Labels) -> bool {
    wants_healing(labels)
        && labels.value("auto_healing_controller").map(str::trim) == Some("magnum-auto-healer")
}

/// True for a cluster whose lost nodes are to be replaced.
fn wants_healing(labels: &Labels) -> bool {
    let label = labels.value("auto_healing_enabled");
    label.and_then(|value| loose_bool(value.trim())) == Some(true)
}

/// Asks the COE; where servers do not boot, the cloud.
async fn examine(engine: &Engine, patient: &Patient) -> Result<Health, StepError> {
    if engine.options.trust_server_active {
        return servers::health(engine, &patient.ask).await;
    }
    let ask = &patient.ask;
    let driver = find_driver(engine, ask).ok_or_else(|| StepError::Ours(NO_DRIVER.to_owned()))?;
    let access = access(engine, driver.as_ref(), ask).await?;
    Ok(driver.health(ask, &access).await)
}

/// How to speak with the COE of a cluster that stands.
async fn access(engine: &Engine, driver: &dyn Driver, ask: &Ask) -> Result<Access, StepError> {
    let address = ask.cluster.api_address.clone();
    let address = address.ok_or_else(|| StepError::Ours("it has no address".to_owned()))?;
    let authorities = Authorities::load(engine, ask.cluster.uuid, ask.trust()).await?;
    let (authority, client) = (authorities.authority(Authority::Cluster)?, authorities.client()?);
    Ok(relay::access(engine, (driver, ask), address, authority, client))
}

/// Magnum's rule: a cluster without a way in from outside is not to blame for not answering.
fn judge(engine: &Engine, ask: &Ask, health: &Health) -> HealthStatus {
    match &health.api {
        ApiHealth::Silent(_) if !has_way_in(engine, ask) => HealthStatus::Unknown,
        _ if health.is_good() => HealthStatus::Healthy,
        _ => HealthStatus::Unhealthy,
    }
}

/// True when the API has a floating IP, or its control plane comes for calls.
fn has_way_in(engine: &Engine, ask: &Ask) -> bool {
    let driver = find_driver(engine, ask);
    if driver.as_ref().is_some_and(|driver| driver.is_private(ask)) {
        return true;
    }
    let label = ask.cluster.labels.value("master_lb_floating_ip_enabled");
    let of_shared = label.and_then(|value| loose_bool(value.trim()));
    match driver.is_some_and(|driver| driver.shares_api_address(ask)) {
        true => of_shared.unwrap_or_else(|| ask.floating_ip_enabled()),
        false => ask.floating_ip_enabled(),
    }
}

/// What was seen, as Magnum writes it: `api` is `ok` or says what is wrong, `<node>.Ready` is `True` or `False`.
/// `<node>.Reason` is our own, for nodes that are not ready.
fn reason(health: &Health) -> BTreeMap<String, String> {
    let api = match &health.api {
        ApiHealth::Ok => "ok",
        ApiHealth::Failing(cause) | ApiHealth::Silent(cause) => cause.as_str(),
    };
    let mut reason = BTreeMap::from([("api".to_owned(), api.to_owned())]);
    let (lost, ready): (Vec<_>, Vec<_>) = health.nodes.iter().partition(|node| node.lack.is_some());
    for node in lost.iter().chain(&ready).take(NAMED_NODES) {
        let state = if node.lack.is_none() { "True" } else { "False" };
        reason.insert(format!("{}.Ready", node.name), state.to_owned());
        if let Some(lack) = &node.lack {
            reason.insert(format!("{}.Reason", node.name), lack.clone());
        }
    }
    if health.nodes.len() > NAMED_NODES {
        let more = format!("{} of {} are ready", ready.len(), health.nodes.len());
        reason.insert("nodes".to_owned(), more);
    }
    reason
}

#[cfg(test)]
mod tests;
