//! One look at an add-on: is it of the revision that it should be, and do its pods run?

use std::collections::BTreeMap;

use jeroboam_addons::ADD_ON_LABEL;
use jeroboam_blueprint::api::Api;
use jeroboam_driver::{Access, AddOnState, Ask};
use jeroboam_types::cluster;
use serde::Deserialize;
use serde_json::Value;

use super::set;

/// Longest lists, in bytes: pods are the tenant's, who may make them say anything.
const LONGEST_LIST: usize = 16 << 20;

/// Characters of what pods and events say.
const LONGEST_CAUSE: usize = 300;

/// Why a container does not start, as long as nobody changes something.
const STUCK: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
];

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Workload {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
struct Spec {
    replicas: Option<i64>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    generation: i64,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    conditions: Vec<Condition>,
    init_container_statuses: Vec<Container>,
    container_statuses: Vec<Container>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    image: String,
    #[serde(default)]
    state: ContainerState,
}

#[derive(Default, Deserialize)]
struct ContainerState {
    waiting: Option<Waiting>,
}

#[derive(Deserialize)]
struct Waiting {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl Workload {
    fn count(&self, name: &str) -> i64 {
        self.status.get(name).and_then(Value::as_i64).unwrap_or(0)
    }

    /// How many of its pods are ready, of how many.
    fn progress(&self, kind: &str) -> (i64, i64) {
        let asked = match kind {
            "daemonsets" => self.count("desiredNumberScheduled"),
            _ => self.spec.replicas.unwrap_or(1),
        };
        if self.count("observedGeneration") < self.metadata.generation {
            return (0, asked.max(1));
        }
        let (ready, new) = match kind {
            "daemonsets" => ("numberReady", "updatedNumberScheduled"),
            _ => ("readyReplicas", "updatedReplicas"),
        };
        (self.count(ready).min(self.count(new)), asked)
    }
}

/// Looks once.
pub(crate) async fn look(ask: &Ask, name: &str, revision: &str, access: &Access) -> AddOnState {
    match try_look(ask, name, revision, access).await {
        Ok(state) => state,
        Err(reason) => AddOnState::NotYet(reason),
    }
}

async fn try_look(ask: &Ask, name: &str, revision: &str, access: &Access) -> Result<AddOnState, String> {
    let api = Api::new("Kubernetes API", access)?;
    match set::find(&api, name).await? {
        Some(standing) if standing.revision == revision => {}
        _ => return Ok(AddOnState::Outdated),
    }
    if let Some(cause) = stuck(&api, name).await? {
        return Ok(AddOnState::Stuck(cause));
    }
    for kind in ["deployments", "daemonsets", "statefulsets"] {
        let path = format!("apis/apps/v1/{kind}?labelSelector={}", set::members_of(name));
        let List { items } = api.load::<List<Workload>>(&path, LONGEST_LIST, |_| None).await?;
        for workload in items {
            let (ready, asked) = workload.progress(kind);
            if ready < asked {
                let what = &workload.metadata.name;
                return Ok(AddOnState::NotYet(format!(
                    "{ready} of {asked} pods of {what} are ready"
                )));
            }
        }
    }
    // A DaemonSet knows only of nodes that are there.
    let asked = cluster::node_count(&ask.groups, true) + cluster::node_count(&ask.groups, false);
    let there = count_nodes(&api).await?;
    if there < i64::from(asked) {
        return Ok(AddOnState::NotYet(format!("{there} of {asked} nodes are there")));
    }
    Ok(AddOnState::Ready)
}

async fn count_nodes(api: &Api) -> Result<i64, String> {
    #[derive(Deserialize)]
    struct Nodes {
        metadata: Remaining,
        items: Vec<Value>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Remaining {
        #[serde(default)]
        remaining_item_count: i64,
    }
    let nodes: Nodes = api.load("api/v1/nodes?limit=1", LONGEST_LIST, |_| None).await?;
    Ok(nodes.metadata.remaining_item_count + i64::try_from(nodes.items.len()).unwrap_or(0))
}

/// What keeps a pod of the add-on from ever starting.
async fn stuck(api: &Api, name: &str) -> Result<Option<String>, String> {
    let path = format!(
        "api/v1/pods?labelSelector={}%3D{name}",
        ADD_ON_LABEL.replace('/', "%2F")
    );
    let List { items } = api.load::<List<Pod>>(&path, LONGEST_LIST, |_| None).await?;
    for pod in &items {
        let containers = pod.status.init_container_statuses.iter();
        for container in containers.chain(&pod.status.container_statuses) {
            let Some(waiting) = &container.state.waiting else {
                continue;
            };
            if STUCK.contains(&waiting.reason.as_str()) {
                let told = told_by_events(api, pod).await.unwrap_or_default();
                let cause = if told.is_empty() {
                    waiting.message.clone()
                } else {
                    told
                };
                let image = &container.image;
                let cause = innermost(&cause);
                let text = format!("image {image} cannot be pulled ({}): {cause}", waiting.reason);
                return Ok(Some(short(&text)));
            }
        }
    }
    let unscheduled = items.iter().flat_map(|pod| &pod.status.conditions);
    let mut unscheduled = unscheduled.filter(|one| one.kind == "PodScheduled" && one.status == "False");
    match unscheduled.find(|condition| !condition.message.is_empty()) {
        // Nodes that are not there yet are no cause.
        Some(condition) => Err(format!("a pod waits for a node: {}", short(&condition.message))),
        None => Ok(None),
    }
}

/// The last word about a pull: the pod itself tells the cause only now and then.
async fn told_by_events(api: &Api, pod: &Pod) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(default)]
        message: String,
    }
    let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
    let path = format!(
        "api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name%3D{name}%2Creason%3DFailed"
    );
    let List { items } = api.load::<List<Event>>(&path, LONGEST_LIST, |_| None).await?;
    let mut messages = items.into_iter().map(|event| event.message);
    Ok(messages
        .rfind(|message| message.contains("pull image"))
        .unwrap_or_default())
}

