//! Applying: server-side, as a set that knows its members.
//!
//! Each add-on is an apply set (KEP-3659): a ConfigMap in `kube-system` stands for it, says which kinds it has and
//! of which revision it is, and every object of it has a label with the set's id. The revision is written last, so
//! what was interrupted anywhere is applied again; what has the label and is not wanted any more is removed, and
//! nothing else ever is. With it the fingerprints of all members are written, by which [`super::drift`] knows them.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jeroboam_addons::Objects;
use jeroboam_blueprint::api::{Api, Method, StatusCode};
use jeroboam_driver::{Access, AddOnState, Departure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::drift::{Fingerprints, fingerprint};

/// Who applies.
pub(super) const MANAGER: &str = "jeroboam";

/// Where the sets stand.
const NAMESPACE: &str = "kube-system";

/// Namespaces that are Kubernetes' own, whoever says that they are his.
const KEPT_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Kinds that are merged into what is there, field by field: the API server of older releases crashes on a server-side
/// apply of them (kubernetes/kubernetes issue 89264).
const MERGED: [&str; 1] = ["APIService.apiregistration.k8s.io"];

const PART_OF: &str = "applyset.kubernetes.io/part-of";
const SET_ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const REVISION: &str = "jeroboam.openstack.org/revision";

/// Key of the fingerprints in the ConfigMap.
const FINGERPRINTS: &str = "fingerprints";

/// Longest documents, in bytes: what a cluster's tenants put there may make them long.
const LONGEST_DOCUMENT: usize = 4 << 20;
const LONGEST_LIST: usize = 32 << 20;

/// A kind without its version, as the set has it: `DaemonSet.apps`, `ConfigMap`.
type GroupKind = String;

/// The set of an add-on as it stands in the cluster.
pub(crate) struct Standing {
    /// Revision that has been applied whole; empty while it is being applied or removed.
    pub(crate) revision: String,
    pub(super) kinds: BTreeSet<GroupKind>,
    /// Of what was applied; `None` when that is not known.
    pub(super) fingerprints: Option<Fingerprints>,
}

/// Label selector of the members of an add-on's set.
pub(crate) fn members_of(name: &str) -> String {
    format!("{PART_OF}%3D{}", set_id(name))
}

/// Why a change did not come about.
pub(super) enum Failure {
    /// The API does not answer, or not yet as it should.
    NotYet(String),
    /// It refused.
    Refused(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::NotYet(reason)
    }
}

impl From<Failure> for AddOnState {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotYet(reason) => Self::NotYet(reason),
            Failure::Refused(reason) => Self::Stuck(reason),
        }
    }
}

/// Applies all objects, removes what is too much, and writes the revision.
pub(crate) async fn apply(name: &str, revision: &str, objects: Objects, access: &Access) -> AddOnState {
    match try_apply(name, revision, objects, access).await {
        Ok(()) => AddOnState::NotYet("applied".to_owned()),
        Err(failure) => failure.into(),
    }
}

async fn try_apply(name: &str, revision: &str, objects: Objects, access: &Access) -> Result<(), Failure> {
    let cluster = Cluster::open(access)?;
    let standing = find(&cluster.api, name).await?;
    let kinds: BTreeSet<GroupKind> = objects.0.iter().map(group_kind).collect();
    let mut all = kinds.clone();
    all.extend(standing.into_iter().flat_map(|standing| standing.kinds));
    // Whatever is applied from here on is of a kind that the set knows.
    cluster.write_set(name, "", &all, None).await?;
    let mut cluster = cluster;
    let mut wanted = BTreeSet::new();
    for mut object in objects.0 {
        object["metadata"]["labels"][PART_OF] = json!(set_id(name));
        object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!(MANAGER);
        let place = cluster.place(&object).await?;
        if place.namespaced && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        }
        if !place.namespaced
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("namespace");
        }
        wanted.insert((group_kind(&object), place_of(&object)));
        cluster.apply(&place, &object).await?;
    }
    let mut fingerprints = Fingerprints::new();
    for kind in &all {
        let Some((place, members)) = cluster.members(name, kind).await? else {
            continue;
        };
        for member in members {
            if wanted.contains(&(kind.clone(), place_of(&member))) {
                fingerprints.extend(fingerprint(kind, &member));
            } else {
                cluster.remove_member(kind, &place, &member).await?;
            }
        }
    }
    cluster
        .write_set(name, revision, &kinds, Some(&fingerprints))
        .await
}

/// Removes every object of the set, and then what stands for it.
pub(crate) async fn remove(name: &str, access: &Access) -> Departure {
    match try_remove(name, access).await {
        Ok(true) => Departure::Gone,
        Ok(false) => Departure::NotYet("its objects are being removed".to_owned()),
        Err(Failure::NotYet(reason) | Failure::Refused(reason)) => Departure::NotYet(reason),
    }
}

