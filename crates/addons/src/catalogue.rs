//! The catalogue as it is written, read and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::chart::{self, Chart};
use crate::error::CatalogueError;
use crate::manifest;
use crate::render::placeholders;
use crate::select::{Remote, digest};
use crate::{SETTLED_AT_CREATION, VARIABLES};

/// The catalogue that ships with the program, and its manifests.
const SHIPPED: &str = include_str!("../content/catalogue.yaml");
const SHIPPED_FILES: [(&str, &str); 6] = [
    (
        "cloud-controller-manager.yaml",
        include_str!("../content/cloud-controller-manager.yaml"),
    ),
    ("cinder-csi.yaml", include_str!("../content/cinder-csi.yaml")),
    (
        "cluster-autoscaler.yaml",
        include_str!("../content/cluster-autoscaler.yaml"),
    ),
    ("flannel.yaml", include_str!("../content/flannel.yaml")),
    (
        "keystone-auth.yaml",
        include_str!("../content/keystone-auth.yaml"),
    ),
    (
        "metrics-server.yaml",
        include_str!("../content/metrics-server.yaml"),
    ),
];

/// What there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    /// In an order in which nothing comes before what it needs.
    pub(crate) add_ons: Vec<AddOn>,
}

/// An add-on.
#[derive(Clone, Debug, PartialEq)]
pub struct AddOn {
    /// Name: letters, digits and `-`.
    pub name: String,
    /// What it is for, in a few words.
    pub summary: String,
    /// Label that switches it on and off; `None` for one that tenants cannot switch.
    pub label: Option<String>,
    /// Network driver of the template that it belongs to: it is on with that, and off with every other.
    pub network_driver: Option<String>,
    /// On where no label says otherwise.
    pub default: bool,
    /// Label that names another version.
    pub version_label: Option<String>,
    /// Add-ons that it does not work without.
    pub needs: Vec<String>,
    /// True for one that logs in to the cloud.
    pub needs_cloud: bool,
    /// True for one that asks this service to make and remove nodes.
    pub autoscales: bool,
    /// Its versions by the first minor version of Kubernetes that each is for, ascending.
    pub versions: Vec<Version>,
    /// What tenants may choose.
    pub parameters: Vec<Parameter>,
    pub(crate) manifests: Vec<Source>,
    pub(crate) environment: Vec<Environment>,
}

/// A version of an add-on.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// First minor version of Kubernetes that it is for: 31 of 1.31.
    pub minor: u32,
    /// Its version.
    pub version: String,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) manifests: Option<Vec<Source>>,
}

/// A label that changes what is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name for templates.
    pub name: String,
    /// The label.
    pub label: String,
    /// What values it takes.
    pub kind: ParameterKind,
    /// What holds without it; else the variable of this name of the add-on's version.
    pub default: Option<String>,
    /// What it does: a few words without a full stop.
    pub description: String,
}

/// Values of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// Printable characters.
    Text,
    /// One of Magnum's loose booleans.
    Bool,
    /// Tag of a container image.
    Tag,
    /// One of these.
    Choice(Vec<String>),
}

/// Where objects come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// At hand.
    Objects {
        objects: Vec<Value>,
        template: bool,
        digest: String,
    },
    /// To be fetched.
    Remote(Remote),
    /// To be rendered by Helm.
    Chart(Box<Chart>),
}

/// Environment variables that are set in a manifest which is not a template.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) container: String,
    pub(crate) variables: BTreeMap<String, String>,
}

