//! Somebody's right to call: a token that is made when needed and renewed in time.
//!
//! At most one authentication of a session is under way; everybody else waits for it and takes its outcome.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::connector::Connector;
use crate::credentials::Credentials;
use crate::error::{Error, Kind};
use crate::meter::Meter;
use crate::service::Service;
use crate::token::{TokenBody, TokenInfo};
use crate::wire::{Answer, Wire};

/// A token is renewed this long before its end, or a tenth of its life if that is less.
const MARGIN_MAX: Duration = Duration::from_secs(120);
/// After a failed renewal a token that still holds is used for this long before the next try.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// A session. Clones share the token and are cheap.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    request_id: Option<Arc<str>>,
    meter: Option<Arc<Meter>>,
}

struct Shared {
    connector: Connector,
    credentials: Credentials,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// The latest authentication that failed, and when.
    failure: Option<(Instant, Error)>,
}

/// A token with its times on the monotonic clock: its life is taken from Keystone's own two stamps, so a wrong
/// clock here does no harm.
struct Held {
    info: Arc<TokenInfo>,
    renew_at: Instant,
    ends_at: Instant,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("credentials", &self.shared.credentials)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(connector: Connector, credentials: Credentials) -> Self {
        let shared = Shared {
            connector,
            credentials,
            state: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            request_id: None,
            meter: None,
        }
    }

    /// The same session, sending this `req-<uuid>` as `X-OpenStack-Request-ID` with every call, so that the logs
    /// of all services tell of it.
    pub fn with_request_id(&self, id: &str) -> Self {
        Self {
            request_id: Some(id.into()),
            ..self.clone()
        }
    }

    /// The same session, counting its calls.
    pub fn with_meter(&self, meter: Arc<Meter>) -> Self {
        Self {
            meter: Some(meter),
            ..self.clone()
        }
    }

    /// The token in use. Authenticates if there is none or it is about to end. A renewal that fails for a passing
    /// reason leaves the old token in use until its end.
    pub async fn token(&self) -> Result<Arc<TokenInfo>, Error> {
        let asked = Instant::now();
        let mut state = self.shared.state.lock().await;
        if let Some(held) = &state.held
            && (Instant::now() < held.renew_at || !self.renewable())
        {
            return Ok(held.info.clone());
        }
        // Those who waited while an authentication failed do not queue up to fail one after the other.
        if let Some((at, error)) = &state.failure
            && *at >= asked
        {
            return Err(error.clone());
        }
        let error = match self.authenticate().await {
            Ok(info) => {
                let info = Arc::new(info);
                *state = State {
                    held: Some(Held::new(info.clone())),
                    failure: None,
                };
                return Ok(info);
            }
            Err(error) => error,
        };
        if let Some(old) = &mut state.held
            && error.is_transient()
            && Instant::now() < old.ends_at
        {
            tracing::warn!(error = %error, "renewal of a token failed, going on with the old one");
            old.renew_at = Instant::now() + RENEWAL_PAUSE;
            return Ok(old.info.clone());
        }
        state.failure = Some((Instant::now(), error.clone()));
        Err(error)
    }

    /// The way that its calls go.
    pub fn connector(&self) -> &Connector {
        &self.shared.connector
    }

    fn renewable(&self) -> bool {
        !matches!(self.shared.credentials, Credentials::Token { .. })
    }

    /// Forgets a token that a service did not accept, unless another took its place meanwhile.
    async fn forget(&self, refused: &Arc<TokenInfo>) {
        let mut state = self.shared.state.lock().await;
        if state
            .held
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(&held.info, refused))
        {
            state.held = None;
        }
    }

    async fn authenticate(&self) -> Result<TokenInfo, Error> {
        let body = self.shared.credentials.body();
        let body = body.map(|body| body.to_string().into_bytes());
        let target = |mut root: Url| {
            if let Ok(mut path) = root.path_segments_mut() {
                path.extend(["auth", "tokens"]);
            }
            let mut wire = match &self.shared.credentials {
                Credentials::Token { token } => {
                    let mut wire = Wire::new(Service::Identity, Method::GET, root);
                    wire.secret_header("x-auth-token", token)?;
                    wire.secret_header("x-subject-token", token)?;
                    wire
                }
                Credentials::Password { .. }
                | Credentials::ApplicationCredential { .. }
                | Credentials::Exchange { .. } => {
                    let mut wire = Wire::new(Service::Identity, Method::POST, root);
                    // A token that nobody hears of harms nobody.
                    wire.harmless = true;
                    wire.body.clone_from(&body);
                    wire
                }
            };
            self.prepare(&mut wire);
            Ok(wire)
        };
        let answer = self.connector().ask_identity(self.meter.as_ref(), target).await;
        // Keystone does not find a token that it does not know, nor a project or trust that is gone. Passed on as it
        // is, that would look as if the thing that the call is about were gone.
        let answer = answer.map_err(|error| match error.kind {
            Kind::NotFound => Error {
                kind: Kind::Unauthorized,
                ..error
            },
            _ => error,
        })?;
        let token = match &self.shared.credentials {
            Credentials::Token { token } => token.clone(),
            _ => {
                let header = answer
                    .headers
                    .get("x-subject-token")
                    .and_then(|value| value.to_str().ok());
                SecretString::from(header.ok_or_else(|| answer.malformed("the answer holds no token"))?)
            }
        };
        read_token(&answer, token)
    }

    /// Sends a call with this session's token to the service's endpoint. `target` makes the call from the API's
    /// root. A token that is refused is renewed once.
    pub(crate) async fn send(
        &self,
        service: Service,
        target: impl Fn(Url) -> Result<Wire, Error>,
    ) -> Result<Answer, Error> {
        let token = self.token().await?;
        match self.send_with(service, &token, &target).await {
            Err(error) if error.status == Some(401) && self.renewable() => self.forget(&token).await,
            outcome => return outcome,
        }
        let token = self.token().await?;
        self.send_with(service, &token, &target).await
    }

    async fn send_with(
        &self,
        service: Service,
        token: &TokenInfo,
        target: impl Fn(Url) -> Result<Wire, Error>,
    ) -> Result<Answer, Error> {
        let target = |root| {
            let mut wire = target(root)?;
            wire.secret_header("x-auth-token", &token.token)?;
            self.prepare(&mut wire);
            Ok(wire)
        };
        if service == Service::Identity && self.connector().has_identities() {
            return self.connector().ask_identity(self.meter.as_ref(), target).await;
        }
        let wire = target(self.root(service, token)?)?;
        self.connector().exchange(&wire, self.meter.as_ref()).await
    }

    fn root(&self, service: Service, token: &TokenInfo) -> Result<Url, Error> {
        let (interface, region) = self.connector().options().place(service);
        match token.catalog.endpoint(service, interface, region) {
            Ok(endpoint) => service
                .root(endpoint, token.project_id.as_deref())
                .ok_or_else(|| {
                    Error::new(
                        service.name(),
                        Kind::NoEndpoint,
                        "the catalog's endpoint is not a URL",
                    )
                }),
            // Unscoped tokens have no catalog, but Keystone is known.
            Err(_) if service == Service::Identity => Ok(self.connector().identity_root().clone()),
            Err(error) => Err(error),
        }
    }

    /// What every call of the session carries.
    fn prepare(&self, wire: &mut Wire) {
        wire.headers.insert(
            "accept",
            reqwest::header::HeaderValue::from_static("application/json"),
        );
        if let Some(id) = self.request_id.as_deref().and_then(|id| id.parse().ok()) {
            wire.headers.insert("x-openstack-request-id", id);
        }
    }
}

