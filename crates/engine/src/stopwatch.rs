//! The engine's own share of an operation: time in which it waited neither for a cloud nor for a node.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Measures the time in which at least one wait was under way.
#[derive(Debug)]
pub struct Stopwatch {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    depth: usize,
    since: Instant,
    waited: Duration,
}

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            state: Mutex::new(State {
                depth: 0,
                since: now,
                waited: Duration::ZERO,
            }),
        }
    }

    /// Runs a future as a wait.
    pub async fn wait<F: Future>(&self, future: F) -> F::Output {
        let _guard = self.enter();
        future.await
    }

    fn enter(&self) -> Guard<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.depth == 0 {
            state.since = Instant::now();
        }
        state.depth += 1;
        Guard(self)
    }

    /// Time since the start that was no wait, in milliseconds.
    pub fn own_ms(&self) -> i64 {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = if state.depth > 0 {
            state.since.elapsed()
        } else {
            Duration::ZERO
        };
        let own = self.started.elapsed().saturating_sub(state.waited + waiting);
        i64::try_from(own.as_millis()).unwrap_or(i64::MAX)
    }
}

struct Guard<'a>(&'a Stopwatch);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.depth -= 1;
        if state.depth == 0 {
            let waited = state.since.elapsed();
            state.waited += waited;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_at_the_same_time_count_once_and_not_as_own_time() {
        let watch = Stopwatch::start();
        let pause = || tokio::time::sleep(Duration::from_millis(60));
        tokio::join!(watch.wait(pause()), watch.wait(pause()));
        let total = i64::try_from(watch.started.elapsed().as_millis()).unwrap();
        assert!(total - watch.own_ms() >= 60, "the wait is not own time");
        assert!(total - watch.own_ms() < 120, "two waits at once are one");
    }
}
