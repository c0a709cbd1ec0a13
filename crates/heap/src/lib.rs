//! Memory that is free goes back to the system. The C library keeps what a peak has needed in case that another one
//! comes: after some lists of a thousand clusters that is more than all the rest of the heap.
//!
//! Owns the calls of the C library, so that no other crate needs unsafe code. It decides nothing but when.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often the size of the process is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Growth from which on it is worth looking for free memory.
const GROWTH_BYTES: u64 = 1024 * 1024;
/// Bytes of a page, or less: only growth is compared with it.
const PAGE_BYTES: u64 = 4096;

/// Gives free memory back whenever the process has grown, until the shutdown.
pub async fn keep_small(shutdown: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut small = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = looks.tick() => {}
        }
        let resident = resident_bytes();
        if resident >= small + GROWTH_BYTES {
            // It takes a millisecond for each few megabytes, in which nobody else is to wait.
            if tokio::task::spawn_blocking(trim).await.is_err() {
                return;
            }
            small = resident_bytes();
        } else {
            small = small.min(resident);
        }
    }
}

/// Memory of the process that is not on a disk alone; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * PAGE_BYTES
}

/// Gives all free pages of the heap back.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the library has no safe call for it")]
fn trim() {
    // SAFETY: it takes no pointers, locks what it touches, and changes nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Other libraries keep little, or have no such call.
#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_between_what_is_used_goes_back() {
        const BLOCK: usize = 16 * 1024;
        let before = resident_bytes();
        let mut blocks: Vec<Vec<u8>> = (0..4096).map(|_| vec![1; BLOCK]).collect();
        let full = resident_bytes();
        assert!(full >= before + 60 * GROWTH_BYTES, "{before} {full}");
        // The last ones stay, so that the heap cannot shrink from its end.
        blocks.drain(..4000);
        trim();
        let after = resident_bytes();
        assert!(after <= before + 10 * GROWTH_BYTES, "{before} {full} {after}");
        assert_eq!(blocks.len(), 96);
    }
}
