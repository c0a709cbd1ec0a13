//! Changes of clusters that stand: who may, what is written, and who wins.

use std::collections::BTreeMap;

use jeroboam_driver::{Key, Spec};
use jeroboam_plan::{Entry, Phase};
use jeroboam_types::nodegroup::first_nodes;
use jeroboam_types::{Change, ClusterId, HealthStatus, Millis, NodeGroup, Status};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;

use super::fixture::{NOW, claim, entry, group, later, on_each, stored_cluster};
use crate::{
    Answer, ChangeError, Claim, ClusterChange, ClusterRow, GoalKind, Ident, LedgerChange, Scope, Seen,
    Settlement, Standing, Store, StoreError, Terms,
};

pub async fn show(store: &Store, cluster: ClusterId) -> ClusterRow {
    store
        .clusters()
        .find(&Scope::All, &Ident::Uuid(cluster.0))
        .await
        .unwrap()
}

/// Ends the work under a claim.
pub async fn settle(store: &Store, claim: &Claim, status: Status, gone: Vec<NodeGroup>) {
    let work = store.engine().load(claim).await.unwrap();
    let settlement = Settlement {
        generation: work.generation,
        now: NOW,
        status,
        status_reason: None,
        group_status: work
            .groups
            .iter()
            .map(|group| (group.uuid, status, None))
            .collect(),
        gone_groups: gone.into_iter().map(|group| group.uuid).collect(),
        api_address: None,
        coe_version: None,
        container_version: None,
        node_addresses: Vec::new(),
        stopped: Vec::new(),
        upgraded: None,
        engine_ms: 7,
    };
    store.engine().settle(claim, &settlement).await.unwrap();
}

/// A cluster that was created.
pub async fn standing_cluster(store: &Store) -> ClusterId {
    let new = stored_cluster(store).await;
    let claim = claim(store, "a", NOW).await;
    settle(store, &claim, Status::CreateComplete, Vec::new()).await;
    new.cluster.uuid
}

pub fn change(standing: &Standing, change: Change) -> ClusterChange {
    ClusterChange {
        cluster: standing.ask.cluster.uuid,
        change,
        generation: standing.generation,
        groups: Vec::new(),
        new_groups: Vec::new(),
        health: None,
        resolved: None,
        now: NOW,
        deadline: later(NOW, 600),
        request_id: "req-2".into(),
    }
}

/// The default workers with as many nodes.
fn resized(standing: &Standing, count: i32) -> NodeGroup {
    NodeGroup {
        node_count: count,
        nodes: first_nodes(count),
        status: Status::UpdateInProgress,
        ..standing.groups[1].clone()
    }
}

