//! Requests of the API and the tokens that they carry.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper ends of the durations' buckets, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// What came of looking for a token among those that are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLookup {
    /// It is remembered.
    Hit,
    /// Keystone was asked.
    Miss,
    /// Its refusal is remembered, or its time is over.
    Refused,
}

/// Numbers of the API.
#[derive(Debug)]
pub struct Http {
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    certificate_end: Gauge,
    hits: Counter,
    misses: Counter,
    refusals: Counter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lookup {
    result: &'static str,
}

impl Http {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let lookups = Family::<Lookup, Counter>::default();
        let lookup = |result| lookups.get_or_create_owned(&Lookup { result });
        let new = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            certificate_end: Gauge::default(),
            hits: lookup("hit"),
            misses: lookup("miss"),
            refusals: lookup("refused"),
        };
        registry.register(
            "jeroboam_http_requests",
            "Requests answered",
            new.requests.clone(),
        );
        registry.register(
            "jeroboam_http_request_duration_seconds",
            "From the head of a request to the head of its answer",
            new.durations.clone(),
        );
        registry.register(
            "jeroboam_http_requests_in_flight",
            "Requests being answered",
            new.in_flight.clone(),
        );
        registry.register(
            "jeroboam_http_connections",
            "Connections of clients",
            new.connections.clone(),
        );
        registry.register(
            "jeroboam_tls_certificate_not_after_timestamp_seconds",
            "When the API's own certificate ends; 0 without one",
            new.certificate_end.clone(),
        );
        registry.register(
            "jeroboam_token_lookups",
            "Looks for a token among the remembered ones",
            lookups,
        );
        new
    }

    /// A request begins; it ends when the result is dropped.
    pub fn begin(&self) -> InFlight {
        InFlight::new(&self.in_flight)
    }

    /// A connection begins; it ends when the result is dropped.
    pub fn connect(&self) -> InFlight {
        InFlight::new(&self.connections)
    }

    /// A request was answered. The route is a pattern without identifiers.
    pub fn answered(&self, method: &'static str, route: &'static str, status: u16, elapsed: Duration) {
        let request = Request {
            method,
            route,
            status,
        };
        self.requests.get_or_create(&request).inc();
        let route = Route { method, route };
        self.durations
            .get_or_create(&route)
            .observe(elapsed.as_secs_f64());
    }

    /// The API shows a certificate that ends then, in seconds since 1970.
    pub fn shows_certificate(&self, not_after: i64) {
        self.certificate_end.set(not_after);
    }

    /// A token was looked for.
    pub fn looked_up(&self, result: TokenLookup) {
        match result {
            TokenLookup::Hit => self.hits.inc(),
            TokenLookup::Miss => self.misses.inc(),
            TokenLookup::Refused => self.refusals.inc(),
        };
    }
}

/// Something that goes on until this is dropped.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl InFlight {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
