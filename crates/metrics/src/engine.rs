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

/// Numbers of the engine.
#[derive(Debug)]
pub struct Engine {
    operations: Family<Ended, Counter>,
    durations: Family<Operation, Histogram>,
    clusters: Gauge,
    leases_lost: Counter,
    database_failures: Counter,
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
        new
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
