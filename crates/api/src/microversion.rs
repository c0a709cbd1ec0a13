//! Microversions: which one a request asks for, and the headers that tell it back.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header::VARY};

use crate::error::{ApiError, ApiResult};

/// Lowest version served.
pub(crate) const MINIMUM: Version = Version { major: 1, minor: 1 };
/// Highest version served.
pub(crate) const MAXIMUM: Version = Version { major: 1, minor: 14 };

const HEADER: &str = "openstack-api-version";
const SERVICE: &str = "container-infrastructure-management";
const SERVICES: [&str; 3] = [SERVICE, "container-infrastructure", "container-infra"];

/// A microversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
}

impl Version {
    /// `1.<minor>`.
    pub(crate) const fn v1(minor: u64) -> Self {
        Self { major: 1, minor }
    }

    /// The number after the dot.
    pub(crate) fn minor(self) -> u64 {
        self.minor
    }

    /// Version that a request asks for.
    ///
    /// # Errors
    /// 406: a header that cannot be understood, or a version outside the range.
    pub(crate) fn requested(headers: &HeaderMap) -> ApiResult<Self> {
        let Some(header) = headers.get(HEADER) else {
            return Ok(MINIMUM);
        };
        let text = header.to_str().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let [service, version] = words[..] else {
            return Err(malformed(format!(
                "Invalid service type for the {HEADER} header."
            )));
        };
        // Magnum looks at the word `latest` before it looks at the service.
        if version.eq_ignore_ascii_case("latest") {
            return Ok(MAXIMUM);
        }
        if !SERVICES.contains(&service) {
            return Err(malformed(format!(
                "Invalid service type for the {HEADER} header."
            )));
        }
        // A number that is too large to be read is out of the range like any other large one.
        let number = |part: &str| -> Option<u64> {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse().unwrap_or(u64::MAX))
        };
        let parsed = version.split_once('.').and_then(|(major, minor)| {
            Some(Self {
                major: number(major)?,
                minor: number(minor)?,
            })
        });
        let Some(requested) = parsed else {
            return Err(malformed(format!("Invalid value for the {HEADER} header.")));
        };
        if requested < MINIMUM || requested > MAXIMUM {
            return Err(ApiError::out_of_range(requested));
        }
        Ok(requested)
    }

    /// Refuses a handler that is younger than this version.
    ///
    /// # Errors
    /// 406 that names the version and the handler's method.
    pub(crate) fn require(self, since: u32, method: &str) -> ApiResult<()> {
        if self >= Self::v1(u64::from(since)) {
            return Ok(());
        }
        let detail = format!(
            "Version {self} was requested, but the method {method} is not supported by it: it needs 1.{since} or later."
        );
        Err(ApiError::framework(StatusCode::NOT_ACCEPTABLE, detail))
    }

    /// Puts the four headers on an answer.
    pub(crate) fn announce(self, headers: &mut HeaderMap) {
        for (name, version) in [
            (HEADER, self),
            ("openstack-api-minimum-version", MINIMUM),
            ("openstack-api-maximum-version", MAXIMUM),
        ] {
            if let Ok(value) = HeaderValue::from_str(&format!("{SERVICE} {version}")) {
                headers.insert(name, value);
            }
        }
        headers.insert(VARY, HeaderValue::from_static("OpenStack-API-Version"));
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

fn malformed(detail: String) -> ApiError {
    ApiError::framework(StatusCode::NOT_ACCEPTABLE, detail)
}
