//! The client against the simulator, over real sockets.
#![expect(
    clippy::unwrap_used,
    reason = "what a test relies on and does not get is its failure"
)]

mod calls;
mod identity;
mod lookups;
mod resources;
mod session;
mod tls;

use std::future::Future;
use std::time::{Duration, Instant};

use jeroboam_cloud::{Connector, Credentials, DomainName, Error, Options, Scope, Session, UserName};
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_simcloud::{Service, SimCloud};

async fn cloud() -> SimCloud {
    SimCloud::start(jeroboam_simcloud::Options::default())
        .await
        .unwrap()
}

fn connector(cloud: &SimCloud) -> Connector {
    Connector::new(Options::new(cloud.auth_url()), 16).unwrap()
}

/// A user of the default domain in the project that has the user's name.
fn user(connector: &Connector, name: &str, scope: Scope) -> Session {
    let user = UserName::Name {
        name: name.into(),
        domain: DomainName::Id("default".into()),
    };
    connector.session(Credentials::Password {
        user,
        password: "secret".into(),
        scope,
    })
}

fn demo(connector: &Connector) -> Session {
    user(connector, "demo", project("demo"))
}

/// The service's own user.
fn magnum(connector: &Connector) -> Session {
    user(connector, "magnum", project("service"))
}

fn project(name: &str) -> Scope {
    Scope::ProjectName {
        name: name.into(),
        domain: DomainName::Name("Default".into()),
    }
}

/// Makes the next `times` calls of a method to a service fail.
fn fail(cloud: &SimCloud, service: Service, method: &str, path: &str, times: u64, effect: Effect) {
    let matches = Match {
        service: Some(service),
        method: Some(method.into()),
        path: Some(path.into()),
        ..Match::default()
    };
    cloud.faults().add(Rule {
        times: Some(times),
        ..Rule::new(matches, effect)
    });
}

/// Asks until the answer is there, at most for ten seconds.
async fn eventually<T, F: Future<Output = Result<Option<T>, Error>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ask().await.unwrap() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// `Some` once the thing is gone.
fn gone<T>(shown: Result<T, Error>) -> Result<Option<()>, Error> {
    match shown {
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(Some(())),
        Err(error) => Err(error),
    }
}
