//! What is asked of the servers of one node group.

use jeroboam_driver::{Ask, Invalid};
use jeroboam_types::NodeGroup;

use crate::read::{self, label};

/// What is asked of the nodes of one group. Sizes are in GiB, zero for no volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// Nova flavor id.
    pub flavor_id: String,
    /// Glance image id.
    pub image_id: String,
    /// Volume to boot from.
    pub boot_volume_size: u32,
    /// Type of that volume.
    pub boot_volume_type: Option<String>,
    /// Volume of the container engine's data.
    pub docker_volume_size: u32,
    /// Type of that volume.
    pub docker_volume_type: Option<String>,
    /// Availability zone of servers and volumes.
    pub availability_zone: Option<String>,
}

impl GroupOptions {
    /// Reads and checks what is asked of one group's nodes.
    ///
    /// # Errors
    /// The first wrong field or label.
    pub fn parse(ask: &Ask, group: &NodeGroup) -> Result<Self, Invalid> {
        let rolled = group.roll.as_ref().map(|roll| roll.target.flavor_id.clone());
        let given = || {
            let given = ask.flavor_given(group)?;
            Some(ask.flavor_id(given).to_owned())
        };
        let flavor_id = rolled.or_else(given).ok_or_else(|| {
            let field = match group.is_master() {
                true => "master_flavor_id",
                false => "flavor_id",
            };
            Invalid::new(field, "a flavor is needed")
        })?;
        let defaults = &ask.resolved.defaults;
        let docker_volume_size = group
            .docker_volume_size
            .or(ask.cluster.docker_volume_size)
            .or(ask.template.docker_volume_size);
        let docker_volume_size = u32::try_from(docker_volume_size.unwrap_or(0))
            .map_err(|_| Invalid::new("docker_volume_size", "must not be negative"))?;
        Ok(Self {
            flavor_id,
            image_id: ask.image_id(group).to_owned(),
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
