//! `/v1/clusters/IDENT/nodegroups`

use axum::http::StatusCode;
use axum::response::Response;
use jeroboam_store::{Ident, SortKey, StoreError, Table};

use crate::context::{Context, reply};
use crate::error::ApiResult;
use crate::etag;
use crate::handlers::{find_cluster, of_lookup};
use crate::paging::{ARGUMENTS, Paging};
use crate::policy::Action;
use crate::wire::Listing;
use crate::wire::nodegroup::{render, render_item};

/// `GET /v1/clusters/IDENT/nodegroups`
pub(crate) async fn list(cx: &Context, cluster: &str) -> ApiResult<Response> {
    let [limit, marker, sort_key, sort_dir] = ARGUMENTS;
    cx.query.only(&[limit, marker, sort_key, sort_dir, "role"])?;
    // Magnum takes an empty role for all of them.
    let role = cx.query.find("role").filter(|role| !role.is_empty());
    let paging = Paging::parse(&cx.query, cx.config().api.max_limit)?;
    let key = SortKey::parse(Table::NodeGroups, paging.sort_key()).ok_or_else(|| paging.bad_sort_key())?;
    let row = find_cluster(cx, Action::NodeGroupList, cluster).await?;
    let uuid = row.cluster.uuid;
    let listed = cx
        .store()
        .clusters()
        .nodegroups(uuid, &paging.page(key), role)
        .await;
    let mut groups = listed.map_err(|error| match error {
        StoreError::NotFound => paging.marker_gone("NodeGroup"),
        other => other.into(),
    })?;
    let collection = format!("{}/v1/clusters/{uuid}/nodegroups", cx.base);
    let extra: Vec<(&str, &str)> = role.map(|role| ("role", role)).into_iter().collect();
    let next = paging.next(&mut groups, |group| group.uuid.0, &collection, &extra);
    let answer = Listing {
        name: "nodegroups",
        items: groups.iter().map(render_item).collect(),
        next,
    };
    Ok(reply(StatusCode::OK, answer))
}

/// `GET /v1/clusters/IDENT/nodegroups/NG`
pub(crate) async fn show(cx: &Context, cluster: &str, group: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let row = find_cluster(cx, Action::NodeGroupShow, cluster).await?;
    let found = cx
        .store()
        .clusters()
        .find_nodegroup(row.cluster.uuid, &Ident::parse(group))
        .await;
    let group = found.map_err(|error| of_lookup(error, "NodeGroup", "node groups", group))?;
    etag::shown(cx, &(&group, &row.cluster.labels), || {
        reply(StatusCode::OK, render(&group, &row.cluster.labels, &cx.base))
    })
}
