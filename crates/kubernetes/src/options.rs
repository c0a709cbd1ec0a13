//! What is asked, read into types: fields of the template and labels.
//!
//! Everything that can be wrong about a wish is found here; the rest of the driver cannot meet a bad value.
//! Labels that the driver does not know are ignored.

pub(crate) mod arguments;
pub(crate) mod values;

use jeroboam_addons::{CINDER_CSI, CLOUD_CONTROLLER_MANAGER, KEYSTONE_AUTH};
use jeroboam_blueprint::read::{self, label};
use jeroboam_blueprint::{Entrance, GroupOptions, NetworkOptions};
use jeroboam_driver::{Ask, Cidr, Invalid, PodNetwork};
use jeroboam_types::NodeGroup;

use crate::registries::{self, Mirror};
use crate::version::Version;
use crate::webhook;

pub(crate) use arguments::Arguments;
pub(crate) use values::{CgroupDriver, Taint, node_labels};

/// Magnum's defaults.
const DEFAULT_POD_POOL: &str = "10.100.0.0/16";
const DEFAULT_NODE_PREFIX_LEN: u8 = 24;
const DEFAULT_SERVICE_RANGE: &str = "10.254.0.0/16";

/// Where cluster DNS answers, counted from the start of the service range, as kubeadm has it.
const DNS_OFFSET: u32 = 10;

/// The controller manager gives out no more ranges than a number of so many bits counts
/// (`clusterSubnetMaxDiff` of its `cidrset`).
const MOST_RANGES_BITS: u8 = 16;

/// etcd decides by majority among its members; more than seven only cost.
const MOST_MASTERS: i32 = 7;

/// The whole wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Version of Kubernetes that the image has.
    pub(crate) version: Version,
    /// The network and the ways to the API.
    pub(crate) network: NetworkOptions,
    /// TCP port of the Kubernetes API.
    pub(crate) api_port: u16,
    /// Addresses of pods.
    pub(crate) pods: PodNetwork,
    /// CIDR that nodes are in: of the made subnet or the given one.
    pub(crate) nodes_cidr: Cidr,
    /// Addresses of services.
    pub(crate) service_range: Cidr,
    /// Names and addresses in the certificate of the API besides its own.
    pub(crate) more_names: Vec<String>,
    /// Where images of the control plane come from; `None` for kubeadm's own.
    pub(crate) image_repository: Option<String>,
    /// Tag of etcd's image; `None` for kubeadm's own.
    pub(crate) etcd_tag: Option<String>,
    /// Volume of etcd's data on masters in GiB; zero for none.
    pub(crate) etcd_volume_size: u32,
    /// Type of that volume; `None` for Cinder's default.
    pub(crate) etcd_volume_type: Option<String>,
    /// True when kubeadm is to install CoreDNS.
    pub(crate) core_dns: bool,
    /// Who makes control groups: it must be the same as in containerd's configuration.
    pub(crate) cgroup_driver: CgroupDriver,
    /// Entries of the connection tracking table for each processor; `None` for kube-proxy's own choice, zero
    /// leaves the kernel's.
    pub(crate) conntrack_per_core: Option<u32>,
    /// Registries that containerd speaks plain HTTP with.
    pub(crate) insecure_registries: Vec<String>,
    /// True when nodes find their keys in their user-data also where they could fetch them.
    pub(crate) plain_user_data: bool,
    /// True when the service does not reach the API, and the masters come for its calls.
    pub(crate) private: bool,
    /// True when a cloud controller manager makes nodes of the cloud's servers.
    pub(crate) external_cloud: bool,
    /// True when API servers ask a webhook about tokens of Keystone.
    pub(crate) keystone_auth: bool,
    /// Who joins the pods of nodes.
    pub(crate) pod_routing: PodRouting,
    /// Arguments of the API server, the controller manager, the scheduler and the kubelet.
    pub(crate) arguments: Arguments,
    /// What containerd asks before a registry.
    pub(crate) mirrors: Vec<Mirror>,
    /// True when the API server keeps an audit log.
    pub(crate) audit: bool,
    /// Cipher suites of the kubelets' own TLS; none for Kubernetes' choice.
    pub(crate) kubelet_cipher_suites: Vec<String>,
}

