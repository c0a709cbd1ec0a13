//! Calls of OpenStack services.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper ends of the durations' buckets, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Numbers of the cloud's client.
#[derive(Debug)]
pub struct Cloud {
    calls: Family<Call, Counter>,
    durations: Family<Service, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    service: &'static str,
    method: &'static str,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Service {
    service: &'static str,
}

impl Cloud {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let new = Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        };
        registry.register(
            "jeroboam_cloud_calls",
            "Calls of OpenStack services, each attempt for itself; outcome is a status, timeout or connection",
            new.calls.clone(),
        );
        registry.register(
            "jeroboam_cloud_call_duration_seconds",
            "From the sending of a call to the last byte of its answer",
            new.durations.clone(),
        );
        new
    }

    /// A call ended. The outcome is an HTTP status or the kind of failure.
    pub fn called(&self, service: &'static str, method: &'static str, outcome: &str, elapsed: Duration) {
        let call = Call {
            service,
            method,
            outcome: outcome.to_owned(),
        };
        self.calls.get_or_create(&call).inc();
        self.durations
            .get_or_create(&Service { service })
            .observe(elapsed.as_secs_f64());
    }
}
