//! Which add-ons a cluster is to have, in which version.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest as hash};
use serde_json::{Value, json};

use crate::Variables;
use crate::catalogue::{AddOn, Catalogue, ParameterKind, Source, Version};
use crate::chart::Rendering;
use crate::error::{RenderError, WrongLabel};

/// What a cluster asks for.
pub struct Wish<'a> {
    /// Minor version of its Kubernetes: 31 of 1.31.
    pub minor: u32,
    /// Network driver of its template, where that is an add-on.
    pub network_driver: Option<&'a str>,
    /// Add-ons that are on where no label says otherwise.
    pub enabled: &'a [String],
    /// Value of a label.
    pub label: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// An add-on that a cluster is to have.
#[derive(Clone, Debug)]
pub struct Selected<'c> {
    /// The add-on.
    pub add_on: &'c AddOn,
    /// Its version.
    pub version: String,
    /// Values of its parameters, and variables of its version.
    pub variables: Variables,
    pub(crate) sources: &'c [Source],
}

/// A manifest, or the archive of a chart, that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// Where it is, with https.
    pub url: String,
    /// SHA-256 digest of what is there, in hexadecimal.
    pub sha256: String,
}

impl Remote {
    /// Checks that something is what it should be.
    ///
    /// # Errors
    /// What it is instead.
    pub fn check(&self, bytes: &[u8]) -> Result<(), RenderError> {
        let found = digest(bytes);
        match found == self.sha256 {
            true => Ok(()),
            false => Err(RenderError::Digest {
                url: self.url.clone(),
                expected: self.sha256.clone(),
                found,
            }),
        }
    }
}

impl Catalogue {
    /// What a cluster is to have, in an order in which nothing comes before what it needs.
    ///
    /// # Errors
    /// A label with a value that is none, or that asks for what cannot be had.
    pub fn select<'c>(&'c self, wish: &Wish<'_>) -> Result<Vec<Selected<'c>>, WrongLabel> {
        let mut selected: Vec<Selected<'c>> = Vec::new();
        for add_on in &self.add_ons {
            let asked = add_on.asked(wish)?;
            let is_on = asked.unwrap_or(add_on.default || wish.enabled.contains(&add_on.name));
            let is_there = |name: &&String| selected.iter().any(|other| other.add_on.name == **name);
            match add_on.needs.iter().find(|need| !is_there(need)) {
                _ if !is_on => continue,
                None => selected.push(add_on.select(wish)?),
                // What is on by default alone is off without what it needs.
                Some(_) if asked.is_none() => continue,
                Some(missing) => {
                    let missing = self.find(missing).and_then(|other| other.label.clone());
                    let missing = missing.unwrap_or_else(|| "another add-on".to_owned());
                    return Err(add_on.wrong(format!("needs {missing}=true")));
                }
            }
        }
        Ok(selected)
    }
}

impl AddOn {
    fn wrong(&self, reason: String) -> WrongLabel {
        let label = self.label.clone();
        WrongLabel {
            label: label.unwrap_or_else(|| "network_driver".to_owned()),
            reason,
        }
    }

    /// What the cluster says of it; `None` when it says nothing.
    fn asked(&self, wish: &Wish<'_>) -> Result<Option<bool>, WrongLabel> {
        if let Some(driver) = &self.network_driver {
            return Ok(Some(Some(driver.as_str()) == wish.network_driver));
        }
        let Some(label) = &self.label else { return Ok(None) };
        let Some(text) = (wish.label)(label) else {
            return Ok(None);
        };
        let value = ParameterKind::Bool.read(text);
        let value = value.map_err(|reason| self.wrong(reason))?;
        Ok(value.as_bool())
    }

