//! Leases: one holder at a time, and no power for one that was overtaken.

use jeroboam_driver::Key;
use jeroboam_types::{Change, Millis, Status};
use tokio::task::JoinSet;

use super::changes::{change, settle};
use super::fixture::{NOW, claim, entry, later, new_cluster, on_each, stored_cluster};
use crate::{Backlog, Claim, ClusterProgress, LedgerChange, Sealed, Settlement, StoreError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_claim_at_once_have_one_winner() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let mut claims = JoinSet::new();
        for index in 0..100 {
            let store = store.clone();
            let owner = format!("engine-{index}");
            claims.spawn(async move { store.engine().claim_due(&owner, NOW, later(NOW, 30), 5).await });
        }
        let won: Vec<Claim> = claims
            .join_all()
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .collect();
        assert_eq!(won.len(), 1);
        assert_eq!((won[0].cluster, won[0].fence), (new.cluster.uuid, 1));
        store.engine().load(&won[0]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backlog_counts_what_is_due_and_what_is_held() {
    on_each(async |store| {
        assert_eq!(store.engine().backlog(NOW).await.unwrap(), Backlog::default());
        let new = stored_cluster(&store).await;
        let more = new_cluster("p1", "c", new.cluster.cluster_template_id);
        store.clusters().create(&more, None).await.unwrap();
        let due = store.engine().backlog(NOW).await.unwrap();
        assert_eq!((due.due, due.held), (2, 0));
        assert!(due.oldest_due.is_some_and(|oldest| oldest <= NOW));
        let claims = store.engine().claim_due("one", NOW, later(NOW, 30), 1).await;
        assert_eq!(claims.unwrap().len(), 1);
        let one_held = store.engine().backlog(NOW).await.unwrap();
        assert_eq!((one_held.due, one_held.held), (1, 1));
        assert_eq!(
            store.clusters().by_status().await.unwrap(),
            [(Status::CreateInProgress, 2)]
        );
        let (open, idle) = store.connections();
        assert!(open >= 1 && idle <= open, "{open} {idle}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_share_the_work_without_overlap() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        for _ in 1..12 {
            let more = new_cluster("p1", "c", new.cluster.cluster_template_id);
            store.clusters().create(&more, None).await.unwrap();
        }
        let mut engines = JoinSet::new();
        for owner in ["one", "two", "three"] {
            let store = store.clone();
            engines.spawn(async move {
                let mut claims = Vec::new();
                loop {
                    let more = store
                        .engine()
                        .claim_due(owner, NOW, later(NOW, 30), 3)
                        .await
                        .unwrap();
                    let due = store.engine().next_due(NOW).await.unwrap();
                    claims.extend(more);
                    if due != Some(NOW) {
                        return claims;
                    }
                }
            });
        }
        let mut clusters: Vec<_> = engines
            .join_all()
            .await
            .concat()
            .iter()
            .map(|c| c.cluster)
            .collect();
        clusters.sort();
        let all = clusters.len();
        clusters.dedup();
        assert_eq!((clusters.len(), all), (12, 12));
    })
    .await;
}

#[tokio::test]
async fn a_holder_that_was_overtaken_cannot_write_anything() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let old = claim(&store, "one", NOW).await;
        assert_eq!(
            store.engine().next_due(NOW).await.unwrap(),
            Some(Millis(later(NOW, 30).0 + 1))
        );
        let early = store
            .engine()
            .claim_due("two", later(NOW, 30), later(NOW, 60), 5)
            .await
            .unwrap();
        assert_eq!(early, [], "the lease holds to its last millisecond");
        // Even under the same name: a process that was started again is another holder.
        let new_claim = claim(&store, "one", Millis(later(NOW, 30).0 + 1)).await;
        assert_eq!(new_claim.fence, old.fence + 1);

        let engine = store.engine();
        let put = [LedgerChange::Put(entry(Key::new("volume", "v")))];
        let secret = Sealed {
            name: "ca".into(),
            public_part: None,
            sealed: "forged".into(),
        };
        let outcome = Settlement {
            generation: 1,
            now: NOW,
            status: Status::CreateComplete,
            status_reason: None,
            group_status: Vec::new(),
            gone_groups: Vec::new(),
            api_address: None,
            coe_version: None,
            container_version: None,
            node_addresses: Vec::new(),
            stopped: Vec::new(),
            upgraded: None,
            engine_ms: 0,
        };
        let address = ClusterProgress {
            api_address: Some("forged".into()),
            groups: Vec::new(),
        };
        let results = [
            engine.load(&old).await.map(drop),
            engine.write(&old, &put).await.map(drop),
            engine.put_sealed(&old, &secret).await,
            engine.drop_sealed(&old, "ca").await,
            engine.progress(&old, address.clone()).await,
            engine.settle(&old, &outcome).await,
            engine.release(&old, NOW, 0).await,
            engine.forget(&old, 1).await,
        ];
        for result in results {
            assert!(matches!(result, Err(StoreError::LeaseLost)), "{result:?}");
        }
        let foreign = Claim {
            owner: "two".into(),
            ..new_claim.clone()
        };
        assert!(matches!(
            engine.write(&foreign, &put).await,
            Err(StoreError::LeaseLost)
        ));
        let work = engine.load(&new_claim).await.unwrap();
        assert!(work.ledger.is_empty());
        assert_eq!(work.cluster, new.cluster);
        assert_eq!(
            engine.find_sealed(new.cluster.uuid, "ca").await.unwrap(),
            Some(new.sealed[0].clone())
        );

        engine.progress(&new_claim, address).await.unwrap();
        engine.settle(&new_claim, &outcome).await.unwrap();
        assert!(matches!(
            engine.settle(&new_claim, &outcome).await,
            Err(StoreError::LeaseLost)
        ));
    })
    .await;
}

