//! Content negotiation: JSON in, JSON out.

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::error::{ApiError, ApiResult};

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// An object of the named argument.
    Object,
    /// A JSON patch, which may be called so.
    Patch,
}

/// Media types of a header, in lower case and without parameters.
fn media_types(text: &str) -> impl Iterator<Item = (String, bool)> + '_ {
    text.split(',').map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|parameter| {
            parameter
                .strip_prefix("q=")
                .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
        });
        (media, refused)
    })
}

/// True when the client names JSON itself.
pub(crate) fn names_json(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(media_types)
        .any(|(media, refused)| media == "application/json" && !refused)
}

/// Checks that the client takes JSON.
///
/// # Errors
/// 406 without a text.
pub(crate) fn accepts_json(headers: &HeaderMap) -> ApiResult<()> {
    let mut values = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .peekable();
    let takes = values.peek().is_none()
        || values.flat_map(media_types).any(|(media, refused)| {
            !refused && matches!(media.as_str(), "" | "*/*" | "application/*" | "application/json")
        });
    if takes {
        Ok(())
    } else {
        Err(ApiError::framework(StatusCode::NOT_ACCEPTABLE, ""))
    }
}

/// Reads a body as JSON.
///
/// # Errors
/// 400 without a body or with one that is not JSON, 415 for another media type.
pub(crate) fn read_json(
    headers: &HeaderMap,
    body: &[u8],
    argument: &str,
    kind: BodyKind,
) -> ApiResult<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::missing(argument));
    }
    let header = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media = header
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media.as_str() {
        "application/json" => {}
        "application/json-patch+json" if kind == BodyKind::Patch => {}
        "application/x-www-form-urlencoded" => {
            let text = String::from_utf8_lossy(body);
            let name: String = text
                .split(['=', '&'])
                .next()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect();
            return Err(ApiError::bad_request(format!("Unknown argument: \"{name}\"")));
        }
        _ => {
            let shown: String = media.chars().take(100).collect();
            return Err(ApiError::handler(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("Unknown mimetype: {shown}"),
            ));
        }
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("The body is not valid JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, axum::http::HeaderValue::from_static(value))])
    }

    #[test]
    fn json_is_taken_unless_the_client_names_only_others() {
        for takes in [
            "",
            "*/*",
            "application/json;q=0.3",
            "text/html, application/json",
            "text/html,*/*;q=0.8",
        ] {
            assert!(accepts_json(&accept(takes)).is_ok(), "{takes}");
        }
        for refuses in [
            "text/html",
            "text/plain",
            "application/xml",
            "application/json;q=0",
        ] {
            assert!(accepts_json(&accept(refuses)).is_err(), "{refuses}");
        }
        assert!(accepts_json(&HeaderMap::new()).is_ok());
    }
}
