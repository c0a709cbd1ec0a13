//! Node groups on the wire.

use jeroboam_types::{Labels, NodeGroup};
use serde_json::{Value, json};

use crate::wire::{links, timestamp, timestamp_or_null};

/// Item of a list. The bounds are the real ones.
pub(crate) fn render_item(group: &NodeGroup) -> Value {
    json!({
        "uuid": group.uuid,
        "name": group.name,
        "flavor_id": group.flavor_id,
        "image_id": group.image_id,
        "node_count": group.node_count,
        "role": group.role,
        "min_node_count": group.min_node_count.unwrap_or(0),
        "max_node_count": group.max_node_count,
        "is_default": group.is_default,
        "stack_id": group.stack_id,
        "status": group.status,
        "merge_labels": false,
    })
}

/// Alone; its labels are told apart from its cluster's.
pub(crate) fn render(group: &NodeGroup, cluster_labels: &Labels, base: &str) -> Value {
    let diff = group.labels.diff(cluster_labels);
    let path = format!("clusters/{}/nodegroups/{}", group.cluster_id, group.uuid);
    let mut answer = render_item(group);
    let more = json!({
        "id": group.id,
        "cluster_id": group.cluster_id,
        "project_id": group.project_id,
        "docker_volume_size": group.docker_volume_size,
        "labels": group.labels,
        "links": links::of(base, &path),
        "node_addresses": group.node_addresses,
        "status_reason": group.status_reason,
        "version": group.version,
        "labels_overridden": diff.overridden,
        "labels_added": diff.added,
        "labels_skipped": diff.skipped,
        "node_labels": (!group.node_labels.is_empty()).then_some(&group.node_labels),
        "node_taints": (!group.node_taints.is_empty()).then_some(&group.node_taints),
        "created_at": timestamp(group.created_at),
        "updated_at": timestamp_or_null(group.updated_at),
    });
    if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
        answer.extend(more);
    }
    answer
}
