//! What all calls of the process share: one connection pool, the deadlines, the bound on calls in flight.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Method, Url};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::credentials::Credentials;
use crate::error::{Error, Kind, root_of};
use crate::meter::Meter;
use crate::options::{ClientCertificate, Options, Trust};
use crate::service::Service;
use crate::session::Session;
use crate::wire::{Answer, Wire};

/// How long an unused connection is kept. Apache, which serves most of these APIs, closes them after 5 s; giving
/// up first avoids sending a call into a connection that is being closed.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// The way to one cloud. Cheap to clone.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    options: Options,
    /// At least one.
    identities: Vec<Url>,
    /// Which of them answered last.
    identity: AtomicUsize,
    client: Client,
    /// Services with other certificates have clients of their own.
    clients: Vec<(Service, Client)>,
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
        let mut identities = Vec::new();
        for url in std::iter::once(&options.auth_url).chain(&options.other_auth_urls) {
            let root = Service::Identity.root(url, None);
            identities.push(
                root.ok_or_else(|| invalid(format!("\"{url}\" is not the URL of an identity service")))?,
            );
        }
        let client = |trust: &Trust| client(&options, trust, &identities, calls_in_flight);
        let clients: Result<Vec<_>, Error> = options
            .trusts
            .iter()
            .map(|(service, trust)| Ok((*service, client(trust)?)))
            .collect();
        let (client, clients) = (client(&options.trust)?, clients?);
        let calls = Semaphore::new(calls_in_flight.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self(Arc::new(Inner {
            options,
            identities,
            identity: AtomicUsize::new(0),
            client,
            clients,
            calls,
        })))
    }

    /// A session that authenticates at its first call.
    pub fn session(&self, credentials: Credentials) -> Session {
        Session::new(self.clone(), credentials)
    }

    /// Asks the identity service for its version document: fails unless it is there and speaks v3.
    pub async fn probe(&self) -> Result<(), Error> {
        let answer = self
            .ask_identity(None, |root| Ok(Wire::new(Service::Identity, Method::GET, root)))
            .await?;
        match answer.json()?.get("version") {
            Some(_) => Ok(()),
            None => Err(answer.malformed("the answer is not a version document of an identity service")),
        }
    }

    /// Where it leads and how patient it is.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Keystone's `/v3` by the configured URL that answered last, which works without a catalog.
    pub(crate) fn identity_root(&self) -> &Url {
        let identities = &self.0.identities;
        let current = self.0.identity.load(Ordering::Relaxed);
        &identities[current % identities.len()]
    }

    /// True when Keystone is known by several URLs.
    pub(crate) fn has_identities(&self) -> bool {
        self.0.identities.len() > 1
    }

    /// Sends a call to Keystone by its configured URLs: that which answered last, then the others, as long as
    /// the call was surely not received.
    pub(crate) async fn ask_identity(
        &self,
        meter: Option<&Arc<Meter>>,
        target: impl Fn(Url) -> Result<Wire, Error>,
    ) -> Result<Answer, Error> {
        let (identities, count) = (&self.0.identities, self.0.identities.len());
        let first = self.0.identity.load(Ordering::Relaxed);
        let mut step = 0;
        loop {
            let index = (first + step) % count;
            step += 1;
            let mut wire = target(identities[index].clone())?;
            // Another URL is a better second try than the same one.
            wire.once = step < count;
            match self.exchange(&wire, meter).await {
                Err(error) if step < count && may_pass_elsewhere(&error) => {
                    tracing::warn!(%error, url = %identities[index], "asking Keystone at its next URL");
                }
                outcome => {
                    if step > 1 && outcome.is_ok() {
                        self.0.identity.store(index, Ordering::Relaxed);
                    }
                    return outcome;
                }
            }
        }
    }

    pub(crate) fn client(&self, service: Service) -> &Client {
        let mut own = self.0.clients.iter();
        own.find(|(known, _)| *known == service)
            .map_or(&self.0.client, |(_, client)| client)
    }

    /// Waits for a turn to call. The semaphore is never closed, so there always is one.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.calls.acquire().await.ok()
    }
}

/// Another URL may answer, and nothing was done.
fn may_pass_elsewhere(error: &Error) -> bool {
    !error.may_have_happened()
        && (matches!(error.kind, Kind::Connection | Kind::Timeout) || matches!(error.status, Some(502..=504)))
}

fn client(
    options: &Options,
    trust: &Trust,
    identities: &[Url],
    calls_in_flight: usize,
) -> Result<Client, Error> {
    let own = trust.client_certificate.as_ref().map(own_identity).transpose()?;
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("jeroboam/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(calls_in_flight)
            .tls_danger_accept_invalid_certs(trust.insecure);
        let builder = match &own {
            Some(own) => builder.identity(own.clone()),
            None => builder,
        };
        // A proxy for the outside world cannot reach this machine's own loopback address.
        if identities.iter().any(is_loopback) {
            builder.no_proxy()
        } else {
            builder
        }
    };
    let built = match &trust.ca_file {
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
        None if identities.iter().all(|url| url.scheme() == "http") => builder()
            .build()
            .or_else(|_| builder().tls_certs_only(Vec::<Certificate>::new()).build()),
        None => builder().build(),
    };
    built.map_err(|cause| {
        let reason = root_of(&cause).unwrap_or_else(|| cause.to_string());
        invalid(format!("cannot prepare connections: {reason}"))
    })
}

/// Reads the certificate and key that we show.
fn own_identity(own: &ClientCertificate) -> Result<Identity, Error> {
    let mut pem = zeroize::Zeroizing::new(Vec::new());
    for path in std::iter::once(&own.certificate).chain(&own.key) {
        let part = std::fs::read(path).map(zeroize::Zeroizing::new);
        let part =
            part.map_err(|cause| invalid(format!("cannot read certificate {}: {cause}", path.display())))?;
        pem.extend_from_slice(&part);
        pem.push(b'\n');
    }
    Identity::from_pem(&pem).map_err(|_| {
        invalid(format!(
            "{} and its key file hold no certificate with its key in PEM",
            own.certificate.display()
        ))
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
        let trust = Trust {
            ca_file: Some("/nonexistent/ca.pem".into()),
            ..Trust::default()
        };
        for trusts in [Vec::new(), vec![(Service::LoadBalancer, trust.clone())]] {
            let options = Options {
                trust: if trusts.is_empty() {
                    trust.clone()
                } else {
                    Trust::default()
                },
                trusts,
                ..Options::new("https://h/v3")
            };
            let error = Connector::new(options, 1).unwrap_err();
            assert!(error.message.contains("/nonexistent/ca.pem"), "{error}");
        }
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
