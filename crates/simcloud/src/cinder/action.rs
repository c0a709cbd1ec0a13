//! Volume actions: `POST /volumes/{id}/action`.

use super::{
    Status, attachment, bad_request, body, forbidden, invalid_volume,
    quota::{self, Wanted},
    volume, volume_not_found,
};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// The caller has been checked to own the volume.
pub(super) fn act(world: &mut World, call: &Call, id: &str) -> Answer {
    let Some((name, _)) = call.body.as_object().and_then(|body| body.iter().next()) else {
        return Err(bad_request("Malformed request body"));
    };
    let status = world
        .cinder
        .volumes
        .get(id)
        .map(|volume| volume.status)
        .ok_or_else(|| volume_not_found(id))?;
    let mut set = |status: Status| {
        if let Some(volume) = world.cinder.volumes.get_mut(id) {
            volume.status = status;
        }
    };
    match name.as_str() {
        "os-reserve" => {
            if status != Status::Available {
                return Err(invalid_volume(format!(
                    "Volume status must be available to reserve, but the status is {}.",
                    status.as_str()
                )));
            }
            set(Status::Attaching);
            Ok(Reply::empty(202))
        }
        "os-unreserve" => {
            if status == Status::Attaching {
                set(Status::Available);
            }
            Ok(Reply::empty(202))
        }
        "os-begin_detaching" => {
            if status != Status::InUse {
                return Err(invalid_volume(
                    "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to \
                     detach.",
                ));
            }
            set(Status::Detaching);
            Ok(Reply::empty(202))
        }
        "os-roll_detaching" => {
            if status == Status::Detaching {
                set(Status::InUse);
            }
            Ok(Reply::empty(202))
        }
        "os-attach" => {
            let body = body::object(call, "os-attach")?;
            let server = body::text(body, "instance_uuid")?.unwrap_or_default();
            let device = body::text(body, "mountpoint")?.unwrap_or_default();
            attachment::attach(world, id, server, device, "")?;
            Ok(Reply::empty(202))
        }
        "os-detach" => {
            let named = body::object(call, "os-detach")
                .ok()
                .and_then(|body| body::text(body, "attachment_id").ok().flatten())
                .map(str::to_owned);
            let ids: Vec<String> = world
                .cinder
                .attachments_of(id)
                .filter(|attachment| named.as_ref().is_none_or(|named| attachment.id == *named))
                .map(|attachment| attachment.id.clone())
                .collect();
            for id in ids {
                attachment::drop_attachment(world, &id);
            }
            Ok(Reply::empty(202))
        }
        "os-extend" => extend(world, call, id),
        "os-set_bootable" => {
            let bootable = body::flag(body::object(call, "os-set_bootable")?, "bootable")?.unwrap_or(false);
            if let Some(volume) = world.cinder.volumes.get_mut(id) {
                volume.is_bootable = bootable;
            }
            Ok(Reply::empty(200))
        }
        "os-update_readonly_flag" => Ok(Reply::empty(202)),
        "os-reset_status" => {
            require_admin(call, "volume_extension:volume_admin_actions:reset_status")?;
            let body = body::object(call, "os-reset_status")?;
            let wanted = body::text(body, "status")?.unwrap_or("available");
            let status = Status::of(wanted).ok_or_else(|| {
                bad_request(format!(
                    "Invalid input for field/attribute status. Value: {wanted}."
                ))
            })?;
            if let Some(volume) = world.cinder.volumes.get_mut(id) {
                volume.status = status;
                volume.ready_at_ms = None;
            }
            if body::text(body, "attach_status")? == Some("detached") {
                world
                    .cinder
                    .attachments
                    .retain(|_, attachment| attachment.volume_id != id);
            }
            Ok(Reply::empty(202))
        }
        "os-force_delete" => {
            require_admin(call, "volume_extension:volume_admin_actions:force_delete")?;
            world
                .cinder
                .attachments
                .retain(|_, attachment| attachment.volume_id != id);
            volume::start_delete(world, id);
            Ok(Reply::empty(202))
        }
        other => Err(bad_request(format!(
            "There is no such action: {other}. Verify the request body and Content-Type header and try again."
        ))),
    }
}

fn require_admin(call: &Call, rule: &str) -> Result<(), Refusal> {
    if call.caller.is_admin {
        Ok(())
    } else {
        Err(forbidden(rule))
    }
}

fn extend(world: &mut World, call: &Call, id: &str) -> Answer {
    let size = body::number(body::object(call, "os-extend")?, "new_size", 1)?
        .and_then(|size| u64::try_from(size).ok())
        .ok_or_else(|| {
            bad_request(
                "Invalid input for field/attribute os-extend. Value: {}. 'new_size' is a required property",
            )
        })?;
    let volume = world.cinder.volumes.get(id).ok_or_else(|| volume_not_found(id))?;
    let (old, status, project) = (volume.size_gib, volume.status, volume.project_id.clone());
    if size <= old {
        return Err(bad_request(format!(
            "Invalid input received: New size for extend must be greater than current size. (current: {old}, extended: \
             {size})."
        )));
    }
    // A volume in use grows under its server; a free one is away for a while.
    if !matches!(status, Status::Available | Status::InUse) {
        return Err(invalid_volume(format!(
            "Volume {id} status must be 'available' or 'in-use' to extend, currently {}.",
            status.as_str()
        )));
    }
    quota::check(
        world,
        &project,
        Wanted {
            volumes: 0,
            gigabytes: size - old,
        },
    )?;
    let ready_at_ms = world.now_ms.saturating_add_unsigned(world.pace.volume_ms);
    if let Some(volume) = world.cinder.volumes.get_mut(id) {
        volume.size_gib = size;
        if status == Status::Available {
            volume.status = Status::Extending;
            volume.ready_at_ms = Some(ready_at_ms);
        }
    }
    Ok(Reply::empty(202))
}
