//! etcd of the control plane, seen and changed through the Kubernetes API alone: short-lived pods of etcd's own image,
//! on a master that stays, run `etcdctl` with that master's certificates.
//!
//! Nothing is remembered here: which pods there are, and how they ended, says what has been done. One that fails is
//! made again, and carries the cause of the last failure until it succeeds. So each call may be repeated, also after
//! a crash between any two. See ADR 10.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use jeroboam_blueprint::api::{Api, Method, Response, StatusCode};
use jeroboam_blueprint::nodes;
use jeroboam_driver::{Ask, Leaving};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::kubeadm::CERTIFICATES;

/// Where masters keep snapshots: one for each master that has left, of the moment before it did.
const SNAPSHOTS: &str = "/var/lib/jeroboam/etcd";

const NAMESPACE: &str = "api/v1/namespaces/kube-system/pods";

/// Annotation of a pod that was made again: why the one before it failed.
const LAST_FAILURE: &str = "jeroboam.io/last-failure";

/// Label of our pods: the master that they are for.
const LEAVING: &str = "jeroboam.io/leaving";

/// Longest answers, in bytes.
const LONGEST_OBJECT: usize = 1 << 20;

/// A list of members and a snapshot that are older than this are made anew.
const FRESH_MINS: i64 = 15;

/// Seconds for one pod; a snapshot of etcd's largest database, 8 GiB, takes a few minutes.
const POD_SECS: u32 = 600;

/// Characters of a cause that are shown.
const LONGEST_CAUSE: usize = 300;

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    creation_timestamp: Option<DateTime<Utc>>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default)]
    node_name: String,
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    image: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    message: String,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    state: ContainerState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    terminated: Option<Terminated>,
}

#[derive(Deserialize)]
struct Waiting {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    exit_code: i32,
    #[serde(default)]
    message: String,
}

impl Pod {
    /// Why it failed: the last line of what `etcdctl` said.
    fn cause(&self) -> String {
        let ended = self.status.container_statuses.iter();
        let failed = ended.filter_map(|status| status.state.terminated.as_ref());
        let said = failed.filter(|ended| ended.exit_code != 0).find_map(|ended| {
            ended
                .message
                .lines()
                .map(str::trim)
                .rfind(|line| !line.is_empty())
        });
        let cause = match (said, self.status.message.as_str()) {
            (Some(said), _) => said,
            (None, "") => "without a word",
            (None, message) => message,
        };
        cause.chars().take(LONGEST_CAUSE).collect()
    }

    /// What it waits for, if the kubelet says so.
    fn waits_for(&self) -> Option<&str> {
        let mut statuses = self.status.container_statuses.iter();
        let reason = statuses.find_map(|status| Some(status.state.waiting.as_ref()?.reason.as_str()));
        reason.filter(|reason| !reason.is_empty() && *reason != "ContainerCreating")
    }
}

#[derive(Deserialize)]
struct Node {
    status: NodeStatus,
}

#[derive(Deserialize)]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// `etcdctl member list -w json`
#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    #[serde(rename = "ID")]
    id: u64,
    /// Name of the node; empty for one that has never started.
    #[serde(default)]
    name: String,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
}

