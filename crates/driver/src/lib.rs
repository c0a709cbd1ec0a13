//! What a driver of a container orchestration engine is: it is told what is asked and what is there, and
//! answers with a graph of cloud resources, with user-data for each node, and with checks of the running COE.
//!
//! A driver never sees the database, never makes a cloud resource itself, and has no state: the same question
//! gets the same answer.

mod addon;
pub mod ask;
pub mod cidr;
pub mod console;
mod departure;
mod drivers;
pub mod graph;
pub mod health;
pub mod label;
pub mod pods;
mod relay;

use std::sync::Arc;

use async_trait::async_trait;
use jeroboam_types::{Coe, NodeGroup, Revision, ServerType, TrustStage};
use secrecy::SecretString;
use thiserror::Error;

pub use addon::{AddOnAsk, AddOnState, CloudAccess, CloudLogin, Drift, NodeMarks, ServiceAccess};
pub use ask::{Ask, Bootstrap, NodeAsk, Proxies};
pub use cidr::Cidr;
pub use departure::{Departure, Leaving};
pub use drivers::Drivers;
pub use graph::{Graph, Key, Made, Ref, Resource, Spec};
pub use health::{ApiHealth, Health, NodeHealth};
pub use label::{LabelDefault, LabelKind, LabelReach, LabelSpec};
pub use pods::PodNetwork;
pub use relay::{ApiAnswer, ApiCall, Relay};

/// A combination that a driver builds: Magnum's (server_type, os, coe).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provides {
    /// Kind of server.
    pub server_type: ServerType,
    /// `os_distro` of the image; `None` for any.
    pub os: Option<&'static str>,
    /// The COE.
    pub coe: Coe,
}

impl Provides {
    /// True when an image's `os_distro` and the rest of a wish are of this combination.
    pub fn covers(&self, server_type: ServerType, os: &str, coe: Coe) -> bool {
        self.server_type == server_type && self.coe == coe && self.os.is_none_or(|provided| provided == os)
    }
}

/// A wrong value in what is asked, found before anything is built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// Field of the request, such as `master_count` or `labels.boot_volume_size`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Invalid {
    /// A wrong value.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// A driver could not answer.
#[derive(Debug, Error)]
pub enum DriverError {
    /// What is asked cannot be built.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A certificate for a node could not be made.
    #[error("cannot issue a certificate: {0}")]
    Certificate(String),
    /// Anything else that is the driver's own fault.
    #[error("{0}")]
    Internal(String),
}

/// Certificate authorities of a cluster, one for each purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Signs the COE's API and its clients.
    Cluster,
    /// Signs what nodes show each other while they join.
    Node,
    /// Signs members and clients of etcd.
    Etcd,
    /// Signs the Kubernetes API as it speaks to extensions of itself.
    FrontProxy,
}

/// A certificate that a driver wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// `CN=`.
    pub common_name: String,
    /// `O=`, any number.
    pub organizations: Vec<String>,
    /// IP addresses that the certificate speaks for.
    pub addresses: Vec<String>,
    /// Host names that the certificate speaks for.
    pub names: Vec<String>,
    /// May be shown by a server.
    pub server: bool,
    /// May be shown by a client.
    pub client: bool,
    /// Days for which it is valid; `None` for the operator's choice.
    pub days: Option<u32>,
}

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// Certificate, PEM.
    pub certificate: String,
    /// Private key, PEM (PKCS#8).
    pub key: SecretString,
}

/// Key pair that a control plane signs the tokens of its service accounts with.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    /// Public keys of tokens that are good, PEM (SPKI): that of the private key comes first.
    pub public: String,
    /// Private key, PEM (PKCS#8).
    pub private: SecretString,
    /// Id of the private key, as tokens name it (`kid`): the SHA-256 of its public key, SPKI DER, in URL-safe base64
    /// without padding.
    pub id: String,
}

