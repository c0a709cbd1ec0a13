//! Add-ons of a cluster: which it is to have, and their place in its graph.
//!
//! What a cluster has follows from what is asked of it and the catalogue. Their objects are applied by the service
//! itself, through the cluster's API; see [`set`] for how it is known what is there.

mod drift;
mod helm;
mod look;
mod set;
mod sources;
mod values;

#[cfg(test)]
mod tests;

pub use sources::{SourceError, Sources};

use std::collections::BTreeSet;
use std::path::PathBuf;

use jeroboam_addons::{
    AddOn, CINDER_CSI, CLOUD_CONTROLLER_MANAGER, Catalogue, KEYSTONE_AUTH, KeystonePolicy, ParameterKind,
    Selected, Wish,
};
use jeroboam_blueprint::graph::{inner_address, outer_address};
use jeroboam_driver::LabelKind::{Bool, Choice, Pattern, Text};
use jeroboam_driver::{
    Access, AddOnAsk, AddOnState, Ask, Departure, Drift, Graph, Invalid, Key, LabelDefault, LabelKind,
    LabelReach, LabelSpec, Resource, Spec,
};
use jeroboam_types::{NodeGroup, Status};

use crate::labels::LABELS;
use crate::options::{self, Options};

/// Kind of the keys of add-ons.
const KIND: &str = "add-on";

/// What an operator says about add-ons.
#[derive(Clone, Debug)]
pub struct AddOnSettings {
    /// What there is.
    pub catalogue: Catalogue,
    /// The program `helm`, by its path or by a name to be found in `PATH`.
    pub helm: PathBuf,
    /// Certificates that add-ons check the cloud's against, PEM; `None` for what nodes trust anyway.
    pub cloud_authority: Option<String>,
    /// False when add-ons do not check them at all.
    pub verify_cloud: bool,
    /// True where clusters can reach this service, to ask it for nodes.
    pub has_endpoint: bool,
    /// Who may do what by a token of Keystone, in clusters that take these.
    pub keystone_auth_policy: KeystonePolicy,
}

/// What ships, with a way to this service.
impl Default for AddOnSettings {
    fn default() -> Self {
        Self {
            catalogue: Catalogue::shipped().unwrap_or_else(|_| Catalogue::empty()),
            helm: "helm".into(),
            cloud_authority: None,
            verify_cloud: true,
            has_endpoint: true,
            keystone_auth_policy: KeystonePolicy::shipped().unwrap_or_default(),
        }
    }
}

/// The catalogue, and what follows from it.
pub(crate) struct AddOns {
    settings: AddOnSettings,
    labels: Vec<LabelSpec>,
    upgrade_labels: Vec<&'static str>,
    sources: Sources,
}

impl AddOns {
    pub(crate) fn new(settings: AddOnSettings) -> Self {
        let mut labels = LABELS.to_vec();
        let mut upgrade_labels = vec![options::VERSION_LABEL];
        for add_on in settings.catalogue.iter() {
            for spec in label_specs(add_on) {
                if !labels.iter().any(|known| known.name == spec.name) {
                    labels.push(spec);
                }
            }
            upgrade_labels.extend(add_on.version_label.as_deref().map(leak));
        }
        Self {
            sources: Sources::new(&settings.helm),
            settings,
            labels,
            upgrade_labels,
        }
    }

    pub(crate) fn labels(&self) -> &[LabelSpec] {
        &self.labels
    }

    /// Labels of a template that an upgrade to it takes over.
    pub(crate) fn upgrade_labels(&self) -> &[&'static str] {
        &self.upgrade_labels
    }

