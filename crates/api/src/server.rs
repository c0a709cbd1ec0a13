//! Serving over sockets: deadlines against slow clients, a bound on connections, and a graceful end.
//!
//! A place is free for the next connection as long as any connection only waits for a request.

mod descriptors;
mod impatient;
mod listener;
mod patience;
mod tls;
mod waiting;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use jeroboam_metrics::Metrics;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use self::impatient::Impatient;
use self::listener::Accepted;
pub use self::listener::Listener;
pub(crate) use self::listener::{ClientCertificate, Peer};
use self::patience::Patience;
pub use self::tls::{LowestTls, Tls, TlsError};
use self::waiting::{Turn, Waiting};

/// Longest time that the head of a request may take to arrive; also how long an idle connection is kept.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);
/// Longest time that a client may take to read an answer, from when it has to wait for that.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// Largest head of a request.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Requests at once on a connection by HTTP/2.
const MAX_STREAMS: u32 = 32;
/// Largest head of a request by HTTP/2.
const MAX_HEADER_LIST: u32 = 16 * 1024;
/// Open connections at most, if there are descriptors for them; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 2048;
/// How long a connection that is to make room may take to end, before the next one is to.
const DISMISSAL: Duration = Duration::from_millis(100);
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
        let places = Places::new(places, HEADER_DEADLINE);
        self.run_with(places, router, shutdown).await;
    }

    async fn run_with(self, places: Places, router: Router, shutdown: CancellationToken) {
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
        places: &Places,
        tasks: &TaskTracker,
    ) {
        let mut complaints = Complaints::default();
        loop {
            let accepted = async {
                let place = places.take().await?;
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
            let (turn, patience) = (Arc::new(places.waiting.enter(&shutdown)), places.patience);
            tasks.spawn(async move {
                serve_connection(accepted, turn, patience, router, shutdown).await;
                drop((place, open));
            });
        }
    }
}

/// Places for connections.
struct Places {
    free: Arc<Semaphore>,
    waiting: Waiting,
    /// How long a connection may wait for a request.
    patience: Duration,
}

impl Places {
    fn new(count: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            waiting: Waiting::default(),
            patience,
        }
    }

    /// The next free place. If there is none, connections that only wait are ended until there is.
    async fn take(&self) -> io::Result<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
                return Ok(place);
            }
            let next = Arc::clone(&self.free).acquire_owned();
            if !self.waiting.dismiss_longest() {
                // Those that work now may wait soon, without an end.
                let place = tokio::time::timeout(ACCEPT_PAUSE, next).await;
                if let Ok(place) = place {
                    return place.map_err(io::Error::other);
                }
                continue;
            }
            if let Ok(place) = tokio::time::timeout(DISMISSAL, next).await {
                return place.map_err(io::Error::other);
            }
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

async fn serve_connection(
    accepted: Accepted,
    turn: Arc<Turn>,
    patience: Duration,
    router: Router,
    shutdown: CancellationToken,
) {
    let prepared = tokio::select! {
        prepared = accepted.prepare() => prepared,
        () = turn.dismissed() => return,
    };
    let (stream, peer, certificate) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::debug!(%error, "a connection ended in its handshake");
            return;
        }
    };
    let is_http2 = stream.is_http2();
    let stream = Impatient::new(stream, ANSWER_DEADLINE);
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn(|mut request: Request<Incoming>| {
        turn.work();
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let (answer, turn) = (router.clone().call(request), Arc::clone(&turn));
        async move {
            let answer = answer.await;
            turn.wait();
            answer
        }
    });
    if is_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(Some(patience))
            .keep_alive_timeout(patience);
        drive(
            builder.serve_connection(TokioIo::new(stream), service),
            &turn,
            &asked,
            &shutdown,
        )
        .await;
    } else {
        let connection = http1::Builder::new()
            .timer(Patience::new(patience))
            .header_read_timeout(patience)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        drive(connection, &turn, &asked, &shutdown).await;
    }
}

/// A connection that can be asked to end when what is under way is answered.
trait Connection: Future<Output = hyper::Result<()>> {
    fn end(self: Pin<&mut Self>);
}