impl Held {
    fn new(info: Arc<TokenInfo>) -> Self {
        let life = (info.expires_at - info.issued_at).to_std().unwrap_or_default();
        let ends_at = Instant::now() + life;
        Self {
            info,
            renew_at: ends_at - MARGIN_MAX.min(life / 10),
            ends_at,
        }
    }
}

/// Reads `{"token": {...}}`.
pub(crate) fn read_token(answer: &Answer, token: SecretString) -> Result<TokenInfo, Error> {
    let body = answer.json()?.get_mut("token").map(Value::take);
    let body = body.and_then(|body| serde_json::from_value::<TokenBody>(body).ok());
    Ok(body
        .ok_or_else(|| answer.malformed("the answer does not describe a token"))?
        .with_token(token))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jeroboam_simcloud::faults::{Effect, Match, Rule};
    use jeroboam_simcloud::{Options, SimCloud};
    use secrecy::ExposeSecret;

    use super::*;
    use crate::{DomainName, Scope, UserName};

    const AUTHENTICATE: &str = "POST identity /v3/auth/tokens";

    async fn cloud() -> (SimCloud, Session) {
        let cloud = SimCloud::start(Options::default()).await.unwrap();
        let connector = Connector::new(crate::Options::new(cloud.auth_url()), 4).unwrap();
        let user = UserName::Name {
            name: "demo".into(),
            domain: DomainName::Id("default".into()),
        };
        let credentials = Credentials::Password {
            user,
            password: "secret".into(),
            scope: Scope::Unscoped,
        };
        (cloud, connector.session(credentials))
    }

    /// Makes the held token due for renewal.
    async fn age(session: &Session) {
        session.shared.state.lock().await.held.as_mut().unwrap().renew_at = Instant::now();
    }

    #[tokio::test]
    async fn tokens_are_renewed_two_minutes_or_a_tenth_of_their_life_before_their_end() {
        let (cloud, session) = cloud().await;
        for (life_secs, margin_secs) in [(3600, 120), (600, 60)] {
            cloud.with_world(|world| world.keystone.token_life_ms = life_secs * 1000);
            let state = {
                session.shared.state.lock().await.held = None;
                session.token().await.unwrap();
                session.shared.state.lock().await
            };
            let held = state.held.as_ref().unwrap();
            assert_eq!(held.ends_at - held.renew_at, Duration::from_secs(margin_secs));
        }
    }

    #[tokio::test]
    async fn a_token_due_for_renewal_is_replaced() {
        let (cloud, session) = cloud().await;
        let before = session.token().await.unwrap();
        age(&session).await;
        let after = session.token().await.unwrap();
        assert_ne!(before.token.expose_secret(), after.token.expose_secret());
        assert_eq!(cloud.calls().of(AUTHENTICATE), 2);
    }

    #[tokio::test]
    async fn a_failed_renewal_leaves_the_old_token_in_use_until_its_end() {
        let (cloud, session) = cloud().await;
        let before = session.token().await.unwrap();
        let broken = Rule::new(
            Match::default(),
            Effect::Status {
                status: 500,
                retry_after: None,
            },
        );
        cloud.faults().add(broken);
        age(&session).await;
        let kept = session.token().await.unwrap();
        assert!(Arc::ptr_eq(&before, &kept));
        assert_eq!(cloud.calls().of(AUTHENTICATE), 2);
        session.token().await.unwrap();
        assert_eq!(
            cloud.calls().of(AUTHENTICATE),
            2,
            "the next try follows after a pause"
        );
        age(&session).await;
        session.shared.state.lock().await.held.as_mut().unwrap().ends_at = Instant::now();
        assert_eq!(session.token().await.unwrap_err().status, Some(500));
    }
}
