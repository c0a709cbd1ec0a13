//! `/metrics` on an address of its own, for Prometheus.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jeroboam_api::{Listener, Server};
use jeroboam_engine::{Clock, SystemClock};
use jeroboam_metrics::{MEDIA_TYPE, Metrics, StoreState};
use jeroboam_store::{Store, StoreError};
use jeroboam_types::{HealthStatus, Millis};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The database is looked at for a scrape at most so often, however many scrape.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Longest look at the database: a scrape without it is better than none.
const LOOK_LIMIT: Duration = Duration::from_secs(3);
/// How long scrapes may take at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// Opens the address of `[metrics] listen`.
pub async fn bind(address: Option<&str>) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address} for [metrics]"))?;
    Ok(Some(listener))
}

struct Source {
    metrics: Metrics,
    store: Store,
    max_connections: u32,
    looked: Mutex<Option<Instant>>,
}

/// Serves until the shutdown; does nothing without a listener.
pub async fn serve(
    listener: Option<TcpListener>,
    metrics: Metrics,
    store: Store,
    max_connections: u32,
    shutdown: CancellationToken,
) {
    let Some(listener) = listener else { return };
    let source = Arc::new(Source {
        metrics,
        store,
        max_connections,
        looked: Mutex::default(),
    });
    let router = Router::new().route("/metrics", get(answer)).with_state(source);
    let server = Server {
        listeners: vec![Listener::tcp(listener, None)],
        drain: Some(DRAIN),
        metrics: None,
    };
    server.run(router, shutdown).await;
}

async fn answer(State(source): State<Arc<Source>>) -> Response {
    source.look().await;
    ([(CONTENT_TYPE, MEDIA_TYPE)], source.metrics.text()).into_response()
}

impl Source {
    /// Looks at the database. While it does not answer, what was seen last stands.
    async fn look(&self) {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < LOOK_INTERVAL) {
            return;
        }
        *looked = Some(Instant::now());
        match tokio::time::timeout(LOOK_LIMIT, self.state()).await {
            Ok(Ok(state)) => self.metrics.store().set(&state),
            Ok(Err(error)) => warn!(%error, cause = error.cause(), "cannot count what the database holds"),
            Err(_) => warn!("the database does not answer in time to be counted"),
        }
    }

    async fn state(&self) -> Result<StoreState, StoreError> {
        let now = SystemClock.now();
        let backlog = self.store.engine().backlog(now).await?;
        let clusters = self.store.clusters().by_status().await?;
        let health = self.store.health().count().await?;
        let oldest = self.store.engine().oldest().await?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of dates stay far below 2^52"
        )]
        let seconds = |made: Option<Millis>| made.map_or(0.0, |made| made.0 as f64 / 1_000.0);
        let (connections, idle_connections) = self.store.connections();
        Ok(StoreState {
            connections,
            idle_connections,
            max_connections: self.max_connections,
            work_due: backlog.due,
            work_held: backlog.held,
            lag: backlog
                .oldest_due
                .map(|oldest| now.since(oldest))
                .unwrap_or_default(),
            clusters: clusters
                .into_iter()
                .map(|(status, count)| (status.as_str(), count))
                .collect(),
            health: health
                .into_iter()
                .map(|(health, count)| (health.map_or("none", HealthStatus::as_str), count))
                .collect(),
            certificates: vec![
                ("authorities", seconds(oldest.authorities)),
                ("kubernetes-masters", seconds(oldest.masters)),
            ],
        })
    }
}
