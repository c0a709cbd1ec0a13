//! Signing requests. Bytes that change at random never carry a valid signature, so a request's body is also signed
//! here, with a key of its own: what lies behind the check of the signature is reached too.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeroboam_pki::{Authority, CsrRules, Purpose, RsaBits, Validity};
use x509_cert::der::asn1::{BitString, ObjectIdentifier};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::request::{CertReq, CertReqInfo};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

const VALIDITY: Validity = Validity {
    not_before: 1_790_000_000,
    not_after: 1_800_000_000,
};
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const EC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

static AUTHORITY: LazyLock<Option<Authority>> =
    LazyLock::new(|| Authority::generate("fuzz", Purpose::Cluster, RsaBits::Rsa2048, VALIDITY).ok());
static KEY: LazyLock<Option<EcdsaKeyPair>> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok());

/// A PEM text, or the DER of a request's body.
pub(crate) fn run(data: &[u8]) {
    match std::str::from_utf8(data) {
        Ok(text) if text.contains("-----BEGIN") => sign(text),
        _ => {
            if let Some(pem) = signed_by_own_key(data) {
                sign(&pem);
            }
        }
    }
}

/// Whatever is asked for, no certificate of an authority comes out.
fn sign(csr: &str) {
    let Some(authority) = AUTHORITY.as_ref() else {
        panic!("no authority could be made");
    };
    let Ok(certificate) = authority.sign_csr(csr, &CsrRules::default(), VALIDITY) else {
        return;
    };
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()) else {
        panic!("what was signed is no PEM: {certificate}");
    };
    let Ok(certificate) = pem.parse_x509() else {
        panic!("what was signed is no certificate: {certificate}");
    };
    assert!(!certificate.is_ca(), "an authority was signed");
    let usage = certificate.key_usage().ok().flatten();
    assert!(
        usage.is_none_or(|usage| !usage.value.key_cert_sign()),
        "a certificate that may sign others was signed"
    );
}

fn signed_by_own_key(info: &[u8]) -> Option<String> {
    let key = KEY.as_ref()?;
    let mut info = CertReqInfo::from_der(info).ok()?;
    info.public_key = SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid: EC_KEY,
            parameters: Some((&P256).into()),
        },
        subject_public_key: BitString::from_bytes(key.public_key().as_ref()).ok()?,
    };
    let signature = key.sign(&SystemRandom::new(), &info.to_der().ok()?).ok()?;
    let request = CertReq {
        info,
        algorithm: AlgorithmIdentifierOwned {
            oid: ECDSA_SHA256,
            parameters: None,
        },
        signature: BitString::from_bytes(signature.as_ref()).ok()?,
    };
    let body = STANDARD.encode(request.to_der().ok()?);
    Some(format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
    ))
}
