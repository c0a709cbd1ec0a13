//! The one table from what went wrong to HTTP. Invariant: a body never shows what happened inside the service;
//! causes go to the log, once, when the answer is made.

use std::time::Duration;

use axum::Json;
use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jeroboam_store::StoreError;
use serde_json::{Value, json};

use crate::microversion::{MAXIMUM, MINIMUM, Version};

/// How long clients are asked to wait for what does not answer.
const RETRY_AFTER_USUAL: Duration = Duration::from_secs(5);

/// Result of everything that answers a request.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// A refused request: what the client is told and, apart from it, the private cause.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    shape: Shape,
    detail: String,
    /// The whole detail is the title: it quotes what was sent, which may look like the end of a sentence.
    one_sentence: bool,
    cause: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

/// The three bodies that Magnum's clients know.
#[derive(Clone, Debug)]
enum Shape {
    /// Raised in a handler: `code` is `client` or `server`.
    Handler,
    /// Raised by routing and negotiation: empty `code`, and none of the version headers.
    Framework,
    /// A microversion outside the range.
    Range(Version),
    /// The filter in front of the API: `{"error": {...}}`.
    Filter,
}

impl ApiError {
    fn new(status: StatusCode, shape: Shape, detail: impl Into<String>) -> Self {
        Self {
            status,
            shape,
            detail: detail.into(),
            one_sentence: false,
            cause: None,
            headers: Vec::new(),
        }
    }

    /// An error of a handler.
    pub(crate) fn handler(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, Shape::Handler, detail)
    }

    /// An error of routing or negotiation, with an empty `code`.
    pub(crate) fn framework(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, Shape::Framework, detail)
    }

    /// 400.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::handler(StatusCode::BAD_REQUEST, detail)
    }

    /// 400 in the shape of Magnum's typing layer: field, value, reason. All of it is the title, because clients
    /// show nothing else.
    pub(crate) fn invalid(
        field: &str,
        value: impl std::fmt::Display,
        reason: impl std::fmt::Display,
    ) -> Self {
        let value: String = value.to_string().chars().take(200).collect();
        Self::one_sentence(format!(
            "Invalid input for field/attribute {field}, value '{value}': {reason}"
        ))
    }

    /// 400 of a field whose reason says what of it is wrong.
    pub(crate) fn invalid_field(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::one_sentence(format!("Invalid input for field/attribute {field}: {reason}"))
    }

    fn one_sentence(detail: String) -> Self {
        Self {
            one_sentence: true,
            ..Self::bad_request(detail)
        }
    }

    /// 400 for an argument that the handler cannot do without.
    pub(crate) fn missing(argument: &str) -> Self {
        Self::bad_request(format!("Missing argument: \"{argument}\""))
    }

    /// 403.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::handler(StatusCode::FORBIDDEN, detail)
    }

    /// 404 of an object.
    pub(crate) fn not_found(kind: &str, ident: impl std::fmt::Display) -> Self {
        Self::handler(
            StatusCode::NOT_FOUND,
            format!("{kind} {ident} could not be found."),
        )
    }

    /// 409.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::handler(StatusCode::CONFLICT, detail)
    }

    /// 404 of a path that leads nowhere.
    pub(crate) fn no_route() -> Self {
        Self::framework(StatusCode::NOT_FOUND, "")
    }

    /// 405 with what is allowed.
    pub(crate) fn not_allowed(allow: &str) -> Self {
        Self::framework(StatusCode::METHOD_NOT_ALLOWED, "").with_header(ALLOW, allow)
    }

    /// 406 of a microversion outside the range.
    pub(crate) fn out_of_range(requested: Version) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, Shape::Range(requested), "")
    }

    /// 401, with where to get a token.
    pub(crate) fn unauthorized(keystone_uri: &str) -> Self {
        let detail = "A valid token is needed.";
        Self::new(StatusCode::UNAUTHORIZED, Shape::Filter, detail)
            .with_header(WWW_AUTHENTICATE, &format!("Keystone uri=\"{keystone_uri}\""))
    }

    /// 503 with `Retry-After`: something that the service needs does not answer now.
    pub(crate) fn unavailable(detail: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::handler(StatusCode::SERVICE_UNAVAILABLE, detail)
            .because(cause)
            .retry_after(None)
    }

    /// Tells the client to wait so long, 5 s where nobody knows better, and a minute at most.
    pub(crate) fn retry_after(mut self, wait: Option<Duration>) -> Self {
        let secs = wait.unwrap_or(RETRY_AFTER_USUAL).as_secs().clamp(1, 60);
        self.headers.retain(|(name, _)| name != RETRY_AFTER);
        self.with_header(RETRY_AFTER, &secs.to_string())
    }

    /// 500 with a private cause.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::handler(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The service met an unexpected condition.",
        )
        .because(cause)
    }

    /// The same refusal under another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds the private cause.
    pub(crate) fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds a header to the answer.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// True when the answer has the microversion headers.
    pub(crate) fn is_versioned(&self) -> bool {
        matches!(self.shape, Shape::Handler | Shape::Range(_))
    }

    /// The version that the headers tell, when it is not the one used.
    pub(crate) fn echoed_version(&self) -> Option<Version> {
        match self.shape {
            Shape::Range(version) => Some(version),
            _ => None,
        }
    }

    /// What the client is told.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The private cause, for the log.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer.
    pub(crate) fn respond(&self, request_id: &str) -> Response {
        let mut response = (self.status, Json(self.body(request_id))).into_response();
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn body(&self, request_id: &str) -> Value {
        let reason = self.status.canonical_reason().unwrap_or_default();
        match &self.shape {
            Shape::Filter => {
                json!({"error": {"code": self.status.as_u16(), "title": reason, "message": self.detail}})
            }
            Shape::Range(requested) => json!({"errors": [{
                "code": "magnum.microversion-unsupported",
                "title": "Requested microversion is unsupported",
                "description": format!(
                    "Version {requested} is not supported by this API. The lowest is {MINIMUM}, the highest {MAXIMUM}."
                ),
                "min_version": MINIMUM.to_string(),
                "max_version": MAXIMUM.to_string(),
                "links": [{
                    "rel": "help",
                    "href": "http://docs.openstack.org/api-guide/compute/microversions.html",
                }],
            }]}),
            Shape::Handler => {
                let code = if self.status.is_server_error() {
                    "server"
                } else {
                    "client"
                };
                let title = match self.one_sentence {
                    true => self.detail.strip_suffix('.').unwrap_or(&self.detail),
                    false => title(&self.detail),
                };
                self.entry(request_id, code, title)
            }
            // Negotiation on `Accept` is the one that has no title either.
            Shape::Framework if self.status == StatusCode::NOT_ACCEPTABLE && self.detail.is_empty() => {
                self.entry(request_id, "", "")
            }
            Shape::Framework => self.entry(request_id, "", reason),
        }
    }

    fn entry(&self, request_id: &str, code: &str, title: &str) -> Value {
        json!({"errors": [{
            "request_id": request_id,
            "code": code,
            "status": self.status.as_u16(),
            "title": title,
            "detail": self.detail,
            "links": [],
        }]})
    }
}

