//! The loop: takes due clusters by lease, keeps the leases by heartbeat, and owns every task it starts.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jeroboam_cloud::{Connector, Session};
use jeroboam_driver::Drivers;
use jeroboam_metrics::Metrics;
use jeroboam_pki::Keyring;
use jeroboam_store::{Claim, Store, StoreError};
use jeroboam_types::ClusterId;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::clock::Clock;
use crate::diagnosis::Diagnoses;
use crate::options::{Options, OptionsError};
use crate::reconcile::reconcile;
use crate::relay::Untaken;

/// Everything that reconciling needs. Cheap to clone, shared by all tasks.
#[derive(Clone)]
pub struct Engine {
    /// The database.
    pub store: Store,
    /// Clouds.
    pub connector: Connector,
    /// The service's own session: validates tokens and grants roles.
    pub service: Session,
    /// Session of the trustee domain's administrator, who makes and deletes identities.
    pub trustee_admin: Session,
    /// COE drivers.
    pub drivers: Drivers,
    /// Seals and opens secrets.
    pub keyring: Arc<Keyring>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Options.
    pub options: Arc<Options>,
    /// Where the work is counted.
    pub metrics: Metrics,
    /// Sessions of the identities, so that a cluster authenticates once and not for each look.
    pub(crate) sessions: Arc<Mutex<HashMap<ClusterId, Session>>>,
    /// What consoles told of clusters whose nodes are late.
    pub(crate) diagnoses: Diagnoses,
    /// Calls that control planes of private clusters wait for.
    pub(crate) untaken: Arc<Untaken>,
}

/// Parts of an engine.
#[expect(missing_docs, reason = "the fields are those of `Engine`")]
pub struct Parts {
    pub store: Store,
    pub connector: Connector,
    pub service: Session,
    pub trustee_admin: Session,
    pub drivers: Drivers,
    pub keyring: Arc<Keyring>,
    pub clock: Arc<dyn Clock>,
    pub options: Options,
}

/// A claim that this process holds.
struct Held {
    claim: Claim,
    /// When the lease was last known to be ours, on a clock that cannot be set.
    renewed: Instant,
    /// Cancelled when the lease is lost: whoever works on the cluster must stop.
    lost: CancellationToken,
}

/// Claims of this process, shared by the loop and the heartbeat.
type Holding = Arc<Mutex<HashMap<ClusterId, Held>>>;

impl Engine {
    /// An engine; it does nothing until [`Engine::run`].
    pub fn new(parts: Parts) -> Result<Self, OptionsError> {
        parts.options.validate()?;
        let Parts {
            store,
            connector,
            service,
            trustee_admin,
            drivers,
            keyring,
            clock,
            options,
        } = parts;
        let options = Arc::new(options);
        let sessions = Arc::default();
        Ok(Self {
            store,
            connector,
            service,
            trustee_admin,
            drivers,
            keyring,
            clock,
            options,
            metrics: Metrics::default(),
            sessions,
            diagnoses: Diagnoses::default(),
            untaken: Arc::default(),
        })
    }

