//! The way of a request: id, token, microversion, route, body, handler; and back: headers, one access line, and
//! the cause of a failure, once.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use secrecy::ExposeSecret as _;

use crate::access_log::Answered;
use crate::caller::Caller;
use crate::context::{Context, Site, base_url};
use crate::error::{ApiError, ApiResult};
use crate::handlers;
use crate::microversion::Version;
use crate::negotiate;
use crate::operations::Operation;
use crate::path::Path;
use crate::query::Query;
use crate::request_id::{self, RequestIds};
use crate::routes::{Route, route};

/// Longest time that a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// What was learnt of a request on its way, for its answer and the log.
#[derive(Default)]
struct Learnt {
    caller: Option<Caller>,
    version: Option<Version>,
    operation: Option<Operation>,
}

/// Answers a request.
pub(crate) async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let started = Instant::now();
    let _in_flight = site.metrics.http().begin();
    let (parts, body) = request.into_parts();
    let ids = RequestIds::new(&parts.headers);
    let mut learnt = Learnt::default();
    let path = Path::parse(parts.uri.path());
    let opened = catch_unwind(AssertUnwindSafe(|| open(&site, &parts, path, &mut learnt)));
    let result = match opened {
        Ok(ControlFlow::Break(result)) => Ok(result),
        Ok(ControlFlow::Continue(path)) => {
            // Boxed: what is open needs no room for it.
            let work = Box::pin(handle(&site, &parts, path, body, &ids, &mut learnt));
            AssertUnwindSafe(work).catch_unwind().await
        }
        Err(panic) => Err(panic),
    };
    let result = match result {
        Ok(result) => result,
        Err(panic) => Err(ApiError::internal(format!(
            "panic: {}",
            panic_text(panic.as_ref())
        ))),
    };
    let mut response = match result {
        Ok(mut response) => {
            if let Some(version) = learnt.version {
                version.announce(response.headers_mut());
            }
            response
        }
        Err(error) => {
            log_failure(&error, &ids);
            if let (StatusCode::UNAUTHORIZED, Some(caller)) = (error.status, &learnt.caller) {
                site.tokens.forget(caller.token.expose_secret()).await;
                site.sessions.forget(&caller.token);
            }
            let mut response = error.respond(&ids.local);
            if let Some(version) = learnt.version.filter(|_| error.is_versioned()) {
                version.announce(response.headers_mut());
            }
            if let Some(version) = error.echoed_version() {
                version.announce(response.headers_mut());
            }
            response
        }
    };
    if response.status() == StatusCode::SERVICE_UNAVAILABLE && dies_of_retry_after(&parts.headers) {
        response.headers_mut().remove(RETRY_AFTER);
    }
    if let Ok(id) = HeaderValue::from_str(&ids.local) {
        response.headers_mut().insert(request_id::HEADER, id);
    }
    if let Some(cors) = &site.settings.cors {
        cors.complete(&parts, response.headers_mut());
    }
    let elapsed = started.elapsed();
    site.metrics.http().answered(
        method(&parts.method),
        learnt.operation.map_or("other", Operation::path),
        response.status().as_u16(),
        elapsed,
    );
    site.settings.access_log.write(&Answered {
        parts: &parts,
        response: &response,
        ids: &ids,
        operation: learnt.operation,
        caller: learnt.caller.as_ref(),
        version: learnt.version,
        elapsed,
        believe_proxy: site.app.config.oslo_middleware.enable_proxy_headers_parsing,
    });
    response
}

/// python-magnumclient up to 5.0.0 hands any `Retry-After` to an exception that takes none, and shows its `TypeError`
/// instead of our text. Over a session it sends no agent of its own, so that urllib3's stands there or none.
/// See `docs/adr/0007-retry-after.md`.
fn dies_of_retry_after(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    agent.is_none_or(|agent| {
        agent.starts_with(b"python-urllib3/") || agent.starts_with(b"python-magnumclient")
    })
}

