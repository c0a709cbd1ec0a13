//! Real certificates, and servers that answer as a COE's API does.
#![expect(clippy::expect_used, reason = "for tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use jeroboam_driver::{Authority, CertificateRequest, Certificates, DriverError, KeyPair, TokenKeys};
use jeroboam_pki::{LeafRequest, Purpose, RsaBits, Validity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// Certificate authorities of a cluster.
pub struct TestCertificates {
    cluster: jeroboam_pki::Authority,
    node: jeroboam_pki::Authority,
}

/// The same authorities for the whole process: their keys take time.
pub fn certificates() -> &'static TestCertificates {
    static CERTIFICATES: OnceLock<TestCertificates> = OnceLock::new();
    let generate = |purpose| {
        jeroboam_pki::Authority::generate("demo", purpose, RsaBits::Rsa2048, validity())
            .expect("an authority")
    };
    CERTIFICATES.get_or_init(|| TestCertificates {
        cluster: generate(Purpose::Cluster),
        node: generate(Purpose::Node),
    })
}

fn validity() -> Validity {
    Validity::days(chrono::Utc::now().timestamp(), 30)
}

impl Certificates for TestCertificates {
    fn authority(&self, authority: Authority) -> Result<String, DriverError> {
        Ok(match authority {
            Authority::Cluster => self.cluster.certificate_pem.clone(),
            Authority::Node => self.node.certificate_pem.clone(),
            other => return Err(unused(other)),
        })
    }

    fn issue(&self, authority: Authority, request: &CertificateRequest) -> Result<KeyPair, DriverError> {
        let signer = match authority {
            Authority::Cluster => &self.cluster,
            Authority::Node => &self.node,
            other => return Err(unused(other)),
        };
        let issued = signer
            .issue(&LeafRequest {
                common_name: request.common_name.clone(),
                organizations: request.organizations.clone(),
                dns: request.names.clone(),
                ips: request
                    .addresses
                    .iter()
                    .map(|address| address.parse().expect("an address"))
                    .collect(),
                server: request.server,
                client: request.client,
                validity: validity(),
            })
            .map_err(|error| DriverError::Certificate(error.to_string()))?;
        Ok(KeyPair {
            certificate: issued.certificate_pem,
            key: issued.key_pem,
        })
    }

    fn signer(&self, authority: Authority) -> Result<KeyPair, DriverError> {
        Err(unused(authority))
    }

    fn token_keys(&self) -> Result<TokenKeys, DriverError> {
        Err(DriverError::Certificate("swarms have no service accounts".into()))
    }
}

fn unused(authority: Authority) -> DriverError {
    DriverError::Certificate(format!("swarms have no use for the authority {authority:?}"))
}

/// What a server answers: status and JSON by method and path, such as `GET /info`.
pub type Answers = BTreeMap<String, (u16, Value)>;

/// Requests that a server has had: method and path, and the body.
pub type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// An API on a Unix socket.
pub fn socket_server(path: &Path, answers: Answers) -> Requests {
    let listener = UnixListener::bind(path).expect("a socket");
    let requests = Requests::default();
    let seen = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &|what: &str, body| by_table(&answers, &seen, what, body));
        }
    });
    requests
}

/// An API with TLS, for clients with a certificate of the cluster's authority.
/// Its certificate is for the given address, where it listens or not.
pub fn tls_server(certified: &str, answers: Answers) -> SocketAddr {
    tls_server_seen(certified, answers, Requests::default())
}

/// The same, with a record of the requests.
pub fn tls_server_seen(certified: &str, answers: Answers, requests: Requests) -> SocketAddr {
    tls_server_by(certified, move |what, body| {
        by_table(&answers, &requests, what, body)
    })
}

/// An API that makes up its answers: status and JSON by method and path, and the body.
pub fn tls_server_by(
    certified: &str,
    answers: impl Fn(&str, Value) -> (u16, Value) + Send + 'static,
) -> SocketAddr {
    let request = CertificateRequest {
        common_name: "api".into(),
        organizations: vec![],
        addresses: vec![certified.into()],
        names: vec![],
        server: true,
        client: false,
        days: None,
    };
    let pair = certificates()
        .issue(Authority::Cluster, &request)
        .expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots
        .add(der(&certificates()
            .authority(Authority::Cluster)
            .expect("an authority")))
        .expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let config = configuration(verifier.build().expect("a verifier"), &pair);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let bound = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            answer(StreamOwned::new(connection, stream), &answers);
        }
    });
    bound
}

/// The same for everybody, by a certificate of one's own, and of several callers at once.
pub fn tls_server_for_all(
    listener: TcpListener,
    pair: &KeyPair,
    answers: impl Fn(&str, Value) -> (u16, Value) + Send + Sync + 'static,
) {
    let config = configuration(WebPkiClientVerifier::no_client_auth(), pair);
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            let answers = answers.clone();
            std::thread::spawn(move || answer(StreamOwned::new(connection, stream), &*answers));
        }
    });
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn configuration(verifier: Arc<dyn ClientCertVerifier>, pair: &KeyPair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = secrecy::ExposeSecret::expose_secret(&pair.key).as_bytes();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![der(&pair.certificate)],
            PrivateKeyDer::from_pem_slice(key).expect("a key"),
        );
    Arc::new(config.expect("a configuration"))
}

/// Answers by a table, and notes what is asked.
fn by_table(answers: &Answers, requests: &Requests, what: &str, body: Value) -> (u16, Value) {
    requests.lock().expect("requests").push((what.to_owned(), body));
    let unknown = || (404, serde_json::json!({"message": "no such"}));
    answers.get(what).cloned().unwrap_or_else(unknown)
}

/// Answers one request. A caller that goes away, or is refused, is no concern of the server.
fn answer(stream: impl Read + Write, answers: &impl Fn(&str, Value) -> (u16, Value)) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).is_err() {
        return;
    }
    let what = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut length = 0;
    loop {
        let mut header = String::new();
        if stream.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let (status, value) = answers(&what, serde_json::from_slice(&body).unwrap_or(Value::Null));
    let text = value.to_string();
    let stream = stream.get_mut();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    drop(
        stream
            .write_all((head + &text).as_bytes())
            .and_then(|()| stream.flush()),
    );
}
