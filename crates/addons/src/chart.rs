//! Charts of Helm: where each is, and what goes into it. What comes out of it others ask the program `helm` for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalogue::{Wrong, remote};
use crate::error::CatalogueError;
use crate::manifest::LONGEST;
use crate::render::{fill, placeholders};
use crate::select::{Remote, digest};
use crate::{SECRETS, Variables};

/// Namespace of what names none.
const NAMESPACE: &str = "kube-system";

/// Deepest directories of a chart.
const DEEPEST: usize = 10;

/// A chart, as the catalogue has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Where it is.
    pub place: Place,
    /// Name of its release.
    pub release: String,
    /// Namespace of its release, which objects without one are put into.
    pub namespace: String,
    /// What it is given instead of its own defaults, with places to fill.
    pub(crate) values: Value,
}

/// Where a chart is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// An archive that is to be fetched.
    Remote(Remote),
    /// At hand.
    Local(Arc<Files>),
}

/// A chart at hand: an archive, or the files of a directory.
#[derive(PartialEq)]
pub struct Files {
    /// Where they were, as the catalogue says it: tenants may see that, and no path of this host.
    pub name: String,
    /// By their paths below that; an archive is a file without a path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    digest: String,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} files)", self.name, self.files.len())
    }
}

/// Where it is, for people.
impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Remote(remote) => f.write_str(&remote.url),
            Place::Local(files) => f.write_str(&files.name),
        }
    }
}

/// A chart with everything that its objects are made of.
pub struct Rendering<'c> {
    /// The chart.
    pub chart: &'c Chart,
    /// Version of Kubernetes that it is rendered for: `v1.31.2`.
    pub kubernetes: String,
    /// What it is given. It may hold secrets.
    pub values: Value,
    /// True when it does: then nothing that is said about the chart may be shown.
    pub has_secrets: bool,
}

impl Rendering<'_> {
    /// Tells it from every other.
    pub fn key(&self) -> String {
        let all = json!([self.chart.revision(), self.kubernetes, self.values]);
        digest(all.to_string().as_bytes())
    }
}

impl Chart {
    /// Digest of what the catalogue says of it.
    pub(crate) fn revision(&self) -> String {
        let contents = match &self.place {
            Place::Remote(remote) => &remote.sha256,
            Place::Local(files) => &files.digest,
        };
        let all = json!([contents, self.release, self.namespace, self.values]);
        digest(all.to_string().as_bytes())
    }

    pub(crate) fn fill(&self, variables: &Variables) -> Rendering<'_> {
        let text = |name: &str| variables.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut named = BTreeSet::new();
        placeholders(&self.values, &mut named);
        Rendering {
            chart: self,
            kubernetes: text("kubernetes_version").to_owned(),
            values: fill(&self.values, variables).unwrap_or_else(|| json!({})),
            has_secrets: SECRETS.iter().any(|secret| named.contains(*secret)),
        }
    }

    /// Puts an object into the release's namespace, as Helm does. Whether its kind is of a namespace only the
    /// cluster knows.
    pub(crate) fn put_in_namespace(&self, object: &mut Value) {
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        if self.namespace != NAMESPACE
            && let Some(metadata) = metadata
        {
            metadata
                .entry("namespace")
                .or_insert_with(|| json!(self.namespace));
        }
    }
}

/// A chart as it is written.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    url: Option<String>,
    sha256: Option<String>,
    file: Option<String>,
    release: Option<String>,
    namespace: Option<String>,
    values: Option<Value>,
}

impl Written {
    /// Checks it, and reads its files, which are counted from `home`. Its release is named like the add-on.
    pub(crate) fn read(
        &self,
        add_on: &str,
        home: Option<&Path>,
        wrong: Wrong<'_>,
    ) -> Result<Chart, CatalogueError> {
        let place = match (&self.file, &self.url, &self.sha256, home) {
            (Some(file), None, None, Some(home)) => {
                Place::Local(Arc::new(read_files(file, &home.join(file))?))
            }
            (None, Some(url), Some(sha256), _) => Place::Remote(remote(url, sha256, wrong)?),
            _ => return Err(wrong("a chart is a file, or a url with its sha256".to_owned())),
        };
        let release = self.release.as_deref().unwrap_or(add_on);
        let namespace = self.namespace.as_deref().unwrap_or(NAMESPACE);
        for (field, name) in [("release", release), ("namespace", namespace)] {
            let is_label = (1..=53).contains(&name.len())
                && !name.starts_with('-')
                && !name.ends_with('-')
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if !is_label {
                return Err(wrong(format!(
                    "{field} {name:?} of its chart must be of a-z, 0-9 and -"
                )));
            }
        }
        let values = self.values.clone().unwrap_or_else(|| json!({}));
        if !values.is_object() {
            return Err(wrong(
                "the values of its chart are not names with values".to_owned(),
            ));
        }
        Ok(Chart {
            place,
            release: release.to_owned(),
            namespace: namespace.to_owned(),
            values,
        })
    }
}

/// An archive, or all files of a directory with a `Chart.yaml`.
fn read_files(name: &str, path: &Path) -> Result<Files, CatalogueError> {
    let wrong = |reason: String| CatalogueError {
        file: path.to_owned(),
        line: None,
        reason,
    };
    let unreadable = |error: std::io::Error| wrong(format!("cannot be read: {error}"));
    let mut files = BTreeMap::new();
    let mut length = 0;
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((next, depth)) = open.pop() {
        if depth > DEEPEST {
            return Err(wrong(format!(
                "it has more than {DEEPEST} directories in each other"
            )));
        }
        if next.is_dir() {
            for entry in std::fs::read_dir(&next).map_err(unreadable)? {
                open.push((entry.map_err(unreadable)?.path(), depth + 1));
            }
            continue;
        }
        let bytes = std::fs::read(&next).map_err(unreadable)?;
        length += bytes.len();
        if length > LONGEST {
            return Err(wrong(format!("it has more than {LONGEST} bytes")));
        }
        let below = next.strip_prefix(path).unwrap_or(&next).to_owned();
        files.insert(below, bytes);
    }
    if path.is_dir() && !files.contains_key(Path::new("Chart.yaml")) {
        return Err(wrong("it is no chart: it has no Chart.yaml".to_owned()));
    }
    let digests: Vec<Value> = files
        .iter()
        .map(|(path, bytes)| json!([path.to_string_lossy(), digest(bytes)]))
        .collect();
    Ok(Files {
        name: name.to_owned(),
        digest: digest(json!(digests).to_string().as_bytes()),
        files,
    })
}

#[cfg(test)]
mod tests;