impl Options {
    /// Reads and checks all of the wish.
    pub(crate) fn parse(ask: &Ask) -> Result<Self, Invalid> {
        refuse_unsupported(ask)?;
        let template = &ask.template;
        let network = NetworkOptions::parse(ask, check_counts(ask)?, Entrance::any(ask)?)?;
        let (pods, service_range) = (pod_network(ask)?, service_range(ask)?);
        let nodes_cidr = network.nodes_cidr(ask).ok_or_else(|| {
            let reason = "the subnet must be given with its network: pods are routed by the nodes' addresses";
            Invalid::new("fixed_subnet", reason)
        })?;
        let pod_routing = pod_routing(ask)?;
        if pod_routing.has_ranges() {
            pods.check_room(nodes_cidr)
                .map_err(|reason| Invalid::new("labels.flannel_network_cidr", reason))?;
        }
        check_apart(pool_label(ask), nodes_cidr, pods.pool, service_range)?;
        let options = Self {
            version: version(ask)?,
            network,
            api_port: values::api_port(template.apiserver_port)?,
            pods,
            nodes_cidr,
            service_range,
            more_names: label(ask, None, "api_server_cert_sans", values::names)?.unwrap_or_default(),
            image_repository: label(ask, None, "container_infra_prefix", values::repository)?.flatten(),
            etcd_tag: label(ask, None, "etcd_tag", values::tag)?,
            etcd_volume_size: label(ask, None, "etcd_volume_size", read::number)?.unwrap_or(0),
            etcd_volume_type: label(ask, None, "etcd_volume_type", read::word)?
                .or_else(|| Some(ask.resolved.defaults.etcd_volume_type.clone()))
                .filter(|name| !name.is_empty()),
            core_dns: label(ask, None, "coredns_enabled", read::boolean)?.unwrap_or(true),
            cgroup_driver: label(ask, None, "cgroup_driver", values::cgroup_driver)?
                .unwrap_or(CgroupDriver::Systemd),
            conntrack_per_core: label(ask, None, "kube_proxy_conntrack_max_per_core", values::whole)?,
            insecure_registries: registries::insecure(template.insecure_registry.as_deref())?,
            mirrors: label(ask, None, "registry_mirrors", registries::mirrors)?.unwrap_or_default(),
            audit: arguments::audits(ask)?,
            kubelet_cipher_suites: label(ask, None, "kubelet_tls_cipher_suites", arguments::words)?
                .unwrap_or_default(),
            plain_user_data: label(ask, None, "plain_user_data", read::boolean)?.unwrap_or(false),
            private: is_private(ask)?,
            external_cloud: has_external_cloud(ask)?,
            keystone_auth: has_keystone_auth(ask)?,
            pod_routing,
            arguments: Arguments::parse(ask)?,
        };
        options.check_private()?;
        options.check_pods()?;
        if options.keystone_auth && options.api_port == webhook::PORT {
            let reason = format!("{} is the port of the webhook for Keystone", webhook::PORT);
            return Err(Invalid::new("apiserver_port", reason));
        }
        for group in &ask.groups {
            GroupOptions::parse(ask, group)?;
            values::extra_volumes(ask, group)?;
            taints(group)?;
            node_labels(group)?;
        }
        Ok(options)
    }

    /// The same for the nodes of one group, which may be of another version.
    pub(crate) fn of_group(&self, ask: &Ask, group: &NodeGroup) -> Result<Self, Invalid> {
        Ok(Self {
            version: version_of(ask, group)?,
            ..self.clone()
        })
    }

    /// Pods that a node has addresses for: without the network's own, the node's and the broadcast address.
    pub(crate) fn pods_per_node(&self) -> u64 {
        (1_u64 << (32 - self.pods.node_prefix_len)) - 3
    }

