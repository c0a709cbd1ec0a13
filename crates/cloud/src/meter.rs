//! Counts calls, so that one can tell waiting for the cloud from working.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Calls of the sessions that carry this meter.
#[derive(Debug, Default)]
pub struct Meter {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    in_flight: usize,
    since: Option<Instant>,
    busy: Duration,
}

impl Meter {
    /// A meter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of calls sent and not yet answered.
    pub fn in_flight(&self) -> usize {
        self.with(|state| state.in_flight)
    }

    /// Number of calls sent so far, repetitions and authentications included.
    pub fn calls(&self) -> u64 {
        self.with(|state| state.calls)
    }

    /// Time during which at least one call was in flight.
    pub fn busy(&self) -> Duration {
        self.with(|state| state.busy + state.since.map(|since| since.elapsed()).unwrap_or_default())
    }

    /// Counts a call until the answer is dropped.
    pub(crate) fn start(self: &Arc<Self>) -> InFlight {
        self.with(|state| {
            state.calls += 1;
            state.in_flight += 1;
            state.since.get_or_insert_with(Instant::now);
        });
        InFlight(self.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call in flight: ends when dropped, also when the call is abandoned.
pub(crate) struct InFlight(Arc<Meter>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.in_flight -= 1;
            if state.in_flight == 0
                && let Some(since) = state.since.take()
            {
                state.busy += since.elapsed();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_call_is_no_longer_in_flight_but_counted() {
        let meter = Arc::new(Meter::new());
        let first = meter.start();
        let second = meter.start();
        assert_eq!((meter.in_flight(), meter.calls()), (2, 2));
        drop(first);
        drop(second);
        assert_eq!((meter.in_flight(), meter.calls()), (0, 2));
    }
}
