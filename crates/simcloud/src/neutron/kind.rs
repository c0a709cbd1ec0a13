//! The kinds of Neutron resource and what the API says of each: names, writable attributes, filters.

use crate::call::Refusal;

/// A resource collection of the networking API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/networks`
    Network,
    /// `/subnets`
    Subnet,
    /// `/routers`
    Router,
    /// `/ports`
    Port,
    /// `/security-groups`
    SecurityGroup,
    /// `/security-group-rules`
    SecurityGroupRule,
    /// `/floatingips`
    FloatingIp,
}

const COMMON_FILTERS: &[&str] = &[
    "id",
    "name",
    "description",
    "project_id",
    "tenant_id",
    "created_at",
    "updated_at",
    "changed_since",
    "revision_number",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
];

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Network,
        Self::Subnet,
        Self::Router,
        Self::Port,
        Self::SecurityGroup,
        Self::SecurityGroupRule,
        Self::FloatingIp,
    ];

    /// The kind behind a URL segment such as `security-groups`.
    pub fn of_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.segment() == segment)
    }

    /// URL segment.
    pub fn segment(self) -> String {
        self.plural().replace('_', "-")
    }

    /// Key of one object in a body; also the resource's name in quotas.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Subnet => "subnet",
            Self::Router => "router",
            Self::Port => "port",
            Self::SecurityGroup => "security_group",
            Self::SecurityGroupRule => "security_group_rule",
            Self::FloatingIp => "floatingip",
        }
    }

    /// Key of a list in a body.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Network => "networks",
            Self::Subnet => "subnets",
            Self::Router => "routers",
            Self::Port => "ports",
            Self::SecurityGroup => "security_groups",
            Self::SecurityGroupRule => "security_group_rules",
            Self::FloatingIp => "floatingips",
        }
    }

    /// The 404 of this kind, worded as neutron-lib words it.
    pub fn not_found(self, id: &str) -> Refusal {
        let (class, message) = match self {
            Self::Network => ("NetworkNotFound", format!("Network {id} could not be found.")),
            Self::Subnet => ("SubnetNotFound", format!("Subnet {id} could not be found.")),
            Self::Router => ("RouterNotFound", format!("Router {id} could not be found")),
            Self::Port => ("PortNotFound", format!("Port {id} could not be found.")),
            Self::SecurityGroup => (
                "SecurityGroupNotFound",
                format!("Security group {id} does not exist"),
            ),
            Self::SecurityGroupRule => (
                "SecurityGroupRuleNotFound",
                format!("Security group rule {id} does not exist"),
            ),
            Self::FloatingIp => (
                "FloatingIPNotFound",
                format!("Floating IP {id} could not be found"),
            ),
        };
        Refusal::new(404, class, message)
    }

    /// Attributes that POST takes, besides `project_id` and `tenant_id`.
    pub fn creatable(self) -> &'static [&'static str] {
        match self {
            Self::Network => &[
                "name",
                "description",
                "admin_state_up",
                "shared",
                "router:external",
                "mtu",
                "port_security_enabled",
                "is_default",
                "availability_zone_hints",
                "dns_domain",
                "qos_policy_id",
                "vlan_transparent",
                "provider:network_type",
                "provider:physical_network",
                "provider:segmentation_id",
            ],
            Self::Subnet => &[
                "name",
                "description",
                "network_id",
                "cidr",
                "ip_version",
                "gateway_ip",
                "allocation_pools",
                "dns_nameservers",
                "host_routes",
                "enable_dhcp",
                "subnetpool_id",
                "prefixlen",
                "use_default_subnetpool",
                "service_types",
                "dns_publish_fixed_ip",
                "ipv6_ra_mode",
                "ipv6_address_mode",
                "segment_id",
            ],
            Self::Router => &[
                "name",
                "description",
                "admin_state_up",
                "external_gateway_info",
                "external_gateways",
                "distributed",
                "ha",
                "availability_zone_hints",
                "flavor_id",
                "enable_ndp_proxy",
            ],
            Self::Port => &[
                "name",
                "description",
                "network_id",
                "admin_state_up",
                "mac_address",
                "fixed_ips",
                "device_id",
                "device_owner",
                "security_groups",
                "allowed_address_pairs",
                "port_security_enabled",
                "extra_dhcp_opts",
                "binding:host_id",
                "binding:profile",
                "binding:vnic_type",
                "dns_name",
                "dns_domain",
                "qos_policy_id",
                "propagate_uplink_status",
                "numa_affinity_policy",
                "hints",
                "tags",
            ],
            Self::SecurityGroup => &["name", "description", "stateful"],
            Self::SecurityGroupRule => &[
                "security_group_id",
                "direction",
                "ethertype",
                "protocol",
                "port_range_min",
                "port_range_max",
                "remote_ip_prefix",
                "remote_group_id",
                "remote_address_group_id",
                "description",
            ],
            Self::FloatingIp => &[
                "description",
                "floating_network_id",
                "floating_ip_address",
                "subnet_id",
                "port_id",
                "fixed_ip_address",
                "dns_name",
                "dns_domain",
                "qos_policy_id",
                "distributed",
            ],
        }
    }

    /// Attributes that PUT takes.
    pub fn updatable(self) -> &'static [&'static str] {
        match self {
            Self::Network => &[
                "name",
                "description",
                "admin_state_up",
                "shared",
                "router:external",
                "mtu",
                "port_security_enabled",
                "is_default",
                "dns_domain",
                "qos_policy_id",
            ],
            Self::Subnet => &[
                "name",
                "description",
                "gateway_ip",
                "allocation_pools",
                "dns_nameservers",
                "host_routes",
                "enable_dhcp",
                "service_types",
                "dns_publish_fixed_ip",
                "segment_id",
            ],
            Self::Router => &[
                "name",
                "description",
                "admin_state_up",
                "external_gateway_info",
                "routes",
                "distributed",
                "ha",
                "enable_ndp_proxy",
            ],
            Self::Port => &[
                "name",
                "description",
                "admin_state_up",
                "mac_address",
                "fixed_ips",
                "device_id",
                "device_owner",
                "security_groups",
                "allowed_address_pairs",
                "port_security_enabled",
                "extra_dhcp_opts",
                "binding:host_id",
                "binding:profile",
                "binding:vnic_type",
                "dns_name",
                "dns_domain",
                "qos_policy_id",
                "numa_affinity_policy",
                "hints",
            ],
            Self::SecurityGroup => &["name", "description", "stateful"],
            Self::SecurityGroupRule => &[],
            Self::FloatingIp => &["description", "port_id", "fixed_ip_address", "qos_policy_id"],
        }
    }

    fn own_filters(self) -> &'static [&'static str] {
        match self {
            Self::Network => &[
                "admin_state_up",
                "status",
                "shared",
                "router:external",
                "mtu",
                "is_default",
                "provider:network_type",
                "provider:physical_network",
                "provider:segmentation_id",
                "dns_domain",
                "port_security_enabled",
            ],
            Self::Subnet => &[
                "network_id",
                "cidr",
                "ip_version",
                "gateway_ip",
                "enable_dhcp",
                "subnetpool_id",
                "shared",
                "ipv6_ra_mode",
                "ipv6_address_mode",
                "router:external",
                "segment_id",
            ],
            Self::Router => &["admin_state_up", "status", "flavor_id", "ha", "distributed"],
            Self::Port => &[
                "network_id",
                "admin_state_up",
                "status",
                "mac_address",
                "device_id",
                "device_owner",
                "fixed_ips",
                "security_groups",
                "ip_allocation",
                "binding:host_id",
                "binding:vnic_type",
                "port_security_enabled",
                "dns_name",
            ],
            Self::SecurityGroup => &["stateful", "shared"],
            Self::SecurityGroupRule => &[
                "security_group_id",
                "direction",
                "ethertype",
                "protocol",
                "port_range_min",
                "port_range_max",
                "remote_ip_prefix",
                "remote_group_id",
                "remote_address_group_id",
            ],
            Self::FloatingIp => &[
                "floating_network_id",
                "floating_ip_address",
                "fixed_ip_address",
                "port_id",
                "router_id",
                "status",
            ],
        }
    }

    /// True when a list may be narrowed by this attribute.
    pub fn is_filter(self, name: &str) -> bool {
        COMMON_FILTERS.contains(&name) || self.own_filters().contains(&name)
    }
}
