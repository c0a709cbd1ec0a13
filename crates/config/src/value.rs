//! Types of options, and how their text is read: the rules of oslo.config's types.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// A type that an option can have.
pub(crate) trait OptionValue: Sized {
    /// What the reference configuration calls it.
    const KIND: &'static str;
    /// Whether the value must never be shown.
    const SECRET: bool = false;
    /// Whether empty text means that the option is not set. oslo.config reads an empty number as None.
    const EMPTY_IS_UNSET: bool = true;

    /// The value, or what is expected in its place.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value of an option that is not set and has no default.
    fn unset() -> Option<Self> {
        None
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    const KIND: &'static str = T::KIND;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

impl OptionValue for String {
    const KIND: &'static str = "string value";
    const EMPTY_IS_UNSET: bool = false;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl OptionValue for SecretString {
    const KIND: &'static str = "string value, secret";
    const SECRET: bool = true;
    const EMPTY_IS_UNSET: bool = false;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
}

impl OptionValue for PathBuf {
    const KIND: &'static str = "path value";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
}

impl OptionValue for bool {
    const KIND: &'static str = "boolean value";
    const EMPTY_IS_UNSET: bool = false;

    fn parse(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Ok(true),
            "false" | "0" | "off" | "no" => Ok(false),
            _ => Err("true, yes, on or 1, or false, no, off or 0".to_owned()),
        }
    }
}

/// Which kind of program tells something to syslog: a number of RFC 5424.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyslogFacility(pub u8);

/// Names of the facilities, in the order of their numbers; 12 to 15 have none that all systems know.
const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP", "",
    "", "", "", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7",
];

impl OptionValue for SyslogFacility {
    const KIND: &'static str = "string value";

    fn parse(text: &str) -> Result<Self, String> {
        let name = text.trim().to_uppercase();
        let name = name.strip_prefix("LOG_").unwrap_or(&name);
        let known = FACILITIES
            .iter()
            .position(|known| !known.is_empty() && *known == name);
        let number = known.and_then(|number| u8::try_from(number).ok());
        number.map(Self).ok_or_else(|| {
            "the name of a facility of syslog, such as LOG_USER, LOG_DAEMON or LOG_LOCAL0".to_owned()
        })
    }
}

impl OptionValue for Vec<String> {
    const KIND: &'static str = "list value";
    const EMPTY_IS_UNSET: bool = false;

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches(',');
        if text.is_empty() {
            return Ok(Self::new());
        }
        Ok(text.split(',').map(|item| item.trim().to_owned()).collect())
    }
}

/// Python's integers may have underscores between digits.
fn integer<T: std::str::FromStr>(text: &str, expected: &str) -> Result<T, String> {
    let text = text.trim();
    let grouped = text.contains('_')
        && text
            .split('_')
            .all(|part| part.ends_with(|c: char| c.is_ascii_digit()));
    let text = if grouped {
        text.replace('_', "")
    } else {
        text.to_owned()
    };
    text.parse().map_err(|_| expected.to_owned())
}

macro_rules! integers {
    ($($type:ty => $kind:literal, $expected:literal;)+) => {$(
        impl OptionValue for $type {
            const KIND: &'static str = $kind;

            fn parse(text: &str) -> Result<Self, String> {
                integer(text, $expected)
            }
        }
    )+};
}

integers! {
    u16 => "port value", "a port from 0 to 65535";
    u32 => "integer value", "a whole number from 0";
    u64 => "integer value", "a whole number from 0";
    i64 => "integer value", "a whole number";
}

impl OptionValue for f64 {
    const KIND: &'static str = "floating point value";

    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "a number".to_owned())
    }
}

/// Whole seconds.
impl OptionValue for Duration {
    const KIND: &'static str = "integer value, seconds";

    fn parse(text: &str) -> Result<Self, String> {
        integer(text, "a whole number of seconds from 0").map(Self::from_secs)
    }
}

