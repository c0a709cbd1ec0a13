//! A node as it would be, for a group that may have none: what the scheduler would see of it.

use std::collections::BTreeMap;

use jeroboam_driver::{Ask, NodeMarks};
use jeroboam_types::NodeGroup;
use prost::Message as _;

use super::FlavorSize;
use super::messages::{Template, core};

/// Of the flavor's memory, what is left by firmware and kernel, in thousandths.
const MEMORY_LEFT: u64 = 960;

/// Memory that kubelets keep free unless they are told otherwise (`--eviction-hard`), KiB.
const MEMORY_KEPT_KIB: u64 = 100 << 10;

/// Of the root disk, what pods may have, in tenths.
const DISK_LEFT: u64 = 9;

/// The node that a group would get.
pub(super) fn template(ask: &Ask, group: &NodeGroup, marks: NodeMarks, flavor: &FlavorSize) -> Template {
    let node = node(ask, group, marks, flavor);
    Template {
        node_bytes: node.encode_to_vec(),
        node_info: Some(node),
    }
}

fn node(ask: &Ask, group: &NodeGroup, marks: NodeMarks, flavor: &FlavorSize) -> core::Node {
    let name = format!("{}-template", group.name);
    let mut labels = BTreeMap::from(
        [
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", name.as_str()),
            ("node.kubernetes.io/instance-type", flavor.name.as_str()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let zone = ask.label(Some(group), "availability_zone").map(str::trim);
    if let Some(zone) = zone.filter(|zone| !zone.is_empty() && !zone.contains(',')) {
        labels.insert("topology.kubernetes.io/zone".to_owned(), zone.to_owned());
    }
    labels.extend(marks.labels);
    let taints = marks.taints.into_iter();
    let taints = taints.map(|(key, value, effect)| core::Taint { key, value, effect });
    let boot_volume = ask.label(Some(group), "boot_volume_size");
    let boot_volume = boot_volume.and_then(|text| text.trim().parse().ok());
    let boot_volume = boot_volume.unwrap_or(ask.resolved.defaults.boot_volume_size);
    let disk_gib = match boot_volume {
        0 => flavor.disk_gib,
        size => size,
    };
    let memory_kib = (flavor.ram_mib << 10) / 1_000 * MEMORY_LEFT;
    let disk_kib = u64::from(disk_gib) << 20;
    let resources = |memory_kib: u64, disk_kib: u64| {
        let quantity = |text: String| core::Quantity { text };
        BTreeMap::from(
            [
                ("cpu", flavor.vcpus.to_string()),
                ("memory", format!("{memory_kib}Ki")),
                ("ephemeral-storage", format!("{disk_kib}Ki")),
                ("pods", marks.pods.to_string()),
            ]
            .map(|(name, text)| (name.to_owned(), quantity(text))),
        )
    };
    core::Node {
        metadata: Some(core::Metadata { name, labels }),
        spec: Some(core::Spec {
            provider_id: String::new(),
            taints: taints.collect(),
        }),
        status: Some(core::Status {
            capacity: resources(memory_kib, disk_kib),
            allocatable: resources(
                memory_kib.saturating_sub(MEMORY_KEPT_KIB),
                disk_kib / 10 * DISK_LEFT,
            ),
            conditions: vec![core::Condition {
                kind: "Ready".to_owned(),
                status: "True".to_owned(),
            }],
        }),
    }
}
