//! How many statements a list takes, whatever its length, and what filters leave of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jeroboam_types::Status;

use super::fixture::{NOW, new_cluster, on_each, project, template};
use crate::{Filter, Ident, NewCluster, Page, Scope, SortKey, Store, Table};

/// A store whose statements are counted.
fn counting(store: &Store) -> (Store, Arc<AtomicUsize>) {
    let (mut store, count) = (store.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    store.db.on_statement(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    (store, count)
}

#[tokio::test]
async fn a_list_of_a_thousand_clusters_with_their_groups_takes_two_statements() {
    on_each(async |store| {
        let template = template("p1", "t");
        store.templates().insert(&template).await.unwrap();
        for index in 0..1_000 {
            let new = new_cluster("p1", &format!("c{index}"), template.uuid);
            let new = NewCluster {
                sealed: Vec::new(),
                ..new
            };
            store.clusters().create(&new, None).await.unwrap();
        }
        let (counted, count) = counting(&store);
        let taken = || count.swap(0, Ordering::Relaxed);
        for sort_key in ["id", "name", "status"] {
            let page = Page {
                sort_key: SortKey::parse(Table::Clusters, sort_key).unwrap(),
                ..Page::first(1_000)
            };
            let rows = counted.clusters().list(&project("p1"), &page).await.unwrap();
            assert_eq!(taken(), 2, "by {sort_key}");
            assert_eq!(rows.len(), 1_000);
            assert!(
                rows.iter()
                    .all(|row| row.groups.len() == 2 && row.template_labels == template.labels),
                "what an answer in detail needs is there"
            );
        }
        let page = Page::first(1_000);
        let rows = counted.clusters().list(&Scope::All, &page).await.unwrap();
        assert_eq!(taken(), 2);
        let cluster = rows[500].cluster.uuid;
        let ident = Ident::Uuid(cluster.0);
        let shown = counted.clusters().find(&project("p1"), &ident).await.unwrap();
        assert_eq!(taken(), 1, "cluster and groups are of the same moment");
        assert_eq!(shown, rows[500]);
        let next = Page {
            marker: Some(cluster.0),
            ..page.clone()
        };
        assert_eq!(
            counted.clusters().list(&Scope::All, &next).await.unwrap().len(),
            499
        );
        assert_eq!(taken(), 3, "one more for the marker");
        counted.clusters().nodegroups(cluster, &page, None).await.unwrap();
        assert_eq!(taken(), 1);
        counted.templates().list(&project("p1"), &page).await.unwrap();
        assert_eq!(taken(), 1);
    })
    .await;
}

#[tokio::test]
async fn filters_leave_rows_of_a_name_a_status_and_a_project() {
    on_each(async |store| {
        let template = template("p1", "t");
        store.templates().insert(&template).await.unwrap();
        store
            .templates()
            .insert(&super::fixture::template("p2", "T"))
            .await
            .unwrap();
        let mut uuids = Vec::new();
        for (project, name) in [("p1", "a"), ("p1", "b"), ("p2", "a")] {
            let new = new_cluster(project, name, template.uuid);
            store.clusters().create(&new, None).await.unwrap();
            uuids.push(new.cluster.uuid);
        }
        let later = NOW.plus(std::time::Duration::from_secs(9));
        store
            .clusters()
            .request_delete(uuids[1], NOW, later, "req-1")
            .await
            .unwrap();
        let left = async |scope: &Scope, filter: Filter| {
            let rows = store.clusters().list_some(scope, &filter, &Page::first(9)).await;
            let rows = rows.unwrap().into_iter();
            rows.map(|row| uuids.iter().position(|uuid| *uuid == row.cluster.uuid).unwrap())
                .collect::<Vec<_>>()
        };
        let name = |name: &str| Filter {
            name: Some(name.to_owned()),
            ..Filter::default()
        };
        let of_project = |id: &str| Filter {
            project_id: Some(id.into()),
            ..Filter::default()
        };
        let status = Filter {
            status: Some(Status::DeleteInProgress),
            ..Filter::default()
        };
        assert_eq!(left(&Scope::All, name("a")).await, [0, 2]);
        assert_eq!(
            left(&Scope::All, name("A")).await,
            [0; 0],
            "names differ by case on every database"
        );
        assert_eq!(left(&Scope::All, of_project("p2")).await, [2]);
        assert_eq!(left(&project("p1"), of_project("p2")).await, [0; 0]);
        assert_eq!(left(&Scope::All, status.clone()).await, [1]);
        let both = Filter {
            status: status.status,
            ..name("a")
        };
        assert_eq!(left(&Scope::All, both).await, [0; 0]);

        let templates = async |scope: &Scope, filter: Filter| {
            let rows = store.templates().list_some(scope, &filter, &Page::first(9)).await;
            rows.unwrap().len()
        };
        assert_eq!(templates(&Scope::All, name("t")).await, 1);
        assert_eq!(templates(&Scope::All, of_project("p2")).await, 1);
        assert_eq!(templates(&project("p1"), of_project("p2")).await, 0);
    })
    .await;
}
