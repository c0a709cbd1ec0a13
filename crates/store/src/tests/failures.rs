//! What the store says when the database cannot.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
            let patience = Duration::from_micros(5 * round);
            let _ = tokio::time::timeout(patience, store.begin()).await;
        }
        for _ in 0..2 * POOL {
            let tx = store.begin().await.unwrap();
            tx.finish(Ok::<_, StoreError>(())).await.unwrap();
        }
    })
    .await;
}

/// A way to a server on which its answers come drop by drop.
async fn slow_way(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let (mut questions, mut out) = client.into_split();
            let (mut answers, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut questions, &mut to_server).await });
            tokio::spawn(async move {
                let mut drop = [0; 100];
                while let Ok(length @ 1..) = answers.read(&mut drop).await {
                    out.write_all(&drop[..length]).await?;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    address
}

#[tokio::test]
async fn a_question_that_is_given_up_in_the_middle_of_its_answer_leaves_the_connection_in_order() {
    let urls = std::env::var("JEROBOAM_TEST_DATABASES").unwrap_or_default();
    for url in urls.split(',').filter(|url| !url.is_empty()) {
        let (before, server) = url.split_once('@').unwrap();
        let (server, database) = server.split_once('/').unwrap();
        let way = slow_way(server.to_owned()).await;
        let store = Store::connect(&format!("{before}@{way}/{database}"), 1)
            .await
            .unwrap();
        let ask = async |sql: &str| {
            let statement = Statement::from_string(store.db.get_database_backend(), sql);
            let row = store.db.query_one_raw(statement).await.unwrap().unwrap();
            row.try_get_by_index::<String>(0).unwrap()
        };
        assert_eq!(ask("SELECT 'first'").await, "first", "{url}");
        let long = ask("SELECT REPEAT('x', 50000)");
        let given_up = tokio::time::timeout(Duration::from_millis(150), long).await;
        assert!(given_up.is_err(), "{url}: the answer takes half a second");
        assert_eq!(ask("SELECT 'next'").await, "next", "{url}");
    }
}
