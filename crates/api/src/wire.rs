//! What goes over the wire: request bodies typed by Magnum's rules, and answers with Magnum's fields. Nothing
//! here asks the store or a cloud.

pub(crate) mod certificate;
pub(crate) mod cluster;
pub(crate) mod links;
pub(crate) mod literal;
pub(crate) mod nodegroup;
pub(crate) mod patch;
pub(crate) mod quota;
pub(crate) mod template;
pub(crate) mod typing;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// ISO 8601 with microseconds and `+00:00`.
pub(crate) fn timestamp(moment: DateTime<Utc>) -> Value {
    Value::String(moment.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string())
}

/// The same, null before the first update.
pub(crate) fn timestamp_or_null(moment: Option<DateTime<Utc>>) -> Value {
    moment.map_or(Value::Null, timestamp)
}
