//! Every number that the service shows to Prometheus: names, labels, buckets, and their text.
//!
//! Owns the metrics library, so that nothing else knows it. Counting is cheap enough for each request and call: a look
//! into a small table and an addition. Labels have few values by construction: routes without identifiers, statuses,
//! services; never a name, a project or a token. It serves no HTTP.

mod autoscaler;
mod cloud;
mod engine;
mod http;
mod process;
mod relay;
mod store;

use std::fmt::Write as _;
use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use autoscaler::Autoscaler;
pub use cloud::Cloud;
pub use engine::Engine;
pub use http::{Http, InFlight, TokenLookup};
pub use relay::Relay;
pub use store::{Store, StoreState};

/// Media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All numbers of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    autoscaler: Autoscaler,
    http: Http,
    cloud: Cloud,
    engine: Engine,
    relay: Relay,
    store: Store,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("jeroboam_build", "The program", build);
        registry.register_collector(Box::new(process::Process));
        Self(Arc::new(Inner {
            autoscaler: Autoscaler::new(&mut registry),
            http: Http::new(&mut registry),
            cloud: Cloud::new(&mut registry),
            engine: Engine::new(&mut registry),
            relay: Relay::new(&mut registry),
            store: Store::new(&mut registry),
            registry,
        }))
    }
}

impl Metrics {
    /// Requests and tokens.
    pub fn http(&self) -> &Http {
        &self.0.http
    }

    /// Calls of clusters' autoscalers.
    pub fn autoscaler(&self) -> &Autoscaler {
        &self.0.autoscaler
    }

    /// Calls of the cloud.
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// What the engine does.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Calls to the APIs of private clusters.
    pub fn relay(&self) -> &Relay {
        &self.0.relay
    }

    /// What the database holds, as it was last looked at.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// All of it in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut all = String::with_capacity(16 * 1024);
        if text::encode(&mut all, &self.0.registry).is_err() {
            // Writing to a text cannot fail; what could is half an answer, which nobody must take for a whole one.
            all.clear();
            let _ = writeln!(all, "# the numbers cannot be written");
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::default();
        metrics
            .http()
            .answered("GET", "/v1/clusters", 200, Duration::from_millis(3));
        metrics
            .http()
            .answered("GET", "/v1/clusters", 200, Duration::from_millis(700));
        metrics.http().looked_up(TokenLookup::Hit);
        metrics
            .cloud()
            .called("compute", "GET", "200", Duration::from_millis(30));
        metrics
            .engine()
            .settled("CREATE", "COMPLETE", Duration::from_secs(70));
        metrics.engine().lost_lease();
        metrics.store().set(&StoreState {
            connections: 3,
            idle_connections: 2,
            max_connections: 5,
            work_due: 1,
            work_held: 2,
            lag: Duration::from_millis(1500),
            clusters: vec![("CREATE_COMPLETE", 7)],
            health: vec![("HEALTHY", 6)],
            certificates: vec![("authorities", 1_795_000_000.5)],
        });
        metrics.engine().looked("HEALTHY", Duration::from_millis(20));
        metrics.engine().replaced("worker");
        metrics.engine().mended_add_on();
        metrics.store().is_ahead(-1.5);
        let text = metrics.text();
        for line in [
            "jeroboam_http_requests_total{method=\"GET\",route=\"/v1/clusters\",status=\"200\"} 2",
            "jeroboam_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/clusters\"} 2",
            "jeroboam_http_request_duration_seconds_bucket{le=\"0.005\",method=\"GET\",route=\"/v1/clusters\"} 1",
            "jeroboam_token_lookups_total{result=\"hit\"} 1",
            "jeroboam_cloud_calls_total{service=\"compute\",method=\"GET\",outcome=\"200\"} 1",
            "jeroboam_cloud_call_duration_seconds_count{service=\"compute\"} 1",
            "jeroboam_engine_operations_total{operation=\"CREATE\",outcome=\"COMPLETE\"} 1",
            "jeroboam_engine_leases_lost_total 1",
            "jeroboam_engine_work_due 1",
            "jeroboam_engine_work_lag_seconds 1.5",
            "jeroboam_database_connections{state=\"used\"} 1",
            "jeroboam_clusters{status=\"CREATE_COMPLETE\"} 7",
            "jeroboam_clusters_health{health=\"HEALTHY\"} 6",
            "jeroboam_health_looks_total{health=\"HEALTHY\"} 1",
            "jeroboam_health_look_duration_seconds_bucket{le=\"0.03\"} 1",
            "jeroboam_health_replacements_total{role=\"worker\"} 1",
            "jeroboam_health_mended_add_ons_total 1",
            "jeroboam_cluster_certificates_oldest_timestamp_seconds{of=\"authorities\"} 1795000000.5",
            "jeroboam_clock_ahead_of_database_seconds -1.5",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(text.contains(&format!(
            "jeroboam_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        )));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn the_process_tells_of_itself() {
        let text = Metrics::default().text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
                .trim()
                .parse()
                .unwrap()
        };
        assert!(value("process_resident_memory_bytes ") > 1e6);
        assert!(value("process_open_fds ") >= 3.0);
        assert!(value("process_max_fds ") >= value("process_open_fds "));
        assert!(value("process_threads ") >= 1.0);
        assert!(value("process_start_time_seconds ") > 1.7e9);
        assert!(value("process_cpu_seconds_total ") >= 0.0);
    }

    #[test]
    fn a_status_that_no_cluster_has_any_more_is_gone() {
        let metrics = Metrics::default();
        let state = |clusters| StoreState {
            clusters,
            ..StoreState::default()
        };
        metrics.store().set(&state(vec![("DELETE_FAILED", 1)]));
        metrics.store().set(&state(vec![("CREATE_COMPLETE", 1)]));
        assert!(!metrics.text().contains("DELETE_FAILED"));
    }
}
