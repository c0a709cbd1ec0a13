//! What is asked, read into types: fields of the template and labels.
//!
//! Everything that can be wrong about a wish is found here; the rest of the driver cannot meet a bad value.
//! Labels that the driver does not know are ignored.

pub(crate) mod labels;
mod values;

use jeroboam_blueprint::read::{self, label};
use jeroboam_blueprint::{Entrance, GroupOptions, NetworkOptions};
use jeroboam_driver::{Ask, Invalid};
use jeroboam_types::NodeGroup;

/// The whole wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The network and the ways to the API.
    pub(crate) network: NetworkOptions,
    /// TCP port of Docker's API.
    pub(crate) api_port: u16,
    /// Ports that are open to the world on every node, for published ports of services.
    pub(crate) open_ports: Vec<(u16, u16)>,
    /// Storage driver of Docker.
    pub(crate) storage_driver: StorageDriver,
    /// Registries that Docker speaks plain HTTP with.
    pub(crate) insecure_registries: Vec<String>,
    /// True when nodes find their keys in their user-data also where they could fetch them.
    pub(crate) plain_user_data: bool,
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
        let options = Self {
            network: NetworkOptions::parse(ask, check_counts(ask)?, Entrance::balanced_or_first(ask))?,
            api_port: values::api_port(template.apiserver_port)?,
            open_ports: label(ask, None, "worker_open_ports", read::port_ranges)?.unwrap_or_default(),
            storage_driver: values::storage_driver(template.docker_storage_driver.as_deref())?,
            insecure_registries: read::registries(template.insecure_registry.as_deref())?,
            plain_user_data: label(ask, None, "plain_user_data", read::boolean)?.unwrap_or(false),
        };
        for group in &ask.groups {
            group_options(ask, group, options.storage_driver)?;
        }
        Ok(options)
    }
}

/// Checks the sizes of the groups and gives the number of all nodes.
pub(crate) fn check_counts(ask: &Ask) -> Result<u64, Invalid> {
    jeroboam_blueprint::nodes::check_counts(&ask.groups, "a swarm", "managers")
}

/// Reads and checks what is asked of one group's nodes.
pub(crate) fn group_options(
    ask: &Ask,
    group: &NodeGroup,
    storage: StorageDriver,
) -> Result<GroupOptions, Invalid> {
    refuse_marks(group)?;
    let options = GroupOptions::parse(ask, group)?;
    if options.docker_volume_size < storage.smallest_volume() {
        let reason = format!(
            "the storage driver {} needs a volume of {} GiB or more",
            storage.as_str(),
            storage.smallest_volume()
        );
        return Err(Invalid::new("docker_volume_size", reason));
    }
    Ok(options)
}

/// What a swarm has no word for.
fn refuse_marks(group: &NodeGroup) -> Result<(), Invalid> {
    if !group.node_taints.is_empty() {
        return Err(Invalid::new("node_taints", "a swarm has no taints"));
    }
    match group.node_labels.is_empty() {
        true => Ok(()),
        false => Err(Invalid::new(
            "node_labels",
            "not supported by swarms: set them with docker node update",
        )),
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

#[cfg(test)]
pub(crate) mod tests;
