//! `/v1/clusters/IDENT/steps`: how far the engine is. Our own addition to Magnum's API.

use axum::http::StatusCode;
use axum::response::Response;
use jeroboam_types::Millis;
use serde_json::{Value, json};

use crate::context::{Context, date_time, reply};
use crate::error::ApiResult;
use crate::handlers::{find_cluster, of_lookup};
use crate::policy::Action;
use crate::wire::Timestamp;

/// The cluster's cloud resources in the order in which they were begun.
pub(crate) async fn show(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let row = find_cluster(cx, Action::ClusterShow, ident).await?;
    let ledger = cx.store().clusters().ledger(row.cluster.uuid).await?;
    // Gone meanwhile when the engine has just finished its deletion.
    let engine_ms = cx.store().clusters().engine_ms(row.cluster.uuid).await;
    let engine_ms = engine_ms.map_err(|error| of_lookup(error, "Cluster", "clusters", ident))?;
    let mut entries: Vec<_> = ledger.values().collect();
    entries.sort_by_key(|entry| (entry.started, &entry.key));
    let moment = |millis: Millis| Timestamp(date_time(millis));
    let steps: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            json!({
                "resource": entry.key.as_str(),
                "name": entry.name,
                "nodegroup": entry.group,
                "state": entry.phase.as_str(),
                "seen": entry.seen,
                "resource_id": entry.id,
                "attempts": entry.attempts,
                "started_at": moment(entry.started),
                "finished_at": entry.finished.map(moment),
                "fault": entry.fault.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of work stay far below 2^52"
    )]
    let engine_seconds = engine_ms as f64 / 1000.0;
    Ok(reply(
        StatusCode::OK,
        json!({"steps": steps, "engine_seconds": engine_seconds}),
    ))
}