/// An add-on as it is written. In an operator's catalogue whatever is left out is as in the shipped one.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    summary: Option<String>,
    label: Option<String>,
    network_driver: Option<String>,
    default: Option<bool>,
    /// True takes it out of the catalogue.
    #[serde(default)]
    remove: bool,
    version_label: Option<String>,
    needs: Option<Vec<String>>,
    needs_cloud: Option<bool>,
    autoscales: Option<bool>,
    versions: Option<Vec<WrittenVersion>>,
    parameters: Option<Vec<WrittenParameter>>,
    manifests: Option<Vec<WrittenSource>>,
    environment: Option<Vec<Environment>>,
    #[serde(skip)]
    home: Option<PathBuf>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenVersion {
    kubernetes: String,
    version: String,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    manifests: Option<Vec<WrittenSource>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenParameter {
    name: String,
    label: String,
    kind: Option<String>,
    choice: Option<Vec<String>>,
    default: Option<String>,
    description: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSource {
    file: Option<String>,
    template: Option<bool>,
    url: Option<String>,
    sha256: Option<String>,
    chart: Option<chart::Written>,
}

impl Catalogue {
    /// The catalogue that ships with the program.
    ///
    /// # Errors
    /// None, as long as the tests pass.
    pub fn shipped() -> Result<Self, CatalogueError> {
        finish(&shipped()?, Path::new("<shipped>/catalogue.yaml"))
    }

    /// A catalogue of nothing.
    pub fn empty() -> Self {
        Self { add_ons: Vec::new() }
    }

    /// The shipped catalogue with what a file of the operator says otherwise. Files that it names are read too.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(file: &Path) -> Result<Self, CatalogueError> {
        let unreadable = |error: std::io::Error| CatalogueError {
            file: file.to_owned(),
            line: None,
            reason: format!("cannot be read: {error}"),
        };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let mut all = shipped()?;
        let home = file.parent().unwrap_or(Path::new(".")).to_owned();
        for mut own in read(file, &text)? {
            own.home = Some(home.clone());
            match all.iter_mut().find(|known| known.name.value == own.name.value) {
                Some(known) => known.override_with(own),
                None => all.push(own),
            }
        }
        finish(&all, file)
    }

    /// Checks the names of add-ons that an operator switches on where no label says otherwise.
    ///
    /// # Errors
    /// A name that is not in the catalogue, or that of a network driver.
    pub fn check_enabled(&self, names: &[String]) -> Result<(), String> {
        for name in names {
            let Some(add_on) = self.find(name) else {
                let known: Vec<&str> = self.iter().map(|known| known.name.as_str()).collect();
                return Err(format!(
                    "there is no add-on {name:?}; there are: {}",
                    known.join(", ")
                ));
            };
            if add_on.network_driver.is_some() {
                return Err(format!(
                    "add-on {name:?} follows the network driver of templates: it cannot be switched on"
                ));
            }
        }
        Ok(())
    }

    /// Every add-on, in an order in which nothing comes before what it needs.
    pub fn iter(&self) -> impl Iterator<Item = &AddOn> {
        self.add_ons.iter()
    }

    /// An add-on.
    pub fn find(&self, name: &str) -> Option<&AddOn> {
        self.add_ons.iter().find(|add_on| add_on.name == name)
    }

    /// Network drivers that are add-ons.
    pub fn network_drivers(&self) -> impl Iterator<Item = &str> {
        self.add_ons
            .iter()
            .filter_map(|add_on| add_on.network_driver.as_deref())
    }
}

fn shipped() -> Result<Vec<Written>, CatalogueError> {
    read(Path::new("<shipped>/catalogue.yaml"), SHIPPED)
}

fn read(file: &Path, text: &str) -> Result<Vec<Written>, CatalogueError> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error: serde_saphyr::Error| CatalogueError {
        file: file.to_owned(),
        line: error.location().map(|place| place.line()),
        reason: error.without_snippet().to_string().replace('\n', "; "),
    })
}

impl Written {
    fn override_with(&mut self, own: Self) {
        macro_rules! take {
            ($($field:ident),*) => { $(if own.$field.is_some() { self.$field = own.$field; })* };
        }
        // What names files is taken from one catalogue alone: their places are counted from it.
        if own.manifests.is_some() || own.versions.is_some() {
            self.home.clone_from(&own.home);
        }
        self.remove = own.remove;
        self.name = own.name;
        take!(
            summary,
            label,
            network_driver,
            default,
            version_label,
            needs,
            needs_cloud,
            autoscales,
            versions,
            parameters,
            manifests,
            environment
        );
    }
}

/// Checks everything, and reads the files that are named.
fn finish(written: &[Written], file: &Path) -> Result<Catalogue, CatalogueError> {
    let mut add_ons: Vec<AddOn> = Vec::new();
    for entry in written.iter().filter(|entry| !entry.remove) {
        let wrong = |reason: String| CatalogueError {
            file: file.to_owned(),
            line: Some(entry.name.referenced.line()),
            reason: format!("add-on {}: {reason}", entry.name.value),
        };
        let add_on = read_add_on(entry, &wrong)?;
        if add_ons.iter().any(|known| known.name == add_on.name) {
            return Err(wrong("it is there twice".to_owned()));
        }
        add_ons.push(add_on);
    }
    let mut ordered: Vec<AddOn> = Vec::new();
    while !add_ons.is_empty() {
        let is_there = |name: &String| ordered.iter().any(|known: &AddOn| known.name == *name);
        match add_ons
            .iter()
            .position(|add_on| add_on.needs.iter().all(is_there))
        {
            Some(place) => ordered.push(add_ons.remove(place)),
            None => {
                let left: Vec<&str> = add_ons.iter().map(|add_on| add_on.name.as_str()).collect();
                let reason = format!("these need what is not there, or each other: {}", left.join(", "));
                return Err(CatalogueError {
                    file: file.to_owned(),
                    line: None,
                    reason,
                });
            }
        }
    }
    Ok(Catalogue { add_ons: ordered })
}

