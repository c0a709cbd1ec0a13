//! The container infrastructure API: Magnum's REST interface over the store.
//!
//! Owns routing, microversions, authentication, policy, typing of requests and rendering of answers. It writes
//! only what is asked and never changes anything in a cloud: its calls to other services look things up with
//! the caller's own token. Invariants: every answer has a request id, every refusal has Magnum's error format,
//! and nothing about the inside of the service is ever part of a body.

mod access_log;
mod auth;
mod autoscaler;
mod bootstrap;
mod caller;
mod context;
mod cors;
mod error;
mod etag;
mod filters;
#[doc(hidden)]
pub mod fuzzing;
mod handlers;
mod hex;
mod idempotency;
mod microversion;
mod negotiate;
mod openapi;
mod operations;
mod paging;
mod path;
mod pipeline;
mod policy;
mod query;
mod relay;
mod request_id;
mod routes;
mod server;
mod sessions;
mod settings;
mod validate;
mod wire;

use std::sync::Arc;

use axum::Router;
use jeroboam_cloud::{Connector, Session};
use jeroboam_config::Config;
use jeroboam_driver::Drivers;
use jeroboam_metrics::Metrics;
use jeroboam_pki::Keyring;
use jeroboam_store::Store;
use jeroboam_types::Millis;
use tokio::sync::Notify;

pub use access_log::TARGET as ACCESS_LOG;
pub use autoscaler::{Autoscalers, FlavorSize, autoscaler_router};
pub use bootstrap::{NodeSecrets, bootstrap_router};
pub use idempotency::KEPT_FOR as ANSWERS_KEPT_FOR;
pub use policy::rulebook::PolicyFiles;
pub use relay::{ApiCalls, relay_router};
pub use server::{Listener, LowestTls, Server, Tls, TlsError, serve};

/// What the API works with.
#[derive(Clone)]
pub struct App {
    /// Where everything is kept.
    pub store: Store,
    /// Opens sessions with the tokens of callers.
    pub connector: Connector,
    /// The service's own session: it validates tokens.
    pub service: Session,
    /// Every driver; which of them are offered for new clusters is up to the options.
    pub drivers: Drivers,
    /// Opens the keys of certificate authorities.
    pub keyring: Arc<Keyring>,
    /// Options.
    pub config: Arc<Config>,
    /// Told after each accepted change, so that an engine of the same process begins at once.
    pub wake: Arc<Notify>,
    /// The present moment.
    pub clock: fn() -> Millis,
}

/// Checks what the API would find out too late: policy files that cannot be used, and options of the servers that
/// rules ask.
///
/// # Errors
/// What is wrong, with file and line.
pub fn check_policy(config: &Config) -> Result<(), PolicyError> {
    PolicyFiles::new(config).read()?;
    policy::servers::Servers::new(config)?;
    Ok(())
}

/// What is wrong with the policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] jeroboam_policy::FileError),
    /// Servers cannot be asked.
    #[error(transparent)]
    Servers(#[from] policy::servers::ServersError),
}

/// The API as a service. It has a single entrance: paths are taken apart by a table of its own, since Magnum's
/// rules for them (optional `v1`, stray slashes, missing arguments) do not fit a tree of patterns.
pub fn router(app: App) -> Router {
    router_with(app, Metrics::default())
}

/// The same, counting in the metrics of the process.
pub fn router_with(app: App, metrics: Metrics) -> Router {
    let site = Arc::new(context::Site::new(app, metrics));
    Router::new().fallback(pipeline::answer).with_state(site)
}
