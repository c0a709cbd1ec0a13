//! TLS: the certificate of the listener, which may change while connections stand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion, crypto, version};
use tokio_rustls::TlsAcceptor;

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LowestTls {
    /// 1.2 and 1.3.
    V12,
    /// 1.3 only.
    V13,
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
        let seen = [stamp(certificate), stamp(key)];
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            lowest,
            acceptor: RwLock::new(read(certificate, key, lowest)?),
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
        let fresh = read(&self.certificate, &self.key, self.lowest)?;
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

fn read(certificate: &Path, key: &Path, lowest: LowestTls) -> Result<Acceptor, TlsError> {
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
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(chain, own_key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Acceptor {
        tls: TlsAcceptor::from(Arc::new(config)),
        not_after,
    })
}

/// When the first certificate of a chain ends.
fn end_of_first(pem: &[u8]) -> Option<i64> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::str::from_utf8(pem).ok()?;
    let begin = text.find("-----BEGIN CERTIFICATE-----")?;
    let end = begin + text[begin..].find(END)? + END.len();
    jeroboam_pki::not_after(&text[begin..end]).ok()
}
