//! Node groups on the wire.

use std::collections::BTreeMap;

use jeroboam_types::{ClusterId, Labels, NodeGroup, NodeGroupId, ProjectId, Status};
use serde::Serialize;

use crate::wire::Timestamp;
use crate::wire::links::Links;

/// Item of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Item<'a> {
    uuid: NodeGroupId,
    name: &'a str,
    flavor_id: Option<&'a str>,
    image_id: Option<&'a str>,
    node_count: i32,
    role: &'a str,
    min_node_count: i32,
    max_node_count: Option<i32>,
    is_default: bool,
    stack_id: Option<&'a str>,
    status: Status,
    merge_labels: bool,
}

/// A node group as it is told alone.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    #[serde(flatten)]
    item: Item<'a>,
    id: i64,
    cluster_id: ClusterId,
    project_id: &'a ProjectId,
    docker_volume_size: Option<i32>,
    labels: &'a Labels,
    links: Links<'a, String>,
    node_addresses: &'a [String],
    status_reason: Option<&'a str>,
    version: Option<&'a str>,
    labels_overridden: Labels,
    labels_added: Labels,
    labels_skipped: Labels,
    node_labels: &'a BTreeMap<String, String>,
    node_taints: &'a [BTreeMap<String, String>],
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

/// Item of a list. The bounds are the real ones.
pub(crate) fn render_item(group: &NodeGroup) -> Item<'_> {
    Item {
        uuid: group.uuid,
        name: &group.name,
        flavor_id: group.flavor_id.as_deref(),
        image_id: group.image_id.as_deref(),
        node_count: group.node_count,
        role: &group.role,
        min_node_count: group.min_node_count.unwrap_or(0),
        max_node_count: group.max_node_count,
        is_default: group.is_default,
        stack_id: group.stack_id.as_deref(),
        status: group.status,
        merge_labels: false,
    }
}

/// Alone; its labels are told apart from its cluster's.
pub(crate) fn render<'a>(group: &'a NodeGroup, cluster_labels: &Labels, base: &'a str) -> Shown<'a> {
    let diff = group.labels.diff(cluster_labels);
    let path = format!("clusters/{}/nodegroups/{}", group.cluster_id, group.uuid);
    Shown {
        item: render_item(group),
        id: group.id,
        cluster_id: group.cluster_id,
        project_id: &group.project_id,
        docker_volume_size: group.docker_volume_size,
        labels: &group.labels,
        links: Links { base, path },
        node_addresses: &group.node_addresses,
        status_reason: group.status_reason.as_deref(),
        version: group.version.as_deref(),
        labels_overridden: diff.overridden,
        labels_added: diff.added,
        labels_skipped: diff.skipped,
        node_labels: &group.node_labels,
        node_taints: &group.node_taints,
        created_at: Timestamp(group.created_at),
        updated_at: group.updated_at.map(Timestamp),
    }
}
