//! What handlers work with: the site, shared by all requests, and the context of one request.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use jeroboam_cloud::Session;
use jeroboam_config::Config;
use jeroboam_driver::Drivers;
use jeroboam_metrics::Metrics;
use jeroboam_store::Store;
use jeroboam_types::Millis;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::App;
use crate::auth::Tokens;
use crate::caller::Caller;
use crate::error::ApiResult;
use crate::microversion::Version;
use crate::negotiate::{self, BodyKind};
use crate::path::Path;
use crate::policy::rulebook::{PolicyFiles, Rulebook};
use crate::policy::servers::Servers;
use crate::query::Query;
use crate::request_id::RequestIds;
use crate::server::Peer;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::validate::memory::Memory;

/// What all requests share.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) settings: Settings,
    pub(crate) tokens: Tokens,
    pub(crate) rulebook: Rulebook,
    pub(crate) policy_servers: Arc<Servers>,
    pub(crate) sessions: Sessions,
    pub(crate) memory: Memory,
    /// Lists that may be made at a time. Each holds all its rows, so this bounds the memory that many of them take, and
    /// leaves a connection to the database to short requests.
    pub(crate) lists: Semaphore,
    /// Those that new clusters may be made with.
    pub(crate) drivers: Drivers,
    pub(crate) metrics: Metrics,
}

impl Site {
    pub(crate) fn new(app: App, metrics: Metrics) -> Self {
        let settings = Settings::new(&app.config);
        let tokens = Tokens::new(
            app.service.clone(),
            settings.token_cache_for,
            settings.keystone_uri.clone(),
            &app.config.keystone_authtoken,
            app.clock,
            metrics.clone(),
        );
        let options = &app.config.drivers;
        let connections =
            usize::try_from(app.config.database.max_pool_size).unwrap_or(Semaphore::MAX_PERMITS);
        let rulebook = Rulebook::new(PolicyFiles::new(&app.config), (app.clock)());
        let policy_servers = Servers::new(&app.config).unwrap_or_else(|error| {
            tracing::error!(%error, "rules that ask a server refuse everything");
            Servers::default()
        });
        let policy_servers = Arc::new(policy_servers);
        Self {
            memory: Memory::new(app.config.api.lookups_kept),
            lists: Semaphore::new(connections.saturating_sub(1).clamp(1, Semaphore::MAX_PERMITS)),
            drivers: app
                .drivers
                .offered(&options.disabled_drivers, &options.enabled_beta_drivers),
            app,
            settings,
            tokens,
            metrics,
            rulebook,
            policy_servers,
            sessions: Sessions::default(),
        }
    }
}

/// On whose word changes are written: a request of a caller, or a cluster's autoscaler.
pub(crate) trait Desk {
    /// What the API works with.
    fn app(&self) -> &App;

    /// Ids of the request.
    fn ids(&self) -> &RequestIds;

    /// The present moment.
    fn now(&self) -> Millis {
        (self.app().clock)()
    }
}

impl Desk for Context {
    fn app(&self) -> &App {
        &self.site.app
    }

    fn ids(&self) -> &RequestIds {
        &self.ids
    }
}

/// One request of a known caller.
pub(crate) struct Context {
    pub(crate) site: Arc<Site>,
    pub(crate) caller: Caller,
    pub(crate) version: Version,
    /// Scheme, host and mount prefix, without a slash at the end.
    pub(crate) base: String,
    pub(crate) query: Query,
    pub(crate) ids: RequestIds,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Context {
    pub(crate) fn store(&self) -> &Store {
        &self.site.app.store
    }

    /// Waits until it is this list's turn, which lasts until the answer is made.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.site.lists.acquire().await.ok()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.site.app.config
    }

    pub(crate) fn now(&self) -> Millis {
        (self.site.app.clock)()
    }

    /// A session with the caller's own token.
    pub(crate) fn session(&self) -> Session {
        self.site
            .sessions
            .of(&self.site.app.connector, &self.caller.token, self.now())
            .with_request_id(self.ids.outbound())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 400 and 415, see [`negotiate::read_json`].
    pub(crate) fn json(&self, argument: &str, kind: BodyKind) -> ApiResult<Value> {
        negotiate::read_json(&self.headers, &self.body, argument, kind)
    }
}

/// A moment as the tables keep it.
pub(crate) fn date_time(moment: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(moment.0).unwrap_or_default()
}

/// An answer with a body.
pub(crate) fn reply(status: StatusCode, body: impl Serialize) -> Response {
    (status, Json(body)).into_response()
}

/// Where clients reach the API: scheme, host and prefix of the request, as the proxy in front tells them if it
/// is to be believed.
pub(crate) fn base_url(parts: &Parts, path: &Path, believe_proxy: bool) -> String {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let first = |text: &str| text.split(',').next().unwrap_or_default().trim().to_owned();
    let is_secure = parts.extensions.get::<Peer>().is_some_and(|peer| peer.is_secure);
    let own = if is_secure { "https" } else { "http" };
    let mut scheme = parts.uri.scheme_str().unwrap_or(own).to_owned();
    let mut host = header("host")
        .or_else(|| parts.uri.authority().map(|host| host.as_str()))
        .map(first);
    let mut prefix = path.mount.clone();
    if believe_proxy {
        if let Some(forwarded) = header("forwarded").map(first) {
            for pair in forwarded.split(';') {
                let (name, value) = pair.trim().split_once('=').unwrap_or_default();
                let value = value.trim_matches('"').to_owned();
                match name.to_ascii_lowercase().as_str() {
                    "proto" => scheme = value,
                    "host" => host = Some(value),
                    _ => {}
                }
            }
        } else {
            scheme = header("x-forwarded-proto").map_or(scheme, first);
            host = header("x-forwarded-host").map(first).or(host);
        }
        if let Some(forwarded) = header("x-forwarded-prefix").map(first) {
            prefix = format!("{}{prefix}", forwarded.trim_end_matches('/'));
        }
    }
    format!("{scheme}://{}{prefix}", host.as_deref().unwrap_or("localhost"))
}
