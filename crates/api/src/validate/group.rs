//! Rules of new node groups: from what is asked and the cluster to a row for the store.

use jeroboam_store::{ClusterChange, Standing};
use jeroboam_types::nodegroup::{ROLE_MASTER, first_nodes};
use jeroboam_types::{Change, Labels, NodeGroup, NodeGroupId, Status};
use uuid::Uuid;

use crate::context::{Context, date_time};
use crate::error::{ApiError, ApiResult};
use crate::validate::boot_volume_gib;
use crate::validate::change::{change_of, check_quota, check_with_driver, driver_of, name_taken};
use crate::validate::labels::{self, Unknown};
use crate::validate::lookup::{Lookup, check_root_volume, optional};
use crate::validate::rotation::join_rotation;
use crate::wire::group::{NewGroup, check_counts, check_node_marks};
use crate::wire::typing::check_size;

/// Turns a new group into a change of its cluster, and says which labels have no effect.
///
/// # Errors
/// 409, 400 and 403 for what cannot be, in Magnum's order.
pub(crate) async fn accept(
    cx: &Context,
    standing: &Standing,
    asked: &NewGroup,
) -> ApiResult<(ClusterChange, Unknown)> {
    let cluster = &standing.ask.cluster;
    if cluster.api_address.is_none() {
        return Err(ApiError::conflict(format!(
            "Cluster {} has no API address yet: node groups can be added when it has.",
            cluster.uuid
        )));
    }
    if standing.groups.iter().any(|group| group.name == asked.name) {
        return Err(name_taken(cluster.uuid, &asked.name));
    }
    check_counts(asked.node_count, Some(asked.min_node_count), asked.max_node_count)?;
    let is_master = asked.role == ROLE_MASTER;
    check_node_marks(is_master, &asked.node_labels, &asked.node_taints)?;
    if is_master {
        return Err(ApiError::invalid(
            "role",
            &asked.role,
            "Node groups of masters cannot be added",
        ));
    }
    check_quota(cx, standing, i64::from(asked.node_count))?;
    let labels = Labels::inherited(&cluster.labels, asked.labels.clone(), asked.merge_labels);
    check_size("labels", &labels)?;
    let mut group = NodeGroup {
        id: 0,
        uuid: NodeGroupId(Uuid::new_v4()),
        name: asked.name.clone(),
        cluster_id: cluster.uuid,
        project_id: cluster.project_id.clone(),
        docker_volume_size: asked.docker_volume_size,
        labels,
        flavor_id: asked.flavor_id.clone().or_else(|| cluster.flavor_id.clone()),
        image_id: Some(
            asked
                .image_id
                .clone()
                .unwrap_or_else(|| standing.ask.template.image_id.clone()),
        ),
        node_addresses: Vec::new(),
        node_count: asked.node_count,
        nodes: first_nodes(asked.node_count),
        max_node_count: asked.max_node_count,
        min_node_count: Some(asked.min_node_count),
        role: asked.role.clone(),
        is_default: false,
        stack_id: cluster.stack_id.clone(),
        status: Status::CreateInProgress,
        status_reason: None,
        version: None,
        node_labels: asked.node_labels.clone(),
        node_taints: asked.node_taints.clone(),
        roll: None,
        created_at: date_time(cx.now()),
        updated_at: None,
    };
    let mut standing = standing.clone();
    resolve(cx, &mut standing, &group, asked).await?;
    let driver = driver_of(cx, &standing.ask.template)?;
    let unknown = labels::check(driver.as_ref(), &group.labels)?;
    check_with_driver(&standing, driver.as_ref(), &group)?;
    join_rotation(&standing, driver.as_ref(), &mut group);
    let change = ClusterChange {
        new_groups: vec![group],
        resolved: Some(standing.ask.resolved.clone()),
        ..change_of(cx, &standing, Change::CreateGroup)
    };
    Ok((change, unknown))
}

/// Looks up what the group names, with the caller's rights, and remembers what the names stand for.
async fn resolve(
    cx: &Context,
    standing: &mut Standing,
    group: &NodeGroup,
    asked: &NewGroup,
) -> ApiResult<()> {
    let boot_gib = boot_volume_gib(&group.labels, standing.ask.resolved.defaults.boot_volume_size)?;
    if boot_gib <= 0 && group.flavor_id.is_none() {
        let reason = "Neither the node group nor its cluster names a flavor";
        return Err(ApiError::invalid("flavor_id", "None", reason));
    }
    let lookup = Lookup::new(cx);
    let (flavors, image) = tokio::try_join!(
        lookup.flavors(group.flavor_id.as_deref()),
        optional(asked.image_id.as_deref(), async |ident| lookup.image(ident).await),
    )?;
    if boot_gib <= 0 {
        flavors.values().try_for_each(check_root_volume)?;
    }
    let resolved = &mut standing.ask.resolved;
    let found = flavors.into_iter().map(|(ident, flavor)| (ident, flavor.id));
    resolved.flavors.extend(found);
    if let (Some(name), Some(image)) = (&asked.image_id, image) {
        resolved.images.insert(name.clone(), image.id);
    }
    Ok(())
}
