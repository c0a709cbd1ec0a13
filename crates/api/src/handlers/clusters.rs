//! `/v1/clusters`

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jeroboam_store::{ClusterRow, CreateError, Ident, Scope, SortKey, StoreError, Table};
use jeroboam_types::ClusterTemplate;
use serde::Serialize;
use serde_json::json;

use crate::context::{Context, reply};
use crate::error::{ApiError, ApiResult};
use crate::etag;
use crate::filters::{self, OF_CLUSTERS};
use crate::handlers::{find_cluster, of_lookup};
use crate::idempotency::Once;
use crate::microversion::Version;
use crate::negotiate::BodyKind;
use crate::paging::Paging;
use crate::policy::{Action, Permit, Target};
use crate::validate;
use crate::wire::Listing;
use crate::wire::cluster::{Form, NewCluster, Shown, render, render_summary};

/// `GET /v1/clusters` and `/v1/clusters/detail`
pub(crate) async fn list(cx: &Context, detail: bool) -> ApiResult<Response> {
    let (action, path) = match detail {
        true => (Action::ClusterDetail, "clusters/detail"),
        false => (Action::ClusterList, "clusters"),
    };
    let filter = filters::parse(&cx.query, &OF_CLUSTERS)?;
    let paging = Paging::parse(&cx.query, cx.config().api.max_limit)?;
    let key = SortKey::parse(Table::Clusters, paging.sort_key()).ok_or_else(|| paging.bad_sort_key())?;
    let permit = cx.caller.may(action, Target::Own).await?;
    let _turn = cx.turn().await;
    let (clusters, page) = (cx.store().clusters(), paging.page(key));
    let failed = |error| match error {
        StoreError::NotFound => paging.marker_gone("Cluster"),
        other => other.into(),
    };
    let collection = format!("{}/v1/{path}", cx.base);
    let extra = filters::arguments(&cx.query, &OF_CLUSTERS);
    if detail {
        let listed = clusters.list_some(&permit.scope, &filter, &page).await;
        let mut rows = listed.map_err(failed)?;
        let next = paging.next(&mut rows, |row| row.cluster.uuid.0, &collection, &extra);
        let items = rows
            .iter()
            .map(|row| render(row, Form::Listed, cx.version, &cx.base));
        return Ok(answer(items, next));
    }
    let listed = clusters.summaries(&permit.scope, &filter, &page).await;
    let mut rows = listed.map_err(failed)?;
    let next = paging.next(&mut rows, |cluster| cluster.uuid.0, &collection, &extra);
    let items = rows
        .iter()
        .map(|cluster| render_summary(cluster, cx.version, &cx.base));
    Ok(answer(items, next))
}

fn answer<'a>(items: impl Iterator<Item = Shown<'a>>, next: Option<String>) -> Response {
    let listing = Listing {
        name: "clusters",
        items: items.collect(),
        next,
    };
    reply(StatusCode::OK, listing)
}

/// `GET /v1/clusters/IDENT`
pub(crate) async fn show(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let row = find_cluster(cx, Action::ClusterShow, ident).await?;
    etag::shown(cx, &state(&row), || {
        reply(StatusCode::OK, render(&row, Form::Alone, cx.version, &cx.base))
    })
}

/// All that answers about a cluster are made from.
pub(crate) fn state(row: &ClusterRow) -> impl Serialize + '_ {
    (&row.cluster, &row.groups, &row.template_labels)
}

