//! Keystone tokens: validation, and a cache of what Keystone said. Invariants: a token is never served past its
//! expiry, nothing but its SHA-256 is a key, and a token that Keystone no longer knows is refused after
//! `[keystone_authtoken] token_revalidate_time` and one more request.
//!
//! An expired token goes through only beside the valid token of a service, in `X-Service-Token`: a service finishes so
//! what its user began. What Keystone says of it then is remembered apart.

mod access;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use jeroboam_cloud::{AccessRule, Session, TokenInfo, identity};
use jeroboam_config::sections::KeystoneAuthtoken;
use jeroboam_metrics::{Metrics, TokenLookup};
use jeroboam_types::Millis;
use moka::future::Cache;
use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use crate::caller::{Caller, Names};
use crate::error::{ApiError, ApiResult};
use crate::policy::Judge;

/// How long a refusal is remembered.
const REFUSAL_TTL: Duration = Duration::from_secs(5);
/// Longest token: Fernet and JWS tokens have some hundreds of characters.
const MAX_TOKEN_BYTES: usize = 8192;
/// Tokens remembered at most.
const CAPACITY: u64 = 20_000;

type Digest = [u8; 32];

/// What Keystone said of a token.
#[derive(Debug)]
struct Known {
    caller: Caller,
    /// The only requests that it is good for.
    access_rules: Option<Vec<AccessRule>>,
    expires: Millis,
    checked: Millis,
    revalidating: AtomicBool,
}

/// Validates tokens.
#[derive(Clone)]
pub(crate) struct Tokens {
    service: Session,
    known: Cache<Digest, Arc<Known>>,
    refused: Cache<Digest, ()>,
    cache_for: Duration,
    revalidate_after: Duration,
    keystone_uri: String,
    services: Arc<Services>,
    clock: fn() -> Millis,
    tasks: TaskTracker,
    metrics: Metrics,
}

/// Which tokens are those of services, and what this one is.
#[derive(Debug)]
struct Services {
    /// `service_token_roles`
    roles: Vec<String>,
    /// `service_token_roles_required`
    roles_required: bool,
    /// Type of this service in the catalog.
    own_type: String,
}

/// Whether a token may have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expired {
    Refused,
    Allowed,
}

/// Why a token could not be had from the cache or from Keystone.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("keystone does not know the token")]
    Refused,
    #[error(transparent)]
    Keystone(#[from] jeroboam_cloud::Error),
}

impl Tokens {
    /// `cache_for` of zero asks Keystone each time.
    pub(crate) fn new(
        service: Session,
        cache_for: Duration,
        keystone_uri: String,
        options: &KeystoneAuthtoken,
        clock: fn() -> Millis,
        metrics: Metrics,
    ) -> Self {
        let known = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_live(cache_for.max(Duration::from_secs(1)));
        let refused = Cache::builder().max_capacity(CAPACITY).time_to_live(REFUSAL_TTL);
        Self {
            service,
            known: known.build(),
            refused: refused.build(),
            cache_for,
            revalidate_after: options.token_revalidate_time,
            keystone_uri,
            services: Arc::new(Services {
                roles: options.service_token_roles.clone(),
                roles_required: options.service_token_roles_required,
                own_type: options.service_type.clone(),
            }),
            clock,
            tasks: TaskTracker::new(),
            metrics,
        }
    }

    /// The bearer of a request's token.
    ///
    /// # Errors
    /// 401 without a valid token or beside an invalid one of a service, 503 when Keystone cannot be asked.
    pub(crate) async fn authenticate(&self, parts: &Parts) -> ApiResult<Caller> {
        let mut expired = Expired::Refused;
        let service = parts.headers.get("x-service-token");
        let service = service.filter(|header| !header.is_empty());
        if let Some(header) = service {
            let bearer = self.bearer(header, Expired::Refused).await?;
            let trusted = self
                .services
                .roles
                .iter()
                .any(|role| bearer.caller.roles.contains(role));
            if trusted {
                expired = Expired::Allowed;
            } else if self.services.roles_required {
                return Err(self.unauthorized());
            }
        }
        let header = parts.headers.get("x-auth-token");
        let bearer = self
            .bearer(header.ok_or_else(|| self.unauthorized())?, expired)
            .await?;
        // Beside a service's token the request is that service's, and not one of those that the user listed.
        if let (Some(rules), None) = (&bearer.access_rules, service)
            && !access::allow(rules, &self.services.own_type, &parts.method, parts.uri.path())
        {
            return Err(self.unauthorized());
        }
        Ok(bearer.caller.clone())
    }

    fn unauthorized(&self) -> ApiError {
        ApiError::unauthorized(&self.keystone_uri)
    }

