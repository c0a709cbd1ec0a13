//! Add-ons: applied, renewed in place, removed, given up with their cause; and what a cluster's workload leaves behind.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_cloud::{ApplicationCredentialName, Credentials, Service, load_balancer, network, volume};
use jeroboam_driver::{
    Access, AddOnAsk, AddOnState, Ask, CloudLogin, Departure, Drift, Driver, DriverError, Drivers, Graph,
    Invalid, Key, Leaving, Made, NodeAsk, Provides, Report, Resource, Spec,
};
use jeroboam_engine::Watch;
use jeroboam_store::ClusterRow;
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::repair::Limits;
use jeroboam_types::{Change, HealthStatus, Status};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::house::{House, within};

/// What the fake COE is asked for, has, and says.
struct World {
    wanted: Option<String>,
    /// Revision, and the login that came with it.
    applied: Vec<(String, String, SecretString)>,
    removed: u32,
    says: AddOnState,
    /// What somebody has changed of it.
    changed: Option<String>,
    /// Why it is not taken.
    refuses: Option<String>,
}

/// Swarms with an add-on.
#[derive(Clone)]
struct WithAddOn(Arc<Mutex<World>>);

impl WithAddOn {
    fn new(says: AddOnState) -> Self {
        Self(Arc::new(Mutex::new(World {
            wanted: Some("one".into()),
            applied: Vec::new(),
            removed: 0,
            says,
            changed: None,
            refuses: None,
        })))
    }

    fn set(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.0.lock().unwrap());
    }

    fn revisions(&self) -> Vec<String> {
        let world = self.0.lock().unwrap();
        world
            .applied
            .iter()
            .map(|(revision, ..)| revision.clone())
            .collect()
    }
}

#[async_trait]
impl Driver for WithAddOn {
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
        let mut graph = SwarmDriver.graph(ask)?;
        let leftovers = Key::new("leftovers", "cloud");
        for resource in graph.iter_mut() {
            if matches!(resource.spec, Spec::Server(_)) {
                resource.needs.insert(leftovers.clone());
            }
        }
        graph.insert(Resource {
            key: leftovers,
            needs: BTreeSet::from([Key::new("subnet", "main"), Key::new("router-interface", "main")]),
            group: None,
            spec: Spec::Leftovers { volumes: true },
        });
        if let Some(revision) = self.0.lock().unwrap().wanted.clone() {
            let spec = Spec::AddOn {
                revision,
                cloud: true,
                autoscales: false,
            };
            graph.insert(Resource {
                key: Key::new("add-on", "store"),
                needs: BTreeSet::from([Key::new("floating-ip", "master-0")]),
                group: None,
                spec,
            });
        }
        Ok(graph)
    }

    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        SwarmDriver.user_data(node)
    }

    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        SwarmDriver.api_address(ask, made)
    }

    async fn check(&self, _: &Ask, _: &Access) -> Report {
        Report::Ready {
            coe_version: "1".into(),
            container_version: None,
        }
    }

    async fn leave(&self, _: &Ask, _: &Access, _: &Leaving<'_>) -> Departure {
        Departure::Gone
    }

    async fn look_at_add_on(&self, _: &Ask, name: &str, revision: &str, _: &Access) -> AddOnState {
        assert_eq!(name, "store");
        let world = self.0.lock().unwrap();
        match world.applied.last() {
            Some((applied, ..)) if applied == revision => world.says.clone(),
            _ => AddOnState::Outdated,
        }
    }

    async fn apply_add_on(&self, asked: &AddOnAsk<'_>, _: &Access) -> AddOnState {
        let cloud = asked.cloud.expect("it logs in to the cloud");
        assert!(cloud.volume_types.iter().any(|name| name == "ssd"), "{cloud:?}");
        let CloudLogin::Application { id, secret } = &cloud.login else {
            panic!("identities have application credentials here")
        };
        let mut world = self.0.lock().unwrap();
        if let Some(refusal) = &world.refuses {
            return AddOnState::Stuck(refusal.clone());
        }
        world.changed = None;
        world
            .applied
            .push((asked.revision.to_owned(), id.clone(), secret.clone()));
        AddOnState::NotYet("applied".into())
    }

    async fn look_for_drift(&self, _: &str, _: &str, _: &Access) -> Drift {
        match &self.0.lock().unwrap().changed {
            Some(what) => Drift::Found(what.clone()),
            None => Drift::None,
        }
    }

    async fn remove_add_on(&self, _: &str, _: &Access) -> Departure {
        let mut world = self.0.lock().unwrap();
        world.removed += 1;
        match world.removed {
            1 => Departure::NotYet("it takes a moment".into()),
            _ => Departure::Gone,
        }
    }
}

