//! Changes of node groups: `/v1/clusters/IDENT/nodegroups`

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jeroboam_store::{ClusterChange, ClusterRow, Ident, Seen, Terms};
use jeroboam_types::{Change, NodeGroup, Status};

use crate::context::{Context, date_time, reply};
use crate::error::{ApiError, ApiResult};
use crate::etag;
use crate::handlers::changes::request;
use crate::handlers::{find_cluster, of_lookup};
use crate::idempotency::Once;
use crate::negotiate::BodyKind;
use crate::policy::Action;
use crate::validate;
use crate::validate::change::{change_of, check_with_driver, driver_of, group_of, standing};
use crate::wire::group::{GroupPatch, NewGroup, check_counts, check_node_marks, render_new};
use crate::wire::nodegroup::render;

/// `POST /v1/clusters/IDENT/nodegroups`
pub(crate) async fn create(cx: &Context, cluster: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let body = cx.json("nodegroup", BodyKind::Object)?;
    let asked = NewGroup::parse(body.clone())?;
    let row = find_cluster(cx, Action::NodeGroupCreate, cluster).await?;
    let once = Once::of(cx, &format!("node group of {}", row.cluster.uuid), &body)?;
    if let Some(answer) = once.replay(cx).await? {
        return Ok(answer);
    }
    // The status that the first of two same requests brings about refuses the second one, unless it has a key.
    match create_in(cx, &row, &asked, &once).await {
        Ok(response) => Ok(response),
        Err(error) => once.instead_of(cx, error).await,
    }
}

async fn create_in(cx: &Context, row: &ClusterRow, asked: &NewGroup, once: &Once) -> ApiResult<Response> {
    let standing = standing(cx, row.cluster.uuid, Change::CreateGroup).await?;
    // Boxed: what it looks up is too large for the stack of every request.
    let (change, unknown) = Box::pin(validate::group::accept(cx, &standing, asked)).await?;
    let group = change.new_groups.first();
    let answer = group.map(|group| render_new(group, asked, &row.cluster.labels, &cx.base));
    let answer = answer.unwrap_or_default();
    let kept = once.answer(StatusCode::ACCEPTED, None, &answer);
    let terms = Terms {
        seen: None,
        answer: kept.as_ref(),
    };
    request(cx, &change, terms).await?;
    let mut response = reply(StatusCode::ACCEPTED, answer);
    unknown.report(&mut response, &cx.ids.local);
    Ok(response)
}

/// `PATCH /v1/clusters/IDENT/nodegroups/NG`: bounds, labels and taints.
pub(crate) async fn update(cx: &Context, cluster: &str, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let operations = cx.json("patch", BodyKind::Patch)?;
    let row = find_cluster(cx, Action::NodeGroupUpdate, cluster).await?;
    let standing = standing(cx, row.cluster.uuid, Change::UpdateGroup).await?;
    let before = group_of(&standing, Some(ident))?;
    etag::check(cx, &(before, &row.cluster.labels))?;
    let patched = GroupPatch::parse(before, operations)?;
    check_counts(before.node_count, patched.min_node_count, patched.max_node_count)?;
    check_node_marks(before.is_master(), &patched.node_labels, &patched.node_taints)?;
    let mut group = before.clone();
    // Zero is what no minimum reads as.
    group.min_node_count = patched
        .min_node_count
        .filter(|min| *min != 0)
        .or(before.min_node_count.map(|_| 0));
    group.max_node_count = patched.max_node_count;
    group.node_labels = patched.node_labels;
    group.node_taints = patched.node_taints;
    if group != *before || before.status.is_failed() {
        check_with_driver(&standing, driver_of(cx, &standing.ask.template)?.as_ref(), &group)?;
        group.status = Status::UpdateInProgress;
        group.status_reason = None;
        group.updated_at = Some(date_time(cx.now()));
        let change = ClusterChange {
            groups: vec![group.clone()],
            ..change_of(cx, &standing, Change::UpdateGroup)
        };
        request(cx, &change, of_seen(cx, before)).await?;
    }
    Ok(reply(
        StatusCode::ACCEPTED,
        render(&group, &row.cluster.labels, &cx.base),
    ))
}

/// Binds a change to the group as it was found, if the caller asks for that.
fn of_seen<'a>(cx: &Context, group: &'a NodeGroup) -> Terms<'a> {
    Terms {
        seen: etag::is_conditional(cx).then_some(Seen::Group(group)),
        answer: None,
    }
}

/// `DELETE /v1/clusters/IDENT/nodegroups/NG`: its row goes when its last node is gone.
pub(crate) async fn delete(cx: &Context, cluster: &str, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let row = find_cluster(cx, Action::NodeGroupDelete, cluster).await?;
    let found = cx
        .store()
        .clusters()
        .find_nodegroup(row.cluster.uuid, &Ident::parse(ident))
        .await;
    let group = found.map_err(|error| of_lookup(error, "NodeGroup", "node groups", ident))?;
    etag::check(cx, &(&group, &row.cluster.labels))?;
    if group.is_default {
        return Err(ApiError::bad_request(format!(
            "Node group {} is one of the cluster's default ones, which go with it only.",
            group.name
        )));
    }
    // Asked for before, and under way.
    if group.status == Status::DeleteInProgress {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let standing = standing(cx, row.cluster.uuid, Change::DeleteGroup).await?;
    // As it is in what the change is worked out from.
    let known = standing.groups.iter().find(|known| known.uuid == group.uuid);
    let mut going = known
        .cloned()
        .ok_or_else(|| ApiError::not_found("NodeGroup", &group.name))?;
    going.status = Status::DeleteInProgress;
    going.status_reason = None;
    going.updated_at = Some(date_time(cx.now()));
    let change = ClusterChange {
        groups: vec![going],
        ..change_of(cx, &standing, Change::DeleteGroup)
    };
    request(cx, &change, of_seen(cx, &group)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
