//! Changes of clusters: `PATCH /v1/clusters/IDENT`, its actions, and the rotation of what clusters are known by.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;
use jeroboam_store::{ClusterChange, ClusterRow, Ident, Seen, Terms};
use jeroboam_types::labels::loose_bool;
use jeroboam_types::{Change, ClusterId};
use serde_json::json;

use crate::context::{Context, Desk, reply};
use crate::error::{ApiError, ApiResult};
use crate::etag;
use crate::handlers::{clusters, find_cluster, of_lookup};
use crate::microversion::Version;
use crate::negotiate::BodyKind;
use crate::policy::{Action, Target};
use crate::validate::change::{change_of, group_of, nodes_named, refused, resize as resized, standing};
use crate::validate::rotation::accept as rotated;
use crate::validate::upgrade::accept as upgraded;
use crate::wire::change::{ClusterPatch, Resize, Upgrade};

/// `PATCH /v1/clusters/IDENT`: the number of default workers, and the health.
pub(crate) async fn update(cx: &Context, ident: &str) -> ApiResult<Response> {
    check_rollback(cx)?;
    let operations = cx.json("patch", BodyKind::Patch)?;
    let row = find_cluster(cx, Action::ClusterUpdate, ident).await?;
    etag::check(cx, &clusters::state(&row))?;
    let patch = ClusterPatch::parse(&row, operations)?;
    if patch.health.is_some() {
        // Magnum asks with the caller's own user in the cluster's place, whoever made the cluster.
        let target = Target::Object(&row.cluster.project_id, &row.cluster.user_id);
        cx.caller.may(Action::ClusterUpdateHealth, target).await?;
    }
    let uuid = row.cluster.uuid;
    match (patch.node_count, patch.health) {
        (None, None) => {}
        (None, Some((health, reason))) => {
            let seen = etag::is_conditional(cx).then_some(&row);
            let set = cx
                .store()
                .clusters()
                .set_health(uuid, health, &reason, cx.now(), seen)
                .await;
            set.map_err(|error| refused(uuid, Change::Health, error))?;
        }
        (Some(node_count), health) => {
            check_zero(cx, node_count)?;
            let standing = standing(cx, uuid, Change::NodeCount).await?;
            let group = group_of(&standing, None)?;
            let group = resized(cx, &standing, group, node_count, &BTreeSet::new())?;
            let change = ClusterChange {
                groups: vec![group],
                health,
                ..change_of(cx, &standing, Change::NodeCount)
            };
            request(cx, &change, of_seen(cx, &row)).await?;
        }
    }
    Ok(accepted(uuid))
}

/// Binds a change to the cluster as it was found, if the caller asks for that.
fn of_seen<'a>(cx: &Context, row: &'a ClusterRow) -> Terms<'a> {
    Terms {
        seen: etag::is_conditional(cx).then_some(Seen::Cluster(row)),
        answer: None,
    }
}

/// The argument is taken since 1.3. A change that failed is never undone by itself: what is asked stays, and the same
/// request again goes on with it.
fn check_rollback(cx: &Context) -> ApiResult<()> {
    if cx.version < Version::v1(3) {
        return cx.query.only(&[]);
    }
    cx.query.only(&["rollback"])?;
    match cx.query.find("rollback") {
        Some(text) if loose_bool(text).is_none() => {
            Err(ApiError::invalid("rollback", text, "Value should be boolean"))
        }
        _ => Ok(()),
    }
}

fn check_zero(cx: &Context, node_count: i32) -> ApiResult<()> {
    if node_count == 0 && cx.version < Version::v1(10) {
        return Err(ApiError::bad_request(
            "Zero node_count is not supported before microversion 1.10.",
        ));
    }
    Ok(())
}

/// `POST /v1/clusters/IDENT/actions/resize`
pub(crate) async fn resize(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let wanted = Resize::parse(cx.json("cluster_resize_req", BodyKind::Object)?)?;
    check_zero(cx, wanted.node_count)?;
    let row = find_cluster(cx, Action::ClusterResize, ident).await?;
    etag::check(cx, &clusters::state(&row))?;
    let standing = standing(cx, row.cluster.uuid, Change::Resize).await?;
    let group = group_of(&standing, wanted.nodegroup.as_deref())?;
    let going = nodes_named(&standing, group, &wanted.nodes_to_remove)?;
    let group = resized(cx, &standing, group, wanted.node_count, &going)?;
    let change = ClusterChange {
        groups: vec![group],
        ..change_of(cx, &standing, Change::Resize)
    };
    request(cx, &change, of_seen(cx, &row)).await?;
    Ok(accepted(change.cluster))
}

/// `POST /v1/clusters/IDENT/actions/upgrade`
pub(crate) async fn upgrade(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let wanted = Upgrade::parse(cx.json("cluster_upgrade_req", BodyKind::Object)?)?;
    let row = find_cluster(cx, Action::ClusterUpgrade, ident).await?;
    etag::check(cx, &clusters::state(&row))?;
    let permit = cx.caller.may(Action::ClusterUpgrade, Target::Own).await?;
    let named = wanted.cluster_template.as_str();
    let template = cx
        .store()
        .templates()
        .find(&permit.scope, &Ident::parse(named))
        .await;
    let template =
        template.map_err(|error| of_lookup(error, "ClusterTemplate", "cluster templates", named))?;
    let standing = standing(cx, row.cluster.uuid, Change::Upgrade).await?;
    // Boxed: what it looks up is too large for the stack of every request.
    let change = Box::pin(upgraded(cx, &standing, &template, &wanted)).await?;
    request(cx, &change, of_seen(cx, &row)).await?;
    Ok(accepted(change.cluster))
}

/// `PATCH /v1/certificates/IDENT`: new authorities, and with them new nodes. What was stopped is gone on with.
pub(crate) async fn rotate_authorities(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let row = find_cluster(cx, Action::CertificateRotate, ident).await?;
    etag::check(cx, &clusters::state(&row))?;
    let standing = standing(cx, row.cluster.uuid, Change::RotateAuthorities).await?;
    let change = rotated(cx, &standing)?;
    request(cx, &change, of_seen(cx, &row)).await?;
    Ok(accepted(change.cluster))
}

/// `PATCH /v1/credentials/IDENT`: a new password of the identity that the service acts as for the cluster.
pub(crate) async fn rotate_credential(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let row = find_cluster(cx, Action::CredentialRotate, ident).await?;
    etag::check(cx, &clusters::state(&row))?;
    let standing = standing(cx, row.cluster.uuid, Change::RotateCredential).await?;
    let change = change_of(cx, &standing, Change::RotateCredential);
    request(cx, &change, of_seen(cx, &row)).await?;
    Ok(accepted(change.cluster))
}

/// Writes a change and wakes the engine.
pub(crate) async fn request(cx: &impl Desk, change: &ClusterChange, terms: Terms<'_>) -> ApiResult<()> {
    let asked = cx.app().store.clusters().request_change_on(change, terms).await;
    asked.map_err(|error| refused(change.cluster, change.change, error))?;
    cx.app().wake.notify_one();
    let kind = change.change;
    tracing::info!(cluster.id = %change.cluster, request_id = cx.ids().local, ?kind, "a change was accepted");
    Ok(())
}

fn accepted(cluster: ClusterId) -> Response {
    reply(StatusCode::ACCEPTED, json!({ "uuid": cluster }))
}
