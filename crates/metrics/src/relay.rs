//! Calls to the APIs of private clusters.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper ends of the durations' buckets, in seconds.
const BUCKETS: [f64; 7] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 12.0];

/// Numbers of the calls that masters make for the service.
#[derive(Debug)]
pub struct Relay {
    calls: Family<Outcome, Counter>,
    durations: Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Relay {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let new = Self {
            calls: Family::default(),
            durations: Histogram::new(BUCKETS),
        };
        registry.register(
            "jeroboam_relayed_calls",
            "Calls to the APIs of private clusters",
            new.calls.clone(),
        );
        registry.register(
            "jeroboam_relayed_call_duration_seconds",
            "From the wish for such a call to its answer",
            new.durations.clone(),
        );
        new
    }

    /// A call has ended; `outcome` is one of few words.
    pub fn ended(&self, outcome: &'static str, elapsed: Duration) {
        self.calls.get_or_create(&Outcome { outcome }).inc();
        self.durations.observe(elapsed.as_secs_f64());
    }
}
