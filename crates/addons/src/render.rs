//! The objects of an add-on: templates with their places filled.
//!
//! Values are put into the parsed document, not into its text, so that none can break out of its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::Variables;
use crate::catalogue::{Environment, Source};
use crate::chart::Rendering;
use crate::error::RenderError;
use crate::manifest::{self, FOR_EACH};
use crate::select::{Remote, Selected};

/// Label of pods: name of the add-on that they are of.
pub const ADD_ON_LABEL: &str = "jeroboam.openstack.org/add-on";

/// Objects in the order in which they are to be applied. Some hold secrets: they are not shown by accident.
#[derive(Clone, PartialEq)]
pub struct Objects(pub Vec<Value>);

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects", self.0.len())
    }
}

impl Objects {
    /// As documents of one file, which is JSON and so YAML too.
    pub fn documents(&self) -> String {
        let documents = self.0.iter().map(|object| format!("---\n{object:#}\n"));
        documents.collect()
    }
}

impl Selected<'_> {
    /// Makes the objects. `given` are values for [`crate::VARIABLES`], `prefix` is where all images come from instead
    /// of where the manifests say. `texts` has manifests by reference by their SHA-256 digests, and what Helm has made
    /// of charts by [`Rendering::key`].
    ///
    /// # Errors
    /// A text that is missing, not what the catalogue says, or no manifest.
    pub fn render(
        &self,
        given: &Variables,
        prefix: Option<&str>,
        texts: &BTreeMap<String, String>,
    ) -> Result<Objects, RenderError> {
        let variables = self.filled(given);
        let mut objects = Vec::new();
        for source in self.sources {
            match source {
                Source::Objects {
                    objects: own,
                    template: true,
                    ..
                } => {
                    own.iter()
                        .for_each(|object| expand(object, &variables, &mut objects));
                }
                Source::Objects { objects: own, .. } => objects.extend(own.iter().cloned()),
                Source::Remote(remote) => objects.extend(open(remote, texts)?),
                Source::Chart(chart) => objects.extend(open_chart(&chart.fill(&variables), texts)?),
            }
        }
        for object in &mut objects {
            encode_secret(object);
            name_protocols(object);
            quote_quantities(object);
            for environment in &self.add_on.environment {
                set_environment(object, environment, &variables);
            }
            if let Some(pod) = pod_template(object) {
                pod["metadata"]["labels"][ADD_ON_LABEL] = json!(self.add_on.name);
                if let Some(prefix) = prefix {
                    take_images_from(pod, prefix);
                }
            }
        }
        objects.sort_by_key(|object| rank(kind(object)));
        Ok(Objects(objects))
    }
}

fn open(remote: &Remote, texts: &BTreeMap<String, String>) -> Result<Vec<Value>, RenderError> {
    let url = &remote.url;
    let text = texts
        .get(&remote.sha256)
        .ok_or_else(|| RenderError::Missing(url.clone()))?;
    remote.check(text.as_bytes())?;
    manifest::parse(Path::new(url), text).map_err(|error| RenderError::Manifest(error.to_string()))
}

fn open_chart(
    rendering: &Rendering<'_>,
    texts: &BTreeMap<String, String>,
) -> Result<Vec<Value>, RenderError> {
    let chart = rendering.chart;
    let name = chart.to_string();
    let text = texts
        .get(&rendering.key())
        .ok_or_else(|| RenderError::Missing(name.clone()))?;
    let objects = manifest::parse(Path::new(&name), text);
    let mut objects = objects.map_err(|error| match rendering.has_secrets {
        // It may quote them.
        true => RenderError::Manifest(format!("what the chart {name} makes is no manifest")),
        false => RenderError::Manifest(format!("what the chart makes is no manifest: {error}")),
    })?;
    objects
        .iter_mut()
        .for_each(|object| chart.put_in_namespace(object));
    Ok(objects)
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

/// What comes first: what others are in or of, then what they refer to, and last what stands in the way of calls.
fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        "PriorityClass" | "ServiceAccount" | "Secret" | "ConfigMap" | "StorageClass" | "CSIDriver" => 2,
        "ClusterRole" | "Role" => 3,
        "ClusterRoleBinding" | "RoleBinding" => 4,
        "Service" => 5,
        "Deployment" | "DaemonSet" | "StatefulSet" | "Job" | "CronJob" | "Pod" => 7,
        "APIService" | "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => 8,
        _ => 6,
    }
}

/// Fills a template, as often as it is to be repeated.
fn expand(object: &Value, variables: &Variables, objects: &mut Vec<Value>) {
    let Some(list) = object.get(FOR_EACH).and_then(Value::as_str) else {
        objects.extend(fill(object, variables));
        return;
    };
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove(FOR_EACH);
    }
    for item in variables
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let mut own = variables.clone();
        for (key, value) in item.as_object().into_iter().flatten() {
            own.insert(format!("item.{key}"), value.clone());
        }
        objects.extend(fill(&object, &own));
    }
}