/// What a pod runs: names of containers and arguments of `etcdctl`.
type Commands<'a> = &'a [(&'a str, Vec<String>)];

/// etcd of a cluster that a master leaves.
pub(crate) struct Etcd<'a> {
    api: &'a Api,
    host_name: &'a str,
    /// What the others reach its member at; `None` where its address is not known.
    peer_url: Option<String>,
    /// Masters that stay, those that stay longest first.
    staying: Vec<String>,
}

impl<'a> Etcd<'a> {
    /// Of the cluster of `ask` that a master leaves.
    pub(crate) fn new(api: &'a Api, ask: &Ask, leaving: &Leaving<'a>) -> Self {
        let host_name = leaving.host_name;
        let mut staying: Vec<(bool, Reverse<u32>, u32, String)> = Vec::new();
        for node in nodes::nodes(&ask.groups).iter().filter(|node| node.manager) {
            let roll = node.group.roll.as_ref();
            let name = ask.cloud_name(&node.key("server"));
            if name == host_name || roll.is_some_and(|roll| roll.out.contains(&node.number)) {
                continue;
            }
            // Of those that are replaced in their turn the last has the most time.
            let is_behind = roll.is_some_and(|roll| roll.behind.contains_key(&node.number));
            let turn = Reverse(if is_behind { node.number } else { 0 });
            staying.push((is_behind, turn, node.number, name));
        }
        staying.sort();
        Self {
            api,
            host_name,
            peer_url: leaving.address.map(|address| format!("https://{address}:2380")),
            staying: staying.into_iter().map(|(.., name)| name).collect(),
        }
    }

    fn look_pod(&self) -> String {
        format!("jeroboam-etcd-look-{}", self.host_name)
    }

    fn removal_pod(id: u64) -> String {
        format!("jeroboam-etcd-remove-{id:x}")
    }

    /// Saves a snapshot on a master that stays, and a list of the members with it. Gives what is waited for.
    pub(crate) async fn save(&self) -> Result<Option<String>, String> {
        let path = format!(
            "--endpoints=https://127.0.0.1:2379 snapshot save {SNAPSHOTS}/before-{}.db",
            self.host_name
        );
        let commands = [
            (
                "members",
                words("--endpoints=https://127.0.0.1:2379 member list -w json"),
            ),
            ("snapshot", words(&path)),
        ];
        let pod = self.look_pod();
        if let Some((known, age)) = self.find::<Pod>(&format!("{NAMESPACE}/{pod}")).await?
            && (age.is_some_and(|now| is_stale(&known, now)) || !self.staying.contains(&known.spec.node_name))
        {
            self.delete(&pod).await?;
        }
        self.run(&pod, "a snapshot of etcd is not saved yet", &commands)
            .await
    }

    /// Takes the master out of etcd, after [`Self::save`]. Gives what is waited for.
    pub(crate) async fn remove_member(&self) -> Result<Option<String>, String> {
        for id in self.members().await? {
            let remove = words(&format!(
                "--endpoints=https://127.0.0.1:2379 member remove {id:x}"
            ));
            let pod = Self::removal_pod(id);
            let waiting = self
                .run(&pod, "it is not out of etcd yet", &[("remove", remove)])
                .await?;
            if waiting.is_some() {
                return Ok(waiting);
            }
        }
        Ok(None)
    }

    /// Removes what the other steps have left in the cluster.
    pub(crate) async fn clean_up(&self) -> Result<(), String> {
        let path = format!(
            "{NAMESPACE}?labelSelector={}%3D{}",
            LEAVING.replace('/', "%2F"),
            self.host_name
        );
        let body = Some(("application/json", &at_once()));
        self.api.must_change(Method::DELETE, &path, body).await
    }

    /// Ids of the master's members, as the list of [`Self::save`] has them: by its name, and by its address that of a
    /// machine whose etcd never started.
    async fn members(&self) -> Result<Vec<u64>, String> {
        let path = format!("{NAMESPACE}/{}/log?container=members", self.look_pod());
        let Members { members } = self.api.load(&path, LONGEST_OBJECT, |_| None).await?;
        let is_own = |member: &&Member| {
            let by_address = self.peer_url.as_ref();
            member.name == self.host_name || by_address.is_some_and(|url| member.peer_urls.contains(url))
        };
        Ok(members.iter().filter(is_own).map(|member| member.id).collect())
    }

    /// Runs a pod to its end. Gives what is waited for, which begins with `unfinished`.
    async fn run(
        &self,
        name: &str,
        unfinished: &str,
        commands: Commands<'_>,
    ) -> Result<Option<String>, String> {
        let Some((pod, _)) = self.find::<Pod>(&format!("{NAMESPACE}/{name}")).await? else {
            self.start(name, commands, None).await?;
            return Ok(Some(unfinished.to_owned()));
        };
        let node = &pod.spec.node_name;
        let cause = match pod.status.phase.as_str() {
            "Succeeded" => return Ok(None),
            "Failed" => {
                let cause = pod.cause();
                self.delete(name).await?;
                self.start(name, commands, Some(&cause)).await?;
                Some(format!("etcdctl on {node} failed: {cause}"))
            }
            _ if !self.is_ready(node).await? => {
                let cause = format!("{node} is not ready");
                self.delete(name).await?;
                self.start(name, commands, Some(&cause)).await?;
                Some(cause)
            }
            _ => match (pod.metadata.annotations.get(LAST_FAILURE), pod.waits_for()) {
                (Some(cause), _) => Some(format!("etcdctl failed: {cause}")),
                (None, Some(reason)) => Some(format!("pod {name} on {node} waits: {reason}")),
                (None, None) => None,
            },
        };
        Ok(Some(match cause {
            Some(cause) => format!("{unfinished}: {cause}"),
            None => unfinished.to_owned(),
        }))
    }

    async fn start(&self, name: &str, commands: Commands<'_>, failure: Option<&str>) -> Result<(), String> {
        let (node, image) = self.place().await?;
        let pod = pod(name, self.host_name, &node, &image, commands, failure);
        let body = Some(("application/json", &pod));
        self.api.must_change(Method::POST, NAMESPACE, body).await
    }

    /// A master that stays and has an etcd, and the image of that.
    async fn place(&self) -> Result<(String, String), String> {
        for node in &self.staying {
            let path = format!("{NAMESPACE}/etcd-{node}");
            let Some((etcd, _)) = self.find::<Pod>(&path).await? else {
                continue;
            };
            if let ("Running", Some(container)) = (etcd.status.phase.as_str(), etcd.spec.containers.first())
                && self.is_ready(node).await?
            {
                return Ok((node.clone(), container.image.clone()));
            }
        }
        Err("no other master is ready and has a running etcd".to_owned())
    }

    async fn is_ready(&self, node: &str) -> Result<bool, String> {
        let found = self.find::<Node>(&format!("api/v1/nodes/{node}")).await?;
        Ok(found.is_some_and(|(node, _)| {
            let mut conditions = node.status.conditions.iter();
            conditions.any(|condition| condition.kind == "Ready" && condition.status == "True")
        }))
    }

    /// An object, and the time on the API's clock; `None` for one that is not there.
    async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<(T, Option<DateTime<Utc>>)>, String> {
        let answer = self.api.ask(path).await?;
        let (status, now) = (answer.status(), date_of(&answer));
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let body = self.api.body(answer, LONGEST_OBJECT).await?;
        if !status.is_success() {
            return Err(format!("the Kubernetes API answers {status}"));
        }
        match serde_json::from_slice(&body) {
            Ok(found) => Ok(Some((found, now))),
            Err(_) => Err("the Kubernetes API answers badly".to_owned()),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), String> {
        let path = format!("{NAMESPACE}/{name}");
        let body = Some(("application/json", &at_once()));
        self.api.must_change(Method::DELETE, &path, body).await
    }
}

/// How a pod is deleted: what it does is over, or nobody can stop it.
fn at_once() -> Value {
    json!({"gracePeriodSeconds": 0})
}

/// The `Date` of an answer.
fn date_of(answer: &Response) -> Option<DateTime<Utc>> {
    let text = answer.headers().get("date")?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

fn is_stale(pod: &Pod, now: DateTime<Utc>) -> bool {
    let made = pod.metadata.creation_timestamp;
    made.is_some_and(|made| now - made > TimeDelta::minutes(FRESH_MINS))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A pod on one node, whatever its taints, beside that node's etcd.
fn pod(
    name: &str,
    leaving: &str,
    node: &str,
    image: &str,
    commands: Commands<'_>,
    failure: Option<&str>,
) -> Value {
    let keys = format!("{CERTIFICATES}/etcd");
    let containers: Vec<Value> = commands
        .iter()
        .map(|(name, arguments)| {
            let fixed = [
                "etcdctl".to_owned(),
                format!("--cacert={keys}/ca.crt"),
                format!("--cert={keys}/healthcheck-client.crt"),
                format!("--key={keys}/healthcheck-client.key"),
            ];
            let command: Vec<&String> = fixed.iter().chain(arguments).collect();
            json!({
                "name": name,
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": command,
                "env": [{"name": "ETCDCTL_API", "value": "3"}],
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "keys", "mountPath": keys, "readOnly": true},
                    {"name": "snapshots", "mountPath": SNAPSHOTS},
                ],
            })
        })
        .collect();
    let annotations: BTreeMap<&str, &str> = failure.map(|cause| (LAST_FAILURE, cause)).into_iter().collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "labels": {"app.kubernetes.io/managed-by": "jeroboam", LEAVING: leaving},
            "annotations": annotations,
        },
        "spec": {
            "nodeName": node,
            "hostNetwork": true,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": POD_SECS,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsUser": 0},
            "containers": containers,
            "volumes": [
                {"name": "keys", "hostPath": {"path": keys, "type": "Directory"}},
                {"name": "snapshots", "hostPath": {"path": SNAPSHOTS, "type": "DirectoryOrCreate"}},
            ],
        },
    })
}

#[cfg(test)]
mod tests;
