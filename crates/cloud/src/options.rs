//! Where the cloud is and how patient we are with it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jeroboam_metrics::Metrics;

use crate::service::Service;

/// Which of a service's endpoints in the catalog is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// For everybody.
    #[default]
    Public,
    /// For the services themselves.
    Internal,
    /// For administrators.
    Admin,
}

/// The text is none of `public`, `internal` and `admin`, with or without `URL` at its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown endpoint interface \"{0}\": expected public, internal or admin")]
pub struct UnknownInterface(String);

impl Interface {
    /// Name in the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Interface {
    type Err = UnknownInterface;

    /// Takes Keystone's names and the older ones with `URL` at the end, which configuration files still hold.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "public" | "publicURL" => Ok(Self::Public),
            "internal" | "internalURL" => Ok(Self::Internal),
            "admin" | "adminURL" => Ok(Self::Admin),
            other => Err(UnknownInterface(other.to_owned())),
        }
    }
}

/// Which endpoint of one service is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Region; `None` for that of [`Options::region`].
    pub region: Option<String>,
    /// Interface.
    pub interface: Interface,
}

/// What we prove ourselves with when a service asks for a certificate of its clients.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// PEM file with the certificate and its chain, and perhaps the key.
    pub certificate: PathBuf,
    /// PEM file with the key, when it is not in the same file.
    pub key: Option<PathBuf>,
}

/// Whose certificates are believed, and which one is shown.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// PEM bundle of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Accepts any certificate.
    pub insecure: bool,
    /// Shown to services that ask for one.
    pub client_certificate: Option<ClientCertificate>,
}

/// Where the cloud is and how patient we are with it.
#[derive(Clone, Debug)]
pub struct Options {
    /// URL of Keystone, with or without `/v3`.
    pub auth_url: String,
    /// Further URLs of the same Keystone. When there are any, all calls of Keystone go to one of these URLs instead
    /// of the catalog's endpoint: to the one that answered last, and to the next when that does not.
    pub other_auth_urls: Vec<String>,
    /// Exceptions from `region` and `interface`.
    pub places: Vec<(Service, Place)>,
    /// Where calls are counted.
    pub metrics: Option<Metrics>,
    /// Region to pick endpoints from; `None` takes the first that the catalog lists.
    pub region: Option<String>,
    /// Interface to pick endpoints of.
    pub interface: Interface,
    /// Certificates of all services.
    pub trust: Trust,
    /// Exceptions from that.
    pub trusts: Vec<(Service, Trust)>,
    /// From the sending of a call to the last byte of its answer, repetitions included.
    pub call_timeout: Duration,
    /// For the TCP and TLS handshakes.
    pub connect_timeout: Duration,
}

impl Options {
    /// Defaults: any region, public endpoints, the system's authorities, 60 s for a call and 10 s to connect.
    pub fn new(auth_url: impl Into<String>) -> Self {
        Self {
            auth_url: auth_url.into(),
            other_auth_urls: Vec::new(),
            places: Vec::new(),
            metrics: None,
            region: None,
            interface: Interface::Public,
            trust: Trust::default(),
            trusts: Vec::new(),
            call_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// Interface and region of a service's endpoint.
    pub(crate) fn place(&self, service: Service) -> (Interface, Option<&str>) {
        match self.places.iter().find(|(known, _)| *known == service) {
            Some((_, place)) => (
                place.interface,
                place.region.as_deref().or(self.region.as_deref()),
            ),
            None => (self.interface, self.region.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_in_both_spellings_and_nothing_else() {
        for (text, expected) in [
            ("public", Interface::Public),
            ("internalURL", Interface::Internal),
            ("admin", Interface::Admin),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
        assert!("publik".parse::<Interface>().is_err());
    }
}
