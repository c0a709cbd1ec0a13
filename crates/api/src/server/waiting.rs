//! Connections that wait for a request, in the order in which they began to. When there are more connections than
//! places, the one that has waited longest makes room: whoever holds connections open without asking for anything
//! keeps nobody out. Connections whose request is under way are never touched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// All that wait.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

/// The place of a connection among those that wait, if it does.
pub(super) struct Turn {
    waiting: Waiting,
    dismissed: CancellationToken,
    number: Mutex<Option<u64>>,
}

impl Waiting {
    /// A connection that begins to wait.
    pub(super) fn enter(&self) -> Turn {
        let turn = Turn {
            waiting: self.clone(),
            dismissed: CancellationToken::new(),
            number: Mutex::default(),
        };
        turn.wait();
        turn
    }

    /// Asks the connection that has waited longest to end; false when none waits.
    pub(super) fn dismiss_longest(&self) -> bool {
        let longest = self.with(|line| line.waiting.pop_first());
        match longest {
            Some((_, dismissed)) => {
                dismissed.cancel();
                true
            }
            None => false,
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Line) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turn {
    /// Waits for the next request, behind all others that wait.
    pub(super) fn wait(&self) {
        if self.dismissed.is_cancelled() {
            return;
        }
        let number = self.waiting.with(|line| {
            line.next += 1;
            line.waiting.insert(line.next, self.dismissed.clone());
            line.next
        });
        self.leave(Some(number));
    }

    /// A request came.
    pub(super) fn work(&self) {
        self.leave(None);
    }

    /// Ends when the connection is to make room.
    pub(super) async fn dismissed(&self) {
        self.dismissed.cancelled().await;
    }

    fn leave(&self, next: Option<u64>) {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = std::mem::replace(&mut *number, next) {
            self.waiting.with(|line| line.waiting.remove(&number));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_longest_makes_room_and_who_works_does_not() {
        let waiting = Waiting::default();
        assert!(!waiting.dismiss_longest());
        let turns = [(); 4].map(|()| waiting.enter());
        turns[0].work();
        turns[1].work();
        turns[1].wait();
        let is_dismissed = || turns.each_ref().map(|turn| turn.dismissed.is_cancelled());
        assert!(waiting.dismiss_longest());
        assert_eq!(is_dismissed(), [false, false, true, false]);
        assert!(waiting.dismiss_longest());
        assert_eq!(is_dismissed(), [false, false, true, true]);
        assert!(waiting.dismiss_longest());
        assert_eq!(is_dismissed(), [false, true, true, true]);
        assert!(!waiting.dismiss_longest(), "the first one works");
        turns[0].wait();
        drop(turns);
        assert!(!waiting.dismiss_longest(), "who has gone waits for nothing");
    }
}
