//! Rules of changes: which group and which nodes are meant, and whether the cluster may become so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jeroboam_driver::{Driver, Spec};
use jeroboam_plan::Entry;
use jeroboam_plan::ledger::{node_number, nodes_seen};
use jeroboam_store::{ChangeError, ClusterChange, Ident, Standing, StoreError};
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::{Change, ClusterId, ClusterTemplate, NodeGroup, Status};

use crate::context::{Desk, date_time};
use crate::error::{ApiError, ApiResult};
use crate::etag;
use crate::handlers::of_lookup;

/// What is asked of a cluster now, if its status lets it be changed so.
///
/// # Errors
/// 409 that names the status, 404 when the cluster has just gone.
pub(crate) async fn standing(cx: &impl Desk, cluster: ClusterId, change: Change) -> ApiResult<Standing> {
    let standing = cx.app().store.clusters().standing(cluster).await;
    let standing = standing.map_err(|error| of_lookup(error, "Cluster", "clusters", &cluster.to_string()))?;
    let status = standing.ask.cluster.status;
    match change.may_start_at(status) {
        true => Ok(standing),
        false => Err(wrong_status(cluster, change, status)),
    }
}

fn wrong_status(cluster: ClusterId, change: Change, status: Status) -> ApiError {
    ApiError::conflict(format!(
        "Cluster {cluster} cannot be {} while its status is {status}.",
        change.as_str()
    ))
}

/// Refusal of a change by the store.
pub(crate) fn refused(cluster: ClusterId, change: Change, error: ChangeError) -> ApiError {
    match error {
        ChangeError::Status(status) => wrong_status(cluster, change, status),
        ChangeError::Overtaken => ApiError::conflict(format!(
            "Cluster {cluster} was changed by another request meanwhile. Try again."
        )),
        ChangeError::NameTaken(name) => name_taken(cluster, &name),
        ChangeError::Store(StoreError::Stale) => etag::changed(),
        ChangeError::Store(error) => of_lookup(error, "Cluster", "clusters", &cluster.to_string()),
    }
}

/// 409 of a node group's name.
pub(crate) fn name_taken(cluster: ClusterId, name: &str) -> ApiError {
    ApiError::conflict(format!(
        "A node group named {name} already exists in cluster {cluster}."
    ))
}

/// A change without anything in it yet.
pub(crate) fn change_of(cx: &impl Desk, standing: &Standing, change: Change) -> ClusterChange {
    let now = cx.now();
    let limit = cx.app().config.engine.update_timeout_mins.saturating_mul(60);
    ClusterChange {
        cluster: standing.ask.cluster.uuid,
        change,
        generation: standing.generation,
        groups: Vec::new(),
        new_groups: Vec::new(),
        health: None,
        resolved: None,
        now,
        deadline: now.plus(Duration::from_secs(limit)),
        request_id: cx.ids().outbound().to_owned(),
    }
}

/// The driver of a cluster that stands, offered for new ones or not.
///
/// # Errors
/// 400 when this service has none.
pub(crate) fn driver_of(cx: &impl Desk, template: &ClusterTemplate) -> ApiResult<Arc<dyn Driver>> {
    let drivers = &cx.app().drivers;
    let named = template.driver.as_deref().and_then(|name| drivers.named(name));
    let distro = template.cluster_distro.as_deref().unwrap_or_default();
    let driver = named.or_else(|| drivers.providing(template.server_type, distro, template.coe));
    let missing = || ApiError::bad_request("This service has no driver of the cluster.");
    driver.map(Arc::clone).ok_or_else(missing)
}

/// A group by UUID, name or row id; without one the default workers.
///
/// # Errors
/// 404 for one that the cluster has not, 409 for one that is being deleted.
pub(crate) fn group_of<'a>(standing: &'a Standing, ident: Option<&str>) -> ApiResult<&'a NodeGroup> {
    let mut groups = standing.groups.iter();
    let found = match ident.map(Ident::parse) {
        None => groups.find(|group| group.is_default && group.name == DEFAULT_WORKER),
        Some(Ident::Uuid(uuid)) => groups.find(|group| group.uuid.0 == uuid),
        Some(Ident::Name(name)) => match name.parse::<i64>() {
            Ok(id) => groups.find(|group| group.id == id),
            Err(_) => groups.find(|group| group.name == name),
        },
    };
    let shown: String = ident.unwrap_or(DEFAULT_WORKER).chars().take(255).collect();
    let group = found.ok_or_else(|| ApiError::not_found("NodeGroup", shown))?;
    match group.is_leaving() {
        false => Ok(group),
        true => Err(ApiError::conflict(format!(
            "Node group {} is being deleted.",
            group.name
        ))),
    }
}

