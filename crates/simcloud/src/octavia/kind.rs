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

    /// Name of the object in messages about unknown attributes.
    pub fn argument(self) -> &'static str {
        match self {
            Self::LoadBalancer => "load_balancer.loadbalancer",
            Self::Listener => "listener_.listener",
            Self::Pool => "pool_.pool",
            Self::Member => "member_.member",
            Self::HealthMonitor => "health_monitor_.healthmonitor",
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

    /// True when a list may be narrowed by this attribute.
    pub fn is_filter(self, name: &str) -> bool {
        const COMMON: &[&str] = &[
            "id",
            "name",
            "description",
            "project_id",
            "tenant_id",
            "admin_state_up",
            "provisioning_status",
            "operating_status",
            "created_at",
            "updated_at",
            "tags",
            "tags-any",
            "not-tags",
            "not-tags-any",
        ];
        let own: &[&str] = match self {
            Self::LoadBalancer => &[
                "vip_address",
                "vip_port_id",
                "vip_subnet_id",
                "vip_network_id",
                "vip_qos_policy_id",
                "provider",
                "flavor_id",
                "availability_zone",
            ],
            Self::Listener => &[
                "loadbalancer_id",
                "load_balancer_id",
                "protocol",
                "protocol_port",
                "default_pool_id",
                "connection_limit",
                "timeout_client_data",
                "timeout_member_connect",
                "timeout_member_data",
                "timeout_tcp_inspect",
            ],
            Self::Pool => &[
                "loadbalancer_id",
                "load_balancer_id",
                "listener_id",
                "protocol",
                "lb_algorithm",
                "tls_enabled",
            ],
            Self::Member => &[
                "address",
                "protocol_port",
                "weight",
                "backup",
                "subnet_id",
                "monitor_address",
                "monitor_port",
            ],
            Self::HealthMonitor => &[
                "pool_id",
                "type",
                "delay",
                "timeout",
                "max_retries",
                "max_retries_down",
                "http_method",
                "url_path",
                "expected_codes",
            ],
        };
        COMMON.contains(&name) || own.contains(&name)
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
