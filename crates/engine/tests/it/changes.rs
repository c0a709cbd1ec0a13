//! Changes of clusters that stand: other sizes, more and fewer node groups, a new credential.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_driver::graph::Made;
use jeroboam_driver::{
    Access, Ask, Departure, Driver, DriverError, Drivers, Graph, Invalid, Leaving, NodeAsk, Provides, Report,
};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::{Change, ClusterId, Status};
use secrecy::ExposeSecret;

use crate::house::{House, within};

pub(crate) async fn standing(house: &House, workers: i32) -> ClusterId {
    let cluster = house
        .ask(1, workers, |new| {
            new.groups
                .iter_mut()
                .for_each(|group| group.docker_volume_size = Some(3));
        })
        .await;
    house.settled_as(cluster, Status::CreateComplete).await;
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_grows_and_shrinks_and_keeps_the_rest() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 2).await;
    house.resize(cluster, DEFAULT_WORKER, 4, &[]).await;
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(
        house.servers(),
        ["master-0", "worker-0", "worker-1", "worker-2", "worker-3"]
    );
    assert_eq!(row.groups[1].status, Status::UpdateComplete);
    assert_eq!(row.groups[1].node_addresses.len(), 4);
    assert_eq!(
        row.groups[0].status,
        Status::CreateComplete,
        "the masters were not touched"
    );

    house.resize(cluster, DEFAULT_WORKER, 2, &[0, 2]).await;
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-1", "worker-3"]);
    assert_eq!(
        (row.groups[1].nodes.as_slice(), row.groups[1].node_addresses.len()),
        (&[1, 3][..], 2)
    );
    let usage = house.cloud.usage();
    for (kind, count) in [
        ("volumes", 3),
        ("floatingips", 3),
        ("server_groups", 2),
        ("networks", 1),
    ] {
        let found = usage
            .items
            .iter()
            .filter(|item| item.kind.replace('_', "") == kind.replace('_', ""));
        assert_eq!(found.count(), count, "{kind}");
    }

    house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-0", "worker-1", "worker-3"]);
    house.resize(cluster, DEFAULT_WORKER, 0, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0"]);
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-0"]);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_to_go_although_the_size_stays_is_replaced() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 2).await;
    house.resize(cluster, DEFAULT_WORKER, 2, &[0]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-1", "worker-2"]);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_groups_come_and_go() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 1).await;
    house.add_group(cluster, "gpu", 2).await;
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["gpu-0", "gpu-1", "master-0", "worker-0"]);
    let statuses: Vec<Status> = row.groups.iter().map(|group| group.status).collect();
    assert_eq!(statuses, [Status::CreateComplete; 3]);
    assert_eq!(row.groups[2].node_addresses.len(), 2);
    house.drop_group(cluster, "gpu").await;
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(
        (row.groups.len(), house.servers()),
        (2, vec!["master-0".to_owned(), "worker-0".to_owned()])
    );
    // The name is free again.
    house.add_group(cluster, "gpu", 1).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["gpu-0", "master-0", "worker-0"]);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

pub(crate) fn on(service: Service, method: &str, path: &str) -> Match {
    Match {
        service: Some(service),
        method: Some(method.into()),
        path: Some(path.into()),
        ..Match::default()
    }
}

