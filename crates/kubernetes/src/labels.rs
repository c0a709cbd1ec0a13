//! The labels that the driver knows.

use jeroboam_blueprint::clients;
use jeroboam_blueprint::network::VIRTUAL_IP_LABEL;
use jeroboam_driver::LabelDefault::{Field, None as Nothing, Option as Operator, Value};
use jeroboam_driver::LabelKind::{Bool, Choice, Cidr, Integer, Pattern, Text};
use jeroboam_driver::LabelReach::{Cluster, NodeGroup};
use jeroboam_driver::{LabelDefault, LabelKind, LabelReach, LabelSpec};

use crate::options::{BACKEND_LABEL, BACKENDS, PRIVATE_LABEL, RANGE_LABEL, arguments, values};
use crate::registries;
use crate::version::Version;

const GIB: LabelKind = Integer {
    min: 0,
    max: i32::MAX as i64,
    unit: "GiB",
};

const ARGUMENTS: LabelKind = Pattern {
    form: "arguments such as --name=value with blanks between them",
    fits: |text| arguments::free(text).is_ok(),
};

const WORDS: LabelKind = Pattern {
    form: "names of letters, digits and underscores with commas between them",
    fits: |text| arguments::words(text).is_ok(),
};

const PLAIN: LabelKind = Pattern {
    form: "a word without quotes and blanks",
    fits: |text| arguments::plain(text).is_ok(),
};

const COUNT: LabelKind = Integer {
    min: 0,
    max: u32::MAX as i64,
    unit: "",
};

const NODES: LabelKind = Integer {
    min: 0,
    max: i32::MAX as i64,
    unit: "",
};

const fn label(
    name: &'static str,
    kind: LabelKind,
    default: LabelDefault,
    reach: LabelReach,
    description: &'static str,
) -> LabelSpec {
    LabelSpec {
        name,
        kind,
        default,
        reach,
        description,
    }
}

