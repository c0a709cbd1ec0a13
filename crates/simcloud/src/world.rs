//! The whole state of the simulated cloud: one field per service, one lock around all of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    cinder, cinder::Cinder, glance, glance::Glance, keystone, keystone::Keystone, neutron, neutron::Neutron,
    nova, nova::Nova, octavia, octavia::Octavia, usage,
};

/// Provider network of a simulator without real machines (RFC 5737, TEST-NET-3).
pub(crate) const EXTERNAL_CIDR: &str = "198.18.0.0/24";

/// Asynchronous states advance at most this often, so that a burst of calls does not pay for each.
const TICK_MS: i64 = 5;

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
    /// True when servers are machines: then their states come from these, not from [`Pace`].
    pub real_nodes: bool,
    /// Log of the real machine that the present call asks for.
    #[serde(skip)]
    pub console_log: Option<String>,
    /// What servers that are no machines say on their consoles, by their names.
    pub consoles: BTreeMap<String, String>,
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
    /// Kind and id of what the seed made, which [`usage`] leaves out.
    pub seeded: BTreeSet<(String, String)>,
    last_tick_ms: i64,
}

/// Duration in milliseconds of the asynchronous parts, each settable while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
        Self {
            server_build_ms: 200,
            server_delete_ms: 100,
            volume_ms: 100,
            load_balancer_ms: 200,
        }
    }
}

impl World {
    /// An empty world. `roomy` lifts the default quotas to sizes for tests of thousands.
    pub fn new(seed: u64, pace: Pace, now_ms: i64, roomy: bool) -> Self {
        let mut world = Self {
            now_ms,
            rng: fastrand::Rng::with_seed(seed),
            pace,
            real_nodes: false,
            console_log: None,
            consoles: BTreeMap::new(),
            keystone: Keystone::default(),
            glance: Glance::default(),
            nova: Nova::default(),
            neutron: Neutron::default(),
            cinder: Cinder::default(),
            octavia: Octavia::default(),
            seeded: BTreeSet::new(),
            last_tick_ms: now_ms,
        };
        if roomy {
            nova::make_roomy(&mut world);
            neutron::roomy(&mut world);
            octavia::roomy(&mut world);
            cinder::roomy(&mut world);
        }
        world
    }

    /// Fills an empty world as DevStack would: identities, flavors, an image, and an external network `public` with
    /// the subnet `external_cidr`.
    pub fn seed(&mut self, external_cidr: &str) {
        keystone::seed(self);
        glance::seed(self);
        nova::seed(self);
        neutron::seed(self, external_cidr);
        self.seeded = usage::inventory(self)
            .into_iter()
            .map(|item| (item.kind, item.id))
            .collect();
    }

    /// Moves the clock forward, never back, and does the asynchronous work whose time has come.
    pub fn advance(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.now_ms - self.last_tick_ms >= TICK_MS {
            self.last_tick_ms = self.now_ms;
            keystone::tick(self);
            neutron::tick(self);
            cinder::tick(self);
            octavia::tick(self);
            nova::tick(self);
        }
    }

    /// A new random UUID from the seeded generator.
    pub fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.rng.u128(..).to_be_bytes())
            .into_uuid()
            .to_string()
    }

    /// Random URL-safe text of this length.
    pub(crate) fn rng_text(&mut self, length: usize) -> String {
        std::iter::repeat_with(|| self.rng.alphanumeric())
            .take(length)
            .collect()
    }

    /// A new random UUID without dashes, as Keystone writes ids.
    pub fn hex_id(&mut self) -> String {
        self.uuid().replace('-', "")
    }
}
