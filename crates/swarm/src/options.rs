//! What is asked, read into types: fields of the template and labels.
//!
//! Everything that can be wrong about a wish is found here; the rest of the driver cannot meet a bad value.
//! Labels that the driver does not know are ignored.

mod read;

use jeroboam_driver::{Ask, Invalid};
use jeroboam_types::labels::loose_bool;
use jeroboam_types::{NodeGroup, cluster};

use crate::cidr::Cidr;

/// CIDR of a subnet that is made, when the label `fixed_subnet_cidr` names none.
const DEFAULT_CIDR: &str = "10.0.0.0/24";

/// Addresses of a made subnet that are not the nodes': gateway, two DHCP agents, load balancer.
const OTHER_ADDRESSES: u64 = 4;

/// Nodes at most, whatever the operator allows: a graph of more would take gigabytes.
const MOST_NODES: u64 = 10_000;

/// The whole wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// CIDR of the subnet, when one is made.
    pub(crate) subnet_cidr: Cidr,
    /// Name servers of that subnet.
    pub(crate) dns: Vec<String>,
    /// True when each node gets a floating IP.
    pub(crate) floating_ips: bool,
    /// True when the managers' API stands behind a load balancer.
    pub(crate) load_balancer: bool,
    /// True when that has a floating IP.
    pub(crate) load_balancer_floating_ip: bool,
    /// TCP port of Docker's API.
    pub(crate) api_port: u16,
    /// Ports that are open to the world on every node, for published ports of services.
    pub(crate) open_ports: Vec<(u16, u16)>,
    /// Storage driver of Docker.
    pub(crate) storage_driver: StorageDriver,
    /// Registries that Docker speaks plain HTTP with.
    pub(crate) insecure_registries: Vec<String>,
    /// `http_proxy`.
    pub(crate) http_proxy: Option<String>,
    /// `https_proxy`.
    pub(crate) https_proxy: Option<String>,
    /// `no_proxy`.
    pub(crate) no_proxy: Vec<String>,
}

/// What is asked of the nodes of one group. Sizes are in GiB, zero for no volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupOptions {
    /// Nova flavor id.
    pub(crate) flavor_id: String,
    /// Glance image id.
    pub(crate) image_id: String,
    /// Volume to boot from.
    pub(crate) boot_volume_size: u32,
    /// Type of that volume.
    pub(crate) boot_volume_type: Option<String>,
    /// Volume of Docker's data.
    pub(crate) docker_volume_size: u32,
    /// Type of that volume.
    pub(crate) docker_volume_type: Option<String>,
    /// Availability zone of servers and volumes.
    pub(crate) availability_zone: Option<String>,
}

/// A storage driver of Docker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageDriver {
    /// `overlay2`
    Overlay2,
    /// `overlay`
    Overlay,
    /// `vfs`
    Vfs,
    /// `btrfs`
    Btrfs,
    /// `devicemapper`
    Devicemapper,
}

impl StorageDriver {
    const ALL: &[Self] = &[
        Self::Overlay2,
        Self::Overlay,
        Self::Vfs,
        Self::Btrfs,
        Self::Devicemapper,
    ];

    /// The driver as Docker writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Overlay2 => "overlay2",
            Self::Overlay => "overlay",
            Self::Vfs => "vfs",
            Self::Btrfs => "btrfs",
            Self::Devicemapper => "devicemapper",
        }
    }

    /// File system that Docker's volume is made with.
    pub(crate) fn file_system(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs",
            Self::Overlay2 | Self::Overlay | Self::Vfs | Self::Devicemapper => "ext4",
        }
    }

    /// Smallest volume that works, in GiB (for `devicemapper` this is Magnum's rule).
    fn smallest_volume(self) -> u32 {
        match self {
            Self::Devicemapper => 3,
            Self::Btrfs => 1,
            Self::Overlay2 | Self::Overlay | Self::Vfs => 0,
        }
    }
}