/// Every label.
pub(crate) const LABELS: &[LabelSpec] = &[
    label(
        "kube_tag",
        Pattern {
            form: "a version of Kubernetes such as v1.31.2, 1.20 or later",
            fits: |text| text.parse::<Version>().is_ok(),
        },
        Nothing,
        Cluster,
        "version of Kubernetes that the image has; needed when the image has no property kube_version, else the same",
    ),
    label(
        "flannel_network_cidr",
        Cidr,
        Value("10.100.0.0/16"),
        Cluster,
        "addresses of pods",
    ),
    label(
        "calico_ipv4pool",
        Cidr,
        Value("10.100.0.0/16"),
        Cluster,
        "the same with the network driver calico",
    ),
    label(
        "cilium_ipv4pool",
        Cidr,
        Value("10.100.0.0/16"),
        Cluster,
        "the same with the network driver cilium",
    ),
    label(
        RANGE_LABEL,
        Integer {
            min: 8,
            max: 28,
            unit: "",
        },
        Value("24"),
        Cluster,
        "length of the prefix of each node's range of these",
    ),
    label(
        BACKEND_LABEL,
        Choice(&BACKENDS),
        Value(BACKENDS[0]),
        Cluster,
        "how the network driver flannel reaches pods of other nodes: by routes, or in a tunnel",
    ),
    label(
        PRIVATE_LABEL,
        Bool,
        Value("false"),
        Cluster,
        "the service has no way to the API: the masters come to it for its calls",
    ),
    label(
        VIRTUAL_IP_LABEL,
        Bool,
        Value("false"),
        Cluster,
        "an address of Neutron's that the masters lend each other for the API, where there is no load balancer",
    ),
    label(
        "service_cluster_ip_range",
        Cidr,
        Value("10.254.0.0/16"),
        Cluster,
        "addresses of services",
    ),
    label(
        "fixed_subnet_cidr",
        Cidr,
        Value("10.0.0.0/24"),
        Cluster,
        "network of a subnet that is made, from /16 to /28",
    ),
    label(
        "master_lb_floating_ip_enabled",
        Bool,
        Field("floating_ip_enabled"),
        Cluster,
        "gives the load balancer of the API a floating IP",
    ),
    clients::LABELS[0],
    clients::LABELS[1],
    clients::LABELS[2],
    clients::LABELS[3],
    clients::LABELS[4],
    label(
        "api_server_cert_sans",
        Pattern {
            form: "names and addresses with commas between them",
            fits: |text| values::names(text).is_ok(),
        },
        Nothing,
        Cluster,
        "names and addresses in the certificate of the API besides its own",
    ),
    label(
        "container_infra_prefix",
        Pattern {
            form: "a registry with or without a path",
            fits: |text| values::repository(text).is_ok(),
        },
        Nothing,
        Cluster,
        "where the control plane's images come from, instead of where kubeadm looks",
    ),
    label(
        "etcd_tag",
        Pattern {
            form: "the tag of a container image",
            fits: |text| values::tag(text).is_ok(),
        },
        Nothing,
        Cluster,
        "tag of etcd's image, instead of kubeadm's choice",
    ),
    label(
        "etcd_volume_size",
        GIB,
        Value("0"),
        Cluster,
        "size of a volume for etcd's data on each master; 0 for none",
    ),
    label(
        "etcd_volume_type",
        Text,
        Operator {
            section: "cinder",
            name: "default_etcd_volume_type",
        },
        Cluster,
        "volume type of that",
    ),
    label(
        "coredns_enabled",
        Bool,
        Value("true"),
        Cluster,
        "lets kubeadm install CoreDNS",
    ),
    label(
        "cgroup_driver",
        Choice(&["systemd", "cgroupfs"]),
        Value("systemd"),
        Cluster,
        "who makes control groups; the image's containerd must agree",
    ),
    label(
        "plain_user_data",
        Bool,
        Value("false"),
        Cluster,
        "puts the nodes' keys into user-data also where nodes could fetch them from the service",
    ),
    label(
        "kube_proxy_conntrack_max_per_core",
        Integer {
            min: 0,
            max: u32::MAX as i64,
            unit: "",
        },
        Nothing,
        Cluster,
        "connections that nodes track for each processor; 0 leaves the kernel's limit",
    ),
    label(
        "kubeapi_options",
        ARGUMENTS,
        Nothing,
        Cluster,
        "arguments of the API server",
    ),
    label(
        "kubecontroller_options",
        ARGUMENTS,
        Nothing,
        Cluster,
        "arguments of the controller manager",
    ),
    label(
        "kubescheduler_options",
        ARGUMENTS,
        Nothing,
        Cluster,
        "arguments of the scheduler",
    ),
    label(
        "kubelet_options",
        ARGUMENTS,
        Nothing,
        Cluster,
        "arguments of the kubelet",
    ),
    label(
        "admission_control_list",
        WORDS,
        Nothing,
        Cluster,
        "admission plugins of the API server besides its own; NodeRestriction always is one",
    ),
    label(
        "api_server_tls_cipher_suites",
        WORDS,
        Nothing,
        Cluster,
        "cipher suites of the API server, by Go's names",
    ),
    label(
        "kubelet_tls_cipher_suites",
        WORDS,
        Nothing,
        Cluster,
        "cipher suites of the kubelets, by Go's names",
    ),
    label(
        "oidc_issuer_url",
        Pattern {
            form: "a URL such as https://issuer.example.com",
            fits: |text| arguments::issuer(text).is_ok(),
        },
        Nothing,
        Cluster,
        "issuer of OpenID Connect whose tokens the API server takes; needs oidc_client_id",
    ),
    label(
        "oidc_client_id",
        PLAIN,
        Nothing,
        Cluster,
        "audience of these tokens",
    ),
    label(
        "oidc_username_claim",
        PLAIN,
        Nothing,
        Cluster,
        "claim with the user's name",
    ),
    label(
        "oidc_username_prefix",
        PLAIN,
        Nothing,
        Cluster,
        "what is put before it; - for nothing",
    ),
    label(
        "oidc_groups_claim",
        PLAIN,
        Nothing,
        Cluster,
        "claim with the user's groups",
    ),
    label(
        "oidc_groups_prefix",
        PLAIN,
        Nothing,
        Cluster,
        "what is put before them",
    ),
    label(
        "audit_log_enabled",
        Bool,
        Value("false"),
        Cluster,
        "lets the API server keep an audit log on the masters",
    ),
    label(
        "audit_log_maxage",
        COUNT,
        Value("30"),
        Cluster,
        "days that files of it are kept",
    ),
    label(
        "audit_log_maxbackup",
        COUNT,
        Value("10"),
        Cluster,
        "number of them that are kept",
    ),
    label(
        "audit_log_maxsize",
        COUNT,
        Value("100"),
        Cluster,
        "MiB at which a new one is begun",
    ),
    label(
        "registry_mirrors",
        Pattern {
            form: "mirrors such as docker.io=https://mirror.example.com with commas between them",
            fits: |text| registries::mirrors(text).is_ok(),
        },
        Nothing,
        Cluster,
        "what containerd asks before a registry; * stands for every other registry",
    ),
    label(
        "min_node_count",
        NODES,
        Nothing,
        Cluster,
        "least size of the default worker group",
    ),
    label(
        "max_node_count",
        NODES,
        Nothing,
        Cluster,
        "greatest size of the default worker group while it is scaled by itself; one more than node_count without it",
    ),
    label(
        "auto_healing_enabled",
        Bool,
        Value("false"),
        Cluster,
        "replaces nodes that are not ready for long",
    ),
    label(
        "auto_healing_controller",
        Text,
        Nothing,
        Cluster,
        "magnum-auto-healer leaves health and healing to a controller of that name in the cluster",
    ),
    label(
        "boot_volume_size",
        GIB,
        Operator {
            section: "cinder",
            name: "default_boot_volume_size",
        },
        NodeGroup,
        "boots from a new volume of this size; 0 boots from the image",
    ),
    label(
        "boot_volume_type",
        Text,
        Operator {
            section: "cinder",
            name: "default_boot_volume_type",
        },
        NodeGroup,
        "volume type of that",
    ),
    label(
        "docker_volume_type",
        Text,
        Operator {
            section: "cinder",
            name: "default_docker_volume_type",
        },
        NodeGroup,
        "volume type of docker_volume_size",
    ),
    label(
        "availability_zone",
        Text,
        Nothing,
        NodeGroup,
        "availability zone of servers and volumes, or several that nodes are spread over",
    ),
    label(
        "control_plane_availability_zones",
        LabelKind::List(&Text),
        Field("availability_zone"),
        Cluster,
        "the same of the masters",
    ),
    label(
        "extra_volumes",
        Pattern {
            form: "volumes such as /var/lib/data:100:fast, directory, GiB and type, with commas between them",
            fits: |text| values::volumes(text).is_ok(),
        },
        Nothing,
        NodeGroup,
        "more volumes of each node, and where they are mounted",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_values_that_the_labels_take() {
        for spec in LABELS {
            if let Value(default) = spec.default {
                spec.check(default).unwrap();
            }
            let same = LABELS.iter().filter(|other| other.name == spec.name);
            assert_eq!(same.count(), 1, "{}", spec.name);
            assert!(!spec.description.ends_with('.'), "{}", spec.name);
        }
    }
}
