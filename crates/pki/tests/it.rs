//! Certificates against two readers that did not write them: the `openssl` program and `x509-parser`.

#![expect(clippy::unwrap_used, reason = "what the helpers cannot do fails the test")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jeroboam_pki::{
    Authority, CsrRules, Error, ExtensionKind, Issued, KeyUse, LeafRequest, Purpose, RsaBits, RsaPair,
    Validity, not_after,
};
use secrecy::{ExposeSecret as _, SecretString};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

/// 2026-01-01.
const NOW: i64 = 1_767_225_600;

fn validity() -> Validity {
    Validity::days(NOW, 1825)
}

fn authority() -> Authority {
    Authority::generate("prod", Purpose::Cluster, RsaBits::Rsa2048, validity()).unwrap()
}

/// A directory to run `openssl` in.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("req.cnf"),
            "[req]\ndistinguished_name = dn\n[dn]\n",
        )
        .unwrap();
        Self { dir }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Whether `openssl` succeeded, and all it said.
    fn try_run(&self, line: &[&str]) -> (bool, String) {
        let output = Command::new("openssl")
            .args(line)
            .current_dir(&self.dir)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    fn run(&self, line: &[&str]) -> String {
        let (succeeded, said) = self.try_run(line);
        assert!(succeeded, "openssl {line:?}: {said}");
        said
    }

    /// A signing request with a new key of `algorithm` and these extensions.
    fn request(&self, algorithm: &[&str], subject: &str, extensions: &[&str]) -> String {
        let mut line = vec!["req", "-new", "-nodes", "-config", "req.cnf", "-subj", subject];
        line.extend(["-keyout", "csr.key", "-out", "csr.pem"]);
        line.extend(algorithm);
        for extension in extensions {
            line.extend(["-addext", extension]);
        }
        self.run(&line);
        fs::read_to_string(self.dir.path().join("csr.pem")).unwrap()
    }

    fn verify(&self, authority: &Authority, certificate: &str, purpose: &str) -> (bool, String) {
        self.put("ca.pem", &authority.certificate_pem);
        self.put("leaf.pem", certificate);
        let at = (NOW + 3600).to_string();
        let line = [
            "verify",
            "-x509_strict",
            "-attime",
            &at,
            "-purpose",
            purpose,
            "-CAfile",
            "ca.pem",
            "leaf.pem",
        ];
        self.try_run(&line)
    }

    fn text(&self, certificate: &str) -> String {
        self.put("shown.pem", certificate);
        self.run(&["x509", "-in", "shown.pem", "-noout", "-text"])
    }
}

const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

#[test]
fn an_authority_says_exactly_what_the_contract_wants() {
    let bench = Bench::new();
    let authority = authority();
    let text = bench.text(&authority.certificate_pem);
    for line in [
        "Signature Algorithm: sha256WithRSAEncryption",
        "Issuer: CN = prod",
        "Subject: CN = prod",
        "Public-Key: (2048 bit)",
        "Exponent: 65537",
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical\n                Certificate Sign\n",
        "X509v3 Subject Key Identifier:",
        "Not Before: Dec 31 00:00:00 2025 GMT",
        "Not After : Dec 31 00:00:00 2030 GMT",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("Authority Key Identifier"));
    assert!(!authority.certificate_pem.ends_with('\n'));
    assert_eq!(
        not_after(&authority.certificate_pem).unwrap(),
        NOW + 1825 * 86_400
    );
    bench.put("ca.pem", &authority.certificate_pem);
    bench.run(&[
        "verify",
        "-x509_strict",
        "-attime",
        &NOW.to_string(),
        "-CAfile",
        "ca.pem",
        "ca.pem",
    ]);
}

#[test]
fn authorities_of_one_cluster_have_different_subjects_and_serials() {
    let subjects: Vec<(String, Vec<u8>)> = Purpose::ALL
        .iter()
        .map(|purpose| {
            let authority = Authority::generate("prod", *purpose, RsaBits::Rsa2048, validity()).unwrap();
            let bytes = der(&authority.certificate_pem);
            let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
            let serial = certificate.raw_serial().to_vec();
            assert!(serial[0] & 0x80 == 0 && serial.len() <= 20, "{serial:?}");
            (certificate.subject().to_string(), serial)
        })
        .collect();
    let names: Vec<_> = subjects.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "CN=prod",
            "OU=etcd, CN=prod",
            "OU=front-proxy, CN=prod",
            "OU=node, CN=prod"
        ]
    );
    assert!(
        subjects
            .iter()
            .all(|(_, serial)| subjects.iter().filter(|(_, other)| other == serial).count() == 1)
    );
}

