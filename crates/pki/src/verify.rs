//! Certificates that somebody else has signed in an authority's name: control planes sign by themselves.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// True when a client may show a certificate (DER) at a moment in seconds since 1970, and one of the authorities (PEM)
/// has signed it itself. The rules are those of RFC 5280, as the crate `webpki` reads them.
pub fn is_client_of(certificate: &[u8], authorities_pem: &str, now_secs: i64) -> bool {
    let certificate = CertificateDer::from(certificate);
    let Ok(certificate) = EndEntityCert::try_from(&certificate) else {
        return false;
    };
    let now = Duration::from_secs(u64::try_from(now_secs).unwrap_or(0));
    CertificateDer::pem_slice_iter(authorities_pem.as_bytes())
        .filter_map(Result::ok)
        .any(|authority| {
            let anchor = anchor_from_trusted_cert(&authority);
            anchor.is_ok_and(|anchor| {
                certificate
                    .verify_for_usage(
                        webpki::ALL_VERIFICATION_ALGS,
                        &[anchor],
                        &[],
                        UnixTime::since_unix_epoch(now),
                        KeyUsage::client_auth(),
                        None,
                        None,
                    )
                    .is_ok()
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, LeafRequest, Purpose, RsaBits, Validity, certificate_der};

    const NOW: i64 = 1_800_000_000;

    fn authority() -> Authority {
        Authority::generate(
            "demo",
            Purpose::Cluster,
            RsaBits::Rsa2048,
            Validity::days(NOW, 10),
        )
        .unwrap()
    }

    fn shown(by: &Authority, client: bool, validity: Validity) -> Vec<u8> {
        let issued = by.issue(&LeafRequest {
            common_name: "kube-apiserver-kubelet-client".into(),
            organizations: Vec::new(),
            dns: Vec::new(),
            ips: Vec::new(),
            server: !client,
            client,
            validity,
        });
        certificate_der(&issued.unwrap().certificate_pem).unwrap()
    }

    #[test]
    fn only_clients_that_an_authority_has_signed_and_in_their_time() {
        let (own, other) = (authority(), authority());
        let days = Validity::days(NOW, 2);
        let good = shown(&own, true, days);
        let both = format!("{}\n{}", other.certificate_pem, own.certificate_pem);
        assert!(is_client_of(&good, &own.certificate_pem, NOW));
        assert!(is_client_of(&good, &both, NOW), "during a rotation");
        assert!(!is_client_of(&good, &other.certificate_pem, NOW));
        assert!(!is_client_of(&good, &own.certificate_pem, NOW + 3 * 86_400));
        assert!(!is_client_of(&good, &own.certificate_pem, NOW - 2 * 86_400));
        let server = shown(&own, false, days);
        assert!(!is_client_of(&server, &own.certificate_pem, NOW));
        let authority = certificate_der(&own.certificate_pem).unwrap();
        assert!(!is_client_of(&authority, &own.certificate_pem, NOW), "no leaf");
        for nonsense in [&b""[..], b"\x30\x03\x02\x01\x01", &good[..good.len() - 1]] {
            assert!(!is_client_of(nonsense, &own.certificate_pem, NOW));
        }
        assert!(!is_client_of(&good, "", NOW));
    }
}
