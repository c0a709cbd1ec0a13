//! The loop: takes due clusters by lease, keeps the leases by heartbeat, and owns every task it starts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jeroboam_cloud::{Connector, Session};
use jeroboam_driver::Drivers;
use jeroboam_pki::Keyring;
use jeroboam_store::{Claim, Store};
use jeroboam_types::{ClusterId, Millis};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use crate::clock::Clock;
use crate::options::{Options, OptionsError};
use crate::reconcile::reconcile;

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
    /// Sessions of the identities, so that a cluster authenticates once and not for each look.
    pub(crate) sessions: Arc<Mutex<HashMap<ClusterId, Session>>>,
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
    /// Cancelled when the lease is lost: whoever works on the cluster must stop.
    lost: CancellationToken,
}

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
            sessions,
        })
    }

    /// Works until `shutdown`; then finishes the steps under way, gives the leases back and returns.
    /// `wake` tells that something may be due; due work is found without it too, a little later.
    pub async fn run(&self, wake: Arc<Notify>, shutdown: CancellationToken) {
        let mut tasks: JoinSet<Claim> = JoinSet::new();
        let mut held: HashMap<ClusterId, Held> = HashMap::new();
        let mut heartbeat = tokio::time::interval(self.options.lease / 6);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            self.claim(&mut tasks, &mut held, &shutdown).await;
            let pause = self.pause(tasks.len()).await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(done) = tasks.join_next() => finish(&mut held, done),
                _ = heartbeat.tick() => self.renew(&mut held).await,
            }
        }
        info!(
            clusters = tasks.len(),
            "engine stops: finishing the steps under way"
        );
        while let Some(done) = tasks.join_next().await {
            finish(&mut held, done);
        }
    }

    async fn claim(
        &self,
        tasks: &mut JoinSet<Claim>,
        held: &mut HashMap<ClusterId, Held>,
        shutdown: &CancellationToken,
    ) {
        let free = self.options.workers.saturating_sub(tasks.len());
        if free == 0 {
            return;
        }
        let now = self.clock.now();
        let claims = self
            .store
            .engine()
            .claim_due(
                &self.options.owner,
                now,
                now.plus(self.options.lease),
                free as u64,
            )
            .await
            .unwrap_or_else(|error| {
                warn!(%error, "cannot look for due work; trying again");
                Vec::new()
            });
        for claim in claims {
            let lost = shutdown.child_token();
            held.insert(
                claim.cluster,
                Held {
                    claim: claim.clone(),
                    lost: lost.clone(),
                },
            );
            let engine = self.clone();
            let span = info_span!("reconcile", cluster.id = %claim.cluster, fence = claim.fence);
            tasks.spawn(
                async move {
                    reconcile(&engine, &claim, &lost).await;
                    claim
                }
                .instrument(span),
            );
        }
    }

    /// Until the next work is due, at most the poll interval.
    async fn pause(&self, running: usize) -> Duration {
        let longest = self.options.poll_interval;
        if running >= self.options.workers {
            return longest;
        }
        let now = self.clock.now();
        match self.store.engine().next_due(now).await {
            Ok(Some(at)) => Millis(at.0).since(now).clamp(Duration::from_millis(5), longest),
            _ => longest,
        }
    }

    async fn renew(&self, held: &mut HashMap<ClusterId, Held>) {
        if held.is_empty() {
            return;
        }
        let claims: Vec<Claim> = held.values().map(|held| held.claim.clone()).collect();
        let until = self.clock.now().plus(self.options.lease);
        match self
            .store
            .engine()
            .renew(&self.options.owner, &claims, until)
            .await
        {
            Ok(kept) => {
                for (cluster, held) in held.iter() {
                    if !kept.iter().any(|claim| claim.cluster == *cluster) {
                        warn!(cluster.id = %cluster, "lease lost: another process has taken over");
                        held.lost.cancel();
                    }
                }
            }
            Err(error) => warn!(%error, "cannot renew leases; trying again"),
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

fn finish(held: &mut HashMap<ClusterId, Held>, done: Result<Claim, tokio::task::JoinError>) {
    match done {
        Ok(claim) => {
            // The same cluster may have been claimed anew with a higher fence already.
            if held
                .get(&claim.cluster)
                .is_some_and(|held| held.claim.fence == claim.fence)
            {
                held.remove(&claim.cluster);
            }
        }
        Err(error) => warn!(%error, "a reconcile task died; its lease runs out and another one goes on"),
    }
}
