//! What the database holds and how many connections lead to it. Looked at from time to time, not counted.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a look at the database found.
#[derive(Clone, Debug, Default)]
pub struct StoreState {
    /// Open connections.
    pub connections: u32,
    /// Open connections that nobody uses.
    pub idle_connections: u32,
    /// Most connections that may be open.
    pub max_connections: u32,
    /// Clusters whose work is due and that nobody works on.
    pub work_due: u64,
    /// Clusters that some process works on.
    pub work_held: u64,
    /// How long the oldest due work has waited.
    pub lag: Duration,
    /// Numbers of clusters by status.
    pub clusters: Vec<(&'static str, u64)>,
    /// Numbers of clusters that stand by health.
    pub health: Vec<(&'static str, u64)>,
    /// When the oldest of a kind of certificates were made, in seconds since 1970, by what they are of; 0 without any.
    pub certificates: Vec<(&'static str, f64)>,
}

/// Numbers of the database.
#[derive(Debug)]
pub struct Store {
    connections: Family<Connections, Gauge>,
    max_connections: Gauge,
    work_due: Gauge,
    work_held: Gauge,
    lag: Gauge<f64, AtomicU64>,
    clusters: Family<Clusters, Gauge>,
    health: Family<Health, Gauge>,
    certificates: Family<Certificates, Gauge<f64, AtomicU64>>,
    clock_ahead: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connections {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Clusters {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Health {
    health: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Certificates {
    of: &'static str,
}

impl Store {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let new = Self {
            connections: Family::default(),
            max_connections: Gauge::default(),
            work_due: Gauge::default(),
            work_held: Gauge::default(),
            lag: Gauge::default(),
            clusters: Family::default(),
            health: Family::default(),
            certificates: Family::default(),
            clock_ahead: Gauge::default(),
        };
        registry.register(
            "jeroboam_database_connections",
            "Open connections to the database",
            new.connections.clone(),
        );
        registry.register(
            "jeroboam_database_max_connections",
            "Most connections to the database that may be open",
            new.max_connections.clone(),
        );
        registry.register(
            "jeroboam_engine_work_due",
            "Clusters whose work is due and that no process works on",
            new.work_due.clone(),
        );
        registry.register(
            "jeroboam_engine_work_held",
            "Clusters that some process works on",
            new.work_held.clone(),
        );
        registry.register(
            "jeroboam_engine_work_lag_seconds",
            "How long the oldest due work has waited",
            new.lag.clone(),
        );
        registry.register("jeroboam_clusters", "Clusters", new.clusters.clone());
        registry.register(
            "jeroboam_clusters_health",
            "Clusters that stand, by health",
            new.health.clone(),
        );
        registry.register(
            "jeroboam_cluster_certificates_oldest_timestamp_seconds",
            "When the oldest certificates of clusters were made; 0 without any",
            new.certificates.clone(),
        );
        registry.register(
            "jeroboam_clock_ahead_of_database_seconds",
            "How far the clock of this host is ahead of that of the database",
            new.clock_ahead.clone(),
        );
        new
    }

    /// Tells how many seconds this host's clock is ahead of the database's.
    pub fn is_ahead(&self, secs: f64) {
        self.clock_ahead.set(secs);
    }

    /// Tells what a look has found.
    pub fn set(&self, state: &StoreState) {
        let used = state.connections.saturating_sub(state.idle_connections);
        for (name, count) in [("used", used), ("idle", state.idle_connections)] {
            self.connections
                .get_or_create(&Connections { state: name })
                .set(count.into());
        }
        self.max_connections.set(state.max_connections.into());
        self.work_due.set(signed(state.work_due));
        self.work_held.set(signed(state.work_held));
        self.lag.set(state.lag.as_secs_f64());
        self.health.clear();
        for (health, count) in &state.health {
            self.health.get_or_create(&Health { health }).set(signed(*count));
        }
        for (of, made) in &state.certificates {
            self.certificates.get_or_create(&Certificates { of }).set(*made);
        }
        self.clusters.clear();
        for (status, count) in &state.clusters {
            self.clusters
                .get_or_create(&Clusters { status })
                .set(signed(*count));
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
