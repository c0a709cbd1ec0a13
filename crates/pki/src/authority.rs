//! A certificate authority: one RSA key, one self-signed certificate, and what it signs.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use secrecy::{ExposeSecret, SecretString};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, SubjectKeyIdentifier};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};

use crate::extension::{self, COMMON_NAME, ORGANIZATION, ORGANIZATIONAL_UNIT};
use crate::signer::{RsaSignature, RsaSigner};
use crate::{CsrRules, Error, Validity, csr, pem, validity};

/// What an authority vouches for. Each cluster has one authority for each purpose it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// The cluster's API and its clients: the CA that users download.
    Cluster,
    /// Members and clients of etcd.
    Etcd,
    /// The aggregation layer of the Kubernetes API.
    FrontProxy,
    /// The nodes and the service that talks to them.
    Node,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Cluster, Self::Etcd, Self::FrontProxy, Self::Node];

    /// The name used in subjects and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Etcd => "etcd",
            Self::FrontProxy => "front-proxy",
            Self::Node => "node",
        }
    }

    /// Name of the row that the authority of a generation is sealed in; the first generation is 0.
    pub fn sealed_name(self, generation: u32) -> String {
        crate::sealed_name(&format!("authority/{}", self.as_str()), generation)
    }

    /// The authority that Magnum's `ca_cert_type` means: `etcd`, `front-proxy` or `front_proxy`, and the main one
    /// for its absence and every other text.
    pub fn from_ca_cert_type(ca_cert_type: Option<&str>) -> Self {
        match ca_cert_type {
            Some("etcd") => Self::Etcd,
            Some("front-proxy" | "front_proxy") => Self::FrontProxy,
            _ => Self::Cluster,
        }
    }
}

/// Size of an authority's RSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaBits {
    /// 2048 bits, the default of `[x509] rsa_key_size`.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

impl RsaBits {
    pub(crate) fn size(self) -> KeySize {
        match self {
            Self::Rsa2048 => KeySize::Rsa2048,
            Self::Rsa3072 => KeySize::Rsa3072,
            Self::Rsa4096 => KeySize::Rsa4096,
        }
    }
}

impl TryFrom<u32> for RsaBits {
    type Error = Error;

    fn try_from(bits: u32) -> Result<Self, Error> {
        match bits {
            2048 => Ok(Self::Rsa2048),
            3072 => Ok(Self::Rsa3072),
            4096 => Ok(Self::Rsa4096),
            _ => Err(Error::Crypto(
                "choosing an RSA key that is not of 2048, 3072 or 4096 bits",
            )),
        }
    }
}

/// What a certificate made by [`Authority::issue`] says.
#[derive(Debug, Clone)]
pub struct LeafRequest {
    /// `CN=` of the subject.
    pub common_name: String,
    /// One `O=` each, before the common name: the groups of a Kubernetes user.
    pub organizations: Vec<String>,
    /// Alternative names of type DNS.
    pub dns: Vec<String>,
    /// Alternative names of type IP address.
    pub ips: Vec<IpAddr>,
    /// May identify a TLS server.
    pub server: bool,
    /// May identify a TLS client.
    pub client: bool,
    /// When it holds.
    pub validity: Validity,
}

/// A new certificate and its new key.
#[derive(Debug)]
pub struct Issued {
    /// PEM without a newline at its end.
    pub certificate_pem: String,
    /// PKCS#8 PEM without a newline at its end.
    pub key_pem: SecretString,
}

/// A certificate authority that can sign.
pub struct Authority {
    /// Its certificate: PEM without a newline at its end.
    pub certificate_pem: String,
    subject: Name,
    key_identifier: SubjectKeyIdentifier,
    key_pem: SecretString,
    signer: RsaSigner,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("subject", &self.subject.to_string())
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a key and a self-signed certificate. Slow (0.1 s and more): run it in `spawn_blocking`.
    ///
    /// The subject is `CN=<subject_cn>` for [`Purpose::Cluster`], as Magnum has it; for the others an `OU=` of the
    /// purpose goes before it, so that the authorities of one cluster can be told apart. The certificate may sign
    /// leaves only (critical CA:TRUE with path length 0, critical keyCertSign).
    pub fn generate(
        subject_cn: &str,
        purpose: Purpose,
        bits: RsaBits,
        valid: Validity,
    ) -> Result<Self, Error> {
        let subject = match purpose {
            Purpose::Cluster => extension::name(&[(COMMON_NAME, subject_cn)])?,
            other => extension::name(&[(ORGANIZATIONAL_UNIT, other.as_str()), (COMMON_NAME, subject_cn)])?,
        };
        let key = KeyPair::generate(bits.size()).map_err(|_| Error::Crypto("making an RSA key"))?;
        let signer = RsaSigner::new(key)?;
        let public = SubjectPublicKeyInfoOwned::from_der(signer.public_der())?;
        let key_identifier = extension::key_identifier(&public)?;
        let extensions = vec![
            extension::basic_constraints(Some(0))?,
            extension::certificate_signing()?,
            extension::extension(false, &key_identifier)?,
        ];
        let certificate_pem = sign(&signer, &subject, subject.clone(), public, valid, extensions)?;
        Ok(Self {
            certificate_pem,
            subject,
            key_identifier,
            key_pem: private_pem(signer.key())?,
            signer,
        })
    }

