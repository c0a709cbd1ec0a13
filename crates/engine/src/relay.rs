//! Calls to the APIs of private clusters. This service has no way there, so it writes down what it would call; the
//! control plane asks for that at the endpoint of nodes, calls its own API, and brings the answer.
//!
//! Calls are in the database, sealed, because the control plane may ask another process. One that nobody answers in time
//! fails as if the network had lost it, and so does one whose process dies: who called tries again, or finds what was
//! done. See `docs/adr/0018-private-clusters.md`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_driver::{Access, ApiAnswer, ApiCall, Ask, Driver, KeyPair, Relay};
use jeroboam_metrics::Metrics;
use jeroboam_pki::{Keyring, SealError, common_name, is_client_of};
use jeroboam_store::{ApiCallState, Store, StoreError};
use jeroboam_types::{ClusterId, Millis};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::authorities;
use crate::bootstrap::BootstrapError;
use crate::clock::Clock;
use crate::context::find_driver;
use crate::fault::StepError;
use crate::worker::Engine;

/// How long an answer is waited for: masters wait 8 seconds for their APIs, and make one call after the other.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long a control plane waits for a call before it asks anew.
const LONG_POLL: Duration = Duration::from_secs(10);

/// How often the database is looked at: once for all that wait in this process.
const LOOK: Duration = Duration::from_millis(200);

/// Age from which nobody waits for a call.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The name of the certificate by which an API server speaks with kubelets. Every control plane of kubeadm has one, and
/// renews it.
const COMMON_NAME: &str = "kube-apiserver-kubelet-client";

/// How to speak with a COE: its address, and whom to trust and to be.
pub(crate) fn access(
    engine: &Engine,
    (driver, ask): (&dyn Driver, &Ask),
    address: String,
    authority: String,
    client: KeyPair,
) -> Access {
    let relay = driver.is_private(ask).then(|| -> Arc<dyn Relay> {
        Arc::new(ControlPlane {
            cluster: ask.cluster.uuid,
            store: engine.store.clone(),
            keyring: Arc::clone(&engine.keyring),
            clock: Arc::clone(&engine.clock),
            metrics: engine.metrics.clone(),
        })
    });
    Access {
        address,
        authority: Some(authority),
        client: Some(client),
        relay,
    }
}

/// The control plane of a private cluster, which comes for its calls.
struct ControlPlane {
    cluster: ClusterId,
    store: Store,
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ControlPlane({})", self.cluster)
    }
}

/// Why there is no answer; the text is for the tenant.
#[derive(Debug, Error)]
enum Unanswered {
    #[error("no master of this private cluster asks for its calls")]
    Untaken,
    #[error("timed out on a master of this private cluster")]
    TimedOut,
    #[error("not to its own machine either")]
    Silent,
    #[error("this service cannot write down its calls")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Seal(#[from] SealError),
    #[error("the call was forgotten")]
    Forgotten,
}

impl Unanswered {
    fn word(&self) -> &'static str {
        match self {
            Self::Untaken => "untaken",
            Self::TimedOut => "timeout",
            Self::Silent => "silent",
            Self::Store(_) | Self::Seal(_) | Self::Forgotten => "failed",
        }
    }
}

#[async_trait]
impl Relay for ControlPlane {
    async fn carry(&self, call: &ApiCall) -> Result<ApiAnswer, String> {
        let begun = Instant::now();
        let id = Uuid::new_v4();
        let answer = self.ask(id, call).await;
        // What cannot be removed now goes with a later call.
        let _ = self.store.engine().drop_api_call(id).await;
        let word = answer.as_ref().err().map_or("answered", Unanswered::word);
        self.metrics.relay().ended(word, begun.elapsed());
        answer.map_err(|cause| cause.to_string())
    }
}

impl ControlPlane {
    async fn ask(&self, id: Uuid, call: &ApiCall) -> Result<ApiAnswer, Unanswered> {
        let place = |what| place(self.cluster, id, what);
        let sealed = self
            .keyring
            .seal(&place("call"), written(call).expose_secret().as_bytes())?;
        let now = self.clock.now();
        let store = self.store.engine();
        store
            .put_api_call(self.cluster, id, sealed, now, before(now))
            .await?;
        let answer = self.answer(id).await?;
        let opened = self.keyring.open_sealed(&place("answer"), &answer)?;
        read(opened.expose_secret()).ok_or(Unanswered::Silent)
    }

