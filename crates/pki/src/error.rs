//! What can go wrong with keys and certificates. No message holds key material.

/// A failed certificate operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The signing request cannot be read, is not signed by its own key, or its key is too weak. The caller's
    /// fault.
    #[error("the certificate signing request is refused: {0}")]
    BadCsr(String),
    /// The signing request asks, as critical, for something the rules forbid. The caller's fault.
    #[error("the certificate signing request asks for {0}, which is not allowed")]
    Forbidden(String),
    /// A stored certificate or key cannot be read.
    #[error("the {what} cannot be read: {why}")]
    Unreadable {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The reason, free of key material.
        why: String,
    },
    /// The private key is not the one of the certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The certificate is not that of an authority.
    #[error("the certificate is not that of a certificate authority")]
    NotAuthority,
    /// A name cannot stand in a certificate.
    #[error("{0:?} cannot stand in a certificate")]
    BadName(String),
    /// The end is not after the beginning, or a date is outside 1970 to 9999.
    #[error("the validity is empty or outside the years 1970 to 9999")]
    BadValidity,
    /// The certificate could not be encoded.
    #[error("the certificate cannot be encoded: {0}")]
    Encoding(String),
    /// The cryptographic library refused to work.
    #[error("{0} failed")]
    Crypto(&'static str),
}

impl Error {
    /// True when the caller's signing request is at fault (an HTTP 400), false when ours is.
    pub fn is_callers_fault(&self) -> bool {
        matches!(self, Self::BadCsr(_) | Self::Forbidden(_))
    }
}

impl From<x509_cert::der::Error> for Error {
    fn from(error: x509_cert::der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

impl From<x509_cert::builder::Error> for Error {
    fn from(error: x509_cert::builder::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}
