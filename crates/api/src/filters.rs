//! Optional filters of lists, an addition to Magnum: exact names, statuses and projects. They narrow what the caller
//! may see and never widen it.

use jeroboam_store::Filter;
use jeroboam_types::{ProjectId, Status};

use crate::error::{ApiError, ApiResult};
use crate::paging::ARGUMENTS;
use crate::query::Query;

/// Filters of clusters.
pub(crate) const OF_CLUSTERS: [&str; 3] = ["name", "status", "project_id"];
/// Filters of templates, which have no status.
pub(crate) const OF_TEMPLATES: [&str; 2] = ["name", "project_id"];

/// Reads the filters of a list that knows these, and refuses every argument that is neither one of them nor of the
/// page.
///
/// # Errors
/// 400 that names the argument.
pub(crate) fn parse(query: &Query, known: &[&str]) -> ApiResult<Filter> {
    query.only(&[&ARGUMENTS[..], known].concat())?;
    let status = match query.find("status") {
        None => None,
        Some(text) => Some(status(text)?),
    };
    Ok(Filter {
        name: query.find("name").map(str::to_owned),
        status,
        project_id: query.find("project_id").map(ProjectId::from),
    })
}

/// The filters again, for the link to the next page.
pub(crate) fn arguments<'a>(query: &'a Query, known: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    known
        .iter()
        .filter_map(|name| query.find(name).map(|value| (*name, value)))
        .collect()
}

fn status(text: &str) -> ApiResult<Status> {
    let known = Status::ALL.iter().copied();
    let mut same = known.filter(|status| status.as_str().eq_ignore_ascii_case(text));
    same.next().ok_or_else(|| {
        let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        ApiError::invalid(
            "status",
            text,
            format!("Value should be one of: {}", all.join(", ")),
        )
    })
}