async fn try_remove(name: &str, access: &Access) -> Result<bool, Failure> {
    let mut cluster = Cluster::open(access)?;
    let Some(standing) = find(&cluster.api, name).await? else {
        return Ok(true);
    };
    cluster.write_set(name, "", &standing.kinds, None).await?;
    let mut is_any_left = false;
    // What others are made by goes before what they are in.
    for kind in standing.kinds.iter().rev() {
        let Some((place, members)) = cluster.members(name, kind).await? else {
            continue;
        };
        for member in members {
            is_any_left |= cluster.remove_member(kind, &place, &member).await?;
        }
    }
    if is_any_left {
        return Ok(false);
    }
    cluster
        .api
        .must_change(Method::DELETE, &set_path(name), None)
        .await?;
    Ok(true)
}

/// The set of an add-on, if there is one.
pub(crate) async fn find(api: &Api, name: &str) -> Result<Option<Standing>, String> {
    #[derive(Deserialize)]
    struct Parent {
        metadata: Metadata,
        #[serde(default)]
        data: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let answer = api.ask(&set_path(name)).await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.status().is_success() {
        return Err(format!("the Kubernetes API answers {}", answer.status()));
    }
    let body = api.body(answer, LONGEST_DOCUMENT).await?;
    let parent: Parent =
        serde_json::from_slice(&body).map_err(|_| "the Kubernetes API answers badly".to_owned())?;
    let annotations = parent.metadata.annotations;
    let text = |key: &str| annotations.get(key).cloned().unwrap_or_default();
    let kinds = text(KINDS);
    let kinds = kinds.split(',').filter(|kind| !kind.is_empty());
    Ok(Some(Standing {
        revision: text(REVISION),
        kinds: kinds.map(str::to_owned).collect(),
        fingerprints: parent
            .data
            .get(FINGERPRINTS)
            .and_then(|text| serde_json::from_str(text).ok()),
    }))
}

fn set_name(name: &str) -> String {
    format!("jeroboam-add-on-{name}")
}

fn set_path(name: &str) -> String {
    format!("api/v1/namespaces/{NAMESPACE}/configmaps/{}", set_name(name))
}

/// Id of a set, as the KEP has it.
fn set_id(name: &str) -> String {
    let parent = format!("{}.{NAMESPACE}.ConfigMap.", set_name(name));
    let hash = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, parent.as_bytes()));
    format!("applyset-{hash}-v1")
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Group and version of an `apiVersion`.
fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

fn group_kind(object: &Value) -> GroupKind {
    let (group, _) = group_version(text(object, "/apiVersion"));
    let kind = text(object, "/kind");
    if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    }
}

/// Namespace and name.
pub(super) fn place_of(object: &Value) -> (String, String) {
    let metadata = |key: &str| text(object, &format!("/metadata/{key}")).to_owned();
    (metadata("namespace"), metadata("name"))
}

/// A kind in the API.
#[derive(Clone)]
pub(super) struct Place {
    /// Such as `apis/apps/v1`.
    root: String,
    /// Such as `daemonsets`.
    plural: String,
    namespaced: bool,
}

impl Place {
    fn all(&self, namespace: &str) -> String {
        match self.namespaced {
            true => format!("{}/namespaces/{namespace}/{}", self.root, self.plural),
            false => format!("{}/{}", self.root, self.plural),
        }
    }

    fn path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.all(namespace))
    }
}

/// The API, and what is known of it.
pub(super) struct Cluster {
    pub(super) api: Api,
    /// Kinds by the root that they are below.
    known: BTreeMap<String, Vec<Known>>,
}

#[derive(Clone, Deserialize)]
struct Known {
    name: String,
    kind: String,
    namespaced: bool,
}

impl Cluster {
    pub(super) fn open(access: &Access) -> Result<Self, Failure> {
        Ok(Self {
            api: Api::new("Kubernetes API", access)?,
            known: BTreeMap::new(),
        })
    }

