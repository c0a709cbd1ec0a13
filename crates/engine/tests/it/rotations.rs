//! Rotation of certificate authorities: stage by stage, through crashes and failures, and with nothing left behind.

use std::collections::BTreeSet;
use std::time::Duration;

use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Rule};
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::{ClusterId, NodeGroup, Status, TrustStage, trust};

use crate::changes::{MAKING, on};
use crate::house::{House, within};

async fn ha(house: &House, workers: i32) -> ClusterId {
    let cluster = house.ask(3, workers, |_| {}).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    cluster
}

/// Generations of which anything is kept: in the database, and in the ledger.
async fn generations(house: &House, cluster: ClusterId) -> (BTreeSet<u32>, BTreeSet<String>) {
    let rows = house.store.engine().list_sealed(cluster).await.unwrap();
    let kept = rows.iter().filter_map(|row| {
        let name = row.name.strip_prefix("authority/")?;
        Some(
            name.split_once('/')
                .map_or(0, |(_, number)| number.parse().unwrap()),
        )
    });
    let ledger = house.store.clusters().ledger(cluster).await.unwrap();
    let keys = ledger.keys().map(|key| key.as_str());
    let keys = keys
        .filter(|key| key.starts_with("certificates:"))
        .map(str::to_owned);
    (kept.collect(), keys.collect())
}

/// Every node is of the generation, and nothing is left of any other one.
async fn check(house: &House, cluster: ClusterId, generation: u32, nodes: usize) {
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers().len(), nodes);
    assert!(!trust::is_rotating(&row.groups));
    for group in &row.groups {
        assert!(group.is_uniform());
        assert_eq!(group.status, Status::UpdateComplete);
        assert_eq!(group.trust(), TrustStage(3 * generation), "{}", group.name);
        assert_eq!(group.nodes.len(), group.node_count as usize);
    }
    let key = format!("certificates:{generation}");
    assert_eq!(
        generations(house, cluster).await,
        (BTreeSet::from([generation]), BTreeSet::from([key]))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_replaced_and_nothing_is_left_of_the_old_authorities() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = ha(&house, 2).await;
    let (servers, ports) = (house.ids("servers"), house.ids("ports"));
    let mut stages = Vec::new();
    house.rotate(cluster).await;
    within(async {
        loop {
            let row = house.show(cluster).await.unwrap();
            let masters = house
                .servers()
                .iter()
                .filter(|name| name.starts_with("master"))
                .count();
            assert!(masters >= 2, "a majority stands at any moment");
            let stage = trust::stage_of(&row.groups);
            if stages.last() != Some(&stage) {
                stages.push(stage);
            }
            if !row.cluster.status.is_in_progress() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(stages, [1, 2, 3].map(TrustStage));
    check(&house, cluster, 1, 5).await;
    let (new_servers, new_ports) = (house.ids("servers"), house.ids("ports"));
    for master in ["master-0", "master-1", "master-2"] {
        assert_ne!(servers[master], new_servers[master]);
        assert_eq!(ports[master], new_ports[master]);
    }
    let workers = |ids: &std::collections::BTreeMap<String, String>| -> BTreeSet<String> {
        let all = ids.iter().filter(|(name, _)| name.starts_with("worker"));
        all.map(|(_, id)| id.clone()).collect()
    };
    assert!(workers(&servers).is_disjoint(&workers(&new_servers)));

    // What comes later is like any other cluster, and may be rotated again.
    house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    house.rotate(cluster).await;
    check(&house, cluster, 2, 6).await;
    house.delete_and_look(cluster).await;
    assert!(
        house
            .store
            .engine()
            .list_sealed(cluster)
            .await
            .unwrap()
            .is_empty()
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_call_of_a_rotation_is_gone_on_with() {
    for calls in (1..190).step_by(38) {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = ha(&house, 1).await;
        let before = house.cloud.calls().total;
        house.rotate(cluster).await;
        house.crash_at(engine, cluster, before + calls).await;
        let engine = house.engine(|_| {}).await;
        check(&house, cluster, 1, 4).await;
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_write_of_the_keys_makes_one_generation_of_them() {
    for pause in [0, 100, 200, 400, 700] {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = ha(&house, 0).await;
        let before = house.cloud.calls().total;
        house.rotate(cluster).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        engine.crash().await;
        let made = generations(&house, cluster).await.0;
        assert!(
            made.contains(&0),
            "{made:?} after {} calls",
            house.cloud.calls().total - before
        );
        let engine = house.engine(|_| {}).await;
        check(&house, cluster, 1, 3).await;
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_in_any_stage_stops_the_rotation_and_the_same_request_goes_on_with_it() {
    for stage in [1, 2, 3].map(TrustStage) {
        let (service, path, _) = MAKING
            .iter()
            .find(|(.., resource)| resource.contains("server"))
            .unwrap();
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = ha(&house, 1).await;
        house.rotate(cluster).await;
        within(async {
            while trust::stage_of(&house.show(cluster).await.unwrap().groups) < stage {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let refused = Effect::Status {
            status: 400,
            retry_after: None,
        };
        house
            .cloud
            .faults()
            .add(Rule::new(on(*service, "POST", path), refused));
        let row = house.settled_as(cluster, Status::UpdateFailed).await;
        let reason = row.cluster.status_reason.unwrap();
        assert!(reason.contains("server:") && reason.contains("req-"), "{reason}");
        assert!(trust::is_rotating(&row.groups), "it is not done");
        assert!(generations(&house, cluster).await.0.contains(&1));
        house.cloud.faults().clear();
        house.rotate(cluster).await;
        check(&house, cluster, 1, 4).await;
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_wish_wins_over_a_rotation_that_is_under_way() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = ha(&house, 1).await;
    let away = || {
        house
            .servers()
            .iter()
            .filter(|name| name.starts_with("master"))
            .count()
            < 3
    };
    house.rotate(cluster).await;
    within(async {
        while !away() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
    check(&house, cluster, 1, 6).await;
    let groups = house.show(cluster).await.unwrap().groups;
    assert!(groups.iter().all(NodeGroup::is_uniform));

    let stuck = Rule::new(on(Service::Compute, "POST", "*/servers"), Effect::StuckBuild);
    house.cloud.faults().add(stuck);
    house.rotate(cluster).await;
    within(async {
        while !away() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    house.delete_and_look(cluster).await;
    assert!(
        house
            .store
            .engine()
            .list_sealed(cluster)
            .await
            .unwrap()
            .is_empty()
    );
    engine.stop().await;
}
