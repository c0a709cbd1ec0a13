//! The Kubernetes driver: clusters of images that have containerd, kubelet and kubeadm.
//!
//! Nothing is installed on nodes: kubeadm makes of each what its user-data says. All boot at the same time; who
//! comes early tries again. Every address is known before the first boot, the cluster's authorities are the
//! service's own, and a node joins with a key of its own.
//!
//! The driver has no state: the graph, the user-data and the expected nodes follow from what is asked.

mod addons;
mod check;
mod etcd;
mod graph;
mod kubeadm;
mod labels;
mod leave;
mod machine;
mod marks;
mod options;
mod registries;
mod security;
mod serve;
mod trust;
mod upgrade;
mod userdata;
mod version;
mod webhook;

#[cfg(test)]
mod programs;

use std::sync::Arc;

use async_trait::async_trait;
use jeroboam_driver::{
    Access, AddOnAsk, AddOnState, Ask, Certificates, Departure, Drift, Driver, DriverError, Graph, Health,
    Invalid, LabelSpec, Leaving, Made, NodeAsk, NodeMarks, Provides, Report,
};
use jeroboam_types::{Coe, NodeGroup, Revision, ServerType};
use secrecy::SecretString;

use crate::addons::AddOns;
use crate::options::Options;

pub use crate::addons::{AddOnSettings, SourceError, Sources};

/// TCP port of the Kubernetes API when the template names none.
pub const API_PORT: u16 = 6443;

/// Builds Kubernetes of virtual machines.
#[derive(Clone)]
pub struct KubernetesDriver {
    add_ons: Arc<AddOns>,
}

impl KubernetesDriver {
    /// The driver, with an operator's add-ons.
    pub fn new(add_ons: AddOnSettings) -> Self {
        Self {
            add_ons: Arc::new(AddOns::new(add_ons)),
        }
    }
}

/// The driver, with the add-ons that ship with it.
impl Default for KubernetesDriver {
    fn default() -> Self {
        Self::new(AddOnSettings::default())
    }
}

const fn provides(os: &'static str) -> Provides {
    Provides {
        server_type: ServerType::Vm,
        os: Some(os),
        coe: Coe::Kubernetes,
    }
}

/// Distributions by `os_distro` that images for kubeadm are made of.
const PROVIDES: &[Provides] = &[
    provides("ubuntu"),
    provides("debian"),
    provides("flatcar"),
    provides("rocky"),
    provides("rockylinux"),
];

/// Options of a node, whose group may be of another version than the rest of the cluster.
fn options_of(node: &NodeAsk<'_>) -> Result<Options, Invalid> {
    let options = Options::parse(node.ask)?;
    let all = jeroboam_blueprint::nodes::nodes(&node.ask.groups);
    match all.iter().find(|known| known.key("server") == *node.server) {
        Some(known) => options.of_group(node.ask, known.group),
        None => Ok(options),
    }
}

