//! From errors to faults, and when to try again.

use std::fmt;
use std::time::Duration;

use jeroboam_cloud::{Error as CloudError, Kind};
use jeroboam_driver::{DriverError, Key};
use jeroboam_types::Fault;

/// A step could not be taken.
#[derive(Debug)]
pub(crate) enum StepError {
    /// A service refused, or did not answer.
    Cloud(CloudError),
    /// Our own side cannot do it, and trying again would not help. The text may be shown to the tenant.
    Ours(String),
    /// Our own side noticed something that trying again may help.
    Again(String),
    /// Not done yet, as it should be; the text says what is waited for.
    Pending(String),
    /// The database refused: nobody may go on with this claim.
    Store(jeroboam_store::StoreError),
}

/// For the tenant: no more than a fault would tell.
impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cloud(error) => write!(f, "{}: {}", error.service, error.message),
            Self::Ours(message) | Self::Again(message) | Self::Pending(message) => f.write_str(message),
            Self::Store(_) => f.write_str("the database refused"),
        }
    }
}

impl From<CloudError> for StepError {
    fn from(error: CloudError) -> Self {
        Self::Cloud(error)
    }
}

impl From<DriverError> for StepError {
    fn from(error: DriverError) -> Self {
        Self::Ours(error.to_string())
    }
}

impl From<jeroboam_store::StoreError> for StepError {
    fn from(error: jeroboam_store::StoreError) -> Self {
        Self::Store(error)
    }
}

impl StepError {
    /// True if the same step may succeed later. A 401 counts: a role that was granted a moment ago can be
    /// unknown to a service's cache.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Cloud(error) => error.is_transient() || error.kind == Kind::Unauthorized,
            Self::Again(_) | Self::Pending(_) => true,
            Self::Ours(_) | Self::Store(_) => false,
        }
    }

    /// True if the call may have done its work although it failed.
    pub(crate) fn may_have_happened(&self) -> bool {
        matches!(self, Self::Cloud(error) if error.may_have_happened())
    }

    /// True if a service knows no such caller.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Cloud(error) if error.kind == Kind::Unauthorized)
    }

    /// True if a service understood the call and refused it.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Cloud(error) if matches!(error.kind, Kind::Conflict | Kind::BadRequest))
    }

    /// How long the service asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Cloud(error) => error.retry_after,
            Self::Ours(_) | Self::Again(_) | Self::Pending(_) | Self::Store(_) => None,
        }
    }

    /// The fault of a resource.
    pub(crate) fn fault(&self, key: &Key) -> Fault {
        let (service, message, request_id) = match self {
            Self::Cloud(error) => (error.service, error.message.clone(), error.request_id.clone()),
            Self::Ours(message) | Self::Again(message) | Self::Pending(message) => {
                ("", message.clone(), None)
            }
            Self::Store(_) => ("", "the database refused".to_owned(), None),
        };
        Fault {
            resource: key.to_string(),
            service: service.to_owned(),
            message,
            request_id,
        }
    }
}

/// Pause before try number `attempts + 1`: 0.2 s doubled each time up to 10 s, with a fifth of jitter so that
/// many clusters do not come back at the same moment.
pub(crate) fn backoff(attempts: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = Duration::from_millis(200).saturating_mul(1 << attempts.saturating_sub(1).min(8));
    let pause = doubled
        .min(Duration::from_secs(10))
        .mul_f64(0.8 + 0.4 * fastrand::f64());
    retry_after.map_or(pause, |asked| asked.min(Duration::from_secs(60)).max(pause))
}

/// Pause between looks at a resource that takes its time: a twentieth of the time waited so far, between
/// 0.1 s and 5 s, so that quick things are seen at once and slow ones cost few calls.
pub(crate) fn look_again(waited: Duration) -> Duration {
    (waited / 20).clamp(Duration::from_millis(100), Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_have_a_limit_and_honour_what_the_service_asks() {
        for _ in 0..100 {
            assert!(backoff(1, None) <= Duration::from_millis(240));
            assert!(backoff(3, None) >= Duration::from_millis(640));
            assert!(backoff(40, None) <= Duration::from_secs(12));
        }
        assert_eq!(backoff(1, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(
            backoff(1, Some(Duration::from_secs(7_000))),
            Duration::from_secs(60)
        );
        assert_eq!(look_again(Duration::ZERO), Duration::from_millis(100));
        assert_eq!(look_again(Duration::from_secs(3_000)), Duration::from_secs(5));
    }
}
