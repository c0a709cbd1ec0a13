//! Crashes, stolen leases and steps taken twice.

use std::time::Duration;

use jeroboam_driver::graph::Spec;
use jeroboam_engine::{Clock, SystemClock};
use jeroboam_plan::Phase;
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_store::LedgerChange;
use jeroboam_types::{Millis, Status};

use crate::house::{House, within};

/// A creation of one manager behind a load balancer, a worker, volumes and floating IPs makes about this many
/// calls; every one of them is a place to die at.
const LAST_CALL: u64 = 90;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_call_leaves_nothing_twice_and_nothing_behind() {
    for calls in (1..LAST_CALL).step_by(4) {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let before = house.cloud.calls().total;
        let cluster = house
            .ask(1, 1, |new| {
                new.cluster.master_lb_enabled = Some(true);
                new.groups
                    .iter_mut()
                    .for_each(|group| group.docker_volume_size = Some(3));
            })
            .await;
        house.crash_at(engine, cluster, before + calls).await;

        let engine = house.engine(|_| {}).await;
        let row = house.settled(cluster).await;
        assert_eq!(
            row.cluster.status,
            Status::CreateComplete,
            "{:?}",
            row.cluster.status_reason
        );
        let usage = house.cloud.usage();
        for (kind, count) in [
            ("servers", 2),
            ("volumes", 2),
            ("load_balancers", 1),
            ("networks", 1),
            ("routers", 1),
        ] {
            assert_eq!(usage.count(kind), count, "{kind} after a crash at call {calls}");
        }
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_during_a_deletion_is_gone_on_with() {
    for calls in [1, 5, 10, 20, 30] {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = house.ask(1, 2, |_| {}).await;
        assert_eq!(
            house.settled(cluster).await.cluster.status,
            Status::CreateComplete
        );
        let before = house.cloud.calls().total;
        house.ask_delete(cluster).await;
        house.crash_at(engine, cluster, before + calls).await;
        let engine = house.engine(|_| {}).await;
        house.gone(cluster).await;
        house.nothing_left();
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_ends_at_once_when_a_deletion_is_asked() {
    let house = House::build().await;
    let stuck = Match {
        service: Some(Service::Compute),
        method: Some("POST".into()),
        ..Match::default()
    };
    house.cloud.faults().add(Rule::new(stuck, Effect::StuckBuild));
    let engine = house.engine(|_| {}).await;
    let cluster = house.ask(3, 1, |_| {}).await;
    within(async {
        while house.cloud.usage().count("servers") < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_taken_twice_ends_in_the_same_cloud() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = house
        .ask(1, 1, |new| new.cluster.master_lb_enabled = Some(true))
        .await;
    assert_eq!(
        house.settled(cluster).await.cluster.status,
        Status::CreateComplete
    );
    engine.stop().await;
    let before = house.cloud.usage();

    // As if the process had died after each call and before each outcome was written.
    let far = Millis(i64::MAX);
    let claims = house.store.engine().claim_due("test", far, far, 1).await.unwrap();
    let changes: Vec<LedgerChange> = house
        .store
        .clusters()
        .ledger(cluster)
        .await
        .unwrap()
        .into_values()
        .map(|mut entry| {
            entry.phase = Phase::Intended;
            entry.uncertain = true;
            entry.id = None;
            entry.next_check = Millis(0);
            entry.give_up_at = far;
            LedgerChange::Put(entry)
        })
        .collect();
    assert!(changes.len() > 15);
    house.store.engine().write(&claims[0], &changes).await.unwrap();

    let engine = house.engine(|_| {}).await;
    within(async {
        while !house
            .store
            .clusters()
            .ledger(cluster)
            .await
            .unwrap()
            .values()
            .all(|e| e.phase == Phase::Ready)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(house.cloud.usage().items, before.items);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_lease_was_stolen_does_no_more_and_the_thief_finishes() {
    let house = House::build().await;
    let slow = Match {
        service: Some(Service::Compute),
        method: Some("POST".into()),
        ..Match::default()
    };
    let pause = Effect::Latency {
        ms: 300,
        jitter_ms: 0,
    };
    house.cloud.faults().add(Rule::new(slow, pause));
    let victim = house.engine(|options| options.owner = "victim".into()).await;
    let cluster = house.ask(1, 2, |_| {}).await;
    within(async {
        while house.cloud.usage().count("ports") < 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    // A clock far ahead takes the lease for run out; the victim knows nothing of it.
    let late = SystemClock.now().plus(Duration::from_secs(1_000));
    let stolen = house
        .store
        .engine()
        .claim_due("thief", late, Millis(0), 1)
        .await
        .unwrap();
    assert_eq!(stolen.len(), 1);
    let thief = house.engine(|options| options.owner = "thief".into()).await;
    let row = house.settled(cluster).await;
    assert_eq!(
        row.cluster.status,
        Status::CreateComplete,
        "{:?}",
        row.cluster.status_reason
    );
    let servers = house.store.clusters().ledger(cluster).await.unwrap();
    assert_eq!(
        servers
            .values()
            .filter(|entry| matches!(entry.spec, Spec::Server(_)))
            .count(),
        3
    );
    house.delete_and_look(cluster).await;
    thief.stop().await;
    victim.stop().await;
}
