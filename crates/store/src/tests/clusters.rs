//! Clusters: accepting, finding, counting and deleting them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jeroboam_driver::Key;
use jeroboam_plan::{Entry, Phase};
use jeroboam_types::{NodeGroup, Status};
use sea_orm::{ActiveValue, EntityTrait};
use tokio::task::JoinSet;

use super::fixture::{NOW, claim, entry, later, new_cluster, on_each, project, stored_cluster, template};
use crate::row::quota;
use crate::{
    ClusterSummary, CreateError, Filter, GoalKind, Ident, LedgerChange, Page, Scope, Settlement, Stats,
    StoreError,
};

/// The same groups with the row ids that they got.
fn with_ids(groups: &[NodeGroup], stored: &[NodeGroup]) -> Vec<NodeGroup> {
    groups
        .iter()
        .zip(stored)
        .map(|(group, stored)| NodeGroup {
            id: stored.id,
            ..group.clone()
        })
        .collect()
}

#[tokio::test]
async fn a_cluster_reads_back_as_it_was_written() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let row = store
            .clusters()
            .find(&project("p1"), &Ident::Uuid(new.cluster.uuid.0))
            .await
            .unwrap();
        assert_eq!(row.cluster, new.cluster);
        assert_eq!(row.groups, with_ids(&new.groups, &row.groups));
        assert!(row.groups[0].id < row.groups[1].id);
        assert_eq!(row.template_labels, template("p1", "t").labels);
        let listed = store.clusters().list(&Scope::All, &Page::first(10)).await;
        assert_eq!(listed.unwrap(), std::slice::from_ref(&row));

        let summaries = store
            .clusters()
            .summaries(&Scope::All, &Filter::default(), &Page::first(10))
            .await;
        assert_eq!(
            summaries.unwrap(),
            [ClusterSummary {
                uuid: new.cluster.uuid,
                name: new.cluster.name.clone(),
                cluster_template_id: new.cluster.cluster_template_id,
                keypair: new.cluster.keypair.clone(),
                docker_volume_size: new.cluster.docker_volume_size,
                labels: new.cluster.labels.clone(),
                master_flavor_id: new.cluster.master_flavor_id.clone(),
                flavor_id: new.cluster.flavor_id.clone(),
                create_timeout: new.cluster.create_timeout,
                stack_id: new.cluster.stack_id.clone(),
                status: new.cluster.status,
                health_status: new.cluster.health_status,
                discovery_url: new.cluster.discovery_url.clone(),
                floating_ip_enabled: new.cluster.floating_ip_enabled,
                node_count: 2,
                master_count: 1,
            }]
        );

        let by_row = Ident::Name(row.groups[1].id.to_string());
        for ident in [
            Ident::Uuid(row.groups[1].uuid.0),
            Ident::parse("default-worker"),
            by_row,
        ] {
            let found = store
                .clusters()
                .find_nodegroup(new.cluster.uuid, &ident)
                .await
                .unwrap();
            assert_eq!(found, row.groups[1]);
        }
        let masters = store
            .clusters()
            .nodegroups(new.cluster.uuid, &Page::first(9), Some("master"))
            .await;
        assert_eq!(masters.unwrap(), row.groups[..1]);
        let taken = store.clusters().create(&new, None).await;
        assert!(matches!(taken, Err(CreateError::Store(StoreError::Conflict(_)))));
    })
    .await;
}

