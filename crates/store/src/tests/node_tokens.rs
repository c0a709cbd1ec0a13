//! Tokens of nodes: several for a server, each used once, gone with the server and with the cluster.

use jeroboam_driver::Key;
use jeroboam_types::{ClusterId, Millis};

use super::fixture::{NOW, claim, on_each, stored_cluster};
use crate::{NodeToken, StoreError};

fn token(cluster: ClusterId, id: &str, server: &str) -> NodeToken {
    NodeToken {
        id: id.into(),
        cluster,
        server: Key::new("server", server),
        digest: "d".repeat(64),
        expires: NOW,
        taken: None,
    }
}

#[tokio::test]
async fn a_token_is_taken_once_and_goes_with_its_server() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let held = claim(&store, "one", NOW).await;
        let (engine, id) = (store.engine(), new.cluster.uuid);
        for (name, server) in [("a", "worker-0"), ("b", "worker-0"), ("c", "worker-1")] {
            engine
                .put_node_token(&held, &token(id, name, server))
                .await
                .unwrap();
        }
        engine.take_node_token("a", Millis(7)).await.unwrap();
        engine.take_node_token("a", Millis(9)).await.unwrap();
        engine.take_node_token("nobody's", Millis(9)).await.unwrap();
        let taken = engine.find_node_token("a").await.unwrap().unwrap();
        assert_eq!(
            taken,
            NodeToken {
                taken: Some(Millis(7)),
                ..token(id, "a", "worker-0")
            }
        );
        engine.void_node_token("a").await.unwrap();
        assert_eq!(engine.find_node_token("a").await.unwrap(), None);
        engine
            .drop_node_tokens(&held, &Key::new("server", "worker-0"))
            .await
            .unwrap();
        assert_eq!(engine.find_node_token("b").await.unwrap(), None);
        assert!(engine.find_node_token("c").await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn who_lost_the_lease_gives_out_no_token() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let mut old = claim(&store, "one", NOW).await;
        old.fence -= 1;
        let given = store
            .engine()
            .put_node_token(&old, &token(new.cluster.uuid, "a", "worker-0"))
            .await;
        assert!(matches!(given, Err(StoreError::LeaseLost)), "{given:?}");
        assert_eq!(store.engine().find_node_token("a").await.unwrap(), None);
    })
    .await;
}