/// What those who pull an image put before the cause, each with the image's name once more.
const WRAPPINGS: [&str; 5] = [
    "Failed to pull image ",
    "failed to pull and unpack image ",
    "failed to resolve reference ",
    "failed to do request",
    "rpc error",
];

/// What somebody said first, without what others have put before it.
fn innermost(message: &str) -> &str {
    let mut rest = message.trim();
    loop {
        rest = match (rest.split_once(" desc = "), rest.split_once(": ")) {
            (Some((code, within)), _) if code.starts_with("code = ") => within,
            (_, Some((said, cause))) if WRAPPINGS.iter().any(|wrapping| said.starts_with(wrapping)) => cause,
            _ => return rest,
        }
    }
}

/// What a tenant's objects say is cut, and is one line.
fn short(text: &str) -> String {
    let text: String = text.chars().take(LONGEST_CAUSE).collect();
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_pull_that_failed_comes_before_everything_is_cut() {
        let image = format!("registry.example/{}/web:v1", "long/".repeat(20));
        let cause = "dial tcp: lookup registry.example on 9.9.9.9:53: no such host";
        let request = format!("Head \"https://registry.example/v2/web/manifests/v1\": {cause}");
        let pull = format!(
            "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": failed to do request: {request}"
        );
        for said in [
            format!("Failed to pull image \"{image}\": rpc error: code = Unknown desc = {pull}"),
            format!("Failed to pull image \"{image}\": {pull}"),
            pull,
        ] {
            assert_eq!(innermost(&said), request);
        }
        let missing = format!("failed to resolve reference \"{image}\": {image}: not found");
        assert_eq!(innermost(&missing), format!("{image}: not found"));
        for plain in [
            "Back-off pulling image \"web:v1\"",
            "",
            "rpc error",
            "code = 5: x",
        ] {
            assert_eq!(innermost(plain), plain);
        }
    }
}
