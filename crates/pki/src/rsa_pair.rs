//! A key pair without a certificate.

use aws_lc_rs::rsa::KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;

use crate::authority::private_pem;
use crate::signer::RsaSigner;
use crate::{Error, RsaBits, pem};

/// An RSA key, for tokens that a control plane signs and checks by itself.
#[derive(Debug)]
pub struct RsaPair {
    /// Public key: SPKI PEM without a newline at its end.
    pub public_pem: String,
    /// Private key: PKCS#8 PEM without a newline at its end.
    pub key_pem: SecretString,
}

impl RsaPair {
    /// Name of the row that the keys of a generation for the tokens of service accounts are sealed in; the first
    /// generation is 0.
    pub fn sealed_name(generation: u32) -> String {
        crate::sealed_name("service-account", generation)
    }

    /// Id of a key by its public half (PEM, SPKI), as Kubernetes names it in tokens: the SHA-256 of its DER, in
    /// URL-safe base64 without padding.
    ///
    /// # Errors
    /// For a text that is no public key.
    pub fn key_id(public_pem: &str) -> Result<String, Error> {
        let der = pem::decode(public_pem, &["PUBLIC KEY"]).map_err(|why| Error::Unreadable {
            what: "public key",
            why,
        })?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(digest))
    }

    /// Makes a key. Slow (0.1 s and more): run it in `spawn_blocking`.
    pub fn generate(bits: RsaBits) -> Result<Self, Error> {
        let key = KeyPair::generate(bits.size()).map_err(|_| Error::Crypto("making an RSA key"))?;
        let signer = RsaSigner::new(key)?;
        Ok(Self {
            public_pem: pem::encode("PUBLIC KEY", signer.public_der())?,
            key_pem: private_pem(signer.key())?,
        })
    }
}