impl Options {
    /// Reads and checks all of the wish.
    pub(crate) fn parse(ask: &Ask) -> Result<Self, Invalid> {
        refuse_unsupported(ask)?;
        let template = &ask.template;
        let counted = check_counts(ask)?;
        let floating_ips = ask.floating_ip_enabled();
        let load_balancer = ask.master_lb_enabled();
        let load_balancer_floating_ip = load_balancer
            && label(ask, None, "master_lb_floating_ip_enabled", |text| {
                loose_bool(text).ok_or_else(|| format!("{text:?} is not true or false"))
            })?
            .unwrap_or(floating_ips);
        check_networks(ask, floating_ips || load_balancer_floating_ip, load_balancer)?;
        check_given_subnet(ask, counted + u64::from(load_balancer))?;
        let options = Self {
            subnet_cidr: subnet_cidr(ask, counted)?,
            dns: read::name_servers(template.dns_nameserver.as_deref())?,
            floating_ips,
            load_balancer,
            load_balancer_floating_ip,
            api_port: read::api_port(template.apiserver_port)?,
            open_ports: label(ask, None, "worker_open_ports", read::port_ranges)?.unwrap_or_default(),
            storage_driver: read::storage_driver(template.docker_storage_driver.as_deref())?,
            insecure_registries: read::registries(template.insecure_registry.as_deref())?,
            http_proxy: read::proxy("http_proxy", template.http_proxy.as_deref())?,
            https_proxy: read::proxy("https_proxy", template.https_proxy.as_deref())?,
            no_proxy: read::no_proxy(template.no_proxy.as_deref())?,
        };
        for group in &ask.groups {
            GroupOptions::parse(ask, group, options.storage_driver)?;
        }
        Ok(options)
    }
}

impl GroupOptions {
    /// Reads and checks what is asked of one group's nodes.
    pub(crate) fn parse(ask: &Ask, group: &NodeGroup, storage: StorageDriver) -> Result<Self, Invalid> {
        let (field, flavor) = if group.is_master() {
            let template = ask.template.master_flavor_id.as_deref();
            (
                "master_flavor_id",
                ask.cluster.master_flavor_id.as_deref().or(template),
            )
        } else {
            (
                "flavor_id",
                ask.cluster
                    .flavor_id
                    .as_deref()
                    .or(ask.template.flavor_id.as_deref()),
            )
        };
        let flavor = group
            .flavor_id
            .as_deref()
            .or(flavor)
            .filter(|flavor| !flavor.is_empty());
        let flavor = flavor.ok_or_else(|| Invalid::new(field, "a flavor is needed"))?;
        let defaults = &ask.resolved.defaults;
        let own_image = group
            .image_id
            .as_deref()
            .filter(|image| *image != ask.template.image_id);
        let docker_volume_size = group
            .docker_volume_size
            .or(ask.cluster.docker_volume_size)
            .or(ask.template.docker_volume_size);
        let docker_volume_size = u32::try_from(docker_volume_size.unwrap_or(0))
            .map_err(|_| Invalid::new("docker_volume_size", "must not be negative"))?;
        if docker_volume_size < storage.smallest_volume() {
            let reason = format!(
                "the storage driver {} needs a volume of {} GiB or more",
                storage.as_str(),
                storage.smallest_volume()
            );
            return Err(Invalid::new("docker_volume_size", reason));
        }
        Ok(Self {
            flavor_id: ask.flavor_id(flavor).to_owned(),
            image_id: own_image.unwrap_or(&ask.resolved.image_id).to_owned(),
            boot_volume_size: label(ask, Some(group), "boot_volume_size", read::number)?
                .unwrap_or(defaults.boot_volume_size),
            boot_volume_type: label(ask, Some(group), "boot_volume_type", read::word)?
                .or_else(|| Some(defaults.boot_volume_type.clone()))
                .filter(|name| !name.is_empty()),
            docker_volume_size,
            docker_volume_type: label(ask, Some(group), "docker_volume_type", read::word)?
                .or_else(|| Some(defaults.docker_volume_type.clone()))
                .filter(|name| !name.is_empty()),
            availability_zone: label(ask, Some(group), "availability_zone", read::word)?
                .filter(|name| !name.is_empty()),
        })
    }
}

