//! Real machines. They live in a module of this name, so that they run alone, and can be left out, by name.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

mod machines;
