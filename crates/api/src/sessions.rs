//! Sessions with the tokens of callers. Requests of one token share a session for a while, so that Keystone is asked
//! for its catalog once, and not before each look-up in the cloud.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use jeroboam_cloud::{Connector, Credentials, Session};
use jeroboam_types::Millis;
use secrecy::{ExposeSecret as _, SecretString};

/// How long a session is shared: changes of the catalog are seen after that.
const KEPT: Duration = Duration::from_secs(300);
/// Sessions kept at most; a catalog has some kilobytes.
const CAPACITY: usize = 1_000;

/// SHA-256 of a token.
pub(crate) type Digest = [u8; 32];

/// The sessions, by the SHA-256 of their tokens.
#[derive(Default)]
pub(crate) struct Sessions {
    kept: Mutex<HashMap<Digest, (Millis, Session)>>,
}

impl Sessions {
    /// The session of a token.
    pub(crate) fn of(&self, connector: &Connector, token: &SecretString, now: Millis) -> Session {
        let mut kept = self.lock();
        let is_fresh = |since: Millis| now.since(since) < KEPT;
        let key = key(token);
        if let Some((since, session)) = kept.get(&key)
            && is_fresh(*since)
        {
            return session.clone();
        }
        if kept.len() >= CAPACITY {
            kept.retain(|_, (since, _)| is_fresh(*since));
        }
        let session = connector.session(Credentials::Token { token: token.clone() });
        if kept.len() < CAPACITY {
            kept.insert(key, (now, session.clone()));
        }
        session
    }

    /// Forgets a token that a service has refused.
    pub(crate) fn forget(&self, token: &SecretString) {
        self.lock().remove(&key(token));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, (Millis, Session)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The SHA-256 of a token, which stands for it wherever something is kept.
pub(crate) fn key(token: &SecretString) -> Digest {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, token.expose_secret().as_bytes()).as_ref());
    key
}
