//! Where the control planes of private clusters come for the calls that this service makes to their APIs, beside the
//! endpoint that nodes fetch their keys from.
//!
//! A control plane is known by a client certificate of its cluster's authority. `POST` of the cluster's calls waits for
//! the next one and gives it; `PUT` of a call brings what was answered. See `docs/adr/0018-private-clusters.md`.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use http_body_util::{BodyExt as _, Limited};
use jeroboam_types::ClusterId;
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::{error, warn};
use uuid::Uuid;

use crate::bootstrap::Refusals;
use crate::server::{ClientCertificate, Peer};

/// Longest answer of a COE's API, in bytes: a list of some hundred nodes. Sealed, it fits into a statement of MariaDB's
/// default size.
const LONGEST_ANSWER: usize = 8 << 20;

/// Answers that are held at once, and how many of them may be of one cluster: its tenant can make its masters send slowly.
const ANSWERS: usize = 16;
const ANSWERS_OF_ONE: usize = 2;

/// How long an answer may take to come.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Requests of one cluster that wait for a call at once: each master has one.
const WAITING_OF_ONE: usize = 16;

/// How long it is remembered that a certificate is good.
const TRUSTED_FOR: Duration = Duration::from_secs(10);

/// Certificates and clusters that are remembered.
const MOST_KNOWN: u64 = 10_000;

/// What knows control planes, and what they are to call.
pub trait ApiCalls: Send + Sync + 'static {
    /// True when a certificate (DER) is good for a cluster. The other end has proved to have its key; nothing else of it
    /// was checked.
    ///
    /// # Errors
    /// What an operator should read.
    fn is_control_plane(
        &self,
        cluster: ClusterId,
        certificate: &[u8],
    ) -> impl Future<Output = Result<bool, String>> + Send;

    /// The next call, which is waited for a while: its id, and what the control plane reads of it.
    ///
    /// # Errors
    /// What an operator should read.
    fn next(
        &self,
        cluster: ClusterId,
    ) -> impl Future<Output = Result<Option<(Uuid, SecretString)>, String>> + Send;

    /// The answer to a call, with status zero if there was none. False when nobody waits for it any more.
    ///
    /// # Errors
    /// What an operator should read.
    fn answer(
        &self,
        cluster: ClusterId,
        id: Uuid,
        status: u16,
        body: &[u8],
    ) -> impl Future<Output = Result<bool, String>> + Send;
}

/// The routes. They need connections whose client may show a certificate.
pub fn relay_router(calls: impl ApiCalls) -> Router {
    let desk = Arc::new(Desk {
        calls,
        refusals: Refusals::default(),
        answers: Semaphore::new(ANSWERS),
        clusters: Cache::builder()
            .max_capacity(MOST_KNOWN)
            .time_to_idle(Duration::from_secs(60))
            .build(),
        trusted: Cache::builder()
            .max_capacity(MOST_KNOWN)
            .time_to_live(TRUSTED_FOR)
            .build(),
    });
    Router::new()
        .route("/v1/clusters/{cluster}/api-calls", post(next))
        .route("/v1/clusters/{cluster}/api-calls/{id}", put(answer))
        .method_not_allowed_fallback(|| async { refused() })
        .layer(DefaultBodyLimit::disable())
        .with_state(desk)
}

struct Desk<C> {
    calls: C,
    refusals: Refusals,
    /// Places for answers.
    answers: Semaphore,
    /// Places of each cluster.
    clusters: Cache<ClusterId, Arc<Places>>,
    /// Clusters and the SHA-256 of certificates that are good for them.
    trusted: Cache<(ClusterId, [u8; 32]), ()>,
}

/// What one cluster may have at once.
struct Places {
    waiting: Semaphore,
    answers: Semaphore,
}

async fn next<C: ApiCalls>(
    State(desk): State<Arc<Desk<C>>>,
    Path(cluster): Path<Uuid>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let cluster = ClusterId(cluster);
    if let Err(refusal) = desk.authenticate(cluster, &parts).await {
        return refusal;
    }
    let places = desk.places_of(cluster).await;
    let Ok(_place) = places.waiting.try_acquire() else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    match desk.calls.next(cluster).await {
        Ok(Some((id, call))) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/plain")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (headers, format!("{id} {}", call.expose_secret())).into_response()
        }
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(cause) => unavailable(&cause),
    }
}

#[derive(Deserialize)]
struct Answered {
    status: u16,
}

async fn answer<C: ApiCalls>(
    State(desk): State<Arc<Desk<C>>>,
    Path((cluster, id)): Path<(Uuid, Uuid)>,
    Query(Answered { status }): Query<Answered>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let cluster = ClusterId(cluster);
    if let Err(refusal) = desk.authenticate(cluster, &parts).await {
        return refusal;
    }
    if status != 0 && !(200..600).contains(&status) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let places = desk.places_of(cluster).await;
    // Never closed.
    let (Ok(_own), Ok(_place)) = (places.answers.acquire().await, desk.answers.acquire().await) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let body = Limited::new(body, LONGEST_ANSWER).collect();
    let (status, body) = match tokio::time::timeout(ANSWER_DEADLINE, body).await {
        Ok(Ok(body)) => (status, body.to_bytes()),
        // Who called is told at once, and not by the end of its patience.
        Ok(Err(_)) | Err(_) => {
            warn!(cluster.id = %cluster, "an answer of a private cluster's API is too long, too slow, or breaks off");
            (0, Bytes::new())
        }
    };
    match desk.calls.answer(cluster, id, status, &body).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => refused(),
        Err(cause) => unavailable(&cause),
    }
}

impl<C: ApiCalls> Desk<C> {
    async fn places_of(&self, cluster: ClusterId) -> Arc<Places> {
        let new = async {
            Arc::new(Places {
                waiting: Semaphore::new(WAITING_OF_ONE),
                answers: Semaphore::new(ANSWERS_OF_ONE),
            })
        };
        self.clusters.get_with(cluster, new).await
    }

    async fn authenticate(&self, cluster: ClusterId, parts: &Parts) -> Result<(), Response> {
        let address = parts.extensions.get::<Peer>().and_then(|peer| peer.address);
        if !self.refusals.may_ask(address, Instant::now()) {
            return Err(StatusCode::TOO_MANY_REQUESTS.into_response());
        }
        let is_good = match parts.extensions.get::<ClientCertificate>() {
            Some(ClientCertificate(certificate)) => self.is_good(cluster, certificate).await,
            None => Ok(false),
        };
        match is_good {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.refusals.note(address, Instant::now());
                Err(refused())
            }
            Err(cause) => Err(unavailable(&cause)),
        }
    }

    async fn is_good(&self, cluster: ClusterId, certificate: &[u8]) -> Result<bool, String> {
        let mut key = (cluster, [0; 32]);
        key.1.copy_from_slice(digest(&SHA256, certificate).as_ref());
        if self.trusted.get(&key).await.is_some() {
            return Ok(true);
        }
        let is_good = self.calls.is_control_plane(cluster, certificate).await?;
        if is_good {
            self.trusted.insert(key, ()).await;
        }
        Ok(is_good)
    }
}

/// The one answer to all that is not good.
fn refused() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

fn unavailable(cause: &str) -> Response {
    error!(cause, "a control plane cannot be answered");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
