//! Answers that are kept, and objects that must not change under the caller.

use jeroboam_types::Millis;

use super::fixture::{NOW, new_cluster, on_each, project, template};
use crate::{Answer, CreateError, Ident, Page, Scope, StoreError};

fn answer(created: Millis) -> Answer {
    Answer {
        digest: "d".repeat(64),
        request: "r".repeat(64),
        created,
        forget: Millis(created.0 - 1_000),
        status: 202,
        location: Some("http://x/é".into()),
        body: "{\"uuid\": \"\u{1F680}\"}".into(),
    }
}

#[tokio::test]
async fn of_creates_with_one_key_a_single_one_makes_an_object() {
    on_each(async |store| {
        let template = template("p1", "t");
        store.templates().insert(&template).await.unwrap();
        let answer = answer(NOW);
        let mut creates = tokio::task::JoinSet::new();
        for index in 0..8 {
            let (store, answer) = (store.clone(), answer.clone());
            let new = new_cluster("p1", &format!("c{index}"), template.uuid);
            creates.spawn(async move {
                store
                    .clusters()
                    .create_once(&new, Some(1), None, Some(&answer))
                    .await
            });
        }
        let mut made = 0;
        while let Some(created) = creates.join_next().await {
            match created.unwrap() {
                Ok(()) => made += 1,
                Err(CreateError::Store(StoreError::Conflict(_))) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(made, 1);
        let rows = store.clusters().list(&project("p1"), &Page::first(9)).await;
        assert_eq!(rows.unwrap().len(), 1);
        let kept = store.answers().find(&answer.digest, answer.forget).await.unwrap();
        assert_eq!(kept, Some(answer));
    })
    .await;
}

#[tokio::test]
async fn a_refused_create_keeps_no_answer_and_an_old_answer_does_not_count() {
    on_each(async |store| {
        let template = template("p1", "t");
        let first = answer(NOW);
        let new = new_cluster("p1", "c", template.uuid);
        let refused = store.clusters().create_once(&new, None, None, Some(&first)).await;
        assert!(matches!(refused, Err(CreateError::TemplateGone)));
        let answers = store.answers();
        assert_eq!(answers.find(&first.digest, Millis(0)).await.unwrap(), None);

        store
            .templates()
            .insert_once(&template, Some(&first))
            .await
            .unwrap();
        assert_eq!(answers.find(&first.digest, first.created).await.unwrap(), None);
        let late = answer(NOW.plus(std::time::Duration::from_secs(1)));
        let other = super::fixture::template("p1", "u");
        store.templates().insert_once(&other, Some(&late)).await.unwrap();
        assert!(
            answers
                .find(&first.digest, first.created)
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(answers.forget(NOW).await.unwrap(), 0);
        assert_eq!(answers.forget(late.created).await.unwrap(), 1);
        assert_eq!(answers.find(&first.digest, Millis(0)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_has_changed_is_not_taken_away_by_who_saw_it_before() {
    on_each(async |store| {
        let seen = template("p1", "t");
        store.templates().insert(&seen).await.unwrap();
        let mut changed = seen.clone();
        changed.name = Some("other".into());
        store
            .templates()
            .update(&seen, &changed, crate::InUse::Refuse)
            .await
            .unwrap();
        assert!(matches!(
            store.templates().delete_unchanged(&seen).await,
            Err(StoreError::Stale)
        ));

        let new = new_cluster("p1", "c", seen.uuid);
        store.clusters().create(&new, None).await.unwrap();
        let find = async || {
            let ident = Ident::parse("c");
            store.clusters().find(&Scope::All, &ident).await.unwrap()
        };
        let row = find().await;
        let later = NOW.plus(std::time::Duration::from_secs(9));
        let mut other = row.clone();
        other.groups[0].node_count += 1;
        let clusters = store.clusters();
        let stale = clusters.request_delete_unchanged(&other, NOW, later, "r").await;
        assert!(matches!(stale, Err(StoreError::Stale)));
        assert_eq!(find().await, row);
        clusters
            .request_delete_unchanged(&row, NOW, later, "r")
            .await
            .unwrap();
        assert_ne!(find().await, row);

        let free = template("p1", "free");
        store.templates().insert(&free).await.unwrap();
        store.templates().delete_unchanged(&free).await.unwrap();
        assert!(matches!(
            store.templates().delete_unchanged(&free).await,
            Err(StoreError::NotFound)
        ));
    })
    .await;
}