    /// The same engine, counting in the metrics of the process.
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Works until `shutdown`; then finishes the steps under way, gives the leases back and returns.
    /// `wake` tells that something may be due; due work is found without it too, a little later.
    pub async fn run(&self, wake: Arc<Notify>, shutdown: CancellationToken) {
        let holding = Holding::default();
        let drained = CancellationToken::new();
        // Beside the loop, which waits for the database: leases are renewed until the last step has ended.
        let heartbeat = self.keep_leases(&holding, &drained);
        let work = async {
            let mut tasks: JoinSet<()> = JoinSet::new();
            while !shutdown.is_cancelled() {
                let pause = match self.claim(&mut tasks, &holding, &shutdown).await {
                    Ok(()) => self.pause(tasks.len()).await,
                    Err(error) => {
                        warn!(%error, cause = error.cause(), "cannot take due work; trying again");
                        self.metrics.engine().failed_database();
                        self.options.poll_interval
                    }
                };
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                    Some(_) = tasks.join_next() => {}
                }
            }
            info!(
                clusters = tasks.len(),
                "engine stops: finishing the steps under way"
            );
            while tasks.join_next().await.is_some() {}
            drained.cancel();
        };
        tokio::join!(work, heartbeat, self.watch(&shutdown));
    }

    async fn claim(
        &self,
        tasks: &mut JoinSet<()>,
        holding: &Holding,
        shutdown: &CancellationToken,
    ) -> Result<(), StoreError> {
        let free = self.options.workers.saturating_sub(tasks.len());
        if free == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let until = now.plus(self.options.lease);
        let renewed = Instant::now();
        let claims = self
            .store
            .engine()
            .claim_due(&self.options.owner, now, until, free as u64)
            .await?;
        for claim in claims {
            let lost = shutdown.child_token();
            let held = Held {
                claim: claim.clone(),
                renewed,
                lost: lost.clone(),
            };
            // A lease of our own that ran out unnoticed: whoever still works under it must stop.
            if let Some(old) = lock(holding).insert(claim.cluster, held) {
                old.lost.cancel();
            }
            let (engine, holding) = (self.clone(), Arc::clone(holding));
            let span = info_span!("reconcile", cluster.id = %claim.cluster, fence = claim.fence);
            let working = self.metrics.engine().work();
            let task = async move {
                let _working = working;
                // A panic must not keep the lease alive: the cluster goes to another worker when it runs out.
                let work = AssertUnwindSafe(reconcile(&engine, &claim, &lost))
                    .catch_unwind()
                    .await;
                if work.is_err() {
                    error!("reconciling panicked; going on when the lease has run out");
                }
                let mut holding = lock(&holding);
                // The same cluster may have been claimed anew with a higher fence already.
                if holding
                    .get(&claim.cluster)
                    .is_some_and(|held| held.claim.fence == claim.fence)
                {
                    holding.remove(&claim.cluster);
                }
            };
            tasks.spawn(task.instrument(span));
        }
        Ok(())
    }

    /// Until the next work is due, at most the poll interval.
    async fn pause(&self, running: usize) -> Duration {
        let longest = self.options.poll_interval;
        if running >= self.options.workers {
            return longest;
        }
        let now = self.clock.now();
        match self.store.engine().next_due(now).await {
            Ok(Some(at)) => at.since(now).clamp(Duration::from_millis(5), longest),
            _ => longest,
        }
    }

    async fn keep_leases(&self, holding: &Holding, drained: &CancellationToken) {
        let mut beat = tokio::time::interval(self.options.lease / 6);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = drained.cancelled() => return,
                _ = beat.tick() => self.renew(holding).await,
            }
        }
    }

    async fn renew(&self, holding: &Holding) {
        let claims: Vec<Claim> = lock(holding).values().map(|held| held.claim.clone()).collect();
        if claims.is_empty() {
            return;
        }
        let begun = Instant::now();
        let until = self.clock.now().plus(self.options.lease);
        let store = self.store.engine();
        let renewal = store.renew(&self.options.owner, &claims, until);
        let kept = match tokio::time::timeout(self.options.lease / 3, renewal).await {
            Ok(Ok(kept)) => Some(kept),
            Ok(Err(error)) => {
                warn!(%error, cause = error.cause(), "cannot renew leases; trying again");
                self.metrics.engine().failed_database();
                None
            }
            Err(_) => {
                warn!("the database does not renew leases in time; trying again");
                self.metrics.engine().failed_database();
                None
            }
        };
        // A call that begins now must end before anybody else may take over.
        let last = self.options.lease - self.options.call_timeout;
        for held in lock(holding)
            .values_mut()
            .filter(|held| claims.contains(&held.claim))
        {
            let is_kept = kept.as_ref().map(|kept| kept.contains(&held.claim));
            if is_kept == Some(true) {
                held.renewed = begun;
            } else if is_kept == Some(false) || held.renewed.elapsed() > last {
                warn!(cluster.id = %held.claim.cluster, "lease lost");
                self.metrics.engine().lost_lease();
                held.lost.cancel();
            }
        }
    }

    pub(crate) fn cached_session(&self, cluster: ClusterId) -> Option<Session> {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&cluster)
            .cloned()
    }

    pub(crate) fn cache_session(&self, cluster: ClusterId, session: Option<Session>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        match session {
            Some(session) => drop(sessions.insert(cluster, session)),
            None => drop(sessions.remove(&cluster)),
        }
    }
}

fn lock(holding: &Holding) -> MutexGuard<'_, HashMap<ClusterId, Held>> {
    holding.lock().unwrap_or_else(PoisonError::into_inner)
}
