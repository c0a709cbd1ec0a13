//! What goes over the wire: request bodies typed by Magnum's rules, and answers with Magnum's fields. Nothing
//! here asks the store or a cloud.

pub(crate) mod certificate;
pub(crate) mod change;
pub(crate) mod cluster;
pub(crate) mod group;
pub(crate) mod links;
pub(crate) mod literal;
pub(crate) mod nodegroup;
pub(crate) mod patch;
pub(crate) mod quota;
pub(crate) mod template;
pub(crate) mod typing;

use std::fmt;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// A moment as ISO 8601 with microseconds and `+00:00`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp(pub(crate) DateTime<Utc>);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.0.date_naive(), self.0.time());
        // In a leap second the fraction goes beyond a second: it is told as the last microsecond before.
        let micros = (time.nanosecond() / 1_000).min(999_999);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{micros:06}+00:00",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The answer to a list: the items under the collection's name, and the link to the next page.
#[derive(Debug)]
pub(crate) struct Listing<T> {
    /// Name of the collection.
    pub(crate) name: &'static str,
    /// Items of this page.
    pub(crate) items: Vec<T>,
    /// Where the next page is, if there is one.
    pub(crate) next: Option<String>,
}

impl<T: Serialize> Serialize for Listing<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_map(None)?;
        answer.serialize_entry(self.name, &self.items)?;
        if let Some(next) = &self.next {
            answer.serialize_entry("next", next)?;
        }
        answer.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_microseconds_and_an_offset() {
        let shown = |text: &str| {
            let moment: DateTime<Utc> = text.parse().unwrap();
            Timestamp(moment).to_string()
        };
        assert_eq!(shown("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000000+00:00");
        assert_eq!(
            shown("2026-11-22T13:14:15.000123456Z"),
            "2026-11-22T13:14:15.000123+00:00"
        );
        assert_eq!(
            shown("2016-12-31T23:59:60.5Z"),
            "2016-12-31T23:59:59.999999+00:00"
        );
    }
}
