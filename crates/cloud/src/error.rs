//! Failures of calls: what the service said, and what that means for trying again.

mod body;
mod classify;

use std::time::Duration;

pub(crate) use body::shorten;
pub(crate) use classify::{changes, refused, request_id, root_of, unanswered};

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The thing, or something that it needs, does not exist or is not ours.
    NotFound,
    /// The state of the thing does not allow it.
    Conflict,
    /// The project has used up its quota.
    Quota,
    /// A 403 that is not about quota.
    NotAllowed,
    /// The token or password is not accepted.
    Unauthorized,
    /// The request is not acceptable as it is.
    BadRequest,
    /// Too many calls.
    RateLimited,
    /// The service failed.
    ServerError,
    /// No complete answer in time.
    Timeout,
    /// The connection could not be made, or broke.
    Connection,
    /// An answer that is none, or too long.
    Malformed,
    /// The catalog does not list the service.
    NoEndpoint,
}

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{service}: {message}")]
pub struct Error {
    /// Service type: `identity`, `compute`, `network`, `block-storage`, `image` or `load-balancer`.
    pub service: &'static str,
    /// What kind of failure it is.
    pub kind: Kind,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The service's own text, without markup and shortened to 300 characters; fit for a tenant.
    pub message: String,
    /// Request id that the service gave, for its operator's logs.
    pub request_id: Option<String>,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
    /// Neutron's exception class, or Nova's and Cinder's kind; empty where there is none.
    pub(crate) class: String,
    /// A conflict that passes by itself.
    pub(crate) passing: bool,
    /// The call would have changed something, and perhaps did.
    pub(crate) uncertain: bool,
}

impl Error {
    /// A failure that no answer of a service tells of.
    pub fn new(service: &'static str, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            service,
            kind,
            status: None,
            message: message.into(),
            request_id: None,
            retry_after: None,
            class: String::new(),
            passing: false,
            uncertain: false,
        }
    }

    /// True when what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// True when the same call may succeed a while later: the service was busy, unreachable or broken, or said
    /// that the thing is in use or immutable for now.
    pub fn is_transient(&self) -> bool {
        match self.kind {
            Kind::RateLimited | Kind::ServerError | Kind::Timeout | Kind::Connection => true,
            Kind::Conflict => self.passing,
            Kind::NotFound
            | Kind::Quota
            | Kind::NotAllowed
            | Kind::Unauthorized
            | Kind::BadRequest
            | Kind::Malformed
            | Kind::NoEndpoint => false,
        }
    }

    /// True when the call would have changed something and nobody knows whether it did: look before repeating.
    pub fn may_have_happened(&self) -> bool {
        self.uncertain
    }

    /// The same failure as a conflict that passes by itself.
    pub(crate) fn into_passing_conflict(self) -> Self {
        Self {
            kind: Kind::Conflict,
            passing: true,
            ..self
        }
    }
}
