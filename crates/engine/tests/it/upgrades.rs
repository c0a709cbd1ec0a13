//! Rolling replacement: nodes of a newer revision take the place of those that stand.

use std::collections::BTreeMap;
use std::time::Duration;

use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Rule};
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER};
use jeroboam_types::{ClusterId, ClusterTemplate, NodeGroup, Status};

use crate::changes::{MAKING, on, standing};
use crate::house::{House, within};

const BOTH: &[&str] = &[DEFAULT_MASTER, DEFAULT_WORKER];

async fn ha(house: &House, workers: i32) -> ClusterId {
    let cluster = house.ask(3, workers, |_| {}).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    cluster
}

fn refused() -> Effect {
    Effect::Status {
        status: 400,
        retry_after: None,
    }
}

/// The worst that was seen of servers whose names start so: fewest and most at a time.
async fn extremes(house: &House, cluster: ClusterId, stem: &str) -> (usize, usize) {
    let count = || {
        house
            .servers()
            .iter()
            .filter(|name| name.starts_with(stem))
            .count()
    };
    let (mut fewest, mut most) = (count(), count());
    within(async {
        while house.show(cluster).await.unwrap().cluster.status.is_in_progress() {
            let now = count();
            (fewest, most) = (fewest.min(now), most.max(now));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    (fewest, most)
}

/// Every node is made as the template says, and what is shown says so too.
async fn check(house: &House, cluster: ClusterId, template: &ClusterTemplate, nodes: usize) {
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    let flavors = house.flavors(cluster).await;
    assert_eq!(flavors.len(), nodes);
    assert_eq!(house.servers().len(), nodes);
    let flavor = flavors.values().next().unwrap();
    assert!(flavors.values().all(|other| other == flavor), "{flavors:?}");
    assert!(row.groups.iter().all(NodeGroup::is_uniform));
    assert_eq!(row.cluster.cluster_template_id, template.uuid);
    for group in &row.groups {
        assert_eq!(group.status, Status::UpdateComplete);
        assert_eq!(group.flavor_id, template.flavor_id);
        assert_eq!(group.nodes.len(), group.node_count as usize);
        assert_eq!(group.node_addresses.len(), group.nodes.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_are_replaced_in_batches_and_there_are_never_fewer() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 4).await;
    let medium = house.template_of("m1.medium").await;
    let before = house.ids("servers");
    house.upgrade(cluster, &[DEFAULT_WORKER], &medium, 2).await;
    let (fewest, most) = extremes(&house, cluster, "worker").await;
    assert_eq!(fewest, 4);
    assert!((5..=6).contains(&most), "{most}");
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    let after = house.ids("servers");
    assert_eq!(
        after["master-0"], before["master-0"],
        "nobody asked for the master"
    );
    let workers = |ids: &BTreeMap<String, String>| -> Vec<String> {
        let of_workers = ids.iter().filter(|(name, _)| name.starts_with("worker"));
        of_workers.map(|(_, id)| id.clone()).collect()
    };
    assert!(workers(&after).iter().all(|id| !workers(&before).contains(id)));
    assert_eq!(row.groups[1].flavor_id.as_deref(), Some("m1.medium"));
    assert_ne!(
        row.cluster.cluster_template_id, medium.uuid,
        "the masters are of the old one"
    );
    assert_eq!(row.groups[0].status, Status::CreateComplete);
    // The masters cannot be of this driver's; what is left is like any other cluster.
    house.resize(cluster, DEFAULT_WORKER, 5, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    let flavors = house.flavors(cluster).await;
    assert_eq!(
        flavors.values().filter(|flavor| *flavor == "3").count(),
        5,
        "{flavors:?}"
    );
    assert_eq!(house.cloud.usage().count("volumes"), 6);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_are_made_anew_one_at_a_time_behind_the_same_addresses() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = ha(&house, 1).await;
    let medium = house.template_of("m1.medium").await;
    let (servers, ports) = (house.ids("servers"), house.ids("ports"));
    let balancers = house.ids("load_balancers");
    house.upgrade(cluster, BOTH, &medium, 3).await;
    let (fewest, most) = extremes(&house, cluster, "master").await;
    assert_eq!((fewest, most), (2, 3));
    check(&house, cluster, &medium, 4).await;
    let (new_servers, new_ports) = (house.ids("servers"), house.ids("ports"));
    for master in ["master-0", "master-1", "master-2"] {
        assert_ne!(servers[master], new_servers[master]);
        assert_eq!(ports[master], new_ports[master]);
    }
    assert_eq!(balancers, house.ids("load_balancers"));

    // Asked for again, it is there already.
    house.upgrade(cluster, BOTH, &medium, 1).await;
    check(&house, cluster, &medium, 4).await;
    assert_eq!(new_servers, house.ids("servers"));
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_fails_stops_the_roll_and_the_same_upgrade_again_resumes() {
    for (service, path, resource) in MAKING {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = standing(&house, 3).await;
        let medium = house.template_of("m1.medium").await;
        house
            .cloud
            .faults()
            .add(Rule::new(on(*service, "POST", path), refused()));
        let before = house.ids("servers");
        house.upgrade(cluster, &[DEFAULT_WORKER], &medium, 2).await;
        let row = house.settled_as(cluster, Status::UpdateFailed).await;
        let reason = row.cluster.status_reason.unwrap();
        assert!(reason.contains(resource) && reason.contains("req-"), "{reason}");
        assert_eq!(row.groups[1].status, Status::UpdateFailed);
        assert_eq!(row.groups[1].flavor_id.as_deref(), Some("m1.small"), "not yet");
        let standing: Vec<_> = house
            .ids("servers")
            .into_iter()
            .filter(|(name, _)| name != "worker-3")
            .collect();
        assert_eq!(
            standing,
            before.into_iter().collect::<Vec<_>>(),
            "one was tried, and no other was touched"
        );

        house.cloud.faults().clear();
        house.upgrade(cluster, &[DEFAULT_WORKER], &medium, 2).await;
        house.settled_as(cluster, Status::UpdateComplete).await;
        assert_eq!(house.servers().len(), 4);
        assert_eq!(
            house
                .flavors(cluster)
                .await
                .values()
                .filter(|flavor| *flavor == "3")
                .count(),
            3
        );
        assert_eq!(house.cloud.usage().count("volumes"), 4);
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_upgrade_can_be_taken_back() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = ha(&house, 2).await;
    let (small, medium) = (
        house.template_of("m1.small").await,
        house.template_of("m1.medium").await,
    );
    let before = house.ids("servers");
    // The second master fails: the first is new, the third is old.
    house.upgrade(cluster, BOTH, &medium, 1).await;
    within(async {
        while house
            .ids("servers")
            .get("master-0")
            .is_none_or(|id| *id == before["master-0"])
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    house
        .cloud
        .faults()
        .add(Rule::new(on(Service::Compute, "POST", "*/servers"), refused()));
    let row = house.settled_as(cluster, Status::UpdateFailed).await;
    let reason = row.cluster.status_reason.unwrap();
    assert!(reason.contains("server:master-1"), "{reason}");
    assert_eq!(
        row.groups[1].status,
        Status::UpdateFailed,
        "the workers did not have their turn"
    );
    house.cloud.faults().clear();
    house.upgrade(cluster, BOTH, &small, 1).await;
    check(&house, cluster, &small, 5).await;
    let after = house.ids("servers");
    assert_eq!(after["master-2"], before["master-2"]);
    assert_eq!(after["worker-0"], before["worker-0"]);
    assert_ne!(after["master-0"], before["master-0"]);
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_call_of_an_upgrade_is_gone_on_with() {
    for calls in (1..90).step_by(9) {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = ha(&house, 2).await;
        let medium = house.template_of("m1.medium").await;
        let before = house.cloud.calls().total;
        house.upgrade(cluster, BOTH, &medium, 2).await;
        house.crash_at(engine, cluster, before + calls).await;
        let engine = house.engine(|_| {}).await;
        check(&house, cluster, &medium, 5).await;
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_that_pass_do_not_stop_an_upgrade() {
    for effect in [
        Effect::Status {
            status: 503,
            retry_after: None,
        },
        Effect::LostAnswer,
        Effect::Late { ms: 120 },
    ] {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let cluster = ha(&house, 2).await;
        let medium = house.template_of("m1.medium").await;
        for (service, path, _) in MAKING {
            for (method, path) in [("POST", (*path).to_owned()), ("DELETE", format!("{path}/*"))] {
                let rule = Rule::new(on(*service, method, &path), effect.clone());
                house.cloud.faults().add(Rule {
                    times: Some(2),
                    ..rule
                });
            }
        }
        house.upgrade(cluster, BOTH, &medium, 2).await;
        check(&house, cluster, &medium, 5).await;
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_wish_wins_over_an_upgrade_that_is_under_way() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let cluster = standing(&house, 3).await;
    let medium = house.template_of("m1.medium").await;
    let stuck = Rule::new(on(Service::Compute, "POST", "*/servers"), Effect::StuckBuild);
    house.cloud.faults().add(stuck.clone());
    let canary = || house.ids("servers").contains_key("worker-3");
    house.upgrade(cluster, &[DEFAULT_WORKER], &medium, 2).await;
    within(async {
        while !canary() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    house.cloud.faults().clear();
    // The canary that is stuck goes, and the upgrade goes on with the new size.
    house.resize(cluster, DEFAULT_WORKER, 2, &[]).await;
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers().len(), 3);
    assert!(row.groups[1].is_uniform());
    assert_eq!(
        house
            .flavors(cluster)
            .await
            .values()
            .filter(|flavor| *flavor == "3")
            .count(),
        2
    );

    let large = house.template_of("m1.large").await;
    house.cloud.faults().add(stuck);
    let before = house.servers().len();
    house.upgrade(cluster, &[DEFAULT_WORKER], &large, 2).await;
    within(async {
        while house.servers().len() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    house.delete_and_look(cluster).await;
    engine.stop().await;
}
