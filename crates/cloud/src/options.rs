//! Where the cloud is and how patient we are with it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

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

/// Where the cloud is and how patient we are with it.
#[derive(Clone, Debug)]
pub struct Options {
    /// URL of Keystone, with or without `/v3`.
    pub auth_url: String,
    /// Region to pick endpoints from; `None` takes the first that the catalog lists.
    pub region: Option<String>,
    /// Interface to pick endpoints of.
    pub interface: Interface,
    /// PEM bundle of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Accepts any certificate.
    pub insecure: bool,
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
            region: None,
            interface: Interface::Public,
            ca_file: None,
            insecure: false,
            call_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
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
