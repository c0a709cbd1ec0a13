//! Servers of `http:` and `https:` checks: one POST each, as oslo.policy sends it, without the caller's token.
//! What is not a clear answer refuses.

use std::time::Duration;

use jeroboam_config::{Config, RemoteContentType};
use jeroboam_policy::{Question, Remote, is_granted};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Identity, Url};

/// Longest answer that is read: "True" needs no more.
const MAX_ANSWER_BYTES: usize = 64;

/// A client of such servers. Without one, nothing is asked and everything refused.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    client: Option<Client>,
    as_json: bool,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// A file of `[oslo_policy] remote_ssl_*`.
    #[error("[oslo_policy] {option}: {}: {reason}", file.display())]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        file: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refuses.
    #[error("cannot make a client for the servers of policy rules")]
    Client(#[source] reqwest::Error),
}

impl Servers {
    /// From `[oslo_policy] remote_*`.
    pub(crate) fn new(config: &Config) -> Result<Self, ServersError> {
        let section = &config.oslo_policy;
        let read = |option, file: &std::path::Path| {
            std::fs::read(file).map_err(|error| ServersError::File {
                option,
                file: file.to_owned(),
                reason: error.to_string(),
            })
        };
        let mut builder = Client::builder()
            .user_agent(concat!("jeroboam/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(Duration::try_from_secs_f64(section.remote_timeout).unwrap_or(Duration::from_secs(60)))
            .tls_danger_accept_invalid_certs(!section.remote_ssl_verify_server_crt);
        if let Some(file) = &section.remote_ssl_ca_crt_file {
            let option = "remote_ssl_ca_crt_file";
            let authorities =
                Certificate::from_pem_bundle(&read(option, file)?).map_err(|error| ServersError::File {
                    option,
                    file: file.clone(),
                    reason: error.to_string(),
                })?;
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(file) = &section.remote_ssl_client_crt_file {
            let option = "remote_ssl_client_crt_file";
            let mut pem = read(option, file)?;
            if let Some(key) = &section.remote_ssl_client_key_file {
                pem.push(b'\n');
                pem.append(&mut read("remote_ssl_client_key_file", key)?);
            }
            let identity = Identity::from_pem(&pem).map_err(|error| ServersError::File {
                option,
                file: file.clone(),
                reason: error.to_string(),
            })?;
            builder = builder.identity(identity);
        }
        Ok(Self {
            client: Some(builder.build().map_err(ServersError::Client)?),
            as_json: section.remote_content_type == RemoteContentType::Json,
        })
    }
}

impl Remote for Servers {
    async fn ask(&self, question: &Question<'_>) -> Result<bool, String> {
        let client = self
            .client
            .as_ref()
            .ok_or("there is no client to ask a server with")?;
        let address =
            Url::parse(question.address).map_err(|error| format!("{}: {error}", question.address))?;
        let host = address.host_str().unwrap_or_default().to_owned();
        let (kind, body) = if self.as_json {
            ("application/json", question.json().to_string())
        } else {
            ("application/x-www-form-urlencoded", form(question)?)
        };
        let request = client.post(address).header(CONTENT_TYPE, kind).body(body);
        // The address may tell more than a log should: the host is enough.
        let failed =
            |error: reqwest::Error| format!("server {host} cannot be asked: {}", error.without_url());
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!(
                "server {host} answered with status {}",
                response.status().as_u16()
            ));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER_BYTES {
                return Ok(false);
            }
        }
        Ok(std::str::from_utf8(&answer).is_ok_and(is_granted))
    }
}

/// The fields as a form. The URL library writes queries in the same way.
fn form(question: &Question<'_>) -> Result<String, String> {
    let mut url = Url::parse("http://form/").map_err(|error| error.to_string())?;
    url.query_pairs_mut().extend_pairs(question.form());
    Ok(url.query().unwrap_or_default().to_owned())
}
