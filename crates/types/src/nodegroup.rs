//! Node groups: equal nodes of one cluster.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::status::Operation;
use crate::{ClusterId, Labels, NodeGroupId, ProjectId, Roll, Status};

/// Role of the nodes that run the control plane.
pub const ROLE_MASTER: &str = "master";
/// Role of the nodes that run workloads; any role but [`ROLE_MASTER`] is a worker's.
pub const ROLE_WORKER: &str = "worker";
/// Name of the node group of masters that every cluster has.
pub const DEFAULT_MASTER: &str = "default-master";
/// Name of the node group of workers that every cluster has.
pub const DEFAULT_WORKER: &str = "default-worker";

/// A node group as it is stored. Field names and meanings are Magnum's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are Magnum's own and carry its meaning")]
pub struct NodeGroup {
    /// Row id, which the API shows as `id`; zero before the row exists.
    pub id: i64,
    pub uuid: NodeGroupId,
    pub name: String,
    pub cluster_id: ClusterId,
    pub project_id: ProjectId,
    /// GiB.
    pub docker_volume_size: Option<i32>,
    pub labels: Labels,
    pub flavor_id: Option<String>,
    pub image_id: Option<String>,
    pub node_addresses: Vec<String>,
    pub node_count: i32,
    /// Numbers of the nodes, ascending: which nodes there should be. As many as `node_count`, except while they are
    /// being replaced.
    pub nodes: Vec<u32>,
    pub max_node_count: Option<i32>,
    pub min_node_count: Option<i32>,
    pub role: String,
    pub is_default: bool,
    pub stack_id: Option<String>,
    pub status: Status,
    pub status_reason: Option<String>,
    pub version: Option<String>,
    pub node_labels: BTreeMap<String, String>,
    pub node_taints: Vec<BTreeMap<String, String>>,
    /// Where the group stands between revisions; `None` for one that has never been upgraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<Roll>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// Prefixes of Kubernetes' own that labels of nodes may have all the same.
const OPEN_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
/// Labels of Kubernetes' own that a kubelet may give its node.
const OPEN_LABELS: [&str; 12] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// True for the key of a label of nodes that Kubernetes keeps for itself: a kubelet may not set it.
pub fn is_reserved_label(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let is_of = |own: &str| {
        prefix
            .strip_suffix(own)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    (is_of("kubernetes.io") || is_of("k8s.io"))
        && !OPEN_PREFIXES.contains(&prefix)
        && !OPEN_LABELS.contains(&key)
}

/// Numbers of the nodes of a new group.
pub fn first_nodes(count: i32) -> Vec<u32> {
    (0..u32::try_from(count).unwrap_or(0)).collect()
}

/// What is known of a group's nodes when their number changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodesSeen {
    /// Numbers with anything in the cloud, also of nodes that are being removed: no new node gets one of them.
    pub taken: BTreeSet<u32>,
    /// Numbers of the nodes that are known to stand.
    pub ready: BTreeSet<u32>,
}

impl NodeGroup {
    /// True for the nodes of the control plane.
    pub fn is_master(&self) -> bool {
        self.role == ROLE_MASTER
    }

    /// True once the group is to go.
    pub fn is_leaving(&self) -> bool {
        self.status.operation() == Some(Operation::Delete)
    }

    /// True when a size is within `min_node_count` and `max_node_count`; a maximum of zero is none.
    pub fn allows(&self, count: i32) -> bool {
        let most = self.max_node_count.filter(|most| *most != 0);
        count >= self.min_node_count.unwrap_or(0) && most.is_none_or(|most| count <= most)
    }