macro_rules! choices {
    ($($(#[$about:meta])* $type:ident { $($(#[$help:meta])* $variant:ident $name:literal $(| $alias:literal)*;)+ })+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type {
            $($(#[$help])* $variant,)+
        }

        impl $type {
            /// The name in configuration files and on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl OptionValue for $type {
            const KIND: &'static str = "string value";

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($name $(| $alias)* => Ok(Self::$variant),)+
                    _ => Err(["one of ", &[$($name),+].join(", ")].concat()),
                }
            }
        }
    )+};
}

choices! {
    /// Which endpoint of a service to take from the catalogue.
    Interface {
        /// For everybody.
        Public "public" | "publicURL";
        /// For services of the same cloud.
        Internal "internal" | "internalURL";
        /// For administrators.
        Admin "admin" | "adminURL";
    }

    /// How servers of policy rules are asked.
    RemoteContentType {
        /// A form whose values are JSON.
        Form "application/x-www-form-urlencoded";
        /// JSON.
        Json "application/json";
    }

    /// How the engine acts for the owner of a cluster.
    IdentityMode {
        /// The service's own user is granted the roles it needs in the cluster's project.
        Grant "grant";
        /// A trust from the owner to a user made for the cluster, as Magnum up to 2026.1 does.
        Trust "trust";
    }

    /// Where certificates and their keys are kept.
    CertManager {
        /// The service's own database, sealed with the master key.
        X509KeyPair "x509keypair";
        /// The key manager.
        Barbican "barbican";
        /// Files.
        Local "local";
    }

    /// The policy of a server group, by Nova's names.
    AffinityPolicy {
        /// Same host, or fail.
        Affinity "affinity";
        /// Different hosts, or fail.
        AntiAffinity "anti-affinity";
        /// Same host if possible.
        SoftAffinity "soft-affinity";
        /// Different hosts if possible.
        SoftAntiAffinity "soft-anti-affinity";
    }

    /// How the service logs in, by keystoneauth's names.
    AuthType {
        /// Name and password.
        Password "password" | "v3password";
        /// An application credential.
        ApplicationCredential "v3applicationcredential";
        /// A token that is exchanged for others; it has to be replaced by hand before it ends.
        Token "v3token" | "token";
    }

    /// Versions of TLS.
    TlsVersion {
        /// 1.2 and 1.3.
        V12 "TLSv1.2";
        /// 1.3 only.
        V13 "TLSv1.3";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every expectation was taken from oslo.config 10.7.0 by running it.
    #[test]
    fn lists_are_those_of_oslo_config() {
        for (text, expected) in [
            ("", &[][..]),
            (" , ", &[]),
            ("a", &["a"]),
            (" a , b ,", &["a", "b"]),
            ("a,,b", &["a", "", "b"]),
            (",a", &["", "a"]),
            ("a, b,,", &["a", "b"]),
            ("\"a,b\",c", &["\"a", "b\"", "c"]),
            ("a\nb,c", &["a\nb", "c"]),
        ] {
            assert_eq!(Vec::<String>::parse(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn booleans_and_numbers_are_those_of_oslo_config() {
        for (text, expected) in [
            ("True", Some(true)),
            ("yes", Some(true)),
            ("ON", Some(true)),
            ("1", Some(true)),
            ("off", Some(false)),
            ("0", Some(false)),
            ("No", Some(false)),
            ("", None),
            (" true", None),
            ("t", None),
            ("maybe", None),
        ] {
            assert_eq!(bool::parse(text).ok(), expected, "{text:?}");
        }
        for (text, expected) in [
            (" 5 ", Some(5)),
            ("+5", Some(5)),
            ("-1", Some(-1)),
            ("1_000", Some(1000)),
            ("1__0", None),
            ("_1", None),
            ("0x10", None),
            ("1.5", None),
        ] {
            assert_eq!(i64::parse(text).ok(), expected, "{text:?}");
        }
        assert_eq!(u16::parse("65535"), Ok(65535));
        assert!(u16::parse("65536").is_err());
        assert_eq!(f64::parse("1e3"), Ok(1000.0));
        assert_eq!(Interface::parse("publicURL"), Ok(Interface::Public));
    }
}
