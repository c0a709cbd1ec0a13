//! The program as its users meet it: started from the command line, spoken to by unmodified clients.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of a test may panic"
)]

mod addons;
mod clients;
mod kubernetes;
mod limits;
mod machines;
mod policy;
mod rig;
mod schemathesis;
mod serving;
mod startup;
