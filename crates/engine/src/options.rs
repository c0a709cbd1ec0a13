//! What an operator may set.

use std::time::Duration;

use jeroboam_driver::Spec;
use jeroboam_types::repair::Limits;
use thiserror::Error;

use crate::bootstrap::Endpoint;

/// Options of the engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this process for leases; unique among the processes on one database.
    pub owner: String,
    /// Clusters worked on at once.
    pub workers: usize,
    /// Steps taken at once for one cluster.
    pub steps_per_cluster: usize,
    /// How long a lease lasts without a heartbeat. Another process goes on after that.
    pub lease: Duration,
    /// Longest pause between looks for due work.
    pub poll_interval: Duration,
    /// Time limit of one call to a cloud; must be well below the lease, so that no call outlives it.
    pub call_timeout: Duration,
    /// Failed tries of one step before it is given up.
    pub retry_limit: u32,
    /// How long the outcome of a call whose answer was lost may stay hidden: it is looked for, for that long,
    /// before the call is sent again.
    pub settle_time: Duration,
    /// How long each stage of a rolling replacement may take.
    pub update_limit: Duration,
    /// How long the workloads of a node that goes are left to move away.
    pub drain_limit: Duration,
    /// Time limits of steps.
    pub budgets: Budgets,
    /// How the engine gets to act in a tenant's project.
    pub identity: IdentityMode,
    /// Where the identities live.
    pub trustee_domain: TrusteeDomain,
    /// Roles of the identities on the tenant's project.
    pub roles: Vec<String>,
    /// Counts an ACTIVE server as a ready node, for labs whose servers do not boot.
    pub trust_server_active: bool,
    /// Days that certificate authorities are valid.
    pub certificate_days: u32,
    /// Where nodes fetch their secrets; without it they find them in their user-data.
    pub bootstrap: Option<Endpoint>,
    /// How the health of clusters is looked at; `None` where nobody looks.
    pub health: Option<Watch>,
    /// How long nodes are late before their consoles are read.
    pub diagnose_after: Duration,
    /// Size of the authorities' RSA keys in bits: 2048, 3072 or 4096.
    pub rsa_bits: u32,
}

/// How the health of clusters is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// About how long between two looks at a cluster.
    pub interval: Duration,
    /// Looks at once.
    pub parallel: usize,
    /// Time limit of one look.
    pub limit: Duration,
    /// What is allowed in clusters that want lost nodes to be replaced.
    pub repair: Limits,
    /// About how long between two looks at a cluster's add-ons, which are applied again where they are not what they
    /// were made; `None` where nobody looks.
    pub mend: Option<Duration>,
}

/// How the engine acts in a tenant's project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityMode {
    /// A user of the service's own with roles on the project, granted by the service.
    Grant,
    /// The same user with a trust from the creating user.
    Trust,
}

/// Domain of the engine's identities.
#[derive(Clone, Debug)]
pub enum TrusteeDomain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// How long a resource may take to become ready, or to go.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Servers.
    pub server: Duration,
    /// Load balancers.
    pub load_balancer: Duration,
    /// Volumes.
    pub volume: Duration,
    /// From the last server's start until the COE has all its nodes; for a node to leave it.
    pub coe: Duration,
    /// Anything else.
    pub other: Duration,
}

impl Budgets {
    /// Budget of a kind of resource.
    pub fn of(&self, spec: &Spec) -> Duration {
        match spec {
            Spec::Server(_) => self.server,
            Spec::LoadBalancer { .. } | Spec::Pool { .. } | Spec::Leftovers { .. } => self.load_balancer,
            Spec::Volume { .. } => self.volume,
            Spec::Coe | Spec::Member | Spec::Trust => self.coe,
            // It waits for the first master from the moment that its address is known.
            Spec::AddOn { .. } => self.server + self.coe,
            _ => self.other,
        }
    }
}

/// Options that contradict each other.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// A call could outlive the lease, and two workers could act at once.
    #[error("the engine's call timeout ({call:?}) must be at most half its lease ({lease:?})")]
    CallOutlivesLease {
        /// Call timeout.
        call: Duration,
        /// Lease.
        lease: Duration,
    },
}

impl Options {
    /// Checks what must hold between the options.
    pub fn validate(&self) -> Result<(), OptionsError> {
        if self.call_timeout * 2 > self.lease {
            return Err(OptionsError::CallOutlivesLease {
                call: self.call_timeout,
                lease: self.lease,
            });
        }
        Ok(())
    }
}
