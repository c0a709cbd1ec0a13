//! Looks at the health of clusters: each taken by one, none while a cluster is worked on, and never in the way of work.

use std::collections::BTreeMap;

use jeroboam_types::repair::Memory;
use jeroboam_types::{Change, HealthStatus, Millis, Status};
use tokio::task::JoinSet;

use super::changes::{change, settle, show, standing_cluster};
use super::fixture::{NOW, claim, later, new_cluster, on_each, stored_cluster};
use crate::{ChangeError, Store, Turn};

const MINUTE: i64 = 60;

/// The looks that are due; the next ones are a minute later.
async fn due(store: &Store, now: Millis) -> Vec<Turn> {
    let next = || later(now, MINUTE);
    store.health().take_due(now, next, 100).await.unwrap()
}

fn told(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("api".to_owned(), text.to_owned())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_look_at_once_each_cluster_is_given_to_one() {
    on_each(async |store| {
        let first = standing_cluster(&store).await;
        let template = show(&store, first).await.cluster.cluster_template_id;
        for number in 0..9 {
            let more = new_cluster("p1", &format!("c{number}"), template);
            store.clusters().create(&more, None).await.unwrap();
            let claim = claim(&store, "a", NOW).await;
            settle(&store, &claim, Status::CreateComplete, Vec::new()).await;
        }
        let mut looks = JoinSet::new();
        for _ in 0..8 {
            let store = store.clone();
            looks.spawn(async move { due(&store, NOW).await });
        }
        let turns: Vec<Turn> = looks.join_all().await.into_iter().flatten().collect();
        let clusters: std::collections::BTreeSet<_> = turns.iter().map(|turn| turn.cluster).collect();
        assert_eq!((turns.len(), clusters.len()), (10, 10));
        assert!(due(&store, later(NOW, MINUTE - 1)).await.is_empty());
        assert_eq!(due(&store, later(NOW, MINUTE)).await.len(), 10);
    })
    .await;
}

#[tokio::test]
async fn only_a_cluster_that_stands_is_looked_at() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        assert!(due(&store, NOW).await.is_empty(), "it is being created");
        let held = claim(&store, "a", NOW).await;
        settle(&store, &held, Status::CreateFailed, Vec::new()).await;
        assert!(due(&store, NOW).await.is_empty(), "it never stood");

        store
            .clusters()
            .request_delete(new.cluster.uuid, NOW, later(NOW, 60), "req-delete")
            .await
            .unwrap();
        let held = claim(&store, "a", NOW).await;
        store.engine().forget(&held, 2).await.unwrap();

        let cluster = {
            let more = new_cluster("p1", "d", new.cluster.cluster_template_id);
            store.clusters().create(&more, None).await.unwrap();
            more.cluster.uuid
        };
        let held = claim(&store, "a", NOW).await;
        settle(&store, &held, Status::CreateComplete, Vec::new()).await;
        let turn = due(&store, NOW).await.remove(0);
        assert!(store.health().load(&turn).await.unwrap().unwrap().is_at_rest);
        let standing = store.clusters().standing(cluster).await.unwrap();
        store
            .clusters()
            .request_change(&change(&standing, Change::Resize))
            .await
            .unwrap();
        assert!(
            store.health().load(&turn).await.unwrap().is_none(),
            "it is being changed"
        );
        store
            .health()
            .record(&turn, HealthStatus::Healthy, &told("late"))
            .await
            .unwrap();
        let row = show(&store, cluster).await;
        assert_ne!(row.cluster.health_status, Some(HealthStatus::Healthy));
        assert!(due(&store, later(NOW, MINUTE)).await.is_empty());
        let held = claim(&store, "a", NOW).await;
        settle(&store, &held, Status::UpdateFailed, Vec::new()).await;
        assert_eq!(
            due(&store, NOW).await.len(),
            1,
            "what failed to change still stands, and is looked at soon"
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_seen_is_written_and_changes_nothing_else() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let before = show(&store, cluster).await;
        let old = due(&store, NOW).await.remove(0);
        let mut turn = due(&store, later(NOW, MINUTE)).await.remove(0);
        store
            .health()
            .record(&turn, HealthStatus::Unhealthy, &told("down"))
            .await
            .unwrap();
        // Who was slow does not write over who came later.
        store
            .health()
            .record(&old, HealthStatus::Healthy, &told("ok"))
            .await
            .unwrap();
        let after = show(&store, cluster).await;
        assert_eq!(after.cluster.health_status, Some(HealthStatus::Unhealthy));
        assert_eq!(after.cluster.health_status_reason, told("down"));
        assert_eq!(after.cluster.updated_at, before.cluster.updated_at);
        assert_eq!(after.groups, before.groups);
        assert_eq!(store.clusters().standing(cluster).await.unwrap().generation, 1);
        assert_eq!(
            store.health().count().await.unwrap(),
            [(Some(HealthStatus::Unhealthy), 1)]
        );

        turn.memory.lost.insert("worker-0".to_owned(), NOW);
        store.health().remember(&turn).await.unwrap();
        store.health().remember(&old).await.unwrap();
        let next = due(&store, later(NOW, 2 * MINUTE)).await.remove(0);
        assert_eq!(next.memory, turn.memory);
    })
    .await;
}

#[tokio::test]
async fn a_repair_is_a_wish_that_waits_for_all_others() {
    on_each(async |store| {
        let cluster = standing_cluster(&store).await;
        let mut turn = due(&store, NOW).await.remove(0);
        let standing = store.clusters().standing(cluster).await.unwrap();
        let mut repair = change(&standing, Change::Repair);
        repair.groups = vec![standing.groups[1].clone()];
        turn.memory = Memory {
            replaced: vec![NOW],
            request_id: Some("req-2".to_owned()),
            ..Memory::default()
        };
        // A credential is being rotated: the status does not tell.
        let rotation = change(&standing, Change::RotateCredential);
        store.clusters().request_change(&rotation).await.unwrap();
        let clusters = store.clusters();
        let refused = clusters.request_repair(&repair, "healing", &turn).await;
        assert!(matches!(refused, Err(ChangeError::Overtaken)));
        let held = claim(&store, "a", NOW).await;
        settle(&store, &held, Status::CreateComplete, Vec::new()).await;
        repair.generation = 2;
        let refused = clusters.request_repair(&repair, "healing", &turn).await;
        assert!(
            matches!(refused, Err(ChangeError::Overtaken)),
            "it is another one's turn"
        );

        let mut turn = due(&store, NOW).await.remove(0);
        assert_eq!(
            turn.memory,
            Memory::default(),
            "nothing was kept of what was refused"
        );
        turn.memory.replaced.push(NOW);
        clusters.request_repair(&repair, "healing", &turn).await.unwrap();
        let row = show(&store, cluster).await;
        assert_eq!(row.cluster.status, Status::UpdateInProgress);
        assert_eq!(row.cluster.status_reason.as_deref(), Some("healing"));
        let refused = clusters.request_repair(&repair, "healing", &turn).await;
        assert!(matches!(
            refused,
            Err(ChangeError::Overtaken | ChangeError::Status(_))
        ));
        let held = claim(&store, "a", NOW).await;
        assert_eq!(store.engine().load(&held).await.unwrap().generation, 3);
        settle(&store, &held, Status::UpdateComplete, Vec::new()).await;
        let next = due(&store, NOW).await.remove(0);
        assert_eq!(next.memory.replaced, [NOW], "a restart forgets nothing");
    })
    .await;
}