    /// Reads back what [`Authority::certificate_pem`] and [`Authority::key_pem`] gave. Fails unless the key
    /// belongs to the certificate and the certificate is that of an authority.
    pub fn from_pem(certificate_pem: &str, key_pem: &SecretString) -> Result<Self, Error> {
        let certificate = validity::read_certificate(certificate_pem)?;
        let tbs = certificate.tbs_certificate();
        let key_der =
            pem::decode(key_pem.expose_secret(), &["PRIVATE KEY"]).map_err(|why| Error::Unreadable {
                what: "private key",
                why,
            })?;
        let key = KeyPair::from_pkcs8(&key_der).map_err(|why| Error::Unreadable {
            what: "private key",
            why: why.to_string(),
        })?;
        let signer = RsaSigner::new(key)?;
        let public = tbs.subject_public_key_info();
        let held = SubjectPublicKeyInfoRef::from_der(signer.public_der())?;
        if held.subject_public_key.raw_bytes() != public.subject_public_key.raw_bytes() {
            return Err(Error::KeyMismatch);
        }
        match tbs.get_extension::<BasicConstraints>() {
            Ok(Some((_, BasicConstraints { ca: true, .. }))) => {}
            _ => return Err(Error::NotAuthority),
        }
        let key_identifier = match tbs.get_extension::<SubjectKeyIdentifier>() {
            Ok(Some((_, stated))) => stated,
            _ => extension::key_identifier(public)?,
        };
        Ok(Self {
            certificate_pem: pem::encode("CERTIFICATE", &certificate.to_der()?)?,
            subject: tbs.subject().clone(),
            key_identifier,
            key_pem: private_pem(signer.key())?,
            signer,
        })
    }

    /// The private key: PKCS#8 PEM without a newline at its end.
    pub fn key_pem(&self) -> SecretString {
        self.key_pem.clone()
    }

    /// Makes a new ECDSA P-256 key and a certificate for it.
    pub fn issue(&self, request: &LeafRequest) -> Result<Issued, Error> {
        let mut parts: Vec<_> = request
            .organizations
            .iter()
            .map(|name| (ORGANIZATION, name.as_str()))
            .collect();
        parts.push((COMMON_NAME, &request.common_name));
        let mut extensions = vec![extension::tls_key_usage()?];
        extensions.extend(extension::extended_key_usage(request.server, request.client)?);
        extensions.extend(extension::subject_alternative_names(&request.dns, &request.ips)?);

        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| Error::Crypto("making an ECDSA key"))?;
        let key_der = key
            .to_pkcs8v1()
            .map_err(|_| Error::Crypto("encoding the private key"))?;
        let public = key
            .public_key()
            .as_der()
            .map_err(|_| Error::Crypto("encoding the public key"))?;
        let public = SubjectPublicKeyInfoOwned::from_der(public.as_ref())?;
        let certificate_pem =
            self.sign_leaf(extension::name(&parts)?, public, request.validity, extensions)?;
        let key_pem = pem::encode("PRIVATE KEY", key_der.as_ref()).map(SecretString::from)?;
        Ok(Issued {
            certificate_pem,
            key_pem,
        })
    }

    /// Signs a caller's request (PKCS#10 PEM, at most 64 KiB) and gives the certificate as PEM without a newline
    /// at its end, as Magnum does.
    ///
    /// The subject is taken over byte for byte (its `O=` values are groups in Kubernetes), the requested
    /// extensions pass through `rules`. The result is never an authority, whatever the request says: it always
    /// holds a critical CA:FALSE.
    ///
    /// # Errors
    /// [`Error::BadCsr`] and [`Error::Forbidden`] for what is the caller's fault.
    pub fn sign_csr(&self, csr_pem: &str, rules: &CsrRules, valid: Validity) -> Result<String, Error> {
        let request = csr::read(csr_pem)?;
        let extensions = rules.filter(request.extensions)?;
        self.sign_leaf(request.subject, request.public_key, valid, extensions)
    }

    fn sign_leaf(
        &self,
        subject: Name,
        public: SubjectPublicKeyInfoOwned,
        valid: Validity,
        wanted: Vec<Extension>,
    ) -> Result<String, Error> {
        let mut extensions = vec![extension::basic_constraints(None)?];
        extensions.extend(wanted);
        extensions.push(extension::extension(false, &extension::key_identifier(&public)?)?);
        extensions.push(extension::authority_key_identifier(&self.key_identifier)?);
        sign(&self.signer, &self.subject, subject, public, valid, extensions)
    }
}

pub(crate) fn private_pem(key: &KeyPair) -> Result<SecretString, Error> {
    let der = key
        .as_der()
        .map_err(|_| Error::Crypto("encoding the private key"))?;
    pem::encode("PRIVATE KEY", der.as_ref()).map(SecretString::from)
}

fn sign(
    signer: &RsaSigner,
    issuer: &Name,
    subject: Name,
    public: SubjectPublicKeyInfoOwned,
    valid: Validity,
    extensions: Vec<Extension>,
) -> Result<String, Error> {
    let profile = Contents {
        issuer: issuer.clone(),
        subject,
        extensions,
    };
    let builder = CertificateBuilder::new(profile, random_serial()?, valid.to_x509()?, public)?;
    let certificate = builder.build::<_, RsaSignature>(signer)?;
    pem::encode("CERTIFICATE", &certificate.to_der()?)
}

/// 128 random bits. The first octet is never zero, so that every serial has the same length.
fn random_serial() -> Result<SerialNumber, Error> {
    let mut bytes = [0; 16];
    while bytes[0] == 0 {
        rand::fill(&mut bytes).map_err(|_| Error::Crypto("drawing a serial number"))?;
    }
    Ok(SerialNumber::new(&bytes)?)
}

/// Exactly these names and extensions: the builder adds nothing of its own.
struct Contents {
    issuer: Name,
    subject: Name,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Contents {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        _tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}
