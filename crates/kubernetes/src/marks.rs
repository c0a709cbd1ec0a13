//! Labels and taints of nodes as their groups ask for them. A kubelet sets them once, when it joins; what is missing
//! later is put back, at the end of each change and by the looks at the cluster's health.

use std::collections::BTreeMap;

use jeroboam_blueprint::api::{Api, Method, StatusCode};
use jeroboam_types::NodeGroup;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::options;

/// A taint as Kubernetes lists it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mark {
    key: String,
    #[serde(default)]
    value: String,
    effect: String,
    /// What else it has.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// What a node bears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks<'a> {
    /// Name of the node.
    pub(crate) name: &'a str,
    /// Version of its description, which a change must still be of.
    pub(crate) version: &'a str,
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) taints: &'a [Mark],
}

/// Puts back what a group's node lacks; `false` when that is nothing.
pub(crate) async fn keep(api: &Api, node: Marks<'_>, group: &NodeGroup) -> Result<bool, String> {
    let Some(patch) = patch(node, group) else {
        return Ok(false);
    };
    let body = Some(("application/merge-patch+json", &patch));
    let path = format!("api/v1/nodes/{}", node.name);
    match api.change(Method::PATCH, &path, body).await? {
        // Somebody else changed it meanwhile: the next look sees what.
        (StatusCode::CONFLICT | StatusCode::NOT_FOUND, _) => Ok(true),
        (status, _) if status.is_success() => Ok(true),
        (status, message) => Err(format!(
            "the Kubernetes API does not take the labels of {}: {status} {message}",
            node.name
        )),
    }
}

/// What is to be changed; `None` when nothing is missing. What others have added stays.
fn patch(node: Marks<'_>, group: &NodeGroup) -> Option<Value> {
    // What cannot be read was refused before there was a node of it.
    let wanted = options::node_labels(group).unwrap_or_default();
    let labels: BTreeMap<String, String> = wanted
        .into_iter()
        .filter(|(key, value)| node.labels.get(key) != Some(value))
        .collect();
    let wanted = options::taints(group).unwrap_or_default();
    let wanted: Vec<Mark> = wanted
        .iter()
        .filter_map(|taint| serde_json::from_value(json!(taint)).ok())
        .collect();
    let is_there = |mark: &Mark| {
        node.taints
            .iter()
            .any(|known| (&known.key, &known.value, &known.effect) == (&mark.key, &mark.value, &mark.effect))
    };
    let missing: Vec<&Mark> = wanted.iter().filter(|mark| !is_there(mark)).collect();
    let mut patch = json!({});
    if !labels.is_empty() {
        patch["metadata"]["labels"] = json!(labels);
    }
    if !missing.is_empty() {
        // Key and effect are what a taint is known by; the list is replaced as a whole.
        let is_replaced = |known: &&Mark| {
            let mut missing = missing.iter();
            missing.any(|mark| (&known.key, &known.effect) == (&mark.key, &mark.effect))
        };
        let kept = node.taints.iter().filter(|known| !is_replaced(known));
        patch["spec"]["taints"] = kept.chain(missing.iter().copied()).map(Mark::render).collect();
    }
    if patch == json!({}) {
        return None;
    }
    patch["metadata"]["resourceVersion"] = json!(node.version);
    Some(patch)
}

impl Mark {
    fn render(&self) -> Value {
        let mut taint = json!(self.more);
        taint["key"] = json!(self.key);
        taint["effect"] = json!(self.effect);
        if !self.value.is_empty() {
            taint["value"] = json!(self.value);
        }
        taint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::ask;

    #[test]
    fn what_is_missing_is_put_back_and_what_others_added_stays() {
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut group = ask(1, 1).groups[1].clone();
        group.node_labels = BTreeMap::from([text("disk", "ssd")]);
        group.node_taints = vec![BTreeMap::from([text("key", "gpu"), text("effect", "NoSchedule")])];
        let full = BTreeMap::from([
            text("disk", "ssd"),
            text("kubernetes.io/os", "linux"),
            text("magnum.openstack.org/nodegroup", "default-worker"),
            text("magnum.openstack.org/role", "worker"),
        ]);
        let mut others = full.clone();
        others.insert("disk".into(), "hdd".into());
        others.remove("magnum.openstack.org/role");
        let taint = |key: &str, value: &str| -> Mark {
            serde_json::from_value(
                json!({"key": key, "value": value, "effect": "NoSchedule", "timeAdded": "now"}),
            )
            .unwrap()
        };
        let of = |labels: &BTreeMap<String, String>, taints: &[Mark]| {
            let node = Marks {
                name: "n",
                version: "7",
                labels,
                taints,
            };
            patch(node, &group)
        };
        assert_eq!(of(&full, &[taint("gpu", ""), taint("mine", "x")]), None);
        assert_eq!(
            of(&others, &[taint("gpu", "")]).unwrap(),
            json!({"metadata": {"resourceVersion": "7",
                "labels": {"disk": "ssd", "magnum.openstack.org/role": "worker"}}})
        );
        assert_eq!(
            of(&full, &[taint("gpu", "other"), taint("mine", "x")]).unwrap(),
            json!({"metadata": {"resourceVersion": "7"}, "spec": {"taints": [
                {"key": "mine", "value": "x", "effect": "NoSchedule", "timeAdded": "now"},
                {"key": "gpu", "effect": "NoSchedule"},
            ]}})
        );
    }
}
