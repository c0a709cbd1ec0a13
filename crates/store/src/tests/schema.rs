//! The schema: making it, making it again, and what lies in it.

use sea_orm::DbBackend;

use super::fixture::{on_each, on_each_empty, stored_cluster};
use crate::{Ident, Page, Scope, StoreError};

#[tokio::test]
async fn migrating_is_asked_for_once_and_keeps_what_is_there() {
    on_each_empty(async |store| {
        store.ping().await.unwrap();
        assert!(store.needs_migration().await.unwrap());
        let early = store
            .clusters()
            .list(&Scope::All, &Page::first(1))
            .await
            .unwrap_err();
        assert!(matches!(early, StoreError::Internal(_)));
        assert_eq!(early.to_string(), "the database refused");
        assert!(
            early.cause().unwrap().contains("cluster"),
            "the operator hears more"
        );
        assert!(!early.is_transient());
        assert!(store.needs_migration().await.unwrap(), "asking changes nothing");

        store.migrate().await.unwrap();
        assert!(!store.needs_migration().await.unwrap());
        let new = stored_cluster(&store).await;
        store.migrate().await.unwrap();
        let row = store
            .clusters()
            .find(&Scope::All, &Ident::parse("c"))
            .await
            .unwrap();
        assert_eq!(row.cluster, new.cluster);
    })
    .await;
}

#[tokio::test]
async fn a_migration_that_was_cut_short_goes_on() {
    use sea_orm::ConnectionTrait;
    on_each(async |store| {
        // As if the process had died before the version was noted, with an index not made yet.
        store
            .db
            .execute_unprepared("DELETE FROM seaql_migrations")
            .await
            .unwrap();
        store.db.execute_unprepared("DROP TABLE work").await.unwrap();
        assert!(store.needs_migration().await.unwrap());
        store.migrate().await.unwrap();
        assert!(!store.needs_migration().await.unwrap());
        stored_cluster(&store).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_tells_the_time_and_an_embedded_database_has_none() {
    on_each(async |store| {
        let own = || chrono::Utc::now().timestamp_millis();
        let before = own();
        let time = store.server_time().await.unwrap();
        let after = own();
        match store.db.get_database_backend() {
            DbBackend::Sqlite => assert_eq!(time, None),
            // It runs on the same machine; a millisecond is lost in rounding.
            _ => assert!((before - 1..=after + 1).contains(&time.unwrap().0), "{time:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn services_beat_and_are_listed() {
    on_each(async |store| {
        let now = super::fixture::time();
        let later = now + chrono::TimeDelta::seconds(60);
        let services = store.services();
        services.heartbeat("a", "magnum-conductor", now).await.unwrap();
        services.heartbeat("b", "magnum-conductor", now).await.unwrap();
        services.heartbeat("a", "magnum-conductor", later).await.unwrap();
        let rows = services.list().await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.host.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!((rows[0].report_count, rows[1].report_count), (2, 1));
        assert_eq!((rows[0].created_at, rows[0].last_seen_up), (now, Some(later)));
        assert_eq!(
            (rows[1].updated_at, rows[1].disabled, rows[1].forced_down),
            (None, false, false)
        );
    })
    .await;
}