/// The cluster's certificate authorities as a driver may use them.
pub trait Certificates: Send + Sync {
    /// Certificates of the authorities that are to be trusted, PEM: the one that signs comes first, and during a
    /// rotation the other one after it.
    fn authority(&self, authority: Authority) -> Result<String, DriverError>;
    /// Issues a certificate with a new key.
    fn issue(&self, authority: Authority, request: &CertificateRequest) -> Result<KeyPair, DriverError>;
    /// The authority that signs, with its key, for a control plane that signs by itself and for nobody else.
    fn signer(&self, authority: Authority) -> Result<KeyPair, DriverError>;
    /// Keys for the tokens of service accounts. An error for a COE that has none.
    fn token_keys(&self) -> Result<TokenKeys, DriverError>;
}

/// How to speak with a running COE.
#[derive(Clone, Debug)]
pub struct Access {
    /// `api_address` of the cluster.
    pub address: String,
    /// CA certificates that the COE's API may be known by, PEM; `None` when TLS is off.
    pub authority: Option<String>,
    /// Client certificate with administrator's rights; `None` when TLS is off.
    pub client: Option<KeyPair>,
    /// Who carries calls there, where the service has no way of its own.
    pub relay: Option<Arc<dyn Relay>>,
}

/// What a check of the running COE found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Every node that should be there is ready.
    Ready {
        /// Version of the COE.
        coe_version: String,
        /// Version of the container runtime.
        container_version: Option<String>,
    },
    /// Not yet; the text says what is missing and may be shown to the tenant.
    NotYet(String),
}

/// A driver.
#[async_trait]
pub trait Driver: Send + Sync {
    /// Name for templates, options and logs.
    fn name(&self) -> &'static str;

    /// What it builds.
    fn provides(&self) -> &'static [Provides];

    /// True for a driver that operators have to switch on (`[drivers] enabled_beta_drivers`).
    fn beta(&self) -> bool {
        false
    }

    /// Labels that it knows. The API refuses wrong values of these when they are given; others are kept, and
    /// reported to the client.
    fn labels(&self) -> &[LabelSpec] {
        &[]
    }

    /// Checks what is asked, before anything is built or written.
    fn validate(&self, ask: &Ask) -> Result<(), Invalid>;

    /// Every resource that should exist for what is asked.
    fn graph(&self, ask: &Ask) -> Result<Graph, DriverError>;

    /// User-data of one node, asked when everything that its server refers to is there.
    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError>;

    /// True when nodes of what is asked fetch their secrets from the service at their first boot, where the service
    /// has an endpoint for that. Else the secrets stand in the nodes' user-data.
    fn fetches_secrets(&self, _ask: &Ask) -> bool {
        false
    }

    /// What a node fetches, made anew each time. Asked only for what [`Driver::fetches_secrets`] is true of.
    fn secrets(&self, _node: &NodeAsk<'_>) -> Result<SecretString, DriverError> {
        let reason = format!("nodes of driver {} fetch no secrets", self.name());
        Err(DriverError::Internal(reason))
    }

    /// True when the masters share the address of the API, so that there may be several.
    fn shares_api_address(&self, ask: &Ask) -> bool {
        ask.master_lb_enabled()
    }

    /// True for a private cluster: the service does not call its API, but its control plane asks for the calls.
    fn is_private(&self, _ask: &Ask) -> bool {
        false
    }

    /// Address of the COE's API, `None` until what it stands on is made.
    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String>;

    /// Looks at the running COE once; errors and closed ports are [`Report::NotYet`].
    async fn check(&self, ask: &Ask, access: &Access) -> Report;

    /// Looks at the health of a COE that stands, once. Unlike [`Driver::check`] it tells of each node, and is content
    /// with what the tenant may have changed since.
    async fn health(&self, ask: &Ask, access: &Access) -> Health {
        let api = match self.check(ask, access).await {
            Report::Ready { .. } => ApiHealth::Ok,
            Report::NotYet(seen) => ApiHealth::Failing(seen),
        };
        Health {
            api,
            nodes: Vec::new(),
        }
    }

    /// Checks another number of masters, all else being the same.
    fn validate_master_resize(&self, _ask: &Ask, masters: i32) -> Result<(), Invalid> {
        let reason = format!(
            "driver {} cannot change the number of masters to {masters}",
            self.name()
        );
        Err(Invalid::new("node_count", reason))
    }

    /// What the nodes of a group are made of, as its cluster is asked for now.
    fn revision(&self, ask: &Ask, group: &NodeGroup) -> Revision {
        ask.revision(group)
    }

