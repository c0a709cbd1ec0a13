//! The deadline for heads of requests by HTTP/1: one timer for all requests of a connection, since setting one for each
//! costs two turns at a lock that all connections share. It is left at the first request's deadline and moved on only
//! when that has come.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// The timer.
#[derive(Clone)]
pub(super) struct Patience(Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>);

/// A moment that it waits for.
struct Deadline {
    timer: Patience,
    at: Instant,
}

impl Patience {
    pub(super) fn new(patience: Duration) -> Self {
        Self(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(patience)))))
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Deadline {
            timer: self.clone(),
            at: deadline,
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut sleep = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if sleep.deadline().into_std() > self.at {
                sleep.as_mut().reset(self.at.into());
            }
            std::task::ready!(sleep.as_mut().poll(cx));
            if sleep.deadline().into_std() >= self.at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.at.into());
        }
    }
}

impl Sleep for Deadline {}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn each_deadline_is_kept_whatever_the_timer_was_set_to() {
        let timer = Patience::new(3 * UNIT);
        let start = timer.now();
        for end in [3, 4, 9, 9] {
            timer.sleep_until(start + end * UNIT).await;
            assert!(timer.now() >= start + end * UNIT, "{end}");
        }
        let late = tokio::time::timeout(UNIT, timer.sleep(60_000 * UNIT)).await;
        assert!(late.is_err(), "an old deadline is not taken for this one");
    }

    #[tokio::test]
    async fn an_earlier_deadline_is_not_kept_waiting_by_a_later_one() {
        let timer = Patience::new(60_000 * UNIT);
        let late = timer.sleep(60_000 * UNIT);
        assert!(tokio::time::timeout(UNIT, late).await.is_err());
        let early = tokio::time::timeout(1_000 * UNIT, timer.sleep(UNIT)).await;
        assert!(early.is_ok());
    }
}
