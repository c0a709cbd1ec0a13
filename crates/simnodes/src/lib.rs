//! Real Linux machines and networks for the simulator: boots servers and moves their packets.
//!
//! It applies a [`topology::Topology`] to the machine and reports what became of it. It knows nothing of
//! OpenStack's APIs, and touches nothing in the root network namespace but one interface that leads to the
//! external network.
//!
//! A server is a systemd-nspawn container that boots Debian from a shared [`image`], with a copy-on-write disk,
//! a cloud-init seed, a network namespace and control groups of its own. A network is a bridge in a namespace of
//! its own, where security groups filter; a router is a namespace with a leg in each of its networks; a load
//! balancer is a forwarder in this process. [`preflight`] tells what a machine lacks for all this.

mod apply;
mod balancer;
mod cgroup;
mod cidr;
mod error;
mod external;
mod firewall;
pub mod image;
mod machine;
mod machines;
mod names;
mod network;
pub mod preflight;
mod router;
mod run;
mod seed;
mod states;
pub mod topology;
mod volume;

pub use error::Error;
pub use external::free_external_subnet;
pub use machines::Machines;
