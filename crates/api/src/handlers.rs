//! Handlers: parse, permit, one call, render.

pub(crate) mod certificates;
pub(crate) mod changes;
pub(crate) mod clusters;
pub(crate) mod documents;
pub(crate) mod drivers;
pub(crate) mod groups;
pub(crate) mod nodegroups;
pub(crate) mod quotas;
pub(crate) mod services;
pub(crate) mod steps;
pub(crate) mod templates;

use axum::http::StatusCode;
use axum::response::Response;
use jeroboam_store::{ClusterRow, Ident, StoreError};
use jeroboam_types::ClusterTemplate;

use crate::context::Context;
use crate::error::{ApiError, ApiResult};
use crate::microversion::Version;
use crate::policy::{Action, Target};
use crate::routes::Route;

/// Runs the handler of a route.
pub(crate) async fn dispatch(cx: &Context, route: Route) -> ApiResult<Response> {
    match route {
        Route::Root => Ok(documents::root(&cx.base)),
        Route::Version => Ok(documents::version(&cx.base)),
        Route::Openapi => Ok(documents::openapi(&cx.base)),
        Route::ClusterList { detail } => clusters::list(cx, detail).await,
        Route::ClusterShow(cluster) => clusters::show(cx, &cluster).await,
        Route::ClusterCreate => clusters::create(cx).await,
        Route::ClusterDelete(cluster) => clusters::delete(cx, &cluster).await,
        Route::ClusterUpdate(cluster) => changes::update(cx, &cluster).await,
        Route::ClusterResize(cluster) => changes::resize(cx, &cluster).await,
        Route::ClusterSteps(cluster) => steps::show(cx, &cluster).await,
        Route::NodeGroupList(cluster) => nodegroups::list(cx, &cluster).await,
        Route::NodeGroupShow(cluster, group) => nodegroups::show(cx, &cluster, &group).await,
        Route::NodeGroupCreate(cluster) => groups::create(cx, &cluster).await,
        Route::NodeGroupUpdate(cluster, group) => groups::update(cx, &cluster, &group).await,
        Route::NodeGroupDelete(cluster, group) => groups::delete(cx, &cluster, &group).await,
        Route::TemplateList { detail } => templates::list(cx, detail).await,
        Route::TemplateShow(template) => templates::show(cx, &template).await,
        Route::TemplateCreate => templates::create(cx).await,
        Route::TemplateUpdate(template) => templates::update(cx, &template).await,
        Route::TemplateDelete(template) => templates::delete(cx, &template).await,
        Route::CertificateShow(cluster, kind) => certificates::show(cx, &cluster, kind.as_deref()).await,
        Route::CertificateSign => certificates::sign(cx).await,
        Route::DriverList => drivers::list(cx),
        Route::DriverShow(name) => drivers::show(cx, &name),
        Route::CertificateRotate(cluster) => changes::rotate_authorities(cx, &cluster).await,
        Route::CredentialRotate(cluster) => changes::rotate_credential(cx, &cluster).await,
        Route::ServiceList => services::list(cx).await,
        Route::Stats => services::stats(cx).await,
        Route::QuotaList => quotas::list(cx).await,
        Route::QuotaShow(project, resource) => quotas::show(cx, &project, &resource).await,
        Route::QuotaCreate => quotas::create(cx).await,
        Route::QuotaUpdate(project, resource) => quotas::update(cx, &project, &resource).await,
        Route::QuotaDelete(project, resource) => quotas::delete(cx, &project, &resource).await,
        Route::Federations(_) => Err(not_implemented("Federating clusters")),
        Route::ClusterUpgrade(_) if cx.version < Version::v1(8) => Err(ApiError::bad_request(
            "Upgrading a cluster is not supported before microversion 1.8.",
        )),
        Route::ClusterUpgrade(cluster) => changes::upgrade(cx, &cluster).await,
    }
}

fn not_implemented(what: &str) -> ApiError {
    ApiError::handler(
        StatusCode::NOT_IMPLEMENTED,
        format!("{what} is not implemented by this service."),
    )
}

/// A cluster that the caller may do something to. Who may not do it even to an own cluster learns nothing of
/// which clusters exist.
async fn find_cluster(cx: &Context, action: Action, ident: &str) -> ApiResult<ClusterRow> {
    let permit = cx.caller.may(action, Target::Own).await?;
    let found = cx
        .store()
        .clusters()
        .find(&permit.scope, &Ident::parse(ident))
        .await;
    let row = found.map_err(|error| of_lookup(error, "Cluster", "clusters", ident))?;
    cx.caller
        .may(
            action,
            Target::Object(&row.cluster.project_id, &row.cluster.user_id),
        )
        .await?;
    Ok(row)
}

/// A template that the caller may do something to.
async fn find_template(cx: &Context, action: Action, ident: &str) -> ApiResult<ClusterTemplate> {
    let permit = cx.caller.may(action, Target::Own).await?;
    let found = cx
        .store()
        .templates()
        .find(&permit.scope, &Ident::parse(ident))
        .await;
    let template = found.map_err(|error| of_lookup(error, "ClusterTemplate", "cluster templates", ident))?;
    cx.caller
        .may(action, Target::Object(&template.project_id, &template.user_id))
        .await?;
    Ok(template)
}

/// Refusal of a look-up by UUID or name.
pub(crate) fn of_lookup(error: StoreError, kind: &str, kinds: &str, ident: &str) -> ApiError {
    let shown: String = ident.chars().take(255).collect();
    match error {
        StoreError::NotFound => ApiError::not_found(kind, shown),
        StoreError::Ambiguous => ApiError::conflict(format!(
            "Several {kinds} are named {shown}. Use the UUID instead."
        )),
        other => other.into(),
    }
}
