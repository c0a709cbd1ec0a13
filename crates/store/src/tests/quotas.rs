//! Limits of projects.

use chrono::TimeDelta;
use jeroboam_types::ProjectId;
use sea_orm::{IdenStatic, Iterable};

use super::fixture::{new_cluster, on_each, template, time};
use crate::row::quota;
use crate::{CLUSTER_RESOURCE, CreateError, Page, SortKey, StoreError, Table};

#[tokio::test]
async fn a_quota_is_set_once_changed_and_taken_away() {
    on_each(async |store| {
        let (project, later) = (ProjectId::from("p1"), time() + TimeDelta::seconds(5));
        let quotas = store.quotas();
        assert_eq!(quotas.find(&project, CLUSTER_RESOURCE).await.unwrap(), None);
        let first = quotas
            .insert(&project, CLUSTER_RESOURCE, 3, time())
            .await
            .unwrap();
        assert_eq!(
            (first.hard_limit, first.created_at, first.updated_at),
            (3, time(), None)
        );
        let again = quotas.insert(&project, CLUSTER_RESOURCE, 4, time()).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))));

        let second = quotas.update(&first, 0, later).await.unwrap();
        assert_eq!(
            (second.id, second.hard_limit, second.updated_at),
            (first.id, 0, Some(later))
        );
        assert!(matches!(
            quotas.update(&first, 9, later).await,
            Err(StoreError::Stale)
        ));
        assert!(matches!(quotas.delete(&first).await, Err(StoreError::Stale)));
        let found = quotas.find(&project, CLUSTER_RESOURCE).await.unwrap();
        assert_eq!(found.as_ref(), Some(&second));
        assert_eq!(
            quotas.find(&"P1".into(), CLUSTER_RESOURCE).await.unwrap(),
            None,
            "ids differ by case"
        );

        quotas.delete(&second).await.unwrap();
        assert!(matches!(quotas.delete(&second).await, Err(StoreError::NotFound)));
        assert!(matches!(
            quotas.update(&second, 1, later).await,
            Err(StoreError::NotFound)
        ));
    })
    .await;
}

#[tokio::test]
async fn quotas_page_completely_by_every_column() {
    on_each(async |store| {
        let quotas = store.quotas();
        for (index, project) in ["b", "a", "d", "c", "e"].into_iter().enumerate() {
            let (project, limit) = (ProjectId::from(project), index as i32 / 2);
            let set = quotas.insert(&project, CLUSTER_RESOURCE, limit, time());
            set.await.unwrap();
        }
        for column in quota::Column::iter() {
            let key = SortKey::parse(Table::Quotas, column.as_str()).unwrap();
            let mut walks = [Vec::new(), Vec::new()];
            for (walk, descending) in walks.iter_mut().zip([false, true]) {
                loop {
                    let page = Page {
                        limit: 2,
                        marker: walk.last().copied(),
                        sort_key: key,
                        descending,
                    };
                    let rows = quotas.list(None, &page).await.unwrap();
                    walk.extend(rows.iter().map(|row| row.id));
                    if rows.is_empty() {
                        break;
                    }
                    assert!(walk.len() < 20, "endless by {}", key.as_str());
                }
            }
            walks[1].reverse();
            assert_eq!(walks[0], walks[1], "by {}", key.as_str());
            assert_eq!(walks[0].len(), 5);
        }
        let own = quotas.list(Some(&"d".into()), &Page::first(9)).await.unwrap();
        assert_eq!(own.len(), 1);
        let foreign = Page {
            marker: Some(own[0].id),
            ..Page::first(9)
        };
        assert!(matches!(
            quotas.list(Some(&"a".into()), &foreign).await,
            Err(StoreError::NotFound)
        ));
    })
    .await;
}

#[tokio::test]
async fn the_own_limit_of_a_project_counts_instead_of_the_general_one() {
    on_each(async |store| {
        let template = template("p1", "t");
        store.templates().insert(&template).await.unwrap();
        let create = async || {
            let new = new_cluster("p1", "c", template.uuid);
            store.clusters().create(&new, Some(1)).await
        };
        let quotas = store.quotas();
        let row = quotas
            .insert(&"p1".into(), CLUSTER_RESOURCE, 0, time())
            .await
            .unwrap();
        assert!(matches!(
            create().await,
            Err(CreateError::QuotaExceeded { limit: 0 })
        ));
        let row = quotas.update(&row, 2, time()).await.unwrap();
        create().await.unwrap();
        create().await.unwrap();
        assert!(matches!(
            create().await,
            Err(CreateError::QuotaExceeded { limit: 2 })
        ));
        quotas.delete(&row).await.unwrap();
        assert!(matches!(
            create().await,
            Err(CreateError::QuotaExceeded { limit: 1 })
        ));
    })
    .await;
}
