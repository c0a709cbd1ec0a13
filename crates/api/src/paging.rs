//! Pages of lists: their arguments, and the link to the next one.

use std::fmt::Display;

use jeroboam_store::{Page, SortKey};
use uuid::Uuid;

use crate::error::{ApiError, ApiResult};
use crate::path::percent_encoded;
use crate::query::Query;

/// Arguments that every paged list knows.
pub(crate) const ARGUMENTS: [&str; 4] = ["limit", "marker", "sort_key", "sort_dir"];

/// A page that is asked for, of rows that `M` marks.
#[derive(Debug)]
pub(crate) struct Paging<M = Uuid> {
    limit: usize,
    marker: Option<M>,
    sort_key: String,
    descending: bool,
}

impl Paging {
    /// Reads the arguments; a limit above `max_limit` is lowered to it.
    ///
    /// # Errors
    /// 400 for a limit below one, a marker that is no UUID or an unknown direction.
    pub(crate) fn parse(query: &Query, max_limit: u32) -> ApiResult<Self> {
        Self::of_marker(query, max_limit, query.uuid("marker")?)
    }
}

impl Paging<i64> {
    /// The same, of rows that their row id marks.
    ///
    /// # Errors
    /// 400 as above, also for a marker that is no integer.
    pub(crate) fn by_row(query: &Query, max_limit: u32) -> ApiResult<Self> {
        Self::of_marker(query, max_limit, query.int("marker")?)
    }
}

impl<M: Copy + Display> Paging<M> {
    fn of_marker(query: &Query, max_limit: u32, marker: Option<M>) -> ApiResult<Self> {
        let max_limit = usize::try_from(max_limit).unwrap_or(usize::MAX);
        let limit = match query.int("limit")? {
            None => max_limit,
            Some(limit) if limit < 1 => {
                return Err(ApiError::invalid("limit", limit, "Limit must be positive"));
            }
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX).min(max_limit),
        };
        let descending = match query.find("sort_dir") {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => {
                return Err(ApiError::invalid(
                    "sort_dir",
                    other,
                    "Acceptable values are 'asc' or 'desc'",
                ));
            }
        };
        // Magnum takes an empty key for none.
        let sort_key = query.find("sort_key").filter(|key| !key.is_empty());
        let sort_key = sort_key.unwrap_or("id").to_owned();
        Ok(Self {
            limit,
            marker,
            sort_key,
            descending,
        })
    }

    /// The page for the store: one row more than is shown tells whether there is a next page.
    pub(crate) fn page(&self, sort_key: SortKey) -> Page<M> {
        Page {
            limit: self.limit as u64 + 1,
            marker: self.marker,
            sort_key,
            descending: self.descending,
        }
    }

    /// Name of the column to sort by.
    pub(crate) fn sort_key(&self) -> &str {
        &self.sort_key
    }

    /// 400 for a column that does not exist.
    pub(crate) fn bad_sort_key(&self) -> ApiError {
        ApiError::invalid("sort_key", &self.sort_key, "It is not a column to sort by")
    }

    /// 404 for a marker that is not there.
    pub(crate) fn marker_gone(&self, kind: &str) -> ApiError {
        match self.marker {
            Some(marker) => ApiError::not_found(kind, marker),
            None => ApiError::not_found(kind, "marker"),
        }
    }

    /// Cuts the rows to the page and, if some are left over, gives the link to the next: `collection` is its
    /// URL, `extra` the list's own arguments.
    pub(crate) fn next<T>(
        &self,
        rows: &mut Vec<T>,
        mark: impl Fn(&T) -> M,
        collection: &str,
        extra: &[(&str, &str)],
    ) -> Option<String> {
        if rows.len() <= self.limit {
            return None;
        }
        rows.truncate(self.limit);
        let last = rows.last().map(&mark)?;
        let direction = if self.descending { "desc" } else { "asc" };
        let extra: String = extra
            .iter()
            .map(|(name, value)| format!("{name}={}&", percent_encoded(value)))
            .collect();
        Some(format!(
            "{collection}?{extra}sort_key={}&sort_dir={direction}&limit={}&marker={last}",
            percent_encoded(&self.sort_key),
            self.limit,
        ))
    }
}