/// Calls that make something of a node.
pub(crate) const MAKING: &[(Service, &str, &str)] = &[
    (Service::Network, "*/ports", "port:"),
    (Service::Network, "*/floatingips", "floating-ip:"),
    (Service::Volume, "*/volumes", "volume:"),
    (Service::Compute, "*/servers", "server:"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_failed_is_completed_by_the_same_change_again() {
    for (service, path, resource) in MAKING {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = standing(&house, 1).await;
        let refused = Effect::Status {
            status: 400,
            retry_after: None,
        };
        house
            .cloud
            .faults()
            .add(Rule::new(on(*service, "POST", path), refused));
        house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
        let row = house.settled_as(cluster, Status::UpdateFailed).await;
        let reason = row.cluster.status_reason.unwrap();
        assert!(reason.contains(resource) && reason.contains("req-"), "{reason}");
        assert_eq!(
            (row.groups[0].status, row.groups[1].status),
            (Status::CreateComplete, Status::UpdateFailed)
        );
        assert_eq!(row.groups[1].node_count, 3, "the wish stays");

        house.cloud.faults().clear();
        house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
        let row = house.settled_as(cluster, Status::UpdateComplete).await;
        assert_eq!(
            (row.groups[1].status, &row.groups[1].status_reason),
            (Status::UpdateComplete, &None)
        );
        assert_eq!(house.servers(), ["master-0", "worker-0", "worker-1", "worker-2"]);
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_failed_can_be_taken_back_and_a_cluster_deleted_from_it() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let refused = || Effect::Status {
        status: 400,
        retry_after: None,
    };
    let cluster = standing(&house, 1).await;
    house
        .cloud
        .faults()
        .add(Rule::new(on(Service::Compute, "POST", "*/servers"), refused()));
    house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
    house.settled_as(cluster, Status::UpdateFailed).await;
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-0"], "those that stand stay");
    house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
    house.settled_as(cluster, Status::UpdateFailed).await;
    house.cloud.faults().clear();
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_failed_is_named_and_the_others_are_not() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 1).await;
    let refused = Effect::Status {
        status: 400,
        retry_after: None,
    };
    house.cloud.faults().add(Rule::new(
        on(Service::Compute, "POST", "*/servers"),
        refused.clone(),
    ));
    house.add_group(cluster, "gpu", 1).await;
    let row = house.settled_as(cluster, Status::UpdateFailed).await;
    let statuses: Vec<Status> = row.groups.iter().map(|group| group.status).collect();
    assert_eq!(
        statuses,
        [
            Status::CreateComplete,
            Status::CreateComplete,
            Status::CreateFailed
        ]
    );
    assert!(
        row.groups[2]
            .status_reason
            .as_ref()
            .unwrap()
            .starts_with("server:gpu-0: ")
    );
    house.cloud.faults().clear();

    // It can be removed, and its removal can fail and be asked for again.
    let undeletable = Rule::new(on(Service::Network, "DELETE", "*/ports/*"), refused);
    house.cloud.faults().add(undeletable);
    let quick = |options: &mut jeroboam_engine::Options| options.budgets.other = Duration::from_millis(300);
    engine.stop().await;
    let engine = house.engine(quick).await;
    house.drop_group(cluster, "gpu").await;
    let row = house.settled_as(cluster, Status::UpdateFailed).await;
    assert_eq!(row.groups[2].status, Status::DeleteFailed);
    assert!(
        row.groups[2]
            .status_reason
            .as_ref()
            .unwrap()
            .contains("port:gpu-0")
    );
    house.cloud.faults().clear();
    engine.stop().await;
    let engine = house.engine(|_| {}).await;
    house.drop_group(cluster, "gpu").await;
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(row.groups.len(), 2);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_that_pass_do_not_end_a_change_and_nothing_is_made_twice() {
    let effects = [
        Effect::Status {
            status: 503,
            retry_after: None,
        },
        Effect::LostAnswer,
        Effect::Reset,
        Effect::Late { ms: 120 },
    ];
    for effect in effects {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = standing(&house, 2).await;
        for (service, path, _) in MAKING {
            for (method, path) in [("POST", (*path).to_owned()), ("DELETE", format!("{path}/*"))] {
                let rule = Rule::new(on(*service, method, &path), effect.clone());
                house.cloud.faults().add(Rule {
                    times: Some(1),
                    ..rule
                });
            }
        }
        house.resize(cluster, DEFAULT_WORKER, 3, &[0, 1]).await;
        house.settled_as(cluster, Status::UpdateComplete).await;
        assert_eq!(
            house.servers(),
            ["master-0", "worker-2", "worker-3", "worker-4"],
            "{effect:?}"
        );
        assert_eq!(house.cloud.usage().count("volumes"), 4);
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_call_of_a_change_is_gone_on_with() {
    for calls in (1..40).step_by(3) {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = standing(&house, 2).await;
        let before = house.cloud.calls().total;
        house.resize(cluster, DEFAULT_WORKER, 2, &[1]).await;
        house.crash_at(engine, cluster, before + calls).await;
        let engine = house.engine(|_| {}).await;
        house.settled_as(cluster, Status::UpdateComplete).await;
        assert_eq!(
            house.servers(),
            ["master-0", "worker-0", "worker-2"],
            "after a crash at call {calls}"
        );
        assert_eq!(house.cloud.usage().count("volumes"), 3);
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_size_takes_the_place_of_one_that_is_under_way() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 1).await;
    let stuck = Rule::new(on(Service::Compute, "POST", "*/servers"), Effect::StuckBuild);
    house.cloud.faults().add(stuck);
    house.resize(cluster, DEFAULT_WORKER, 4, &[]).await;
    within(async {
        while house.servers().len() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    house.cloud.faults().clear();
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(
        house.servers(),
        ["master-0", "worker-0"],
        "what stands stays, what was stuck goes"
    );
    let stuck = Rule::new(on(Service::Compute, "POST", "*/servers"), Effect::StuckBuild);
    house.cloud.faults().add(stuck);
    house.resize(cluster, DEFAULT_WORKER, 3, &[]).await;
    within(async {
        while house.servers().len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

/// The swarm driver, with a COE that is there as soon as it is looked at and whose nodes take two steps to leave.
#[derive(Default)]
struct Puppet {
    /// Nodes that asked to leave once, and all that left.
    asked: Mutex<BTreeSet<String>>,
    left: Arc<Mutex<Vec<String>>>,
    checks: Arc<Mutex<u32>>,
    stubborn: bool,
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

    async fn check(&self, _: &Ask, access: &Access) -> Report {
        assert!(access.client.is_some());
        *self.checks.lock().unwrap() += 1;
        Report::Ready {
            coe_version: "27".to_owned(),
            container_version: None,
        }
    }

    async fn leave(&self, _: &Ask, access: &Access, node: &Leaving<'_>) -> Departure {
        let (host_name, overdue) = (node.host_name, node.overdue);
        assert!(access.client.is_some());
        if self.asked.lock().unwrap().insert(host_name.to_owned()) || (self.stubborn && !overdue) {
            return Departure::NotYet("2 tasks of it have not stopped yet".to_owned());
        }
        self.left.lock().unwrap().push(host_name.to_owned());
        Departure::Gone
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_leaves_the_coe_before_its_server_goes() {
    let mut house = House::build().await;
    let puppet = Puppet::default();
    let (left, checks) = (puppet.left.clone(), puppet.checks.clone());
    house.drivers = Drivers::new(vec![Arc::new(puppet)]);
    let engine = house.engine(|options| options.trust_server_active = false).await;
    let cluster = standing(&house, 3).await;
    assert_eq!(*checks.lock().unwrap(), 1);
    // A server that goes while its node is a member is what must never be seen.
    let slow = Rule::new(
        on(Service::Compute, "DELETE", "*/servers/*"),
        Effect::Latency { ms: 50, jitter_ms: 0 },
    );
    house.cloud.faults().add(slow);
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    let mut deleted_early = false;
    within(async {
        while house.show(cluster).await.unwrap().cluster.status.is_in_progress() {
            let gone = 4 - house.servers().len();
            deleted_early |= gone > left.lock().unwrap().len();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(!deleted_early, "a server went before its node had left");
    house.settled_as(cluster, Status::UpdateComplete).await;
    let mut gone: Vec<String> = left.lock().unwrap().clone();
    gone.sort();
    assert!(
        gone.len() == 2 && gone[0].ends_with("-worker-1") && gone[1].ends_with("-worker-2"),
        "{gone:?}"
    );
    assert_eq!(*checks.lock().unwrap(), 2, "the COE was looked at anew");
    house.delete_and_look(cluster).await;
    assert_eq!(
        left.lock().unwrap().len(),
        2,
        "nobody leaves a cluster that goes as a whole"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workloads_that_do_not_move_away_are_waited_for_no_longer_than_the_limit() {
    let mut house = House::build().await;
    let puppet = Puppet {
        stubborn: true,
        ..Puppet::default()
    };
    let left = puppet.left.clone();
    house.drivers = Drivers::new(vec![Arc::new(puppet)]);
    let engine = house
        .engine(|options| {
            options.trust_server_active = false;
            options.drain_limit = Duration::from_millis(600);
        })
        .await;
    let cluster = standing(&house, 1).await;
    let begun = std::time::Instant::now();
    house.resize(cluster, DEFAULT_WORKER, 0, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert_eq!(left.lock().unwrap().len(), 1);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_credential_is_sealed_and_the_old_one_ends() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 1).await;
    let first = house.password(cluster).await;
    let identity = house.identity_of(cluster).await;
    assert!(house.can_log_in(&identity, &first).await);
    house.change(cluster, Change::RotateCredential, |_, _| {}).await;
    assert_eq!(
        house.show(cluster).await.unwrap().cluster.status,
        Status::CreateComplete
    );
    let second = within(async {
        loop {
            let password = house.password(cluster).await;
            if password.expose_secret() != first.expose_secret() {
                return password;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(!house.can_log_in(&identity, &first).await, "the old one ended");
    assert!(house.can_log_in(&identity, &second).await);
    // The cluster goes on with it.
    house.resize(cluster, DEFAULT_WORKER, 2, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    let next = house
        .store
        .engine()
        .find_sealed(cluster, "identity/next")
        .await
        .unwrap();
    assert!(next.is_none());
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_interrupted_or_refused_ends_well_or_is_told() {
    for effect in [Effect::LostAnswer, Effect::Late { ms: 120 }] {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = standing(&house, 1).await;
        let rule = Rule::new(on(Service::Identity, "PATCH", "*/users/*"), effect);
        house.cloud.faults().add(Rule {
            times: Some(1),
            ..rule
        });
        house.change(cluster, Change::RotateCredential, |_, _| {}).await;
        house.resize(cluster, DEFAULT_WORKER, 2, &[]).await;
        house.settled_as(cluster, Status::UpdateComplete).await;
        let identity = house.identity_of(cluster).await;
        assert!(house.can_log_in(&identity, &house.password(cluster).await).await);
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 1).await;
    let refused = Effect::Status {
        status: 403,
        retry_after: None,
    };
    house
        .cloud
        .faults()
        .add(Rule::new(on(Service::Identity, "PATCH", "*/users/*"), refused));
    house.change(cluster, Change::RotateCredential, |_, _| {}).await;
    within(async {
        while house.show(cluster).await.unwrap().cluster.status != Status::UpdateFailed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let row = house.show(cluster).await.unwrap();
    assert!(row.cluster.status_reason.unwrap().starts_with("credential:1: "));
    house.cloud.faults().clear();
    house.change(cluster, Change::RotateCredential, |_, _| {}).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    house.delete_and_look(cluster).await;
    engine.stop().await;
}