/// First sentence of a detail, without its full stop.
fn title(detail: &str) -> &str {
    let sentence = detail.split_once(". ").map_or(detail, |(first, _)| first);
    sentence.strip_suffix('.').unwrap_or(sentence)
}

impl From<StoreError> for ApiError {
    /// Of a store call that has no refusal of its own to tell.
    fn from(error: StoreError) -> Self {
        let cause = match error.cause() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        match error {
            StoreError::Full => {
                Self::unavailable("The service has no room left to store what is asked.", cause)
                    .retry_after(Some(Duration::from_secs(60)))
            }
            StoreError::Unavailable(_) => Self::unavailable("The database cannot be used now.", cause),
            _ => Self::internal(cause),
        }
    }
}

/// Refusal of a service that was asked on the caller's behalf.
pub(crate) fn of_cloud(error: &jeroboam_cloud::Error, keystone_uri: &str) -> ApiError {
    use jeroboam_cloud::Kind;

    let service = error.service;
    match error.kind {
        Kind::Unauthorized => ApiError::unauthorized(keystone_uri).because(error),
        Kind::NotAllowed => ApiError::forbidden(format!("The {service} service refuses: {}", error.message)),
        Kind::NotFound | Kind::BadRequest => {
            ApiError::bad_request(format!("The {service} service refuses: {}", error.message))
        }
        Kind::Conflict | Kind::Quota => {
            ApiError::conflict(format!("The {service} service refuses: {}", error.message))
        }
        Kind::NoEndpoint => ApiError::unavailable(
            format!("The token's catalog has no endpoint of the {service} service in this region."),
            error,
        ),
        Kind::RateLimited | Kind::ServerError | Kind::Timeout | Kind::Connection | Kind::Malformed => {
            ApiError::unavailable(format!("The {service} service cannot be asked now."), error)
                .retry_after(error.retry_after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_sentence_and_is_not_cut_inside_addresses_and_versions() {
        assert_eq!(
            title("Node 10.0.0.1 runs v1.33. Try again."),
            "Node 10.0.0.1 runs v1.33"
        );
        assert_eq!(title("Not found."), "Not found");
        assert_eq!(title(""), "");
    }

    #[test]
    fn the_title_of_a_wrong_value_tells_the_reason_whatever_the_value_is() {
        let of_value = ApiError::invalid("name", "Mr. X. ", "It cannot be a name.");
        let of_field = ApiError::invalid_field("labels.x", "10.0.0.0/29 is small. Take another");
        for (error, title) in [
            (
                of_value,
                "Invalid input for field/attribute name, value 'Mr. X. ': It cannot be a name",
            ),
            (
                of_field,
                "Invalid input for field/attribute labels.x: 10.0.0.0/29 is small. Take another",
            ),
        ] {
            assert_eq!(error.body("req-1")["errors"][0]["title"], title);
        }
    }

    #[test]
    fn a_cause_is_never_part_of_the_body() {
        let error = ApiError::internal("SELECT secret FROM table");
        assert!(!error.body("req-1").to_string().contains("SELECT"));
        assert_eq!(error.cause(), Some("SELECT secret FROM table"));
    }
}