async fn house(driver: &WithAddOn) -> House {
    let mut house = House::build().await;
    house.drivers = Drivers::new(vec![Arc::new(driver.clone())]);
    house
}

/// Somebody who logs in as an add-on does.
async fn can_log_in(house: &House, (_, id, secret): &(String, String, SecretString)) -> bool {
    let credentials = Credentials::ApplicationCredential {
        credential: ApplicationCredentialName::Id(id.clone()),
        secret: secret.clone(),
    };
    house
        .tenant()
        .connector()
        .session(credentials)
        .token()
        .await
        .is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_add_on_has_a_login_of_its_own_and_is_renewed_in_place() {
    let driver = WithAddOn::new(AddOnState::Ready);
    let house = house(&driver).await;
    let engine = house.engine(|options| options.trust_server_active = false).await;
    let cluster = house.ask(1, 1, |_| {}).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    assert_eq!(driver.revisions(), ["one-0"]);
    let first = driver.0.lock().unwrap().applied[0].clone();
    assert!(can_log_in(&house, &first).await);
    let password = house.password(cluster).await;
    assert_ne!(first.2.expose_secret(), password.expose_secret());

    // Another revision, with whatever change comes next.
    driver.set(|world| world.wanted = Some("two".into()));
    house.resize(cluster, DEFAULT_WORKER, 2, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(driver.revisions(), ["one-0", "two-0"]);
    // What is as it should be is left alone.
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(driver.revisions().len(), 2);

    // Another login when credentials are rotated, which no status tells, and the old one ends.
    house.change(cluster, Change::RotateCredential, |_, _| {}).await;
    within(async {
        while can_log_in(&house, &first).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(driver.revisions().last().unwrap(), "two-1");
    let second = driver.0.lock().unwrap().applied[2].clone();
    assert!(can_log_in(&house, &second).await);
    assert_eq!(
        driver.0.lock().unwrap().removed,
        0,
        "nothing was removed to be renewed"
    );

    driver.set(|world| world.wanted = None);
    house.resize(cluster, DEFAULT_WORKER, 2, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(driver.0.lock().unwrap().removed, 2);
    assert!(
        !can_log_in(&house, &second).await,
        "nobody needs the login any more"
    );
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_add_on_that_is_stuck_is_given_up_with_its_cause_and_tried_again() {
    let cause = "image registry.example/store:1 cannot be pulled: no such host";
    let driver = WithAddOn::new(AddOnState::Stuck(cause.into()));
    let house = house(&driver).await;
    let engine = house.engine(|options| options.trust_server_active = false).await;
    let told = |row: ClusterRow| {
        let reason = row.cluster.status_reason.unwrap();
        assert!(
            reason.contains("add-on:store") && reason.contains(cause),
            "{reason}"
        );
    };
    let cluster = house.ask(1, 0, |_| {}).await;
    told(house.settled_as(cluster, Status::CreateFailed).await);
    house.delete_and_look(cluster).await;

    driver.set(|world| world.says = AddOnState::Ready);
    let cluster = house.ask(1, 0, |_| {}).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    driver.set(|world| {
        world.wanted = Some("two".into());
        world.says = AddOnState::Stuck(cause.into());
    });
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    told(house.settled_as(cluster, Status::UpdateFailed).await);
    driver.set(|world| world.says = AddOnState::Ready);
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    house.delete_and_look(cluster).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_call_leaves_one_login_and_one_add_on() {
    for calls in (1..26).step_by(2) {
        let driver = WithAddOn::new(AddOnState::Ready);
        let house = house(&driver).await;
        let engine = house.engine(|options| options.trust_server_active = false).await;
        let before = house.cloud.calls().total;
        let cluster = house.ask(1, 0, |_| {}).await;
        house.crash_at(engine, cluster, before + calls).await;
        let engine = house.engine(|options| options.trust_server_active = false).await;
        house.settled_as(cluster, Status::CreateComplete).await;
        let last = driver.0.lock().unwrap().applied.last().unwrap().clone();
        assert!(can_log_in(&house, &last).await, "after a crash at call {calls}");
        house.delete_and_look(cluster).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_workload_made_goes_with_the_cluster_and_nothing_of_others() {
    let driver = WithAddOn::new(AddOnState::Ready);
    let house = house(&driver).await;
    let engine = house.engine(|options| options.trust_server_active = false).await;
    let cluster = house.ask(1, 1, |_| {}).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    let subnet = house.ids("subnets").into_values().next().unwrap();
    let tenant = house.tenant();
    let external = network::find_network(&tenant, "public", Some(true))
        .await
        .unwrap();
    let external = jeroboam_cloud::Find::one(external).unwrap().id;
    for of in [cluster.to_string(), "kubernetes".to_owned()] {
        let description = format!("Kubernetes external service default/web from cluster {of}");
        let body = json!({"loadbalancer": {"name": "kube_service", "vip_subnet_id": subnet, "description": description}});
        house
            .post(Service::LoadBalancer, "/v2/lbaas/loadbalancers", body)
            .await;
        let description =
            format!("Floating IP for Kubernetes external service default/web from cluster {of}");
        network::create_floating_ip(&tenant, &description, &external, None)
            .await
            .unwrap();
        let body = json!({"volume": {"name": "pvc", "size": 1, "metadata": {"cinder.csi.openstack.org/cluster": of}}});
        house.post(Service::BlockStorage, "/volumes", body).await;
    }
    let others = async || {
        let balancers = load_balancer::load_balancers(&tenant).await.unwrap();
        let volumes = volume::volumes_named(&tenant, "pvc").await.unwrap();
        let addresses = network::floating_ips(&tenant).await.unwrap();
        let addresses = addresses
            .iter()
            .filter(|ip| ip.description.starts_with("Floating IP for"));
        (balancers.len(), volumes.len(), addresses.count())
    };
    assert_eq!(others().await, (2, 2, 2));
    // Another load balancer in the cluster's subnet keeps that: its owner must take it away first.
    let foreign = within(async {
        loop {
            let mut balancers = load_balancer::load_balancers(&tenant).await.unwrap().into_iter();
            let foreign = balancers.find(|one| one.description.ends_with("cluster kubernetes"));
            // Octavia deletes nothing that it has not finished.
            match foreign.unwrap() {
                foreign if foreign.provisioning_status == "ACTIVE" => return foreign,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    load_balancer::delete_cascade(&tenant, &foreign.id).await.unwrap();
    house.ask_delete(cluster).await;
    house.gone(cluster).await;
    assert_eq!(others().await, (0, 1, 1));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_changed_of_an_add_on_is_applied_again_and_the_cluster_stays_as_it_is() {
    let driver = WithAddOn::new(AddOnState::Ready);
    let house = house(&driver).await;
    let engine = house
        .engine(|options| {
            options.trust_server_active = false;
            options.health = Some(Watch {
                interval: Duration::from_millis(50),
                parallel: 2,
                limit: Duration::from_secs(5),
                repair: Limits {
                    patience: Duration::from_secs(60),
                    most: 0,
                    window: Duration::from_secs(60),
                },
                mend: Some(Duration::from_millis(50)),
            });
        })
        .await;
    let cluster = house.ask(1, 0, |_| {}).await;
    let before = house.settled_as(cluster, Status::CreateComplete).await.cluster;
    let told = async |wanted: Option<&str>| {
        within(async {
            loop {
                let row = house.show(cluster).await.unwrap().cluster;
                let is_looked_at = row.health_status == Some(HealthStatus::Healthy);
                if is_looked_at && row.health_status_reason.get("add_ons").map(String::as_str) == wanted {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    };
    told(None).await;
    driver.set(|world| {
        world.refuses = Some("the API does not take it".into());
        world.changed = Some("Deployment a was deleted".into());
    });
    let why = "store: Deployment a was deleted, and cannot be applied again: the API does not take it";
    told(Some(why)).await;
    assert_eq!(driver.revisions(), ["one-0"]);
    driver.set(|world| world.refuses = None);
    let row = told(None).await;
    assert_eq!(driver.revisions(), ["one-0", "one-0"]);
    assert_eq!(
        (row.status, row.updated_at),
        (Status::CreateComplete, before.updated_at)
    );
    let login = driver.0.lock().unwrap().applied[1].clone();
    assert!(can_log_in(&house, &login).await);

    // What does not run is told, and is not applied again for that.
    driver.set(|world| world.says = AddOnState::NotYet("0 of 1 pods are ready".into()));
    told(Some("store: 0 of 1 pods are ready")).await;
    driver.set(|world| world.says = AddOnState::Ready);
    told(None).await;
    assert_eq!(driver.revisions().len(), 2);

    // The cluster is nobody's afterwards.
    house.resize(cluster, DEFAULT_WORKER, 1, &[]).await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    house.delete_and_look(cluster).await;
    engine.stop().await;
}
