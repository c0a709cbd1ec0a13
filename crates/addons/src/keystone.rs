//! Who may do what in a cluster by a token of Keystone: the policy of k8s-keystone-auth.
//!
//! It is a list of entries, of which one that fits is enough. The words are those of that program and of Magnum's option
//! `[kubernetes] keystone_auth_default_policy`, whose files are taken as they are. What the program takes in silence and
//! holds for everybody in the cloud is refused here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::PolicyError;

/// The policy that ships with the program.
const SHIPPED: &str = include_str!("../content/keystone-auth-policy.json");

/// What stands for the cluster's own project in a policy.
const PROJECT: &str = "$PROJECT_ID";

/// A policy that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct KeystonePolicy(Value);

/// An entry. Rules of the second version (`…_permissions`) go by `users`, and those of the first by `match` too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    users: Option<Users>,
    #[serde(default, rename = "match")]
    matches: Vec<Match>,
    resource: Option<Resource>,
    nonresource: Option<NonResource>,
    resource_permissions: Option<BTreeMap<String, Vec<String>>>,
    nonresource_permissions: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Users {
    #[serde(default)]
    projects: Vec<String>,
    #[serde(default, rename = "roles")]
    _roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    #[serde(rename = "type")]
    kind: Kind,
    values: Vec<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    User,
    Group,
    Project,
    Role,
}

/// The program fails at requests for an entry that lacks one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    #[serde(rename = "verbs")]
    _verbs: Vec<String>,
    #[serde(rename = "resources")]
    _resources: Vec<String>,
    #[serde(rename = "version")]
    _version: String,
    #[serde(rename = "namespace")]
    _namespace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NonResource {
    #[serde(rename = "verbs")]
    _verbs: Vec<String>,
    #[serde(rename = "path")]
    _path: String,
}

/// The policy that allows nothing.
impl Default for KeystonePolicy {
    fn default() -> Self {
        Self(Value::Array(Vec::new()))
    }
}

impl KeystonePolicy {
    /// The policy that ships with the program.
    ///
    /// # Errors
    /// None, as long as the tests pass.
    pub fn shipped() -> Result<Self, PolicyError> {
        Self::parse(SHIPPED)
    }

    /// Reads and checks a policy. `$PROJECT_ID` in it stands for the cluster's project.
    ///
    /// # Errors
    /// What is no policy, and an entry that would hold in every project of the cloud.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Value =
            serde_json::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        let Value::Array(entries) = &policy else {
            return Err(PolicyError::Syntax("it is not a list".to_owned()));
        };
        for (place, entry) in entries.iter().enumerate() {
            let wrong = |reason: String| PolicyError::Entry {
                entry: place + 1,
                reason,
            };
            let entry = Entry::deserialize(entry).map_err(|error| wrong(error.to_string()))?;
            entry.check().map_err(|reason| wrong(reason.to_owned()))?;
        }
        Ok(Self(policy))
    }

    /// The policy of a cluster of this project.
    pub fn of_project(&self, project_id: &str) -> String {
        let mut policy = self.0.clone();
        put_project(&mut policy, project_id);
        format!("{policy:#}")
    }
}

fn put_project(value: &mut Value, project_id: &str) {
    match value {
        Value::String(text) => *text = text.replace(PROJECT, project_id),
        Value::Array(items) => items.iter_mut().for_each(|item| put_project(item, project_id)),
        Value::Object(map) => map.values_mut().for_each(|item| put_project(item, project_id)),
        _ => {}
    }
}

