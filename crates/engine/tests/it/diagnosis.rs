//! Nodes that never join: their consoles tell why.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_driver::graph::Made;
use jeroboam_driver::{
    Access, ApiHealth, Ask, Departure, Driver, DriverError, Drivers, Graph, Health, Invalid, Key, Leaving,
    NodeAsk, NodeHealth, Provides, Report,
};
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::{ClusterId, Status};

use crate::house::House;

/// The swarm driver, with a swarm that `worker-1` never joins.
struct Lonely;

#[async_trait]
impl Driver for Lonely {
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
        SwarmDriver.user_data(node)
    }

    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        SwarmDriver.api_address(ask, made)
    }

    async fn check(&self, _: &Ask, _: &Access) -> Report {
        Report::NotYet("2 of 3 nodes are ready".to_owned())
    }

    async fn health(&self, ask: &Ask, _: &Access) -> Health {
        let node = |name: &str, lack: Option<&str>| {
            let key = Key::new("server", name);
            NodeHealth {
                name: ask.cloud_name(&key),
                server: Some(key),
                lack: lack.map(str::to_owned),
            }
        };
        Health {
            api: ApiHealth::Ok,
            nodes: vec![
                node("master-0", None),
                node("worker-0", None),
                node("worker-1", Some("is missing")),
            ],
        }
    }

    async fn leave(&self, _: &Ask, _: &Access, _: &Leaving<'_>) -> Departure {
        Departure::Gone
    }
}

/// Creates a cluster whose last worker says something on its console, and gives the reason of its failure.
async fn failure(said: &str, coe: Duration) -> String {
    let mut house = House::build().await;
    house.drivers = Drivers::new(vec![Arc::new(Lonely)]);
    let engine = house
        .engine(|options| {
            options.trust_server_active = false;
            options.diagnose_after = Duration::from_millis(50);
            options.budgets.coe = coe;
        })
        .await;
    let cluster: ClusterId = house.ask(1, 2, |_| {}).await;
    let row = house.show(cluster).await.unwrap();
    let name = format!("{}-{}-worker-1", row.cluster.name.stem(), cluster.short());
    house
        .cloud
        .with_world(|world| world.consoles.insert(name, said.to_owned()));
    let row = house.settled_as(cluster, Status::CreateFailed).await;
    assert_eq!(row.groups[0].status, Status::CreateFailed);
    house.delete_and_look(cluster).await;
    engine.stop().await;
    row.cluster.status_reason.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cause_on_the_console_stands_in_the_status_with_the_node() {
    let said = "jeroboam: docker is up\r\njeroboam: no route to 10.0.0.5\r\nlogin: ";
    let reason = failure(said, Duration::from_millis(1_500)).await;
    assert!(
        reason.contains("2 of 3 nodes are ready; worker-1: no route to 10.0.0.5"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_become_a_node_is_not_waited_for() {
    let said = "jeroboam: kubeadm is missing: this image is not made for Kubernetes\r\n";
    // Far longer than the test waits.
    let reason = failure(said, Duration::from_secs(300)).await;
    assert_eq!(
        reason,
        "server:worker-1: kubeadm is missing: this image is not made for Kubernetes"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_mend_itself_is_given_up_long_before_the_budget_ends() {
    let said = "jeroboam: image mirror.example/etcd:3.5 cannot be pulled: no such host\r\n";
    // A twentieth of it is waited.
    let reason = failure(said, Duration::from_secs(60)).await;
    assert_eq!(
        reason,
        "coe:swarm: 2 of 3 nodes are ready; worker-1: image mirror.example/etcd:3.5 cannot be pulled: no such host"
    );
}
