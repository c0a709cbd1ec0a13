//! The nodes of a cluster: which there are and what they are called.
//!
//! A node's name depends on its group and its number only, so that it is the same for ever.

use jeroboam_driver::{Ask, Invalid, Key};
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER};
use jeroboam_types::{NodeGroup, cluster};

/// Names that a group must not take, because the cluster's own resources have them.
const RESERVED: &[&str] = &[
    "master",
    "masters",
    "worker",
    "workers",
    "nodes",
    "main",
    "api",
    "swarm",
    "kubernetes",
];

/// A host name has at most 63 characters, of which the cluster's prefix takes up to 33.
const LONGEST_GROUP: usize = 22;

/// One node.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Name inside the cluster, such as `worker-0`.
    pub name: String,
    /// Number in its group.
    pub number: u32,
    /// Its node group.
    pub group: &'a NodeGroup,
    /// True for a node of the control plane.
    pub manager: bool,
}

impl Node<'_> {
    /// Key of one of the node's resources.
    pub fn key(&self, kind: &str) -> Key {
        Key::new(kind, &self.name)
    }
}

/// Nodes at most, whatever the operator allows: a graph of more would take gigabytes.
const MOST_NODES: u64 = 10_000;

/// Checks the sizes of the groups and gives the number of all nodes. `coe` and `masters` are the driver's words,
/// such as "a swarm" and "managers".
///
/// # Errors
/// A negative count, too many nodes, and an even number of masters.
pub fn check_counts(groups: &[NodeGroup], coe: &str, masters: &str) -> Result<u64, Invalid> {
    let mut all = 0;
    for group in groups {
        let count = u64::try_from(group.node_count);
        all += count.map_err(|_| Invalid::new("node_count", "must not be negative"))?;
    }
    if all > MOST_NODES {
        let reason = format!("{all} nodes are too many: {coe} may have {MOST_NODES}");
        return Err(Invalid::new("node_count", reason));
    }
    let count = cluster::node_count(groups, true);
    if count < 1 || count % 2 == 0 {
        let reason = format!("{count} {masters} cannot decide by majority: an odd number is needed");
        return Err(Invalid::new("master_count", reason));
    }
    Ok(all)
}

/// Every node, in the order of the groups.
pub fn nodes(groups: &[NodeGroup]) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    for group in groups {
        let stem = stem(group);
        nodes.extend(group.nodes.iter().map(|index| Node {
            name: format!("{stem}-{index}"),
            number: *index,
            group,
            manager: group.is_master(),
        }));
    }
    nodes
}

/// Group that has, or had, a node of this host name.
pub fn group_of<'a>(ask: &'a Ask, host_name: &str) -> Option<&'a NodeGroup> {
    ask.groups.iter().find(|group| {
        let prefix = format!("{}-{}-", ask.prefix(), stem(group));
        let number = host_name.strip_prefix(&prefix);
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

/// Why the only node of a control plane cannot be replaced, and what can be done.
pub fn alone(group: &NodeGroup, word: &str) -> String {
    format!(
        "the only {word} of the cluster cannot be replaced without loss of what it knows, so node group {} has to \
         stay as it is; node groups of workers can be upgraded, each by its name, such as {DEFAULT_WORKER}",
        group.name
    )
}

/// Name of the server group of a node group.
pub fn server_group(group: &NodeGroup) -> String {
    match group.name.as_str() {
        DEFAULT_MASTER => "masters".into(),
        DEFAULT_WORKER => "workers".into(),
        _ => stem(group),
    }
}

/// What the names of a group's nodes start with.
fn stem(group: &NodeGroup) -> String {
    match group.name.as_str() {
        DEFAULT_MASTER => return "master".into(),
        DEFAULT_WORKER => return "worker".into(),
        _ => {}
    }
    let plain: String = group
        .name
        .to_ascii_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .collect();
    let plain = plain.trim_matches('-');
    if plain == group.name && plain.len() <= LONGEST_GROUP && !RESERVED.contains(&plain) {
        return plain.into();
    }
    // Names that differ only in what a host name cannot show are told apart by the group's id.
    let id = group.uuid.0.simple().to_string();
    let short: String = plain.chars().take(LONGEST_GROUP - 9).collect();
    format!("{}-{}", short.trim_matches('-'), &id[..8])
        .trim_matches('-')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testkit::group;

    #[test]
    fn no_two_nodes_have_the_same_name_and_every_name_fits_a_host_name() {
        let mut groups = vec![
            group(DEFAULT_MASTER, "master", 1),
            group(DEFAULT_WORKER, "worker", 2),
            group("worker", "worker", 2),
            group("GPU nodes", "worker", 2),
            group("gpu-nodes", "worker", 2),
            group(&"a".repeat(60), "worker", 1),
            group("---", "worker", 1),
        ];
        for (id, group) in groups.iter_mut().enumerate() {
            group.uuid = jeroboam_types::NodeGroupId(uuid(id));
        }
        let nodes = nodes(&groups);
        let names: BTreeSet<_> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names.len(), nodes.len(), "{names:?}");
        assert!(
            ["master-0", "worker-0", "worker-1", "gpu-nodes-0"]
                .iter()
                .all(|name| names.contains(name))
        );
        for name in names {
            assert!(name.len() <= 29 && !name.starts_with('-'), "{name}");
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
        }
    }

    fn uuid(id: usize) -> uuid::Uuid {
        uuid::Uuid::from_u128(((id as u128) + 1) << 96)
    }
}