    async fn write_set(
        &self,
        name: &str,
        revision: &str,
        kinds: &BTreeSet<GroupKind>,
        fingerprints: Option<&Fingerprints>,
    ) -> Result<(), Failure> {
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let mut set = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": set_name(name),
                "namespace": NAMESPACE,
                "labels": {SET_ID: set_id(name), "app.kubernetes.io/managed-by": MANAGER},
                "annotations": {TOOLING: format!("{MANAGER}/v1"), KINDS: kinds.join(","), REVISION: revision},
            },
        });
        if let Some(fingerprints) = fingerprints {
            set["data"] = json!({FINGERPRINTS: json!(fingerprints).to_string()});
        }
        self.patch(&set_path(name), &set).await
    }

    async fn apply(&self, place: &Place, object: &Value) -> Result<(), Failure> {
        let (namespace, name) = place_of(object);
        let path = place.path(&namespace, &name);
        match MERGED.contains(&group_kind(object).as_str()) {
            true => self.merge(&path, &place.all(&namespace), object).await,
            false => self.patch(&path, object).await,
        }
    }

    async fn patch(&self, path: &str, object: &Value) -> Result<(), Failure> {
        let path = format!("{path}?fieldManager={MANAGER}&force=true");
        let body = Some(("application/apply-patch+yaml", object));
        let (status, message) = self.api.change(Method::PATCH, &path, body).await?;
        Self::check(object, status, &message)
    }

    async fn merge(&self, path: &str, all: &str, object: &Value) -> Result<(), Failure> {
        let body = Some(("application/merge-patch+json", object));
        let path = format!("{path}?fieldManager={MANAGER}");
        let (mut status, mut message) = self.api.change(Method::PATCH, &path, body).await?;
        if status == StatusCode::NOT_FOUND {
            let path = format!("{all}?fieldManager={MANAGER}");
            let body = Some(("application/json", object));
            (status, message) = self.api.change(Method::POST, &path, body).await?;
        }
        Self::check(object, status, &message)
    }

    /// What an answer to a change of an object means.
    fn check(object: &Value, status: StatusCode, message: &str) -> Result<(), Failure> {
        if status.is_success() {
            return Ok(());
        }
        let (kind, (_, name)) = (text(object, "/kind"), place_of(object));
        // A refusal may quote what it refuses.
        let message = if kind == "Secret" {
            String::new()
        } else {
            format!(": {message}")
        };
        let reason = format!("the Kubernetes API does not take {kind} {name}: {status}{message}");
        // An admission webhook that is not up yet answers with 500, and quotas and races with 403 and 409.
        Err(match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Failure::Refused(reason),
            _ => Failure::NotYet(reason),
        })
    }

    /// Where objects like this one are.
    async fn place(&mut self, object: &Value) -> Result<Place, Failure> {
        let (group, version) = group_version(text(object, "/apiVersion"));
        let kind = text(object, "/kind");
        match self.find_place(group, version, kind).await? {
            Some(place) => Ok(place),
            // Its definition may have been applied a moment ago.
            None => Err(Failure::NotYet(format!(
                "the Kubernetes API does not know {kind} of {}",
                text(object, "/apiVersion")
            ))),
        }
    }

    async fn find_place(&mut self, group: &str, version: &str, kind: &str) -> Result<Option<Place>, Failure> {
        #[derive(Deserialize)]
        struct Kinds {
            resources: Vec<Known>,
        }
        let root = match group {
            "" => format!("api/{version}"),
            group => format!("apis/{group}/{version}"),
        };
        let find = |known: &[Known]| {
            let mut known = known.iter();
            known
                .find(|known| known.kind == kind && !known.name.contains('/'))
                .cloned()
        };
        let mut found = self.known.get(&root).and_then(|known| find(known.as_slice()));
        if found.is_none() {
            let Some(Kinds { resources }) = self.load_if_there(&root).await? else {
                return Ok(None);
            };
            found = find(resources.as_slice());
            self.known.insert(root.clone(), resources);
        }
        Ok(found.map(|known| Place {
            root,
            plural: known.name,
            namespaced: known.namespaced,
        }))
    }

    async fn load_if_there<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        let answer = self.api.ask(path).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if !status.is_success() => {
                Err(Failure::NotYet(format!("the Kubernetes API answers {status}")))
            }
            _ => {
                let body = self.api.body(answer, LONGEST_LIST).await?;
                let read = serde_json::from_slice(&body);
                read.map(Some)
                    .map_err(|_| Failure::NotYet("the Kubernetes API answers badly".to_owned()))
            }
        }
    }

    /// The members of a kind, and where they are; `None` when the API does not know the kind any more.
    pub(super) async fn members(
        &mut self,
        name: &str,
        kind: &str,
    ) -> Result<Option<(Place, Vec<Value>)>, Failure> {
        #[derive(Deserialize)]
        struct Group {
            #[serde(rename = "preferredVersion")]
            preferred: Preferred,
        }
        #[derive(Deserialize)]
        struct Preferred {
            version: String,
        }
        #[derive(Deserialize)]
        struct Members {
            items: Vec<Value>,
        }
        let (kind_name, group) = kind.split_once('.').unwrap_or((kind, ""));
        let version = match group {
            "" => "v1".to_owned(),
            group => match self.load_if_there::<Group>(&format!("apis/{group}")).await? {
                Some(found) => found.preferred.version,
                None => return Ok(None),
            },
        };
        let Some(place) = self.find_place(group, &version, kind_name).await? else {
            return Ok(None);
        };
        let path = format!(
            "{}/{}?labelSelector={}",
            place.root,
            place.plural,
            members_of(name)
        );
        let members = self.load_if_there::<Members>(&path).await?;
        Ok(members.map(|members| (place, members.items)))
    }

    /// Removes a member. `false` for what is never removed.
    async fn remove_member(&self, kind: &str, place: &Place, member: &Value) -> Result<bool, Failure> {
        let (namespace, name) = place_of(member);
        if kind == "Namespace" && KEPT_NAMESPACES.contains(&name.as_str()) {
            return Ok(false);
        }
        if member["metadata"]["deletionTimestamp"].is_null() {
            let body = json!({"propagationPolicy": "Background"});
            let path = place.path(&namespace, &name);
            let body = Some(("application/json", &body));
            self.api.must_change(Method::DELETE, &path, body).await?;
        }
        Ok(true)
    }
}