    fn select(&self, wish: &Wish<'_>) -> Result<Selected<'_>, WrongLabel> {
        let fitting = self.versions.iter().rfind(|version| version.minor <= wish.minor);
        let mut chosen = fitting;
        let mut version = fitting.map(|version| version.version.clone());
        if let Some(label) = &self.version_label
            && let Some(text) = (wish.label)(label)
        {
            let wrong = |reason: String| WrongLabel {
                label: label.clone(),
                reason,
            };
            let tag = ParameterKind::Tag.read(text).map_err(wrong)?;
            let tag = tag.as_str().unwrap_or_default().to_owned();
            if self.has_fixed_versions() {
                chosen = self.versions.iter().find(|known| known.version == tag);
                if chosen.is_none() {
                    let known: Vec<&str> = self.versions.iter().map(|known| known.version.as_str()).collect();
                    let known = known.join(", ");
                    return Err(wrong(format!(
                        "there is no {} {tag} here; there are: {known}",
                        self.name
                    )));
                }
            }
            version = Some(tag);
        }
        let (Some(chosen), Some(version)) = (chosen, version) else {
            let oldest = self.versions.first().map_or(0, |version| version.minor);
            let reason = format!(
                "{} needs Kubernetes 1.{oldest} or later, and this is 1.{}",
                self.name, wish.minor
            );
            return Err(self.wrong(reason));
        };
        Ok(Selected {
            add_on: self,
            variables: self.variables(wish, chosen, &version)?,
            version,
            sources: chosen.manifests.as_deref().unwrap_or(&self.manifests),
        })
    }

    fn variables(&self, wish: &Wish<'_>, chosen: &Version, version: &str) -> Result<Variables, WrongLabel> {
        let mut variables: Variables = BTreeMap::new();
        // A name that only some versions know is nothing in the others.
        for known in self.versions.iter().flat_map(|version| version.variables.keys()) {
            variables.insert(known.clone(), Value::Null);
        }
        for (name, value) in &chosen.variables {
            variables.insert(name.clone(), json!(value));
        }
        variables.insert("version".to_owned(), json!(version));
        for parameter in &self.parameters {
            let given = (wish.label)(&parameter.label).filter(|text| !text.trim().is_empty());
            let fallback = chosen
                .variables
                .get(&parameter.name)
                .or(parameter.default.as_ref());
            // Charts may take values for templates of their own.
            if self.has_charts() && given.is_some_and(|text| text.contains("{{")) {
                return Err(WrongLabel {
                    label: parameter.label.clone(),
                    reason: "must not contain {{".to_owned(),
                });
            }
            let value = match given.or(fallback.map(String::as_str)) {
                Some(text) => parameter.kind.read(text).map_err(|reason| WrongLabel {
                    label: parameter.label.clone(),
                    reason,
                })?,
                None => Value::Null,
            };
            variables.insert(parameter.name.clone(), value);
        }
        Ok(variables)
    }
}

impl ParameterKind {
    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let shown: String = text.chars().take(60).collect();
        match self {
            Self::Text if text.len() <= 255 && text.chars().all(|c| !c.is_control() && c != '"') => {
                Ok(json!(text))
            }
            Self::Text => Err(format!(
                "{shown:?} must be at most 255 printable characters without \""
            )),
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" | "on" | "y" | "yes" => Ok(json!(true)),
                "0" | "f" | "false" | "off" | "n" | "no" => Ok(json!(false)),
                _ => Err(format!("{shown:?} is not true or false")),
            },
            Self::Tag => {
                let is_tag = (1..=128).contains(&text.len())
                    && !text.starts_with(['.', '-'])
                    && text
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
                match is_tag {
                    true => Ok(json!(text)),
                    false => Err(format!("{shown:?} is not the tag of an image")),
                }
            }
            Self::Choice(words) => match words.iter().find(|word| *word == text) {
                Some(word) => Ok(json!(word)),
                None => Err(format!("{shown:?} is not one of {}", words.join(", "))),
            },
        }
    }
}

impl Selected<'_> {
    /// Manifests that are to be fetched before it can be rendered.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote> {
        self.sources.iter().filter_map(|source| match source {
            Source::Remote(remote) => Some(remote),
            Source::Objects { .. } | Source::Chart(_) => None,
        })
    }

    /// Charts whose output is needed before it can be rendered; `given` as for [`Self::render`].
    pub fn charts(&self, given: &Variables) -> Vec<Rendering<'_>> {
        let variables = self.filled(given);
        let charts = self.sources.iter().filter_map(|source| match source {
            Source::Chart(chart) => Some(chart.fill(&variables)),
            Source::Objects { .. } | Source::Remote(_) => None,
        });
        charts.collect()
    }

    /// True for one whose version needs the program `helm`.
    pub fn has_charts(&self) -> bool {
        self.sources
            .iter()
            .any(|source| matches!(source, Source::Chart(_)))
    }

    /// What is given, and what the add-on itself says.
    pub(crate) fn filled(&self, given: &Variables) -> Variables {
        let mut variables = given.clone();
        variables.extend(self.variables.clone());
        variables
    }

    /// True for one whose templates name a variable.
    pub fn names(&self, variable: &str) -> bool {
        let mut names = BTreeSet::new();
        self.sources
            .iter()
            .for_each(|source| source.placeholders(&mut names));
        names.contains(variable)
    }

    /// Names all that its objects are made of but for what only the cloud tells; `more` is what the wish says besides.
    pub fn revision(&self, more: &Variables) -> String {
        let sources: Vec<String> = self
            .sources
            .iter()
            .map(|source| match source {
                Source::Objects { digest, .. } => digest.clone(),
                Source::Remote(remote) => remote.sha256.clone(),
                Source::Chart(chart) => chart.revision(),
            })
            .collect();
        let environment = self.add_on.environment.iter();
        let environment: Vec<_> = environment
            .map(|one| json!([one.kind, one.name, one.container, one.variables]))
            .collect();
        let all = json!([
            self.add_on.name,
            self.version,
            self.variables,
            more,
            sources,
            environment
        ]);
        digest(all.to_string().as_bytes()).chars().take(16).collect()
    }
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    let hash = hash(&SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
