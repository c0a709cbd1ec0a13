//! The engine against the simulated cloud, with a real database: every operation with each call failed, cut off
//! by a crash, taken twice, and with the lease stolen.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of a test may panic"
)]

mod addons;
mod autoscaler;
mod bootstrap;
mod changes;
mod crash;
mod deadline;
mod diagnosis;
mod failure;
mod faults;
mod healing;
mod house;
mod identity;
mod masters;
mod private;
mod rotations;
mod upgrades;
mod wishes;
