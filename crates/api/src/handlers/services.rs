//! `/v1/mservices` and `/v1/stats`

use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use jeroboam_store::{Scope, ServiceRow};
use jeroboam_types::ProjectId;
use serde_json::{Value, json};

use crate::context::{Context, date_time, reply};
use crate::error::{ApiError, ApiResult};
use crate::policy::{Action, Target};
use crate::wire::Timestamp;

/// `GET /v1/mservices`
pub(crate) async fn list(cx: &Context) -> ApiResult<Response> {
    cx.query.only(&[])?;
    cx.caller.may(Action::ServiceList, Target::Own).await?;
    let services = cx.store().services().list().await?;
    let items: Vec<Value> = services.iter().map(|service| render(cx, service)).collect();
    Ok(reply(StatusCode::OK, json!({ "mservices": items })))
}

fn render(cx: &Context, service: &ServiceRow) -> Value {
    let down_after = TimeDelta::from_std(cx.config().default.service_down_time).unwrap_or(TimeDelta::MAX);
    let heartbeat = service
        .last_seen_up
        .or(service.updated_at)
        .unwrap_or(service.created_at);
    let silent = (date_time(cx.now()) - heartbeat).abs();
    let up = silent <= down_after && !service.forced_down;
    json!({
        "id": service.id,
        "host": service.host,
        "binary": service.binary,
        "state": if up { "up" } else { "down" },
        "report_count": service.report_count,
        "disabled": service.disabled,
        "disabled_reason": service.disabled_reason,
        "created_at": Timestamp(service.created_at),
        "updated_at": service.updated_at.map(Timestamp),
    })
}

/// `GET /v1/stats`
pub(crate) async fn stats(cx: &Context) -> ApiResult<Response> {
    cx.query.only(&["project_id", "type"])?;
    let permit = cx.caller.may(Action::StatsShow, Target::Own).await?;
    if let Some(kind) = cx.query.find("type")
        && !kind.eq_ignore_ascii_case("cluster")
    {
        return Err(ApiError::invalid("type", kind, "Value should be one of: cluster"));
    }
    let asked = cx.query.find("project_id").map(ProjectId::from);
    let scope = match asked {
        None => permit.scope,
        Some(project_id)
            if matches!(permit.scope, Scope::All) || cx.caller.project_id.as_ref() == Some(&project_id) =>
        {
            Scope::Project { project_id }
        }
        Some(_) => {
            return Err(ApiError::forbidden(
                "Not authorized to see the statistics of another project.",
            ));
        }
    };
    let stats = cx.store().clusters().stats(&scope).await?;
    Ok(reply(
        StatusCode::OK,
        json!({"clusters": stats.clusters, "nodes": stats.nodes}),
    ))
}
