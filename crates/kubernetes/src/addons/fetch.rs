//! Manifests by reference: fetched when they are first needed, and kept as long as the process lives.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use jeroboam_addons::Remote;
use jeroboam_blueprint::api;

/// Longest manifest, in bytes.
pub(crate) const LONGEST: usize = 8 << 20;

/// What has been fetched, by its SHA-256 digest.
#[derive(Default)]
pub(crate) struct Fetched(Mutex<BTreeMap<String, String>>);

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetched")
    }
}

impl Fetched {
    /// The given manifests. What is not what it should be is told when it is rendered, and not kept.
    pub(crate) async fn of(&self, remotes: &[Remote]) -> Result<BTreeMap<String, String>, String> {
        let mut all = BTreeMap::new();
        for remote in remotes {
            let kept = {
                let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                known.get(&remote.sha256).cloned()
            };
            let text = match kept {
                Some(text) => text,
                None => {
                    let text = api::fetch(&remote.url, LONGEST).await?;
                    if remote.fits(&text) {
                        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                        known.insert(remote.sha256.clone(), text.clone());
                    }
                    text
                }
            };
            all.insert(remote.sha256.clone(), text);
        }
        Ok(all)
    }
}
