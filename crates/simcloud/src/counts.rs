//! How often each operation was called, and how it ended.

use std::collections::BTreeMap;

use serde::Serialize;

/// Calls since the start or the last reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallCounts {
    /// `METHOD service /path/template` to outcome to number. The outcome is the status, or `reset`, `timeout` or
    /// `lost_answer` when no answer was sent.
    pub calls: BTreeMap<String, BTreeMap<String, u64>>,
    /// All of them.
    pub total: u64,
}

impl CallCounts {
    pub(crate) fn record(&mut self, operation: &str, outcome: &str) {
        let outcomes = self.calls.entry(operation.to_owned()).or_default();
        *outcomes.entry(outcome.to_owned()).or_default() += 1;
        self.total += 1;
    }

    /// Calls of one operation, whatever their outcome.
    pub fn of(&self, operation: &str) -> u64 {
        self.calls
            .get(operation)
            .map_or(0, |outcomes| outcomes.values().sum())
    }
}
