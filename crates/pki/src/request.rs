//! Certificate signing requests, as a client of the Magnum API makes them.

use aws_lc_rs::rsa::{KeyPair, KeySize};
use secrecy::SecretString;
use x509_cert::builder::Builder;
use x509_cert::der::Encode;
use x509_cert::request::RequestBuilder;

use crate::authority::private_pem;
use crate::extension::{self, COMMON_NAME, ORGANIZATION};
use crate::signer::{RsaSignature, RsaSigner};
use crate::{Error, pem};

/// A new key and the request for its certificate.
#[derive(Debug)]
pub struct SigningRequest {
    /// PKCS#10 PEM.
    pub csr_pem: String,
    /// PKCS#8 PEM.
    pub key_pem: SecretString,
}

impl SigningRequest {
    /// Makes an RSA key of 2048 bits and a request for `CN=` and one `O=` for each organization: what
    /// `openstack coe cluster config` makes. Slow (0.1 s and more): run it in `spawn_blocking`.
    pub fn generate(common_name: &str, organizations: &[&str]) -> Result<Self, Error> {
        let mut parts: Vec<_> = organizations.iter().map(|name| (ORGANIZATION, *name)).collect();
        parts.push((COMMON_NAME, common_name));
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| Error::Crypto("making an RSA key"))?;
        let signer = RsaSigner::new(key)?;
        let request = RequestBuilder::new(extension::name(&parts)?)
            .and_then(|builder| builder.build::<_, RsaSignature>(&signer))
            .map_err(|_| Error::Crypto("signing a request"))?;
        let csr_pem = pem::encode("CERTIFICATE REQUEST", &request.to_der()?)?;
        Ok(Self {
            csr_pem,
            key_pem: private_pem(signer.key())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, CsrRules, Purpose, RsaBits, Validity};

    #[test]
    fn an_authority_signs_what_is_requested() {
        let valid = Validity::days(1_700_000_000, 30);
        let authority = Authority::generate("demo", Purpose::Cluster, RsaBits::Rsa2048, valid).unwrap();
        let request = SigningRequest::generate("admin", &["system:masters", "second"]).unwrap();
        let certificate = authority
            .sign_csr(&request.csr_pem, &CsrRules::default(), valid)
            .unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).unwrap();
        let subject = pem.parse_x509().unwrap().subject().to_string();
        assert_eq!(subject, "O=system:masters, O=second, CN=admin");
    }
}