    fn check_pods(&self) -> Result<(), Invalid> {
        let PodNetwork {
            pool,
            node_prefix_len,
        } = self.pods;
        if self.pod_routing == PodRouting::Tunnel && node_prefix_len - pool.prefix_len() > MOST_RANGES_BITS {
            let reason = format!(
                "with {BACKEND_LABEL}={} it is at most {MOST_RANGES_BITS} longer than the prefix of {pool}",
                BACKENDS[1]
            );
            return Err(Invalid::new(format!("labels.{RANGE_LABEL}"), reason));
        }
        if !self.pod_routing.has_ranges() {
            return Ok(());
        }
        let room = self.pods_per_node();
        match self.arguments.max_pods().filter(|asked| *asked > room) {
            Some(asked) => {
                let reason = format!(
                    "--max-pods={asked}, and a node's range of a /{node_prefix_len} has addresses for {room}"
                );
                Err(Invalid::new("labels.kubelet_options", reason))
            }
            None => Ok(()),
        }
    }

    fn check_private(&self) -> Result<(), Invalid> {
        let reason = match (
            self.private,
            self.network.entrance_floating_ip,
            self.plain_user_data,
        ) {
            (true, true, _) => {
                "the API of a private cluster has no floating IP: floating_ip_enabled and the label \
                 master_lb_floating_ip_enabled must leave it without one"
            }
            (true, _, true) => {
                "with the label plain_user_data nothing tells masters where they find this service"
            }
            _ => return Ok(()),
        };
        Err(Invalid::new(format!("labels.{PRIVATE_LABEL}"), reason))
    }

