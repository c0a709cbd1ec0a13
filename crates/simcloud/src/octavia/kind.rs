//! The kinds of load-balancing resource and their names.

use crate::call::Refusal;

/// A resource collection of the load-balancing API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/loadbalancers`
    LoadBalancer,
    /// `/listeners`
    Listener,
    /// `/pools`
    Pool,
    /// `/pools/{id}/members`
    Member,
    /// `/healthmonitors`
    HealthMonitor,
}

impl Kind {
    /// The kind behind a URL segment below `lbaas`.
    pub fn of_segment(segment: &str) -> Option<Self> {
        [
            Self::LoadBalancer,
            Self::Listener,
            Self::Pool,
            Self::HealthMonitor,
        ]
        .into_iter()
        .find(|kind| kind.plural() == segment)
    }

    /// Key of one object in a body; also the resource's name in quotas.
    pub fn singular(self) -> &'static str {
        match self {
            Self::LoadBalancer => "loadbalancer",
            Self::Listener => "listener",
            Self::Pool => "pool",
            Self::Member => "member",
            Self::HealthMonitor => "healthmonitor",
        }
    }

    /// Key of a list in a body, and URL segment.
    pub fn plural(self) -> &'static str {
        match self {
            Self::LoadBalancer => "loadbalancers",
            Self::Listener => "listeners",
            Self::Pool => "pools",
            Self::Member => "members",
            Self::HealthMonitor => "healthmonitors",
        }
    }

    /// Name in messages.
    pub fn title(self) -> &'static str {
        match self {
            Self::LoadBalancer => "Load Balancer",
            Self::Listener => "Listener",
            Self::Pool => "Pool",
            Self::Member => "Member",
            Self::HealthMonitor => "Health Monitor",
        }
    }

    /// 404 `Load Balancer X not found.`
    pub fn not_found(self, id: &str) -> Refusal {
        Refusal::new(404, "NotFound", format!("{} {id} not found.", self.title()))
    }

    /// 409 `Load Balancer X is immutable and cannot be updated.`
    pub fn immutable(self, id: &str) -> Refusal {
        Refusal::new(
            409,
            "ImmutableObject",
            format!("{} {id} is immutable and cannot be updated.", self.title()),
        )
    }
}
