//! Add-ons of clusters that stand: looked at now and then, and applied again where somebody has changed or deleted
//! what was applied.
//!
//! Looking takes no lease. Applying does, for as long as one add-on takes: so nobody works on the cluster meanwhile, and
//! what is applied is what was asked last. It is no wish, because nothing else is asked than before: status and
//! generation stay, and what does not come about is told by the health and tried again by the next look.

use jeroboam_driver::{Access, AddOnState, ApiHealth, Drift, Driver, Health, Spec};
use jeroboam_plan::{Entry, Phase, ledger};
use jeroboam_store::{Patient, StoreError};
use jeroboam_types::repair::{AddOns, Memory};
use tracing::{debug, info};

use super::access;
use crate::context::{Context, find_driver};
use crate::fault::StepError;
use crate::options::Watch;
use crate::stopwatch::Stopwatch;
use crate::worker::Engine;
use crate::{addons, autoscaler};

/// Looks at the add-ons of a cluster, if it is time to.
pub(super) async fn look(
    engine: &Engine,
    watch: &Watch,
    memory: &mut Memory,
    patient: &Patient,
    health: &Health,
) -> Result<(), StoreError> {
    let (ask, now) = (&patient.ask, engine.clock.now());
    let Some(interval) = watch.mend.filter(|_| !engine.options.trust_server_active) else {
        memory.add_ons = None;
        return Ok(());
    };
    // What failed for a tenant is for the tenant to ask for again, and its status says what it was.
    if ask.cluster.status.is_failed() {
        memory.add_ons = None;
        return Ok(());
    }
    // What was wrong is looked at again with each look at the cluster.
    let is_due = match &memory.add_ons {
        Some(seen) => seen.wrong.is_some() || now.since(seen.looked) >= interval,
        None => true,
    };
    if !is_due || !patient.is_at_rest || health.api != ApiHealth::Ok {
        return Ok(());
    }
    let wrong = match wrong(engine, patient).await {
        Ok(wrong) => wrong,
        Err(StepError::Store(error)) => return Err(error),
        Err(error) => {
            debug!(%error, "cannot look at the add-ons of a cluster");
            return Ok(());
        }
    };
    memory.add_ons = Some(AddOns {
        looked: now,
        wrong: (!wrong.is_empty()).then(|| wrong.join("; ")),
    });
    Ok(())
}

/// What is wrong with each add-on that should work; what was changed is applied again.
async fn wrong(engine: &Engine, patient: &Patient) -> Result<Vec<String>, StepError> {
    let ask = &patient.ask;
    let ledger = engine.store.clusters().ledger(ask.cluster.uuid).await?;
    let is_applied = |entry: &&Entry| matches!(entry.spec, Spec::AddOn { .. }) && entry.phase == Phase::Ready;
    let add_ons: Vec<&Entry> = ledger.values().filter(is_applied).collect();
    let (false, Some(driver)) = (add_ons.is_empty(), find_driver(engine, ask)) else {
        return Ok(Vec::new());
    };
    let access = access(engine, driver.as_ref(), ask).await?;
    let mut wrong = Vec::new();
    for entry in add_ons {
        let seen = examine(engine, patient, driver.as_ref(), &access, entry).await?;
        wrong.extend(seen.map(|seen| format!("{}: {seen}", entry.key.name())));
    }
    Ok(wrong)
}

async fn examine(
    engine: &Engine,
    patient: &Patient,
    driver: &dyn Driver,
    access: &Access,
    entry: &Entry,
) -> Result<Option<String>, StepError> {
    let Spec::AddOn {
        revision, autoscales, ..
    } = &entry.spec
    else {
        return Ok(None);
    };
    let (ask, name) = (&patient.ask, entry.key.name());
    let is_ending = *autoscales && autoscaler::is_ending(engine, ask.cluster.uuid).await?;
    let look = async {
        if is_ending {
            return (
                Some("its certificate is to be renewed".to_owned()),
                AddOnState::Outdated,
            );
        }
        match driver.look_for_drift(name, revision, access).await {
            Drift::None => (None, driver.look_at_add_on(ask, name, revision, access).await),
            Drift::Found(what) => (Some(what), AddOnState::Outdated),
            Drift::Unknown(why) => (None, AddOnState::NotYet(why)),
        }
    };
    let Ok((changed, state)) = tokio::time::timeout(engine.options.call_timeout, look).await else {
        return Ok(Some("the cluster's API takes too long".to_owned()));
    };
    let changed = match (changed, state) {
        (Some(changed), _) => changed,
        (None, AddOnState::Outdated) => "it is of another revision".to_owned(),
        (None, AddOnState::Ready) => return Ok(None),
        (None, AddOnState::NotYet(seen) | AddOnState::Stuck(seen)) => return Ok(Some(seen)),
    };
    Ok(match again(engine, patient, entry).await {
        Ok(Some(AddOnState::Stuck(cause))) => {
            Some(format!("{changed}, and cannot be applied again: {cause}"))
        }
        Ok(Some(_)) => {
            info!(
                add_on = name,
                changed, "an add-on that was changed is applied again"
            );
            engine.metrics.engine().mended_add_on();
            Some(format!("{changed}, and is applied again"))
        }
        // Something is asked, or somebody is at it.
        Ok(None) => None,
        Err(StepError::Store(error)) => return Err(error.into()),
        Err(error) => Some(format!("{changed}, and cannot be applied again: {error}")),
    })
}

/// Applies an add-on again under a lease; `None` when it is not to be had.
async fn again(engine: &Engine, patient: &Patient, entry: &Entry) -> Result<Option<AddOnState>, StepError> {
    let (store, options) = (engine.store.engine(), &engine.options);
    let until = engine.clock.now().plus(options.lease);
    let cluster = patient.ask.cluster.uuid;
    let claim = store
        .claim_at_rest(cluster, patient.generation, &options.owner, until)
        .await?;
    let Some(claim) = claim else { return Ok(None) };
    let applied = async {
        let work = store.load(&claim).await?;
        let watch = Stopwatch::start();
        let context = Context::new(engine, &claim, &work, &watch);
        addons::mend(&context, entry, &ledger::made(&work.ledger)).await
    };
    let applied = applied.await;
    store.put_down(&claim).await?;
    applied.map(Some)
}