    /// Address of cluster DNS.
    pub(crate) fn dns_address(&self) -> String {
        let address = self.service_range.at(DNS_OFFSET);
        address.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// Checks the sizes of the groups and gives the number of all nodes.
pub(crate) fn check_counts(ask: &Ask) -> Result<u64, Invalid> {
    let all = jeroboam_blueprint::nodes::check_counts(&ask.groups, "a cluster", "masters")?;
    let masters = jeroboam_types::cluster::node_count(&ask.groups, true);
    if masters > MOST_MASTERS {
        return Err(Invalid::new("master_count", too_many(masters)));
    }
    if masters > 1 && !has_shared_address(ask) {
        let reason =
            "more than one master needs a load balancer in front of the API, or the label virtual_ip_enabled";
        return Err(Invalid::new("master_lb_enabled", reason));
    }
    Ok(all)
}

/// Label of clusters whose masters come for the service's calls.
pub(crate) const PRIVATE_LABEL: &str = "private_cluster_enabled";

/// True for such a cluster.
pub(crate) fn is_private(ask: &Ask) -> Result<bool, Invalid> {
    Ok(label(ask, None, PRIVATE_LABEL, read::boolean)?.unwrap_or(false))
}

/// True when masters share the address of the API. What of the wish cannot be is for [`Options::parse`] to tell.
pub(crate) fn has_shared_address(ask: &Ask) -> bool {
    !matches!(Entrance::any(ask), Ok(Entrance::FirstMaster))
}

/// Checks another number of masters of a cluster that stands.
pub(crate) fn check_masters(ask: &Ask, masters: i32) -> Result<(), Invalid> {
    let reason = if masters < 1 || masters % 2 == 0 {
        format!("{masters} masters cannot decide by majority: an odd number is needed")
    } else if masters > MOST_MASTERS {
        too_many(masters)
    } else if masters > 1 && !has_shared_address(ask) {
        "a cluster without a load balancer or virtual IP has one master: its nodes and clients know the API by that \
         one's address"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Invalid::new("node_count", reason))
}

fn too_many(masters: i32) -> String {
    format!("{masters} masters are too many: 1, 3, 5 or {MOST_MASTERS} are possible")
}

/// Taints of a group's nodes.
pub(crate) fn taints(group: &NodeGroup) -> Result<Vec<Taint>, Invalid> {
    group.node_taints.iter().map(Taint::parse).collect()
}

/// Label with the version of Kubernetes.
pub(crate) const VERSION_LABEL: &str = "kube_tag";

/// Version of a group's new nodes: that of its revision, if it has been upgraded.
pub(crate) fn version_of(ask: &Ask, group: &NodeGroup) -> Result<Version, Invalid> {
    let rolled = group
        .roll
        .as_ref()
        .and_then(|roll| roll.target.version.as_deref());
    match rolled {
        Some(rolled) => rolled
            .parse()
            .map_err(|reason: String| Invalid::new("image_id", reason)),
        None => version(ask),
    }
}

/// The image tells the version, or the label `kube_tag`; where both do they must agree.
pub(crate) fn version(ask: &Ask) -> Result<Version, Invalid> {
    let label: Option<Version> = label(ask, None, VERSION_LABEL, str::parse)?;
    let image = ask.resolved.kube_version.as_deref().map(str::parse::<Version>);
    let image = image.transpose().map_err(|reason| {
        Invalid::new(
            "image_id",
            format!("its property kube_version is wrong: {reason}"),
        )
    })?;
    match (label, image) {
        (Some(label), Some(image)) if label != image => {
            let reason = format!("the image has Kubernetes {image}, and {label} is asked for");
            Err(Invalid::new("labels.kube_tag", reason))
        }
        (Some(version), _) | (None, Some(version)) => Ok(version),
        (None, None) => {
            let reason = "is needed, because the image has no property kube_version";
            Err(Invalid::new("labels.kube_tag", reason))
        }
    }
}

fn cidr(ask: &Ask, key: &str, default: &str) -> Result<Cidr, Invalid> {
    let invalid = |reason: String| Invalid::new(format!("labels.{key}"), reason);
    let cidr = Cidr::parse(ask.label(None, key).unwrap_or(default)).map_err(invalid)?;
    if cidr.is_for_hosts() {
        Ok(cidr)
    } else {
        Err(invalid(format!("{cidr} is not a network of hosts")))
    }
}

/// Who joins the pods of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodRouting {
    /// Nodes themselves, each with a range that is told from its address, and the router of the network.
    Nodes,
    /// flannel in a tunnel between nodes, each with a range that the controller manager has given it.
    Tunnel,
    /// An add-on in its own way.
    AddOn,
}

impl PodRouting {
    /// True when each node has a range of the pods' addresses of the length that is asked for.
    pub(crate) fn has_ranges(self) -> bool {
        self != Self::AddOn
    }
}

/// Network drivers that need no add-on; the first one does for a tunnel.
pub(crate) const ROUTED: [&str; 2] = ["flannel", "neutron"];

/// Label of how the first of them reaches pods of other nodes.
pub(crate) const BACKEND_LABEL: &str = "flannel_backend";

/// Its values: routes, which need nothing, and a tunnel.
pub(crate) const BACKENDS: [&str; 2] = ["host-gw", "vxlan"];

/// Network driver of the template.
pub(crate) fn network_driver(ask: &Ask) -> &str {
    ask.template.network_driver.as_deref().unwrap_or(ROUTED[0])
}

fn pod_routing(ask: &Ask) -> Result<PodRouting, Invalid> {
    let backend = |text: &str| match BACKENDS.contains(&text) {
        true => Ok(text == BACKENDS[1]),
        false => Err(format!("{text:?} is not one of {}", BACKENDS.join(", "))),
    };
    let has_tunnel = label(ask, None, BACKEND_LABEL, backend)?.unwrap_or(false);
    Ok(match network_driver(ask) {
        driver if !ROUTED.contains(&driver) => PodRouting::AddOn,
        driver if driver == ROUTED[0] && has_tunnel => PodRouting::Tunnel,
        _ => PodRouting::Nodes,
    })
}

/// The network driver, if it is an add-on.
pub(crate) fn network_add_on(ask: &Ask) -> Result<Option<&str>, Invalid> {
    let is_add_on = pod_routing(ask)? != PodRouting::Nodes;
    Ok(is_add_on.then(|| network_driver(ask)))
}

/// Nodes must know it when they join.
fn has_external_cloud(ask: &Ask) -> Result<bool, Invalid> {
    has_add_on(ask, "cloud_provider_enabled", CLOUD_CONTROLLER_MANAGER)
}

/// Label of the webhook for Keystone.
pub(crate) const KEYSTONE_AUTH_LABEL: &str = "keystone_auth_enabled";

/// API servers must know it when their masters are made.
pub(crate) fn has_keystone_auth(ask: &Ask) -> Result<bool, Invalid> {
    has_add_on(ask, KEYSTONE_AUTH_LABEL, KEYSTONE_AUTH)
}

/// Volume driver of templates whose clusters have volumes of Cinder.
const VOLUME_DRIVER: &str = "cinder";

/// Add-ons that are on where no label says otherwise: those of the operator, and what the template's volumes come from.
pub(crate) fn default_add_ons(ask: &Ask) -> Vec<String> {
    let mut all = ask.resolved.defaults.add_ons.clone();
    if ask.template.volume_driver.as_deref() == Some(VOLUME_DRIVER) {
        all.extend([CLOUD_CONTROLLER_MANAGER, CINDER_CSI].map(str::to_owned));
    }
    all
}

/// True for an add-on that machines know of, which is what was asked for when the cluster was accepted.
fn has_add_on(ask: &Ask, key: &str, name: &str) -> Result<bool, Invalid> {
    let is_default = || default_add_ons(ask).iter().any(|known| known == name);
    Ok(label(ask, None, key, read::boolean)?.unwrap_or_else(is_default))
}

/// Label of the length of a node's range of the pods' addresses.
pub(crate) const RANGE_LABEL: &str = "flannel_network_subnetlen";

/// Label of the pods' addresses.
fn pool_label(ask: &Ask) -> &'static str {
    match network_driver(ask) {
        "calico" => "calico_ipv4pool",
        "cilium" => "cilium_ipv4pool",
        _ => "flannel_network_cidr",
    }
}

