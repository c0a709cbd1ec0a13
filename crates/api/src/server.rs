//! Serving over sockets: deadlines against slow clients, a bound on connections, and a graceful end.

mod descriptors;
mod impatient;
mod listener;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jeroboam_metrics::Metrics;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use self::impatient::Impatient;
use self::listener::Accepted;
pub use self::listener::Listener;
pub(crate) use self::listener::Peer;
pub use self::tls::{LowestTls, Tls, TlsError};

/// Longest time that the head of a request may take to arrive; also how long an idle connection is kept.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);
/// Longest time that a client may take to read an answer, from when it has to wait for that.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// Largest head of a request.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Open connections at most, if there are descriptors for them; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 2048;
/// How long requests under way may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(20);
/// Pause after the listener failed, for instance because all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A listener that goes on failing is told of once in this time.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Serves on one socket without TLS: see [`Server`].
///
/// # Errors
/// When the listener has no address any more.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    listener.local_addr()?;
    let server = Server {
        listeners: vec![Listener::tcp(listener, None)],
        drain: Some(DRAIN),
        metrics: None,
    };
    server.run(router, shutdown).await;
    Ok(())
}

/// Where requests come in, and how long those under way may take at the end.
#[derive(Debug)]
pub struct Server {
    /// The sockets.
    pub listeners: Vec<Listener>,
    /// How long requests under way may take to end after the shutdown began; `None` for no limit.
    pub drain: Option<Duration>,
    /// Where connections are counted.
    pub metrics: Option<Metrics>,
}

impl Server {
    /// Serves until `shutdown` is cancelled, then lets the requests under way end. Raises the process's soft limit of
    /// open files to the hard one.
    pub async fn run(self, router: Router, shutdown: CancellationToken) {
        let places = descriptors::connections(descriptors::raise_limit(), MAX_CONNECTIONS);
        let places = Arc::new(Semaphore::new(places));
        let tasks = TaskTracker::new();
        let accepting = self
            .listeners
            .iter()
            .map(|listener| self.accept(listener, &router, &shutdown, &places, &tasks));
        futures_util::future::join_all(accepting).await;
        let Self { listeners, drain, .. } = self;
        drop(listeners);
        tasks.close();
        let drained = async {
            match drain {
                Some(limit) => tokio::time::timeout(limit, tasks.wait()).await.is_ok(),
                None => {
                    tasks.wait().await;
                    true
                }
            }
        };
        if !drained.await {
            tracing::warn!(
                connections = tasks.len(),
                "requests under way were cut off at the end"
            );
        }
    }

    /// Accepts connections until the shutdown begins.
    async fn accept(
        &self,
        listener: &Listener,
        router: &Router,
        shutdown: &CancellationToken,
        places: &Arc<Semaphore>,
        tasks: &TaskTracker,
    ) {
        let mut complaints = Complaints::default();
        loop {
            let accepted = async {
                let place = Arc::clone(places)
                    .acquire_owned()
                    .await
                    .map_err(io::Error::other)?;
                io::Result::Ok((place, listener.accept().await?))
            };
            let (place, accepted) = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = accepted => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        if let Some(failures) = complaints.add(Instant::now()) {
                            tracing::warn!(%error, failures, %listener, "could not accept connections");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let (router, shutdown) = (router.clone(), shutdown.clone());
            let open = self.metrics.as_ref().map(|metrics| metrics.http().connect());
            tasks.spawn(async move {
                serve_connection(accepted, router, shutdown).await;
                drop((place, open));
            });
        }
    }
}

/// Failures of the listener, which come in thousands.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    failures: u64,
}

impl Complaints {
    /// Counts a failure, and gives the number of those not told of when it is time to.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.failures += 1;
        let due = |last: Instant| now.saturating_duration_since(last) >= COMPLAINT_INTERVAL;
        if !self.last.is_none_or(due) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.failures))
    }
}

async fn serve_connection(accepted: Accepted, router: Router, shutdown: CancellationToken) {
    let prepared = tokio::select! {
        prepared = accepted.prepare() => prepared,
        () = shutdown.cancelled() => return,
    };
    let (stream, peer) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::debug!(%error, "a connection ended in its handshake");
            return;
        }
    };
    let stream = Impatient::new(stream, ANSWER_DEADLINE);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_listener_is_told_of_at_once_and_then_once_a_minute() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        let told: Vec<(u32, u64)> = (0..1500)
            .filter_map(|number| Some((number, complaints.add(start + ACCEPT_PAUSE * number)?)))
            .collect();
        assert_eq!(told, [(0, 1), (600, 600), (1200, 600)]);
    }
}
