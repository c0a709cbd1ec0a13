//! Sealed secrets: kept as they are, never shown, and replaceable while nobody else writes them.

use super::fixture::{NOW, claim, new_cluster, on_each, stored_cluster};
use crate::Sealed;

#[tokio::test]
async fn secrets_are_kept_replaced_and_dropped() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        let held = claim(&store, "one", NOW).await;
        let (engine, id) = (store.engine(), new.cluster.uuid);
        let secret = |name: &str, sealed: &str| Sealed {
            name: name.into(),
            public_part: None,
            sealed: sealed.into(),
        };
        engine.put_sealed(&held, &secret("ca", "box-2")).await.unwrap();
        engine.put_sealed(&held, &secret("user", "box-3")).await.unwrap();
        let all = [secret("ca", "box-2"), secret("user", "box-3")];
        assert_eq!(engine.list_sealed(id).await.unwrap(), all);
        assert_eq!(
            engine.find_sealed(id, "user").await.unwrap().as_ref(),
            Some(&all[1])
        );
        engine.drop_sealed(&held, "user").await.unwrap();
        engine.drop_sealed(&held, "user").await.unwrap();
        assert_eq!(engine.find_sealed(id, "user").await.unwrap(), None);
        assert!(!format!("{all:?}").contains("box"));
    })
    .await;
}

#[tokio::test]
async fn a_change_of_the_master_key_reaches_every_secret_once() {
    on_each(async |store| {
        let new = stored_cluster(&store).await;
        for _ in 0..4 {
            let mut more = new_cluster("p1", "c", new.cluster.cluster_template_id);
            more.sealed.push(Sealed {
                name: "user".into(),
                public_part: None,
                sealed: "box".into(),
            });
            store.clusters().create(&more, None).await.unwrap();
        }
        let engine = store.engine();
        let mut after = None;
        let mut replaced = 0;
        loop {
            let position = after
                .as_ref()
                .map(|(cluster, name): &(_, String)| (*cluster, name.as_str()));
            let rows = engine.sealed_page(position, 2).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = Some((last.cluster, last.sealed.name.clone()));
            for row in &rows {
                let name = &row.sealed.name;
                assert!(
                    engine
                        .replace_sealed(row.cluster, name, "box", "box-2")
                        .await
                        .unwrap()
                );
                assert!(
                    !engine
                        .replace_sealed(row.cluster, name, "box", "box-3")
                        .await
                        .unwrap()
                );
                replaced += 1;
            }
        }
        assert_eq!(replaced, 9);
        let ca = engine.find_sealed(new.cluster.uuid, "ca").await.unwrap().unwrap();
        assert_eq!(
            (ca.sealed.as_str(), ca.public_part.as_deref()),
            ("box-2", Some("pem"))
        );
    })
    .await;
}