#[tokio::test]
async fn a_change_is_written_with_its_order() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let standing = store.clusters().standing(cluster).await.unwrap();
        assert_eq!((standing.generation, standing.groups.len()), (1, 2));
        assert_eq!(standing.ask.resolved.image_id, "image");
        let mut resolved = standing.ask.resolved.clone();
        resolved.images.insert("other".into(), "other-id".into());
        let asked = ClusterChange {
            groups: vec![resized(&standing, 5)],
            new_groups: vec![group(&standing.ask.cluster, "batch", "gpu", 2)],
            resolved: Some(resolved.clone()),
            ..change(&standing, Change::CreateGroup)
        };
        store.clusters().request_change(&asked).await.unwrap();

        let row = show(&store, cluster).await;
        assert_eq!(row.cluster.status, Status::UpdateInProgress);
        let worker = &row.groups[1];
        assert_eq!(
            (worker.node_count, worker.nodes.as_slice()),
            (5, &[0, 1, 2, 3, 4][..])
        );
        assert_eq!(worker.status, Status::UpdateInProgress);
        assert_eq!(
            row.groups[0].status,
            Status::CreateComplete,
            "what does not change stays"
        );
        assert_eq!(
            (row.groups[2].name.as_str(), row.groups[2].status),
            ("batch", Status::CreateInProgress),
            "in order of creation, not of names"
        );

        let work = store.engine().load(&claim(&store, "b", NOW).await).await.unwrap();
        assert_eq!(
            (work.goal, work.generation, work.deadline),
            (GoalKind::Present, 2, asked.deadline)
        );
        assert_eq!(
            (work.request_id.as_str(), work.engine_ms, work.credential),
            ("req-2", 0, 0)
        );
        let ask = work.ask.unwrap();
        assert_eq!((ask.groups.len(), ask.resolved), (3, resolved));

        let again = ClusterChange {
            generation: 2,
            ..asked
        };
        let taken = store.clusters().request_change(&again).await;
        assert!(matches!(taken, Err(ChangeError::NameTaken(name)) if name == "batch"));
        assert_eq!(show(&store, cluster).await.groups.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_status_that_forbids_a_change_is_named_and_nothing_is_written() {
    on_each(async |store| {
        let cluster = stored_cluster(&store).await.cluster.uuid;
        let standing = store.clusters().standing(cluster).await.unwrap();
        for kind in [
            Change::NodeCount,
            Change::Resize,
            Change::CreateGroup,
            Change::RotateCredential,
        ] {
            let refused = store.clusters().request_change(&change(&standing, kind)).await;
            assert!(matches!(
                refused,
                Err(ChangeError::Status(Status::CreateInProgress))
            ));
        }
        let health = Some(HealthStatus::Healthy);
        let refused = store
            .clusters()
            .set_health(cluster, health, &BTreeMap::new(), NOW, None)
            .await;
        assert!(matches!(
            refused,
            Err(ChangeError::Status(Status::CreateInProgress))
        ));
        store
            .clusters()
            .request_delete(cluster, NOW, later(NOW, 60), "req")
            .await
            .unwrap();
        let refused = store
            .clusters()
            .request_change(&change(&standing, Change::Resize))
            .await;
        assert!(matches!(
            refused,
            Err(ChangeError::Status(Status::DeleteInProgress))
        ));
        let nobody = ClusterChange {
            cluster: ClusterId(uuid::Uuid::new_v4()),
            ..change(&standing, Change::Resize)
        };
        let refused = store.clusters().request_change(&nobody).await;
        assert!(matches!(refused, Err(ChangeError::Store(StoreError::NotFound))));
    })
    .await;
}

#[tokio::test]
async fn of_changes_that_race_one_wins_and_the_others_hear_of_it() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let standing = store.clusters().standing(cluster).await.unwrap();
        let mut racing = JoinSet::new();
        for count in 3..9 {
            let store = store.clone();
            let change = ClusterChange {
                groups: vec![resized(&standing, count)],
                ..change(&standing, Change::Resize)
            };
            racing.spawn(async move { (count, store.clusters().request_change(&change).await) });
        }
        let mut winners = Vec::new();
        while let Some(ended) = racing.join_next().await {
            match ended.unwrap() {
                (count, Ok(())) => winners.push(count),
                (_, Err(ChangeError::Overtaken)) => {}
                (_, Err(error)) => panic!("{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(show(&store, cluster).await.groups[1].node_count, winners[0]);
        // One after the other they may: the newer one takes the place of the older.
        let standing = store.clusters().standing(cluster).await.unwrap();
        let next = ClusterChange {
            groups: vec![resized(&standing, 1)],
            ..change(&standing, Change::Resize)
        };
        store.clusters().request_change(&next).await.unwrap();
        let patch = store.clusters().standing(cluster).await.unwrap();
        let refused = store
            .clusters()
            .request_change(&change(&patch, Change::NodeCount))
            .await;
        assert!(matches!(
            refused,
            Err(ChangeError::Status(Status::UpdateInProgress))
        ));
    })
    .await;
}

#[tokio::test]
async fn what_failed_is_tried_again_and_what_waits_gets_the_new_time() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let standing = store.clusters().standing(cluster).await.unwrap();
        let begin = change(&standing, Change::Resize);
        store.clusters().request_change(&begin).await.unwrap();
        let held = claim(&store, "a", NOW).await;
        let of = |name: &str, phase: Phase| Entry {
            phase,
            give_up_at: Millis(NOW.0 + 1),
            ..entry(Key::new("volume", name))
        };
        let put = [
            of("failed", Phase::Failed),
            of("made", Phase::Made),
            of("ready", Phase::Ready),
        ];
        store
            .engine()
            .write(&held, &put.map(LedgerChange::Put))
            .await
            .unwrap();
        settle(&store, &held, Status::UpdateFailed, Vec::new()).await;

        let standing = store.clusters().standing(cluster).await.unwrap();
        let again = change(&standing, Change::Resize);
        store.clusters().request_change(&again).await.unwrap();
        let ledger = store.clusters().ledger(cluster).await.unwrap();
        let failed = &ledger[&Key::new("volume", "failed")];
        assert_eq!(
            (failed.phase, failed.attempts, failed.drop_failed),
            (Phase::Dropping, 0, false)
        );
        assert_eq!(failed.give_up_at, again.deadline);
        assert_eq!(ledger[&Key::new("volume", "made")].give_up_at, again.deadline);
        assert_eq!(ledger[&Key::new("volume", "ready")].give_up_at, Millis(NOW.0 + 1));
        assert!(matches!(failed.spec, Spec::Volume { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_group_that_is_to_go_is_no_part_of_the_wish_and_its_row_goes_at_the_end() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let standing = store.clusters().standing(cluster).await.unwrap();
        let gpu = group(&standing.ask.cluster, "gpu", "gpu", 2);
        let asked = ClusterChange {
            new_groups: vec![gpu],
            ..change(&standing, Change::CreateGroup)
        };
        store.clusters().request_change(&asked).await.unwrap();
        let held = claim(&store, "a", NOW).await;
        settle(&store, &held, Status::UpdateComplete, Vec::new()).await;
        let standing = store.clusters().standing(cluster).await.unwrap();
        let mut leaving = standing.groups[2].clone();
        leaving.status = Status::DeleteInProgress;
        let asked = ClusterChange {
            groups: vec![leaving.clone()],
            ..change(&standing, Change::DeleteGroup)
        };
        store.clusters().request_change(&asked).await.unwrap();
        assert_eq!(
            show(&store, cluster).await.groups.len(),
            3,
            "it is shown until it is gone"
        );
        assert_eq!(
            store.clusters().standing(cluster).await.unwrap().ask.groups.len(),
            2
        );
        let held = claim(&store, "a", NOW).await;
        let work = store.engine().load(&held).await.unwrap();
        assert_eq!((work.ask.unwrap().groups.len(), work.groups.len()), (2, 3));
        settle(&store, &held, Status::UpdateComplete, vec![leaving.clone()]).await;
        assert_eq!(show(&store, cluster).await.groups.len(), 2);
        let standing = store.clusters().standing(cluster).await.unwrap();
        let late = ClusterChange {
            groups: vec![leaving],
            ..change(&standing, Change::UpdateGroup)
        };
        let refused = store.clusters().request_change(&late).await;
        assert!(matches!(refused, Err(ChangeError::Overtaken)));
    })
    .await;
}

#[tokio::test]
async fn a_credential_is_counted_and_leaves_the_status_alone() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        for turn in 1..=2 {
            let standing = store.clusters().standing(cluster).await.unwrap();
            let asked = change(&standing, Change::RotateCredential);
            store.clusters().request_change(&asked).await.unwrap();
            assert_eq!(show(&store, cluster).await.cluster.status, Status::CreateComplete);
            let held = claim(&store, "a", NOW).await;
            assert_eq!(store.engine().load(&held).await.unwrap().credential, turn);
            settle(&store, &held, Status::CreateComplete, Vec::new()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn health_is_written_alone_and_with_a_change() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let reason = BTreeMap::from([("api".to_owned(), "down".to_owned())]);
        let sick = Some(HealthStatus::Unhealthy);
        store
            .clusters()
            .set_health(cluster, sick, &reason, NOW, None)
            .await
            .unwrap();
        let row = show(&store, cluster).await;
        assert_eq!(
            (row.cluster.health_status, row.cluster.health_status_reason),
            (sick, reason)
        );
        assert_eq!(row.cluster.status, Status::CreateComplete);
        let standing = store.clusters().standing(cluster).await.unwrap();
        let asked = ClusterChange {
            health: Some((None, BTreeMap::new())),
            ..change(&standing, Change::NodeCount)
        };
        store.clusters().request_change(&asked).await.unwrap();
        let row = show(&store, cluster).await;
        assert_eq!(
            (row.cluster.health_status, row.cluster.status),
            (None, Status::UpdateInProgress)
        );
    })
    .await;
}

