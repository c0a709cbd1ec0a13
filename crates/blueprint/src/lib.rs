//! What drivers whose nodes are servers share: which nodes there are, the network and servers that they stand on,
//! the reading of fields and labels, user-data that fits Nova, and a client of the COE's API.
//!
//! Pure but for [`api`]: the same wish gives the same graph.

pub mod api;
pub mod clients;
pub mod graph;
pub mod network;
pub mod nodes;
pub mod read;
pub mod servers;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod userdata;

pub use clients::Clients;
pub use graph::Footing;
pub use network::{Entrance, NetworkOptions};
pub use nodes::Node;
pub use servers::GroupOptions;
