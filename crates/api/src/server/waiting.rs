//! Connections that wait for a request, in the order in which they began to. When there are more connections than
//! places, the one that has waited longest makes room: whoever holds connections open without asking for anything
//! keeps nobody out. Connections whose request is under way are never touched.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// All connections, by their numbers.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<All>);

#[derive(Default)]
struct All {
    /// Counts connections, and each time that one of them begins to wait.
    clock: AtomicU64,
    places: Mutex<HashMap<u64, Arc<Place>>>,
}

struct Place {
    /// When it began to wait, by the clock; 0 while it works.
    since: AtomicU64,
    dismissed: CancellationToken,
}

/// A connection among the others.
pub(super) struct Turn {
    all: Arc<All>,
    number: u64,
    place: Arc<Place>,
}

impl Waiting {
    /// A connection that begins to wait, and is dismissed at the shutdown like all others.
    pub(super) fn enter(&self, shutdown: &CancellationToken) -> Turn {
        let all = Arc::clone(&self.0);
        let number = all.tick();
        let place = Arc::new(Place {
            since: AtomicU64::new(number),
            dismissed: shutdown.child_token(),
        });
        all.places().insert(number, Arc::clone(&place));
        Turn { all, number, place }
    }

    /// Asks the connection that has waited longest to end; false when none waits.
    pub(super) fn dismiss_longest(&self) -> bool {
        let places = self.0.places();
        let waiting = places.values().filter_map(|place| match place.since() {
            0 => None,
            _ if place.dismissed.is_cancelled() => None,
            since => Some((since, place)),
        });
        match waiting.min_by_key(|(since, _)| *since) {
            Some((_, place)) => {
                place.dismissed.cancel();
                true
            }
            None => false,
        }
    }
}

impl All {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn places(&self) -> MutexGuard<'_, HashMap<u64, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }
}

impl Turn {
    /// Waits for the next request, behind all others that wait.
    pub(super) fn wait(&self) {
        self.place.since.store(self.all.tick(), Ordering::Relaxed);
    }

    /// A request came.
    pub(super) fn work(&self) {
        self.place.since.store(0, Ordering::Relaxed);
    }

    /// Ends when the connection is to make room, or the service shuts down.
    pub(super) async fn dismissed(&self) {
        self.place.dismissed.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.places().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_longest_makes_room_and_who_works_does_not() {
        let waiting = Waiting::default();
        assert!(!waiting.dismiss_longest());
        let shutdown = CancellationToken::new();
        let turns = [(); 4].map(|()| waiting.enter(&shutdown));
        turns[0].work();
        turns[1].work();
        turns[1].wait();
        let is_dismissed = || turns.each_ref().map(|turn| turn.place.dismissed.is_cancelled());
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
