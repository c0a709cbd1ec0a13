//! What happened, counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

#[derive(Default)]
struct Counts {
    complete: u32,
    interrupted: u32,
    deleted: u32,
    changed: u32,
    change_failed: u32,
    healed: u32,
    delete_failed: u32,
    failures: BTreeMap<String, u32>,
    stuck: Vec<String>,
}

/// Counts of all walkers.
#[derive(Default)]
pub struct Tally(Mutex<Counts>);

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cluster was CREATE_COMPLETE.
    pub fn complete(&self) {
        self.counts().complete += 1;
    }

    /// A cluster was CREATE_FAILED, with a reason.
    pub fn failed(&self, reason: &Value) {
        let reason = reason
            .as_str()
            .map(kind)
            .unwrap_or_else(|| "without a reason".to_owned());
        *self.counts().failures.entry(reason).or_default() += 1;
    }

    /// A cluster is deleted in the middle of its creation.
    pub fn interrupted(&self) {
        self.counts().interrupted += 1;
    }

    /// A change came about.
    pub fn changed(&self) {
        self.counts().changed += 1;
    }

    /// A change failed, with a reason; it is asked for again.
    pub fn change_failed(&self, reason: &Value) {
        let mut counts = self.counts();
        counts.change_failed += 1;
        let reason = reason.as_str().map(kind).unwrap_or_default();
        *counts.failures.entry(format!("change: {reason}")).or_default() += 1;
    }

    /// A node that was lost was replaced.
    pub fn healed(&self) {
        self.counts().healed += 1;
    }

    /// A cluster is gone.
    pub fn deleted(&self) {
        self.counts().deleted += 1;
    }

    /// A deletion failed, with a reason; it is tried again.
    pub fn delete_failed(&self, reason: &Value) {
        let mut counts = self.counts();
        counts.delete_failed += 1;
        *counts
            .failures
            .entry(format!(
                "delete: {}",
                reason.as_str().map(kind).unwrap_or_default()
            ))
            .or_default() += 1;
    }

    /// Something is wrong.
    pub fn stuck(&self, what: String) {
        self.counts().stuck.push(what);
    }

    /// True if anything is wrong.
    pub fn has_failed(&self) -> bool {
        !self.counts().stuck.is_empty()
    }

    /// The whole story.
    pub fn summary(&self, runs: u32, kills: u32, leaked: &[String], elapsed: Duration) -> String {
        let counts = self.counts();
        let failed: u32 = counts.failures.values().sum();
        let mut text = format!(
            "{runs} clusters in {:.0} s, the service killed {kills} times\n\
             created {}, failed with a reason {}, deleted half-way {}, deleted {}, deletions asked again {}\n\
             changed {}, changes asked again {}, lost nodes replaced {}\n",
            elapsed.as_secs_f64(),
            counts.complete,
            failed - counts.delete_failed - counts.change_failed,
            counts.interrupted,
            counts.deleted,
            counts.delete_failed,
            counts.changed,
            counts.change_failed,
            counts.healed,
        );
        for (reason, count) in &counts.failures {
            text.push_str(&format!("  {count:>5} x {reason}\n"));
        }
        for stuck in &counts.stuck {
            text.push_str(&format!("  WRONG: {stuck}\n"));
        }
        for item in leaked {
            text.push_str(&format!("  LEAKED: {item}\n"));
        }
        text.push_str(&format!("stuck {}, leaked {}", counts.stuck.len(), leaked.len()));
        text
    }
}

/// The reason without what differs from cluster to cluster.
fn kind(reason: &str) -> String {
    let words = reason
        .split(' ')
        .filter(|word| !word.contains("req-") && !word.contains('-'));
    words
        .take(14)
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .collect()
}
