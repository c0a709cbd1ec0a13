//! Templates: what they keep, who sees them, when they may go.

use jeroboam_types::ClusterTemplate;
use sea_orm::sqlx::mysql::MySqlPoolOptions;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::fixture::{new_cluster, on_each, project, template};
use crate::unbroken::Unbroken;
use crate::{CreateError, Ident, InUse, Page, Scope, Store, StoreError};

#[tokio::test]
async fn a_template_reads_back_as_it_was_written_and_changes_all_but_its_origin() {
    on_each(async |store| {
        let mut kept = template("p1", "with space & ünïcode");
        store.templates().insert(&kept).await.unwrap();
        let ident = Ident::parse("with space & ünïcode");
        assert_eq!(
            store.templates().find(&project("p1"), &ident).await.unwrap(),
            kept
        );
        assert!(matches!(
            store.templates().insert(&kept).await,
            Err(StoreError::Conflict(_))
        ));

        let before = kept.clone();
        kept.flavor_id = None;
        kept.public = true;
        kept.updated_at = Some(kept.created_at);
        let moved = ClusterTemplate {
            project_id: "p2".into(),
            user_id: "other".into(),
            ..kept.clone()
        };
        store
            .templates()
            .update(&before, &moved, InUse::Refuse)
            .await
            .unwrap();
        assert_eq!(store.templates().load(kept.uuid).await.unwrap(), kept);
        let unknown = template("p1", "x");
        assert!(matches!(
            store.templates().update(&unknown, &unknown, InUse::Change).await,
            Err(StoreError::NotFound)
        ));
    })
    .await;
}

