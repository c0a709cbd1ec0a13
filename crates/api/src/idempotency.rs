//! `Idempotency-Key` on creates, an addition to Magnum: a client that does not know whether its create was heard sends
//! it again with the same key and gets the first answer, and no second object.
//!
//! A key counts within the caller's project for a day. Only what was made is remembered: a refused create can be sent
//! again with the same key. Neither the key nor the body is stored, only digests of them.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use jeroboam_store::Answer;
use jeroboam_types::Millis;
use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::error::{ApiError, ApiResult};
use crate::hex::hex;

const HEADER: &str = "idempotency-key";
/// Tells an answer that is given again from a first one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Most characters of a key.
const MAX_KEY_CHARS: usize = 255;
/// How long the answer of a create with an `Idempotency-Key` counts.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The key of a create, if it has one.
#[derive(Debug)]
pub(crate) struct Once(Option<Key>);

#[derive(Debug)]
struct Key {
    digest: String,
    request: String,
    now: Millis,
}

impl Once {
    /// Reads the key of a request to make `what` out of `body`.
    ///
    /// # Errors
    /// 400 for a header that is no key.
    pub(crate) fn of(cx: &Context, what: &str, body: &Value) -> ApiResult<Self> {
        let Some(header) = cx.headers.get(HEADER) else {
            return Ok(Self(None));
        };
        let key = header.to_str().unwrap_or_default().trim();
        if key.is_empty() || key.len() > MAX_KEY_CHARS || cx.headers.get_all(HEADER).iter().count() > 1 {
            return Err(ApiError::bad_request(format!(
                "The header Idempotency-Key should be one text of 1 to {MAX_KEY_CHARS} visible characters."
            )));
        }
        let owner = match &cx.caller.project_id {
            Some(project) => format!("project {project}"),
            None => format!("user {}", cx.caller.user_id),
        };
        Ok(Self(Some(Key {
            digest: digest_of(&[&owner, key]),
            request: digest_of(&[what, &cx.version.to_string(), &body.to_string()]),
            now: cx.now(),
        })))
    }

    /// The answer that the same request got before.
    ///
    /// # Errors
    /// 422 when the key was used for another request.
    pub(crate) async fn replay(&self, cx: &Context) -> ApiResult<Option<Response>> {
        let Some(key) = &self.0 else {
            return Ok(None);
        };
        let found = cx.store().answers().find(&key.digest, key.oldest()).await?;
        match found {
            None => Ok(None),
            Some(answer) if answer.request == key.request => {
                tracing::info!(request_id = cx.ids.local, "an answer was given again");
                respond(answer).map(Some)
            }
            Some(_) => Err(ApiError::handler(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key was used for another request. Use a new key for a new request.",
            )),
        }
    }

    /// The answer to keep together with what is made.
    pub(crate) fn answer(
        &self,
        status: StatusCode,
        location: Option<String>,
        body: &impl Serialize,
    ) -> Option<Answer> {
        let key = self.0.as_ref()?;
        let body = serde_json::to_string(body)
            .inspect_err(|error| tracing::error!(%error, "an answer cannot be kept"))
            .ok()?;
        Some(Answer {
            digest: key.digest.clone(),
            request: key.request.clone(),
            created: key.now,
            forget: key.oldest(),
            status: status.as_u16(),
            location,
            body,
        })
    }

    /// What to say when a create failed: the answer to the one with the same key that was first, if that is why.
    pub(crate) async fn instead_of(&self, cx: &Context, error: ApiError) -> ApiResult<Response> {
        match self.replay(cx).await? {
            Some(response) => Ok(response),
            None => Err(error),
        }
    }
}

impl Key {
    fn oldest(&self) -> Millis {
        Millis(self.now.0 - i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Digest of texts that cannot run into each other.
fn digest_of(texts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    hex(context.finish().as_ref())
}

fn respond(answer: Answer) -> ApiResult<Response> {
    let mut response = Response::builder()
        .status(answer.status)
        .header(CONTENT_TYPE, "application/json")
        .header(REPLAYED, "true")
        .body(Body::from(answer.body))
        .map_err(ApiError::internal)?;
    let location = answer.location.and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_texts_apart_wherever_they_are_split() {
        assert_ne!(digest_of(&["ab", "c"]), digest_of(&["a", "bc"]));
        assert_eq!(digest_of(&["a"]), digest_of(&["a"]));
        assert_eq!(digest_of(&[]).len(), 64);
    }
}
