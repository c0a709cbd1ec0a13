//! gRPC as far as calls with one message each way need it: HTTP/2 with frames of a flag, a length and a message, and
//! the outcome in trailers. See PROTOCOL-HTTP2.md of the project gRPC.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, request};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use prost::Message;

use crate::error::ApiError;

/// Largest message that is read: gRPC's own limit.
const LARGEST_MESSAGE: usize = 4 << 20;

/// Flag and length before each message.
const PREFIX: usize = 5;

/// Longest time that a call may take, whatever its caller allows.
const LONGEST_CALL: Duration = Duration::from_secs(20);

/// Outcomes of calls, by gRPC's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok = 0,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl Code {
    /// The name, for numbers and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// A call that was refused: what the caller is told and, apart from it, the private cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) cause: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            cause: None,
        }
    }

    /// Something that the service needs does not answer.
    pub(crate) fn unavailable(cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(Code::Unavailable, "the service cannot answer now")
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let code = match error.status {
            StatusCode::BAD_REQUEST => Code::InvalidArgument,
            StatusCode::FORBIDDEN => Code::ResourceExhausted,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::CONFLICT => Code::Aborted,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            _ => Code::Internal,
        };
        Self {
            code,
            message: error.detail().to_owned(),
            cause: error.cause().map(str::to_owned),
        }
    }
}

/// Refuses what is no call.
pub(crate) fn is_call(parts: &request::Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let rest = kind.strip_prefix("application/grpc");
    // Trailers, which tell the outcome, need HTTP/2; and `application/grpc-web` is another protocol.
    parts.version == Version::HTTP_2
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}

/// How long a call may take: what its caller allows, but not for ever.
pub(crate) fn time_limit(headers: &HeaderMap) -> Duration {
    let text = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    let given = text.and_then(|text| {
        let (amount, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let amount: u64 = amount.parse().ok().filter(|_| amount.len() <= 8)?;
        Some(match unit {
            "H" => Duration::from_secs(amount.checked_mul(3_600)?),
            "M" => Duration::from_secs(amount.checked_mul(60)?),
            "S" => Duration::from_secs(amount),
            "m" => Duration::from_millis(amount),
            "u" => Duration::from_micros(amount),
            "n" => Duration::from_nanos(amount),
            _ => return None,
        })
    });
    given.unwrap_or(LONGEST_CALL).min(LONGEST_CALL)
}

/// The one frame of a call.
///
/// # Errors
/// A body that is too long, or no whole frame.
pub(crate) async fn read(body: Body) -> Result<Bytes, Refusal> {
    let read = Limited::new(body, LARGEST_MESSAGE + PREFIX).collect().await;
    let bytes = match read {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = format!("a message may have at most {LARGEST_MESSAGE} bytes");
            return Err(Refusal::new(Code::ResourceExhausted, text));
        }
        Err(_) => return Err(Refusal::new(Code::InvalidArgument, "the call could not be read")),
    };
    message_of(&bytes)
}

fn message_of(bytes: &Bytes) -> Result<Bytes, Refusal> {
    let invalid = |text: &str| Err(Refusal::new(Code::InvalidArgument, text));
    let Some((prefix, message)) = bytes.split_first_chunk::<PREFIX>() else {
        return invalid("the call has no message");
    };
    let [flag, length @ ..] = *prefix;
    match flag {
        0 => {}
        1 => {
            return Err(Refusal::new(
                Code::Unimplemented,
                "compressed messages are not read",
            ));
        }
        _ => return invalid("the call has a frame of an unknown kind"),
    }
    match usize::try_from(u32::from_be_bytes(length)) {
        Ok(length) if length == message.len() => Ok(bytes.slice(PREFIX..)),
        _ => invalid("the call is not of one whole message"),
    }
}

/// Reads a message.
///
/// # Errors
/// Bytes that are none.
pub(crate) fn decode<M: Message + Default>(bytes: &Bytes) -> Result<M, Refusal> {
    M::decode(bytes.as_ref()).map_err(|error| {
        Refusal::new(
            Code::InvalidArgument,
            format!("the message cannot be read: {error}"),
        )
    })
}

/// The answer to a call.
pub(crate) fn respond(outcome: Result<Vec<u8>, Refusal>) -> Response {
    let grpc = HeaderValue::from_static("application/grpc");
    match outcome {
        Ok(message) => {
            let mut frame = Vec::with_capacity(PREFIX + message.len());
            frame.push(0);
            frame.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
            frame.extend(message);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from(Code::Ok as u16));
            let body = Full::new(Bytes::from(frame)).with_trailers(async move { Some(Ok(trailers)) });
            ([(CONTENT_TYPE, grpc)], Body::new(body)).into_response()
        }
        Err(refusal) => {
            let mut response = ([(CONTENT_TYPE, grpc)], Body::empty()).into_response();
            let headers = response.headers_mut();
            headers.insert("grpc-status", HeaderValue::from(refusal.code as u16));
            if let Ok(message) = HeaderValue::from_str(&percent_encoded(&refusal.message)) {
                headers.insert("grpc-message", message);
            }
            response
        }
    }
}

/// Printable ASCII but for `%` as it is, and every other byte of the UTF-8 as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes().take(4 << 10) {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_whole_message_and_nothing_else() {
        let read = |bytes: &[u8]| message_of(&Bytes::copy_from_slice(bytes)).map_err(|refusal| refusal.code);
        assert_eq!(read(&[0, 0, 0, 0, 2, 7, 8]).unwrap().as_ref(), [7, 8]);
        assert!(read(&[0, 0, 0, 0, 0]).unwrap().is_empty());
        for (bytes, code) in [
            (&[][..], Code::InvalidArgument),
            (&[0, 0, 0, 0], Code::InvalidArgument),
            (&[0, 0, 0, 0, 2, 7], Code::InvalidArgument),
            (&[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0], Code::InvalidArgument),
            (&[0, 255, 255, 255, 255, 7], Code::InvalidArgument),
            (&[2, 0, 0, 0, 0], Code::InvalidArgument),
            (&[1, 0, 0, 0, 0], Code::Unimplemented),
        ] {
            assert_eq!(read(bytes).unwrap_err(), code, "{bytes:?}");
        }
    }

    #[test]
    fn callers_allow_less_time_and_never_more() {
        let limit = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            time_limit(&headers)
        };
        assert_eq!(limit("5S"), Duration::from_secs(5));
        assert_eq!(limit("4999844u"), Duration::from_micros(4_999_844));
        for text in ["1H", "99999999H", "123456789S", "S", "", "5", "-1S", "5s", "é"] {
            let text: &'static str = text;
            if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), value)]);
                assert_eq!(time_limit(&headers), LONGEST_CALL, "{text}");
            }
        }
        assert_eq!(time_limit(&HeaderMap::new()), LONGEST_CALL);
    }

    #[test]
    fn a_refusal_is_told_in_ascii_on_one_line() {
        assert_eq!(percent_encoded("50% of\ngrün"), "50%25 of%0Agr%C3%BCn");
        let response = respond(Err(Refusal::new(Code::Aborted, "later")));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "10");
        assert_eq!(response.headers()["grpc-message"], "later");
    }
}
