//! TLS: the certificate of the listener, which may change while connections stand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme, SupportedProtocolVersion,
    crypto, version,
};
use tokio_rustls::TlsAcceptor;

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LowestTls {
    /// 1.2 and 1.3.
    V12,
    /// 1.3 only.
    V13,
}

/// What is asked of clients in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clients {
    /// Nothing.
    Unknown,
    /// A certificate, if they have one.
    MayShowCertificates,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no {what} in PEM")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("the certificate cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// The certificate of a listener and where it comes from.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    lowest: LowestTls,
    clients: Clients,
    acceptor: RwLock<Acceptor>,
    seen: Mutex<[Stamp; 2]>,
}

#[derive(Clone)]
struct Acceptor {
    tls: TlsAcceptor,
    not_after: Option<i64>,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// By what a file is seen to have changed; `None` when it is not there.
type Stamp = Option<(SystemTime, u64)>;

impl Tls {
    /// Reads a certificate with its chain, and its key, both in PEM.
    ///
    /// # Errors
    /// Files that cannot be read or hold something else, and a key of another certificate.
    pub fn load(certificate: &Path, key: &Path, lowest: LowestTls) -> Result<Self, TlsError> {
        Self::load_for(Clients::Unknown, certificate, key, lowest)
    }

    /// The same for the endpoint of clusters: clients may speak HTTP/2, and show a certificate of any kind, of which only
    /// is checked that they have the key. Who answers their requests judges it.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn load_for_clusters(certificate: &Path, key: &Path, lowest: LowestTls) -> Result<Self, TlsError> {
        Self::load_for(Clients::MayShowCertificates, certificate, key, lowest)
    }

    fn load_for(
        clients: Clients,
        certificate: &Path,
        key: &Path,
        lowest: LowestTls,
    ) -> Result<Self, TlsError> {
        let seen = [stamp(certificate), stamp(key)];
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            lowest,
            clients,
            acceptor: RwLock::new(read(certificate, key, lowest, clients)?),
            seen: Mutex::new(seen),
        })
    }

    /// Reads both files again; connections that stand keep what they have.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was read before goes on to serve.
    pub fn reload(&self) -> Result<(), TlsError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            [stamp(&self.certificate), stamp(&self.key)];
        let fresh = read(&self.certificate, &self.key, self.lowest, self.clients)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Reads both files again if one has changed; says whether.
    ///
    /// # Errors
    /// As [`Tls::reload`], once for each change.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let now = [stamp(&self.certificate), stamp(&self.key)];
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == now {
            return Ok(false);
        }
        self.reload().map(|()| true)
    }

    /// When the certificate that is shown now ends, in seconds since 1970.
    pub fn not_after(&self) -> Option<i64> {
        let acceptor = self.acceptor.read().unwrap_or_else(PoisonError::into_inner);
        acceptor.not_after
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let acceptor = self.acceptor.read().unwrap_or_else(PoisonError::into_inner);
        acceptor.tls.clone()
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(certificate: &Path, key: &Path, lowest: LowestTls, clients: Clients) -> Result<Acceptor, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Unreadable { path, source }
    };
    let empty = |path: &Path, what| TlsError::Empty {
        path: path.to_owned(),
        what,
    };
    let pem = fs::read(certificate).map_err(unreadable(certificate))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| empty(certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(empty(certificate, "certificate"));
    }
    let not_after = end_of_first(&pem);
    let pem = fs::read(key).map_err(unreadable(key))?;
    let own_key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| empty(key, "private key"))?;
    let versions: &[&'static SupportedProtocolVersion] = match lowest {
        LowestTls::V12 => &[&version::TLS13, &version::TLS12],
        LowestTls::V13 => &[&version::TLS13],
    };
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms;
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
    let config = match clients {
        Clients::Unknown => config.with_no_client_auth(),
        Clients::MayShowCertificates => config.with_client_cert_verifier(Arc::new(KeyHolders(schemes))),
    };
    let mut config = config.with_single_cert(chain, own_key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if clients == Clients::MayShowCertificates {
        // After HTTP/1.1, which is for who speaks both.
        config.alpn_protocols.push(b"h2".to_vec());
    }
    Ok(Acceptor {
        tls: TlsAcceptor::from(Arc::new(config)),
        not_after,
    })
}

/// Lets everybody in, and checks of certificates that their bearers have the keys.
#[derive(Debug)]
struct KeyHolders(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for KeyHolders {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// When the first certificate of a chain ends.
fn end_of_first(pem: &[u8]) -> Option<i64> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::str::from_utf8(pem).ok()?;
    let begin = text.find("-----BEGIN CERTIFICATE-----")?;
    let end = begin + text[begin..].find(END)? + END.len();
    jeroboam_pki::not_after(&text[begin..end]).ok()
}
