//! Each call failed, for a moment or for good.

use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_types::Status;

use crate::house::House;

/// Calls that change something during a creation: service, path, and how the failure names the resource.
const MUTATIONS: &[(Service, &str, &str)] = &[
    (Service::Identity, "*/users", "identity:main"),
    (Service::Network, "*/networks", "network:main"),
    (Service::Network, "*/subnets", "subnet:main"),
    (Service::Network, "*/routers", "router:main"),
    (
        Service::Network,
        "*/add_router_interface",
        "router-interface:main",
    ),
    (Service::Network, "*/security-groups", "security-group:"),
    (Service::Network, "*/ports", "port:"),
    (Service::Network, "*/floatingips", "floating-ip:"),
    (Service::Compute, "*/os-server-groups", "server-group:"),
    (Service::Compute, "*/servers", "server:"),
    (Service::Volume, "*/volumes", "volume:"),
    (Service::LoadBalancer, "*/loadbalancers", "load-balancer:api"),
];

fn on(service: Service, path: &str) -> Match {
    Match {
        service: Some(service),
        path: Some(path.into()),
        ..Match::default()
    }
}

async fn build(house: &House) -> jeroboam_store::ClusterRow {
    let cluster = house
        .ask(1, 1, |new| {
            new.cluster.master_lb_enabled = Some(true);
            new.groups
                .iter_mut()
                .for_each(|group| group.docker_volume_size = Some(3));
        })
        .await;
    house.settled(cluster).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_passes_is_tried_again_and_nothing_is_made_twice() {
    let effects = [
        Effect::Status {
            status: 503,
            retry_after: None,
        },
        Effect::Status {
            status: 429,
            retry_after: Some(0),
        },
        Effect::LostAnswer,
        Effect::Reset,
        Effect::Late { ms: 120 },
    ];
    for effect in effects {
        let house = House::build().await;
        for (service, path, _) in MUTATIONS {
            let rule = Rule {
                times: Some(1),
                ..Rule::new(on(*service, path), effect.clone())
            };
            house.cloud.faults().add(rule);
        }
        let engine = house.engine(|_| {}).await;
        let row = build(&house).await;
        let reason = &row.cluster.status_reason;
        assert_eq!(
            row.cluster.status,
            Status::CreateComplete,
            "{effect:?}: {reason:?}"
        );
        let usage = house.cloud.usage();
        assert_eq!(
            (
                usage.count("servers"),
                usage.count("volumes"),
                usage.count("load_balancers")
            ),
            (2, 2, 1)
        );
        house.delete_and_look(row.cluster.uuid).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_for_good_is_named_and_a_deletion_still_cleans_up() {
    for (service, path, resource) in MUTATIONS {
        let house = House::build().await;
        let engine = house.engine(|_| {}).await;
        let refused = Effect::Status {
            status: 400,
            retry_after: None,
        };
        let only_post = Match {
            method: Some("POST".into()),
            ..on(*service, path)
        };
        let put = Match {
            method: Some("PUT".into()),
            ..on(*service, path)
        };
        house.cloud.faults().add(Rule::new(only_post, refused.clone()));
        house.cloud.faults().add(Rule::new(put, refused));
        let row = build(&house).await;
        assert_eq!(row.cluster.status, Status::CreateFailed, "{path}");
        let reason = row.cluster.status_reason.unwrap();
        assert!(reason.contains(resource), "{reason} does not name {resource}");
        assert!(reason.contains("req-"), "{reason} does not name the request");
        assert!(
            row.groups
                .iter()
                .all(|group| group.status == Status::CreateFailed)
        );
        house.cloud.faults().clear();
        house.delete_and_look(row.cluster.uuid).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_not_tried_again() {
    let house = House::build().await;
    let rule = Rule::new(
        Match {
            method: Some("POST".into()),
            ..on(Service::Compute, "*/servers")
        },
        Effect::Quota,
    );
    house.cloud.faults().add(rule);
    let engine = house.engine(|_| {}).await;
    let row = build(&house).await;
    assert_eq!(row.cluster.status, Status::CreateFailed);
    let reason = row.cluster.status_reason.unwrap();
    assert!(reason.to_lowercase().contains("quota"), "{reason}");
    let ledger = house.store.clusters().ledger(row.cluster.uuid).await.unwrap();
    assert!(
        ledger.values().all(|entry| entry.attempts <= 1),
        "a quota does not heal by itself"
    );
    house.cloud.faults().clear();
    house.delete_and_look(row.cluster.uuid).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_error_is_replaced_and_in_the_end_named() {
    let house = House::build().await;
    let error = Effect::ServerError {
        message: "No valid host was found.".into(),
    };
    let creation = || Match {
        method: Some("POST".into()),
        ..on(Service::Compute, "*/servers")
    };
    house.cloud.faults().add(Rule {
        times: Some(1),
        ..Rule::new(creation(), error.clone())
    });
    let engine = house.engine(|_| {}).await;
    let row = build(&house).await;
    assert_eq!(
        row.cluster.status,
        Status::CreateComplete,
        "{:?}",
        row.cluster.status_reason
    );
    house.delete_and_look(row.cluster.uuid).await;

    house.cloud.faults().add(Rule::new(creation(), error));
    let row = build(&house).await;
    assert_eq!(row.cluster.status, Status::CreateFailed);
    assert!(
        row.cluster
            .status_reason
            .unwrap()
            .contains("No valid host was found.")
    );
    house.delete_and_look(row.cluster.uuid).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_goes_on_through_failures() {
    let house = House::build().await;
    let engine = house.engine(|_| {}).await;
    let row = build(&house).await;
    assert_eq!(row.cluster.status, Status::CreateComplete);
    let all = Match {
        method: Some("DELETE".into()),
        ..Match::default()
    };
    let rule = Rule::new(
        all,
        Effect::Status {
            status: 500,
            retry_after: None,
        },
    );
    house.cloud.faults().add(Rule {
        probability: 0.4,
        ..rule
    });
    house.delete_and_look(row.cluster.uuid).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_waits_for_calls_that_may_still_arrive() {
    for (service, path, resource) in MUTATIONS {
        let house = House::build().await;
        let post = Match {
            method: Some("POST".into()),
            ..on(*service, path)
        };
        house
            .cloud
            .faults()
            .add(Rule::new(post, Effect::Late { ms: 120 }));
        let engine = house.engine(|options| options.retry_limit = 0).await;
        let row = build(&house).await;
        // Some are made by PUT: those succeed.
        if row.cluster.status == Status::CreateFailed {
            assert!(row.cluster.status_reason.unwrap().contains(resource));
        }
        house.cloud.faults().clear();
        house.delete_and_look(row.cluster.uuid).await;
        // Longer than the latest call.
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        house.nothing_left();
        engine.stop().await;
    }
}
