//! What the steps of one cluster share while it is worked on.

use std::collections::BTreeMap;
use std::sync::Arc;

use jeroboam_cloud::Session;
use jeroboam_driver::{Access, Ask, Authority, Certificates, Driver, Key, KeyPair, Made};
use jeroboam_plan::Ledger;
use jeroboam_store::{Claim, GoalKind, LedgerChange, StoreError, Work};
use jeroboam_types::{Cluster, Millis, TrustStage};
use tokio::sync::{Mutex, OnceCell};

use crate::authorities::Authorities;
use crate::fault::StepError;
use crate::identity;
use crate::relay;
use crate::stopwatch::Stopwatch;
use crate::worker::Engine;

/// Shared by the steps of one claim.
pub(crate) struct Context<'a> {
    pub engine: &'a Engine,
    pub claim: &'a Claim,
    pub cluster: Cluster,
    /// What is asked; `None` when it cannot be known any more, which only a deletion survives.
    pub ask: Option<Arc<Ask>>,
    pub driver: Option<Arc<dyn Driver>>,
    /// True when nothing of the cluster should be left.
    pub is_deletion: bool,
    pub request_id: String,
    /// How often the password of the cluster's identity was to be changed.
    pub credential: i64,
    pub watch: &'a Stopwatch,
    authorities: Mutex<BTreeMap<TrustStage, Arc<Authorities>>>,
    client: OnceCell<KeyPair>,
    repaired: OnceCell<()>,
    /// Held by whoever sets the password of the identity.
    pub password: Mutex<()>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(engine: &'a Engine, claim: &'a Claim, work: &Work, watch: &'a Stopwatch) -> Self {
        let ask = work.ask.clone().map(Arc::new);
        let driver = ask.as_ref().and_then(|ask| find_driver(engine, ask));
        Self {
            engine,
            claim,
            cluster: work.cluster.clone(),
            ask,
            driver,
            is_deletion: work.goal == GoalKind::Absent,
            request_id: work.request_id.clone(),
            credential: work.credential,
            watch,
            authorities: Mutex::default(),
            client: OnceCell::new(),
            repaired: OnceCell::new(),
            password: Mutex::new(()),
        }
    }

    pub(crate) fn now(&self) -> Millis {
        self.engine.clock.now()
    }

    /// The wish, for steps that only a wish can lead to.
    pub(crate) fn ask(&self) -> Result<&Arc<Ask>, StepError> {
        self.ask
            .as_ref()
            .ok_or_else(|| StepError::Ours("the cluster template is gone or cannot be read".to_owned()))
    }

    /// The driver of the cluster.
    pub(crate) fn driver(&self) -> Result<&Arc<dyn Driver>, StepError> {
        self.driver
            .as_ref()
            .ok_or_else(|| StepError::Ours("no driver of this service builds it".to_owned()))
    }

    /// Writes ledger changes under the claim; gives the generation that is asked for now.
    pub(crate) async fn write(&self, changes: &[LedgerChange]) -> Result<i64, StoreError> {
        self.engine.store.engine().write(self.claim, changes).await
    }

    /// Session of the cluster's identity in the tenant's project.
    pub(crate) async fn session(&self) -> Result<Session, StepError> {
        let session = match self.engine.cached_session(self.cluster.uuid) {
            Some(session) => session,
            None => {
                let session = identity::session(self).await?;
                self.engine
                    .cache_session(self.cluster.uuid, Some(session.clone()));
                session
            }
        };
        Ok(session.with_request_id(&self.request_id))
    }

    /// Mends the cluster's identity, once for each claim.
    pub(crate) async fn repair_identity(&self) -> Result<(), StoreError> {
        self.repaired
            .get_or_try_init(|| identity::repair(self))
            .await
            .copied()
    }

    /// The cluster's certificate authorities of a stage, opened once.
    pub(crate) async fn authorities(&self, stage: TrustStage) -> Result<Arc<Authorities>, StepError> {
        let mut opened = self.authorities.lock().await;
        if let Some(known) = opened.get(&stage) {
            return Ok(Arc::clone(known));
        }
        let loaded = Authorities::load(self.engine, self.cluster.uuid, stage).await?;
        let loaded = Arc::new(loaded);
        opened.insert(stage, Arc::clone(&loaded));
        Ok(loaded)
    }

    /// How to speak with the COE, once its address is known.
    pub(crate) async fn access(&self, made: &Made) -> Result<Option<Access>, StepError> {
        let Some(address) = self.driver()?.api_address(self.ask()?, made) else {
            return Ok(None);
        };
        // Every master takes what signs in this stage, and shows what is trusted in it.
        let authorities = self.authorities(self.ask()?.trust()).await?;
        let client = self
            .client
            .get_or_try_init(|| async { authorities.client() })
            .await?;
        let authority = authorities.authority(Authority::Cluster)?;
        let asked = (self.driver()?.as_ref(), self.ask()?.as_ref());
        let access = relay::access(self.engine, asked, address, authority, client.clone());
        Ok(Some(access))
    }
}

pub(crate) fn find_driver(engine: &Engine, ask: &Ask) -> Option<Arc<dyn Driver>> {
    let template = &ask.template;
    let named = template
        .driver
        .as_deref()
        .and_then(|name| engine.drivers.named(name));
    named
        .or_else(|| {
            let distro = template.cluster_distro.as_deref().unwrap_or_default();
            engine
                .drivers
                .providing(template.server_type, distro, template.coe)
        })
        .cloned()
}

/// Key of the identity that the engine works as.
pub(crate) fn identity_key() -> Key {
    Key::new("identity", "main")
}

/// Key of a generation of the certificate authorities.
pub(crate) fn certificates_key(generation: u32) -> Key {
    match generation {
        0 => Key::new("certificates", "main"),
        later => Key::new("certificates", later),
    }
}

/// Key of what prepares the stage of a rotation that follows one.
pub(crate) fn trust_key(stage: TrustStage) -> Key {
    Key::new("trust", stage.0)
}

/// Key of the password of the identity after so many rotations.
pub(crate) fn credential_key(rotations: i64) -> Key {
    Key::new("credential", rotations)
}

/// Id of the identity, if it is known to exist.
pub(crate) fn identity_id(ledger: &Ledger) -> Option<&str> {
    ledger.get(&identity_key())?.id.as_deref()
}
