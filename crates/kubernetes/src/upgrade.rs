//! Which upgrades Kubernetes survives.
//!
//! The version skew policy of Kubernetes: the control plane goes up one minor version at a time and never down; a
//! kubelet is never newer than the API, and at most three minor versions older (two before 1.28).

use jeroboam_blueprint::nodes;
use jeroboam_driver::{Ask, Invalid};
use jeroboam_types::{NodeGroup, cluster};

use crate::options;
use crate::version::Version;

/// Checks an upgrade; the groups of the wish have their new revisions.
pub(crate) fn check(ask: &Ask) -> Result<(), Invalid> {
    let masters = || ask.groups.iter().filter(|group| group.is_master());
    let is_alone = cluster::node_count(&ask.groups, true) == 1;
    if let Some(group) = masters().find(|group| is_alone && !group.is_uniform()) {
        let mut reason = nodes::alone(group, "master");
        if ask.master_lb_enabled() {
            reason.push_str("; or resize it to 3 masters before, and back afterwards");
        }
        return Err(Invalid::new("nodegroup", reason));
    }
    let mut newest_api: Option<Version> = None;
    let mut oldest_api: Option<Version> = None;
    for group in masters() {
        let target = options::version_of(ask, group)?;
        for present in standing_versions(group)? {
            check_step(group, &present, &target)?;
            oldest_api = older(oldest_api, present);
        }
        newest_api = newer(newest_api, target.clone());
        oldest_api = older(oldest_api, target);
    }
    let (Some(newest), Some(oldest)) = (newest_api, oldest_api) else {
        return Ok(());
    };
    // A control plane that is upgraded with the workers is done before them.
    let is_going_on = masters().any(NodeGroup::is_rolling);
    let api = if is_going_on { &newest } else { &oldest };
    for group in ask.groups.iter().filter(|group| !group.is_master()) {
        check_workers(ask, group, api, &newest)?;
    }
    Ok(())
}

/// Versions of older revisions that nodes of the group run; those that never came up do not count.
fn standing_versions(group: &NodeGroup) -> Result<Vec<Version>, Invalid> {
    let Some(roll) = &group.roll else {
        return Ok(Vec::new());
    };
    let standing = roll.behind.iter().filter(|(node, _)| !roll.out.contains(node));
    let versions = standing.filter_map(|(_, revision)| revision.version.as_deref());
    versions
        .map(|text| {
            text.parse()
                .map_err(|reason: String| Invalid::new("cluster_template", reason))
        })
        .collect()
}

fn check_step(group: &NodeGroup, present: &Version, target: &Version) -> Result<(), Invalid> {
    let reason = if target.rank() < present.rank() {
        format!(
            "node group {} runs Kubernetes {present}, and a control plane cannot go back to {target}",
            group.name
        )
    } else if target.minor() > present.minor() + 1 {
        format!(
            "node group {} runs Kubernetes {present}, and a control plane goes up one minor version at a time: \
             upgrade to 1.{} before {target}",
            group.name,
            present.minor() + 1
        )
    } else {
        return Ok(());
    };
    Err(Invalid::new("cluster_template", reason))
}

/// `api` is the version of the control plane when the workers' turn comes, `newest` what it will be at the end.
fn check_workers(ask: &Ask, group: &NodeGroup, api: &Version, newest: &Version) -> Result<(), Invalid> {
    let target = options::version_of(ask, group)?;
    if (target.minor(), target.rank()) > (api.minor(), api.rank()) {
        let reason = format!(
            "node group {} would run Kubernetes {target}, which is newer than the control plane's {api}: upgrade the \
             control plane first",
            group.name
        );
        return Err(Invalid::new("cluster_template", reason));
    }
    let mut versions = standing_versions(group)?;
    versions.push(target);
    match versions
        .iter()
        .find(|version| version.minor() < newest.oldest_kubelet())
    {
        Some(old) if group.node_count > 0 => {
            let reason = format!(
                "node group {} runs Kubernetes {old}, which is too old for a control plane of {newest}: upgrade the \
                 node group to 1.{} or later first",
                group.name,
                newest.oldest_kubelet()
            );
            Err(Invalid::new("cluster_template", reason))
        }
        _ => Ok(()),
    }
}

fn newer(known: Option<Version>, other: Version) -> Option<Version> {
    match known {
        Some(known) if known.rank() >= other.rank() => Some(known),
        _ => Some(other),
    }
}

fn older(known: Option<Version>, other: Version) -> Option<Version> {
    match known {
        Some(known) if known.rank() <= other.rank() => Some(known),
        _ => Some(other),
    }
}

#[cfg(test)]
mod tests;
