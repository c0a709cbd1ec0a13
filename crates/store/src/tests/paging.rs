//! Paging: complete, without repeats, in one order, over every column.

use chrono::TimeDelta;
use jeroboam_types::{Cluster, ClusterTemplate, HealthStatus, Status};
use sea_orm::{IdenStatic, Iterable};
use uuid::Uuid;

use super::fixture::{group, new_cluster, on_each, project, template, time};
use crate::row::{cluster, nodegroup, template as template_row};
use crate::{NewCluster, Page, Scope, SortKey, StoreError, Table};

/// Walks through a list in pages of two, in both directions.
async fn walk<T>(
    key: SortKey,
    list: impl AsyncFn(Page) -> Vec<T>,
    uuid: impl Fn(&T) -> Uuid,
) -> [Vec<Uuid>; 2] {
    let mut walks = [Vec::new(), Vec::new()];
    for (walk, descending) in walks.iter_mut().zip([false, true]) {
        loop {
            let marker = walk.last().copied();
            let rows = list(Page {
                limit: 2,
                marker,
                sort_key: key,
                descending,
            })
            .await;
            assert!(rows.len() <= 2);
            if rows.is_empty() {
                break;
            }
            walk.extend(rows.iter().map(&uuid));
            assert!(walk.len() < 50, "endless by {}", key.as_str());
        }
    }
    walks
}

fn assert_complete([up, down]: [Vec<Uuid>; 2], all: &[Uuid], key: SortKey) {
    let reversed: Vec<Uuid> = down.into_iter().rev().collect();
    assert_eq!(up, reversed, "the two directions disagree by {}", key.as_str());
    let (mut up, mut all) = (up, all.to_vec());
    up.sort();
    all.sort();
    assert_eq!(up, all, "by {}", key.as_str());
}

#[tokio::test]
async fn clusters_page_completely_by_every_column() {
    on_each(async |store| {
        let template = template("p1", "t");
        store.templates().insert(&template).await.unwrap();
        let mut all = Vec::new();
        for index in 0..7_i64 {
            let new = new_cluster("p1", "c", template.uuid);
            let odd = index % 2 == 1;
            let cluster = Cluster {
                name: ["b", "a", "B", "a-1"][index as usize % 4]
                    .to_owned()
                    .try_into()
                    .unwrap(),
                keypair: odd.then(|| "key".into()),
                docker_volume_size: (index > 2).then_some(7 - index as i32),
                floating_ip_enabled: [None, Some(true), Some(false)][index as usize % 3],
                health_status: odd.then_some(HealthStatus::Healthy),
                status: if odd {
                    Status::CreateFailed
                } else {
                    Status::CreateComplete
                },
                created_at: time() + TimeDelta::microseconds(index / 2),
                updated_at: odd.then(time),
                ..new.cluster.clone()
            };
            all.push(cluster.uuid.0);
            let new = NewCluster {
                groups: Vec::new(),
                cluster,
                ..new
            };
            store.clusters().create(&new, None).await.unwrap();
        }
        let list = async |page: Page| store.clusters().list(&project("p1"), &page).await.unwrap();
        let keys: Vec<SortKey> = cluster::Column::iter()
            .map(|column| SortKey::parse(Table::Clusters, column.as_str()).unwrap())
            .collect();
        assert_eq!(keys.len(), 31);
        for key in keys {
            let walks = walk(key, list, |row| row.cluster.uuid.0).await;
            if key == SortKey::ID {
                assert_eq!(walks[0], all, "row ids grow");
            }
            assert_complete(walks, &all, key);
        }
        let nulls_first = Page {
            sort_key: SortKey::parse(Table::Clusters, "keypair").unwrap(),
            ..Page::first(4)
        };
        assert!(
            list(nulls_first)
                .await
                .iter()
                .all(|row| row.cluster.keypair.is_none())
        );

        let unknown = Page {
            marker: Some(Uuid::new_v4()),
            ..Page::first(2)
        };
        let unknown = store.clusters().list(&Scope::All, &unknown).await;
        assert!(matches!(unknown, Err(StoreError::NotFound)));
        let foreign = Page {
            marker: Some(all[0]),
            ..Page::first(2)
        };
        let foreign = store.clusters().list(&project("p2"), &foreign).await;
        assert!(matches!(foreign, Err(StoreError::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn templates_and_node_groups_page_completely_by_every_column() {
    on_each(async |store| {
        let mut templates = Vec::new();
        for index in 0..5 {
            let made = ClusterTemplate {
                name: [None, Some("b".into()), Some("a".into())][index % 3].clone(),
                public: index % 2 == 0,
                tags: None,
                ..template("p1", "t")
            };
            store.templates().insert(&made).await.unwrap();
            templates.push(made);
        }
        let all: Vec<Uuid> = templates.iter().map(|template| template.uuid.0).collect();
        let list = async |page: Page| store.templates().list(&project("p1"), &page).await.unwrap();
        for column in template_row::Column::iter() {
            let key = SortKey::parse(Table::Templates, column.as_str()).unwrap();
            assert_complete(walk(key, list, |template| template.uuid.0).await, &all, key);
        }

        let new = new_cluster("p1", "c", templates[0].uuid);
        let groups = (0..5).map(|index| {
            let role = ["worker", "gpu"][index % 2];
            group(&new.cluster, &format!("group-{index}"), role, index as i32 / 2)
        });
        let new = NewCluster {
            groups: groups.collect(),
            ..new
        };
        store.clusters().create(&new, None).await.unwrap();
        let all: Vec<Uuid> = new.groups.iter().map(|group| group.uuid.0).collect();
        let id = new.cluster.uuid;
        let list = async |page: Page| store.clusters().nodegroups(id, &page, None).await.unwrap();
        for column in nodegroup::Column::iter() {
            let key = SortKey::parse(Table::NodeGroups, column.as_str()).unwrap();
            assert_complete(walk(key, list, |group| group.uuid.0).await, &all, key);
        }
        // The marker may be a group that the role leaves out.
        let page = Page {
            marker: Some(all[0]),
            ..Page::first(10)
        };
        let gpus = store.clusters().nodegroups(id, &page, Some("gpu")).await.unwrap();
        assert_eq!(
            gpus.iter().map(|group| group.uuid.0).collect::<Vec<_>>(),
            [all[1], all[3]]
        );
    })
    .await;
}

#[test]
fn only_columns_are_sort_keys() {
    for computed in [
        "node_count",
        "master_count",
        "links",
        "cluster_template",
        "Id",
        "uuid; DROP TABLE work",
        "",
    ] {
        assert_eq!(SortKey::parse(Table::Clusters, computed), None);
    }
    assert_eq!(
        SortKey::parse(Table::NodeGroups, "node_count").map(SortKey::as_str),
        Some("node_count")
    );
    assert_eq!(SortKey::parse(Table::Clusters, "id"), Some(SortKey::ID));
}