pub(crate) type Wrong<'w> = &'w dyn Fn(String) -> CatalogueError;

fn read_add_on(entry: &Written, wrong: Wrong<'_>) -> Result<AddOn, CatalogueError> {
    let name = entry.name.value.clone();
    let is_name = !name.is_empty()
        && name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !is_name {
        return Err(wrong("its name must be of a-z, 0-9 and -".to_owned()));
    }
    let parameters = entry.parameters.iter().flatten();
    let parameters: Vec<Parameter> = parameters
        .map(|written| written.read().map_err(wrong))
        .collect::<Result<_, _>>()?;
    let manifests = read_sources(entry, entry.manifests.as_deref().unwrap_or_default(), wrong)?;
    let mut versions = Vec::new();
    for written in entry.versions.iter().flatten() {
        let minor = written
            .kubernetes
            .strip_prefix("1.")
            .and_then(|text| text.parse().ok());
        let Some(minor) = minor else {
            return Err(wrong(format!(
                "{:?} is not a minor version such as 1.31",
                written.kubernetes
            )));
        };
        let sources = written.manifests.as_deref();
        let sources = sources
            .map(|sources| read_sources(entry, sources, wrong))
            .transpose()?;
        if sources.as_ref().unwrap_or(&manifests).is_empty() {
            return Err(wrong(format!("version {} has no manifests", written.version)));
        }
        versions.push(Version {
            minor,
            version: written.version.clone(),
            variables: written.variables.clone(),
            manifests: sources,
        });
    }
    if versions.is_empty() {
        return Err(wrong("it has no versions".to_owned()));
    }
    if !versions.is_sorted_by(|one, other| one.minor < other.minor) {
        return Err(wrong(
            "its versions must be in the order of those of Kubernetes".to_owned(),
        ));
    }
    let add_on = AddOn {
        name,
        summary: entry.summary.clone().unwrap_or_default(),
        label: entry.label.clone(),
        network_driver: entry.network_driver.clone(),
        default: entry.default.unwrap_or(false),
        version_label: entry.version_label.clone(),
        needs: entry.needs.clone().unwrap_or_default(),
        needs_cloud: entry.needs_cloud.unwrap_or(false),
        autoscales: entry.autoscales.unwrap_or(false),
        versions,
        parameters,
        manifests,
        environment: entry.environment.clone().unwrap_or_default(),
    };
    if add_on.label.is_some() && add_on.network_driver.is_some() {
        return Err(wrong(
            "it has a label and a network driver; one of them can switch it".to_owned(),
        ));
    }
    if add_on.default && SETTLED_AT_CREATION.contains(&add_on.name.as_str()) {
        let reason = "machines that stand would not know of it: new clusters get it by [addons] enabled";
        return Err(wrong(reason.to_owned()));
    }
    add_on.check_variables().map_err(wrong)?;
    Ok(add_on)
}

fn read_sources(
    entry: &Written,
    written: &[WrittenSource],
    wrong: Wrong<'_>,
) -> Result<Vec<Source>, CatalogueError> {
    let mut sources = Vec::new();
    for source in written {
        match (&source.file, &source.url, &source.sha256, &source.chart) {
            (Some(file), None, None, None) => match &entry.home {
                Some(home) => sources.extend(read_files(&home.join(file), source.template.unwrap_or(false))?),
                None => sources.push(shipped_file(file, wrong)?),
            },
            (None, Some(url), Some(sha256), None) => {
                sources.push(Source::Remote(remote(url, sha256, wrong)?));
            }
            (None, None, None, Some(chart)) => {
                let chart = chart.read(&entry.name.value, entry.home.as_deref(), wrong)?;
                sources.push(Source::Chart(Box::new(chart)));
            }
            _ => {
                let reason = "a manifest is a file, a url with its sha256, or a chart";
                return Err(wrong(reason.to_owned()));
            }
        }
    }
    Ok(sources)
}

/// What is to be fetched, checked.
pub(crate) fn remote(url: &str, sha256: &str, wrong: Wrong<'_>) -> Result<Remote, CatalogueError> {
    let is_digest = sha256.len() == 64 && sha256.chars().all(|c| c.is_ascii_hexdigit());
    if !url.starts_with("https://") || !is_digest {
        let reason = format!("{url:?} must be of https and have a SHA-256 digest in hexadecimal");
        return Err(wrong(reason));
    }
    Ok(Remote {
        url: url.to_owned(),
        sha256: sha256.to_ascii_lowercase(),
    })
}

