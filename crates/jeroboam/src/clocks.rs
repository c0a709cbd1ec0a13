//! This host's clock beside the database server's: leases are times that each host compares with its own clock, so
//! hosts that share a database must agree on the time. Nothing is decided here; a difference is told of.

use std::time::Duration;

use jeroboam_engine::{Clock, SystemClock};
use jeroboam_metrics::Metrics;
use jeroboam_store::Store;
use jeroboam_types::Millis;
use tracing::{error, info, warn};

/// A difference up to which nothing is said. Hosts whose time is kept agree to milliseconds.
const TOLERATED: Duration = Duration::from_secs(2);
/// Beyond this part of a lease a host may take it from a worker that still is in the middle of a call.
const DANGEROUS_PART: u32 = 4;

/// Compares the clocks from time to time.
pub struct Clocks {
    store: Store,
    metrics: Metrics,
    lease: Duration,
    differed: bool,
}

/// What is to be said of a difference.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Agree,
    Differ,
    Dangerous,
}

impl Clocks {
    /// For leases of a length.
    pub fn new(store: Store, metrics: Metrics, lease: Duration) -> Self {
        Self {
            store,
            metrics,
            lease,
            differed: false,
        }
    }

    /// Asks the server for its time and tells of a difference, each time while there is one.
    pub async fn compare(&mut self) {
        let before = SystemClock.now();
        let theirs = match self.store.server_time().await {
            Ok(Some(theirs)) => theirs,
            Ok(None) => return,
            Err(error) => {
                warn!(%error, cause = error.cause(), "the database does not tell its time");
                return;
            }
        };
        let ahead_ms = ahead_ms(before, theirs, SystemClock.now());
        let ahead_secs = Duration::from_millis(ahead_ms.unsigned_abs()).as_secs_f64();
        let ahead_secs = if ahead_ms < 0 { -ahead_secs } else { ahead_secs };
        self.metrics.store().is_ahead(ahead_secs);
        let verdict = judge(ahead_ms, self.lease);
        match verdict {
            Verdict::Dangerous => error!(
                ahead_secs,
                "THE CLOCK OF THIS HOST DIFFERS FROM THE DATABASE'S so far that leases do not keep two processes from \
                 working on one cluster at once; set it right"
            ),
            Verdict::Differ => warn!(
                ahead_secs,
                "the clock of this host differs from the database's; set it right before leases cannot be relied on"
            ),
            Verdict::Agree if self.differed => {
                info!("the clock of this host agrees with the database's again")
            }
            Verdict::Agree => {}
        }
        self.differed = verdict != Verdict::Agree;
    }
}

fn judge(ahead_ms: i64, lease: Duration) -> Verdict {
    let difference = Duration::from_millis(ahead_ms.unsigned_abs());
    if difference > lease / DANGEROUS_PART {
        Verdict::Dangerous
    } else if difference > TOLERATED {
        Verdict::Differ
    } else {
        Verdict::Agree
    }
}

/// Milliseconds that our clock is ahead at least: the server looked at its own some time between our two looks, so
/// an answer that was long on its way is no difference.
fn ahead_ms(before: Millis, theirs: Millis, after: Millis) -> i64 {
    if theirs.0 < before.0 {
        before.0.saturating_sub(theirs.0)
    } else if theirs.0 > after.0 {
        after.0.saturating_sub(theirs.0)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_no_difference() {
        let ahead = |before, theirs, after| ahead_ms(Millis(before), Millis(theirs), Millis(after));
        assert_eq!(ahead(1_000, 1_000, 9_000), 0);
        assert_eq!(ahead(1_000, 5_000, 9_000), 0);
        assert_eq!(ahead(1_000, 9_000, 9_000), 0);
        assert_eq!(ahead(1_000, 400, 9_000), 600);
        assert_eq!(ahead(1_000, 9_500, 9_000), -500);
        assert_eq!(ahead(i64::MAX, i64::MIN, i64::MAX), i64::MAX);
    }

    #[test]
    fn a_difference_is_told_of_before_it_is_dangerous() {
        let judged = |ahead_ms| judge(ahead_ms, Duration::from_secs(90));
        assert_eq!(
            [judged(0), judged(2_000), judged(-2_000)],
            [const { Verdict::Agree }; 3]
        );
        assert_eq!([judged(2_001), judged(-22_500)], [const { Verdict::Differ }; 2]);
        assert_eq!(
            [judged(22_501), judged(-90_000)],
            [const { Verdict::Dangerous }; 2]
        );
    }
}
