//! Calls of private clusters: taken once, answered once by their own cluster, and gone with it.

use std::collections::BTreeSet;

use jeroboam_types::{ClusterId, Millis};
use uuid::Uuid;

use super::fixture::{NOW, claim, on_each, stored_cluster};
use crate::{ApiCallState, Engine};

async fn put(engine: &Engine<'_>, cluster: ClusterId, call: &str, asked: i64) -> Uuid {
    let id = Uuid::new_v4();
    let put = engine.put_api_call(cluster, id, call.to_owned(), Millis(asked), Millis(asked - 100));
    put.await.unwrap();
    id
}

#[tokio::test]
async fn a_call_is_taken_once_and_answered_once_by_its_own_cluster() {
    on_each(async |store| {
        let (own, other) = (ClusterId(Uuid::new_v4()), ClusterId(Uuid::new_v4()));
        let engine = store.engine();
        let second = put(&engine, own, "second", 20).await;
        let first = put(&engine, own, "first", 10).await;
        assert_eq!(
            engine.clusters_with_api_calls(Millis(10)).await.unwrap(),
            BTreeSet::from([own])
        );
        assert!(
            engine
                .clusters_with_api_calls(Millis(21))
                .await
                .unwrap()
                .is_empty()
        );
        let take = async |cluster, since| {
            engine
                .take_api_call(cluster, Millis(since), Millis(30))
                .await
                .unwrap()
        };
        assert_eq!(take(other, 0).await, None);
        assert_eq!(take(own, 21).await, None, "nobody waits for older ones");
        assert_eq!(engine.api_call_state(first).await.unwrap(), ApiCallState::Untaken);
        assert!(!engine.answer_api_call(own, first, "early".into()).await.unwrap());
        assert_eq!(take(own, 0).await, Some((first, "first".into())));
        assert_eq!(take(own, 0).await, Some((second, "second".into())));
        assert_eq!(take(own, 0).await, None);
        assert!(
            engine
                .clusters_with_api_calls(Millis(0))
                .await
                .unwrap()
                .is_empty()
        );

        let state = async || engine.api_call_state(first).await.unwrap();
        assert_eq!(state().await, ApiCallState::Taken);
        let answer =
            async |cluster, text: &str| engine.answer_api_call(cluster, first, text.into()).await.unwrap();
        assert!(!answer(other, "forged").await);
        assert!(answer(own, "answer").await);
        assert!(!answer(own, "another").await);
        assert_eq!(state().await, ApiCallState::Answered("answer".into()));
        engine.drop_api_call(first).await.unwrap();
        engine.drop_api_call(first).await.unwrap();
        assert_eq!(state().await, ApiCallState::Gone);
        assert!(!answer(own, "late").await);
    })
    .await;
}

#[tokio::test]
async fn however_many_ask_at_once_each_call_goes_to_one() {
    on_each(async |store| {
        let cluster = ClusterId(Uuid::new_v4());
        let mut asked = BTreeSet::new();
        for number in 0..6 {
            asked.insert(put(&store.engine(), cluster, "call", number).await);
        }
        let takers = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                let engine = store.engine();
                while let Some((id, _)) = engine.take_api_call(cluster, Millis(0), NOW).await.unwrap() {
                    taken.push(id);
                }
                taken
            })
        });
        let mut taken = Vec::new();
        for taker in takers.collect::<Vec<_>>() {
            taken.extend(taker.await.unwrap());
        }
        assert_eq!(taken.len(), 6);
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), asked);
    })
    .await;
}

#[tokio::test]
async fn calls_that_nobody_waits_for_go_with_a_later_one_or_with_the_cluster() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let (engine, cluster) = (store.engine(), new.cluster.uuid);
        put(&engine, cluster, "old", 10).await;
        put(&engine, cluster, "later", 1_000).await;
        let next = engine.take_api_call(cluster, Millis(0), NOW).await.unwrap();
        assert_eq!(next.unwrap().1, "later");
        put(&engine, cluster, "last", 1_001).await;
        let clusters = store.clusters();
        clusters.request_delete(cluster, NOW, NOW, "req-2").await.unwrap();
        let held = claim(&store, "one", NOW).await;
        engine.forget(&held, 2).await.unwrap();
        assert_eq!(engine.take_api_call(cluster, Millis(0), NOW).await.unwrap(), None);
    })
    .await;
}
