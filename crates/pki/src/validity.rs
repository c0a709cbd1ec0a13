//! From when to when a certificate holds.

use std::time::Duration;

use x509_cert::Certificate;
use x509_cert::der::{DateTime, Decode};
use x509_cert::time::Time;

use crate::{Error, pem};

const DAY_SECS: i64 = 86_400;

/// A period in seconds since 1970, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second of the period.
    pub not_before: i64,
    /// Last second of the period.
    pub not_after: i64,
}

impl Validity {
    /// From a day before `now_secs` (clocks of nodes differ) to `days` after it: the period of all of Magnum's
    /// certificates, with `[x509] term_of_validity` days.
    pub fn days(now_secs: i64, days: u32) -> Self {
        Self {
            not_before: now_secs - DAY_SECS,
            not_after: now_secs + i64::from(days) * DAY_SECS,
        }
    }

    pub(crate) fn to_x509(self) -> Result<x509_cert::time::Validity, Error> {
        if self.not_after <= self.not_before {
            return Err(Error::BadValidity);
        }
        Ok(x509_cert::time::Validity::new(
            to_time(self.not_before)?,
            to_time(self.not_after)?,
        ))
    }
}

fn to_time(secs: i64) -> Result<Time, Error> {
    let since_1970 = Duration::from_secs(u64::try_from(secs).map_err(|_| Error::BadValidity)?);
    let date = DateTime::from_unix_duration(since_1970).map_err(|_| Error::BadValidity)?;
    Ok(Time::from(date))
}

/// When the (first) certificate in `certificate_pem` ends, in seconds since 1970.
pub fn not_after(certificate_pem: &str) -> Result<i64, Error> {
    let certificate = read_certificate(certificate_pem)?;
    let end = certificate
        .tbs_certificate()
        .validity()
        .not_after
        .to_unix_duration();
    i64::try_from(end.as_secs()).map_err(|_| Error::BadValidity)
}

/// The (first) certificate in `certificate_pem`, DER.
///
/// # Errors
/// A text without one.
pub fn certificate_der(certificate_pem: &str) -> Result<Vec<u8>, Error> {
    let der = pem::decode(certificate_pem, &["CERTIFICATE"]).map_err(|why| Error::Unreadable {
        what: "certificate",
        why,
    })?;
    Ok(der.to_vec())
}

/// The common name of a certificate's subject: what it says of itself, whoever has signed it.
pub fn common_name(certificate_der: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(certificate_der).ok()?;
    let name = certificate.tbs_certificate().subject().common_name().ok()??;
    Some(name.value().into_owned())
}

pub(crate) fn read_certificate(certificate_pem: &str) -> Result<Certificate, Error> {
    let unreadable = |why| Error::Unreadable {
        what: "certificate",
        why,
    };
    let der = pem::decode(certificate_pem, &["CERTIFICATE"]).map_err(unreadable)?;
    Certificate::from_der(&der).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_impossible_period_is_refused() {
        for (not_before, not_after) in [(10, 10), (10, 9), (-1, 10), (0, i64::MAX)] {
            let refused = Validity {
                not_before,
                not_after,
            }
            .to_x509();
            assert!(
                matches!(refused, Err(Error::BadValidity)),
                "{not_before}..{not_after}"
            );
        }
    }

    #[test]
    fn the_period_begins_a_day_early_and_lasts_the_days_asked() {
        let period = Validity::days(1_800_000_000, 1825);
        assert_eq!(period.not_before, 1_800_000_000 - 86_400);
        assert_eq!(period.not_after, 1_800_000_000 + 1825 * 86_400);
    }
}
