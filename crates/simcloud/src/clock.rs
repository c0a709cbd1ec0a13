//! Reading the wall clock and writing times the way the services do.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// `2026-01-02T03:04:05.000000Z`, as Keystone writes times.
pub(crate) fn micros(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

/// `2026-01-02T03:04:05Z`, as Nova and Glance write times.
pub(crate) fn seconds(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// `2026-01-02T03:04:05.000000`, as Nova writes times of its usage extension.
pub(crate) fn naive_micros(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S%.6f")
        .to_string()
}

/// Reads any of the forms above, or RFC 3339; times without a zone are UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let zoned = if text.ends_with('Z') || text.contains('+') {
        text.to_owned()
    } else {
        format!("{text}Z")
    };
    DateTime::parse_from_rfc3339(&zoned)
        .ok()
        .map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_being_written_and_read() {
        let ms = 1_767_323_045_000;
        assert_eq!(micros(ms), "2026-01-02T03:04:05.000000Z");
        for text in [micros(ms), seconds(ms), naive_micros(ms)] {
            assert_eq!(parse(&text), Some(ms), "{text}");
        }
    }
}
