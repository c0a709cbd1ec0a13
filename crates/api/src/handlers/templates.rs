//! `/v1/clustertemplates`

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jeroboam_store::{Ident, InUse, SortKey, StoreError, Table};
use jeroboam_types::name::made_up;
use jeroboam_types::{ClusterTemplate, ProjectId, TemplateId};
use serde_json::Value;
use uuid::Uuid;

use crate::context::{Context, date_time, reply};
use crate::error::{ApiError, ApiResult};
use crate::etag::{self, Tag};
use crate::filters::{self, OF_TEMPLATES};
use crate::handlers::{find_template, of_lookup};
use crate::idempotency::Once;
use crate::negotiate::BodyKind;
use crate::paging::Paging;
use crate::policy::{Action, Target};
use crate::validate;
use crate::validate::labels::Unknown;
use crate::wire::Listing;
use crate::wire::patch;
use crate::wire::template::{MANDATORY, TemplateFields, document, render};

/// `GET /v1/clustertemplates` and `/v1/clustertemplates/detail`
pub(crate) async fn list(cx: &Context, detail: bool) -> ApiResult<Response> {
    let (action, path) = match detail {
        true => (Action::TemplateDetail, "clustertemplates/detail"),
        false => (Action::TemplateList, "clustertemplates"),
    };
    let filter = filters::parse(&cx.query, &OF_TEMPLATES)?;
    let paging = Paging::parse(&cx.query, cx.config().api.max_limit)?;
    let key = SortKey::parse(Table::Templates, paging.sort_key()).ok_or_else(|| paging.bad_sort_key())?;
    let permit = cx.caller.may(action, Target::Own).await?;
    let _turn = cx.turn().await;
    let listed = cx
        .store()
        .templates()
        .list_some(&permit.scope, &filter, &paging.page(key))
        .await;
    let mut templates = listed.map_err(|error| match error {
        StoreError::NotFound => paging.marker_gone("ClusterTemplate"),
        other => other.into(),
    })?;
    let collection = format!("{}/v1/{path}", cx.base);
    let extra = filters::arguments(&cx.query, &OF_TEMPLATES);
    let next = paging.next(&mut templates, |template| template.uuid.0, &collection, &extra);
    let answer = Listing {
        name: "clustertemplates",
        items: templates
            .iter()
            .map(|template| render(template, &cx.base))
            .collect(),
        next,
    };
    Ok(reply(StatusCode::OK, answer))
}

/// `GET /v1/clustertemplates/IDENT`: a public template needs no role.
pub(crate) async fn show(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let scope = cx.caller.reach(Action::TemplateShow);
    let found = cx.store().templates().find(&scope, &Ident::parse(ident)).await;
    let template = found.map_err(|error| of_lookup(error, "ClusterTemplate", "cluster templates", ident))?;
    if !template.public {
        cx.caller
            .may(
                Action::TemplateShow,
                Target::Object(&template.project_id, &template.user_id),
            )
            .await?;
    }
    etag::shown(cx, &template, || {
        reply(StatusCode::OK, render(&template, &cx.base))
    })
}

/// `POST /v1/clustertemplates`
pub(crate) async fn create(cx: &Context) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let body = cx.json("cluster_template", BodyKind::Object)?;
    let once = Once::of(cx, "cluster template", &body)?;
    let mut fields = TemplateFields::parse(body)?;
    let project = own_project(cx, Action::TemplateCreate).await?;
    if fields.public || fields.hidden {
        cx.caller.may(Action::TemplatePublish, Target::Own).await?;
    }
    if let Some(answer) = once.replay(cx).await? {
        return Ok(answer);
    }
    validate::template::check(&mut fields, cx.config())?;
    Box::pin(validate::template::resolve_new(cx, &mut fields)).await?;
    fields
        .name
        .get_or_insert_with(|| made_up(fastrand::u32(..), "template"));
    let uuid = TemplateId(fields.uuid.unwrap_or_else(Uuid::new_v4));
    let owner = (project, cx.caller.user_id.clone());
    let template = fields.into_template(uuid, owner, (date_time(cx.now()), None));
    let unknown = validate::cluster::check_template(cx, &template)?;
    let location = format!("{}/v1/clustertemplates/{uuid}", cx.base);
    let answer = render(&template, &cx.base);
    let kept = once.answer(StatusCode::CREATED, Some(location.clone()), &answer);
    let templates = cx.store().templates();
    let inserted = templates.insert_once(&template, kept.as_ref()).await;
    if let Err(error) = inserted {
        let error = match error {
            StoreError::Conflict(_) => {
                ApiError::conflict(format!("A cluster template with UUID {uuid} already exists."))
            }
            other => other.into(),
        };
        return once.instead_of(cx, error).await;
    }
    let mut response = tagged(cx, &template, StatusCode::CREATED)?;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    unknown.report(&mut response, &cx.ids.local);
    Ok(response)
}

/// A template with its entity tag.
fn tagged(cx: &Context, template: &ClusterTemplate, status: StatusCode) -> ApiResult<Response> {
    Ok(Tag::of(template, cx.version)?.put(reply(status, render(template, &cx.base))))
}