fn pod_network(ask: &Ask) -> Result<PodNetwork, Invalid> {
    let pool = cidr(ask, pool_label(ask), DEFAULT_POD_POOL)?;
    let range = label(ask, None, RANGE_LABEL, values::prefix_len)?;
    let node_prefix_len = range.unwrap_or(DEFAULT_NODE_PREFIX_LEN);
    if node_prefix_len < pool.prefix_len() {
        let reason = format!("a /{node_prefix_len} does not fit in {pool}");
        return Err(Invalid::new(format!("labels.{RANGE_LABEL}"), reason));
    }
    Ok(PodNetwork {
        pool,
        node_prefix_len,
    })
}

fn service_range(ask: &Ask) -> Result<Cidr, Invalid> {
    let key = "service_cluster_ip_range";
    let range = cidr(ask, key, DEFAULT_SERVICE_RANGE)?;
    if (12..=27).contains(&range.prefix_len()) {
        return Ok(range);
    }
    let reason = format!("the prefix of {range} must be from /12 to /27");
    Err(Invalid::new(format!("labels.{key}"), reason))
}

/// Nodes, pods and services must be told apart by their addresses.
fn check_apart(pool_label: &str, nodes: Cidr, pods: Cidr, services: Cidr) -> Result<(), Invalid> {
    for (key, cidr, others) in [
        (pool_label, pods, vec![("the nodes' subnet", nodes)]),
        (
            "service_cluster_ip_range",
            services,
            vec![("the nodes' subnet", nodes), ("the pods' network", pods)],
        ),
    ] {
        if let Some((words, other)) = others.iter().find(|(_, other)| cidr.overlaps(*other)) {
            let reason = format!("{cidr} overlaps {words} {other}");
            return Err(Invalid::new(format!("labels.{key}"), reason));
        }
    }
    Ok(())
}

/// What other drivers have and this one has not (yet) is refused: silence would promise it.
fn refuse_unsupported(ask: &Ask) -> Result<(), Invalid> {
    let template = &ask.template;
    if template.tls_disabled {
        let reason = "the Kubernetes API is served with TLS only";
        return Err(Invalid::new("tls_disabled", reason));
    }
    if template.registry_enabled {
        let reason = "clusters are built without a registry of their own";
        return Err(Invalid::new("registry_enabled", reason));
    }
    if let Some(other) = template
        .volume_driver
        .as_deref()
        .filter(|name| *name != VOLUME_DRIVER)
    {
        let reason =
            format!("{other:?} is not supported: the volume driver of Kubernetes is {VOLUME_DRIVER:?}");
        return Err(Invalid::new("volume_driver", reason));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