#[test]
fn two_generations_of_one_name_are_told_apart_in_one_bundle() {
    let bench = Bench::new();
    let generate = || Authority::generate("demo", Purpose::Cluster, RsaBits::Rsa2048, validity()).unwrap();
    let (old, new) = (generate(), generate());
    let both = bench.put(
        "both.pem",
        &format!("{}\n{}\n", new.certificate_pem, old.certificate_pem),
    );
    let request = LeafRequest {
        common_name: "api".to_owned(),
        organizations: vec![],
        dns: vec!["api".to_owned()],
        ips: vec![],
        server: true,
        client: true,
        validity: validity(),
    };
    for (signer, other) in [(&old, &new), (&new, &old)] {
        let leaf = signer.issue(&request).unwrap().certificate_pem;
        let path = bench.put("leaf.pem", &leaf);
        let (verified, said) = bench.try_run(&[
            "verify",
            "-CAfile",
            both.to_str().unwrap(),
            path.to_str().unwrap(),
        ]);
        assert!(verified, "{said}");
        assert!(!bench.verify(other, &leaf, "sslclient").0);
    }
    let names: Vec<String> = [0, 1, 2]
        .map(|generation| Purpose::Etcd.sealed_name(generation))
        .into();
    assert_eq!(names, ["authority/etcd", "authority/etcd/1", "authority/etcd/2"]);
}

