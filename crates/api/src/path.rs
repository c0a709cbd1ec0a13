//! Paths as they come in: an optional mount prefix, an optional `v1`, then segments. Empty segments do not count.

use crate::error::{ApiError, ApiResult};

/// Prefixes under which the API may be mounted besides the root.
const MOUNTS: [&str; 1] = ["container-infra"];

/// A path taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// `""`, or the mount prefix with its leading slash.
    pub(crate) mount: String,
    /// True when `v1` was written.
    pub(crate) versioned: bool,
    /// Decoded segments after it.
    pub(crate) segments: Vec<String>,
    /// True when a slash ends the path.
    pub(crate) trailing_slash: bool,
}

impl Path {
    /// Takes a raw path apart.
    ///
    /// # Errors
    /// 404 when a segment hides a slash or is no text.
    pub(crate) fn parse(raw: &str) -> ApiResult<Self> {
        let mut segments = Vec::new();
        for segment in raw.split('/').filter(|segment| !segment.is_empty()) {
            let decoded = percent_decoded(segment, false).ok_or_else(ApiError::no_route)?;
            if decoded.contains(['/', '\0']) {
                return Err(ApiError::no_route());
            }
            segments.push(decoded);
        }
        let mut rest = segments.into_iter().peekable();
        let mount = match rest.next_if(|first| MOUNTS.contains(&first.as_str())) {
            Some(mount) => format!("/{mount}"),
            None => String::new(),
        };
        let versioned = rest.next_if(|first| first == "v1").is_some();
        let segments: Vec<String> = rest.collect();
        let trailing_slash = raw.ends_with('/');
        Ok(Self {
            mount,
            versioned,
            segments,
            trailing_slash,
        })
    }
}

/// Decodes `%xx` (and `+` as a space where `plus` says so); `None` when the result is not UTF-8.
pub(crate) fn percent_decoded(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => {
                let mut ahead = rest.clone();
                match (hex(ahead.next()), hex(ahead.next())) {
                    (Some(high), Some(low)) => {
                        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                        rest = ahead;
                    }
                    _ => bytes.push(byte),
                }
            }
            b'+' if plus => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Encodes everything but unreserved characters, for links.
pub(crate) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;

    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_and_version_are_taken_off() {
        let path = Path::parse("/container-infra//v1/clusters/a%20b/").unwrap();
        assert_eq!(path.mount, "/container-infra");
        assert!(path.versioned && path.trailing_slash);
        assert_eq!(path.segments, ["clusters", "a b"]);
        assert_eq!(Path::parse("/clusters/v1").unwrap().segments, ["clusters", "v1"]);
    }

    #[test]
    fn hidden_slashes_and_bytes_that_are_no_text_lead_nowhere() {
        for raw in ["/v1/clusters/a%2Fb", "/v1/clusters/%ff", "/v1/clusters/%00"] {
            assert!(Path::parse(raw).is_err(), "{raw}");
        }
        assert_eq!(percent_decoded("100%", false).as_deref(), Some("100%"));
        assert_eq!(percent_decoded("a+b%2B", true).as_deref(), Some("a b+"));
        assert_eq!(percent_encoded("a b/ä"), "a%20b%2F%C3%A4");
    }
}