#[tokio::test]
async fn groups_of_an_older_version_have_the_lowest_numbers() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        store
            .db
            .execute_unprepared("UPDATE nodegroup SET nodes = NULL")
            .await
            .unwrap();
        let row = show(&store, cluster).await;
        assert_eq!(
            (row.groups[0].nodes.as_slice(), row.groups[1].nodes.as_slice()),
            (&[0][..], &[0, 1][..])
        );
    })
    .await;
}

#[tokio::test]
async fn a_change_of_what_was_not_seen_so_writes_nothing() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let clusters = store.clusters();
        let before = show(&store, cluster).await;
        let (health, reason) = (Some(HealthStatus::Healthy), BTreeMap::new());
        let set = async |seen: &ClusterRow| {
            clusters
                .set_health(cluster, health, &reason, NOW, Some(seen))
                .await
        };
        set(&before).await.unwrap();
        let now = show(&store, cluster).await;
        // The health is no wish: only what was seen tells.
        let standing = clusters.standing(cluster).await.unwrap();
        let asked = ClusterChange {
            groups: vec![NodeGroup {
                status: Status::UpdateInProgress,
                ..standing.groups[1].clone()
            }],
            ..change(&standing, Change::Resize)
        };
        let on = async |seen: Seen<'_>| {
            let terms = Terms {
                seen: Some(seen),
                answer: None,
            };
            clusters.request_change_on(&asked, terms).await
        };
        let stale = |result| matches!(result, Err(ChangeError::Store(StoreError::Stale)));
        let other = NodeGroup {
            node_count: 9,
            ..before.groups[1].clone()
        };
        assert!(stale(set(&before).await));
        assert!(stale(on(Seen::Cluster(&before)).await));
        assert!(stale(on(Seen::Group(&other)).await));
        assert_eq!(show(&store, cluster).await, now);
        assert_eq!(
            clusters.standing(cluster).await.unwrap().generation,
            standing.generation
        );
        on(Seen::Group(&now.groups[1])).await.unwrap();
        assert_eq!(
            show(&store, cluster).await.cluster.status,
            Status::UpdateInProgress
        );
    })
    .await;
}

