//! A client of the COE's API, for looks at it: nodes belong to the tenant, who may make them say anything.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jeroboam_driver::{Access, ApiCall, Relay};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Identity};
pub use reqwest::{Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit of a text from elsewhere.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// At most so many nodes are named in a report.
const NAMED_NODES: usize = 5;

/// Longest refusal that is read, in bytes.
const LONGEST_REFUSAL: usize = 64 << 10;

/// A COE's API behind TLS of the cluster's own authority. Failures are texts for the tenant, without addresses.
pub struct Api {
    /// What it is called in texts, such as `Docker API`.
    name: &'static str,
    way: Way,
}

/// How calls get there.
enum Way {
    Direct { base: String, client: Client },
    Relay(Arc<dyn Relay>),
}

impl Api {
    /// A client that trusts the cluster's authorities and nobody else. The address is `https://` or `tcp://`.
    ///
    /// # Errors
    /// Without usable certificates.
    pub fn new(name: &'static str, access: &Access) -> Result<Self, String> {
        if let Some(relay) = &access.relay {
            let way = Way::Relay(Arc::clone(relay));
            return Ok(Self { name, way });
        }
        let (Some(authority), Some(pair)) = (&access.authority, &access.client) else {
            return Err(format!("the {name} needs a certificate"));
        };
        let unusable = |_| "the cluster's certificates cannot be used".to_owned();
        let authorities = Certificate::from_pem_bundle(authority.as_bytes()).map_err(unusable)?;
        let identity = SecretString::from(format!("{}\n{}", pair.certificate, pair.key.expose_secret()));
        let identity = Identity::from_pem(identity.expose_secret().as_bytes()).map_err(unusable)?;
        let client = Client::builder()
            .tls_certs_only(authorities)
            .identity(identity)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(unusable)?;
        let base = access.address.replacen("tcp://", "https://", 1);
        Ok(Self {
            name,
            way: Way::Direct { base, client },
        })
    }

    /// Asks once; any status is an answer.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn ask(&self, path: &str) -> Result<Response, String> {
        self.send(Method::GET, path, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Response, String> {
        let answer = match &self.way {
            Way::Direct { base, client } => {
                let mut request = client.request(method, format!("{base}/{path}"));
                if let Some((media, body)) = body {
                    request = request.header(CONTENT_TYPE, media).body(body.to_string());
                }
                request.send().await.map_err(|error| cause(&error))
            }
            Way::Relay(relay) => carried(relay.as_ref(), method, path, body).await,
        };
        answer.map_err(|cause| format!("the {} does not answer: {cause}", self.name))
    }

    /// Asks for a change, with a body of a media type; gives the status of the answer, which may be a refusal, and
    /// what a refusal says.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(StatusCode, String), String> {
        let answer = self.send(method, path, body).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok((status, String::new()));
        }
        let body = self.body(answer, LONGEST_REFUSAL).await?;
        let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let message = value["message"].as_str().unwrap_or_default();
        Ok((status, message.chars().take(200).collect()))
    }

    /// The same, of a change that must be made. What is not there any more is no refusal.
    ///
    /// # Errors
    /// When nothing answers, and when it is refused.
    pub async fn must_change(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(), String> {
        match self.change(method, path, body).await? {
            (status, _) if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            (status, message) => Err(format!("the {} answers {status}: {message}", self.name)),
        }
    }

    /// Reads an answer of at most `longest` bytes.
    ///
    /// # Errors
    /// When it is longer, or breaks off.
    pub async fn body(&self, mut answer: Response, longest: usize) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let chunk = answer.chunk().await;
            let chunk =
                chunk.map_err(|error| format!("the {} answers badly: {}", self.name, cause(&error)))?;
            let Some(chunk) = chunk else { return Ok(body) };
            if body.len() + chunk.len() > longest {
                return Err(format!(
                    "the {} answers badly: with more than {longest} bytes",
                    self.name
                ));
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// Asks for a document of at most `longest` bytes. `explain` puts a status into words, if it knows better
    /// ones.
    ///
    /// # Errors
    /// When there is no such document.
    pub async fn load<T: DeserializeOwned>(
        &self,
        path: &str,
        longest: usize,
        explain: fn(u16) -> Option<&'static str>,
    ) -> Result<T, String> {
        let answer = self.ask(path).await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(match explain(status.as_u16()) {
                Some(words) => words.to_owned(),
                None => format!("the {} answers {status}", self.name),
            });
        }
        let body = self.body(answer, longest).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // It may quote what was sent.
            let error: String = error.to_string().chars().take(200).collect();
            format!("the {} answers badly: {error}", self.name)
        })
    }
}

/// A call that somebody else makes, with the same path on the wire as if it were made here.
async fn carried(
    relay: &dyn Relay,
    method: Method,
    path: &str,
    body: Option<(&str, &Value)>,
) -> Result<Response, String> {
    let url = Url::parse(&format!("https://api/{path}")).map_err(|error| error.to_string())?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let call = ApiCall {
        method: method.to_string(),
        path: format!("{}{query}", url.path().trim_start_matches('/')),
        media: body.map(|(media, _)| media.to_owned()).unwrap_or_default(),
        body: body.map(|(_, body)| body.to_string()).unwrap_or_default().into(),
    };
    let answer = relay.carry(&call).await?;
    let response = http::Response::builder().status(answer.status).body(answer.body);
    response.map(Response::from).map_err(|error| error.to_string())
}

/// How many of the expected nodes are ready, and which of the others wait for what.
pub fn summary(expected: usize, waiting: &[String]) -> String {
    let more = waiting.len().saturating_sub(NAMED_NODES);
    let mut text = format!("{} of {expected} nodes are ready; ", expected - waiting.len());
    text.push_str(&waiting[..waiting.len() - more].join(", "));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// The innermost cause, which names neither address nor path.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".into();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Fetches at most `longest` bytes from anywhere, by https.
///
/// # Errors
/// When it is not to be had; the text names the URL.
pub async fn fetch(url: &str, longest: usize) -> Result<Vec<u8>, String> {
    let failed = |reason: String| format!("cannot fetch {url}: {reason}");
    let client = Client::builder()
        .https_only(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(FETCH_TIMEOUT)
        .build()
        .map_err(|error| failed(cause(&error)))?;
    let answer = client.get(url).send().await;
    let mut answer = answer.map_err(|error| failed(cause(&error)))?;
    if !answer.status().is_success() {
        return Err(failed(answer.status().to_string()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failed(cause(&error)))? {
        if body.len() + chunk.len() > longest {
            return Err(failed(format!("it has more than {longest} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
