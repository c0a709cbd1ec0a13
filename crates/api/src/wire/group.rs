//! New node groups and changes of node groups on the wire, and the rules of what they may say.

use std::collections::BTreeMap;

use jeroboam_types::nodegroup::{ROLE_WORKER, is_reserved_label};
use jeroboam_types::{Labels, NodeGroup, Status};
use serde_json::{Map, Value, json};

use crate::error::{ApiError, ApiResult};
use crate::wire::nodegroup::render;
use crate::wire::patch::{Rules, apply_within};
use crate::wire::typing::Body;

const READ_ONLY: [&str; 6] = [
    "project_id",
    "stack_id",
    "node_addresses",
    "links",
    "created_at",
    "updated_at",
];

/// Attributes of node groups that no patch may touch.
const INTERNAL: [&str; 13] = [
    "name",
    "cluster_id",
    "docker_volume_size",
    "labels",
    "flavor_id",
    "image_id",
    "node_addresses",
    "node_count",
    "role",
    "is_default",
    "stack_id",
    "status",
    "version",
];

/// What a client asks of a new node group.
#[derive(Clone, Debug)]
pub(crate) struct NewGroup {
    pub(crate) name: String,
    pub(crate) node_count: i32,
    pub(crate) min_node_count: i32,
    pub(crate) max_node_count: Option<i32>,
    pub(crate) role: String,
    pub(crate) flavor_id: Option<String>,
    pub(crate) image_id: Option<String>,
    pub(crate) docker_volume_size: Option<i32>,
    pub(crate) labels: Option<Labels>,
    pub(crate) merge_labels: bool,
    pub(crate) node_labels: BTreeMap<String, String>,
    pub(crate) node_taints: Vec<BTreeMap<String, String>>,
}

impl NewGroup {
    /// Types a request body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let mut body = Body::new("nodegroup", body)?;
        body.read_only(&READ_ONLY)?;
        body.mandatory("name")?;
        let role = body.short_text("role")?.value();
        let fields = Self {
            name: body.short_text("name")?.value().unwrap_or_default(),
            node_count: body.int("node_count", 0, i32::MAX)?.value().unwrap_or(1),
            min_node_count: body.int("min_node_count", 0, i32::MAX)?.value().unwrap_or(0),
            max_node_count: body.int("max_node_count", 0, i32::MAX)?.value(),
            role: role.unwrap_or_else(|| ROLE_WORKER.to_owned()),
            flavor_id: body.short_text("flavor_id")?.value(),
            image_id: body.short_text("image_id")?.value(),
            docker_volume_size: body.int("docker_volume_size", 1, i32::MAX)?.value(),
            labels: body.labels("labels")?.value(),
            merge_labels: body.boolean("merge_labels")?.value().unwrap_or(false),
            node_labels: body.map("node_labels")?.value().unwrap_or_default(),
            node_taints: body.maps("node_taints")?.value().unwrap_or_default(),
        };
        // Taken and typed as Magnum does, and without effect.
        body.int("id", 0, i32::MAX)?;
        body.uuid("uuid")?;
        body.text("cluster_id", 0, 255)?;
        body.boolean("is_default")?;
        body.choice("status", Status::ALL, Status::as_str)?;
        for text in ["status_reason", "version"] {
            body.text(text, 0, usize::MAX)?;
        }
        for map in ["labels_overridden", "labels_added", "labels_skipped"] {
            body.labels(map)?;
        }
        body.finish()?;
        Ok(fields)
    }
}

/// What a patch may change of a node group, as it is afterwards.
#[derive(Clone, Debug)]
pub(crate) struct GroupPatch {
    pub(crate) min_node_count: Option<i32>,
    pub(crate) max_node_count: Option<i32>,
    pub(crate) node_labels: BTreeMap<String, String>,
    pub(crate) node_taints: Vec<BTreeMap<String, String>>,
}

impl GroupPatch {
    /// Applies a JSON patch to a group as it is.
    ///
    /// # Errors
    /// 400 for a patch that is none, and for changes of anything else.
    pub(crate) fn parse(group: &NodeGroup, patch: Value) -> ApiResult<Self> {
        let mut document = Map::new();
        for (name, value) in [
            // Zero stands for no minimum.
            ("min_node_count", json!(group.min_node_count.unwrap_or(0))),
            ("max_node_count", json!(group.max_node_count)),
            ("node_labels", json!(group.node_labels)),
            ("node_taints", json!(group.node_taints)),
        ] {
            document.insert(name.to_owned(), value);
        }
        let internal: Vec<&str> = INTERNAL.iter().chain(&["status_reason"]).copied().collect();
        let rules = Rules {
            mandatory: &[],
            internal: &internal,
        };
        apply_within(&mut document, patch, rules)?;
        let mut body = Body::new("nodegroup", Value::Object(document))?;
        let patched = Self {
            min_node_count: body.int("min_node_count", 0, i32::MAX)?.value(),
            max_node_count: body.int("max_node_count", 0, i32::MAX)?.value(),
            node_labels: body.map("node_labels")?.value().unwrap_or_default(),
            node_taints: body.maps("node_taints")?.value().unwrap_or_default(),
        };
        body.finish()?;
        Ok(patched)
    }
}