/// `PATCH /v1/clustertemplates/IDENT`
pub(crate) async fn update(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let operations = cx.json("patch", BodyKind::Patch)?;
    let old = find_template(cx, Action::TemplateUpdate, ident).await?;
    etag::check(cx, &old)?;
    let before = document(&old);
    let mut patched = before.clone();
    patch::apply(&mut patched, operations, &MANDATORY)?;
    let mut fields = TemplateFields::parse(Value::Object(patched))?;
    let new = |fields: TemplateFields| {
        let owner = (old.project_id.clone(), old.user_id.clone());
        fields.into_template(old.uuid, owner, (old.created_at, Some(date_time(cx.now()))))
    };
    let changed = changes(&old, &new(fields.clone()));
    if changed.is_empty() {
        return tagged(cx, &old, StatusCode::OK);
    }
    if changed.iter().any(|name| matches!(*name, "public" | "hidden")) {
        cx.caller.may(Action::TemplatePublish, Target::Own).await?;
    }
    let in_use = match is_open_to_change(&changed, &fields) {
        true => InUse::Change,
        false => InUse::Refuse,
    };
    // Before the look-ups, which would tell something else; what counts is the answer of the update.
    if in_use == InUse::Refuse && cx.store().templates().is_referenced(old.uuid).await? {
        return Err(referenced(old.uuid));
    }
    validate::template::check(&mut fields, cx.config())?;
    Box::pin(validate::template::resolve_changed(cx, &mut fields, &changed)).await?;
    let template = new(fields);
    // A new name does not make an old template any worse.
    let unknown = match in_use {
        InUse::Refuse => validate::cluster::check_template(cx, &template)?,
        InUse::Change => Unknown::default(),
    };
    let updated = cx.store().templates().update(&old, &template, in_use).await;
    updated.map_err(|error| match error {
        StoreError::Conflict(_) => referenced(old.uuid),
        StoreError::Stale if etag::is_conditional(cx) => etag::changed(),
        StoreError::Stale => ApiError::conflict(format!(
            "ClusterTemplate {} was changed by another request meanwhile. Try again.",
            old.uuid
        )),
        other => of_lookup(other, "ClusterTemplate", "cluster templates", ident),
    })?;
    let mut response = tagged(cx, &template, StatusCode::OK)?;
    unknown.report(&mut response, &cx.ids.local);
    Ok(response)
}

/// `DELETE /v1/clustertemplates/IDENT`
pub(crate) async fn delete(cx: &Context, ident: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let template = find_template(cx, Action::TemplateDelete, ident).await?;
    etag::check(cx, &template)?;
    let templates = cx.store().templates();
    let deleted = match etag::is_conditional(cx) {
        true => templates.delete_unchanged(&template).await,
        false => templates.delete(template.uuid).await,
    };
    deleted.map_err(|error| match error {
        StoreError::Conflict(_) => referenced(template.uuid),
        StoreError::Stale => etag::changed(),
        other => of_lookup(other, "ClusterTemplate", "cluster templates", ident),
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The project that a new object is to belong to.
pub(crate) async fn own_project(cx: &Context, action: Action) -> ApiResult<ProjectId> {
    cx.caller.may(action, Target::Own).await?;
    cx.caller
        .project_id
        .clone()
        .ok_or_else(|| ApiError::forbidden(format!("A token of a project is needed for {}.", action.name())))
}

fn referenced(uuid: TemplateId) -> ApiError {
    ApiError::bad_request(format!("ClusterTemplate {uuid} is used by clusters."))
}

/// Names of the attributes that differ.
fn changes<'a>(old: &ClusterTemplate, new: &ClusterTemplate) -> Vec<&'a str> {
    let (old, new) = (document(old), document(new));
    FIELDS
        .iter()
        .copied()
        .filter(|name| old.get(*name) != new.get(*name))
        .collect()
}

/// A template in use takes one change at a time: another name, hidden or not, other tags, or published.
fn is_open_to_change(changed: &[&str], fields: &TemplateFields) -> bool {
    match changed {
        ["name" | "hidden"] => true,
        ["tags"] => fields.tags.is_some(),
        ["public"] => fields.public,
        _ => false,
    }
}

/// Attributes that a patch may change.
const FIELDS: [&str; 30] = [
    "name",
    "coe",
    "image_id",
    "flavor_id",
    "master_flavor_id",
    "keypair_id",
    "external_network_id",
    "fixed_network",
    "fixed_subnet",
    "dns_nameserver",
    "network_driver",
    "volume_driver",
    "apiserver_port",
    "docker_volume_size",
    "docker_storage_driver",
    "cluster_distro",
    "driver",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "insecure_registry",
    "labels",
    "server_type",
    "registry_enabled",
    "tls_disabled",
    "public",
    "hidden",
    "master_lb_enabled",
    "floating_ip_enabled",
    "tags",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_list_of_changeable_attributes_is_that_of_the_document() {
        let body = json!({"coe": "swarm-mode", "image_id": "i"});
        let fields = TemplateFields::parse(body).unwrap();
        let owner = ("p".into(), "u".into());
        let template = fields.into_template(TemplateId(Uuid::nil()), owner, Default::default());
        let mut names: Vec<&str> = FIELDS.to_vec();
        names.sort_unstable();
        assert_eq!(
            document(&template).keys().map(String::as_str).collect::<Vec<_>>(),
            names
        );
    }
}
