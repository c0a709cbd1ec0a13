//! What the store says when the database cannot.

use std::os::unix::fs::PermissionsExt;

use sea_orm::ConnectionTrait;

use super::fixture::{POOL, new_cluster, on_each, stored_cluster};
use crate::{CreateError, Ident, Scope, Store, StoreError};

#[tokio::test]
async fn a_full_disk_is_told_apart_and_leaves_nothing_half_written() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:///{}", directory.path().join("test.db").display());
    let store = Store::connect(&url, 1).await.unwrap();
    store.migrate().await.unwrap();
    let new = stored_cluster(&store).await;
    store
        .db
        .execute_unprepared("PRAGMA max_page_count = 1")
        .await
        .unwrap();
    let mut large = new_cluster("p1", "large", new.cluster.cluster_template_id);
    large.groups[1].labels.0.insert("x".into(), "x".repeat(1_000_000));
    let error = store.clusters().create(&large, None).await.unwrap_err();
    let CreateError::Store(error) = error else {
        panic!("{error:?}")
    };
    assert!(matches!(error, StoreError::Full) && error.is_transient());
    let half = store.clusters().find(&Scope::All, &Ident::parse("large")).await;
    assert!(matches!(half, Err(StoreError::NotFound)));

    store
        .db
        .execute_unprepared("PRAGMA max_page_count = 1000000")
        .await
        .unwrap();
    store.clusters().create(&large, None).await.unwrap();
}

#[tokio::test]
async fn a_sqlite_file_is_private_and_survives_another_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let url = format!("sqlite:///{}", path.display());
    let store = Store::connect(&url, 2).await.unwrap();
    store.migrate().await.unwrap();
    stored_cluster(&store).await;
    for file in ["test.db", "test.db-wal", "test.db-shm"] {
        let mode = std::fs::metadata(directory.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // As after a kill: the first never closes.
    let second = Store::connect(&url, 2).await.unwrap();
    second
        .clusters()
        .find(&Scope::All, &Ident::parse("c"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_said_without_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let missing = format!("sqlite:///{}", directory.path().join("no/such.db").display());
    let error = Store::connect(&missing, 1).await.unwrap_err();
    assert!(error.to_string().contains("no/such.db"), "{error}");

    // A port that was free a moment ago refuses.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgresql://u:hunter2@127.0.0.1:{port}/magnum");
    let error = Store::connect(&url, 1).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Unavailable(_)) && error.is_transient(),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_write_that_is_given_up_leaves_no_transaction_behind() {
    on_each(async |store| {
        for round in 0..400 {
            let patience = std::time::Duration::from_micros(5 * round);
            let _ = tokio::time::timeout(patience, store.begin()).await;
        }
        for _ in 0..2 * POOL {
            let tx = store.begin().await.unwrap();
            tx.finish(Ok::<_, StoreError>(())).await.unwrap();
        }
    })
    .await;
}
