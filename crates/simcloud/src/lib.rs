//! A stateful OpenStack simulator over HTTP: Keystone, Glance, Nova, Neutron, Cinder and Octavia in one process.
//!
//! Paths, field names, status codes and error bodies are those of the real services. Services are plain
//! synchronous functions over one [`World`]; everything that needs HTTP, time or chance lives around them:
//! [`SimCloud`] serves them, [`faults`] makes them fail on purpose and repeatably, [`usage`] shows what is left
//! over. With [`Nodes::StateOnly`] a server is a row that turns ACTIVE after a while; with [`Nodes::Real`] it is a
//! machine that boots on this host.

pub mod call;
pub mod cinder;
pub mod faults;
pub mod glance;
pub mod keystone;
pub mod neutron;
pub mod nova;
pub mod octavia;
pub mod secret;
pub mod usage;
pub mod world;

mod admin;
mod clock;
mod counts;
mod http;
mod pattern;
mod pipeline;
mod realize;
mod server;
mod service;
mod simcloud;
mod versions;

pub use counts::CallCounts;
pub use service::Service;
pub use simcloud::{Nodes, Options, SimCloud, StartError};
pub use usage::Usage;
pub use world::{Pace, World};
