//! Which of the extensions that a signing request asks for reach the certificate: Magnum's `[x509]` section.

use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};

use crate::Error;

macro_rules! named {
    ($(#[$about:meta])* $type:ident -> $target:ty { $($variant:ident $name:literal $value:expr;)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = concat!("`", $name, "`.")] $variant,)+
        }

        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name that the configuration file uses.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The value of that name, compared exactly as Magnum does.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == name)
            }

            fn target(self) -> $target {
                match self { $(Self::$variant => $value,)+ }
            }
        }
    };
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

named! {
    /// An extension that `[x509] allowed_extensions` can name.
    ExtensionKind -> ObjectIdentifier {
        AuthorityKeyIdentifier "authorityKeyIdentifier" oid("2.5.29.35");
        SubjectKeyIdentifier "subjectKeyIdentifier" oid("2.5.29.14");
        AuthorityInfoAccess "authorityInfoAccess" oid("1.3.6.1.5.5.7.1.1");
        BasicConstraints "basicConstraints" oid("2.5.29.19");
        CrlDistributionPoints "cRLDistributionPoints" oid("2.5.29.31");
        CertificatePolicies "certificatePolicies" oid("2.5.29.32");
        ExtendedKeyUsage "extendedKeyUsage" oid("2.5.29.37");
        OcspNoCheck "OCSPNoCheck" oid("1.3.6.1.5.5.7.48.1.5");
        InhibitAnyPolicy "inhibitAnyPolicy" oid("2.5.29.54");
        KeyUsage "keyUsage" oid("2.5.29.15");
        NameConstraints "nameConstraints" oid("2.5.29.30");
        SubjectAltName "subjectAltName" oid("2.5.29.17");
        IssuerAltName "issuerAltName" oid("2.5.29.18");
    }
}

named! {
    /// A use of a key that `[x509] allowed_key_usage` can name.
    KeyUse -> KeyUsages {
        DigitalSignature "Digital Signature" KeyUsages::DigitalSignature;
        NonRepudiation "Non Repudiation" KeyUsages::NonRepudiation;
        KeyEncipherment "Key Encipherment" KeyUsages::KeyEncipherment;
        DataEncipherment "Data Encipherment" KeyUsages::DataEncipherment;
        KeyAgreement "Key Agreement" KeyUsages::KeyAgreement;
        CertificateSign "Certificate Sign" KeyUsages::KeyCertSign;
        CrlSign "CRL Sign" KeyUsages::CRLSign;
        EncipherOnly "Encipher Only" KeyUsages::EncipherOnly;
        DecipherOnly "Decipher Only" KeyUsages::DecipherOnly;
    }
}

/// What a signing request may ask for. The default is that of Magnum's `[x509]` section.
///
/// An extension or key usage that is not allowed fails the request when the request marks it critical, and is
/// left out otherwise. The identifiers of subject and authority are always our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrRules {
    /// Lets the usages [`KeyUse::CertificateSign`] and [`KeyUse::CrlSign`] through if `allowed_key_usage` lists
    /// them too. It does not let a request become an authority: ours have path length 0, so no
    /// certificate below such an authority would be accepted anyway.
    pub allow_ca: bool,
    /// Extensions that may be asked for.
    pub allowed_extensions: Vec<ExtensionKind>,
    /// Key usages that may be asked for.
    pub allowed_key_usage: Vec<KeyUse>,
}

impl Default for CsrRules {
    fn default() -> Self {
        Self {
            allow_ca: false,
            allowed_extensions: vec![
                ExtensionKind::KeyUsage,
                ExtensionKind::ExtendedKeyUsage,
                ExtensionKind::SubjectAltName,
                ExtensionKind::BasicConstraints,
                ExtensionKind::SubjectKeyIdentifier,
            ],
            allowed_key_usage: vec![
                KeyUse::DigitalSignature,
                KeyUse::KeyEncipherment,
                KeyUse::NonRepudiation,
            ],
        }
    }
}

impl CsrRules {
    /// The extensions to take over. Never among them: basic constraints and key identifiers, which the signer
    /// adds itself.
    pub(crate) fn filter(&self, requested: Vec<Extension>) -> Result<Vec<Extension>, Error> {
        let mut kept = Vec::new();
        for extension in requested {
            let kind = ExtensionKind::ALL
                .iter()
                .copied()
                .find(|kind| kind.target() == extension.extn_id);
            let Some(kind) = kind.filter(|kind| self.allowed_extensions.contains(kind)) else {
                if extension.critical {
                    let name =
                        kind.map_or_else(|| extension.extn_id.to_string(), |kind| kind.as_str().to_owned());
                    return Err(Error::Forbidden(format!("the critical extension {name}")));
                }
                continue;
            };
            kept.extend(self.take_over(kind, extension)?);
        }
        Ok(kept)
    }

    fn take_over(&self, kind: ExtensionKind, extension: Extension) -> Result<Option<Extension>, Error> {
        let value = extension.extn_value.as_bytes();
        let garbled = |_| Error::BadCsr(format!("its extension {} cannot be read", kind.as_str()));
        match kind {
            ExtensionKind::AuthorityKeyIdentifier | ExtensionKind::SubjectKeyIdentifier => return Ok(None),
            ExtensionKind::BasicConstraints => {
                let asked = BasicConstraints::from_der(value).map_err(garbled)?;
                if asked.ca && extension.critical {
                    return Err(Error::Forbidden(
                        "a CA certificate (critical basicConstraints)".to_owned(),
                    ));
                }
                return Ok(None);
            }
            ExtensionKind::KeyUsage => {
                let asked = KeyUsage::from_der(value).map_err(garbled)?;
                return self.take_over_key_usage(asked, extension.critical);
            }
            ExtensionKind::SubjectAltName => SubjectAltName::from_der(value).map(drop).map_err(garbled)?,
            ExtensionKind::ExtendedKeyUsage => {
                ExtendedKeyUsage::from_der(value).map(drop).map_err(garbled)?
            }
            _ => AnyRef::from_der(value).map(drop).map_err(garbled)?,
        }
        Ok(Some(extension))
    }

    /// `None` when no usage is left: the extension may not be empty.
    fn take_over_key_usage(&self, asked: KeyUsage, critical: bool) -> Result<Option<Extension>, Error> {
        let mut kept = KeyUsage(None.into());
        for usage in KeyUse::ALL
            .iter()
            .copied()
            .filter(|usage| asked.0.contains(usage.target()))
        {
            if self.allows(usage) {
                kept.0 |= usage.target();
            } else if critical {
                return Err(Error::Forbidden(format!(
                    "the key usage {} (critical keyUsage)",
                    usage.as_str()
                )));
            }
        }
        if kept.0.is_empty() {
            return Ok(None);
        }
        let extn_value = OctetString::new(kept.to_der()?)?;
        Ok(Some(Extension {
            extn_id: ExtensionKind::KeyUsage.target(),
            critical,
            extn_value,
        }))
    }

    fn allows(&self, usage: KeyUse) -> bool {
        let signs_for_others = matches!(usage, KeyUse::CertificateSign | KeyUse::CrlSign);
        self.allowed_key_usage.contains(&usage) && (self.allow_ca || !signs_for_others)
    }
}
