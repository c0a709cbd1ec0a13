//! One exchange over HTTP: deadline, bounds, and repetition of what is safe to repeat.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::Instant;

use crate::connector::Connector;
use crate::error::{Error, Kind, changes, refused, request_id, unanswered};
use crate::meter::Meter;
use crate::service::Service;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How often a safe call is sent in all.
const ATTEMPTS: u32 = 3;
/// Longest wait between attempts that a service may ask for; beyond it the caller decides.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// A call, ready to be sent.
pub(crate) struct Wire {
    pub service: Service,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// Changes nothing, whatever its method: may be repeated, and its outcome is never in doubt.
    pub harmless: bool,
    /// Is not repeated here: the caller knows something better.
    pub once: bool,
}

/// A 2xx answer.
pub(crate) struct Answer {
    pub service: Service,
    pub headers: HeaderMap,
    body: Vec<u8>,
    /// For errors about the answer itself: the call it answers would have changed something.
    changes: bool,
}

impl Wire {
    pub fn new(service: Service, method: Method, url: Url) -> Self {
        let harmless = !changes(&method);
        Self {
            service,
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            harmless,
            once: false,
        }
    }

    /// Adds a header with a secret value. A value that no header can hold is no token at all: `Unauthorized`.
    pub fn secret_header(&mut self, name: &'static str, value: &SecretString) -> Result<(), Error> {
        let mut value = HeaderValue::from_str(value.expose_secret())
            .map_err(|_| Error::new(self.service.name(), Kind::Unauthorized, "the token is malformed"))?;
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(())
    }
}

impl Connector {
    /// Sends a call and reads its answer within the call's deadline. Harmless calls are repeated while the
    /// service cannot be reached or says that it is overloaded.
    pub(crate) async fn exchange(
        &self,
        wire: &Wire,
        meter: Option<&std::sync::Arc<Meter>>,
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.options().call_timeout;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(wire, meter, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = pause(attempt, error.retry_after);
            let repeat = wire.harmless && !wire.once && attempt < ATTEMPTS && is_passing(&error);
            match wait {
                Some(wait) if repeat && Instant::now() + wait < deadline => {
                    tracing::debug!(
                        service = wire.service.name(), error = %error, wait_ms = wait.as_millis() as u64,
                        "call to the cloud failed, trying again"
                    );
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(error),
            }
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        wire: &Wire,
        meter: Option<&std::sync::Arc<Meter>>,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let turn = tokio::time::timeout_at(deadline, self.permit()).await;
        let _permit = turn.map_err(|_| {
            let message = "too many calls were under way to send another one in time";
            Error::new(wire.service.name(), Kind::Timeout, message)
        })?;
        let _in_flight = meter.map(Meter::start);
        let start = Instant::now();
        // A call that waited for its turn still gets a fair time to be answered.
        let timeout = deadline
            .saturating_duration_since(start)
            .max(self.options().call_timeout / 4);
        let changes = !wire.harmless;
        let mut request = self
            .client(wire.service)
            .request(wire.method.clone(), wire.url.clone());
        request = request.timeout(timeout).headers(wire.headers.clone());
        if let Some(body) = &wire.body {
            request = request
                .header("content-type", "application/json")
                .body(body.clone());
        }
        let outcome = async {
            let response = request
                .send()
                .await
                .map_err(|cause| unanswered(wire.service, changes, &cause))?;
            let status = response.status();
            let headers = response.headers().clone();
            let body = read(wire.service, changes, response).await?;
            Ok::<_, Error>((status, headers, body))
        }
        .await;
        let status = outcome.as_ref().ok().map(|(status, ..)| status.as_u16());
        tracing::debug!(
            service = wire.service.name(), method = %wire.method, path = wire.url.path(), status,
            elapsed_ms = start.elapsed().as_millis() as u64,
            request_id = outcome.as_ref().ok().and_then(|(_, headers, _)| request_id(headers)),
            "call to the cloud"
        );
        if let Some(metrics) = &self.options().metrics {
            let (service, method) = (wire.service.name(), method_name(&wire.method));
            let number = status.map(|status| status.to_string());
            let outcome = match (&number, &outcome) {
                (Some(number), _) => number,
                (None, Err(error)) if error.kind == Kind::Timeout => "timeout",
                (None, _) => "connection",
            };
            metrics.cloud().called(service, method, outcome, start.elapsed());
        }
        let (status, headers, body) = outcome?;
        if !status.is_success() {
            return Err(refused(wire.service, changes, status, &headers, &body));
        }
        Ok(Answer {
            service: wire.service,
            headers,
            body,
            changes,
        })
    }
}

/// Name of a method, for numbers.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

async fn read(service: Service, changes: bool, mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                let error = Error::new(service.name(), Kind::Malformed, "the answer is too long");
                return Err(Error {
                    uncertain: changes,
                    ..error
                });
            }
            Err(cause) => return Err(unanswered(service, changes, &cause)),
        }
    }
}

/// What a repetition may cure at once. A timeout has used up the call's time.
fn is_passing(error: &Error) -> bool {
    match error.kind {
        Kind::Connection | Kind::RateLimited => true,
        Kind::ServerError => {
            let status = error.status.and_then(|status| StatusCode::from_u16(status).ok());
            matches!(
                status,
                Some(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
            )
        }
        _ => false,
    }
}

/// How long to wait after an attempt: what the service asks for, else 50 to 150 ms, doubled each time. `None`
/// when the service asks for more than [`RETRY_AFTER_MAX`].
fn pause(attempt: u32, retry_after: Option<Duration>) -> Option<Duration> {
    match retry_after {
        Some(asked) if asked > RETRY_AFTER_MAX => None,
        Some(asked) if !asked.is_zero() => Some(asked),
        _ => Some(Duration::from_millis(fastrand::u64(50..150) << (attempt - 1))),
    }
}

impl Answer {
    /// The answer as JSON.
    pub fn json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.body).map_err(|_| self.malformed("the answer is not JSON"))
    }

    /// A value of the answer's shape is missing or of another type.
    pub fn malformed(&self, message: impl Into<String>) -> Error {
        Error {
            request_id: request_id(&self.headers),
            uncertain: self.changes,
            ..Error::new(self.service.name(), Kind::Malformed, message)
        }
    }
}

/// Reads `null` as the default: services send it for many an absent text.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_s_own_wait_is_honoured_within_bounds() {
        assert_eq!(
            pause(1, Some(Duration::from_secs(3))),
            Some(Duration::from_secs(3))
        );
        assert_eq!(pause(1, Some(Duration::from_secs(6))), None);
        let second = pause(2, None).unwrap();
        assert!((Duration::from_millis(100)..Duration::from_millis(300)).contains(&second));
    }
}
