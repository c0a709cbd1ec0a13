//! Rows as they lie in the tables, and their translation from and to the domain's types. A row that the domain
//! does not allow is an internal error, never a panic.

pub(crate) mod answer;
pub(crate) mod api_call;
pub(crate) mod cluster;
pub(crate) mod columns;
pub(crate) mod health;
pub(crate) mod ledger;
pub(crate) mod node_token;
pub(crate) mod nodegroup;
pub(crate) mod project;
pub(crate) mod quota;
pub(crate) mod sealed;
pub(crate) mod service;
pub(crate) mod template;
pub(crate) mod work;

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use jeroboam_types::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// Longest text of a `VARCHAR(255)` column.
const SHORT: usize = 255;

/// JSON for a TEXT column.
pub(crate) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::internal)
}

/// Reads a TEXT column of JSON; null and the empty text are the default.
pub(crate) fn from_json<T: DeserializeOwned + Default>(
    column: &str,
    text: Option<&str>,
) -> Result<T, StoreError> {
    match text {
        None | Some("") => Ok(T::default()),
        Some(text) => serde_json::from_str(text).map_err(|error| damaged(column, error)),
    }
}

/// Reads a column by the type's own rule.
pub(crate) fn parsed<T>(column: &str, text: &str) -> Result<T, StoreError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| damaged(column, error))
}

/// A row that the domain does not allow.
pub(crate) fn damaged(column: &str, reason: impl Display) -> StoreError {
    StoreError::internal(format!("column {column}: {reason}"))
}

/// A moment for a DATETIME column: UTC, with microseconds, which every database keeps.
pub(crate) fn moment(time: DateTime<Utc>) -> NaiveDateTime {
    time.naive_utc().trunc_subsecs(6)
}

/// A moment of a DATETIME column. Only foreign rows lack it.
pub(crate) fn utc(time: Option<NaiveDateTime>) -> DateTime<Utc> {
    time.map(|time| time.and_utc()).unwrap_or_default()
}

/// The same moment for a DATETIME column.
pub(crate) fn moment_of(time: Millis) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_millis(time.0).map(moment)
}

/// What fits into a `VARCHAR(255)`: what a cloud or a cluster says must not make a write fail for ever.
pub(crate) fn fitting(text: &str) -> String {
    text.chars().take(SHORT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_column_is_an_error_that_names_it() {
        let error = from_json::<Vec<String>>("node_addresses", Some("{")).unwrap_err();
        assert!(error.cause().unwrap().contains("node_addresses"));
        assert_eq!(
            from_json::<Vec<String>>("node_addresses", None).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(fitting(&"ä".repeat(300)).chars().count(), 255);
    }
}
