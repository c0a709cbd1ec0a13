//! Keystone tokens: validation, and a cache of what Keystone said. Invariants: a token is never served past its
//! expiry, nothing but its SHA-256 is a key, and a token that Keystone no longer knows is refused after
//! `[keystone_authtoken] token_revalidate_time` and one more request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use axum::http::HeaderMap;
use jeroboam_cloud::{Session, TokenInfo, identity};
use jeroboam_types::Millis;
use moka::future::Cache;
use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};

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
    clock: fn() -> Millis,
    tasks: TaskTracker,
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
    /// `cache_for` of zero asks Keystone each time; `revalidate_after` is the age at which it is asked again
    /// while the answer that is known goes on to serve.
    pub(crate) fn new(
        service: Session,
        cache_for: Duration,
        revalidate_after: Duration,
        keystone_uri: String,
        clock: fn() -> Millis,
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
            revalidate_after,
            keystone_uri,
            clock,
            tasks: TaskTracker::new(),
        }
    }

    /// The bearer of a request's token.
    ///
    /// # Errors
    /// 401 without a valid token, 503 when Keystone cannot be asked.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> ApiResult<Caller> {
        let unauthorized = || ApiError::unauthorized(&self.keystone_uri);
        let header = headers.get("x-auth-token").ok_or_else(unauthorized)?;
        let text = header.to_str().map_err(|_| unauthorized())?.trim();
        if text.is_empty()
            || text.len() > MAX_TOKEN_BYTES
            || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(unauthorized());
        }
        let key = sha256(text);
        if self.refused.contains_key(&key) {
            return Err(unauthorized());
        }
        let token = SecretString::from(text);
        if let Some(known) = self.known.get(&key).await {
            let (now, age) = ((self.clock)(), (self.clock)().since(known.checked));
            if now >= known.expires {
                self.known.invalidate(&key).await;
                return Err(unauthorized());
            }
            if age < self.cache_for {
                if age >= self.revalidate_after {
                    self.revalidate_behind(key, Arc::clone(&known), token);
                }
                return Ok(known.caller.clone());
            }
            self.known.invalidate(&key).await;
        }
        match self.ask(key, token).await {
            Ok(known) if (self.clock)() < known.expires => Ok(known.caller.clone()),
            Ok(_) => Err(unauthorized()),
            Err(failure) => match failure.as_ref() {
                Failure::Refused => Err(unauthorized()),
                Failure::Keystone(error) => Err(ApiError::unavailable(
                    "The identity service cannot be asked now.",
                    error,
                )),
            },
        }
    }

    /// Forgets a token that another service has refused.
    pub(crate) async fn forget(&self, token: &str) {
        self.known.invalidate(&sha256(token)).await;
    }

    /// Asks Keystone once, however many requests wait for the same token.
    async fn ask(&self, key: Digest, token: SecretString) -> Result<Arc<Known>, Arc<Failure>> {
        if self.cache_for.is_zero() {
            return self.validate(key, token).await.map_err(Arc::new);
        }
        self.known.try_get_with(key, self.validate(key, token)).await
    }

    async fn validate(&self, key: Digest, token: SecretString) -> Result<Arc<Known>, Failure> {
        let checked = (self.clock)();
        match identity::validate_token(&self.service, &token).await? {
            Some(info) => Ok(Arc::new(Known {
                expires: Millis(info.expires_at.timestamp_millis()),
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

    fn revalidate_behind(&self, key: Digest, known: Arc<Known>, token: SecretString) {
        if known.revalidating.swap(true, Ordering::AcqRel) {
            return;
        }
        let tokens = self.clone();
        self.tasks.spawn(async move {
            match tokens.validate(key, token).await {
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

fn sha256(text: &str) -> Digest {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    key
}

fn caller_of(info: TokenInfo, token: SecretString) -> Caller {
    Caller {
        user_id: info.user_id.into(),
        project_id: info.project_id.map(Into::into),
        // The rules know roles in a project and in the system: the administrator of a domain is nobody here.
        roles: match info.domain_id {
            Some(_) => Vec::new(),
            None => info.roles,
        },
        is_app_cred: info.app_cred,
        token,
    }
}