fn shipped_file(name: &str, wrong: Wrong<'_>) -> Result<Source, CatalogueError> {
    let found = SHIPPED_FILES.iter().find(|(known, _)| *known == name);
    let (_, text) = found.ok_or_else(|| wrong(format!("there is no file {name}")))?;
    Ok(Source::Objects {
        objects: manifest::parse(&Path::new("<shipped>").join(name), text)?,
        template: true,
        digest: digest(text.as_bytes()),
    })
}

/// A file, or those of a directory that end in `.yaml`, `.yml` or `.json`, in the order of their names.
fn read_files(path: &Path, template: bool) -> Result<Vec<Source>, CatalogueError> {
    let unreadable = |error: std::io::Error| CatalogueError {
        file: path.to_owned(),
        line: None,
        reason: format!("cannot be read: {error}"),
    };
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let entries: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
        files = entries.map_err(unreadable)?;
        let ends = ["yaml", "yml", "json"];
        files.retain(|file| {
            file.extension()
                .is_some_and(|end| ends.iter().any(|known| end == *known))
        });
        files.sort();
    }
    let mut sources = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| CatalogueError {
            file: file.clone(),
            line: None,
            reason: format!("cannot be read: {error}"),
        })?;
        sources.push(Source::Objects {
            objects: manifest::parse(&file, &text)?,
            template,
            digest: digest(text.as_bytes()),
        });
    }
    Ok(sources)
}

impl WrittenParameter {
    fn read(&self) -> Result<Parameter, String> {
        let kind = match (self.kind.as_deref(), &self.choice) {
            (None, Some(words)) if !words.is_empty() => ParameterKind::Choice(words.clone()),
            (None | Some("text"), None) => ParameterKind::Text,
            (Some("bool"), None) => ParameterKind::Bool,
            (Some("tag"), None) => ParameterKind::Tag,
            _ => {
                let reason = "a parameter has a choice of words, or a kind: text, bool or tag";
                return Err(format!("parameter {}: {reason}", self.name));
            }
        };
        if let Some(default) = &self.default {
            kind.read(default)
                .map_err(|reason| format!("parameter {}: {reason}", self.name))?;
        }
        Ok(Parameter {
            name: self.name.clone(),
            label: self.label.clone(),
            kind,
            default: self.default.clone(),
            description: self.description.clone(),
        })
    }
}

impl Source {
    /// Names of all its places.
    pub(crate) fn placeholders(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::Objects {
                objects,
                template: true,
                ..
            } => objects.iter().for_each(|object| placeholders(object, names)),
            Self::Chart(chart) => placeholders(&chart.values, names),
            Self::Objects { .. } | Self::Remote(_) => {}
        }
    }
}

impl AddOn {
    /// True when a version can only be one of the catalogue's.
    pub(crate) fn has_fixed_versions(&self) -> bool {
        self.versions.iter().any(|version| version.manifests.is_some())
            || self
                .manifests
                .iter()
                .any(|source| matches!(source, Source::Remote(_) | Source::Chart(_)))
    }

    /// True for one that needs the program `helm`.
    pub fn has_charts(&self) -> bool {
        self.all_sources()
            .any(|source| matches!(source, Source::Chart(_)))
    }

    fn all_sources(&self) -> impl Iterator<Item = &Source> {
        let named = self
            .versions
            .iter()
            .filter_map(|version| version.manifests.as_ref());
        named.flatten().chain(&self.manifests)
    }

    /// Templates must name nothing that nobody knows.
    fn check_variables(&self) -> Result<(), String> {
        let mut known: BTreeSet<&str> = VARIABLES.iter().copied().collect();
        known.extend(self.parameters.iter().map(|parameter| parameter.name.as_str()));
        for version in &self.versions {
            known.extend(version.variables.keys().map(String::as_str));
        }
        let mut names = BTreeSet::new();
        for source in self.all_sources() {
            source.placeholders(&mut names);
        }
        for environment in &self.environment {
            for value in environment.variables.values() {
                placeholders(&Value::String(value.clone()), &mut names);
            }
        }
        match names
            .iter()
            .find(|name| !known.contains(name.as_str()) && !name.starts_with("item."))
        {
            Some(unknown) => Err(format!("nothing is known by the name ${{{unknown}}}")),
            None => Ok(()),
        }
    }
}
