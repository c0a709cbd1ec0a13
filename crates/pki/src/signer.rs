//! An RSA key of `aws-lc-rs` as a signer for the certificate builder: RSA PKCS#1 v1.5 with SHA-256.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{self as algorithm, KeyPair as _};
use signature::{Keypair, Signer};
use x509_cert::der::asn1::{Any, BitString, ObjectIdentifier};
use x509_cert::der::{self, Document};
use x509_cert::spki::{
    self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey,
    SignatureBitStringEncoding,
};

use crate::Error;

/// `sha256WithRSAEncryption` (RFC 4055).
pub(crate) const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

pub(crate) struct RsaSigner {
    key: KeyPair,
    public: PublicKey,
}

impl RsaSigner {
    pub(crate) fn new(key: KeyPair) -> Result<Self, Error> {
        let der = key
            .public_key()
            .as_der()
            .map_err(|_| Error::Crypto("encoding the public key"))?;
        let public = PublicKey(der.as_ref().to_vec());
        Ok(Self { key, public })
    }

    /// The DER of the SubjectPublicKeyInfo.
    pub(crate) fn public_der(&self) -> &[u8] {
        &self.public.0
    }

    pub(crate) fn key(&self) -> &KeyPair {
        &self.key
    }
}

/// The DER of a SubjectPublicKeyInfo.
#[derive(Clone)]
pub(crate) struct PublicKey(Vec<u8>);

impl EncodePublicKey for PublicKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.as_slice())?)
    }
}

impl Keypair for RsaSigner {
    type VerifyingKey = PublicKey;

    fn verifying_key(&self) -> PublicKey {
        self.public.clone()
    }
}

impl DynSignatureAlgorithmIdentifier for RsaSigner {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned {
            oid: SHA256_WITH_RSA,
            parameters: Some(Any::null()),
        })
    }
}

pub(crate) struct RsaSignature(Vec<u8>);

impl SignatureBitStringEncoding for RsaSignature {
    fn to_bitstring(&self) -> der::Result<BitString> {
        BitString::from_bytes(&self.0)
    }
}

impl Signer<RsaSignature> for RsaSigner {
    fn try_sign(&self, message: &[u8]) -> Result<RsaSignature, signature::Error> {
        let mut bytes = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &algorithm::RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut bytes,
            )
            .map_err(|_| signature::Error::new())?;
        Ok(RsaSignature(bytes))
    }
}
