//! Who the engine is.

use jeroboam_cloud::identity;
use jeroboam_engine::IdentityMode;
use jeroboam_store::Sealed;
use jeroboam_types::Status;
use secrecy::ExposeSecret;

use crate::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_outlives_its_owner() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = house.ask(1, 1, |_| {}).await;
    let row = house.settled(cluster).await;
    assert_eq!(row.cluster.status, Status::CreateComplete);
    let user = row.cluster.user_id.clone();
    identity::delete_user(&house.admin(), user.as_str())
        .await
        .unwrap();
    house.ask_delete(cluster).await;
    house.gone(cluster).await;
    // The owner was seeded, so its going is not something left over.
    house.nothing_left();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trust_serves_where_grants_are_forbidden() {
    let mut house = House::build().await;
    house.identity = IdentityMode::Trust;
    let engine = house.engine(|_| {}).await;
    let token = house.tenant().token().await.unwrap().token.clone();
    let keyring = house.keyring.clone();
    let cluster = house
        .ask(1, 1, |new| {
            let place = format!("sealed/{}/creator/token", new.cluster.uuid);
            let sealed = keyring.seal(&place, token.expose_secret().as_bytes()).unwrap();
            new.sealed.push(Sealed {
                name: "creator/token".into(),
                public_part: None,
                sealed,
            });
        })
        .await;
    let row = house.settled(cluster).await;
    assert_eq!(
        row.cluster.status,
        Status::CreateComplete,
        "{:?}",
        row.cluster.status_reason
    );
    assert_eq!(house.cloud.usage().count("trusts"), 1);
    let kept = house
        .store
        .engine()
        .find_sealed(cluster, "creator/token")
        .await
        .unwrap();
    assert!(
        kept.is_none(),
        "the creator's token is not kept once the trust is made"
    );
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_sealed_in_the_database() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = house.ask(1, 0, |_| {}).await;
    assert_eq!(
        house.settled(cluster).await.cluster.status,
        Status::CreateComplete
    );
    let rows = house.store.engine().list_sealed(cluster).await.unwrap();
    assert!(rows.len() >= 5, "a password and the keys of four authorities");
    for row in rows {
        let place = format!("sealed/{cluster}/{}", row.name);
        let plain = house.keyring.open_text(&place, &row.sealed).unwrap();
        assert!(!row.sealed.contains(plain.expose_secret()));
        assert!(
            house.keyring.open_text("sealed/elsewhere", &row.sealed).is_err(),
            "a sealed text is bound to its row"
        );
    }
    house.delete_and_look(cluster).await;
    engine.stop().await;
}