#[tokio::test]
async fn renewing_answers_only_what_is_still_held() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let lost = claim(&store, "one", NOW).await;
        let taken = claim(&store, "two", later(NOW, 31)).await;
        let more = new_cluster("p1", "c2", new.cluster.cluster_template_id);
        store.clusters().create(&more, None).await.unwrap();
        let kept = claim(&store, "one", later(NOW, 32)).await;
        assert_eq!(kept.cluster, more.cluster.uuid);

        let claims = [lost.clone(), kept.clone(), taken.clone()];
        let renewed = store
            .engine()
            .renew("one", &claims, later(NOW, 500))
            .await
            .unwrap();
        assert_eq!(renewed, [kept]);
        assert_eq!(
            store.engine().renew("one", &[], later(NOW, 500)).await.unwrap(),
            []
        );
        // The other's lease did not grow.
        let again = claim(&store, "one", later(NOW, 100)).await;
        assert_eq!(again.cluster, taken.cluster);
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_during_a_lease_is_due_when_it_is_given_back() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let engine = store.engine();
        assert_eq!(engine.next_due(Millis(0)).await.unwrap(), Some(NOW));
        let first = claim(&store, "one", NOW).await;
        engine.release(&first, later(NOW, 60), 5).await.unwrap();
        assert_eq!(engine.next_due(NOW).await.unwrap(), Some(later(NOW, 60)));
        assert_eq!(engine.claim_due("one", later(NOW, 59), NOW, 5).await.unwrap(), []);
        let second = claim(&store, "one", later(NOW, 60)).await;
        assert_eq!(engine.load(&second).await.unwrap().engine_ms, 5);

        let asked = later(NOW, 61);
        store
            .clusters()
            .request_delete(new.cluster.uuid, asked, later(NOW, 900), "req-2")
            .await
            .unwrap();
        engine.release(&second, later(NOW, 600), 6).await.unwrap();
        assert_eq!(engine.next_due(NOW).await.unwrap(), Some(asked));
        claim(&store, "one", asked).await;
    })
    .await;
}

#[tokio::test]
async fn a_process_that_starts_again_goes_on_at_once_with_what_it_held() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let before = claim(&store, "one", NOW).await;
        let more = new_cluster("p1", "c2", new.cluster.cluster_template_id);
        store.clusters().create(&more, None).await.unwrap();
        let others = claim(&store, "two", NOW).await;
        store.engine().release_all("one").await.unwrap();
        assert!(matches!(
            store.engine().write(&before, &[]).await,
            Err(StoreError::LeaseLost)
        ));
        let after = claim(&store, "one", NOW).await;
        assert_eq!((after.cluster, after.fence), (before.cluster, before.fence + 1));
        assert!(matches!(
            store.engine().write(&before, &[]).await,
            Err(StoreError::LeaseLost)
        ));
        store.engine().write(&others, &[]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_cluster_of_which_nothing_is_asked_can_be_held_for_a_moment() {
    on_each(async |store| {
        let cluster = stored_cluster(&store).await.cluster.uuid;
        let rest = async |generation| {
            store
                .engine()
                .claim_at_rest(cluster, generation, "mender", later(NOW, 30))
                .await
                .unwrap()
        };
        assert_eq!(rest(1).await, None, "something is asked");
        let worker = claim(&store, "worker", NOW).await;
        assert_eq!(rest(1).await, None, "somebody is at it");
        settle(&store, &worker, Status::CreateComplete, Vec::new()).await;
        assert_eq!(rest(2).await, None, "that was never asked");

        let held = rest(1).await.unwrap();
        assert_eq!(held.fence, worker.fence + 1);
        assert_eq!(rest(1).await, None);
        let engine = store.engine();
        let other = engine.claim_due("other", later(NOW, 29), later(NOW, 60), 5);
        assert!(other.await.unwrap().is_empty());
        assert!(store.engine().load(&held).await.is_ok());
        store.engine().put_down(&held).await.unwrap();
        assert_eq!(store.engine().next_due(NOW).await.unwrap(), None);

        // What is asked meanwhile is due as soon as it is put down.
        let held = rest(1).await.unwrap();
        let standing = store.clusters().standing(cluster).await.unwrap();
        store
            .clusters()
            .request_change(&change(&standing, Change::Resize))
            .await
            .unwrap();
        store.engine().put_down(&held).await.unwrap();
        assert_eq!(store.engine().next_due(NOW).await.unwrap(), Some(NOW));
        assert_eq!(rest(1).await, None);
        assert_eq!(rest(2).await, None);

        // Who dies with it holds it no longer than the lease.
        let worker = claim(&store, "worker", NOW).await;
        settle(&store, &worker, Status::UpdateComplete, Vec::new()).await;
        rest(2).await.unwrap();
        let other = engine.claim_due("other", later(NOW, 31), later(NOW, 60), 5);
        assert_eq!(other.await.unwrap().len(), 1);
    })
    .await;
}
