//! Entity tags of single resources, an addition to Magnum: `If-None-Match` spares a body, `If-Match` refuses a change of
//! what is not as the caller has seen it any more.
//!
//! A tag is `"<state>-<minor>"`: a digest of what is stored, and the microversion that the answer was made for. Tags are
//! strong. `If-None-Match` compares all of a tag; `If-Match` is about the resource and compares the state only, so that
//! a resource read at one microversion can be changed at another. A `W/` that a proxy has put in front is overlooked.

use aws_lc_rs::digest;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::context::Context;
use crate::error::{ApiError, ApiResult};
use crate::hex::hex;
use crate::microversion::Version;

/// Bytes of the digest that a tag shows.
const DIGEST_BYTES: usize = 16;

/// Tag of a resource as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    state: String,
    version: Version,
}

impl Tag {
    /// Of everything that the answer is made from.
    ///
    /// # Errors
    /// 500 for what cannot be written as JSON.
    pub(crate) fn of(state: &impl Serialize, version: Version) -> ApiResult<Self> {
        let bytes = serde_json::to_vec(state).map_err(ApiError::internal)?;
        let digest = digest::digest(&digest::SHA256, &bytes);
        Ok(Self {
            state: hex(digest.as_ref().get(..DIGEST_BYTES).unwrap_or_default()),
            version,
        })
    }

    /// Puts the tag on an answer.
    pub(crate) fn put(&self, mut response: Response) -> Response {
        if let Ok(value) = HeaderValue::from_str(&format!("\"{}-{}\"", self.state, self.version.minor())) {
            response.headers_mut().insert(ETAG, value);
        }
        response
    }

    /// True when one of the listed tags is this one, or a star.
    fn is_among(&self, list: &[Listed<'_>], with_version: bool) -> bool {
        list.iter().any(|listed| match listed {
            Listed::Any => true,
            Listed::Tag(text) => match text.rsplit_once('-') {
                Some((state, minor)) => {
                    state == self.state && (!with_version || minor == self.version.minor().to_string())
                }
                None => false,
            },
        })
    }
}

/// A tag of a header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed<'a> {
    Any,
    Tag(&'a str),
}

/// The answer to a show: 304 without a body if the client has it already.
///
/// # Errors
/// 400 for a header that cannot be understood.
pub(crate) fn shown(
    cx: &Context,
    state: &impl Serialize,
    body: impl FnOnce() -> Response,
) -> ApiResult<Response> {
    let tag = Tag::of(state, cx.version)?;
    let known = match cx.headers.contains_key(IF_NONE_MATCH) {
        true => tag.is_among(&listed(&cx.headers, &IF_NONE_MATCH)?, true),
        false => false,
    };
    Ok(match known {
        true => tag.put(StatusCode::NOT_MODIFIED.into_response()),
        false => tag.put(body()),
    })
}

/// Refuses a change of what is not as `If-Match` says.
///
/// # Errors
/// 412, or 400 for a header that cannot be understood.
pub(crate) fn check(cx: &Context, state: &impl Serialize) -> ApiResult<()> {
    if !is_conditional(cx) {
        return Ok(());
    }
    let tag = Tag::of(state, cx.version)?;
    match tag.is_among(&listed(&cx.headers, &IF_MATCH)?, false) {
        true => Ok(()),
        false => Err(changed()),
    }
}

/// True when the change is to be made only of what the caller has seen.
pub(crate) fn is_conditional(cx: &Context) -> bool {
    cx.headers.contains_key(IF_MATCH)
}

/// 412.
pub(crate) fn changed() -> ApiError {
    ApiError::handler(
        StatusCode::PRECONDITION_FAILED,
        "The resource is not as If-Match says any more. Read it again.",
    )
}

/// The tags of all headers of the name.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> ApiResult<Vec<Listed<'a>>> {
    let bad = || ApiError::bad_request(format!("The header {name} is not a list of entity tags."));
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| bad())?;
        tags.extend(parse(text).ok_or_else(bad)?);
    }
    Ok(tags)
}

/// `*`, or quoted tags with commas between them.
pub(crate) fn parse(text: &str) -> Option<Vec<Listed<'_>>> {
    let mut rest = text.trim();
    if rest == "*" {
        return Some(vec![Listed::Any]);
    }
    let mut tags = Vec::new();
    loop {
        rest = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (tag, after) = rest.split_once('"')?;
        tags.push(Listed::Tag(tag));
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(tags);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags_are_read() {
        assert_eq!(parse(" * "), Some(vec![Listed::Any]));
        assert_eq!(
            parse(r#""a-1", W/"b,c" ,"""#),
            Some(vec![Listed::Tag("a-1"), Listed::Tag("b,c"), Listed::Tag("")])
        );
        for bad in ["", "a", "\"a", "\"a\" \"b\"", "\"a\",", "w/\"a\"", "*, \"a\""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_change_is_about_the_state_and_an_answer_about_its_version_too() {
        let tag = Tag::of(&"x", Version::v1(9)).unwrap();
        let (same, older) = (format!("{}-9", tag.state), format!("{}-1", tag.state));
        assert!(tag.is_among(&[Listed::Tag(&same)], true));
        assert!(!tag.is_among(&[Listed::Tag(&older)], true));
        assert!(tag.is_among(&[Listed::Tag("z-9"), Listed::Tag(&older)], false));
        assert!(!tag.is_among(&[Listed::Tag(&tag.state)], false));
        assert_ne!(Tag::of(&"y", Version::v1(9)).unwrap().state, tag.state);
        assert_eq!(tag.state.len(), 32);
    }
}
