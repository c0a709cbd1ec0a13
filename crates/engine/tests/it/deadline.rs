//! Nothing waits for ever.

use std::time::Duration;

use jeroboam_engine::{Clock, SystemClock};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_types::Status;

use crate::house::House;

fn stuck() -> Rule {
    let creation = Match {
        service: Some(Service::Compute),
        method: Some("POST".into()),
        path: Some("*/servers".into()),
        ..Match::default()
    };
    Rule::new(creation, Effect::StuckBuild)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_ends_at_its_deadline_and_says_what_it_waited_for() {
    let house = House::build().await;
    house.cloud.faults().add(stuck());
    let engine = house.engine(|_| {}).await;
    let cluster = house
        .ask(1, 1, |new| {
            new.deadline = SystemClock.now().plus(Duration::from_secs(8))
        })
        .await;
    let row = house.settled(cluster).await;
    assert_eq!(row.cluster.status, Status::CreateFailed);
    let reason = row.cluster.status_reason.unwrap();
    assert!(
        reason.contains("create_timeout") && reason.contains("server:master-0 (BUILD"),
        "{reason}"
    );
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_ends_with_its_budget() {
    let house = House::build().await;
    house.cloud.faults().add(stuck());
    let engine = house
        .engine(|options| options.budgets.server = Duration::from_secs(1))
        .await;
    let cluster = house.ask(1, 0, |_| {}).await;
    let row = house.settled(cluster).await;
    assert_eq!(row.cluster.status, Status::CreateFailed);
    let reason = row.cluster.status_reason.unwrap();
    assert!(
        reason.contains("server:master-0") && reason.contains("not ready after 1 s; it is BUILD"),
        "{reason}"
    );
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_cannot_end_fails_with_the_cause_and_can_be_asked_again() {
    let house = House::build().await;
    let engine = house
        .engine(|options| options.budgets.other = Duration::from_secs(2))
        .await;
    let cluster = house.ask(1, 0, |_| {}).await;
    assert_eq!(
        house.settled(cluster).await.cluster.status,
        Status::CreateComplete
    );
    let ports = Match {
        service: Some(Service::Network),
        method: Some("DELETE".into()),
        path: Some("*/ports/*".into()),
        ..Match::default()
    };
    house.cloud.faults().add(Rule::new(
        ports,
        Effect::Status {
            status: 409,
            retry_after: None,
        },
    ));
    house.ask_delete(cluster).await;
    let row = house.settled(cluster).await;
    assert_eq!(row.cluster.status, Status::DeleteFailed);
    let reason = row.cluster.status_reason.unwrap();
    assert!(
        reason.contains("port:master-0") && reason.contains("not gone after 2 s"),
        "{reason}"
    );
    house.cloud.faults().clear();
    house.delete_and_look(cluster).await;
    engine.stop().await;
}
