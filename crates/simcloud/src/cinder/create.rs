//! New volumes: empty, from an image or from another volume.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    DEFAULT_TYPE_ID, Status, Volume, bad_request, body, owned,
    quota::{self, Wanted},
};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// What a new volume is to be.
struct NewVolume<'a> {
    project: &'a str,
    user: &'a str,
    size_gib: u64,
    volume_type_id: String,
    image_id: Option<&'a str>,
    source_volume_id: Option<&'a str>,
}

const CREATABLE: &[&str] = &[
    "name",
    "display_name",
    "description",
    "display_description",
    "size",
    "volume_type",
    "availability_zone",
    "metadata",
    "imageRef",
    "image_id",
    "snapshot_id",
    "source_volid",
    "source_replica",
    "consistencygroup_id",
    "group_id",
    "backup_id",
    "multiattach",
    "project_id",
    "user_id",
    "status",
    "attach_status",
    "scheduler_hints",
    "OS-SCH-HNT:scheduler_hints",
];

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let body = body::object(call, "volume")?;
    body::check_known(body, "volume", CREATABLE)?;
    if body::text(body, "snapshot_id")?.is_some_and(|id| !id.is_empty()) {
        let id = body::text(body, "snapshot_id")?.unwrap_or_default();
        return Err(Refusal::new(
            404,
            "SnapshotNotFound",
            format!("Snapshot {id} could not be found."),
        ));
    }
    let source = body::text(body, "source_volid")?.filter(|id| !id.is_empty());
    if let Some(id) = source {
        owned(world, call, id)?;
    }
    let image_id = match body::text(body, "imageRef")? {
        Some(id) => Some(id),
        None => body::text(body, "image_id")?,
    }
    .filter(|id| !id.is_empty());
    let source_size = source
        .and_then(|id| world.cinder.volumes.get(id))
        .map(|volume| volume.size_gib);
    let size_gib = match (body::number(body, "size", 1)?, source_size) {
        (Some(size), _) => u64::try_from(size).unwrap_or(1),
        (None, Some(size)) => size,
        (None, None) => {
            return Err(bad_request(
                "The server could not comply with the request since it is either malformed or otherwise incorrect.",
            ));
        }
    };
    if let Some(least) = source_size.filter(|least| *least > size_gib) {
        return Err(bad_request(format!(
            "Invalid input received: Invalid volume size: Source volume size is {least}GB, volume size is \
             {size_gib}GB."
        )));
    }
    if let Some(image) = image_id {
        check_image(world, call, image, size_gib)?;
    }
    let volume_type_id = find_type(world, body::text(body, "volume_type")?)?;
    let zone = body::text(body, "availability_zone")?.unwrap_or("nova");
    if zone != "nova" {
        return Err(bad_request(format!("Availability zone '{zone}' is invalid.")));
    }
    let multiattach = body::flag(body, "multiattach")?.unwrap_or(false);
    let metadata = match body.get("metadata").filter(|value| !value.is_null()) {
        Some(metadata) => body::metadata(metadata)?,
        None => BTreeMap::new(),
    };
    let text = |key: &str, old: &str| -> Result<Option<String>, Refusal> {
        let found = body::text(body, key)?;
        Ok(if found.is_some() {
            found
        } else {
            body::text(body, old)?
        }
        .map(str::to_owned))
    };
    let (name, description) = (
        text("name", "display_name")?,
        text("description", "display_description")?,
    );
    let (project, user) = (call.project(), call.caller.user_id.as_str());
    let new = NewVolume {
        project,
        user,
        size_gib,
        volume_type_id,
        image_id,
        source_volume_id: source,
    };
    let id = insert(world, new)?;
    if let Some(volume) = world.cinder.volumes.get_mut(&id) {
        volume.name = name;
        volume.description = description;
        volume.metadata = metadata;
        volume.multiattach = multiattach;
    }
    let shown = world
        .cinder
        .volumes
        .get(&id)
        .map(|volume| volume.render(&world.cinder, call));
    Ok(Reply::json(202, json!({"volume": shown})))
}