impl<I, S> Connection for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Connection for http2::Connection<I, S, TokioExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn drive(connection: impl Connection, turn: &Turn, asked: &AtomicBool, shutdown: &CancellationToken) {
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = turn.dismissed() => {
            // To make room: nothing was asked yet, nothing is lost.
            if !asked.load(Ordering::Relaxed) && !shutdown.is_cancelled() {
                return;
            }
            connection.as_mut().end();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// Asks on a connection and waits for the answer.
    async fn ask(stream: &mut TcpStream, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read(stream).await
    }

    async fn read(stream: &mut TcpStream) -> String {
        let mut bytes = vec![0; 1024];
        let patience = Duration::from_secs(5);
        let length = tokio::time::timeout(patience, stream.read(&mut bytes)).await;
        bytes.truncate(length.unwrap().unwrap());
        String::from_utf8(bytes).unwrap()
    }

    /// A server that answers `GET /` at once.
    async fn start(patience: Duration) -> (std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let server = Server {
            listeners: vec![Listener::tcp(listener, None)],
            drain: Some(DRAIN),
            metrics: None,
        };
        let router = Router::new().route("/", get(|| async { "now" }));
        tokio::spawn(server.run_with(Places::new(8, patience), router, shutdown.clone()));
        (address, shutdown)
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_and_a_connection_that_rests_are_closed_in_time() {
        let patience = Duration::from_millis(40);
        let (address, _shutdown) = start(patience).await;
        for sent in [
            "",
            "GET / HTTP/1.1\r\nhost: h\r\n",
            "GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let start = tokio::time::Instant::now();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.is_empty(), !sent.ends_with("\r\n\r\n"), "{answer}");
            assert!(start.elapsed() >= patience);
        }
    }

    #[tokio::test]
    async fn heads_that_are_too_long_or_ambiguous_are_refused() {
        let (address, _shutdown) = start(HEADER_DEADLINE).await;
        let headers: String = (0..2_000).map(|number| format!("x-{number}: y\r\n")).collect();
        let lengths = "content-length: 1\r\ncontent-length: 2\r\n";
        for (headers, status) in [
            (headers.as_str(), "431"),
            (&format!("x: {}\r\n", "y".repeat(MAX_HEAD_BYTES * 4)), "431"),
            (lengths, "400"),
            ("content-length: -1\r\n", "400"),
            ("content-length: 99999999999999999999999\r\n", "400"),
            ("transfer-encoding: gzip\r\n", "400"),
            ("a b: c\r\n", "400"),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET / HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
            // It may be refused before all of it is sent.
            let _ = stream.write_all(request.as_bytes()).await;
            let answer = read(&mut stream).await;
            assert_eq!(answer.get(9..12), Some(status), "{answer}");
        }
    }

    #[tokio::test]
    async fn connections_that_only_wait_keep_nobody_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, shutdown) = (Arc::new(Semaphore::new(0)), CancellationToken::new());
        let held = Arc::clone(&gate);
        let router = Router::new().route("/", get(|| async { "now" })).route(
            "/held",
            get(async move || held.acquire().await.map(|_| "later").unwrap_or_default()),
        );
        let server = Server {
            listeners: vec![Listener::tcp(listener, None)],
            drain: Some(DRAIN),
            metrics: None,
        };
        let places = Places::new(4, HEADER_DEADLINE);
        let served = tokio::spawn(server.run_with(places, router, shutdown.clone()));

        // Of four places one is taken by work, and two by who says nothing, or not enough.
        let connect = || async { TcpStream::connect(address).await.unwrap() };
        let mut busy = connect().await;
        busy.write_all(b"GET /held HTTP/1.1\r\nhost: h\r\n\r\n")
            .await
            .unwrap();
        let (mut silent, mut slow) = (connect().await, connect().await);
        slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
        for _ in 0..20 {
            assert!(ask(&mut connect().await, "/").await.ends_with("now"));
        }
        let mut kept = connect().await;
        assert!(ask(&mut kept, "/").await.ends_with("now"));
        let mut others = Vec::new();
        for _ in 0..8 {
            let mut other = connect().await;
            assert!(ask(&mut other, "/").await.ends_with("now"));
            others.push(other);
        }
        for waiting in [&mut silent, &mut slow, &mut kept, &mut others[0]] {
            assert_eq!(read(waiting).await, "", "it made room");
        }
        gate.add_permits(1);
        assert!(read(&mut busy).await.ends_with("later"), "work is never cut off");
        shutdown.cancel();
        served.await.unwrap();
    }

    #[test]
    fn a_failing_listener_is_told_of_at_once_and_then_once_a_minute() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        let told: Vec<(u32, u64)> = (0..1500)
            .filter_map(|number| Some((number, complaints.add(start + ACCEPT_PAUSE * number)?)))
            .collect();
        assert_eq!(told, [(0, 1), (600, 600), (1200, 600)]);
    }
}
