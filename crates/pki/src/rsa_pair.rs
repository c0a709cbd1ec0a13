//! A key pair without a certificate.

use aws_lc_rs::rsa::KeyPair;
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