/// The image must be there for the caller, active, and fit into the volume.
fn check_image(world: &World, call: &Call, id: &str, size_gib: u64) -> Result<(), Refusal> {
    let image = world.glance.images.get(id).filter(|image| {
        let is_open = ["public", "community"].contains(&image.visibility.as_str());
        is_open || call.caller.is_admin || image.owner == call.project()
    });
    let Some(image) = image else {
        return Err(bad_request(
            "Invalid image identifier or unable to access requested image.",
        ));
    };
    let invalid = |reason: String| Err(bad_request(format!("Invalid input received: {reason}")));
    if image.status != "active" {
        return invalid(format!("Image {id} is not active."));
    }
    let image_gib = image.size_bytes.div_ceil(1 << 30);
    if image_gib > size_gib {
        return invalid(format!(
            "Size of specified image {image_gib}GB is larger than volume size {size_gib}GB."
        ));
    }
    if image.min_disk_gib > size_gib {
        return invalid(format!(
            "Volume size {size_gib}GB cannot be smaller than the image minDisk size {}GB.",
            image.min_disk_gib
        ));
    }
    Ok(())
}

/// Finds a type by id or name; the default one for none.
fn find_type(world: &World, wanted: Option<&str>) -> Result<String, Refusal> {
    let Some(wanted) = wanted.filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_TYPE_ID.to_owned());
    };
    let mut types = world.cinder.types.values();
    types
        .find(|found| found.id == wanted || found.name == wanted)
        .map(|found| found.id.clone())
        .ok_or_else(|| {
            let message = format!("Volume type with name {wanted} could not be found.");
            Refusal::new(404, "VolumeTypeNotFoundByName", message)
        })
}

fn insert(world: &mut World, new: NewVolume<'_>) -> Result<String, Refusal> {
    quota::check(
        world,
        new.project,
        Wanted {
            volumes: 1,
            gigabytes: new.size_gib,
        },
    )?;
    let id = world.uuid();
    world.cinder.sequence += 1;
    let is_source_bootable = new
        .source_volume_id
        .and_then(|id| world.cinder.volumes.get(id))
        .is_some_and(|volume| volume.is_bootable);
    let volume = Volume {
        id: id.clone(),
        project_id: new.project.to_owned(),
        user_id: new.user.to_owned(),
        name: None,
        description: None,
        size_gib: new.size_gib,
        status: Status::Creating,
        ready_at_ms: Some(world.now_ms.saturating_add_unsigned(world.pace.volume_ms)),
        volume_type_id: new.volume_type_id,
        availability_zone: "nova".to_owned(),
        is_bootable: new.image_id.is_some() || is_source_bootable,
        multiattach: false,
        image_id: new.image_id.map(str::to_owned),
        image_name: new
            .image_id
            .and_then(|id| world.glance.images.get(id))
            .and_then(|image| image.name.clone()),
        source_volume_id: new.source_volume_id.map(str::to_owned),
        metadata: BTreeMap::new(),
        sequence: world.cinder.sequence,
        created_ms: world.now_ms,
        updated_ms: None,
    };
    world.cinder.volumes.insert(id.clone(), volume);
    Ok(id)
}

/// Makes a volume for a server, bootable from an image or, with an empty `image_id`, blank. Returns its id; it is
/// `creating` first.
///
/// The caller has checked the image. Refuses with 404 an unknown volume type, with 413 a full quota.
pub fn create_from_image(
    world: &mut World,
    size_gib: u64,
    image_id: &str,
    volume_type: Option<&str>,
    project: &str,
) -> Result<String, Refusal> {
    let volume_type_id = find_type(world, volume_type)?;
    let image_id = Some(image_id).filter(|id| !id.is_empty());
    let new = NewVolume {
        project,
        user: "",
        size_gib,
        volume_type_id,
        image_id,
        source_volume_id: None,
    };
    insert(world, new)
}
