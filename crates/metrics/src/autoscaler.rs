//! Calls of clusters' autoscalers.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper ends of the durations' buckets, in seconds.
const BUCKETS: [f64; 8] = [0.002, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0];

/// Numbers of the autoscalers' calls.
#[derive(Debug)]
pub struct Autoscaler {
    calls: Family<Call, Counter>,
    durations: Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    call: &'static str,
    code: &'static str,
}

impl Autoscaler {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let new = Self {
            calls: Family::default(),
            durations: Histogram::new(BUCKETS),
        };
        registry.register(
            "jeroboam_autoscaler_calls",
            "Calls of clusters' autoscalers, by gRPC's codes",
            new.calls.clone(),
        );
        registry.register(
            "jeroboam_autoscaler_call_duration_seconds",
            "From the head of such a call to the head of its answer",
            new.durations.clone(),
        );
        new
    }

    /// A call was answered. `call` is one of the protocol's names, and `code` one of gRPC's.
    pub fn answered(&self, call: &'static str, code: &'static str, elapsed: Duration) {
        self.calls.get_or_create(&Call { call, code }).inc();
        self.durations.observe(elapsed.as_secs_f64());
    }
}
