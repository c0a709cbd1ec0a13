//! Failures on purpose.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_simcloud::{Options, Service};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Cloud, INSTANT};

fn on(service: Service, method: &str, path: &str) -> Match {
    Match {
        service: Some(service),
        method: Some(method.to_owned()),
        path: Some(path.to_owned()),
        ..Match::default()
    }
}

fn once(matches: Match, effect: Effect) -> Rule {
    Rule {
        times: Some(1),
        ..Rule::new(matches, effect)
    }
}

/// The operating system's error below a failed request.
fn cause(error: &reqwest::Error) -> Option<ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        source = error.source();
    }
    None
}

async fn create_network(cloud: &Cloud, token: &str) -> Result<u16, Option<ErrorKind>> {
    let body = json!({"network": {"name": "net"}});
    let path = "/networking/v2.0/networks";
    let answer = cloud
        .try_call(Method::POST, path, &[("x-auth-token", token)], Some(body))
        .await;
    answer.map(|answer| answer.status).map_err(|error| cause(&error))
}

#[tokio::test]
async fn a_reset_does_nothing_and_a_lost_answer_does_the_work() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    for (effect, made) in [(Effect::Reset, 0), (Effect::LostAnswer, 1)] {
        cloud
            .sim
            .faults()
            .add(once(on(Service::Network, "POST", "/v2.0/networks"), effect));
        let outcome = create_network(&cloud, &demo.token).await;
        assert_eq!(outcome, Err(Some(ErrorKind::ConnectionReset)));
        assert_eq!(cloud.sim.usage().count("networks"), made);
    }
    let calls = cloud.sim.calls();
    let outcomes = &calls.calls["POST network /v2.0/networks"];
    assert_eq!((outcomes["reset"], outcomes["lost_answer"]), (1, 1));
    cloud.sim.stop().await;
}

#[tokio::test]
async fn an_injected_status_comes_in_the_services_own_shape() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    for (service, path, field) in [
        (
            Service::Compute,
            "/compute/v2.1/servers",
            "/serviceUnavailable/code",
        ),
        (
            Service::Network,
            "/networking/v2.0/networks",
            "/NeutronError/type",
        ),
        (Service::Volume, "/volume/v3/volumes", "/serviceUnavailable/code"),
        (
            Service::LoadBalancer,
            "/load-balancer/v2.0/lbaas/loadbalancers",
            "/faultstring",
        ),
        (Service::Image, "/image/v2/images", "/title"),
        (Service::Identity, "/identity/v3/auth/projects", "/error/code"),
    ] {
        let matches = Match {
            service: Some(service),
            ..Match::default()
        };
        cloud.sim.faults().add(once(
            matches,
            Effect::Status {
                status: 503,
                retry_after: Some(7),
            },
        ));
        let answer = demo.get(path).await;
        assert_eq!(answer.header("retry-after"), "7");
        let body = answer.expect(503);
        assert!(body.pointer(field).is_some(), "{path}: {body}");
        demo.get(path).await.expect(200);
    }
    cloud.sim.stop().await;
}

#[tokio::test]
async fn servers_get_stuck_or_fail_by_name() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    let named = |name: &str| Match {
        name: Some(name.to_owned()),
        ..on(Service::Compute, "POST", "*/servers")
    };
    cloud
        .sim
        .faults()
        .add(Rule::new(named("stuck"), Effect::StuckBuild));
    let message = "No valid host was found.".to_owned();
    cloud
        .sim
        .faults()
        .add(Rule::new(named("broken"), Effect::ServerError { message }));
    for (name, status) in [("good-1", "ACTIVE"), ("stuck-1", "BUILD"), ("broken-1", "ERROR")] {
        let made = demo.create_server(name, Value::Null).await.expect(202);
        let path = format!("/compute/v2.1/servers/{}", made["server"]["id"].as_str().unwrap());
        // Another server that is ready shows that time has passed.
        let other = demo.create_server("good-2", Value::Null).await.expect(202);
        let other = format!(
            "/compute/v2.1/servers/{}",
            other["server"]["id"].as_str().unwrap()
        );
        demo.wait_for(&other, |answer| answer.body["server"]["status"] == "ACTIVE")
            .await;
        let server = demo.get(&path).await.expect(200)["server"].clone();
        assert_eq!(server["status"], status);
        if status == "ERROR" {
            assert_eq!(server["fault"]["message"], "No valid host was found.");
            assert_eq!(server["fault"]["code"], 500);
        }
        demo.delete(&path).await.expect(204);
        demo.wait_for(&path, |answer| answer.status == 404).await;
    }
    cloud.sim.stop().await;
}

#[tokio::test]
async fn quotas_latency_and_timeouts_can_be_forced() {
    let cloud = Cloud::start().await;
    let demo = cloud.login("demo", "demo").await;
    cloud
        .sim
        .faults()
        .add(once(on(Service::Network, "POST", "*"), Effect::Quota));
    assert_eq!(create_network(&cloud, &demo.token).await, Ok(409));
    cloud
        .sim
        .faults()
        .add(once(Match::default(), Effect::Latency { ms: 60, jitter_ms: 0 }));
    let start = Instant::now();
    demo.get("/compute/v2.1/flavors").await.expect(200);
    assert!(start.elapsed() >= Duration::from_millis(60));
    cloud
        .sim
        .faults()
        .add(once(Match::default(), Effect::Timeout { ms: 30 }));
    let outcome = create_network(&cloud, &demo.token).await;
    assert!(outcome.is_err());
    assert_eq!(cloud.sim.usage().count("networks"), 0);
    cloud.sim.stop().await;
}

/// Outcomes of the same calls under the same seed.
async fn replay(seed: u64) -> Vec<Result<u16, Option<ErrorKind>>> {
    let cloud = Cloud::start_with(Options {
        seed,
        pace: INSTANT,
        roomy: true,
        ..Options::default()
    })
    .await;
    let demo = cloud.login("demo", "demo").await;
    let matches = Match {
        service: Some(Service::Network),
        ..Match::default()
    };
    cloud.sim.faults().add(Rule {
        matches,
        ..Rule::chaos(0.6)
    });
    let mut outcomes = Vec::new();
    for _ in 0..15 {
        outcomes.push(create_network(&cloud, &demo.token).await.map_err(|_| None));
    }
    cloud.sim.stop().await;
    outcomes
}

#[tokio::test]
async fn the_same_seed_and_calls_give_the_same_faults() {
    let (first, again, other) = tokio::join!(replay(5), replay(5), replay(6));
    assert_eq!(first, again);
    assert_ne!(first, other);
}