    /// What is known of the token in a header.
    async fn bearer(&self, header: &HeaderValue, expired: Expired) -> ApiResult<Arc<Known>> {
        let unauthorized = || self.unauthorized();
        let text = header.to_str().map_err(|_| unauthorized())?.trim();
        if text.is_empty()
            || text.len() > MAX_TOKEN_BYTES
            || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(unauthorized());
        }
        let key = key(text, expired);
        let found = |lookup| self.metrics.http().looked_up(lookup);
        if self.refused.contains_key(&key) {
            found(TokenLookup::Refused);
            return Err(unauthorized());
        }
        let token = SecretString::from(text);
        let ended = |known: &Known, now| expired == Expired::Refused && now >= known.expires;
        if let Some(known) = self.known.get(&key).await {
            let now = (self.clock)();
            let age = now.since(known.checked);
            if ended(&known, now) {
                found(TokenLookup::Refused);
                self.known.invalidate(&key).await;
                return Err(unauthorized());
            }
            if age < self.cache_for {
                found(TokenLookup::Hit);
                if age >= self.revalidate_after {
                    self.revalidate_behind(key, Arc::clone(&known), token, expired);
                }
                return Ok(known);
            }
            self.known.invalidate(&key).await;
        }
        found(TokenLookup::Miss);
        match self.ask(key, token, expired).await {
            Ok(known) if ended(&known, (self.clock)()) => Err(unauthorized()),
            Ok(known) => Ok(known),
            Err(failure) => match failure.as_ref() {
                Failure::Refused => Err(unauthorized()),
                Failure::Keystone(error) => {
                    let text = "The identity service cannot be asked now.";
                    Err(ApiError::unavailable(text, error).retry_after(error.retry_after))
                }
            },
        }
    }

    /// Forgets a token that another service has refused.
    pub(crate) async fn forget(&self, token: &str) {
        for expired in [Expired::Refused, Expired::Allowed] {
            self.known.invalidate(&key(token, expired)).await;
        }
    }

    /// Asks Keystone once, however many requests wait for the same token.
    async fn ask(
        &self,
        key: Digest,
        token: SecretString,
        expired: Expired,
    ) -> Result<Arc<Known>, Arc<Failure>> {
        let validation = self.validate(key, token, expired);
        if self.cache_for.is_zero() {
            return validation.await.map_err(Arc::new);
        }
        self.known.try_get_with(key, validation).await
    }

    async fn validate(
        &self,
        key: Digest,
        token: SecretString,
        expired: Expired,
    ) -> Result<Arc<Known>, Failure> {
        let checked = (self.clock)();
        let answer = match expired {
            Expired::Refused => identity::validate_token(&self.service, &token).await?,
            Expired::Allowed => identity::validate_expired_token(&self.service, &token).await?,
        };
        match answer {
            Some(mut info) => Ok(Arc::new(Known {
                expires: Millis(info.expires_at.timestamp_millis()),
                access_rules: info.access_rules.take(),
                caller: caller_of(info, token),
                checked,
                revalidating: AtomicBool::new(false),
            })),
            None => {
                self.refused.insert(key, ()).await;
                Err(Failure::Refused)
            }
        }
    }

    fn revalidate_behind(&self, key: Digest, known: Arc<Known>, token: SecretString, expired: Expired) {
        if known.revalidating.swap(true, Ordering::AcqRel) {
            return;
        }
        let tokens = self.clone();
        self.tasks.spawn(async move {
            match tokens.validate(key, token, expired).await {
                Ok(fresh) => tokens.known.insert(key, fresh).await,
                Err(Failure::Refused) => tokens.known.invalidate(&key).await,
                Err(Failure::Keystone(error)) => {
                    tracing::warn!(%error, "a cached token could not be validated again; it serves on");
                    known.revalidating.store(false, Ordering::Release);
                }
            }
        });
    }
}

/// SHA-256 of a token, one for each of its two uses.
fn key(token: &str, expired: Expired) -> Digest {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    if expired == Expired::Allowed {
        key[0] ^= 1;
    }
    key
}

fn caller_of(info: TokenInfo, token: SecretString) -> Caller {
    Caller {
        user_id: info.user_id.into(),
        project_id: info.project_id.map(Into::into),
        roles: info.roles,
        is_system: info.is_system,
        names: Arc::new(Names {
            user_name: info.user_name,
            user_domain_id: info.user_domain_id,
            user_domain_name: info.user_domain_name,
            project_name: info.project_name,
            project_domain_id: info.project_domain_id,
            domain_id: info.domain_id,
        }),
        judge: Judge::default(),
        is_app_cred: info.app_cred,
        token,
    }
}