impl Entry {
    fn check(&self) -> Result<(), &'static str> {
        let permits = self.resource_permissions.is_some() || self.nonresource_permissions.is_some();
        if !permits && self.resource.is_none() && self.nonresource.is_none() {
            return Err("it allows nothing: it has neither resource nor nonresource rules");
        }
        let everywhere = "it names no project, and would hold in every project of the cloud";
        match &self.users {
            Some(users) if users.projects.is_empty() => Err("its users are of no project, so it never holds"),
            Some(_) => Ok(()),
            None if permits => Err(everywhere),
            None => {
                let mut projects = self.matches.iter().filter(|one| one.kind == Kind::Project);
                match projects.any(|one| !one.values.iter().any(|value| value == "*")) {
                    true => Ok(()),
                    false => Err(everywhere),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_is_for_the_clusters_project_alone() {
        let text = KeystonePolicy::shipped().unwrap().of_project("4f6a");
        assert!(!text.contains(PROJECT), "{text}");
        let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(text.matches("\"4f6a\"").count(), entries.len());
        // Of an entry of the second version a resource is its subresources too, and who may get pods may run commands in
        // them: so what only reads is of the first.
        for entry in &entries {
            let reads = entry.to_string().contains("\"reader\"");
            assert!(!reads || entry.get("resource_permissions").is_none(), "{entry}");
            let resources = entry.pointer("/resource/resources").and_then(Value::as_array);
            for resource in resources.into_iter().flatten().filter(|_| reads) {
                let name = resource.as_str().unwrap();
                let is_harmless =
                    !name.contains('*') && !["secrets", "pods/exec", "nodes/proxy"].contains(&name);
                assert!(is_harmless, "{name}");
            }
        }
    }

    #[test]
    fn a_project_is_a_value_and_nothing_else() {
        let text = KeystonePolicy::shipped().unwrap().of_project("a\", \"b");
        let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(entries[2]["users"]["projects"], serde_json::json!(["a\", \"b"]));
    }

    #[test]
    fn what_would_hold_for_the_whole_cloud_is_refused() {
        for (entry, words) in [
            (r#"{"resource_permissions": {"*/*": ["*"]}}"#, "no project"),
            (
                r#"{"match": [{"type": "project", "values": ["$PROJECT_ID"]}], "resource_permissions": {"*/*": ["*"]}}"#,
                "no project",
            ),
            (
                r#"{"match": [{"type": "role", "values": ["member"]}], "nonresource": {"verbs": ["*"], "path": "*"}}"#,
                "no project",
            ),
            (
                r#"{"match": [{"type": "project", "values": ["*"]}], "nonresource": {"verbs": ["*"], "path": "*"}}"#,
                "no project",
            ),
            (
                r#"{"users": {"roles": ["member"]}, "resource_permissions": {"*/*": ["*"]}}"#,
                "of no project",
            ),
            (
                r#"{"user": {"projects": ["a"]}, "resource_permissions": {"*/*": ["*"]}}"#,
                "user",
            ),
            (
                r#"{"match": [{"type": "project", "values": ["a"]}], "resource": {"verbs": ["*"], "resources": ["*"], "namespace": "*"}}"#,
                "version",
            ),
            (
                r#"{"match": [{"type": "projects", "values": ["a"]}], "nonresource": {"verbs": ["*"], "path": "*"}}"#,
                "projects",
            ),
            (r#"{"users": {"projects": ["a"]}}"#, "allows nothing"),
        ] {
            let said = KeystonePolicy::parse(&format!("[{entry}]"))
                .unwrap_err()
                .to_string();
            assert!(said.starts_with("entry 1: ") && said.contains(words), "{said}");
        }
        for text in ["{}", "[", "{\"error\": \"x\"}"] {
            assert!(
                matches!(KeystonePolicy::parse(text), Err(PolicyError::Syntax(_))),
                "{text}"
            );
        }
        let magnums = r#"[{"users": {"roles": ["k8s_viewer"], "projects": ["$PROJECT_ID"]},
            "resource_permissions": {"*/pods": ["get"]}, "nonresource_permissions": {"/healthz": ["get", "post"]}}]"#;
        let text = KeystonePolicy::parse(magnums).unwrap().of_project("4f6a");
        assert!(text.contains("\"4f6a\""), "{text}");
    }
}