/// A value with its places filled; `None` for a place whose variable is nothing.
pub(crate) fn fill(value: &Value, variables: &Variables) -> Option<Value> {
    Some(match value {
        Value::String(text) => fill_text(text, variables)?,
        Value::Array(items) => items.iter().filter_map(|item| fill(item, variables)).collect(),
        Value::Object(map) => {
            let mut filled = Map::new();
            for (key, value) in map {
                let key = fill_text(key, variables)?;
                if let (Some(key), Some(value)) = (key.as_str(), fill(value, variables)) {
                    filled.insert(key.to_owned(), value);
                }
            }
            Value::Object(filled)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, variables: &Variables) -> Option<Value> {
    if !text.contains("${") {
        return Some(json!(text));
    }
    if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        && !name.contains('}')
    {
        return variables.get(name).filter(|value| !value.is_null()).cloned();
    }
    let mut lines = Vec::new();
    for line in text.split('\n') {
        // A line about what is nothing is left out, but not the only one.
        match fill_line(line, variables) {
            (line, true) => lines.push(line),
            (line, false) if !text.contains('\n') => lines.push(line),
            _ => {}
        }
    }
    Some(json!(lines.join("\n")))
}

/// The line, and whether it is about something.
fn fill_line(line: &str, variables: &Variables) -> (String, bool) {
    let (mut filled, mut rest, mut is_whole) = (String::new(), line, true);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        filled.push_str(before);
        match variables.get(name) {
            Some(Value::String(text)) => filled.push_str(text),
            Some(Value::Null) | None => is_whole = false,
            Some(other) => filled.push_str(&other.to_string()),
        }
        rest = behind;
    }
    filled.push_str(rest);
    (filled, is_whole)
}

/// Names of all places of a template.
pub(crate) fn placeholders(value: &Value, names: &mut BTreeSet<String>) {
    let mut text = |text: &str| {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else {
                break;
            };
            names.insert(name.to_owned());
            rest = behind;
        }
    };
    match value {
        Value::String(own) => text(own),
        Value::Array(items) => items.iter().for_each(|item| placeholders(item, names)),
        Value::Object(map) => {
            map.keys().for_each(|key| text(key));
            map.values().for_each(|item| placeholders(item, names));
        }
        _ => {}
    }
}

/// Server-side apply owns fields by name, and `stringData` is none that stays.
fn encode_secret(object: &mut Value) {
    if kind(object) != "Secret" {
        return;
    }
    let Some(map) = object.as_object_mut() else { return };
    if let Some(Value::Object(texts)) = map.remove("stringData") {
        let data = map.entry("data").or_insert_with(|| json!({}));
        for (key, text) in texts {
            data[key] = json!(BASE64_STANDARD.encode(text.as_str().unwrap_or_default()));
        }
    }
}

/// Lists of ports are merged by number and protocol, and older releases do not know the protocol's default when they do.
fn name_protocols(object: &mut Value) {
    let of_service = kind(object) == "Service";
    let lists: Vec<&mut Value> = match of_service {
        true => object.pointer_mut("/spec/ports").into_iter().collect(),
        false => pod_template(object)
            .into_iter()
            .flat_map(containers)
            .filter_map(|container| container.get_mut("ports"))
            .collect(),
    };
    for port in lists.into_iter().filter_map(Value::as_array_mut).flatten() {
        if let Some(port) = port.as_object_mut() {
            port.entry("protocol").or_insert_with(|| json!("TCP"));
        }
    }
}

/// Amounts may be written as numbers, which older releases do not take from a server-side apply.
fn quote_quantities(object: &mut Value) {
    let containers = pod_template(object).into_iter().flat_map(containers);
    for container in containers {
        for list in ["/resources/limits", "/resources/requests"] {
            let amounts = container.pointer_mut(list).and_then(Value::as_object_mut);
            for amount in amounts.into_iter().flat_map(|amounts| amounts.values_mut()) {
                if amount.is_number() {
                    *amount = json!(amount.to_string());
                }
            }
        }
    }
}

/// The template of the pods of an object.
fn pod_template(object: &mut Value) -> Option<&mut Value> {
    let pointer = match kind(object) {
        "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet" | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    object.pointer_mut(pointer).filter(|pod| pod.is_object())
}

fn containers(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = pod.get_mut("spec").and_then(Value::as_object_mut);
    let lists = spec.into_iter().flat_map(|spec| spec.iter_mut());
    let lists = lists.filter(|(name, _)| matches!(name.as_str(), "containers" | "initContainers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten()
}

/// Magnum's rule: a registry of one's own has all images side by side.
fn take_images_from(pod: &mut Value, prefix: &str) {
    for container in containers(pod) {
        if let Some(image) = container.get("image").and_then(Value::as_str) {
            let name = image.rsplit('/').next().unwrap_or(image);
            container["image"] = json!(format!("{}/{name}", prefix.trim_end_matches('/')));
        }
    }
}

fn set_environment(object: &mut Value, wanted: &Environment, variables: &Variables) {
    if kind(object) != wanted.kind || object["metadata"]["name"] != wanted.name.as_str() {
        return;
    }
    let Some(pod) = pod_template(object) else { return };
    for container in containers(pod).filter(|container| container["name"] == wanted.container.as_str()) {
        for (name, value) in &wanted.variables {
            let value = fill_line(value, variables).0;
            let entry = json!({"name": name, "value": value});
            match container["env"].as_array_mut() {
                Some(list) => match list.iter_mut().find(|known| known["name"] == name.as_str()) {
                    Some(known) => *known = entry,
                    None => list.push(entry),
                },
                None => container["env"] = json!([entry]),
            }
        }
    }
}
