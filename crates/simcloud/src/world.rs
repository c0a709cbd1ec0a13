//! The whole state of the simulated cloud: one field per service, one lock around all of it.

use serde::{Deserialize, Serialize};

use crate::{cinder::Cinder, glance::Glance, keystone::Keystone, neutron::Neutron, nova::Nova, octavia::Octavia};

/// State of every service. Handlers take `&mut World`, so a service may look at its neighbours directly.
#[derive(Debug, Serialize, Deserialize)]
pub struct World {
    /// Milliseconds since the Unix epoch at the present call. Set before every call and every tick.
    pub now_ms: i64,
    /// Seeded randomness: replays with the same seed.
    #[serde(skip)]
    pub rng: fastrand::Rng,
    /// How long asynchronous work takes.
    pub pace: Pace,
    /// Identity.
    pub keystone: Keystone,
    /// Images.
    pub glance: Glance,
    /// Compute.
    pub nova: Nova,
    /// Networking.
    pub neutron: Neutron,
    /// Block storage.
    pub cinder: Cinder,
    /// Load balancing.
    pub octavia: Octavia,
}

/// Duration in milliseconds of the asynchronous parts, each settable while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// A state-only server in BUILD.
    pub server_build_ms: u64,
    /// A server being deleted.
    pub server_delete_ms: u64,
    /// A volume in `creating` or `deleting`.
    pub volume_ms: u64,
    /// A load balancer in PENDING_CREATE, PENDING_UPDATE or PENDING_DELETE.
    pub load_balancer_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { server_build_ms: 200, server_delete_ms: 100, volume_ms: 100, load_balancer_ms: 200 }
    }
}

impl World {
    /// A new random UUID from the seeded generator.
    pub fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.rng.u128(..).to_be_bytes()).into_uuid().to_string()
    }
}