    /// Labels of a template that an upgrade to it takes over; a cluster keeps all its others.
    fn upgrade_labels(&self) -> &[&'static str] {
        &[]
    }

    /// Checks an upgrade: the groups of the wish have their new revisions, and know which of their nodes are of
    /// which older ones.
    fn validate_upgrade(&self, _ask: &Ask) -> Result<(), Invalid> {
        let reason = format!("driver {} cannot upgrade clusters", self.name());
        Err(Invalid::new("cluster_template", reason))
    }

    /// Checks a rotation of the certificate authorities, which replaces all nodes: the groups of the wish are as in its
    /// first stage.
    fn validate_rotation(&self, _ask: &Ask) -> Result<(), Invalid> {
        let reason = format!("driver {} cannot rotate certificate authorities", self.name());
        Err(Invalid::new("cluster", reason))
    }

    /// The stage that a group's nodes must be of when a rotation is in one. Nodes that see certificates of the control
    /// plane all the time must trust the next authorities before that shows any, and once it shows no others they need
    /// not trust the last ones any more.
    fn trust_of(&self, group: &NodeGroup, stage: TrustStage) -> TrustStage {
        match group.is_master() || !stage.is_overlap_of_new() {
            true => stage,
            false => stage.next(),
        }
    }

    /// Prepares what runs in the COE for the next stage of a rotation, one look or one step at a time: it is called
    /// again until it is done. Asked when the control plane is of the present stage. The error says what is waited for
    /// and may be shown to the tenant.
    async fn settle_trust(
        &self,
        _ask: &Ask,
        _access: &Access,
        _certificates: &dyn Certificates,
    ) -> Result<(), String> {
        Ok(())
    }

    /// True for a resource of a node of the control plane that stays while its machine is made anew.
    fn stays(&self, _ask: &Ask, resource: &Resource) -> bool {
        !matches!(
            resource.spec,
            Spec::Server(_) | Spec::Member | Spec::Volume { .. }
        )
    }

    /// Asks whether a node of the control plane serves the COE's API, so that clients may be led to it. Not asked while a
    /// cluster is created, when nobody serves yet. The error says what is waited for and may be shown to the tenant.
    async fn serves(&self, _ask: &Ask, _access: &Access, _host_name: &str) -> Result<(), String> {
        Ok(())
    }

    /// Takes a node out of the running COE, one look or one step at a time: it is called again until it says
    /// [`Departure::Gone`]. Workloads are moved away first, but once the node is overdue they are left no more time.
    /// Errors and closed ports are [`Departure::NotYet`]; a node that the COE does not know is gone.
    async fn leave(&self, ask: &Ask, access: &Access, node: &Leaving<'_>) -> Departure;

    /// Looks at an add-on of the running COE once.
    async fn look_at_add_on(&self, _ask: &Ask, name: &str, _revision: &str, _access: &Access) -> AddOnState {
        AddOnState::NotYet(format!("driver {} has no add-on {name}", self.name()))
    }

    /// Makes an add-on what it should be, whatever it was, and tells what keeps it from that. May be done again at
    /// any time. Whether it works is seen by the next look.
    async fn apply_add_on(&self, add_on: &AddOnAsk<'_>, _access: &Access) -> AddOnState {
        AddOnState::NotYet(format!("driver {} has no add-on {}", self.name(), add_on.name))
    }

    /// Looks whether somebody has changed or deleted what was applied of an add-on.
    async fn look_for_drift(&self, _name: &str, _revision: &str, _access: &Access) -> Drift {
        Drift::None
    }

    /// True for a cluster that asks this service for nodes by itself.
    fn autoscales(&self, _ask: &Ask) -> bool {
        false
    }

    /// What a new node of a group would bear; `None` for a COE whose nodes are not scaled by what they bear.
    fn node_marks(&self, _ask: &Ask, _group: &NodeGroup) -> Option<NodeMarks> {
        None
    }

    /// Takes an add-on out of the running COE; it is called again until it says [`Departure::Gone`].
    async fn remove_add_on(&self, _name: &str, _access: &Access) -> Departure {
        Departure::Gone
    }
}
