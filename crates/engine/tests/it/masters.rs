//! Control planes behind a load balancer: another number of masters, and what fails on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use jeroboam_cloud::load_balancer::{load_balancers_named, members_of, show_load_balancer};
use jeroboam_driver::Key;
use jeroboam_engine::Options;
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Rule};
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER};
use jeroboam_types::{ClusterId, Status};

use crate::changes::on;
use crate::house::House;

/// Where a step can fail: a call, and the resource that is to be named.
const STEPS: &[(Service, &str, &str, &str)] = &[
    (Service::Compute, "POST", "*/servers", "server:master-"),
    (Service::Compute, "DELETE", "*/servers/*", "server:master-"),
    (Service::Volume, "POST", "*/volumes", "volume:master-"),
    (Service::Volume, "DELETE", "*/volumes/*", "volume:master-"),
    (Service::Network, "POST", "*/ports", "port:master-"),
    (Service::Network, "DELETE", "*/ports/*", "port:master-"),
    (Service::LoadBalancer, "PUT", "*/members", "pool:api"),
];

async fn of_masters(house: &House, count: i32) -> ClusterId {
    let cluster = house
        .ask(count, 1, |new| {
            new.cluster.master_lb_enabled = Some(true);
            new.cluster.docker_volume_size = Some(1);
        })
        .await;
    house.settled_as(cluster, Status::CreateComplete).await;
    cluster
}

/// Masters that stand are those behind the load balancer.
async fn check(house: &House, cluster: ClusterId, masters: usize) {
    let servers = house.servers();
    let count = servers.iter().filter(|name| name.starts_with("master")).count();
    assert_eq!(count, masters, "{servers:?}");
    let ledger = house.store.clusters().ledger(cluster).await.unwrap();
    let ports = ledger
        .values()
        .filter(|entry| entry.key.as_str().starts_with("port:master"));
    let addresses: BTreeSet<String> = ports
        .map(|port| port.facts["address"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(addresses.len(), masters);
    let session = house.tenant();
    let name = &ledger[&Key::new("load-balancer", "api")].name;
    let balancers = load_balancers_named(&session, name).await.unwrap();
    assert_eq!(balancers.len(), 1);
    let shown = show_load_balancer(&session, &balancers[0].id).await.unwrap();
    let behind = members_of(&session, &shown.pools[0].id).await.unwrap();
    assert_eq!(BTreeSet::from_iter(behind), addresses);
}

/// Gives up soon what is refused for good.
fn impatient(options: &mut Options) {
    let soon = Duration::from_millis(2_500);
    options.budgets.server = soon;
    options.budgets.volume = soon;
    options.budgets.load_balancer = soon;
    options.budgets.other = soon;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_come_and_go_behind_one_load_balancer() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = of_masters(&house, 1).await;
    let balancers = house.ids("load_balancers");
    let workers = house.ids("servers")["worker-0"].clone();
    for masters in [3, 5, 3, 1] {
        house.resize(cluster, DEFAULT_MASTER, masters, &[]).await;
        house.settled_as(cluster, Status::UpdateComplete).await;
        check(&house, cluster, masters as usize).await;
    }
    assert_eq!(house.ids("load_balancers"), balancers);
    assert_eq!(house.ids("servers")["worker-0"], workers);
    house.resize(cluster, DEFAULT_MASTER, 3, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    house.resize(cluster, DEFAULT_MASTER, 3, &[0]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    check(&house, cluster, 3).await;
    assert!(!house.servers().contains(&"master-0".to_owned()), "it was named");
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_fails_is_named_and_the_same_change_again_completes() {
    for (service, method, path, resource) in STEPS {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = of_masters(&house, 3).await;
        engine.stop().await;
        let engine = house.engine(impatient).await;
        let refused = Effect::Status {
            status: 400,
            retry_after: None,
        };
        house
            .cloud
            .faults()
            .add(Rule::new(on(*service, method, path), refused));
        // One is named to go, so that this makes nodes and drops one.
        house.resize(cluster, DEFAULT_MASTER, 5, &[1]).await;
        let row = house.settled_as(cluster, Status::UpdateFailed).await;
        let reason = row.cluster.status_reason.unwrap();
        assert!(reason.contains(resource), "{method} {path}: {reason}");
        house.cloud.faults().clear();
        engine.stop().await;
        let engine = house.engine(|_| {}).await;
        house.resize(cluster, DEFAULT_MASTER, 5, &[]).await;
        house.settled_as(cluster, Status::UpdateComplete).await;
        check(&house, cluster, 5).await;
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_that_fails_at_any_step_is_named_and_goes_on_when_it_is_asked_for_again() {
    for (service, method, path, resource) in STEPS.iter().filter(|step| step.0 != Service::Network) {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = of_masters(&house, 3).await;
        engine.stop().await;
        let engine = house.engine(impatient).await;
        let medium = house.template_of("m1.medium").await;
        let refused = Effect::Status {
            status: 400,
            retry_after: None,
        };
        house
            .cloud
            .faults()
            .add(Rule::new(on(*service, method, path), refused));
        house
            .upgrade(cluster, &[DEFAULT_MASTER, DEFAULT_WORKER], &medium, 1)
            .await;
        let row = house.settled_as(cluster, Status::UpdateFailed).await;
        let reason = row.cluster.status_reason.unwrap();
        assert!(reason.contains(resource), "{method} {path}: {reason}");
        assert_ne!(row.cluster.cluster_template_id, medium.uuid, "it is not done");
        house.cloud.faults().clear();
        engine.stop().await;
        let engine = house.engine(|_| {}).await;
        house
            .upgrade(cluster, &[DEFAULT_MASTER, DEFAULT_WORKER], &medium, 1)
            .await;
        let row = house.settled_as(cluster, Status::UpdateComplete).await;
        assert_eq!(row.cluster.cluster_template_id, medium.uuid);
        check(&house, cluster, 3).await;
        let flavors = house.flavors(cluster).await;
        assert!(flavors.values().all(|flavor| flavor == "3"), "{flavors:?}");
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}
