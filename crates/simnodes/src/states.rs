//! What became of each server, and a counter that tells watchers of a change.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::topology::ServerState;

/// Shared record of server states.
#[derive(Debug)]
pub(crate) struct States {
    states: Mutex<BTreeMap<String, ServerState>>,
    changes: watch::Sender<u64>,
}

impl States {
    pub(crate) fn new() -> Self {
        Self {
            states: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    pub(crate) fn set(&self, id: &str, state: ServerState) {
        self.change(|states| states.insert(id.to_owned(), state.clone()).as_ref() != Some(&state));
    }

    pub(crate) fn remove(&self, id: &str) {
        self.change(|states| states.remove(id).is_some());
    }

    pub(crate) fn all(&self) -> BTreeMap<String, ServerState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, ServerState>) -> bool) {
        let changed = change(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner));
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_are_told_of_changes_only() {
        let states = States::new();
        let changes = states.changes();
        states.set("a", ServerState::Running);
        states.set("a", ServerState::Running);
        states.remove("b");
        assert_eq!(*changes.borrow(), 1);
        states.remove("a");
        assert_eq!(*changes.borrow(), 2);
        assert!(states.all().is_empty());
    }
}
