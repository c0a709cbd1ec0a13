//! The ledger: what is written is what is read, all of it or nothing.

use jeroboam_driver::Key;
use jeroboam_plan::{Entry, Ledger, Phase};
use jeroboam_types::{ClusterTemplate, Coe, Millis};

use super::fixture::{NOW, claim, entry, new_cluster, on_each, stored_cluster, template};
use crate::LedgerChange::{Put, Remove};
use crate::Oldest;

#[tokio::test]
async fn every_field_of_an_entry_survives() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let held = claim(&store, "one", NOW).await;
        let full = entry(Key::new("volume", "full"));
        let bare = Entry {
            needs: Default::default(),
            group: None,
            spec: jeroboam_driver::Spec::Identity,
            phase: Phase::Intended,
            id: None,
            facts: Default::default(),
            attempts: 0,
            finished: None,
            seen: None,
            fault: None,
            uncertain: false,
            maybe_twice: false,
            drop_failed: false,
            ..entry(Key::new("identity", "main"))
        };
        let changes = [Put(full.clone()), Put(bare.clone())];
        assert_eq!(store.engine().write(&held, &changes).await.unwrap(), 1);
        let expected = Ledger::from([(bare.key.clone(), bare.clone()), (full.key.clone(), full.clone())]);
        assert_eq!(store.engine().load(&held).await.unwrap().ledger, expected);
        assert_eq!(store.clusters().ledger(new.cluster.uuid).await.unwrap(), expected);

        for phase in [
            Phase::Made,
            Phase::Ready,
            Phase::Failed,
            Phase::Dropping,
            Phase::Intended,
        ] {
            let next = Entry {
                phase,
                ..full.clone()
            };
            store.engine().write(&held, &[Put(next.clone())]).await.unwrap();
            assert_eq!(
                store.clusters().ledger(new.cluster.uuid).await.unwrap()[&next.key],
                next
            );
        }
    })
    .await;
}

#[tokio::test]
async fn the_oldest_certificates_are_those_of_authorities_and_of_masters_of_kubernetes() {
    on_each(async |store| {
        assert_eq!(store.engine().oldest().await.unwrap(), Oldest::default());
        for (coe, masters) in [(Coe::SwarmMode, None), (Coe::Kubernetes, Some(Millis(900)))] {
            let template = ClusterTemplate {
                coe,
                ..template("p1", coe.as_str())
            };
            store.templates().insert(&template).await.unwrap();
            let new = new_cluster("p1", coe.as_str(), template.uuid);
            store.clusters().create(&new, None).await.unwrap();
            let held = claim(&store, "one", NOW).await;
            let made = |kind: &str, name: &str, at: Option<i64>| {
                Put(Entry {
                    finished: at.map(Millis),
                    ..entry(Key::new(kind, name))
                })
            };
            let changes = [
                made("certificates", "main", Some(500)),
                made("certificates", "1", Some(700)),
                made("server", "master-0", Some(900)),
                made("server", "master-1", None),
                made("server", "worker-0", Some(100)),
            ];
            store.engine().write(&held, &changes).await.unwrap();
            let oldest = store.engine().oldest().await.unwrap();
            assert_eq!((oldest.authorities, oldest.masters), (Some(Millis(500)), masters));
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_change_of_a_key_counts_and_many_fit_into_one_write() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let held = claim(&store, "one", NOW).await;
        let key = |index: usize| Key::new("port", format!("worker-{index}"));
        let made: Vec<_> = (0..450).map(|index| Put(entry(key(index)))).collect();
        store.engine().write(&held, &made).await.unwrap();
        assert_eq!(
            store.clusters().ledger(new.cluster.uuid).await.unwrap().len(),
            450
        );

        let last = Entry {
            seen: Some("last".into()),
            ..entry(key(0))
        };
        let mut changes: Vec<_> = (0..450).map(|index| Remove(key(index))).collect();
        changes.extend([
            Put(entry(key(0))),
            Put(last.clone()),
            Put(entry(key(1))),
            Remove(key(1)),
        ]);
        store.engine().write(&held, &changes).await.unwrap();
        let ledger = store.clusters().ledger(new.cluster.uuid).await.unwrap();
        assert_eq!(ledger, Ledger::from([(key(0), last)]));
        store.engine().write(&held, &[Remove(key(7))]).await.unwrap();
    })
    .await;
}
