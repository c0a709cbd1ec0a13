//! `/v1/quotas`

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jeroboam_cloud::identity;
use jeroboam_store::{CLUSTER_RESOURCE, QuotaRow, SortKey, StoreError, Table};
use jeroboam_types::ProjectId;

use crate::context::{Context, date_time, reply};
use crate::error::{ApiError, ApiResult, of_cloud};
use crate::etag::{self, Tag};
use crate::idempotency::Once;
use crate::negotiate::BodyKind;
use crate::paging::{ARGUMENTS, Paging};
use crate::policy::{Action, Target};
use crate::wire::Listing;
use crate::wire::quota::{NewQuota, parse_change, render, render_general};

/// `GET /v1/quotas`: of the caller's project, or of all.
pub(crate) async fn list(cx: &Context) -> ApiResult<Response> {
    let [limit, marker, sort_key, sort_dir] = ARGUMENTS;
    cx.query
        .only(&[limit, marker, sort_key, sort_dir, "all_tenants"])?;
    let all = cx.query.boolean("all_tenants")?.unwrap_or(false);
    let paging = Paging::by_row(&cx.query, cx.config().api.max_limit)?;
    let key = SortKey::parse(Table::Quotas, paging.sort_key()).ok_or_else(|| paging.bad_sort_key())?;
    cx.caller.may(Action::QuotaList, Target::Own).await?;
    let own = cx.caller.project_id.clone().unwrap_or_default();
    let project = (!(all && cx.caller.sees_all_projects())).then_some(&own);
    let listed = cx.store().quotas().list(project, &paging.page(key)).await;
    let mut rows = listed.map_err(|error| match error {
        StoreError::NotFound => paging.marker_gone("Quota"),
        other => other.into(),
    })?;
    let extra: &[(&str, &str)] = if all { &[("all_tenants", "True")] } else { &[] };
    let collection = format!("{}/v1/quotas", cx.base);
    let next = paging.next(&mut rows, |row| row.id, &collection, extra);
    let answer = Listing {
        name: "quotas",
        items: rows.iter().map(render).collect(),
        next,
    };
    Ok(reply(StatusCode::OK, answer))
}

/// `GET /v1/quotas/PROJECT/RESOURCE`: what counts for the project, whether it was set for it or not.
pub(crate) async fn show(cx: &Context, project: &str, resource: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    cx.caller.may(Action::QuotaShow, Target::Own).await?;
    let asked = ProjectId::from(project);
    if !cx.caller.sees_all_projects() && cx.caller.project_id.as_ref() != Some(&asked) {
        return Err(ApiError::forbidden(
            "Policy does not allow quota:get of another project.",
        ));
    }
    let found = cx.store().quotas().find(&asked, resource).await?;
    let general = || render_general(project, cx.config().quotas.max_clusters_per_project);
    match &found {
        Some(row) => etag::shown(cx, row, || reply(StatusCode::OK, render(row))),
        None => etag::shown(cx, &general(), || reply(StatusCode::OK, general())),
    }
}

/// `POST /v1/quotas`: Keystone is asked for the project with the caller's own token.
pub(crate) async fn create(cx: &Context) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let body = cx.json("quota", BodyKind::Object)?;
    let once = Once::of(cx, "quota", &body)?;
    let new = NewQuota::parse(body)?;
    cx.caller.may(Action::QuotaCreate, Target::Own).await?;
    if let Some(answer) = once.replay(cx).await? {
        return Ok(answer);
    }
    let project = new.project_id;
    identity::find_project(&cx.session(), project.as_str())
        .await
        .map_err(|error| of_cloud(&error, &cx.site.settings.keystone_uri))?
        .ok_or_else(|| ApiError::not_found("Project", &project))?;
    let now = date_time(cx.now());
    let quotas = cx.store().quotas();
    let kept = |row: &QuotaRow| once.answer(StatusCode::CREATED, None, &render(row));
    let set = quotas.insert_once(&project, CLUSTER_RESOURCE, new.hard_limit, now, kept);
    let row = match set.await {
        Ok(row) => row,
        Err(StoreError::Conflict(_)) => {
            let error = ApiError::conflict(format!(
                "The quota of project {project} for resource {CLUSTER_RESOURCE} exists already."
            ));
            return once.instead_of(cx, error).await;
        }
        Err(other) => return Err(other.into()),
    };
    tracing::info!(quota.project_id = %project, quota.hard_limit = row.hard_limit, request_id = cx.ids.local, "a quota was set");
    tagged(cx, &row, StatusCode::CREATED)
}

/// `PATCH /v1/quotas/PROJECT/RESOURCE`: the body is an object. One that names no limit changes nothing.
pub(crate) async fn update(cx: &Context, project: &str, resource: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let change = parse_change(cx.json("quotapatch", BodyKind::Object)?, project, resource)?;
    cx.caller.may(Action::QuotaUpdate, Target::Own).await?;
    let row = find(cx, project, resource).await?;
    etag::check(cx, &row)?;
    let Some(hard_limit) = change.filter(|limit| *limit != row.hard_limit) else {
        return tagged(cx, &row, StatusCode::ACCEPTED);
    };
    let changed = cx
        .store()
        .quotas()
        .update(&row, hard_limit, date_time(cx.now()))
        .await;
    let changed = changed.map_err(|error| refusal(cx, error, &row))?;
    tracing::info!(
        quota.project_id = project,
        quota.hard_limit = hard_limit,
        request_id = cx.ids.local,
        "a quota was changed"
    );
    tagged(cx, &changed, StatusCode::ACCEPTED)
}

/// `DELETE /v1/quotas/PROJECT/RESOURCE`: the limit of the configuration counts again.
pub(crate) async fn delete(cx: &Context, project: &str, resource: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    cx.caller.may(Action::QuotaDelete, Target::Own).await?;
    let row = find(cx, project, resource).await?;
    etag::check(cx, &row)?;
    let deleted = cx.store().quotas().delete(&row).await;
    deleted.map_err(|error| refusal(cx, error, &row))?;
    tracing::info!(
        quota.project_id = project,
        request_id = cx.ids.local,
        "a quota was removed"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A quota with its entity tag.
fn tagged(cx: &Context, row: &QuotaRow, status: StatusCode) -> ApiResult<Response> {
    Ok(Tag::of(row, cx.version)?.put(reply(status, render(row))))
}

async fn find(cx: &Context, project: &str, resource: &str) -> ApiResult<QuotaRow> {
    let found = cx.store().quotas().find(&project.into(), resource).await?;
    found.ok_or_else(|| gone(project, resource))
}

fn refusal(cx: &Context, error: StoreError, row: &QuotaRow) -> ApiError {
    match error {
        StoreError::NotFound => gone(row.project_id.as_str(), &row.resource),
        StoreError::Stale if etag::is_conditional(cx) => etag::changed(),
        StoreError::Stale => ApiError::conflict(format!(
            "The quota of project {} was changed by another request meanwhile. Try again.",
            row.project_id
        )),
        other => other.into(),
    }
}

fn gone(project: &str, resource: &str) -> ApiError {
    let shown = |text: &str| text.chars().take(255).collect::<String>();
    ApiError::not_found(
        "Quota",
        format!("of project {} for resource {}", shown(project), shown(resource)),
    )
}
