//! From answers, and from their absence, to errors.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};

use super::body::{Said, shorten};
use super::{Error, Kind};
use crate::service::Service;

/// An answer outside 2xx.
pub(crate) fn refused(
    service: Service,
    changes: bool,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Error {
    let said = Said::read(body);
    let kind = match kind_of(status, &said) {
        // Only Glance has error pages: elsewhere one comes from the proxy in front of a service that is being
        // replaced, and must not look as if the thing that the call is about were gone.
        Kind::NotFound if said.is_page && service != Service::Image => Kind::ServerError,
        kind => kind,
    };
    let message = match said.text {
        text if !text.is_empty() => text,
        _ => format!(
            "{} {}",
            status.as_u16(),
            status.canonical_reason().unwrap_or("unknown status")
        ),
    };
    Error {
        status: Some(status.as_u16()),
        request_id: request_id(headers),
        retry_after: retry_after(headers),
        passing: kind == Kind::Conflict && passes(&said.class, &message),
        uncertain: changes && kind == Kind::ServerError,
        class: said.class,
        ..Error::new(service.name(), kind, message)
    }
}

/// No answer at all, or only a part of one. A call that was never sent has certainly changed nothing.
pub(crate) fn unanswered(service: Service, changes: bool, cause: &reqwest::Error) -> Error {
    if cause.is_builder() {
        return Error::new(service.name(), Kind::BadRequest, "the request cannot be written");
    }
    let unsent = cause.is_connect();
    let what = if unsent {
        "cannot connect"
    } else {
        "connection broke"
    };
    let (kind, message) = match root_of(cause) {
        _ if cause.is_timeout() && unsent => (Kind::Timeout, "no connection in time".to_owned()),
        _ if cause.is_timeout() => (Kind::Timeout, "no answer in time".to_owned()),
        Some(root) => (Kind::Connection, shorten(&format!("{what}: {root}"))),
        None => (Kind::Connection, what.to_owned()),
    };
    Error {
        uncertain: changes && !unsent,
        ..Error::new(service.name(), kind, message)
    }
}

/// The innermost cause: the outer ones repeat the URL and say little.
pub(crate) fn root_of(error: &reqwest::Error) -> Option<String> {
    let mut root = error.source()?;
    while let Some(source) = root.source() {
        root = source;
    }
    Some(root.to_string())
}

/// True for the methods that change something.
pub(crate) fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Request id of an answer: Nova and Cinder sent it under a name of their own before the common one.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-openstack-request-id", "x-compute-request-id"]
        .into_iter()
        .find_map(|name| headers.get(name)?.to_str().ok())
        .map(str::to_owned)
}

/// `Retry-After` in seconds; dates, which RFC 9110 also allows, are not sent by these services.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

fn kind_of(status: StatusCode, said: &Said) -> Kind {
    match status.as_u16() {
        400 => Kind::BadRequest,
        401 => Kind::Unauthorized,
        403 if is_quota(said) => Kind::Quota,
        403 => Kind::NotAllowed,
        404 | 410 => Kind::NotFound,
        408 => Kind::Timeout,
        409 if said.class == "OverQuota" || is_quota(said) => Kind::Quota,
        409 => Kind::Conflict,
        // Cinder refuses for quota with 413, as Nova did; both once limited rates with it too.
        413 if said.text.contains("rate-limited") => Kind::RateLimited,
        413 if said.class == "overLimit" || is_quota(said) => Kind::Quota,
        429 => Kind::RateLimited,
        // What this cloud's Octavia provider cannot do it will not do the next time either.
        501 => Kind::BadRequest,
        500..=599 => Kind::ServerError,
        402..=499 => Kind::BadRequest,
        _ => Kind::Malformed,
    }
}

/// Services have no code for "over quota" in a 403, so only their words tell it from a lack of rights: Nova's
/// "Quota exceeded ...", "Maximum number of ports exceeded" and "Maximum number of metadata items exceeds 128", unified
/// limits' "is over a limit for", Octavia's "Quota has been met for resources: ...".
fn is_quota(said: &Said) -> bool {
    let text = &said.text;
    text.contains("Quota exceeded")
        || text.contains("Quota has been met")
        || text.contains("is over a limit for")
        || text.contains("is over limit for")
        || (text.contains("Maximum number of") && text.contains("exceed"))
}

