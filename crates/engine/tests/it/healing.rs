//! The health of clusters, and nodes that are lost behind the engine's back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_cloud::load_balancer::{members_of, show_load_balancer};
use jeroboam_driver::graph::Made;
use jeroboam_driver::{
    Access, ApiHealth, Ask, Departure, Driver, DriverError, Drivers, Graph, Health, Invalid, Key, Leaving,
    NodeAsk, NodeHealth, Provides, Report,
};
use jeroboam_engine::{Options, Watch};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Rule};
use jeroboam_simcloud::nova::State;
use jeroboam_store::ClusterRow;
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::repair::Limits;
use jeroboam_types::{ClusterId, HealthStatus, Labels, Status};

use crate::changes::on;
use crate::house::{House, within};

/// Looks all the time.
fn watching(options: &mut Options) {
    options.health = Some(Watch {
        interval: Duration::from_millis(50),
        parallel: 4,
        limit: Duration::from_secs(5),
        repair: Limits {
            patience: Duration::from_millis(300),
            most: 3,
            window: Duration::from_secs(3_600),
        },
        mend: None,
    });
}

/// A cluster that stands and wants its nodes to be replaced, or not.
async fn standing(house: &House, masters: i32, workers: i32, healing: &str) -> ClusterId {
    let labels = Labels::from_iter([("auto_healing_enabled", healing)]);
    let cluster = house
        .ask(masters, workers, |new| new.cluster.labels = labels)
        .await;
    house.settled_as(cluster, Status::CreateComplete).await;
    cluster
}

/// The cluster once it is as wanted.
async fn until(
    house: &House,
    cluster: ClusterId,
    what: &str,
    is_so: impl Fn(&ClusterRow) -> bool,
) -> ClusterRow {
    let mut last = None;
    let waiting = async {
        loop {
            let row = house.show(cluster).await.expect("the cluster is there");
            if is_so(&row) {
                return row;
            }
            last = Some(row);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), waiting).await {
        Ok(row) => row,
        Err(_) => panic!("never {what}: {last:#?}"),
    }
}

/// Deletes a server as a tenant may.
async fn destroy(house: &House, name: &str) {
    let id = &house.ids("servers")[name];
    jeroboam_cloud::compute::delete_server(&house.tenant(), id)
        .await
        .unwrap();
}

fn power_off(house: &House, names: &[&str]) {
    set_state(house, names, State::Stopped);
}

/// All at once, so that nobody sees some of them only.
fn set_state(house: &House, names: &[&str], state: State) {
    let ids = house.ids("servers");
    house.cloud.with_world(|world| {
        for name in names {
            world.nova.servers.get_mut(&ids[*name]).unwrap().state = state;
        }
    });
}

