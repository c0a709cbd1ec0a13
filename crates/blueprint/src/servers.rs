//! What is asked of the servers of one node group.

use jeroboam_driver::{Ask, Invalid};
use jeroboam_types::NodeGroup;

use crate::nodes::Node;
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
    /// Availability zones that the nodes are spread over, with their volumes; none for the cloud's own choice.
    pub availability_zones: Vec<String>,
}

/// Label with the zones of the control plane, where they are others than those of all nodes.
const MASTER_ZONES: &str = "control_plane_availability_zones";

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
            availability_zones: zones(ask, group)?,
        })
    }

    /// Zone of a node: they take turns by the nodes' numbers, so that a node stays where it is.
    pub fn zone_of(&self, node: &Node<'_>) -> Option<String> {
        let count = u32::try_from(self.availability_zones.len()).unwrap_or(u32::MAX);
        let turn = node.number.checked_rem(count)?;
        self.availability_zones.get(usize::try_from(turn).ok()?).cloned()
    }
}

fn zones(ask: &Ask, group: &NodeGroup) -> Result<Vec<String>, Invalid> {
    let zones = |key| Ok(label(ask, Some(group), key, zone_list)?.unwrap_or_default());
    let own = match group.is_master() {
        true => zones(MASTER_ZONES)?,
        false => Vec::new(),
    };
    match own.is_empty() {
        true => zones("availability_zone"),
        false => Ok(own),
    }
}

fn zone_list(text: &str) -> Result<Vec<String>, String> {
    read::word(text)?;
    Ok(read::items(text).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use jeroboam_types::Labels;

    use super::*;
    use crate::nodes::nodes;
    use crate::testkit::ask;

    #[test]
    fn nodes_take_turns_in_the_zones_and_stay_where_they_are() {
        let mut ask = ask(3, 4);
        let zones = |ask: &Ask| {
            let of = |node: Node<'_>| GroupOptions::parse(ask, node.group).unwrap().zone_of(&node);
            nodes(&ask.groups)
                .into_iter()
                .map(of)
                .map(Option::unwrap_or_default)
                .collect::<Vec<_>>()
        };
        assert_eq!(zones(&ask), [""; 7]);
        ask.cluster.labels = Labels::from_iter([("availability_zone", "a, b,")]);
        assert_eq!(zones(&ask), ["a", "b", "a", "a", "b", "a", "b"]);
        ask.cluster.labels.0.insert(MASTER_ZONES.into(), "x,y,z".into());
        ask.groups[1].nodes = vec![1, 3, 4];
        assert_eq!(zones(&ask), ["x", "y", "z", "b", "b", "a"]);
        ask.groups[1].labels = Labels::from_iter([("availability_zone", "c")]);
        assert_eq!(zones(&ask), ["x", "y", "z", "c", "c", "c"]);
    }
}