    /// Waits for the answer to a call.
    async fn answer(&self, id: Uuid) -> Result<String, Unanswered> {
        let asked = Instant::now();
        loop {
            tokio::time::sleep(LOOK / 2).await;
            match self.store.engine().api_call_state(id).await? {
                ApiCallState::Answered(answer) => return Ok(answer),
                ApiCallState::Gone => return Err(Unanswered::Forgotten),
                _ if asked.elapsed() < PATIENCE => {}
                ApiCallState::Untaken => return Err(Unanswered::Untaken),
                ApiCallState::Taken => return Err(Unanswered::TimedOut),
            }
        }
    }
}

/// A call as the control plane reads it: method, path and media type in a line, and then the body.
fn written(call: &ApiCall) -> SecretString {
    let ApiCall {
        method,
        path,
        media,
        body,
    } = call;
    format!("{method} {path} {media}\n{}", body.expose_secret()).into()
}

/// An answer as it is kept: two bytes of the status, and then the body. `None` without a status.
fn read(kept: &[u8]) -> Option<ApiAnswer> {
    let (status, body) = kept.split_first_chunk()?;
    let status = u16::from_be_bytes(*status);
    (status != 0).then(|| ApiAnswer {
        status,
        body: body.to_vec(),
    })
}

/// Binds what is sealed to its call.
fn place(cluster: ClusterId, id: Uuid, what: &str) -> String {
    format!("api_call/{cluster}/{id}/{what}")
}

fn before(now: Millis) -> Millis {
    Millis(now.0 - i64::try_from(FORGOTTEN.as_millis()).unwrap_or(0))
}

/// Clusters whose calls nobody has taken yet, as they were a moment ago.
#[derive(Default)]
pub(crate) struct Untaken(Mutex<Option<(Instant, BTreeSet<ClusterId>)>>);

impl Untaken {
    /// Looks at the database if nobody has within the moment: it is asked at the same rate however many wait.
    async fn has(&self, engine: &Engine, cluster: ClusterId) -> Result<bool, BootstrapError> {
        let mut seen = self.0.lock().await;
        if let Some((at, clusters)) = &*seen
            && at.elapsed() < LOOK
        {
            return Ok(clusters.contains(&cluster));
        }
        let since = before(engine.clock.now());
        let clusters = engine.store.engine().clusters_with_api_calls(since).await?;
        let found = clusters.contains(&cluster);
        *seen = Some((Instant::now(), clusters));
        Ok(found)
    }
}

impl Engine {
    /// True when a certificate (DER), whose key the other end has, is that of a control plane of a private cluster.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_control_plane(
        &self,
        cluster: ClusterId,
        certificate: &[u8],
    ) -> Result<bool, BootstrapError> {
        if common_name(certificate).as_deref() != Some(COMMON_NAME) {
            return Ok(false);
        }
        let work = self.store.engine().look_at(cluster).await?;
        let Some(ask) = work.and_then(|work| work.ask) else {
            return Ok(false);
        };
        if !find_driver(self, &ask).is_some_and(|driver| driver.is_private(&ask)) {
            return Ok(false);
        }
        let trusted = match authorities::trusted_certificates(self, cluster, ask.trust()).await {
            Ok(trusted) => trusted,
            Err(StepError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(BootstrapError::Made(error.to_string())),
        };
        Ok(is_client_of(certificate, &trusted, self.clock.now().0 / 1_000))
    }

    /// The next call of a private cluster, which is waited for a while: its id, and then what the control plane reads.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_api_call(
        &self,
        cluster: ClusterId,
    ) -> Result<Option<(Uuid, SecretString)>, BootstrapError> {
        let until = Instant::now() + LONG_POLL;
        loop {
            let now = self.clock.now();
            if self.untaken.has(self, cluster).await?
                && let Some((id, sealed)) = self
                    .store
                    .engine()
                    .take_api_call(cluster, before(now), now)
                    .await?
            {
                let opened = self.keyring.open_text(&place(cluster, id, "call"), &sealed);
                let opened = opened.map_err(|error| BootstrapError::Made(error.to_string()))?;
                return Ok(Some((id, opened)));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Brings the answer to a call: its status, zero if the API did not answer, and its body. False when nobody waits
    /// for it any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn answer_api_call(
        &self,
        cluster: ClusterId,
        id: Uuid,
        status: u16,
        body: &[u8],
    ) -> Result<bool, BootstrapError> {
        let kept = [&status.to_be_bytes(), body].concat();
        let sealed = self.keyring.seal(&place(cluster, id, "answer"), &kept);
        let sealed = sealed.map_err(|error| BootstrapError::Made(error.to_string()))?;
        Ok(self.store.engine().answer_api_call(cluster, id, sealed).await?)
    }
}