/// Answers what needs no token, at once; of all the rest gives the path back.
fn open(
    site: &Site,
    parts: &Parts,
    path: ApiResult<Path>,
    learnt: &mut Learnt,
) -> ControlFlow<ApiResult<Response>, ApiResult<Path>> {
    // The CORS filter answers before anything else looks at the request.
    if parts.method == Method::OPTIONS {
        return ControlFlow::Break(Ok(StatusCode::OK.into_response()));
    }
    if let Ok(path) = &path {
        if path.segments == ["healthcheck"] && !path.versioned {
            learnt.operation = Some(Operation::CheckHealth);
            return ControlFlow::Break(handlers::documents::healthcheck(site, parts));
        }
        if path.segments.is_empty() || is_description(path) || is_open_dead_end(path) {
            return ControlFlow::Break(documents(site, parts, path, learnt));
        }
    }
    ControlFlow::Continue(path)
}

async fn handle(
    site: &Arc<Site>,
    parts: &Parts,
    path: ApiResult<Path>,
    body: Body,
    ids: &RequestIds,
    learnt: &mut Learnt,
) -> ApiResult<Response> {
    let routed = path.and_then(|path| Ok((route(&parts.method, &path)?, path)));
    learnt.operation = routed.as_ref().ok().map(|(route, _)| route.operation());
    let caller = site.tokens.authenticate(parts).await?;
    let rules = site.rulebook.rules((site.app.clock)());
    let caller = caller.before(rules, Arc::clone(&site.policy_servers)).await;
    learnt.caller = Some(caller.clone());
    let version = Version::requested(&parts.headers)?;
    learnt.version = Some(version);
    let (route, path) = routed?;
    negotiate::accepts_json(&parts.headers)?;
    if let Some((since, method)) = route.since() {
        version.require(since, method)?;
    }
    let takes_body = matches!(parts.method, Method::POST | Method::PATCH);
    let body = if takes_body {
        read_body(site, parts, body).await?
    } else {
        Bytes::new()
    };
    let context = Context {
        base: base_url(
            parts,
            &path,
            site.app.config.oslo_middleware.enable_proxy_headers_parsing,
        ),
        query: Query::parse(parts.uri.query().unwrap_or_default())?,
        site: Arc::clone(site),
        caller,
        version,
        ids: ids.clone(),
        headers: parts.headers.clone(),
        body,
    };
    // Boxed: requests that end before need no room for it.
    Box::pin(handlers::dispatch(&context, route)).await
}

/// `/v1/openapi.json`
fn is_description(path: &Path) -> bool {
    path.versioned && path.segments == ["openapi.json"]
}

/// `/.json` and `/v1.json`: nothing, and no token is asked for either.
fn is_open_dead_end(path: &Path) -> bool {
    !path.versioned && matches!(path.segments.as_slice(), [only] if only == ".json" || only == "v1.json")
}

/// The version documents, which need no token.
fn documents(site: &Site, parts: &Parts, path: &Path, learnt: &mut Learnt) -> ApiResult<Response> {
    let base = base_url(
        parts,
        path,
        site.app.config.oslo_middleware.enable_proxy_headers_parsing,
    );
    if path.versioned {
        learnt.version = Some(Version::requested(&parts.headers)?);
    }
    let route = route(&parts.method, path)?;
    learnt.operation = Some(route.operation());
    negotiate::accepts_json(&parts.headers)?;
    match route {
        Route::Version => Ok(handlers::documents::version(&base)),
        Route::Openapi => Ok(handlers::documents::openapi(&base)),
        _ => Ok(handlers::documents::root(&base)),
    }
}

async fn read_body(site: &Site, parts: &Parts, body: Body) -> ApiResult<Bytes> {
    let max = site.settings.max_body_bytes;
    let too_large = || {
        ApiError::framework(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("A body may have at most {max} bytes."),
        )
    };
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > max as u64) {
        return Err(too_large());
    }
    let read = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, max).collect()).await;
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::bad_request("The body could not be read.")),
        Err(_) => Err(ApiError::framework(
            StatusCode::REQUEST_TIMEOUT,
            "The body did not arrive in time.",
        )),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

fn log_failure(error: &ApiError, ids: &RequestIds) {
    let (request_id, status) = (&ids.local, error.status.as_u16());
    match error.cause() {
        Some(cause) if error.status == StatusCode::INTERNAL_SERVER_ERROR => {
            tracing::error!(request_id, status, cause, "a request failed");
        }
        Some(cause) => tracing::warn!(request_id, status, cause, "a request was refused"),
        None => {}
    }
}

/// Name of a method, for numbers; the many that nobody uses are one.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"];
    let known = KNOWN.iter().find(|known| method.as_str() == **known);
    known.copied().unwrap_or("other")
}