    /// Changes the number of nodes. The given nodes go, even when that is more than the group shrinks by: others
    /// are then made in their place. If more have to go, those that do not stand go first, then those of an older
    /// revision, and then the highest numbers. New nodes get the lowest numbers that are free.
    pub fn resize(&mut self, count: i32, going: &BTreeSet<u32>, seen: &NodesSeen) {
        let wanted = usize::try_from(count).unwrap_or(0);
        let mut staying: Vec<u32> = self
            .nodes
            .iter()
            .copied()
            .filter(|node| !going.contains(node))
            .collect();
        let roll = self.roll.as_ref();
        let is_behind = |node: &u32| roll.is_some_and(|roll| roll.behind.contains_key(node));
        let is_unproven = |node: &u32| roll.is_some_and(|roll| roll.unproven.contains(node));
        let stands = |node: &u32| seen.ready.contains(node) && !is_unproven(node);
        staying.sort_by_key(|node| (!stands(node), is_behind(node), *node));
        staying.truncate(wanted);
        let held: BTreeSet<u32> = self
            .nodes
            .iter()
            .chain(&seen.taken)
            .chain(going)
            .copied()
            .collect();
        let missing = wanted - staying.len();
        staying.extend((0..).filter(|node| !held.contains(node)).take(missing));
        staying.sort_unstable();
        self.node_count = count;
        self.nodes = staying;
        if let Some(roll) = &mut self.roll {
            roll.keep(&self.nodes);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    pub(crate) fn group(nodes: &[u32]) -> NodeGroup {
        NodeGroup {
            id: 0,
            uuid: NodeGroupId(Uuid::nil()),
            name: DEFAULT_WORKER.to_owned(),
            cluster_id: ClusterId(Uuid::nil()),
            project_id: "p".into(),
            docker_volume_size: None,
            labels: Labels::default(),
            flavor_id: None,
            image_id: None,
            node_addresses: Vec::new(),
            node_count: i32::try_from(nodes.len()).unwrap(),
            nodes: nodes.to_vec(),
            max_node_count: None,
            min_node_count: None,
            role: ROLE_WORKER.to_owned(),
            is_default: true,
            stack_id: None,
            status: Status::CreateComplete,
            status_reason: None,
            version: None,
            node_labels: BTreeMap::new(),
            node_taints: Vec::new(),
            roll: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: None,
        }
    }

    fn resized(nodes: &[u32], count: i32, going: &[u32], taken: &[u32], ready: &[u32]) -> Vec<u32> {
        let mut group = group(nodes);
        let set = |numbers: &[u32]| numbers.iter().copied().collect();
        let seen = NodesSeen {
            taken: set(taken),
            ready: set(ready),
        };
        group.resize(count, &set(going), &seen);
        assert_eq!((group.node_count, group.nodes.len()), (count, count as usize));
        group.nodes
    }

    #[test]
    fn a_group_keeps_its_nodes_when_its_size_changes() {
        assert_eq!(resized(&[0, 1], 4, &[], &[0, 1], &[0, 1]), [0, 1, 2, 3], "growth");
        assert_eq!(
            resized(&[0, 1, 2], 1, &[], &[0, 1, 2], &[0, 1, 2]),
            [0],
            "the highest go"
        );
        assert_eq!(
            resized(&[0, 1, 2], 2, &[0], &[0, 1, 2], &[0, 1, 2]),
            [1, 2],
            "the given go"
        );
        assert_eq!(
            resized(&[0, 1, 2], 2, &[], &[0, 1, 2], &[1, 2]),
            [1, 2],
            "what does not stand goes"
        );
        assert_eq!(
            resized(&[1, 2], 3, &[], &[1, 2], &[1, 2]),
            [0, 1, 2],
            "a gap is filled"
        );
        assert_eq!(
            resized(&[1, 2], 3, &[], &[0, 1, 2], &[1, 2]),
            [1, 2, 3],
            "but not while it is cleared"
        );
        assert_eq!(
            resized(&[0, 1], 2, &[0], &[0, 1], &[0, 1]),
            [1, 2],
            "one is replaced"
        );
        assert_eq!(resized(&[0, 1], 0, &[], &[0, 1], &[]), Vec::<u32>::new());
    }

    #[test]
    fn a_maximum_of_zero_is_none() {
        let mut group = group(&[0]);
        (group.min_node_count, group.max_node_count) = (Some(1), Some(0));
        assert!(group.allows(100) && !group.allows(0));
        group.max_node_count = Some(3);
        assert!(group.allows(3) && !group.allows(4));
    }
}
