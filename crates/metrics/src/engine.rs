//! What the engine does with clusters.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::http::InFlight;

/// Upper ends of the durations' buckets, in seconds.
const BUCKETS: [f64; 10] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// The same for looks at the health.
const LOOK_BUCKETS: [f64; 7] = [0.01, 0.03, 0.1, 0.3, 1.0, 5.0, 20.0];

/// Numbers of the engine.
#[derive(Debug)]
pub struct Engine {
    operations: Family<Ended, Counter>,
    durations: Family<Operation, Histogram>,
    clusters: Gauge,
    leases_lost: Counter,
    database_failures: Counter,
    looks: Family<Look, Counter>,
    look_durations: Histogram,
    replacements: Family<Replacement, Counter>,
    mended_add_ons: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Look {
    health: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Replacement {
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

impl Engine {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let new = Self {
            operations: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            clusters: Gauge::default(),
            leases_lost: Counter::default(),
            database_failures: Counter::default(),
            looks: Family::default(),
            look_durations: Histogram::new(LOOK_BUCKETS),
            replacements: Family::default(),
            mended_add_ons: Counter::default(),
        };
        registry.register(
            "jeroboam_engine_operations",
            "Operations on clusters that ended",
            new.operations.clone(),
        );
        registry.register(
            "jeroboam_engine_operation_duration_seconds",
            "From what was asked to its end",
            new.durations.clone(),
        );
        registry.register(
            "jeroboam_engine_clusters",
            "Clusters that this process works on now",
            new.clusters.clone(),
        );
        registry.register(
            "jeroboam_engine_leases_lost",
            "Leases that were lost while this process worked under them",
            new.leases_lost.clone(),
        );
        registry.register(
            "jeroboam_engine_database_failures",
            "Times that the engine could not read or write what it needed",
            new.database_failures.clone(),
        );
        registry.register(
            "jeroboam_health_looks",
            "Looks at the health of clusters, by what they found",
            new.looks.clone(),
        );
        registry.register(
            "jeroboam_health_look_duration_seconds",
            "How long looks at the health of clusters took",
            new.look_durations.clone(),
        );
        registry.register(
            "jeroboam_health_replacements",
            "Lost nodes whose replacement was begun",
            new.replacements.clone(),
        );
        registry.register(
            "jeroboam_health_mended_add_ons",
            "Add-ons that were applied again because they were not what they had been made",
            new.mended_add_ons.clone(),
        );
        new
    }

    /// The health of a cluster was looked at.
    pub fn looked(&self, health: &'static str, elapsed: Duration) {
        self.looks.get_or_create(&Look { health }).inc();
        self.look_durations.observe(elapsed.as_secs_f64());
    }

    /// The replacement of a lost node was begun: of a `master` or of a `worker`.
    pub fn replaced(&self, role: &'static str) {
        self.replacements.get_or_create(&Replacement { role }).inc();
    }

    /// An add-on was applied again that somebody had changed.
    pub fn mended_add_on(&self) {
        self.mended_add_ons.inc();
    }

    /// An operation ended.
    pub fn settled(&self, operation: &'static str, outcome: &'static str, elapsed: Duration) {
        self.operations.get_or_create(&Ended { operation, outcome }).inc();
        self.durations
            .get_or_create(&Operation { operation })
            .observe(elapsed.as_secs_f64());
    }

    /// Work on a cluster begins; it ends when the result is dropped.
    pub fn work(&self) -> InFlight {
        InFlight::new(&self.clusters)
    }

    /// A lease was lost.
    pub fn lost_lease(&self) {
        self.leases_lost.inc();
    }

    /// The database refused.
    pub fn failed_database(&self) {
        self.database_failures.inc();
    }
}
