//! The simulator as clients see it: over HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "a step that fails in a test helper fails the test"
)]

mod compute;
mod faults;
mod identity;
mod image;
mod recorded;
mod steering;
mod support;
mod trust;