#[tokio::test]
async fn another_projects_cluster_is_not_found_and_a_name_of_several_is_ambiguous() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let twin = new_cluster("p2", "c", new.cluster.cluster_template_id);
        store.clusters().create(&twin, None).await.unwrap();
        let name = Ident::parse("c");
        let find = async |scope: &Scope, ident: &Ident| store.clusters().find(scope, ident).await;
        assert_eq!(find(&project("p2"), &name).await.unwrap().cluster, twin.cluster);
        assert!(matches!(
            find(&Scope::All, &name).await,
            Err(StoreError::Ambiguous)
        ));
        assert!(matches!(
            find(&project("p3"), &name).await,
            Err(StoreError::NotFound)
        ));
        assert!(matches!(
            find(&project("p1"), &Ident::parse("C")).await,
            Err(StoreError::NotFound)
        ));
        let foreign = Ident::Uuid(twin.cluster.uuid.0);
        assert!(matches!(
            find(&project("p1"), &foreign).await,
            Err(StoreError::NotFound)
        ));
        assert_eq!(find(&Scope::All, &foreign).await.unwrap().cluster, twin.cluster);
        let user = Scope::User {
            user_id: "user".into(),
        };
        assert_eq!(find(&user, &foreign).await.unwrap().cluster, twin.cluster);
        let stranger = Scope::User {
            user_id: "stranger".into(),
        };
        assert!(matches!(
            find(&stranger, &foreign).await,
            Err(StoreError::NotFound)
        ));

        let stats = async |scope: &Scope| store.clusters().stats(scope).await.unwrap();
        assert_eq!(
            stats(&project("p1")).await,
            Stats {
                clusters: 1,
                nodes: 3
            }
        );
        assert_eq!(
            stats(&Scope::All).await,
            Stats {
                clusters: 2,
                nodes: 6
            }
        );
        assert_eq!(
            stats(&user).await,
            Stats {
                clusters: 2,
                nodes: 6
            }
        );
        assert_eq!(stats(&stranger).await, Stats::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quota_is_exact_however_many_create_at_once() {
    on_each(async |store| {
        let template = template("p1", "t");
        store.templates().insert(&template).await.unwrap();
        for (project, own_limit, most) in [("p1", None, 5), ("p2", Some(3), 3), ("p3", Some(0), 0)] {
            if let Some(limit) = own_limit {
                let row = quota::ActiveModel {
                    project_id: ActiveValue::Set(project.to_owned()),
                    resource: ActiveValue::Set(crate::CLUSTER_RESOURCE.to_owned()),
                    hard_limit: ActiveValue::Set(limit),
                    ..Default::default()
                };
                quota::Entity::insert(row)
                    .exec_without_returning(&store.db)
                    .await
                    .unwrap();
            }
            let mut creates = JoinSet::new();
            for _ in 0..20 {
                let (store, new) = (store.clone(), new_cluster(project, "c", template.uuid));
                creates.spawn(async move { store.clusters().create(&new, Some(5)).await });
            }
            let mut accepted = 0;
            for result in creates.join_all().await {
                match result {
                    Ok(()) => accepted += 1,
                    Err(CreateError::QuotaExceeded { limit }) => assert_eq!(limit, most),
                    Err(error) => panic!("{error:?}"),
                }
            }
            assert_eq!(accepted, most, "{project}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_takes_the_same_number_of_queries_however_long_it_is() {
    on_each(async |mut store| {
        let queries = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&queries);
        store.db.on_statement(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let new = stored_cluster(&store).await;
        let mut counts = Vec::new();
        for clusters in [1, 12] {
            for _ in 1..clusters {
                let more = new_cluster("p1", "c", new.cluster.cluster_template_id);
                store.clusters().create(&more, None).await.unwrap();
            }
            let page = Page {
                marker: Some(new.cluster.uuid.0),
                ..Page::first(100)
            };
            for (page, expected) in [(Page::first(100), clusters), (page, clusters - 1)] {
                queries.store(0, Ordering::Relaxed);
                let listed = store.clusters().list(&Scope::All, &page).await.unwrap();
                assert_eq!(listed.len(), expected);
                counts.push(queries.swap(0, Ordering::Relaxed));
                let summaries = store
                    .clusters()
                    .summaries(&Scope::All, &Filter::default(), &page)
                    .await
                    .unwrap();
                assert_eq!(summaries.len(), expected);
                assert!(summaries.iter().all(|cluster| cluster.node_count == 2));
                assert_eq!(queries.load(Ordering::Relaxed), counts[counts.len() - 1]);
            }
        }
        // With a marker on the only row, there are no groups to ask for.
        assert_eq!(counts, [2, 2, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn a_delete_during_the_creation_makes_its_outcome_stale() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let id = new.cluster.uuid;
        let builder = claim(&store, "one", NOW).await;
        let work = store.engine().load(&builder).await.unwrap();
        assert_eq!((work.goal, work.generation), (GoalKind::Present, 1));
        let ask = work.ask.unwrap();
        assert_eq!((ask.resolved, ask.groups.len()), (new.resolved.clone(), 2));

        store
            .clusters()
            .request_delete(id, NOW, later(NOW, 900), "req-2")
            .await
            .unwrap();
        let row = store
            .clusters()
            .find(&Scope::All, &Ident::Uuid(id.0))
            .await
            .unwrap();
        assert_eq!(
            (row.cluster.status, row.cluster.status_reason),
            (Status::DeleteInProgress, None)
        );
        assert!(
            row.groups
                .iter()
                .all(|group| group.status == Status::DeleteInProgress)
        );
        let made = Entry {
            drop_failed: false,
            ..entry(Key::new("volume", "v"))
        };
        let generation = store
            .engine()
            .write(&builder, &[LedgerChange::Put(made.clone())])
            .await
            .unwrap();
        assert_eq!(generation, 2, "the builder hears of it with its next write");
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
            engine_ms: 1,
        };
        let settled = store.engine().settle(&builder, &outcome).await;
        assert!(matches!(settled, Err(StoreError::Stale)));
        let row = store
            .clusters()
            .find(&Scope::All, &Ident::Uuid(id.0))
            .await
            .unwrap();
        assert_eq!(row.cluster.status, Status::DeleteInProgress);

        // A second request while the first is under way changes nothing.
        store
            .clusters()
            .request_delete(id, later(NOW, 5), later(NOW, 1800), "req-3")
            .await
            .unwrap();
        let work = store.engine().load(&builder).await.unwrap();
        assert_eq!(
            (work.goal, work.generation, work.deadline),
            (GoalKind::Absent, 2, later(NOW, 900))
        );
        assert_eq!((work.request_id.as_str(), work.engine_ms), ("req-2", 0));

        let early = store.engine().forget(&builder, 2).await;
        assert!(
            matches!(early, Err(StoreError::Conflict(_))),
            "a resource is still in the ledger"
        );
        assert!(matches!(
            store.engine().forget(&builder, 1).await,
            Err(StoreError::Stale)
        ));
        store
            .engine()
            .write(&builder, &[LedgerChange::Remove(made.key)])
            .await
            .unwrap();
        store.engine().forget(&builder, 2).await.unwrap();
        let gone = store.clusters().find(&Scope::All, &Ident::Uuid(id.0)).await;
        assert!(matches!(gone, Err(StoreError::NotFound)));
        assert_eq!(store.engine().list_sealed(id).await.unwrap(), []);
        assert_eq!(
            store
                .clusters()
                .nodegroups(id, &Page::first(9), None)
                .await
                .unwrap(),
            []
        );
        assert!(matches!(
            store.engine().write(&builder, &[]).await,
            Err(StoreError::LeaseLost)
        ));
        let again = store.clusters().request_delete(id, NOW, NOW, "req-4").await;
        assert!(matches!(again, Err(StoreError::NotFound)));
        store
            .templates()
            .delete(new.cluster.cluster_template_id)
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_delete_that_failed_can_be_asked_for_again() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let id = new.cluster.uuid;
        store
            .clusters()
            .request_delete(id, NOW, later(NOW, 900), "req-2")
            .await
            .unwrap();
        let worker = claim(&store, "one", NOW).await;
        let stuck = entry(Key::new("volume", "stuck"));
        let failed = Entry {
            drop_failed: false,
            attempts: 7,
            ..entry(Key::new("volume", "never-made"))
        };
        let changes = [
            LedgerChange::Put(stuck.clone()),
            LedgerChange::Put(failed.clone()),
        ];
        store.engine().write(&worker, &changes).await.unwrap();
        let outcome = Settlement {
            generation: 2,
            now: later(NOW, 60),
            status: Status::DeleteFailed,
            status_reason: Some("volume:stuck".into()),
            group_status: vec![(new.groups[0].uuid, Status::DeleteFailed, Some("stuck".into()))],
            gone_groups: Vec::new(),
            api_address: None,
            coe_version: Some("v".repeat(300)),
            container_version: None,
            node_addresses: vec![(new.groups[1].uuid, vec!["10.0.0.9".into()])],
            stopped: Vec::new(),
            upgraded: None,
            engine_ms: 77,
        };
        store.engine().settle(&worker, &outcome).await.unwrap();
        let row = store
            .clusters()
            .find(&Scope::All, &Ident::Uuid(id.0))
            .await
            .unwrap();
        assert_eq!(row.cluster.status, Status::DeleteFailed);
        assert_eq!(row.cluster.status_reason.as_deref(), Some("volume:stuck"));
        assert_eq!(
            row.cluster.updated_at.unwrap().timestamp_millis(),
            later(NOW, 60).0
        );
        assert_eq!(
            row.cluster.api_address, new.cluster.api_address,
            "what is not given stays"
        );
        assert_eq!(row.cluster.coe_version.unwrap().len(), 255);
        assert_eq!(row.groups[0].status_reason.as_deref(), Some("stuck"));
        assert_eq!(row.groups[1].status, Status::DeleteInProgress);
        assert_eq!(row.groups[1].node_addresses, ["10.0.0.9"]);
        assert_eq!(
            store.engine().next_due(NOW).await.unwrap(),
            None,
            "a settled work waits for a wish"
        );

        store
            .clusters()
            .request_delete(id, later(NOW, 120), later(NOW, 999), "req-3")
            .await
            .unwrap();
        let worker = claim(&store, "two", later(NOW, 120)).await;
        let work = store.engine().load(&worker).await.unwrap();
        assert_eq!(
            (work.generation, work.deadline, work.engine_ms),
            (3, later(NOW, 999), 0)
        );
        let retried = Entry {
            phase: Phase::Failed,
            attempts: 0,
            drop_failed: false,
            ..stuck
        };
        assert_eq!(work.ledger[&retried.key], retried);
        assert_eq!(work.ledger[&failed.key], failed);
    })
    .await;
}
