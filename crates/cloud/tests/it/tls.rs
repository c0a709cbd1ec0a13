//! Clouds with an authority of their own, and with a wish for certificates of their clients.

use std::path::Path;
use std::sync::Arc;

use jeroboam_cloud::{ClientCertificate, Connector, Kind, Options, Service, Trust};
use jeroboam_pki::{Authority, Issued, LeafRequest, Purpose, RsaBits, Validity};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret as _;
use tokio::net::{TcpListener, TcpStream};

fn validity() -> Validity {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    Validity::days(i64::try_from(now).unwrap(), 1)
}

fn issue(authority: &Authority, is_server: bool) -> Issued {
    let request = LeafRequest {
        common_name: "one".to_owned(),
        organizations: Vec::new(),
        dns: Vec::new(),
        ips: vec![[127, 0, 0, 1].into()],
        server: is_server,
        client: !is_server,
        validity: validity(),
    };
    authority.issue(&request).unwrap()
}

/// Speaks TLS in front of a server, and asks clients for a certificate; gives the port.
async fn in_front(port: u16, authority: &Authority, asks: bool) -> u16 {
    let own = issue(authority, true);
    let chain = vec![CertificateDer::from_pem_slice(own.certificate_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key_pem.expose_secret().as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match asks {
        true => builder.with_client_cert_verifier(
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap(),
        ),
        false => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let own_port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else {
                    return;
                };
                let mut inner = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    own_port
}

fn written(directory: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_cloud_is_trusted_by_its_own_authority_and_shown_our_certificate() {
    let cloud = super::cloud().await;
    let url = reqwest::Url::parse(&cloud.auth_url()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::generate("cloud", Purpose::Cluster, RsaBits::Rsa2048, validity()).unwrap();
    let ca_file = written(directory.path(), "ca.pem", &authority.certificate_pem);
    let own = issue(&authority, false);
    let certificate = written(directory.path(), "own.pem", &own.certificate_pem);
    let key = written(directory.path(), "own.key", own.key_pem.expose_secret());
    for asks in [false, true] {
        let port = in_front(url.port().unwrap(), &authority, asks).await;
        let with = |trust: Trust| Options {
            trust,
            ..Options::new(format!("https://127.0.0.1:{port}{}", url.path()))
        };
        let probe = async |options: Options| Connector::new(options, 2).unwrap().probe().await;
        let stranger = probe(with(Trust::default())).await.unwrap_err();
        assert_eq!(stranger.kind, Kind::Connection, "{stranger}");
        let bare = Trust {
            ca_file: Some(ca_file.clone()),
            ..Trust::default()
        };
        assert_eq!(probe(with(bare.clone())).await.is_ok(), !asks);
        let careless = Trust {
            insecure: true,
            ..Trust::default()
        };
        assert_eq!(probe(with(careless)).await.is_ok(), !asks);
        let known = Trust {
            client_certificate: Some(ClientCertificate {
                certificate: certificate.clone(),
                key: Some(key.clone()),
            }),
            ..bare.clone()
        };
        probe(with(known.clone())).await.unwrap();
        // What is said of one service counts for that one alone, and instead of what is said of all.
        for (service, is_known) in [(Service::Identity, true), (Service::LoadBalancer, false)] {
            let options = Options {
                trusts: vec![(service, known.clone())],
                ..with(Trust::default())
            };
            assert_eq!(probe(options).await.is_ok(), is_known);
        }
        let wrong = Trust {
            client_certificate: Some(ClientCertificate {
                certificate: certificate.clone(),
                key: None,
            }),
            ..bare
        };
        let error = Connector::new(with(wrong), 2).unwrap_err();
        assert!(error.message.contains("own.pem"), "{error}");
    }
}