#[async_trait]
impl Driver for KubernetesDriver {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn provides(&self) -> &'static [Provides] {
        PROVIDES
    }

    fn beta(&self) -> bool {
        true
    }

    fn labels(&self) -> &[LabelSpec] {
        self.add_ons.labels()
    }

    fn validate(&self, ask: &Ask) -> Result<(), Invalid> {
        Options::parse(ask)?;
        self.add_ons.check_offered(ask)?;
        self.add_ons.select(ask).map(drop)
    }

    fn graph(&self, ask: &Ask) -> Result<Graph, DriverError> {
        let options = Options::parse(ask)?;
        let mut graph = graph::graph(ask, &options)?;
        self.add_ons.insert(&mut graph, ask, &options)?;
        Ok(graph)
    }

    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        userdata::user_data(node, &options_of(node)?)
    }

    fn fetches_secrets(&self, ask: &Ask) -> bool {
        // What cannot be parsed is refused before a node is made of it.
        Options::parse(ask).is_ok_and(|options| !options.plain_user_data)
    }

    fn secrets(&self, node: &NodeAsk<'_>) -> Result<SecretString, DriverError> {
        userdata::secrets(node, &options_of(node)?)
    }

    fn validate_master_resize(&self, ask: &Ask, masters: i32) -> Result<(), Invalid> {
        options::check_masters(ask, masters)
    }

    fn revision(&self, ask: &Ask, group: &NodeGroup) -> Revision {
        Revision {
            version: options::version_of(ask, group)
                .ok()
                .map(|version| version.to_string()),
            ..ask.revision(group)
        }
    }

    fn upgrade_labels(&self) -> &[&'static str] {
        self.add_ons.upgrade_labels()
    }

    fn validate_upgrade(&self, ask: &Ask) -> Result<(), Invalid> {
        jeroboam_blueprint::NetworkOptions::check_surge(ask, jeroboam_blueprint::Entrance::any(ask)?)?;
        upgrade::check(ask)
    }

    /// Masters go and come back, so what holds for an upgrade holds for a rotation.
    fn validate_rotation(&self, ask: &Ask) -> Result<(), Invalid> {
        self.validate_upgrade(ask)
    }

    async fn settle_trust(
        &self,
        ask: &Ask,
        access: &Access,
        certificates: &dyn Certificates,
    ) -> Result<(), String> {
        let keys = certificates.token_keys().map_err(|error| error.to_string())?;
        trust::settle(access, &keys, ask.trust()).await
    }

    fn shares_api_address(&self, ask: &Ask) -> bool {
        options::has_shared_address(ask)
    }

    fn is_private(&self, ask: &Ask) -> bool {
        options::is_private(ask).unwrap_or(false)
    }

    /// `https://<address>:<port>`
    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        let options = Options::parse(ask).ok()?;
        let address = jeroboam_blueprint::graph::public_address(ask, &options.network, made)?;
        Some(format!("https://{address}:{}", options.api_port))
    }

    async fn check(&self, ask: &Ask, access: &Access) -> Report {
        check::check(ask, access).await
    }

    async fn health(&self, ask: &Ask, access: &Access) -> Health {
        check::health(ask, access).await
    }

    async fn serves(&self, _: &Ask, access: &Access, host_name: &str) -> Result<(), String> {
        serve::check(access, host_name).await
    }

    async fn leave(&self, ask: &Ask, access: &Access, node: &Leaving<'_>) -> Departure {
        leave::leave(ask, access, node).await
    }

    async fn look_at_add_on(&self, ask: &Ask, name: &str, revision: &str, access: &Access) -> AddOnState {
        self.add_ons.look(ask, name, revision, access).await
    }

    async fn apply_add_on(&self, add_on: &AddOnAsk<'_>, access: &Access) -> AddOnState {
        self.add_ons.apply(add_on, access).await
    }

    fn autoscales(&self, ask: &Ask) -> bool {
        let selected = self.add_ons.select(ask);
        selected.is_ok_and(|selected| selected.iter().any(|selected| selected.add_on.autoscales))
    }

    fn node_marks(&self, ask: &Ask, group: &NodeGroup) -> Option<NodeMarks> {
        let options = Options::parse(ask).ok()?;
        let taints = options::taints(group).ok()?;
        let pods = options.arguments.max_pods().unwrap_or(110);
        let room = match options.pod_routing.has_ranges() {
            true => options.pods_per_node(),
            false => pods,
        };
        Some(NodeMarks {
            labels: options::node_labels(group).ok()?.into_iter().collect(),
            taints: taints.into_iter().map(options::Taint::into_parts).collect(),
            pods: u32::try_from(pods.min(room)).unwrap_or(u32::MAX),
        })
    }

    async fn look_for_drift(&self, name: &str, revision: &str, access: &Access) -> Drift {
        self.add_ons.look_for_drift(name, revision, access).await
    }

    async fn remove_add_on(&self, name: &str, access: &Access) -> Departure {
        self.add_ons.remove(name, access).await
    }
}
