//! What happens to a call when the service or the way to it fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jeroboam_cloud::{Connector, Kind, Meter, Options, network};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::Effect;
use tokio::task::JoinSet;

use super::{cloud, connector, demo, fail};

const LIST: &str = "GET network /v2.0/networks";
const CREATE: &str = "POST network /v2.0/networks";

fn status(status: u16, retry_after: Option<u32>) -> Effect {
    Effect::Status { status, retry_after }
}

#[tokio::test]
async fn the_version_document_is_found_or_the_reason_told() {
    let cloud = cloud().await;
    connector(&cloud).probe().await.unwrap();
    let elsewhere = Options::new(format!("{}/networking", cloud.base_url()));
    assert!(Connector::new(elsewhere, 1).unwrap().probe().await.is_err());
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = Connector::new(Options::new(format!("http://{closed}/v3")), 1)
        .unwrap()
        .probe()
        .await
        .unwrap_err();
    assert_eq!((error.service, error.kind), ("identity", Kind::Connection));
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_question_is_repeated_and_an_order_is_not() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    fail(&cloud, Service::Network, "GET", "*", 2, status(503, None));
    network::networks_named(&session, "n").await.unwrap();
    assert_eq!(cloud.calls().of(LIST), 3);
    fail(&cloud, Service::Network, "GET", "*", 1, Effect::Reset);
    network::networks_named(&session, "n").await.unwrap();
    assert_eq!(cloud.calls().of(LIST), 5);

    fail(&cloud, Service::Network, "POST", "*", 1, status(503, None));
    let error = network::create_network(&session, "n").await.unwrap_err();
    assert_eq!((error.kind, error.status), (Kind::ServerError, Some(503)));
    assert!(error.is_transient() && error.may_have_happened());
    assert_eq!(cloud.calls().of(CREATE), 1);
}

#[tokio::test]
async fn a_third_failure_of_a_question_is_told_and_leaves_nothing_in_doubt() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    fail(&cloud, Service::Network, "GET", "*", 3, status(502, None));
    let error = network::networks_named(&session, "n").await.unwrap_err();
    assert!(error.is_transient() && !error.may_have_happened());
    assert!(error.request_id.is_some());
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_in_doubt_and_found_done() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    fail(&cloud, Service::Network, "POST", "*", 1, Effect::LostAnswer);
    let error = network::create_network(&session, "n").await.unwrap_err();
    assert_eq!(error.kind, Kind::Connection);
    assert!(error.is_transient() && error.may_have_happened());
    assert_eq!(network::networks_named(&session, "n").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let cloud = cloud().await;
    let options = Options {
        call_timeout: Duration::from_secs(1),
        ..Options::new(cloud.auth_url())
    };
    let session = demo(&Connector::new(options, 4).unwrap());
    session.token().await.unwrap();
    let late = Effect::Latency {
        ms: 60_000,
        jitter_ms: 0,
    };
    fail(&cloud, Service::Network, "GET", "*", 1, late.clone());
    fail(&cloud, Service::Network, "POST", "*", 1, late);
    let start = Instant::now();
    let (asked, ordered) = tokio::join!(
        network::networks_named(&session, "n"),
        network::create_network(&session, "n")
    );
    assert!(start.elapsed() < Duration::from_secs(30));
    let (asked, ordered) = (asked.unwrap_err(), ordered.unwrap_err());
    for error in [&asked, &ordered] {
        assert_eq!((error.kind, error.is_transient()), (Kind::Timeout, true));
    }
    assert!(!asked.may_have_happened() && ordered.may_have_happened());
    assert_eq!(
        cloud.calls().of(LIST),
        0,
        "a question that timed out is not repeated"
    );
}

#[tokio::test]
async fn a_long_wait_that_the_service_asks_for_is_left_to_the_caller() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    fail(&cloud, Service::Network, "GET", "*", 1, status(429, Some(60)));
    let error = network::networks_named(&session, "n").await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry_after),
        (Kind::RateLimited, Some(Duration::from_secs(60)))
    );
    assert_eq!(cloud.calls().of(LIST), 1);
}

#[tokio::test]
async fn refusals_for_quota_are_known_as_such() {
    let cloud = cloud().await;
    let session = demo(&connector(&cloud));
    fail(&cloud, Service::Network, "POST", "*", 1, Effect::Quota);
    let error = network::create_network(&session, "n").await.unwrap_err();
    assert_eq!(
        (error.kind, error.is_transient(), error.may_have_happened()),
        (Kind::Quota, false, false)
    );
}

#[tokio::test]
async fn no_more_calls_than_allowed_are_in_flight() {
    let cloud = cloud().await;
    let meter = Arc::new(Meter::new());
    let connector = Connector::new(Options::new(cloud.auth_url()), 2).unwrap();
    let session = demo(&connector).with_meter(meter.clone());
    session.token().await.unwrap();
    fail(
        &cloud,
        Service::Network,
        "GET",
        "*",
        10,
        Effect::Latency { ms: 20, jitter_ms: 0 },
    );
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let session = session.clone();
        calls.spawn(async move { network::networks_named(&session, "n").await.map(drop) });
    }
    calls
        .join_all()
        .await
        .into_iter()
        .for_each(|outcome| outcome.unwrap());
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "ten calls of 20 ms, two at a time"
    );
    assert_eq!((meter.calls(), meter.in_flight()), (11, 0));
}