/// `POST /v1/clusters`: the rows exist before the answer does; the engine does the rest.
pub(crate) async fn create(cx: &Context) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let body = cx.json("cluster", BodyKind::Object)?;
    let once = Once::of(cx, "cluster", &body)?;
    let wanted = NewCluster::parse(body)?;
    let permit = cx.caller.may(Action::ClusterCreate, Target::Own).await?;
    if let Some(answer) = once.replay(cx).await? {
        return Ok(answer);
    }
    let template = template_to_use(cx, &permit, &wanted.cluster_template_id).await?;
    let named = wanted.cluster_template_id.clone();
    let seen = template.clone();
    // Boxed: six look-ups at once are too large for the stack of every request.
    let (new, unknown) = Box::pin(validate::cluster::accept(cx, wanted, template)).await?;
    let limit = u64::from(cx.config().quotas.max_clusters_per_project);
    let answer = json!({"uuid": new.cluster.uuid});
    let kept = once.answer(StatusCode::ACCEPTED, None, &answer);
    let clusters = cx.store().clusters();
    let created = clusters
        .create_once(&new, Some(limit), Some(&seen), kept.as_ref())
        .await;
    if let Err(error) = created {
        let error = match error {
            CreateError::QuotaExceeded { limit } => {
                ApiError::forbidden(format!("The project has used up its quota of {limit} clusters."))
            }
            CreateError::TemplateGone => no_template(cx.version, &named),
            CreateError::TemplateChanged => ApiError::conflict(format!(
                "ClusterTemplate {named} was changed by another request meanwhile. Try again."
            )),
            CreateError::Store(error) => error.into(),
        };
        return once.instead_of(cx, error).await;
    }
    cx.site.app.wake.notify_one();
    tracing::info!(cluster.id = %new.cluster.uuid, request_id = cx.ids.local, "a cluster was accepted");
    let mut response = reply(StatusCode::ACCEPTED, answer);
    unknown.report(&mut response, &cx.ids.local);
    Ok(response)
}

/// `DELETE /v1/clusters/IDENT`: from any status, and even while another operation is under way.
pub(crate) async fn delete(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let row = find_cluster(cx, Action::ClusterDelete, ident).await?;
    etag::check(cx, &state(&row))?;
    let now = cx.now();
    let deadline = now.plus(Duration::from_secs(
        cx.config().engine.delete_timeout_mins.saturating_mul(60),
    ));
    let request = cx.ids.outbound();
    let store = cx.store();
    let clusters = store.clusters();
    let asked = match etag::is_conditional(cx) {
        true => {
            clusters
                .request_delete_unchanged(&row, now, deadline, request)
                .await
        }
        false => {
            clusters
                .request_delete(row.cluster.uuid, now, deadline, request)
                .await
        }
    };
    asked.map_err(|error| match error {
        StoreError::Stale => etag::changed(),
        other => of_lookup(other, "Cluster", "clusters", ident),
    })?;
    cx.site.app.wake.notify_one();
    tracing::info!(cluster.id = %row.cluster.uuid, request_id = cx.ids.local, "a deletion was accepted");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The template that a cluster is to be made from: the caller's own or a public one; a hidden public one for
/// administrators, and nobody else's private one even for them.
async fn template_to_use(cx: &Context, permit: &Permit, ident: &str) -> ApiResult<ClusterTemplate> {
    let mut found = find_template_by(cx, &permit.scope, ident).await;
    if matches!(found, Err(StoreError::NotFound)) && cx.caller.is_admin() {
        found = match find_template_by(cx, &Scope::All, ident).await {
            Ok(template) if !template.public => Err(StoreError::NotFound),
            other => other,
        };
    }
    let template = found.map_err(|error| match error {
        StoreError::NotFound => no_template(cx.version, ident),
        other => of_lookup(other, "ClusterTemplate", "cluster templates", ident),
    })?;
    if template.hidden && !cx.caller.is_admin() {
        return Err(ApiError::forbidden(
            "The cluster template is hidden. Only administrators may use it.",
        ));
    }
    Ok(template)
}

/// Here, and only here, a number is a row id.
async fn find_template_by(cx: &Context, scope: &Scope, ident: &str) -> Result<ClusterTemplate, StoreError> {
    let templates = cx.store().templates();
    match ident.parse::<i64>() {
        Ok(id) => templates.find_row(scope, id).await,
        Err(_) => templates.find(scope, &Ident::parse(ident)).await,
    }
}

/// 404, or 400 before microversion 1.10.
fn no_template(version: Version, ident: &str) -> ApiError {
    let error = ApiError::not_found("ClusterTemplate", ident);
    if version >= Version::v1(10) {
        error
    } else {
        error.with_status(StatusCode::BAD_REQUEST)
    }
}
