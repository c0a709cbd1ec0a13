//! The add-ons of Kubernetes clusters: the catalogue of what there is, and the objects of what a cluster is to have.
//!
//! A catalogue is data: one ships with the program, and an operator's own overrides and extends it. Everything that
//! can be wrong with it is found when it is read. What a cluster gets follows from its labels and from nothing else,
//! so the same question gets the same answer. Nothing here speaks with a cluster.

mod catalogue;
mod chart;
mod error;
mod keystone;
mod manifest;
mod render;
mod select;

pub use catalogue::{AddOn, Catalogue, Parameter, ParameterKind};
pub use chart::{Chart, Files, Place, Rendering};
pub use error::{CatalogueError, PolicyError, RenderError, WrongLabel};
pub use keystone::KeystonePolicy;
pub use manifest::{LONGEST, parse as parse_manifest};
pub use render::{ADD_ON_LABEL, Objects};
pub use select::{Remote, Selected, Wish, digest};

/// Name of the add-on whose clusters have an external cloud provider: their nodes are told so when they join.
pub const CLOUD_CONTROLLER_MANAGER: &str = "cloud-controller-manager";

/// Name of the add-on whose clusters have volumes of Cinder.
pub const CINDER_CSI: &str = "cinder-csi";

/// Name of the add-on whose clusters take tokens of Keystone: their API servers are told so when they are made.
pub const KEYSTONE_AUTH: &str = "keystone-auth";

/// What machines must know of when they are made, so that no cluster that stands can be given it.
pub(crate) const SETTLED_AT_CREATION: [&str; 2] = [CLOUD_CONTROLLER_MANAGER, KEYSTONE_AUTH];

/// What templates may name besides parameters and the variables of a version. Each is a text or nothing, but for
/// `node_prefix_len`, a number, and `volume_types`, which is a list for `x-for-each`.
pub const VARIABLES: &[&str] = &[
    "version",
    "kubernetes_version",
    "cluster_uuid",
    "cluster_name",
    "project_id",
    "pods",
    "node_prefix_len",
    "services",
    "dns",
    "api_host",
    "api_port",
    "master_label",
    "network_id",
    "network_name",
    "subnet_id",
    "floating_network_id",
    "cloud_login",
    "cloud_authority",
    "credential",
    "service_address",
    "service_authority",
    "service_certificate",
    "service_key",
    "service_credential",
    "lb_provider",
    "lb_method",
    "lb_monitor",
    "volume_types",
    "auth_url",
    "keystone_auth_policy",
    "revision",
];

/// Variables that nobody else may see: what is said about an add-on with these is not passed on.
pub(crate) const SECRETS: [&str; 2] = ["cloud_login", "service_key"];

/// Variables as templates see them: names to values, `null` for nothing.
pub type Variables = std::collections::BTreeMap<String, serde_json::Value>;

#[cfg(test)]
mod tests;
