//! Rules of a rotation of certificate authorities: from which state it may begin, and what its first stage is.

use jeroboam_driver::{Driver, Invalid};
use jeroboam_plan::ledger::nodes_seen;
use jeroboam_store::{ClusterChange, Standing};
use jeroboam_types::{Change, NodeGroup, Status, trust};

use crate::context::{Context, date_time};
use crate::error::{ApiError, ApiResult};
use crate::validate::change::{change_of, driver_of};

/// Turns a request for new authorities into a change of its cluster: the first stage of a rotation, or the one that an
/// earlier rotation was stopped in.
///
/// # Errors
/// 400 for a cluster without TLS, and for one that the driver cannot rotate, with the reason; 409 while an upgrade is
/// not done.
pub(crate) fn accept(cx: &Context, standing: &Standing) -> ApiResult<ClusterChange> {
    if standing.ask.template.tls_disabled {
        return Err(ApiError::bad_request(
            "The certificate authorities of a cluster without TLS cannot be rotated.",
        ));
    }
    if let Some(group) = standing.ask.groups.iter().find(|group| group.is_upgrading()) {
        return Err(ApiError::conflict(format!(
            "Node group {} is not done with its upgrade. End that first, or go back.",
            group.name
        )));
    }
    let driver = driver_of(cx, &standing.ask.template)?;
    let mut after = standing.ask.clone();
    let stage = match trust::is_rotating(&after.groups) {
        true => after.trust(),
        false => after.trust().next(),
    };
    for group in &mut after.groups {
        let present = driver.revision(&standing.ask, group);
        let seen = nodes_seen(&standing.ledger, &group.name);
        group.begin_rotation(present, driver.trust_of(group, stage), &seen);
        group.status = Status::UpdateInProgress;
        group.status_reason = None;
        group.updated_at = Some(date_time(cx.now()));
    }
    let refused = |invalid: Invalid| {
        ApiError::bad_request(format!(
            "The certificate authorities of cluster {} cannot be rotated: {}.",
            standing.ask.cluster.uuid, invalid.reason
        ))
    };
    driver.validate(&after).map_err(refused)?;
    driver.validate_rotation(&after).map_err(refused)?;
    Ok(ClusterChange {
        groups: after.groups,
        ..change_of(cx, standing, Change::RotateAuthorities)
    })
}

/// A new group's nodes trust whom the others trust.
pub(crate) fn join_rotation(standing: &Standing, driver: &dyn Driver, group: &mut NodeGroup) {
    let stage = standing.ask.trust();
    if stage.is_first() {
        return;
    }
    let present = driver.revision(&standing.ask, group);
    let mut roll = jeroboam_types::Roll::standing(present);
    roll.target.trust = driver.trust_of(group, stage);
    group.roll = Some(roll);
}
