//! The extensions that the service itself puts into certificates, and names.

use std::net::IpAddr;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, Ia5String, ObjectIdentifier, OctetString, SetOfVec, Utf8StringRef};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::referenced::OwnedToRef;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::Error;

pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
pub(crate) const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
pub(crate) const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

pub(crate) fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> Result<Extension, Error> {
    Ok(Extension {
        extn_id: T::OID,
        critical,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}

/// `Some(0)` lets an authority sign leaves only; `None` is a leaf.
pub(crate) fn basic_constraints(path_length: Option<u8>) -> Result<Extension, Error> {
    extension(
        true,
        &BasicConstraints {
            ca: path_length.is_some(),
            path_len_constraint: path_length,
        },
    )
}

pub(crate) fn certificate_signing() -> Result<Extension, Error> {
    extension(true, &KeyUsage(KeyUsages::KeyCertSign.into()))
}

pub(crate) fn tls_key_usage() -> Result<Extension, Error> {
    extension(
        true,
        &KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment),
    )
}

/// `None` when neither is wanted: the extension may not be empty.
pub(crate) fn extended_key_usage(server: bool, client: bool) -> Result<Option<Extension>, Error> {
    let purposes: Vec<_> = [(server, SERVER_AUTH), (client, CLIENT_AUTH)]
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, oid)| oid)
        .collect();
    if purposes.is_empty() {
        return Ok(None);
    }
    extension(false, &ExtendedKeyUsage(purposes)).map(Some)
}

/// `None` when there are no names: the extension may not be empty.
pub(crate) fn subject_alternative_names(dns: &[String], ips: &[IpAddr]) -> Result<Option<Extension>, Error> {
    let mut names = Vec::with_capacity(dns.len() + ips.len());
    for name in dns {
        let text = Ia5String::new(name).map_err(|_| Error::BadName(name.clone()))?;
        if name.is_empty() {
            return Err(Error::BadName(name.clone()));
        }
        names.push(GeneralName::DnsName(text));
    }
    for ip in ips {
        let octets = match ip {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        names.push(GeneralName::IpAddress(OctetString::new(octets)?));
    }
    if names.is_empty() {
        return Ok(None);
    }
    extension(false, &SubjectAltName(names)).map(Some)
}

/// SHA-1 of the public key, as RFC 5280 4.2.1.2 (1) has it.
pub(crate) fn key_identifier(key: &SubjectPublicKeyInfoOwned) -> Result<SubjectKeyIdentifier, Error> {
    Ok(SubjectKeyIdentifier::try_from(key.owned_to_ref())?)
}

pub(crate) fn authority_key_identifier(authority: &SubjectKeyIdentifier) -> Result<Extension, Error> {
    let identifier = AuthorityKeyIdentifier {
        key_identifier: Some(authority.0.clone()),
        ..AuthorityKeyIdentifier::default()
    };
    extension(false, &identifier)
}

/// A distinguished name of one attribute per step, in the order given, each value a UTF8String.
pub(crate) fn name(parts: &[(ObjectIdentifier, &str)]) -> Result<Name, Error> {
    let mut steps = RdnSequence::default();
    for (oid, value) in parts {
        if value.is_empty() || value.contains('\0') {
            return Err(Error::BadName((*value).to_owned()));
        }
        let value = Any::encode_from(&Utf8StringRef::new(value)?)?;
        let step = SetOfVec::try_from(vec![AttributeTypeAndValue { oid: *oid, value }])?;
        steps.push(RelativeDistinguishedName::from(step));
    }
    Ok(Name::from_der(&steps.to_der()?)?)
}
