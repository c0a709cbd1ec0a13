//! What all calls of the process share: one connection pool, the deadlines, the bound on calls in flight.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, Url};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::credentials::Credentials;
use crate::error::{Error, Kind, root_of};
use crate::options::Options;
use crate::service::Service;
use crate::session::Session;
use crate::wire::Wire;

/// How long an unused connection is kept. Apache, which serves most of these APIs, closes them after 5 s; giving
/// up first avoids sending a call into a connection that is being closed.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// The way to one cloud. Cheap to clone.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    options: Options,
    identity: Url,
    client: Client,
    calls: Semaphore,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector with at most `calls_in_flight` (at least one) calls in flight at a time; others wait for
    /// their turn. Fails when the URL is none or the authorities' file cannot be read.
    pub fn new(options: Options, calls_in_flight: usize) -> Result<Self, Error> {
        let identity = Service::Identity.root(&options.auth_url, None).ok_or_else(|| {
            invalid(format!(
                "\"{}\" is not the URL of an identity service",
                options.auth_url
            ))
        })?;
        let client = client(&options, &identity, calls_in_flight)?;
        let calls = Semaphore::new(calls_in_flight.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self(Arc::new(Inner {
            options,
            identity,
            client,
            calls,
        })))
    }

    /// A session that authenticates at its first call.
    pub fn session(&self, credentials: Credentials) -> Session {
        Session::new(self.clone(), credentials)
    }

    /// Asks the identity service for its version document: fails unless it is there and speaks v3.
    pub async fn probe(&self) -> Result<(), Error> {
        let wire = Wire::new(Service::Identity, Method::GET, self.identity_root().clone());
        let answer = self.exchange(&wire, None).await?;
        match answer.json()?.get("version") {
            Some(_) => Ok(()),
            None => Err(answer.malformed("the answer is not a version document of an identity service")),
        }
    }

    /// Where it leads and how patient it is.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Keystone's `/v3` by the configured URL, which works without a catalog.
    pub(crate) fn identity_root(&self) -> &Url {
        &self.0.identity
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Waits for a turn to call. The semaphore is never closed, so there always is one.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.calls.acquire().await.ok()
    }
}

fn client(options: &Options, identity: &Url, calls_in_flight: usize) -> Result<Client, Error> {
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("jeroboam/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(calls_in_flight)
            .tls_danger_accept_invalid_certs(options.insecure);
        // A proxy for the outside world cannot reach this machine's own loopback address.
        if is_loopback(identity) {
            builder.no_proxy()
        } else {
            builder
        }
    };
    let built = match &options.ca_file {
        Some(path) => {
            let path_text = path.display();
            let pem = std::fs::read(path).map_err(|cause| {
                invalid(format!(
                    "cannot read certificate authorities {path_text}: {cause}"
                ))
            })?;
            let authorities = Certificate::from_pem_bundle(&pem)
                .map_err(|_| invalid(format!("no PEM certificates in {path_text}")))?;
            builder().tls_certs_only(authorities).build()
        }
        // A system without any authorities can still talk to a cloud without TLS.
        None if identity.scheme() == "http" => builder()
            .build()
            .or_else(|_| builder().tls_certs_only(Vec::<Certificate>::new()).build()),
        None => builder().build(),
    };
    built.map_err(|cause| {
        let reason = root_of(&cause).unwrap_or_else(|| cause.to_string());
        invalid(format!("cannot prepare connections: {reason}"))
    })
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let literal = host.trim_matches(['[', ']']);
        host == "localhost"
            || literal
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

fn invalid(message: String) -> Error {
    Error::new(Service::Identity.name(), Kind::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_or_file_is_named_when_the_connector_is_made() {
        let error = Connector::new(Options::new("not a url"), 1).unwrap_err();
        assert!(error.message.contains("\"not a url\""), "{error}");
        let options = Options {
            ca_file: Some("/nonexistent/ca.pem".into()),
            ..Options::new("https://h/v3")
        };
        let error = Connector::new(options, 1).unwrap_err();
        assert!(error.message.contains("/nonexistent/ca.pem"), "{error}");
    }

    #[test]
    fn only_loopback_addresses_bypass_proxies() {
        let loopback = |text: &str| is_loopback(&Url::parse(text).unwrap());
        assert!(
            loopback("http://127.0.0.1:5000/v3") && loopback("http://[::1]/") && loopback("http://localhost")
        );
        assert!(!loopback("http://10.0.0.1/") && !loopback("https://cloud.example/"));
    }
}
