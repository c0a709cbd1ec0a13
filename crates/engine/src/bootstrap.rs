//! Secrets that a node fetches at its first boot, by a token that only its user-data has.
//!
//! A token is drawn for each call that may make a server, is good for that node alone, for a while, and until the
//! node says that it has everything. What it is given is made when asked for and kept nowhere. All that can be wrong
//! with a token looks the same from outside.

use std::time::Duration;

use jeroboam_driver::{Bootstrap, DriverError, Key, NodeAsk};
use jeroboam_pki::Token;
use jeroboam_plan::{Phase, ledger};
use jeroboam_store::{GoalKind, NodeToken, StoreError};
use secrecy::SecretString;
use thiserror::Error;
use tracing::info;

use crate::authorities::Authorities;
use crate::context::{Context, find_driver};
use crate::fault::StepError;
use crate::worker::Engine;

/// How long a token is good after its first use: an answer may get lost on its way.
const SECOND_TRY: Duration = Duration::from_secs(300);

/// Where nodes reach this service.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `https://host:port`
    pub url: String,
    /// Certificates that nodes trust there, PEM.
    pub authority: String,
    /// How long a token is good.
    pub token_life: Duration,
}

/// Why a node gets nothing, though its token is good.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// The database.
    #[error("the database refused")]
    Store(#[from] StoreError),
    /// What the node is to get cannot be made.
    #[error("cannot make a node's secrets: {0}")]
    Made(String),
}

impl From<DriverError> for BootstrapError {
    fn from(error: DriverError) -> Self {
        Self::Made(error.to_string())
    }
}

/// What the user-data of a server gets, if its node fetches its secrets.
pub(crate) async fn grant(context: &Context<'_>, server: &Key) -> Result<Option<Bootstrap>, StepError> {
    let Some(endpoint) = &context.engine.options.bootstrap else {
        return Ok(None);
    };
    if !context.driver()?.fetches_secrets(context.ask()?) {
        return Ok(None);
    }
    let token = Token::draw().map_err(|error| StepError::Ours(error.to_string()))?;
    let row = NodeToken {
        id: token.id,
        cluster: context.cluster.uuid,
        server: server.clone(),
        digest: token.digest,
        expires: context.now().plus(endpoint.token_life),
        taken: None,
    };
    // Known before the server can be: one that exists after a crash must be let in.
    let store = context.engine.store.engine();
    store.put_node_token(context.claim, &row).await?;
    Ok(Some(Bootstrap {
        url: endpoint.url.clone(),
        authority: endpoint.authority.clone(),
        token: token.text,
    }))
}

impl Engine {
    /// What the bearer of a token gets; `None` when the token is none, or not any more.
    ///
    /// # Errors
    /// When the database does not answer, or the secrets cannot be made.
    pub async fn node_secrets(&self, token: &str) -> Result<Option<SecretString>, BootstrapError> {
        let Some(token) = self.node_token(token).await? else {
            return Ok(None);
        };
        let store = self.store.engine();
        let Some(work) = store.look_at(token.cluster).await? else {
            return Ok(None);
        };
        let stands = |key: &Key| {
            let entry = work.ledger.get(key);
            entry.is_some_and(|entry| !matches!(entry.phase, Phase::Dropping | Phase::Failed))
        };
        let (GoalKind::Present, Some(ask), true) = (work.goal, &work.ask, stands(&token.server)) else {
            return Ok(None);
        };
        let driver = find_driver(self, ask)
            .ok_or_else(|| BootstrapError::Made("no driver of this service builds it".to_owned()))?;
        let group = work
            .ledger
            .get(&token.server)
            .and_then(|entry| entry.group.as_deref());
        let authorities = Authorities::load(self, token.cluster, ask.trust_of(group)).await;
        let authorities = authorities.map_err(|error| match error {
            StepError::Store(error) => BootstrapError::Store(error),
            other => BootstrapError::Made(other.fault(&token.server).message),
        })?;
        let made = ledger::made(&work.ledger);
        let node = NodeAsk {
            ask,
            server: &token.server,
            host_name: &ask.cloud_name(&token.server),
            made: &made,
            certificates: &authorities,
            bootstrap: None,
        };
        let secrets = driver.secrets(&node)?;
        // Before the answer: a window that begins too early is a window, one that never begins is none.
        store.take_node_token(&token.id, self.clock.now()).await?;
        info!(cluster.id = %token.cluster, resource = %token.server, "a node fetches its secrets");
        Ok(Some(secrets))
    }

    /// The bearer has everything: the token is void. False when it was already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn node_has_secrets(&self, token: &str) -> Result<bool, BootstrapError> {
        let Some(token) = self.node_token(token).await? else {
            return Ok(false);
        };
        self.store.engine().void_node_token(&token.id).await?;
        Ok(true)
    }

    /// A token that is good now.
    async fn node_token(&self, text: &str) -> Result<Option<NodeToken>, BootstrapError> {
        let Some((id, secret)) = Token::halves(text) else {
            return Ok(None);
        };
        let found = self.store.engine().find_node_token(id).await?;
        let now = self.clock.now();
        Ok(found.filter(|token| {
            let again = token.taken.is_none_or(|taken| now < taken.plus(SECOND_TRY));
            Token::is_of(secret, &token.digest) && now < token.expires && again
        }))
    }
}