/// Another size of a group.
///
/// # Errors
/// 400 for a size out of the group's bounds, or one that the driver cannot build, 403 beyond the quota.
pub(crate) fn resize(
    cx: &impl Desk,
    standing: &Standing,
    group: &NodeGroup,
    node_count: i32,
    going: &BTreeSet<u32>,
) -> ApiResult<NodeGroup> {
    let driver = driver_of(cx, &standing.ask.template)?;
    if group.is_master() {
        driver
            .validate_master_resize(&standing.ask, node_count)
            .map_err(|invalid| ApiError::invalid_field(&invalid.field, invalid.reason))?;
        if group.nodes.iter().all(|node| going.contains(node)) {
            let reason = "at least one master has to stay: what the cluster knows is on the masters alone";
            return Err(ApiError::invalid_field("nodes_to_remove", reason.to_owned()));
        }
    } else if !group.allows(node_count) {
        let most = group.max_node_count.filter(|most| *most != 0);
        return Err(ApiError::bad_request(format!(
            "Node group {} may have from {} to {} nodes, and {node_count} are asked for.",
            group.name,
            group.min_node_count.unwrap_or(0),
            most.map_or_else(|| "any number of".to_owned(), |most| most.to_string()),
        )));
    }
    check_quota(cx, standing, i64::from(node_count) - i64::from(group.node_count))?;
    let mut resized = group.clone();
    resized.resize(node_count, going, &nodes_seen(&standing.ledger, &group.name));
    resized.status = Status::UpdateInProgress;
    resized.status_reason = None;
    resized.updated_at = Some(date_time(cx.now()));
    check_with_driver(standing, driver.as_ref(), &resized)?;
    Ok(resized)
}

/// Refuses growth beyond `[quotas] max_nodes_per_cluster`.
///
/// # Errors
/// 403.
pub(crate) fn check_quota(cx: &impl Desk, standing: &Standing, growth: i64) -> ApiResult<()> {
    let most = i64::from(cx.app().config.quotas.max_nodes_per_cluster);
    let present: i64 = standing
        .ask
        .groups
        .iter()
        .map(|group| i64::from(group.node_count))
        .sum();
    let asked = present.saturating_add(growth);
    if growth <= 0 || asked <= most {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "The quota allows a cluster of {most} nodes, and {asked} are asked for."
    )))
}

/// Asks the driver about the cluster with a group as it should be.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn check_with_driver(
    standing: &Standing,
    driver: &dyn Driver,
    group: &NodeGroup,
) -> ApiResult<()> {
    let mut ask = standing.ask.clone();
    match ask.groups.iter_mut().find(|known| known.uuid == group.uuid) {
        Some(known) => *known = group.clone(),
        None => ask.groups.push(group.clone()),
    }
    driver
        .validate(&ask)
        .map_err(|invalid| ApiError::invalid_field(&invalid.field, invalid.reason))
}

/// Nodes of a group that are to be removed, each by the UUID or name of its server, or by its number. One that is
/// on its way out already is taken for granted, so that the same request may come again.
///
/// # Errors
/// 400 that names the first that the group has not.
pub(crate) fn nodes_named(
    standing: &Standing,
    group: &NodeGroup,
    names: &[String],
) -> ApiResult<BTreeSet<u32>> {
    let servers: Vec<&Entry> = standing
        .ledger
        .values()
        .filter(|entry| entry.group.as_deref() == Some(&group.name) && matches!(entry.spec, Spec::Server(_)))
        .collect();
    let mut nodes = BTreeSet::new();
    for name in names {
        let is_named = |entry: &&&Entry| {
            entry.id.as_deref() == Some(name) || entry.name == *name || entry.key.name() == name
        };
        let server = servers.iter().find(is_named);
        let number = server.and_then(|entry| node_number(entry)).or_else(|| {
            let number = name.parse::<u32>().ok();
            number.filter(|number| group.nodes.contains(number))
        });
        let unknown = || {
            let reason = format!("Node group {} has no such node", group.name);
            ApiError::invalid("nodes_to_remove", name, reason)
        };
        nodes.insert(number.ok_or_else(unknown)?);
    }
    Ok(nodes)
}
