//! Secrets that nodes fetch: by whom, for how long, and when not any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_driver::{
    Access, Ask, Departure, Driver, DriverError, Drivers, Graph, Invalid, Leaving, Made, NodeAsk, Provides,
    Report,
};
use jeroboam_engine::{Endpoint, Engine};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Rule};
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::Status;
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use secrecy::{ExposeSecret, SecretString};

use crate::changes::on;
use crate::house::{House, within};

/// Swarms whose nodes fetch their host name as their secret.
#[derive(Default)]
struct Fetching {
    /// Tokens of user-data, by key of the server.
    tokens: Arc<Mutex<Vec<(String, String)>>>,
}

#[async_trait]
impl Driver for Fetching {
    fn name(&self) -> &'static str {
        "swarm"
    }

    fn provides(&self) -> &'static [Provides] {
        SwarmDriver.provides()
    }

    fn validate(&self, ask: &Ask) -> Result<(), Invalid> {
        SwarmDriver.validate(ask)
    }

    fn graph(&self, ask: &Ask) -> Result<Graph, DriverError> {
        SwarmDriver.graph(ask)
    }

    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        let bootstrap = node.bootstrap.expect("the engine has an endpoint");
        assert_eq!(bootstrap.url, "https://192.0.2.10:9513");
        let token = bootstrap.token.expose_secret().to_owned();
        self.tokens.lock().unwrap().push((node.server.to_string(), token));
        SwarmDriver.user_data(node)
    }

    fn fetches_secrets(&self, _: &Ask) -> bool {
        true
    }

    fn secrets(&self, node: &NodeAsk<'_>) -> Result<SecretString, DriverError> {
        assert!(
            node.certificates
                .authority(jeroboam_driver::Authority::Node)
                .is_ok()
        );
        assert!(node.made.0.contains_key(node.server));
        Ok(SecretString::from(node.host_name.to_owned()))
    }

    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        SwarmDriver.api_address(ask, made)
    }

    async fn check(&self, ask: &Ask, access: &Access) -> Report {
        SwarmDriver.check(ask, access).await
    }

    async fn leave(&self, ask: &Ask, access: &Access, node: &Leaving<'_>) -> Departure {
        SwarmDriver.leave(ask, access, node).await
    }
}

fn endpoint(token_life: Duration) -> Option<Endpoint> {
    Some(Endpoint {
        url: "https://192.0.2.10:9513".into(),
        authority: "certificate".into(),
        token_life,
    })
}

async fn given(engine: &Engine, token: &str) -> Option<String> {
    let secrets = engine.node_secrets(token).await.unwrap();
    secrets.map(|secrets| secrets.expose_secret().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_of_one_node_until_it_has_its_secrets_or_goes() {
    let mut house = House::build().await;
    let driver = Fetching::default();
    let tokens = driver.tokens.clone();
    house.drivers = Drivers::new(vec![Arc::new(driver)]);
    let running = house
        .engine(|options| options.bootstrap = endpoint(Duration::from_secs(600)))
        .await;
    let cluster = house.ask(1, 2, |_| {}).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    let token = |server: &str| {
        let tokens = tokens.lock().unwrap();
        tokens.iter().find(|(key, _)| key == server).unwrap().1.clone()
    };
    let engine = &running.engine;
    let (first, second) = (token("server:worker-0"), token("server:worker-1"));
    // An answer may get lost: the same node asks again, until it says that it has everything.
    for _ in 0..2 {
        let secrets = given(engine, &first).await.unwrap();
        assert!(secrets.ends_with("-worker-0"), "{secrets}");
    }
    assert!(engine.node_has_secrets(&first).await.unwrap());
    assert_eq!(given(engine, &first).await, None);
    assert!(!engine.node_has_secrets(&first).await.unwrap());
    // The halves of two tokens make none.
    let (id, _) = second.split_once('.').unwrap();
    let (_, secret) = token("server:master-0")
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(given(engine, &format!("{id}.{secret}")).await, None);
    // A node that goes is let in no more.
    house.resize(cluster, DEFAULT_WORKER, 1, &[1]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(given(engine, &second).await, None);
    let master = token("server:master-0");
    assert!(given(engine, &master).await.is_some());
    house.delete_and_look(cluster).await;
    assert_eq!(given(engine, &master).await, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_runs_out() {
    let mut house = House::build().await;
    let driver = Fetching::default();
    let tokens = driver.tokens.clone();
    house.drivers = Drivers::new(vec![Arc::new(driver)]);
    let running = house
        .engine(|options| options.bootstrap = endpoint(Duration::ZERO))
        .await;
    let cluster = house.ask(1, 0, |_| {}).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    let token = tokens.lock().unwrap()[0].1.clone();
    assert_eq!(given(&running.engine, &token).await, None);
    house.delete_and_look(cluster).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_gets_in_whenever_the_service_died_between_its_token_and_its_server() {
    // The call is never sent, or sent and its answer not seen, or still on its way when the next life looks.
    for effect in [
        Effect::Timeout { ms: 60_000 },
        Effect::LostAnswer,
        Effect::Late { ms: 100 },
    ] {
        let mut house = House::build().await;
        let driver = Fetching::default();
        let tokens = driver.tokens.clone();
        house.drivers = Drivers::new(vec![Arc::new(driver)]);
        let life = |options: &mut jeroboam_engine::Options| {
            options.bootstrap = endpoint(Duration::from_secs(600));
        };
        let cut = house.cloud.faults().add(Rule::new(
            on(Service::Compute, "POST", "/v2.1/servers"),
            effect.clone(),
        ));
        let first = house.engine(life).await;
        let cluster = house.ask(1, 1, |_| {}).await;
        within(async {
            let is_hit = || house.cloud.faults().list().iter().any(|(_, _, hits)| *hits > 0);
            while !is_hit() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        first.crash().await;
        let drawn: Vec<(String, String)> = tokens.lock().unwrap().clone();
        assert!(!drawn.is_empty());
        house.cloud.faults().remove(cut);

        let second = house.engine(life).await;
        house.settled_as(cluster, Status::CreateComplete).await;
        assert_eq!(house.servers(), ["master-0", "worker-0"], "{effect:?}");
        // Whichever call made the server, its token is let in, and gets what is this node's.
        let all: Vec<(String, String)> = tokens.lock().unwrap().clone();
        for (server, token) in &all {
            let secrets = given(&second.engine, token).await.unwrap();
            assert!(
                secrets.ends_with(server.trim_start_matches("server:")),
                "{server}: {secrets}"
            );
        }
        house.delete_and_look(cluster).await;
        for (_, token) in &all {
            assert_eq!(given(&second.engine, token).await, None);
        }
        second.stop().await;
    }
}