/// Statements that the only connection of a store has sent so far: this question and those around transactions too.
async fn sent(store: &Store) -> u64 {
    let question = Statement::from_string(DbBackend::MySql, "SHOW SESSION STATUS LIKE 'Questions'");
    let row = store.db.query_one_raw(question).await.unwrap().unwrap();
    row.try_get_by_index::<String>(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_template_without_an_answer_to_keep_is_made_by_one_statement() {
    on_each(async |store| {
        // The others do not count for each connection.
        if store.db.get_database_backend() != DbBackend::MySql {
            return;
        }
        let options = store.db.get_mysql_connection_pool().connect_options();
        let one = MySqlPoolOptions::new().max_connections(1);
        let mut alone = store.clone();
        alone.db = Unbroken::new(one.connect_lazy_with((*options).clone()).into());
        let before = sent(&alone).await;
        alone.templates().insert(&template("p1", "t")).await.unwrap();
        assert_eq!(sent(&alone).await - before, 2);
        alone.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_two_changes_of_the_same_template_the_second_is_stale() {
    on_each(async |store| {
        let before = template("p1", "t");
        store.templates().insert(&before).await.unwrap();
        let named = |name: &str| ClusterTemplate {
            name: Some(name.to_owned()),
            ..before.clone()
        };
        let (first, second) = (named("first"), named("second"));
        store
            .templates()
            .update(&before, &first, InUse::Refuse)
            .await
            .unwrap();
        let lost = store.templates().update(&before, &second, InUse::Refuse).await;
        assert!(matches!(lost, Err(StoreError::Stale)), "{lost:?}");
        assert_eq!(store.templates().load(before.uuid).await.unwrap(), first);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_never_changed_under_a_cluster_being_made() {
    on_each(async |store| {
        for _ in 0..8 {
            let before = template("p1", "t");
            store.templates().insert(&before).await.unwrap();
            let after = ClusterTemplate {
                flavor_id: None,
                ..before.clone()
            };
            let (id, creator, changer) = (before.uuid, store.clone(), store.clone());
            let create = tokio::spawn(async move {
                let new = new_cluster("p1", "c", id);
                creator.clusters().create(&new, None).await.unwrap();
                // What the cluster is made from, from here on.
                creator.templates().load(id).await.unwrap()
            });
            let change =
                tokio::spawn(async move { changer.templates().update(&before, &after, InUse::Refuse).await });
            let (made_from, changed) = (create.await.unwrap(), change.await.unwrap());
            let now = store.templates().load(id).await.unwrap();
            assert_eq!(made_from, now, "{changed:?}");
            assert_eq!(changed.is_ok(), now.flavor_id.is_none());
            let late = store.templates().update(&now, &now, InUse::Refuse).await;
            assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
            store.templates().update(&now, &now, InUse::Change).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn who_sees_which_template() {
    on_each(async |store| {
        let mut all = Vec::new();
        for (public, hidden) in [(false, false), (true, false), (true, true), (false, true)] {
            let made = ClusterTemplate {
                public,
                hidden,
                ..template("owner", "t")
            };
            let made = ClusterTemplate {
                name: Some(format!("{public}-{hidden}")),
                ..made
            };
            store.templates().insert(&made).await.unwrap();
            all.push(made);
        }
        let owner_without_project = Scope::User {
            user_id: "user".into(),
        };
        let stranger_without_project = Scope::User {
            user_id: "stranger".into(),
        };
        for (scope, sees) in [
            (project("owner"), [true, true, true, true]),
            (project("stranger"), [false, true, false, false]),
            (owner_without_project, [true, true, true, true]),
            (stranger_without_project, [false, true, false, false]),
            (Scope::All, [true, true, true, true]),
        ] {
            let listed = store.templates().list(&scope, &Page::first(10)).await.unwrap();
            for (template, sees) in all.iter().zip(sees) {
                assert_eq!(
                    listed.contains(template),
                    sees,
                    "{scope:?} lists {:?}",
                    template.name
                );
                let name = Ident::Name(template.name.clone().unwrap());
                for ident in [Ident::Uuid(template.uuid.0), name] {
                    let found = store.templates().find(&scope, &ident).await;
                    match found {
                        Ok(found) => assert!(sees && found == *template, "{scope:?} finds {ident:?}"),
                        Err(StoreError::NotFound) => assert!(!sees, "{scope:?} misses {ident:?}"),
                        Err(error) => panic!("{error}"),
                    }
                }
                assert_eq!(store.templates().load(template.uuid).await.unwrap(), *template);
            }
        }
        let first = store.templates().find_row(&Scope::All, 1).await.unwrap();
        assert_eq!(first, all[0]);
        let hidden = store.templates().find_row(&project("stranger"), 1).await;
        assert!(matches!(hidden, Err(StoreError::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn a_template_stays_while_a_cluster_is_made_from_it() {
    on_each(async |store| {
        let used = template("p1", "t");
        store.templates().insert(&used).await.unwrap();
        assert!(!store.templates().is_referenced(used.uuid).await.unwrap());
        store
            .clusters()
            .create(&new_cluster("p2", "c", used.uuid), None)
            .await
            .unwrap();
        assert!(store.templates().is_referenced(used.uuid).await.unwrap());
        assert!(matches!(
            store.templates().delete(used.uuid).await,
            Err(StoreError::Conflict(_))
        ));

        let unused = template("p1", "t2");
        store.templates().insert(&unused).await.unwrap();
        store.templates().delete(unused.uuid).await.unwrap();
        assert!(matches!(
            store.templates().delete(unused.uuid).await,
            Err(StoreError::NotFound)
        ));
        let late = store
            .clusters()
            .create(&new_cluster("p2", "c", unused.uuid), None)
            .await;
        assert!(matches!(late, Err(CreateError::TemplateGone)));
    })
    .await;
}

#[tokio::test]
async fn a_cluster_is_not_made_from_a_template_that_was_changed_since_it_was_read() {
    on_each(async |store| {
        let seen = template("p1", "t");
        store.templates().insert(&seen).await.unwrap();
        let now = ClusterTemplate {
            image_id: "other".to_owned(),
            ..seen.clone()
        };
        store
            .templates()
            .update(&seen, &now, InUse::Refuse)
            .await
            .unwrap();
        let create = async |from: &ClusterTemplate| {
            let new = new_cluster("p1", "c", seen.uuid);
            store.clusters().create_once(&new, None, Some(from), None).await
        };
        assert!(matches!(create(&seen).await, Err(CreateError::TemplateChanged)));
        assert!(!store.templates().is_referenced(seen.uuid).await.unwrap());
        create(&now).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_never_removed_under_a_cluster_being_made() {
    on_each(async |store| {
        for _ in 0..8 {
            let contested = template("p1", "t");
            store.templates().insert(&contested).await.unwrap();
            let (id, creator, remover) = (contested.uuid, store.clone(), store.clone());
            let create = tokio::spawn(async move {
                creator
                    .clusters()
                    .create(&new_cluster("p1", "c", id), None)
                    .await
                    .is_ok()
            });
            let delete = tokio::spawn(async move { remover.templates().delete(id).await.is_ok() });
            let (created, deleted) = (create.await.unwrap(), delete.await.unwrap());
            assert!(created != deleted, "exactly one of the two may win");
        }
    })
    .await;
}
