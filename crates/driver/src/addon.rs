//! Add-ons: what a running COE is given besides its nodes.

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::KeyPair;
use crate::ask::Ask;
use crate::graph::Made;

/// An add-on that is to be applied.
pub struct AddOnAsk<'a> {
    /// The cluster's wish.
    pub ask: &'a Ask,
    /// Everything that is made already.
    pub made: &'a Made,
    /// Name of the add-on.
    pub name: &'a str,
    /// What it is to be, see [`crate::Spec::AddOn`]. Kept with it, so that a look can tell.
    pub revision: &'a str,
    /// Keystone, as the catalog has it for everybody; `None` when nobody can tell now.
    pub auth_url: Option<&'a str>,
    /// How it gets into the cloud, if it does.
    pub cloud: Option<&'a CloudAccess>,
    /// How it asks this service for nodes, if it does.
    pub service: Option<&'a ServiceAccess>,
}

/// How a cluster's autoscaler reaches this service.
#[derive(Clone, Debug)]
pub struct ServiceAccess {
    /// `host:port`
    pub address: String,
    /// Certificates that it trusts there, PEM.
    pub authority: String,
    /// What it is known by there, and nowhere else.
    pub client: KeyPair,
}

/// What Kubernetes would say of a new node of a group, before there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeMarks {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints: key, value, effect.
    pub taints: Vec<(String, String, String)>,
    /// Most pods.
    pub pods: u32,
}

/// How an add-on gets into the cloud.
#[derive(Clone, Debug)]
pub struct CloudAccess {
    /// Keystone, as the catalog has it for everybody.
    pub auth_url: String,
    /// Region, where the cloud has several.
    pub region: Option<String>,
    /// Who it is there.
    pub login: CloudLogin,
    /// Names of Cinder's volume types that the project may use.
    pub volume_types: Vec<String>,
}

/// Who an add-on is in the cloud.
#[derive(Clone, Debug)]
pub enum CloudLogin {
    /// By an application credential of the cluster's identity.
    Application {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// The cluster's identity itself, by its trust: a trust makes no application credentials.
    Trust {
        /// Id of the identity.
        user_id: String,
        /// Its password.
        password: SecretString,
        /// Id of the trust.
        trust_id: String,
    },
}

/// What became of an add-on's objects since they were applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// They are as they were made.
    None,
    /// Something is not: the add-on is to be applied again. The text names it and may be shown to the tenant.
    Found(String),
    /// Nobody can tell now; the text says why.
    Unknown(String),
}

/// How an add-on stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddOnState {
    /// It is as it should be, and works.
    Ready,
    /// It is not, or not the revision that it should be: it is to be applied.
    Outdated,
    /// Not yet; the text says what is waited for and may be shown to the tenant.
    NotYet(String),
    /// It will not work unless something changes, such as an image that cannot be pulled; the text names the cause
    /// and may be shown to the tenant.
    Stuck(String),
}