    /// Refuses a new cluster whose API servers would ask a webhook that nobody brings, one with charts that nobody can
    /// render, one with volumes from nowhere, and a private one whose masters have nowhere to come. Those that stand
    /// keep what they are told.
    pub(crate) fn check_offered(&self, ask: &Ask) -> Result<(), Invalid> {
        let is_new = ask.cluster.coe_version.is_none();
        if is_new && options::has_keystone_auth(ask)? && self.settings.catalogue.find(KEYSTONE_AUTH).is_none()
        {
            let field = format!("labels.{}", options::KEYSTONE_AUTH_LABEL);
            return Err(Invalid::new(
                field,
                format!("there is no add-on {KEYSTONE_AUTH} here"),
            ));
        }
        if is_new && options::is_private(ask)? && !self.settings.has_endpoint {
            let field = format!("labels.{}", options::PRIVATE_LABEL);
            let reason = "this service has no endpoint that masters could come to ([bootstrap] url)";
            return Err(Invalid::new(field, reason));
        }
        let selected = if is_new { self.select(ask)? } else { Vec::new() };
        let has_volumes = selected.iter().any(|selected| selected.add_on.name == CINDER_CSI);
        if let Some(driver) = ask
            .template
            .volume_driver
            .as_deref()
            .filter(|_| is_new && !has_volumes)
        {
            let reason = match self.settings.catalogue.find(CINDER_CSI) {
                Some(_) => format!("{driver:?} needs the add-on {CINDER_CSI}, which the labels switch off"),
                None => format!("{driver:?} needs the add-on {CINDER_CSI}, which is not here"),
            };
            return Err(Invalid::new("volume_driver", reason));
        }
        match selected.iter().find(|selected| selected.has_charts()) {
            Some(chart) => self.sources.find_helm().map_err(|reason| {
                let name = &chart.add_on.name;
                Invalid::new(
                    field(chart.add_on),
                    format!("the add-on {name} is a chart, and {reason}"),
                )
            }),
            None => Ok(()),
        }
    }

