//! What add-ons are made of besides the catalogue: what is fetched, and what Helm makes of charts.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jeroboam_addons::{LONGEST, Place, Remote, Selected, Variables};
use jeroboam_blueprint::api;
use jeroboam_driver::AddOnState;

use super::helm::Helm;

/// Why something is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// The cause, which may be shown to the tenant.
    pub reason: String,
    /// True when it may pass by itself.
    pub passes: bool,
}

impl SourceError {
    pub(super) fn passing(reason: String) -> Self {
        Self { reason, passes: true }
    }

    pub(super) fn lasting(reason: String) -> Self {
        Self {
            reason,
            passes: false,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for SourceError {}

impl From<SourceError> for AddOnState {
    fn from(error: SourceError) -> Self {
        match error.passes {
            true => Self::NotYet(error.reason),
            false => Self::Stuck(error.reason),
        }
    }
}

/// Gets them when they are first needed. What was fetched is kept as long as the process lives; what Helm made is not.
pub struct Sources {
    fetched: Mutex<BTreeMap<String, Arc<[u8]>>>,
    helm: Helm,
}

impl Sources {
    /// With the program `helm`, by its path or by a name to be found in `PATH`.
    pub fn new(helm: &Path) -> Self {
        Self {
            fetched: Mutex::default(),
            helm: Helm::new(helm),
        }
    }

    /// Looks for the program `helm`.
    ///
    /// # Errors
    /// It is not there; the text names it and its option.
    pub fn find_helm(&self) -> Result<(), String> {
        self.helm.find().map(drop)
    }

    /// The texts for [`Selected::render`], whose variables are the same.
    ///
    /// # Errors
    /// What is not to be had, with the cause.
    pub async fn of(
        &self,
        selected: &Selected<'_>,
        given: &Variables,
    ) -> Result<BTreeMap<String, String>, SourceError> {
        let mut texts = BTreeMap::new();
        for remote in selected.remotes() {
            let bytes = self.fetch(remote).await?;
            let text = String::from_utf8(bytes.to_vec());
            let text =
                text.map_err(|_| SourceError::lasting(format!("what is at {} is not UTF-8", remote.url)))?;
            texts.insert(remote.sha256.clone(), text);
        }
        for rendering in selected.charts(given) {
            let archive = match &rendering.chart.place {
                Place::Remote(remote) => Some(self.fetch(remote).await?),
                Place::Local(_) => None,
            };
            let text = self.helm.render(&rendering, archive.as_deref()).await?;
            texts.insert(rendering.key(), text);
        }
        Ok(texts)
    }

    async fn fetch(&self, remote: &Remote) -> Result<Arc<[u8]>, SourceError> {
        let kept = {
            let known = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&remote.sha256).cloned()
        };
        if let Some(bytes) = kept {
            return Ok(bytes);
        }
        let bytes: Arc<[u8]> = api::fetch(&remote.url, LONGEST)
            .await
            .map_err(SourceError::lasting)?
            .into();
        let checked = remote.check(&bytes);
        checked.map_err(|error| SourceError::lasting(error.to_string()))?;
        let mut known = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(remote.sha256.clone(), bytes.clone());
        Ok(bytes)
    }
}
