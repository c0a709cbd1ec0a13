//! The endpoint that nodes fetch their secrets from, on a listener of its own: tenants' networks need no way to the
//! API for it.
//!
//! A node shows its token as a bearer's. Every token that is not good gets the same answer, whatever is wrong with
//! it; who shows many of them has to wait.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::error;

use crate::server::Peer;

/// Refusals that an address gets in a window before it has to wait for the next one. Nodes behind one router come
/// from one address, and try every two seconds when something is wrong with all of them.
const MOST_REFUSALS: u32 = 300;
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are remembered; beyond that the memory starts anew.
const MOST_ADDRESSES: usize = 10_000;

/// Nodes that are answered at once: keys are made for each.
const AT_ONCE: usize = 16;

/// What answers nodes.
pub trait NodeSecrets: Send + Sync + 'static {
    /// What the bearer of a token gets; `None` when the token is not good.
    ///
    /// # Errors
    /// What an operator should read.
    fn give(&self, token: &str) -> impl Future<Output = Result<Option<SecretString>, String>> + Send;

    /// The bearer has what it got. False when the token is not good.
    ///
    /// # Errors
    /// What an operator should read.
    fn done(&self, token: &str) -> impl Future<Output = Result<bool, String>> + Send;
}

/// Routes of the endpoint: `POST /v1/node-secrets` gives them, `DELETE` of the same says that they have come.
pub fn bootstrap_router(secrets: impl NodeSecrets) -> Router {
    let desk = Arc::new(Desk {
        secrets,
        refusals: Refusals::default(),
        places: Semaphore::new(AT_ONCE),
    });
    Router::new()
        .route("/v1/node-secrets", post(give).delete(done))
        .fallback(|| async { refused() })
        .method_not_allowed_fallback(|| async { refused() })
        .layer(DefaultBodyLimit::max(0))
        .with_state(desk)
}

struct Desk<S> {
    secrets: S,
    refusals: Refusals,
    places: Semaphore,
}

async fn give<S: NodeSecrets>(State(desk): State<Arc<Desk<S>>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let caller = match desk.enter(&parts).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let answer = |secrets: SecretString| {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/plain")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (headers, secrets.expose_secret().to_owned()).into_response()
    };
    let found = desk.secrets.give(&caller.token).await;
    desk.answer(&caller, found.map(|secrets| secrets.map(answer)))
}

async fn done<S: NodeSecrets>(State(desk): State<Arc<Desk<S>>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let caller = match desk.enter(&parts).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let done = desk.secrets.done(&caller.token).await;
    let answer = |done: bool| done.then(|| StatusCode::NO_CONTENT.into_response());
    desk.answer(&caller, done.map(answer))
}

/// Who shows a token, and the place that it has while it is answered.
struct Caller<'a> {
    address: Option<IpAddr>,
    token: String,
    _place: SemaphorePermit<'a>,
}

impl<S> Desk<S> {
    async fn enter(&self, request: &Parts) -> Result<Caller<'_>, Response> {
        let address = request.extensions.get::<Peer>().and_then(|peer| peer.address);
        let token = bearer(request).map(str::to_owned);
        if !self.refusals.may_ask(address, Instant::now()) {
            let wait = HeaderValue::from(WINDOW.as_secs());
            return Err((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait)]).into_response());
        }
        let Some(token) = token else {
            self.refusals.note(address, Instant::now());
            return Err(refused());
        };
        // Never closed.
        let place = self.places.acquire().await;
        let place = place.map_err(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())?;
        Ok(Caller {
            address,
            token,
            _place: place,
        })
    }

    fn answer(&self, caller: &Caller<'_>, found: Result<Option<Response>, String>) -> Response {
        match found {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                self.refusals.note(caller.address, Instant::now());
                refused()
            }
            Err(cause) => {
                error!(cause, "a node cannot be answered");
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
        }
    }
}

/// The one answer to all that is not good.
fn refused() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

fn bearer(request: &Parts) -> Option<&str> {
    let given = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    given.strip_prefix("Bearer ")
}

/// How often each address was refused in the present window.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Option<IpAddr>, (Instant, u32)>>);

impl Refusals {
    pub(crate) fn may_ask(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused
            .get(&address)
            .is_none_or(|(begun, count)| now.duration_since(*begun) >= WINDOW || *count < MOST_REFUSALS)
    }

    pub(crate) fn note(&self, address: Option<IpAddr>, now: Instant) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST_ADDRESSES && !refused.contains_key(&address) {
            refused.clear();
        }
        let entry = refused.entry(address).or_insert((now, 0));
        if now.duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;

    /// Knows one token.
    struct One;

    impl NodeSecrets for One {
        async fn give(&self, token: &str) -> Result<Option<SecretString>, String> {
            match token {
                "broken" => Err("the database refused".into()),
                token => Ok((token == "good").then(|| SecretString::from("keys"))),
            }
        }

        async fn done(&self, token: &str) -> Result<bool, String> {
            Ok(token == "good")
        }
    }

    async fn ask(router: &Router, method: &str, path: &str, authorization: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, authorization)
            .body(Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn only_a_good_token_is_told_from_nothing_at_all() {
        let router = bootstrap_router(One);
        let path = "/v1/node-secrets";
        assert_eq!(
            ask(&router, "POST", path, "Bearer good").await,
            (StatusCode::OK, "keys".into())
        );
        assert_eq!(
            ask(&router, "DELETE", path, "Bearer good").await.0,
            StatusCode::NO_CONTENT
        );
        let nothing = (StatusCode::NOT_FOUND, String::new());
        for (method, path, authorization) in [
            ("POST", path, "Bearer bad"),
            ("DELETE", path, "Bearer bad"),
            ("POST", path, "Basic good"),
            ("GET", path, "Bearer good"),
            ("POST", "/", "Bearer good"),
            ("GET", "/v1/clusters", "Bearer good"),
        ] {
            assert_eq!(
                ask(&router, method, path, authorization).await,
                nothing,
                "{method} {path}"
            );
        }
        let (status, body) = ask(&router, "POST", path, "Bearer broken").await;
        assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
    }

    #[tokio::test]
    async fn who_guesses_has_to_wait() {
        let router = bootstrap_router(One);
        for _ in 0..MOST_REFUSALS {
            assert_eq!(
                ask(&router, "POST", "/v1/node-secrets", "Bearer bad").await.0,
                StatusCode::NOT_FOUND
            );
        }
        for token in ["Bearer bad", "Bearer good"] {
            let (status, body) = ask(&router, "POST", "/v1/node-secrets", token).await;
            assert_eq!((status, body.as_str()), (StatusCode::TOO_MANY_REQUESTS, ""));
        }
    }

    #[test]
    fn an_address_is_forgiven_after_a_while_and_is_no_other() {
        let refusals = Refusals::default();
        let (one, other) = (
            Some(IpAddr::from([192, 0, 2, 1])),
            Some(IpAddr::from([192, 0, 2, 2])),
        );
        let now = Instant::now();
        for _ in 0..MOST_REFUSALS {
            refusals.note(one, now);
        }
        assert!(!refusals.may_ask(one, now));
        assert!(refusals.may_ask(other, now));
        assert!(refusals.may_ask(one, now + WINDOW));
    }
}