    /// What the cluster is to have.
    pub(crate) fn select(&self, ask: &Ask) -> Result<Vec<Selected<'_>>, Invalid> {
        let catalogue = &self.settings.catalogue;
        let network_driver = options::network_add_on(ask)?;
        if let Some(unknown) = network_driver
            && !catalogue.network_drivers().any(|known| known == unknown)
        {
            return Err(self.unknown_network_driver(unknown));
        }
        let minor = version(ask)?.minor();
        let enabled = options::default_add_ons(ask);
        let select = |is_switched_off: bool| {
            catalogue.select(&Wish {
                minor,
                network_driver,
                enabled: &enabled,
                label: &|name| match is_switched_off && self.is_autoscaling_label(name) {
                    true => Some("false"),
                    false => label(ask, name),
                },
            })
        };
        let is_new = ask.cluster.status == Status::CreateInProgress;
        let selected = match select(false) {
            // Clusters have had this label before it meant anything.
            Err(wrong) if !is_new && self.is_autoscaling_label(&wrong.label) => select(true),
            selected => selected,
        };
        let mut selected = selected.map_err(|wrong| {
            let is_field = wrong.label == "network_driver";
            let field = if is_field {
                wrong.label
            } else {
                format!("labels.{}", wrong.label)
            };
            Invalid::new(field, wrong.reason)
        })?;
        if self.settings.has_endpoint {
            return Ok(selected);
        }
        let refused = selected.iter().find(|selected| selected.add_on.autoscales);
        if let Some(refused) = refused.filter(|_| is_new) {
            let field = field(refused.add_on);
            let reason = "this service has no endpoint that clusters reach it by ([bootstrap] url)";
            return Err(Invalid::new(field, reason));
        }
        selected.retain(|selected| !selected.add_on.autoscales);
        Ok(selected)
    }

    fn unknown_network_driver(&self, name: &str) -> Invalid {
        if options::ROUTED.contains(&name) {
            let reason = format!("there is no add-on {name} here");
            return Invalid::new(format!("labels.{}", options::BACKEND_LABEL), reason);
        }
        let others = self.settings.catalogue.network_drivers();
        let others = others.filter(|other| !options::ROUTED.contains(other));
        let known: Vec<&str> = options::ROUTED.into_iter().chain(others).collect();
        let known = known.join(", ");
        let reason = format!("{name:?} is not supported: the network drivers are {known}");
        Invalid::new("network_driver", reason)
    }

    fn is_autoscaling_label(&self, name: &str) -> bool {
        let mut autoscaling = self.settings.catalogue.iter().filter(|add_on| add_on.autoscales);
        autoscaling.any(|add_on| add_on.label.as_deref() == Some(name))
    }

    /// Adds the add-ons, and what is left over of their work when the cluster goes. They need only what the API's
    /// address stands on, which stays for the life of the cluster: nodes come and go without them.
    pub(crate) fn insert(&self, graph: &mut Graph, ask: &Ask, options: &Options) -> Result<(), Invalid> {
        let selected = self.select(ask)?;
        let way = way_to_api(ask, options);
        for add_on in &selected {
            let mut more = values::fixed(ask, options);
            more.extend(values::named(add_on, ask, options, &self.settings));
            let revision = add_on.revision(&more);
            graph.insert(Resource {
                key: Key::new(KIND, &add_on.add_on.name),
                needs: way.clone(),
                group: None,
                spec: Spec::AddOn {
                    revision,
                    cloud: add_on.add_on.needs_cloud,
                    autoscales: add_on.add_on.autoscales,
                },
            });
        }
        if selected.iter().any(|selected| selected.add_on.needs_cloud) {
            insert_leftovers(graph, &selected);
        }
        Ok(())
    }

    /// Looks at an add-on.
    pub(crate) async fn look(&self, ask: &Ask, name: &str, revision: &str, access: &Access) -> AddOnState {
        look::look(ask, name, revision, access).await
    }

    /// Applies an add-on.
    pub(crate) async fn apply(&self, asked: &AddOnAsk<'_>, access: &Access) -> AddOnState {
        let selected = match self.select(asked.ask) {
            Ok(selected) => selected,
            Err(invalid) => return AddOnState::Stuck(invalid.to_string()),
        };
        let found = selected
            .into_iter()
            .find(|selected| selected.add_on.name == asked.name);
        let Some(selected) = found else {
            return AddOnState::Stuck(format!("there is no add-on {} any more", asked.name));
        };
        if asked.auth_url.is_none() && selected.names("auth_url") {
            return AddOnState::NotYet("the address of Keystone is not known".to_owned());
        }
        let rendered = Options::parse(asked.ask)
            .map_err(|invalid| invalid.to_string())
            .and_then(|options| values::all(asked, &options, &self.settings).map(|values| (options, values)));
        let (options, values) = match rendered {
            Ok(found) => found,
            Err(reason) => return AddOnState::Stuck(reason),
        };
        let texts = match self.sources.of(&selected, &values).await {
            Ok(texts) => texts,
            Err(error) => return error.into(),
        };
        let objects = selected.render(&values, options.image_repository.as_deref(), &texts);
        match objects {
            Ok(objects) => set::apply(asked.name, asked.revision, objects, access).await,
            Err(error) => AddOnState::Stuck(error.to_string()),
        }
    }

    /// Looks whether an add-on is still what it was made.
    pub(crate) async fn look_for_drift(&self, name: &str, revision: &str, access: &Access) -> Drift {
        drift::look(name, revision, access).await
    }

    /// Removes an add-on.
    pub(crate) async fn remove(&self, name: &str, access: &Access) -> Departure {
        set::remove(name, access).await
    }
}

/// What of a cluster asks for an add-on.
fn field(add_on: &AddOn) -> String {
    match (&add_on.network_driver, &add_on.label) {
        (Some(_), _) => "network_driver".to_owned(),
        (None, Some(label)) => format!("labels.{label}"),
        (None, None) => "labels".to_owned(),
    }
}

/// Version that add-ons go by: the new one when all of the control plane has it, for they are then the next.
fn version(ask: &Ask) -> Result<crate::version::Version, Invalid> {
    match upgraded_master(ask) {
        Some(group) => options::version_of(ask, group),
        None => options::version(ask),
    }
}

