//! Attachments: through their own API, and for the compute service.

use serde_json::{Value, json};

use super::{
    Attachment, AttachmentStatus, Status, body, forbidden, invalid_volume, no_such_page, owned, timestamp,
    volume, volume_not_found,
};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// Attaches a volume to a server at once. An empty `project` stands for an administrator.
///
/// Refuses with 404 an unknown volume or another project's, with 400 one that is not free.
pub fn attach(
    world: &mut World,
    volume_id: &str,
    server_id: &str,
    device: &str,
    project: &str,
) -> Result<(), Refusal> {
    let volume = world
        .cinder
        .volumes
        .get(volume_id)
        .ok_or_else(|| volume_not_found(volume_id))?;
    if !project.is_empty() && volume.project_id != project {
        return Err(volume_not_found(volume_id));
    }
    let id = reserve(world, volume_id, server_id)?;
    complete(world, &id, device);
    Ok(())
}

/// Takes a volume from a server. Nothing happens when it is not there.
pub fn detach(world: &mut World, volume_id: &str, server_id: &str) {
    let ids: Vec<String> = world
        .cinder
        .attachments_of(volume_id)
        .filter(|attachment| attachment.server_id == server_id)
        .map(|attachment| attachment.id.clone())
        .collect();
    for id in ids {
        drop_attachment(world, &id);
    }
}

/// Makes an attachment and marks the volume as promised.
pub(super) fn reserve(world: &mut World, volume_id: &str, server_id: &str) -> Result<String, Refusal> {
    let id = world.uuid();
    let volume = world
        .cinder
        .volumes
        .get_mut(volume_id)
        .ok_or_else(|| volume_not_found(volume_id))?;
    let is_free = matches!(
        volume.status,
        Status::Available | Status::Reserved | Status::Attaching
    ) || (volume.multiattach && volume.status == Status::InUse);
    let has_other =
        world.cinder.attachments.values().any(|other| {
            other.volume_id == volume_id && (other.server_id == server_id || !volume.multiattach)
        });
    if !is_free || has_other {
        return Err(invalid_volume(format!(
            "Volume {volume_id} status must be available or downloading to reserve, but the current status is {}.",
            volume.status.as_str()
        )));
    }
    if volume.status != Status::InUse {
        volume.status = Status::Reserved;
    }
    world.cinder.attachments.insert(
        id.clone(),
        Attachment {
            id: id.clone(),
            volume_id: volume_id.to_owned(),
            server_id: server_id.to_owned(),
            device: String::new(),
            host: None,
            status: AttachmentStatus::Reserved,
            attached_ms: None,
        },
    );
    Ok(id)
}

/// Ends an attachment's way: the volume is in use.
pub(super) fn complete(world: &mut World, id: &str, device: &str) {
    let now_ms = world.now_ms;
    let Some(attachment) = world.cinder.attachments.get_mut(id) else {
        return;
    };
    attachment.status = AttachmentStatus::Attached;
    attachment.attached_ms = Some(now_ms);
    if !device.is_empty() {
        device.clone_into(&mut attachment.device);
    }
    if let Some(volume) = world.cinder.volumes.get_mut(&attachment.volume_id) {
        volume.status = Status::InUse;
        volume.updated_ms = Some(now_ms);
    }
}

/// Takes an attachment away; the volume is free when it was the last.
pub(super) fn drop_attachment(world: &mut World, id: &str) {
    let now_ms = world.now_ms;
    let Some(attachment) = world.cinder.attachments.remove(id) else {
        return;
    };
    let is_last = world
        .cinder
        .attachments_of(&attachment.volume_id)
        .next()
        .is_none();
    if let Some(volume) = world.cinder.volumes.get_mut(&attachment.volume_id)
        && is_last
        && matches!(
            volume.status,
            Status::InUse | Status::Reserved | Status::Attaching | Status::Detaching
        )
    {
        volume.status = Status::Available;
        volume.updated_ms = Some(now_ms);
    }
}

/// Takes every volume from a server.
pub fn detach_all(world: &mut World, server_id: &str) {
    let ids: Vec<String> = world
        .cinder
        .attachments
        .values()
        .filter(|attachment| attachment.server_id == server_id && !server_id.is_empty())
        .map(|attachment| attachment.id.clone())
        .collect();
    for id in ids {
        drop_attachment(world, &id);
    }
}

/// Deletes a volume because its server is gone, whatever its state; it is `deleting` for a while.
pub fn delete_on_termination(world: &mut World, volume_id: &str) {
    world
        .cinder
        .attachments
        .retain(|_, attachment| attachment.volume_id != volume_id);
    volume::start_delete(world, volume_id);
}

