//! Quotas on the wire.

use jeroboam_store::{CLUSTER_RESOURCE, QuotaRow};
use jeroboam_types::ProjectId;
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::wire::Timestamp;
use crate::wire::typing::{Body, Field};

const READ_ONLY: [&str; 3] = ["id", "created_at", "updated_at"];
/// Limit of a new quota that names none.
const DEFAULT_LIMIT: i32 = 1;

/// A quota that is to be set.
#[derive(Clone, Debug)]
pub(crate) struct NewQuota {
    /// The project.
    pub(crate) project_id: ProjectId,
    /// How many there may be.
    pub(crate) hard_limit: i32,
}

impl NewQuota {
    /// Types a request body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let mut body = Body::new("quota", body)?;
        body.read_only(&READ_ONLY)?;
        body.mandatory("project_id")?;
        let project_id = body.short_text("project_id")?.value().unwrap_or_default();
        resource(&mut body)?;
        let hard_limit = limit(&mut body)?.unwrap_or(DEFAULT_LIMIT);
        body.finish()?;
        Ok(Self {
            project_id: project_id.into(),
            hard_limit,
        })
    }
}

/// Types the body of a change, a plain object: the new limit, if one is named. Project and resource may be repeated
/// but not changed.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn parse_change(body: Value, project: &str, path_resource: &str) -> ApiResult<Option<i32>> {
    let mut body = Body::new("quotapatch", body)?;
    body.read_only(&READ_ONLY)?;
    let named = body.short_text("project_id")?.value();
    if let Some(named) = named.filter(|named| named != project) {
        return Err(ApiError::invalid(
            "project_id",
            named,
            "It is not the project of the path",
        ));
    }
    if let Some(named) = resource(&mut body)?.filter(|named| *named != path_resource) {
        return Err(ApiError::invalid(
            "resource",
            named,
            "It is not the resource of the path",
        ));
    }
    let hard_limit = limit(&mut body)?;
    body.finish()?;
    Ok(hard_limit)
}

fn resource(body: &mut Body) -> ApiResult<Option<&'static str>> {
    let resource = body.choice("resource", &[CLUSTER_RESOURCE], |resource| resource)?;
    Ok(resource.value())
}

fn limit(body: &mut Body) -> ApiResult<Option<i32>> {
    match body.int("hard_limit", 0, i32::MAX)? {
        Field::Value(limit) => Ok(Some(limit)),
        Field::Absent => Ok(None),
        Field::Null => Err(ApiError::invalid(
            "hard_limit",
            "None",
            "Value should be an integer",
        )),
    }
}

/// The answer.
pub(crate) fn render(row: &QuotaRow) -> Value {
    json!({
        "id": row.id,
        "project_id": row.project_id,
        "resource": row.resource,
        "hard_limit": row.hard_limit,
        "created_at": Timestamp(row.created_at),
        "updated_at": row.updated_at.map(Timestamp),
    })
}

/// The answer for a project without a quota of its own: the limit of the configuration.
pub(crate) fn render_general(project: &str, limit: u32) -> Value {
    json!({"project_id": project, "resource": CLUSTER_RESOURCE, "hard_limit": limit})
}