/// The masters' group, if it has been upgraded and all of it is new.
fn upgraded_master(ask: &Ask) -> Option<&NodeGroup> {
    let mut masters = ask.groups.iter().filter(|group| group.is_master());
    masters.find(|group| group.is_default && group.roll.is_some() && group.is_uniform())
}

/// A label as it holds for add-ons: that of the template which the control plane has been upgraded to, if that
/// says something of it.
fn label<'a>(ask: &'a Ask, name: &str) -> Option<&'a str> {
    let roll = upgraded_master(ask).and_then(|group| group.roll.as_ref());
    let source = roll.and_then(|roll| roll.source.as_ref());
    match source.and_then(|source| source.labels.get(name)) {
        Some(changed) => changed.as_deref(),
        None => ask.cluster.labels.value(name),
    }
}

/// What the address of the API stands on.
fn way_to_api(ask: &Ask, options: &Options) -> BTreeSet<Key> {
    let inner = inner_address(ask, &options.network).map(|(key, _)| key);
    inner
        .into_iter()
        .chain(outer_address(ask, &options.network))
        .collect()
}

/// Dropped when no server is left, and before the network is: load balancers have ports in it.
fn insert_leftovers(graph: &mut Graph, selected: &[Selected<'_>]) {
    let volumes = selected.iter().any(|selected| {
        selected
            .variables
            .get("reclaim_policy")
            .is_some_and(|policy| policy == "Delete")
    });
    let network: BTreeSet<Key> = graph
        .iter()
        .filter(|resource| matches!(resource.spec, Spec::Subnet { .. } | Spec::RouterInterface { .. }))
        .map(|resource| resource.key.clone())
        .collect();
    let key = Key::new("leftovers", "cloud");
    for resource in graph.iter_mut() {
        if matches!(resource.spec, Spec::Server(_)) {
            resource.needs.insert(key.clone());
        }
    }
    graph.insert(Resource {
        key,
        needs: network,
        group: None,
        spec: Spec::Leftovers { volumes },
    });
}

/// Labels of an add-on. A catalogue is read once for the life of the process, and so its texts may live as long.
fn label_specs(add_on: &AddOn) -> Vec<LabelSpec> {
    let spec = |name: &str, kind, default, description: String| LabelSpec {
        name: leak(name),
        kind,
        default,
        reach: LabelReach::Cluster,
        description: leak(&description),
    };
    let mut specs = Vec::new();
    if let Some(label) = &add_on.label {
        let settled = [CLOUD_CONTROLLER_MANAGER, KEYSTONE_AUTH].contains(&add_on.name.as_str());
        let default = match settled || !add_on.default {
            true => LabelDefault::Option {
                section: "addons",
                name: "enabled",
            },
            false => LabelDefault::Value("true"),
        };
        let description = format!("installs {}: {}", add_on.name, add_on.summary);
        specs.push(spec(label, Bool, default, description));
    }
    if let Some(label) = &add_on.version_label {
        let description = format!(
            "version of {}, instead of the one for the Kubernetes",
            add_on.name
        );
        specs.push(spec(
            label,
            kind(&ParameterKind::Tag),
            LabelDefault::None,
            description,
        ));
    }
    for parameter in &add_on.parameters {
        let default = match &parameter.default {
            Some(default) => LabelDefault::Value(leak(default)),
            None => LabelDefault::None,
        };
        let description = parameter.description.clone();
        specs.push(spec(
            &parameter.label,
            kind(&parameter.kind),
            default,
            description,
        ));
    }
    specs
}

fn kind(kind: &ParameterKind) -> LabelKind {
    match kind {
        ParameterKind::Text => Text,
        ParameterKind::Bool => Bool,
        ParameterKind::Tag => Pattern {
            form: "the tag of a container image",
            fits: |text| ParameterKind::Tag.read(text).is_ok(),
        },
        ParameterKind::Choice(words) => {
            let words: Vec<&'static str> = words.iter().map(|word| leak(word)).collect();
            Choice(Vec::leak(words))
        }
    }
}

fn leak(text: &str) -> &'static str {
    String::leak(text.to_owned())
}