fn render(attachment: &Attachment, is_detail: bool) -> Value {
    let instance = Some(&attachment.server_id).filter(|id| !id.is_empty());
    let mut shown = json!({"id": attachment.id, "status": attachment.status, "instance": instance,
        "volume_id": attachment.volume_id});
    if is_detail {
        shown["attached_at"] = json!(attachment.attached_ms.map(timestamp).unwrap_or_default());
        shown["detached_at"] = json!("");
        shown["attach_mode"] = json!(if attachment.status == AttachmentStatus::Attached {
            "rw"
        } else {
            "null"
        });
        shown["connection_info"] = json!({});
    }
    shown
}

pub(super) fn handle(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    if let [id, ..] = rest
        && *id != "detail"
    {
        let volume_id = world
            .cinder
            .attachments
            .get(*id)
            .map(|attachment| attachment.volume_id.clone());
        let is_visible = volume_id.is_some_and(|volume| owned(world, call, &volume).is_ok());
        if !is_visible {
            let message = format!("Volume attachment could not be found with filter: attachment_id = {id}.");
            return Err(Refusal::new(404, "VolumeAttachmentNotFound", message));
        }
    }
    let shown = |world: &World, id: &str| {
        let attachment = world
            .cinder
            .attachments
            .get(id)
            .map(|attachment| render(attachment, true));
        Reply::json(200, json!({"attachment": attachment}))
    };
    match (call.method.as_str(), rest) {
        ("GET", [] | ["detail"]) => {
            let found: Vec<Value> = world
                .cinder
                .attachments
                .values()
                .filter(|attachment| owned(world, call, &attachment.volume_id).is_ok())
                .filter(|attachment| {
                    call.query("volume_id")
                        .is_none_or(|id| attachment.volume_id == id)
                })
                .filter(|attachment| {
                    call.query("instance_id")
                        .is_none_or(|id| attachment.server_id == id)
                })
                .map(|attachment| render(attachment, !rest.is_empty()))
                .collect();
            Ok(Reply::json(200, json!({"attachments": found})))
        }
        ("GET", [id]) => Ok(shown(world, id)),
        ("POST", []) => {
            let body = body::object(call, "attachment")?;
            let volume_id = body::text(body, "volume_uuid")?.unwrap_or_default();
            let server_id = body::text(body, "instance_uuid")?.unwrap_or_default();
            owned(world, call, volume_id)?;
            let id = reserve(world, volume_id, server_id)?;
            connect(world, &id, body.get("connector"));
            Ok(shown(world, &id))
        }
        ("PUT", [id]) => {
            connect(world, id, body::object(call, "attachment")?.get("connector"));
            Ok(shown(world, id))
        }
        ("POST", [id, "action"]) if call.body.get("os-complete").is_some() => {
            complete(world, id, "");
            Ok(Reply::empty(204))
        }
        ("DELETE", [id]) => {
            let server = world
                .cinder
                .attachments
                .get(*id)
                .map(|found| found.server_id.clone());
            // Only the compute service may take a volume from under a running server.
            if server.is_some_and(|server| !server.is_empty()) && !call.caller.is_admin {
                let is_service = call.caller.roles.iter().any(|role| role == "service");
                if !is_service && is_attached(world, id) {
                    return Err(forbidden("volume:attachment_delete"));
                }
            }
            drop_attachment(world, id);
            Ok(Reply::json(200, json!({"attachments": []})))
        }
        _ => Err(no_such_page()),
    }
}

fn is_attached(world: &World, id: &str) -> bool {
    world
        .cinder
        .attachments
        .get(id)
        .is_some_and(|found| found.status == AttachmentStatus::Attached)
}

/// A connector says where the server runs: from then on the volume is on its way.
fn connect(world: &mut World, id: &str, connector: Option<&Value>) {
    let Some(connector) = connector.filter(|value| value.is_object()) else {
        return;
    };
    let Some(attachment) = world.cinder.attachments.get_mut(id) else {
        return;
    };
    attachment.status = AttachmentStatus::Attaching;
    attachment.host = connector["host"].as_str().map(str::to_owned);
    connector["mountpoint"]
        .as_str()
        .unwrap_or_default()
        .clone_into(&mut attachment.device);
    if let Some(volume) = world.cinder.volumes.get_mut(&attachment.volume_id)
        && volume.status == Status::Reserved
    {
        volume.status = Status::Attaching;
    }
}
