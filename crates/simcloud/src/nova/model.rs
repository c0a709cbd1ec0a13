//! What Nova stores.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// State of the compute service. Keys are ids unless said otherwise.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Nova {
    /// Flavors.
    pub flavors: BTreeMap<String, Flavor>,
    /// User id to keypair name to keypair.
    pub keypairs: BTreeMap<String, BTreeMap<String, Keypair>>,
    /// Server groups.
    pub server_groups: BTreeMap<String, ServerGroup>,
    /// Servers that exist, those being deleted included.
    pub servers: BTreeMap<String, Server>,
    /// Limits of a project that differ from the defaults.
    pub quotas: BTreeMap<String, BTreeMap<String, i64>>,
    /// Default limits that differ from Nova's own; -1 is unlimited.
    pub default_quotas: BTreeMap<String, i64>,
    /// When which server changes by itself.
    pub(crate) due: BTreeSet<(i64, String)>,
    /// Servers of which something is left on the host, with real nodes.
    pub(crate) machines: BTreeSet<String>,
    pub(crate) sequence: u64,
}

/// A flavor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flavor {
    /// Unique name.
    pub name: String,
    /// Memory in MiB.
    pub ram_mib: u64,
    /// Number of virtual processors.
    pub vcpus: u64,
    /// Root disk in GiB.
    pub disk_gib: u64,
    /// False for flavors that only some projects see (here: only administrators).
    pub is_public: bool,
    /// Extra specifications.
    pub extra_specs: BTreeMap<String, String>,
}

/// A keypair; it belongs to a user, not to a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keypair {
    /// OpenSSH public key.
    pub public_key: String,
    /// 16 bytes in hex with colons.
    pub fingerprint: String,
    /// Creation in milliseconds since the epoch.
    pub created_ms: i64,
    pub(crate) sequence: u64,
}

/// A server group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerGroup {
    /// Name; need not be unique.
    pub name: String,
    /// `affinity`, `anti-affinity`, `soft-affinity` or `soft-anti-affinity`.
    pub policy: String,
    /// Project id.
    pub project_id: String,
    /// User id of the creator.
    pub user_id: String,
    pub(crate) sequence: u64,
}

/// What a server has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// BUILD.
    Building,
    /// ACTIVE.
    Active,
    /// SHUTOFF.
    Stopped,
    /// ERROR.
    Error,
}

/// What is being done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Being started for the first time.
    Spawning,
    /// os-stop.
    PoweringOff,
    /// os-start.
    PoweringOn,
    /// Soft reboot.
    Rebooting,
    /// Hard reboot.
    RebootingHard,
    /// DELETE.
    Deleting,
}

/// How a server's build is to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Well.
    #[default]
    Healthy,
    /// Never.
    Stuck,
    /// In ERROR with this message.
    Error(String),
}

/// The `fault` of a server in ERROR.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// As an HTTP status.
    pub code: u16,
    /// Text for people.
    pub message: String,
    /// When, in milliseconds since the epoch.
    pub created_ms: i64,
}

/// A volume of a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerVolume {
    /// Cinder volume id.
    pub id: String,
    /// Device name, such as `/dev/vdb`.
    pub device: String,
    /// True when it holds the root disk.
    pub is_root: bool,
    /// True when it goes with the server.
    pub delete_on_termination: bool,
    /// False while the volume is still being made.
    pub is_attached: bool,
}

/// A server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// Name; need not be unique.
    pub name: String,
    /// Text of microversion 2.19.
    pub description: Option<String>,
    /// Project id.
    pub project_id: String,
    /// User id of the creator.
    pub user_id: String,
    /// Image id; `None` when booted from a volume.
    pub image_id: Option<String>,
    /// Flavor id.
    pub flavor_id: String,
    /// The flavor as it was at the creation.
    pub flavor: Flavor,
    /// Name of the keypair.
    pub key_name: Option<String>,
    /// Public key of the keypair as it was at the creation.
    pub public_key: Option<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// User-data in base64.
    pub user_data: Option<Secret>,
    /// True when metadata is also given on a drive.
    pub config_drive: bool,
    /// Availability zone.
    pub availability_zone: String,
    /// Host that it was placed on.
    pub host: String,
    /// Names of the security groups of the request.
    pub security_groups: Vec<String>,
    /// Server group id.
    pub group_id: Option<String>,
    /// Volumes in the order of their device names.
    pub volumes: Vec<ServerVolume>,
    /// What it has come to.
    pub state: State,
    /// What is being done to it.
    pub task: Option<Task>,
    /// How its build is to end.
    pub fate: Fate,
    /// Why it is in ERROR.
    pub fault: Option<Fault>,
    /// True once all that it needs is there, so that a machine may be booted for it.
    pub is_prepared: bool,
    /// Grows by one with each reboot.
    pub boot: u32,
    /// Creation, last change and first boot in milliseconds since the epoch.
    pub created_ms: i64,
    /// See `created_ms`.
    pub updated_ms: i64,
    /// See `created_ms`.
    pub launched_ms: Option<i64>,
    pub(crate) sequence: u64,
}

impl Server {
    /// True once a DELETE was accepted.
    pub fn is_deleting(&self) -> bool {
        self.task == Some(Task::Deleting)
    }

    /// The `status` of the API.
    pub fn status(&self) -> &'static str {
        match (self.state, self.task) {
            (State::Building, _) => "BUILD",
            (State::Active, Some(Task::Rebooting)) => "REBOOT",
            (State::Active, Some(Task::RebootingHard)) => "HARD_REBOOT",
            (State::Active, _) => "ACTIVE",
            (State::Stopped, _) => "SHUTOFF",
            (State::Error, _) => "ERROR",
        }
    }
}