#[test]
fn a_key_is_named_as_kubernetes_names_it() {
    let pair = RsaPair::generate(RsaBits::Rsa2048).unwrap();
    let bench = Bench::new();
    let public = bench.put("public.pem", &pair.public_pem);
    let der = bench.put("public.der", "");
    let (public, der) = (public.to_str().unwrap(), der.to_str().unwrap());
    bench.run(&["pkey", "-pubin", "-in", public, "-outform", "DER", "-out", der]);
    let said = bench.run(&["dgst", "-sha256", "-r", der]);
    let digest: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&said[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let expected = URL_SAFE_NO_PAD.encode(digest);
    assert_eq!(RsaPair::key_id(&pair.public_pem).unwrap(), expected);
    assert!(RsaPair::key_id("no key").is_err());
}

#[test]
fn an_authority_survives_storage_and_refuses_another_key() {
    let bench = Bench::new();
    let made = authority();
    let read = Authority::from_pem(&format!("{}\n", made.certificate_pem), &made.key_pem()).unwrap();
    assert_eq!(read.certificate_pem, made.certificate_pem);
    let csr = bench.request(P256, "/CN=admin", &[]);
    let certificate = read.sign_csr(&csr, &CsrRules::default(), validity()).unwrap();
    assert!(bench.verify(&made, &certificate, "sslclient").0);

    let other = authority();
    assert!(matches!(
        Authority::from_pem(&made.certificate_pem, &other.key_pem()),
        Err(Error::KeyMismatch)
    ));
    let garbled = SecretString::from("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----");
    assert!(matches!(
        Authority::from_pem(&made.certificate_pem, &garbled),
        Err(Error::Unreadable { .. })
    ));
    assert!(!format!("{made:?}").contains("PRIVATE"));
}

#[test]
fn an_authority_made_by_openssl_can_be_taken_over() {
    let bench = Bench::new();
    let line = [
        "req",
        "-x509",
        "-new",
        "-nodes",
        "-config",
        "req.cnf",
        "-subj",
        "/O=Corp/CN=their CA",
        "-days",
        "9999",
    ];
    bench.run(
        &[
            &line[..],
            &["-newkey", "rsa:2048", "-keyout", "k.pem", "-out", "c.pem"],
        ]
        .concat(),
    );
    let read = |name| fs::read_to_string(bench.dir.path().join(name)).unwrap();
    let without_ca_flag = Authority::from_pem(&read("c.pem"), &SecretString::from(read("k.pem")));
    assert!(matches!(without_ca_flag, Err(Error::NotAuthority)));

    let flags = [
        "-key",
        "k.pem",
        "-out",
        "c.pem",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
    ];
    bench.run(&[&line[..], &flags[..]].concat());
    let authority = Authority::from_pem(&read("c.pem"), &SecretString::from(read("k.pem"))).unwrap();
    let csr = bench.request(P256, "/CN=admin", &[]);
    let certificate = authority
        .sign_csr(&csr, &CsrRules::default(), validity())
        .unwrap();
    assert!(
        bench
            .text(&certificate)
            .contains("Issuer: O = Corp, CN = their CA")
    );
}

#[test]
fn an_issued_leaf_serves_tls_for_its_names_with_its_key() {
    let bench = Bench::new();
    let authority = authority();
    let Issued {
        certificate_pem,
        key_pem,
    } = authority
        .issue(&LeafRequest {
            common_name: "admin".to_owned(),
            organizations: vec!["system:masters".to_owned(), "ops".to_owned()],
            dns: vec!["kubernetes.default".to_owned()],
            ips: vec!["10.0.0.5".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            server: true,
            client: true,
            validity: validity(),
        })
        .unwrap();
    for purpose in ["sslclient", "sslserver"] {
        let (verified, said) = bench.verify(&authority, &certificate_pem, purpose);
        assert!(verified, "{said}");
    }
    let text = bench.text(&certificate_pem);
    for line in [
        "Issuer: CN = prod",
        "Subject: O = system:masters, O = ops, CN = admin",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "DNS:kubernetes.default, IP Address:10.0.0.5, IP Address:2001:DB8:0:0:0:0:0:1",
        "ASN1 OID: prime256v1",
        "X509v3 Authority Key Identifier:",
        "X509v3 Subject Key Identifier:",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    bench.put("leaf.key", key_pem.expose_secret());
    let of_key = bench.run(&["pkey", "-in", "leaf.key", "-pubout"]);
    assert_eq!(
        of_key,
        bench.run(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"])
    );
}

#[test]
fn a_client_certificate_is_not_good_for_a_server() {
    let bench = Bench::new();
    let authority = authority();
    let client = LeafRequest {
        common_name: "c".to_owned(),
        organizations: Vec::new(),
        dns: Vec::new(),
        ips: Vec::new(),
        server: false,
        client: true,
        validity: validity(),
    };
    let issued = authority.issue(&client).unwrap();
    assert!(bench.verify(&authority, &issued.certificate_pem, "sslclient").0);
    assert!(!bench.verify(&authority, &issued.certificate_pem, "sslserver").0);

    for request in [
        LeafRequest {
            common_name: String::new(),
            ..client.clone()
        },
        LeafRequest {
            dns: vec!["köln".to_owned()],
            ..client.clone()
        },
    ] {
        assert!(matches!(authority.issue(&request), Err(Error::BadName(_))));
    }
}

#[test]
fn a_signed_request_keeps_its_subject_byte_for_byte_and_its_extensions() {
    let bench = Bench::new();
    let authority = authority();
    let subject = "/O=system:masters/O=ops/OU=a/OU=b/CN=jürgen+UID=7/CN=second";
    let wanted = [
        "subjectAltName=DNS:node-0,IP:10.0.0.7",
        "extendedKeyUsage=clientAuth",
        "keyUsage=critical,digitalSignature,keyEncipherment,nonRepudiation",
        "basicConstraints=critical,CA:FALSE",
        "subjectKeyIdentifier=0102030405",
    ];
    let csr = bench.request(&[P256, &["-utf8"]].concat(), subject, &wanted);
    let certificate = authority
        .sign_csr(&csr, &CsrRules::default(), validity())
        .unwrap();
    assert!(!certificate.ends_with('\n'));
    let (verified, said) = bench.verify(&authority, &certificate, "sslclient");
    assert!(verified, "{said}");

    let bytes = der(&certificate);
    let (_, read) = X509Certificate::from_der(&bytes).unwrap();
    let request = der(&csr);
    let (_, asked) =
        x509_parser::certification_request::X509CertificationRequest::from_der(&request).unwrap();
    assert_eq!(
        read.subject().as_raw(),
        asked.certification_request_info.subject.as_raw()
    );
    assert_eq!(read.subject().iter_organization().count(), 2);
    let text = bench.text(&certificate);
    assert!(text.contains("DNS:node-0, IP Address:10.0.0.7"), "{text}");
    assert!(
        text.contains("Digital Signature, Non Repudiation, Key Encipherment"),
        "{text}"
    );
    let identifiers: Vec<_> = read
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
            _ => None,
        })
        .collect();
    assert_eq!(identifiers.len(), 1);
    assert_ne!(identifiers[0], [1, 2, 3, 4, 5]);
}

#[test]
fn every_strong_kind_of_key_is_accepted() {
    let bench = Bench::new();
    let authority = authority();
    for (algorithm, digest) in [
        (&["-newkey", "rsa:2048"][..], "-sha256"),
        (&["-newkey", "rsa:2048"], "-sha384"),
        (&["-newkey", "rsa:3072"], "-sha512"),
        (P256, "-sha256"),
        (
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            "-sha384",
        ),
        (
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
            "-sha512",
        ),
        (&["-newkey", "ed25519"], "-sha256"),
    ] {
        let csr = bench.request(&[algorithm, &[digest]].concat(), "/CN=admin", &[]);
        let spelled = csr.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
        for csr in [
            csr.clone(),
            csr.replace('\n', "\r\n"),
            format!("some words\n{spelled}"),
        ] {
            let certificate = authority
                .sign_csr(&csr, &CsrRules::default(), validity())
                .unwrap();
            let (verified, said) = bench.verify(&authority, &certificate, "sslclient");
            assert!(verified, "{algorithm:?} {digest}: {said}");
        }
    }
}

#[test]
fn weak_unknown_broken_and_oversized_requests_are_refused() {
    let bench = Bench::new();
    let authority = authority();
    let good = bench.request(P256, "/CN=admin", &[]);
    let mut renamed = der(&good);
    let at = renamed.windows(5).position(|bytes| bytes == b"admin").unwrap();
    renamed[at + 4] = b'x';
    let mut resigned = der(&good);
    let last = resigned.len() - 1;
    resigned[last] ^= 1;
    let mut longer = der(&good);
    longer.push(0);
    let pem = |bytes: &[u8]| {
        let body = STANDARD.encode(bytes);
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
    };
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"];
    for (csr, reason) in [
        (bench.request(&["-newkey", "rsa:1024"], "/CN=a", &[]), "1024 bits"),
        (
            bench.request(&["-newkey", "rsa:2048", "-sha1"], "/CN=a", &[]),
            "signature of type 1.2.840.113549.1.1.5",
        ),
        (bench.request(&curve, "/CN=a", &[]), "curve 1.3.132.0.10"),
        (
            bench.request(&["-newkey", "ed448"], "/CN=a", &[]),
            "keys of type 1.3.101.113",
        ),
        (pem(&renamed), "not by its own key"),
        (pem(&resigned), "not by its own key"),
        (pem(&longer), ""),
        (pem(&der(&good)[..40]), ""),
        (pem(b""), ""),
        ("not a request".to_owned(), "no PEM block"),
        (good.replace("CERTIFICATE REQUEST", "CERTIFICATE"), "no PEM block"),
        (format!("{}{good}", " ".repeat(64 * 1024)), "larger than"),
    ] {
        match authority.sign_csr(&csr, &CsrRules::default(), validity()) {
            Err(error @ Error::BadCsr(_)) => {
                assert!(error.is_callers_fault());
                assert!(error.to_string().contains(reason), "{error}");
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
}

#[test]
fn no_request_obtains_an_authority_or_a_forbidden_critical_extension() {
    let bench = Bench::new();
    let authority = authority();
    for (extension, named) in [
        ("basicConstraints=critical,CA:TRUE", "a CA certificate"),
        (
            "keyUsage=critical,digitalSignature,keyCertSign",
            "Certificate Sign",
        ),
        ("keyUsage=critical,cRLSign", "CRL Sign"),
        ("keyUsage=critical,dataEncipherment", "Data Encipherment"),
        (
            "nameConstraints=critical,permitted;DNS:example.org",
            "nameConstraints",
        ),
        ("1.2.3.4=critical,ASN1:UTF8String:hello", "1.2.3.4"),
    ] {
        let csr = bench.request(P256, "/CN=admin", &[extension]);
        match authority.sign_csr(&csr, &CsrRules::default(), validity()) {
            Err(error @ Error::Forbidden(_)) => assert!(error.to_string().contains(named), "{error}"),
            other => panic!("{extension}: {other:?}"),
        }
    }
}

#[test]
fn what_is_not_allowed_and_not_critical_is_left_out() {
    let bench = Bench::new();
    let authority = authority();
    for extension in [
        "basicConstraints=CA:TRUE",
        "basicConstraints=CA:TRUE,pathlen:3",
        "keyUsage=keyCertSign,cRLSign",
        "keyUsage=digitalSignature,keyCertSign,dataEncipherment",
        "nameConstraints=permitted;DNS:example.org",
        "1.2.3.4=ASN1:UTF8String:hello",
    ] {
        let csr = bench.request(P256, "/CN=admin", &[extension]);
        let certificate = authority
            .sign_csr(&csr, &CsrRules::default(), validity())
            .unwrap();
        let text = bench.text(&certificate);
        assert!(
            text.contains("X509v3 Basic Constraints: critical\n                CA:FALSE"),
            "{text}"
        );
        for left_out in [
            "Certificate Sign",
            "CRL Sign",
            "Data Encipherment",
            "Name Constraints",
            "1.2.3.4",
        ] {
            assert!(!text.contains(left_out), "{extension}: {text}");
        }
        assert_eq!(
            text.contains("Key Usage:"),
            extension.contains("digitalSignature"),
            "{text}"
        );
        let (verified, said) = bench.verify(&authority, &certificate, "sslclient");
        assert!(verified, "{extension}: {said}");
    }
}

#[test]
fn the_rules_decide_what_is_allowed() {
    let bench = Bench::new();
    let authority = authority();
    let usage = bench.request(
        P256,
        "/CN=admin",
        &["keyUsage=critical,digitalSignature,keyCertSign"],
    );
    let listed = CsrRules {
        allowed_key_usage: vec![KeyUse::DigitalSignature, KeyUse::CertificateSign],
        ..CsrRules::default()
    };
    assert!(matches!(
        authority.sign_csr(&usage, &listed, validity()),
        Err(Error::Forbidden(_))
    ));
    let switched = CsrRules {
        allow_ca: true,
        ..listed
    };
    let certificate = authority.sign_csr(&usage, &switched, validity()).unwrap();
    assert!(
        bench
            .text(&certificate)
            .contains("Digital Signature, Certificate Sign")
    );

    let ca = bench.request(P256, "/CN=admin", &["basicConstraints=CA:TRUE"]);
    let certificate = authority.sign_csr(&ca, &switched, validity()).unwrap();
    assert!(bench.text(&certificate).contains("CA:FALSE"));

    let names = bench.request(P256, "/CN=admin", &["subjectAltName=critical,DNS:x"]);
    let none = CsrRules {
        allowed_extensions: vec![ExtensionKind::KeyUsage],
        ..CsrRules::default()
    };
    let refused = authority.sign_csr(&names, &none, validity()).unwrap_err();
    assert!(refused.to_string().contains("subjectAltName"), "{refused}");
}

#[test]
fn magnums_names_of_extensions_and_usages_are_known() {
    for kind in ExtensionKind::ALL {
        assert_eq!(ExtensionKind::from_name(kind.as_str()), Some(*kind));
    }
    for usage in KeyUse::ALL {
        assert_eq!(KeyUse::from_name(usage.as_str()), Some(*usage));
    }
    assert_eq!(KeyUse::from_name("digital signature"), None);
    for (asked, purpose) in [
        (Some("etcd"), Purpose::Etcd),
        (Some("front_proxy"), Purpose::FrontProxy),
        (Some("front-proxy"), Purpose::FrontProxy),
        (Some("kubelet"), Purpose::Cluster),
        (None, Purpose::Cluster),
    ] {
        assert_eq!(Purpose::from_ca_cert_type(asked), purpose);
    }
}
