//! The rules in force: defaults with the policy files over them, read again when the files change. A file that
//! cannot be used changes nothing, except at the start, where there is nothing before it: then all is refused.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jeroboam_config::Config;
use jeroboam_policy::{FileError, Options, Override, Rules, magnum, read, review};
use jeroboam_types::Millis;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Where files are looked for beside the directories of the configuration.
const DIRECTORIES: [&str; 2] = ["/etc/jeroboam", "/etc/magnum"];

/// Where policy files may be, and how their rules are put together.
#[derive(Clone, Debug)]
pub struct PolicyFiles {
    file: PathBuf,
    directories: Vec<PathBuf>,
    search: Vec<PathBuf>,
    options: Options,
}

/// A file as it was seen.
type Seen = (PathBuf, Option<SystemTime>, u64);

impl PolicyFiles {
    /// From `[oslo_policy]`. Relative names are looked for where the configuration is.
    pub fn new(config: &Config) -> Self {
        let section = &config.oslo_policy;
        let search = config.directories.iter().cloned();
        Self {
            file: section.policy_file.clone(),
            directories: section.policy_dirs.iter().map(PathBuf::from).collect(),
            search: search.chain(DIRECTORIES.map(PathBuf::from)).collect(),
            options: Options {
                enforce_scope: section.enforce_scope,
                enforce_new_defaults: section.enforce_new_defaults,
                default_rule: section.policy_default_rule.clone(),
            },
        }
    }

    /// How rules are put together.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The files that exist, in the order in which they count.
    pub fn paths(&self) -> Vec<PathBuf> {
        let found = |name: &Path| {
            let mut places = self.search.iter().map(|directory| directory.join(name));
            places.find(|place| place.exists())
        };
        let mut paths: Vec<PathBuf> = found(&self.file).into_iter().collect();
        for directory in self.directories.iter().filter_map(|name| found(name)) {
            let entries = std::fs::read_dir(&directory).into_iter().flatten();
            let mut inside: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_file() && !is_hidden(path))
                .collect();
            inside.sort();
            paths.append(&mut inside);
        }
        paths
    }

    /// What the files say.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn read(&self) -> Result<Vec<Override>, FileError> {
        let mut overrides = Vec::new();
        for path in self.paths() {
            let text = std::fs::read_to_string(&path).map_err(|error| FileError {
                file: path.clone(),
                line: None,
                reason: format!("cannot be read: {error}"),
            })?;
            overrides.append(&mut read(&path, &text)?);
        }
        Ok(overrides)
    }

    fn look(&self) -> Vec<Seen> {
        let seen = |path: PathBuf| {
            let metadata = std::fs::metadata(&path).ok();
            let modified = metadata.as_ref().and_then(|data| data.modified().ok());
            (path, modified, metadata.map_or(0, |data| data.len()))
        };
        self.paths().into_iter().map(seen).collect()
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with('.'))
}

/// The rules that requests are judged by.
pub(crate) struct Rulebook {
    files: PolicyFiles,
    state: Mutex<State>,
}

struct State {
    looked: Millis,
    seen: Vec<Seen>,
    rules: Arc<Rules>,
}

impl Rulebook {
    pub(crate) fn new(files: PolicyFiles, now: Millis) -> Self {
        let seen = files.look();
        let rules = load(&files).unwrap_or_default();
        Self {
            files,
            state: Mutex::new(State {
                looked: now,
                seen,
                rules,
            }),
        }
    }

    /// The rules of this moment. Looks at the files, a matter of microseconds, once in a while.
    pub(crate) fn rules(&self, now: Millis) -> Arc<Rules> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(state.looked) >= INTERVAL {
            state.looked = now;
            let seen = self.files.look();
            if seen != state.seen {
                state.seen = seen;
                if let Some(rules) = load(&self.files) {
                    state.rules = rules;
                }
            }
        }
        Arc::clone(&state.rules)
    }
}

/// Reads the files and tells what is odd about them; `None` if they cannot be used.
fn load(files: &PolicyFiles) -> Option<Arc<Rules>> {
    let options = files.options();
    match files.read() {
        Ok(overrides) => {
            for finding in review(magnum::RULES, &overrides, options) {
                tracing::warn!("{finding}");
            }
            if !overrides.is_empty() {
                tracing::info!(rules = overrides.len(), "policy files are in force");
            }
            Some(Arc::new(Rules::assemble(magnum::RULES, &overrides, options)))
        }
        Err(error) => {
            tracing::error!(%error, "a policy file cannot be used; the rules stay as they were");
            None
        }
    }
}
