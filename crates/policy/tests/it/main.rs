//! The policy language against the original.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a failed test")]

mod cases;
mod oslo;