/// What a taint may do.
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Rules of a group's numbers.
///
/// # Errors
/// 409 that names the field.
pub(crate) fn check_counts(count: i32, min: Option<i32>, max: Option<i32>) -> ApiResult<()> {
    let min = min.unwrap_or(0);
    let refuse = |text: String| Err(ApiError::conflict(text));
    if min > count {
        return refuse(format!(
            "min_node_count ({min}) should be at most node_count ({count})."
        ));
    }
    match max.filter(|max| *max != 0) {
        Some(max) if max < count => refuse(format!(
            "max_node_count ({max}) should be at least node_count ({count})."
        )),
        Some(max) if max < min => refuse(format!(
            "max_node_count ({max}) should be at least min_node_count ({min})."
        )),
        _ => Ok(()),
    }
}

/// Rules of the labels and taints that nodes of a group get.
///
/// # Errors
/// 409 that names the label or taint.
pub(crate) fn check_node_marks(
    is_master: bool,
    labels: &BTreeMap<String, String>,
    taints: &[BTreeMap<String, String>],
) -> ApiResult<()> {
    let refuse = |text: String| Err(ApiError::conflict(text));
    if is_master && !(labels.is_empty() && taints.is_empty()) {
        return refuse("node_labels and node_taints cannot be set on masters.".to_owned());
    }
    for key in labels.keys() {
        if is_reserved_label(key) {
            let shown: String = key.chars().take(200).collect();
            return refuse(format!("The node label {shown} has a prefix that is reserved."));
        }
    }
    for taint in taints {
        let has = |name: &str| taint.get(name).is_some_and(|value| !value.is_empty());
        if !has("key") {
            return refuse("Each of node_taints needs a key.".to_owned());
        }
        if !taint
            .get("effect")
            .is_some_and(|effect| EFFECTS.contains(&effect.as_str()))
        {
            return refuse(format!(
                "The effect of each of node_taints is one of {}.",
                EFFECTS.join(", ")
            ));
        }
        let known = ["key", "value", "effect"];
        if let Some(stray) = taint.keys().find(|name| !known.contains(&name.as_str())) {
            let shown: String = stray.chars().take(200).collect();
            return refuse(format!("node_taints have no {shown}."));
        }
    }
    Ok(())
}

/// A group that was just accepted: what was asked or stood for it, and nothing that only time brings.
pub(crate) fn render_new(group: &NodeGroup, asked: &NewGroup, cluster_labels: &Labels, base: &str) -> Value {
    let mut answer = json!(render(group, cluster_labels, base));
    if let Value::Object(fields) = &mut answer {
        for name in [
            "id",
            "status",
            "status_reason",
            "stack_id",
            "is_default",
            "version",
            "node_addresses",
            "created_at",
            "updated_at",
        ] {
            fields.remove(name);
        }
        for (name, is_given) in [
            ("docker_volume_size", asked.docker_volume_size.is_some()),
            ("node_labels", !asked.node_labels.is_empty()),
            ("node_taints", !asked.node_taints.is_empty()),
        ] {
            if !is_given {
                fields.remove(name);
            }
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        owned.collect()
    }

    #[test]
    fn labels_of_kubernetes_own_are_refused_but_for_some() {
        let may = |key: &str| check_node_marks(false, &map(&[(key, "v")]), &[]).is_ok();
        for open in [
            "tier",
            "example.com/tier",
            "notkubernetes.io/x",
            "node.kubernetes.io/anything",
            "topology.kubernetes.io/zone",
            "kubernetes.io/os",
        ] {
            assert!(may(open), "{open}");
        }
        for reserved in [
            "kubernetes.io/x",
            "k8s.io/x",
            "a.kubernetes.io/x",
            "node-role.kubernetes.io/master",
        ] {
            assert!(!may(reserved), "{reserved}");
        }
    }

    #[test]
    fn taints_have_a_key_an_effect_and_nothing_strange() {
        let may = |pairs: &[(&str, &str)]| check_node_marks(false, &BTreeMap::new(), &[map(pairs)]).is_ok();
        assert!(may(&[("key", "gpu"), ("effect", "NoSchedule")]));
        assert!(may(&[("key", "gpu"), ("value", ""), ("effect", "NoExecute")]));
        assert!(!may(&[("key", ""), ("effect", "NoSchedule")]));
        assert!(!may(&[("effect", "NoSchedule")]));
        assert!(!may(&[("key", "gpu"), ("effect", "Never")]));
        assert!(!may(&[
            ("key", "gpu"),
            ("effect", "NoSchedule"),
            ("colour", "red")
        ]));
        assert!(check_node_marks(true, &map(&[("a", "b")]), &[]).is_err());
        assert!(check_node_marks(true, &BTreeMap::new(), &[]).is_ok());
    }

    #[test]
    fn the_bounds_of_a_group_hold_its_size() {
        assert!(check_counts(2, Some(0), None).is_ok() && check_counts(2, None, Some(0)).is_ok());
        assert!(check_counts(2, Some(2), Some(2)).is_ok());
        assert!(check_counts(2, Some(3), None).is_err() && check_counts(2, None, Some(1)).is_err());
    }
}
