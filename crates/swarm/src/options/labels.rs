//! The labels that swarms know.

use jeroboam_blueprint::{clients, read};
use jeroboam_driver::{LabelDefault, LabelKind, LabelReach, LabelSpec};

/// Ports that are open to the world.
const WORKER_OPEN_PORTS: LabelSpec = LabelSpec {
    name: "worker_open_ports",
    kind: LabelKind::List(&LabelKind::Pattern {
        form: "a port or a range of ports such as 8080-8090",
        fits: |text| read::port_ranges(text).is_ok(),
    }),
    default: LabelDefault::None,
    reach: LabelReach::Cluster,
    description: "ports that are open to everybody, TCP and UDP, on every node, managers too",
};

/// Network of the nodes.
const FIXED_SUBNET_CIDR: LabelSpec = LabelSpec {
    name: "fixed_subnet_cidr",
    kind: LabelKind::Cidr,
    default: LabelDefault::Value("10.0.0.0/24"),
    reach: LabelReach::Cluster,
    description: "network of a made subnet: /16 to /28, with room for all nodes and 4 more",
};

/// Whether the load balancer is reached from outside.
const MASTER_LB_FLOATING_IP_ENABLED: LabelSpec = LabelSpec {
    name: "master_lb_floating_ip_enabled",
    kind: LabelKind::Bool,
    default: LabelDefault::Field("floating_ip_enabled"),
    reach: LabelReach::Cluster,
    description: "a floating IP for the load balancer",
};

/// Volume to boot from.
const BOOT_VOLUME_SIZE: LabelSpec = LabelSpec {
    name: "boot_volume_size",
    kind: LabelKind::Integer {
        min: 0,
        max: i32::MAX as i64,
        unit: "GiB",
    },
    default: LabelDefault::Option {
        section: "cinder",
        name: "default_boot_volume_size",
    },
    reach: LabelReach::NodeGroup,
    description: "boots from a new volume of this size, which goes with its server; 0 boots from the image",
};

/// Type of that volume.
const BOOT_VOLUME_TYPE: LabelSpec = LabelSpec {
    name: "boot_volume_type",
    kind: LabelKind::Text,
    default: LabelDefault::Option {
        section: "cinder",
        name: "default_boot_volume_type",
    },
    reach: LabelReach::NodeGroup,
    description: "volume type of the volume to boot from",
};

/// Type of the volume of Docker's data.
const DOCKER_VOLUME_TYPE: LabelSpec = LabelSpec {
    name: "docker_volume_type",
    kind: LabelKind::Text,
    default: LabelDefault::Option {
        section: "cinder",
        name: "default_docker_volume_type",
    },
    reach: LabelReach::NodeGroup,
    description: "volume type of `docker_volume_size`",
};

/// Where servers run.
const AVAILABILITY_ZONE: LabelSpec = LabelSpec {
    name: "availability_zone",
    kind: LabelKind::Text,
    default: LabelDefault::None,
    reach: LabelReach::NodeGroup,
    description: "availability zone of servers and Docker volumes, or several that nodes are spread over; the cloud's own choice without it",
};

/// Where keys are.
const PLAIN_USER_DATA: LabelSpec = LabelSpec {
    name: "plain_user_data",
    kind: LabelKind::Bool,
    default: LabelDefault::Value("false"),
    reach: LabelReach::Cluster,
    description: "puts the nodes' keys into user-data also where nodes could fetch them from the service",
};

/// Least size of the default worker group.
const MIN_NODE_COUNT: LabelSpec = LabelSpec {
    name: "min_node_count",
    kind: LabelKind::Integer {
        min: 0,
        max: i32::MAX as i64,
        unit: "",
    },
    default: LabelDefault::None,
    reach: LabelReach::Cluster,
    description: "least size of the default worker group",
};

/// Whether lost nodes are replaced.
const AUTO_HEALING_ENABLED: LabelSpec = LabelSpec {
    name: "auto_healing_enabled",
    kind: LabelKind::Bool,
    default: LabelDefault::Value("false"),
    reach: LabelReach::Cluster,
    description: "replaces nodes that are not ready for long",
};

/// All of them.
pub(crate) const ALL: &[LabelSpec] = &[
    WORKER_OPEN_PORTS,
    FIXED_SUBNET_CIDR,
    MASTER_LB_FLOATING_IP_ENABLED,
    BOOT_VOLUME_SIZE,
    BOOT_VOLUME_TYPE,
    DOCKER_VOLUME_TYPE,
    AVAILABILITY_ZONE,
    clients::LABELS[0],
    clients::LABELS[1],
    clients::LABELS[2],
    clients::LABELS[3],
    clients::LABELS[4],
    PLAIN_USER_DATA,
    MIN_NODE_COUNT,
    AUTO_HEALING_ENABLED,
];

#[cfg(test)]
mod tests {
    use jeroboam_types::Labels;

    use super::*;
    use crate::options::Options;
    use crate::options::tests::ask;

    #[test]
    fn the_page_for_tenants_shows_every_label_as_it_is() {
        let page = include_str!("../../../../docs/user/swarm.md");
        let table = jeroboam_driver::label::table(ALL);
        assert!(
            page.contains(&table),
            "docs/user/swarm.md needs this table:\n{table}"
        );
    }

    #[test]
    fn what_is_described_is_what_is_read() {
        let values = [
            "",
            "0",
            "7",
            "-1",
            "1.5",
            "65536",
            "true",
            "No",
            "maybe",
            "80,8080-8090",
            "80-",
            "10.0.0.0/24",
            "10.0.0.1/24",
            "ssd",
            "a\nb",
            "99999999999999999999",
        ];
        // The API and the engine read these themselves.
        let others = [MIN_NODE_COUNT.name, AUTO_HEALING_ENABLED.name];
        for spec in ALL.iter().filter(|spec| !others.contains(&spec.name)) {
            for value in values {
                let mut ask = ask(1, 1);
                ask.cluster.master_lb_enabled = Some(true);
                ask.resolved.defaults.source_cidrs = vec!["192.0.2.0/28".into()];
                ask.cluster.labels = Labels::from_iter([(spec.name, value)]);
                let read = Options::parse(&ask);
                assert_eq!(
                    read.is_ok(),
                    spec.check(value).is_ok(),
                    "{}={value:?}: {read:?}",
                    spec.name
                );
            }
        }
    }
}
