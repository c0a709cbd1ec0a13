//! Finds records by kind.

use serde_json::Value;

use super::{Common, Kind, Listener, Member, Octavia};

impl Octavia {
    /// What all records have of one record.
    pub fn common(&self, kind: Kind, id: &str) -> Option<&Common> {
        match kind {
            Kind::LoadBalancer => self.load_balancers.get(id).map(|record| &record.common),
            Kind::Listener => self.listeners.get(id).map(|record| &record.common),
            Kind::Pool => self.pools.get(id).map(|record| &record.common),
            Kind::Member => self.members.get(id).map(|record| &record.common),
            Kind::HealthMonitor => self.health_monitors.get(id).map(|record| &record.common),
        }
    }

    pub(super) fn common_mut(&mut self, kind: Kind, id: &str) -> Option<&mut Common> {
        match kind {
            Kind::LoadBalancer => self.load_balancers.get_mut(id).map(|record| &mut record.common),
            Kind::Listener => self.listeners.get_mut(id).map(|record| &mut record.common),
            Kind::Pool => self.pools.get_mut(id).map(|record| &mut record.common),
            Kind::Member => self.members.get_mut(id).map(|record| &mut record.common),
            Kind::HealthMonitor => self.health_monitors.get_mut(id).map(|record| &mut record.common),
        }
    }

    pub(super) fn ids(&self, kind: Kind) -> Box<dyn Iterator<Item = &str> + '_> {
        match kind {
            Kind::LoadBalancer => Box::new(self.load_balancers.keys().map(String::as_str)),
            Kind::Listener => Box::new(self.listeners.keys().map(String::as_str)),
            Kind::Pool => Box::new(self.pools.keys().map(String::as_str)),
            Kind::Member => Box::new(self.members.keys().map(String::as_str)),
            Kind::HealthMonitor => Box::new(self.health_monitors.keys().map(String::as_str)),
        }
    }

    /// Oldest first.
    pub(super) fn commons(&self, kind: Kind) -> Vec<&Common> {
        let mut all: Vec<&Common> = self.ids(kind).filter_map(|id| self.common(kind, id)).collect();
        all.sort_by_key(|common| common.sequence);
        all
    }

    /// The load balancer that a record hangs on.
    pub(super) fn load_balancer_of(&self, kind: Kind, id: &str) -> Option<&str> {
        let of_pool = |pool: &str| self.pools.get(pool).map(|pool| pool.load_balancer_id.as_str());
        match kind {
            Kind::LoadBalancer => self
                .load_balancers
                .get(id)
                .map(|record| record.common.id.as_str()),
            Kind::Listener => self
                .listeners
                .get(id)
                .map(|record| record.load_balancer_id.as_str()),
            Kind::Pool => of_pool(id),
            Kind::Member => self.members.get(id).and_then(|record| of_pool(&record.pool_id)),
            Kind::HealthMonitor => self
                .health_monitors
                .get(id)
                .and_then(|record| of_pool(&record.pool_id)),
        }
    }

    pub(super) fn show(&self, kind: Kind, id: &str) -> Option<Value> {
        match kind {
            Kind::LoadBalancer => self
                .load_balancers
                .get(id)
                .map(|record| record.render(self, false)),
            Kind::Listener => self.listeners.get(id).map(Listener::render),
            Kind::Pool => self.pools.get(id).map(|record| record.render(self, false)),
            Kind::Member => self.members.get(id).map(Member::render),
            Kind::HealthMonitor => self.health_monitors.get(id).map(|record| record.render(true)),
        }
    }
}