/// Conflicts that end without anybody's doing: Neutron names them by class, Octavia and Nova by their text. A load
/// balancer that is pending is "immutable" to changes and in an "Invalid state" to deletion.
fn passes(class: &str, text: &str) -> bool {
    class.contains("InUse")
        || class == "RetryRequest"
        || text.contains("is immutable and cannot be updated")
        || text.starts_with("Invalid state PENDING_")
        || text.contains("while it is in ")
        || text.contains("is not ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(service: Service, status: u16, body: &str) -> Error {
        let headers = HeaderMap::from_iter([
            (
                reqwest::header::HeaderName::from_static("x-compute-request-id"),
                "req-1".parse().unwrap(),
            ),
            (RETRY_AFTER, "7".parse().unwrap()),
        ]);
        refused(
            service,
            true,
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
        )
    }

    #[test]
    fn each_service_s_way_to_refuse_for_quota_is_known_from_a_lack_of_rights() {
        for (service, status, body, kind) in [
            (
                Service::Compute,
                403,
                r#"{"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"}}"#,
                Kind::Quota,
            ),
            (
                Service::Compute,
                403,
                r#"{"forbidden": {"code": 403, "message": "Maximum number of ports exceeded"}}"#,
                Kind::Quota,
            ),
            (
                Service::Compute,
                403,
                r#"{"forbidden": {"code": 403, "message": "Maximum number of metadata items exceeds 128"}}"#,
                Kind::Quota,
            ),
            (
                Service::Compute,
                403,
                r#"{"forbidden": {"code": 403, "message": "Policy doesn't allow os_compute_api:servers:create to be performed."}}"#,
                Kind::NotAllowed,
            ),
            (
                Service::Network,
                409,
                r#"{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""}}"#,
                Kind::Quota,
            ),
            (
                Service::BlockStorage,
                413,
                r#"{"overLimit": {"code": 413, "message": "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'.", "retryAfter": "0"}}"#,
                Kind::Quota,
            ),
            (
                Service::Compute,
                413,
                r#"{"overLimit": {"code": 413, "message": "This request was rate-limited."}}"#,
                Kind::RateLimited,
            ),
            (
                Service::LoadBalancer,
                403,
                r#"{"faultcode": "Client", "faultstring": "Quota has been met for resources: Load Balancer", "debuginfo": null}"#,
                Kind::Quota,
            ),
        ] {
            let error = refusal(service, status, body);
            assert_eq!(error.kind, kind, "{error}");
            assert!(!error.may_have_happened());
        }
    }

    #[test]
    fn only_conflicts_that_pass_by_themselves_are_worth_another_try() {
        for (service, body, transient) in [
            (
                Service::Network,
                r#"{"NeutronError": {"type": "SubnetInUse", "message": "Unable to complete operation on subnet x: One or more ports have an IP allocation from this subnet.", "detail": ""}}"#,
                true,
            ),
            (
                Service::LoadBalancer,
                r#"{"faultcode": "Client", "faultstring": "Load Balancer x is immutable and cannot be updated.", "debuginfo": null}"#,
                true,
            ),
            (
                Service::LoadBalancer,
                r#"{"faultcode": "Client", "faultstring": "Invalid state PENDING_CREATE of loadbalancer resource x", "debuginfo": null}"#,
                true,
            ),
            (
                Service::Compute,
                r#"{"conflictingRequest": {"code": 409, "message": "Cannot 'delete' instance x while it is in task_state deleting"}}"#,
                true,
            ),
            (
                Service::Compute,
                r#"{"conflictingRequest": {"code": 409, "message": "Key pair 'x' already exists."}}"#,
                false,
            ),
        ] {
            let error = refusal(service, 409, body);
            assert_eq!(
                (error.kind, error.is_transient()),
                (Kind::Conflict, transient),
                "{error}"
            );
        }
    }

    #[test]
    fn a_proxy_that_finds_no_service_does_not_make_things_look_gone() {
        let page = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>";
        let error = refusal(Service::Compute, 404, page);
        assert!(!error.is_not_found() && error.is_transient());
        assert!(refusal(Service::Image, 404, page).is_not_found());
        let body = r#"{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}"#;
        assert!(refusal(Service::Compute, 404, body).is_not_found());
    }

    #[test]
    fn a_failure_of_the_service_leaves_the_outcome_open_and_keeps_request_and_wait() {
        let error = refusal(Service::Compute, 503, "");
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::ServerError, "503 Service Unavailable")
        );
        assert!(error.is_transient() && error.may_have_happened());
        assert_eq!(error.request_id.as_deref(), Some("req-1"));
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }
}