/// What other drivers have and this one has not is refused: silence would promise it.
fn refuse_unsupported(ask: &Ask) -> Result<(), Invalid> {
    let template = &ask.template;
    if template.tls_disabled {
        return Err(Invalid::new(
            "tls_disabled",
            "the Docker API of a swarm is served with TLS only",
        ));
    }
    if template.registry_enabled {
        return Err(Invalid::new(
            "registry_enabled",
            "swarms are built without a registry of their own",
        ));
    }
    match template.network_driver.as_deref() {
        None | Some("docker") => {}
        Some(other) => {
            let reason = format!("{other:?} is not supported: the network driver of a swarm is \"docker\"");
            return Err(Invalid::new("network_driver", reason));
        }
    }
    match template.volume_driver.as_deref() {
        None => Ok(()),
        Some(other) => Err(Invalid::new(
            "volume_driver",
            format!("{other:?} is not supported by swarms"),
        )),
    }
}

/// Checks the sizes of the groups and gives the number of all nodes.
pub(crate) fn check_counts(ask: &Ask) -> Result<u64, Invalid> {
    let mut all = 0;
    for group in &ask.groups {
        let count = u64::try_from(group.node_count);
        all += count.map_err(|_| Invalid::new("node_count", "must not be negative"))?;
    }
    if all > MOST_NODES {
        let reason = format!("{all} nodes are too many: a swarm may have {MOST_NODES}");
        return Err(Invalid::new("node_count", reason));
    }
    let masters = cluster::node_count(&ask.groups, true);
    if masters < 1 || masters % 2 == 0 {
        let reason = format!("{masters} managers cannot decide by majority: an odd number is needed");
        return Err(Invalid::new("master_count", reason));
    }
    Ok(all)
}

fn check_networks(ask: &Ask, any_floating_ip: bool, load_balancer: bool) -> Result<(), Invalid> {
    let resolved = &ask.resolved;
    if any_floating_ip && resolved.external_network_id.is_none() {
        return Err(Invalid::new(
            "external_network_id",
            "floating IPs need an external network",
        ));
    }
    if resolved.fixed_subnet_id.is_some() && resolved.fixed_network_id.is_none() {
        return Err(Invalid::new(
            "fixed_network",
            "a given subnet needs its network given too",
        ));
    }
    if load_balancer && resolved.fixed_network_id.is_some() && resolved.fixed_subnet_id.is_none() {
        return Err(Invalid::new(
            "fixed_subnet",
            "a load balancer in a given network needs a given subnet",
        ));
    }
    Ok(())
}

/// A given subnet must have the addresses that are needed of it. What else takes some is not known, and neither is
/// the size of a subnet that Neutron chooses.
fn check_given_subnet(ask: &Ask, needed: u64) -> Result<(), Invalid> {
    let Some(given) = &ask.resolved.fixed_subnet_cidr else {
        return Ok(());
    };
    match Cidr::parse(given) {
        Ok(cidr) if cidr.hosts() < needed => {
            let has = cidr.hosts();
            let reason = format!("{cidr} has {has} addresses, and nodes and load balancer need {needed}");
            Err(Invalid::new("fixed_subnet", reason))
        }
        _ => Ok(()),
    }
}

fn subnet_cidr(ask: &Ask, node_count: u64) -> Result<Cidr, Invalid> {
    let invalid = |reason: String| Invalid::new("labels.fixed_subnet_cidr", reason);
    let given = ask.label(None, "fixed_subnet_cidr").unwrap_or(DEFAULT_CIDR);
    let cidr = Cidr::parse(given).map_err(invalid)?;
    if ask.resolved.fixed_network_id.is_some() {
        return Ok(cidr);
    }
    if !(16..=28).contains(&cidr.prefix_len()) {
        return Err(invalid(format!("the prefix of {cidr} must be from /16 to /28")));
    }
    if !cidr.is_for_hosts() {
        return Err(invalid(format!("{cidr} is not a network of hosts")));
    }
    if cidr.hosts() < node_count + OTHER_ADDRESSES {
        return Err(invalid(format!(
            "{cidr} has {} addresses, and {node_count} nodes with gateway, DHCP and load balancer need {}",
            cidr.hosts(),
            node_count + OTHER_ADDRESSES
        )));
    }
    Ok(cidr)
}

/// Reads a label of a group or the cluster.
fn label<T>(
    ask: &Ask,
    group: Option<&NodeGroup>,
    key: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Invalid> {
    ask.label(group, key)
        .map(read)
        .transpose()
        .map_err(|reason| Invalid::new(format!("labels.{key}"), reason))
}

#[cfg(test)]
pub(crate) mod tests;
