//! Real Linux machines and networks for the simulator: boots servers and moves their packets.
//!
//! It applies a [`topology::Topology`] to the machine and reports what became of it. It knows nothing of
//! OpenStack's APIs, and touches nothing in the root network namespace but one interface that leads to the
//! external network.

pub mod topology;