fn is_healed(row: &ClusterRow) -> bool {
    row.cluster.status == Status::UpdateComplete && row.cluster.health_status == Some(HealthStatus::Healthy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_of_a_cluster_is_told_and_follows_its_nodes() {
    let house = House::build().await;
    let engine = house.engine(watching).await;
    let cluster = standing(&house, 1, 2, "false").await;
    let healthy = |row: &ClusterRow| row.cluster.health_status == Some(HealthStatus::Healthy);
    let row = until(&house, cluster, "healthy", healthy).await;
    let states: Vec<&str> = row
        .cluster
        .health_status_reason
        .values()
        .map(String::as_str)
        .collect();
    assert_eq!(states, ["ok", "True", "True", "True"]);
    let updated = row.cluster.updated_at;

    power_off(&house, &["worker-1"]);
    let unhealthy = |row: &ClusterRow| row.cluster.health_status == Some(HealthStatus::Unhealthy);
    let row = until(&house, cluster, "unhealthy", unhealthy).await;
    let reason = |end: &str| {
        let mut pairs = row.cluster.health_status_reason.iter();
        pairs
            .find(|(key, _)| key.ends_with(end))
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(reason("-worker-1.Ready"), Some("False"));
    assert_eq!(reason("-worker-1.Reason"), Some("its server is in SHUTOFF"));
    assert_eq!(reason("-worker-0.Ready"), Some("True"));
    assert_eq!(
        (row.cluster.status, row.cluster.updated_at),
        (Status::CreateComplete, updated)
    );
    // Nobody wants it to be replaced, however long it is so.
    tokio::time::timeout(Duration::from_millis(800), async {
        loop {
            assert_eq!(
                house.show(cluster).await.unwrap().cluster.status,
                Status::CreateComplete
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_err();
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_lost_is_replaced() {
    let house = House::build().await;
    let engine = house.engine(watching).await;
    let cluster = standing(&house, 1, 4, "true").await;
    let before = house.ids("servers");
    destroy(&house, "worker-1").await;
    let row = until(&house, cluster, "healed", is_healed).await;
    let reason = row.cluster.status_reason.unwrap();
    assert_eq!(reason, "auto-healing: worker-1 is replaced: its server is gone");
    let after = house.ids("servers");
    assert_eq!(
        after.keys().map(String::as_str).collect::<Vec<_>>(),
        ["master-0", "worker-0", "worker-2", "worker-3", "worker-4"]
    );
    assert!(
        ["master-0", "worker-0", "worker-2"]
            .iter()
            .all(|name| after[*name] == before[*name])
    );
    assert_eq!(row.groups[1].nodes, [0, 2, 3, 4]);

    power_off(&house, &["worker-4"]);
    let renewed = |row: &ClusterRow| is_healed(row) && row.groups[1].nodes == [0, 1, 2, 3];
    let row = until(&house, cluster, "healed again", renewed).await;
    assert!(
        row.cluster
            .status_reason
            .unwrap()
            .contains("worker-4 is replaced: its server is in SHUTOFF")
    );
    assert_eq!(house.servers().len(), 5);
    // What somebody asks for has a status of its own.
    house.resize(cluster, DEFAULT_WORKER, 2, &[]).await;
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(row.cluster.status_reason, None);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_masters_gets_a_new_machine_behind_its_addresses() {
    let house = House::build().await;
    let engine = house.engine(watching).await;
    let cluster = standing(&house, 3, 1, "true").await;
    let (servers, ports) = (house.ids("servers"), house.ids("ports"));
    destroy(&house, "master-1").await;
    let row = until(&house, cluster, "healed", is_healed).await;
    let (new_servers, new_ports) = (house.ids("servers"), house.ids("ports"));
    assert_eq!(new_servers.len(), 4);
    assert_ne!(servers["master-1"], new_servers["master-1"]);
    assert_eq!(servers["master-0"], new_servers["master-0"]);
    assert_eq!(ports["master-1"], new_ports["master-1"]);
    assert!(row.groups[0].is_uniform());
    assert_eq!(row.groups[0].nodes, [0, 1, 2]);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_opens_and_says_so() {
    let house = House::build().await;
    let engine = house.engine(watching).await;
    let cluster = standing(&house, 1, 6, "true").await;
    let paused = |row: &ClusterRow| {
        let reason = &row.cluster.health_status_reason;
        reason.get("auto_healing").cloned().unwrap_or_default()
    };
    power_off(&house, &["worker-0", "worker-1", "worker-2"]);
    let row = until(&house, cluster, "paused", |row| {
        paused(row).contains("3 of 6 nodes")
    })
    .await;
    assert_eq!(row.cluster.status, Status::CreateComplete);
    // One comes back by itself; a third is no more than may be.
    set_state(&house, &["worker-0"], State::Active);
    until(&house, cluster, "healed", is_healed).await;
    assert_eq!(house.servers().len(), 7);
    engine.stop().await;

    // Two were replaced; one more may be, also after a restart.
    let engine = house.engine(watching).await;
    destroy(&house, "worker-0").await;
    let third = |row: &ClusterRow| is_healed(row) && !row.groups[1].nodes.contains(&0);
    until(&house, cluster, "healed of the third", third).await;
    destroy(&house, "worker-3").await;
    let open = |row: &ClusterRow| paused(row).contains("3 nodes were replaced within 60 minutes");
    let row = until(&house, cluster, "open", open).await;
    assert_eq!(row.cluster.status, Status::UpdateComplete);
    assert_eq!(house.servers().len(), 6);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_master_is_never_replaced() {
    let house = House::build().await;
    let engine = house.engine(watching).await;
    let cluster = standing(&house, 1, 2, "true").await;
    destroy(&house, "master-0").await;
    let told = |row: &ClusterRow| {
        let paused = row.cluster.health_status_reason.get("auto_healing");
        paused.is_some_and(|paused| paused == "paused: the only node of the control plane is lost")
    };
    let row = until(&house, cluster, "told", told).await;
    assert_eq!(row.cluster.status, Status::CreateComplete);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_fails_is_tried_again_and_what_somebody_asked_for_is_not() {
    let house = House::build().await;
    let engine = house.engine(watching).await;
    let cluster = standing(&house, 1, 3, "true").await;
    let refused = || {
        let effect = Effect::Status {
            status: 400,
            retry_after: None,
        };
        Rule {
            times: Some(1),
            ..Rule::new(on(Service::Compute, "POST", "*/servers"), effect)
        }
    };
    house.cloud.faults().add(refused());
    destroy(&house, "worker-2").await;
    let row = until(&house, cluster, "failed", |row| {
        row.cluster.status == Status::UpdateFailed
    })
    .await;
    let reason = row.cluster.status_reason.unwrap();
    assert!(
        reason.starts_with("auto-healing: worker-2 is replaced: its server is gone; server:worker-3"),
        "{reason}"
    );
    until(&house, cluster, "healed", is_healed).await;
    assert_eq!(house.servers().len(), 4);

    house.cloud.faults().add(refused());
    house.resize(cluster, DEFAULT_WORKER, 4, &[]).await;
    house.settled_as(cluster, Status::UpdateFailed).await;
    destroy(&house, "worker-0").await;
    let unhealthy = |row: &ClusterRow| row.cluster.health_status == Some(HealthStatus::Unhealthy);
    let row = until(&house, cluster, "unhealthy", unhealthy).await;
    assert_eq!(row.cluster.status, Status::UpdateFailed);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_fails_before_its_server_or_after_it_is_gone_on_with() {
    let house = House::build().await;
    let often = |options: &mut Options| {
        watching(options);
        options.health.as_mut().unwrap().repair.most = 9;
        options.budgets.other = Duration::from_secs(3);
    };
    let engine = house.engine(often).await;
    let cluster = standing(&house, 3, 2, "true").await;
    let (network, compute) = (Service::Network, Service::Compute);
    for (lost, call, failed) in [
        ("worker-1", on(network, "POST", "*/ports"), "port:"),
        ("worker-0", on(network, "DELETE", "*/ports/*"), "port:"),
        // That of the second stage, in which the machine comes back.
        ("master-1", on(compute, "POST", "*/servers"), "server:master-1"),
    ] {
        let effect = Effect::Status {
            status: 400,
            retry_after: None,
        };
        let rule = house.cloud.faults().add(Rule::new(call, effect));
        destroy(&house, lost).await;
        let has_failed = |row: &ClusterRow| row.cluster.status == Status::UpdateFailed;
        let row = until(&house, cluster, "failed", has_failed).await;
        let reason = row.cluster.status_reason.unwrap();
        let begin = format!("auto-healing: {lost} is replaced: its server is gone; {failed}");
        assert!(reason.starts_with(&begin), "{reason}");
        house.cloud.faults().remove(rule);
        until(&house, cluster, "healed", is_healed).await;
        let ports = house.ids("ports");
        let of_nodes = ports
            .keys()
            .filter(|name| name.starts_with("master-") || name.starts_with("worker-"));
        assert_eq!((house.servers().len(), of_nodes.count()), (5, 5), "{lost}");
    }
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_die_again_and_again_replace_a_node_once() {
    let house = House::build().await;
    let first = house.engine(watching).await;
    let cluster = standing(&house, 1, 3, "true").await;
    first.crash().await;
    destroy(&house, "worker-1").await;
    for round in 0..12_u64 {
        let engine = house.engine(watching).await;
        tokio::time::sleep(Duration::from_millis(30 + 17 * round)).await;
        engine.crash().await;
    }
    let engine = house.engine(watching).await;
    let row = until(&house, cluster, "healed", is_healed).await;
    assert_eq!(row.groups[1].nodes, [0, 2, 3], "replaced once");
    assert_eq!(house.servers().len(), 4);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

/// The swarm driver, whose swarm says what it is told to.
#[derive(Clone, Default)]
struct Puppet {
    api: Arc<Mutex<Option<ApiHealth>>>,
    /// What nodes lack, by the ends of their names.
    lacks: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
    left: Arc<Mutex<Vec<String>>>,
    /// Ends of the names of nodes that leave after their machines only.
    stuck: &'static [&'static str],
    /// Nodes that left when their machines were gone, with their addresses.
    outlived: Arc<Mutex<Vec<(String, String)>>>,
    /// Ends of the names of masters that do not serve yet.
    silent: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait]
impl Driver for Puppet {
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
        Report::Ready {
            coe_version: "27".to_owned(),
            container_version: None,
        }
    }

    async fn health(&self, ask: &Ask, access: &Access) -> Health {
        assert!(access.client.is_some() && access.address.starts_with("tcp://"));
        let lacks = self.lacks.lock().unwrap();
        let nodes = ask.groups.iter().flat_map(|group| {
            let stem = if group.is_master() { "master" } else { "worker" };
            group
                .nodes
                .iter()
                .map(move |number| Key::new("server", format!("{stem}-{number}")))
        });
        Health {
            api: self.api.lock().unwrap().clone().unwrap_or(ApiHealth::Ok),
            nodes: nodes
                .map(|key| NodeHealth {
                    name: ask.cloud_name(&key),
                    lack: lacks.get(key.name()).map(|lack| (*lack).to_owned()),
                    server: Some(key),
                })
                .collect(),
        }
    }

    fn validate_upgrade(&self, ask: &Ask) -> Result<(), Invalid> {
        SwarmDriver.validate_upgrade(ask)
    }

    async fn serves(&self, _: &Ask, _: &Access, host_name: &str) -> Result<(), String> {
        let silent = self.silent.lock().unwrap();
        match silent.iter().any(|end| host_name.ends_with(end)) {
            true => Err("it does not serve yet".to_owned()),
            false => Ok(()),
        }
    }

    async fn leave(&self, _: &Ask, _: &Access, node: &Leaving<'_>) -> Departure {
        if self.stuck.iter().any(|end| node.host_name.ends_with(end)) {
            if !node.machine_gone {
                return Departure::AfterMachine("it does not answer".to_owned());
            }
            let address = node.address.unwrap_or_default().to_owned();
            let mut outlived = self.outlived.lock().unwrap();
            outlived.push((node.host_name.to_owned(), address));
        }
        self.left.lock().unwrap().push(node.host_name.to_owned());
        Departure::Gone
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_the_coe_misses_leaves_it_and_is_replaced_but_not_while_the_api_is_silent() {
    let mut house = House::build().await;
    let puppet = Puppet::default();
    house.drivers = Drivers::new(vec![Arc::new(puppet.clone())]);
    let change = |options: &mut Options| {
        watching(options);
        options.trust_server_active = false;
    };
    let engine = house.engine(change).await;
    let cluster = standing(&house, 1, 3, "true").await;
    *puppet.api.lock().unwrap() = Some(ApiHealth::Silent("timed out".to_owned()));
    puppet
        .lacks
        .lock()
        .unwrap()
        .insert("worker-2", "is not ready: NodeStatusUnknown");
    let silent = |row: &ClusterRow| {
        row.cluster
            .health_status_reason
            .get("api")
            .is_some_and(|api| api == "timed out")
    };
    let row = until(&house, cluster, "silent", silent).await;
    assert_eq!(
        row.cluster.health_status,
        Some(HealthStatus::Unhealthy),
        "it has a floating IP"
    );
    let seen = std::time::Instant::now();
    within(async {
        // Longer than a node is given.
        while seen.elapsed() < Duration::from_millis(600) {
            assert_eq!(
                house.show(cluster).await.unwrap().cluster.status,
                Status::CreateComplete
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    *puppet.api.lock().unwrap() = None;
    let row = until(&house, cluster, "healed", is_healed).await;
    let reason = row.cluster.status_reason.unwrap();
    assert_eq!(
        reason,
        "auto-healing: worker-2 is replaced: is not ready: NodeStatusUnknown"
    );
    assert_eq!(row.groups[1].nodes, [0, 1, 3]);
    let left = puppet.left.lock().unwrap().clone();
    assert!(left.len() == 1 && left[0].ends_with("-worker-2"), "{left:?}");
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_of_a_node_that_does_not_answer_goes_before_it_leaves() {
    let mut house = House::build().await;
    let puppet = Puppet {
        stuck: &["-worker-1"],
        ..Puppet::default()
    };
    house.drivers = Drivers::new(vec![Arc::new(puppet.clone())]);
    let engine = house.engine(|options| options.trust_server_active = false).await;
    let cluster = standing(&house, 1, 3, "false").await;
    let ledger = house.store.clusters().ledger(cluster).await.unwrap();
    let address = ledger[&Key::new("port", "worker-1")].facts["address"].clone();
    // Nova refuses for a while: until the server is gone nobody may be told that it is.
    let refused = Effect::Status {
        status: 503,
        retry_after: None,
    };
    let rule = Rule::new(on(Service::Compute, "DELETE", "*/servers/*"), refused);
    house.cloud.faults().add(rule);
    house.resize(cluster, DEFAULT_WORKER, 2, &[1]).await;
    within(async {
        while house.cloud.faults().list()[0].2 < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(
        puppet.outlived.lock().unwrap().is_empty(),
        "its server is still there"
    );
    house.cloud.faults().clear();
    let mut told_early = false;
    within(async {
        while house.show(cluster).await.unwrap().cluster.status.is_in_progress() {
            let told = !puppet.outlived.lock().unwrap().is_empty();
            told_early |= told && house.servers().contains(&"worker-1".to_owned());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(!told_early, "it left while its server was there");
    house.settled_as(cluster, Status::UpdateComplete).await;
    let outlived = puppet.outlived.lock().unwrap().clone();
    assert_eq!(outlived.len(), 1, "{outlived:?}");
    assert!(
        outlived[0].0.ends_with("-worker-1") && address == outlived[0].1,
        "{outlived:?}"
    );
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

/// Addresses behind the load balancer of the API.
async fn behind(house: &House, cluster: ClusterId) -> usize {
    let session = house.tenant();
    let ledger = house.store.clusters().ledger(cluster).await.unwrap();
    let id = ledger[&Key::new("load-balancer", "api")].id.clone().unwrap();
    let shown = show_load_balancer(&session, &id).await.unwrap();
    members_of(&session, &shown.pools[0].id).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_comes_back_is_put_behind_the_load_balancer_when_it_serves() {
    let mut house = House::build().await;
    let puppet = Puppet::default();
    house.drivers = Drivers::new(vec![Arc::new(puppet.clone())]);
    // Nobody is asked while the cluster is made: nobody could answer.
    *puppet.silent.lock().unwrap() = vec!["-master-0", "-master-1", "-master-2"];
    let change = |options: &mut Options| {
        watching(options);
        options.trust_server_active = false;
    };
    let engine = house.engine(change).await;
    let cluster = house
        .ask(3, 1, |new| {
            new.cluster.master_lb_enabled = Some(true);
            new.cluster.labels = Labels::from_iter([("auto_healing_enabled", "true")]);
        })
        .await;
    house.settled_as(cluster, Status::CreateComplete).await;
    assert_eq!(behind(&house, cluster).await, 3);
    let before = house.ids("servers")["master-1"].clone();
    puppet.lacks.lock().unwrap().insert("master-1", "is not ready");
    let mut fewest = 3;
    within(async {
        loop {
            let ledger = house.store.clusters().ledger(cluster).await.unwrap();
            let member = ledger.get(&Key::new("member", "master-1"));
            let seen = member.and_then(|member| member.seen.clone());
            if seen.as_deref() == Some("it does not serve yet") {
                break;
            }
            fewest = fewest.min(behind(&house, cluster).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let renewed = house.ids("servers")["master-1"].clone();
    assert_ne!(renewed, before, "its new machine runs");
    assert_eq!((fewest, behind(&house, cluster).await), (2, 2));
    puppet.lacks.lock().unwrap().clear();
    puppet.silent.lock().unwrap().clear();
    until(&house, cluster, "healed", is_healed).await;
    assert_eq!(behind(&house, cluster).await, 3);
    assert_eq!(house.ids("servers")["master-1"], renewed);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}
