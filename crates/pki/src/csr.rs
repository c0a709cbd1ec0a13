//! Reading a PKCS#10 signing request (RFC 2986) and checking that its sender holds its key.

use aws_lc_rs::signature::{self as algorithm, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{self, Decode, Encode, Reader, SliceReader};
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, ExtensionReq};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::signer::SHA256_WITH_RSA;
use crate::{Error, pem};

const MAX_BYTES: usize = 64 * 1024;
const MIN_RSA_BITS: usize = 2048;

const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A request whose signature has been verified with its own key.
pub(crate) struct Verified {
    pub(crate) subject: Name,
    pub(crate) public_key: SubjectPublicKeyInfoOwned,
    pub(crate) extensions: Vec<Extension>,
}

/// Reads `csr_pem`, whose label may be `CERTIFICATE REQUEST` or the older `NEW CERTIFICATE REQUEST`.
pub(crate) fn read(csr_pem: &str) -> Result<Verified, Error> {
    if csr_pem.len() > MAX_BYTES {
        return Err(bad(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let labels = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
    let bytes = pem::decode(csr_pem, &labels).map_err(Error::BadCsr)?;
    let request = CertReq::from_der(&bytes).map_err(|error| bad(error.to_string()))?;
    let raw = Raw::split(&bytes).map_err(|error| bad(error.to_string()))?;

    verify(&request, raw.info)?;
    // The parser sorts the members of a set. A subject that is not in that order would come out changed.
    if request.info.subject.to_der()? != raw.subject {
        return Err(bad("its subject is not DER"));
    }
    let extensions = requested_extensions(&request)?;
    Ok(Verified {
        subject: request.info.subject,
        public_key: request.info.public_key,
        extensions,
    })
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadCsr(why.into())
}

/// Parts of the request exactly as sent.
struct Raw<'a> {
    info: &'a [u8],
    subject: &'a [u8],
}

impl<'a> Raw<'a> {
    fn split(bytes: &'a [u8]) -> der::Result<Self> {
        let info = member(bytes, 0)?;
        Ok(Self {
            info,
            subject: member(info, 1)?,
        })
    }
}

/// The member at `index` of a SEQUENCE, with its header.
fn member(sequence: &[u8], index: usize) -> der::Result<&[u8]> {
    let mut members = Vec::new();
    SliceReader::new(sequence)?.sequence(|reader| {
        while !reader.is_finished() {
            members.push(reader.tlv_bytes()?);
        }
        Ok::<_, der::Error>(())
    })?;
    members
        .get(index)
        .copied()
        .ok_or_else(|| der::ErrorKind::Failed.into())
}

fn verify(request: &CertReq, message: &[u8]) -> Result<(), Error> {
    let key = &request.info.public_key;
    let key_bytes = key
        .subject_public_key
        .as_bytes()
        .ok_or_else(|| bad("its key is not whole octets"))?;
    let scheme = scheme(&key.algorithm, key_bytes, request.algorithm.oid)?;
    let signature = request
        .signature
        .as_bytes()
        .ok_or_else(|| bad("its signature is not whole octets"))?;
    UnparsedPublicKey::new(scheme, key_bytes)
        .verify(message, signature)
        .map_err(|_| bad("its signature is not by its own key"))
}

fn scheme(
    key: &AlgorithmIdentifierOwned,
    key_bytes: &[u8],
    signature: ObjectIdentifier,
) -> Result<&'static dyn VerificationAlgorithm, Error> {
    let curve = key
        .parameters
        .as_ref()
        .and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    let unknown = || {
        bad(format!(
            "a signature of type {signature} is not accepted with its key"
        ))
    };
    match (key.oid, curve) {
        (RSA_KEY, _) => {
            let bits = rsa_bits(key_bytes).map_err(|_| bad("its RSA key cannot be read"))?;
            if bits < MIN_RSA_BITS {
                return Err(bad(format!(
                    "its RSA key has {bits} bits, less than {MIN_RSA_BITS}"
                )));
            }
            match signature {
                SHA256_WITH_RSA => Ok(&algorithm::RSA_PKCS1_2048_8192_SHA256),
                SHA384_WITH_RSA => Ok(&algorithm::RSA_PKCS1_2048_8192_SHA384),
                SHA512_WITH_RSA => Ok(&algorithm::RSA_PKCS1_2048_8192_SHA512),
                _ => Err(unknown()),
            }
        }
        (EC_KEY, Some(curve)) => match (curve, signature) {
            (P256, ECDSA_SHA256) => Ok(&algorithm::ECDSA_P256_SHA256_ASN1),
            (P256, ECDSA_SHA384) => Ok(&algorithm::ECDSA_P256_SHA384_ASN1),
            (P256, ECDSA_SHA512) => Ok(&algorithm::ECDSA_P256_SHA512_ASN1),
            (P384, ECDSA_SHA256) => Ok(&algorithm::ECDSA_P384_SHA256_ASN1),
            (P384, ECDSA_SHA384) => Ok(&algorithm::ECDSA_P384_SHA384_ASN1),
            (P384, ECDSA_SHA512) => Ok(&algorithm::ECDSA_P384_SHA512_ASN1),
            (P521, ECDSA_SHA256) => Ok(&algorithm::ECDSA_P521_SHA256_ASN1),
            (P521, ECDSA_SHA384) => Ok(&algorithm::ECDSA_P521_SHA384_ASN1),
            (P521, ECDSA_SHA512) => Ok(&algorithm::ECDSA_P521_SHA512_ASN1),
            (P256 | P384 | P521, _) => Err(unknown()),
            _ => Err(bad(format!("keys on the curve {curve} are not accepted"))),
        },
        (ED25519, _) if signature == ED25519 => Ok(&algorithm::ED25519),
        (ED25519, _) => Err(unknown()),
        _ => Err(bad(format!("keys of type {} are not accepted", key.oid))),
    }
}

/// The length of the modulus of an `RSAPublicKey` (RFC 8017 A.1.1).
fn rsa_bits(key: &[u8]) -> der::Result<usize> {
    SliceReader::new(key)?.sequence(|reader| {
        let modulus = UintRef::decode(reader)?;
        UintRef::decode(reader)?;
        let first = modulus.as_bytes().first().copied().unwrap_or_default();
        Ok::<_, der::Error>((modulus.as_bytes().len() * 8).saturating_sub(first.leading_zeros() as usize))
    })
}

fn requested_extensions(request: &CertReq) -> Result<Vec<Extension>, Error> {
    let mut extensions: Vec<Extension> = Vec::new();
    for attribute in request
        .info
        .attributes
        .iter()
        .filter(|attribute| attribute.oid == ExtensionReq::OID)
    {
        for value in attribute.values.iter() {
            let ExtensionReq(asked) = value
                .decode_as()
                .map_err(|_| bad("its extensions cannot be read"))?;
            extensions.extend(asked);
        }
    }
    for (index, extension) in extensions.iter().enumerate() {
        if extensions[..index]
            .iter()
            .any(|earlier| earlier.extn_id == extension.extn_id)
        {
            return Err(bad(format!(
                "the extension {} stands in it twice",
                extension.extn_id
            )));
        }
    }
    Ok(extensions)
}
