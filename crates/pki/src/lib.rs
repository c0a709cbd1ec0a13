//! Certificates and sealed secrets.
//!
//! Owns the certificate authorities of a cluster ([`Authority`]), what may be signed for a caller
//! ([`CsrRules`]) and the encryption of secrets at rest ([`Keyring`]). Invariants: no clock is read (validity is
//! an argument), every private key leaves as a [`secrecy::SecretString`], no request can obtain a CA
//! certificate, and all cryptography is done by `aws-lc-rs`.
//!
//! Making an RSA key takes from tenths of a second to seconds: call [`Authority::generate`] from
//! `spawn_blocking`.

mod authority;
mod csr;
mod error;
mod extension;
mod pem;
mod request;
mod rsa_pair;
mod rules;
mod seal;
mod signer;
mod token;
mod validity;
mod verify;

pub use authority::{Authority, Issued, LeafRequest, Purpose, RsaBits};
pub use error::Error;
pub use request::SigningRequest;
pub use rsa_pair::RsaPair;
pub use rules::{CsrRules, ExtensionKind, KeyUse};
pub use seal::{Keyring, SealError, kid_of};
pub use token::Token;
pub use validity::{Validity, certificate_der, common_name, not_after};
pub use verify::is_client_of;

/// Name of a sealed row by what it is and its generation. The first generation's is without a number.
fn sealed_name(what: &str, generation: u32) -> String {
    match generation {
        0 => what.to_owned(),
        later => format!("{what}/{later}"),
    }
}