#[tokio::test]
async fn a_change_and_its_answer_are_kept_together_or_not_at_all() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let standing = store.clusters().standing(cluster).await.unwrap();
        let answer = Answer {
            digest: "d".repeat(64),
            request: "r".repeat(64),
            created: NOW,
            forget: Millis(0),
            status: 202,
            location: None,
            body: "{}".to_owned(),
        };
        let terms = Terms {
            seen: None,
            answer: Some(&answer),
        };
        let kept = async || store.answers().find(&answer.digest, Millis(0)).await.unwrap();
        let late = ClusterChange {
            generation: standing.generation - 1,
            ..change(&standing, Change::Resize)
        };
        let refused = store.clusters().request_change_on(&late, terms).await;
        assert!(matches!(refused, Err(ChangeError::Overtaken)));
        assert_eq!(kept().await, None);
        let asked = change(&standing, Change::Resize);
        store.clusters().request_change_on(&asked, terms).await.unwrap();
        assert_eq!(kept().await.unwrap().body, "{}");
        let next = store.clusters().standing(cluster).await.unwrap();
        let again = store
            .clusters()
            .request_change_on(&change(&next, Change::Resize), terms)
            .await;
        assert!(matches!(again, Err(ChangeError::Store(StoreError::Conflict(_)))));
        let after = store.clusters().standing(cluster).await.unwrap();
        assert_eq!(after.generation, next.generation);
    })
    .await;
}
