//! Volumes: the record, its body, update and delete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Cinder, body, invalid_volume, links, microversion, timestamp, volume_not_found};
use crate::{
    call::{Call, Refusal},
    world::World,
};

/// Id of the one volume service.
const SERVICE_ID: &str = "5d6a6b4e-3c1f-4f0a-9a55-1f3e2b7c9d10";

/// State of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Being made, empty or from an image.
    Creating,
    /// Free.
    Available,
    /// Promised to a server.
    Reserved,
    /// On its way to a server.
    Attaching,
    /// Attached.
    InUse,
    /// On its way from a server.
    Detaching,
    /// Growing.
    Extending,
    /// Being deleted.
    Deleting,
    /// Failed.
    Error,
    /// Failed while being deleted.
    ErrorDeleting,
    /// Not for use.
    Maintenance,
}

impl Status {
    const ALL: [Self; 11] = [
        Self::Creating,
        Self::Available,
        Self::Reserved,
        Self::Attaching,
        Self::InUse,
        Self::Detaching,
        Self::Extending,
        Self::Deleting,
        Self::Error,
        Self::ErrorDeleting,
        Self::Maintenance,
    ];

    /// The status as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Attaching => "attaching",
            Self::InUse => "in-use",
            Self::Detaching => "detaching",
            Self::Extending => "extending",
            Self::Deleting => "deleting",
            Self::Error => "error",
            Self::ErrorDeleting => "error_deleting",
            Self::Maintenance => "maintenance",
        }
    }

    /// The status that the API writes so.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Volume {
    /// UUID.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// User who made it.
    pub user_id: String,
    /// Name, not unique; may be absent.
    pub name: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// Size.
    pub size_gib: u64,
    /// State.
    pub status: Status,
    /// When `creating`, `extending` or `deleting` ends, in milliseconds since the Unix epoch.
    pub ready_at_ms: Option<i64>,
    /// Id of its type.
    pub volume_type_id: String,
    /// Availability zone.
    pub availability_zone: String,
    /// True when a server can boot from it.
    pub is_bootable: bool,
    /// True when several servers may have it.
    pub multiattach: bool,
    /// Image that it was made from.
    pub image_id: Option<String>,
    /// Name of that image.
    pub image_name: Option<String>,
    /// Volume that it was made from.
    pub source_volume_id: Option<String>,
    /// Labels.
    pub metadata: BTreeMap<String, String>,
    /// Place in the order of creation.
    pub sequence: u64,
    /// Milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Milliseconds since the Unix epoch of the last change, if any.
    pub updated_ms: Option<i64>,
}

/// A volume type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VolumeType {
    /// UUID.
    pub id: String,
    /// Name, unique.
    pub name: String,
    /// Text for people.
    pub description: String,
}

/// How far an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachmentStatus {
    /// Promised.
    Reserved,
    /// Under way.
    Attaching,
    /// Done.
    Attached,
}

/// A volume at a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// UUID.
    pub id: String,
    /// The volume.
    pub volume_id: String,
    /// The server; empty when none is named.
    pub server_id: String,
    /// Device inside the server, such as `/dev/vdb`.
    pub device: String,
    /// Host of the server, if told.
    pub host: Option<String>,
    /// How far it is.
    pub status: AttachmentStatus,
    /// Milliseconds since the Unix epoch at which it was attached.
    pub attached_ms: Option<i64>,
}

impl Volume {
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        self.ready_at_ms.is_some_and(|at| at <= now_ms)
    }

    pub(super) fn render(&self, cinder: &Cinder, call: &Call) -> Value {
        let attachments: Vec<Value> = cinder
            .attachments_of(&self.id)
            .filter(|attachment| attachment.status == AttachmentStatus::Attached)
            .map(|attachment| {
                json!({"id": self.id, "attachment_id": attachment.id, "volume_id": self.id,
                    "server_id": attachment.server_id, "device": attachment.device,
                    "host_name": if call.caller.is_admin { attachment.host.clone() } else { None },
                    "attached_at": attachment.attached_ms.map(timestamp)})
            })
            .collect();
        let volume_type = cinder.types.get(&self.volume_type_id).map(|found| &found.name);
        // A volume belongs to a back end once it has been placed there.
        let placed = !matches!(self.status, Status::Creating);
        let mut volume = json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "status": self.status.as_str(),
            "size": self.size_gib,
            "availability_zone": self.availability_zone,
            "bootable": self.is_bootable.to_string(),
            "encrypted": false,
            "multiattach": self.multiattach,
            "volume_type": volume_type,
            "snapshot_id": null,
            "source_volid": self.source_volume_id,
            "metadata": self.metadata,
            "attachments": attachments,
            "user_id": self.user_id,
            "replication_status": null,
            "consistencygroup_id": null,
            "created_at": timestamp(self.created_ms),
            "updated_at": self.updated_ms.map(timestamp),
            "links": links(call, &self.project_id, &self.id),
        });
        let newer = [
            (13, "group_id", Value::Null),
            (48, "service_uuid", json!(placed.then_some(SERVICE_ID))),
            (48, "shared_targets", json!(!placed)),
            (63, "volume_type_id", json!(self.volume_type_id)),
            (65, "consumes_quota", json!(true)),
        ];
        for (since, field, value) in newer {
            if microversion(call) >= since {
                volume[field] = value;
            }
        }
        if call.method == "GET" {
            volume["os-vol-tenant-attr:tenant_id"] = json!(self.project_id);
        }
        if let Some(image) = &self.image_id {
            volume["volume_image_metadata"] = json!({"image_id": image, "image_name": self.image_name});
        }
        if call.caller.is_admin {
            volume["migration_status"] = Value::Null;
            volume["cluster_name"] = Value::Null;
            volume["provider_id"] = Value::Null;
            volume["os-vol-host-attr:host"] = json!("simcloud@lvm#lvm");
            volume["os-vol-mig-status-attr:migstat"] = Value::Null;
            volume["os-vol-mig-status-attr:name_id"] = Value::Null;
        }
        volume
    }
}

impl Cinder {
    /// The attachments of a volume.
    pub fn attachments_of<'a>(&'a self, volume_id: &'a str) -> impl Iterator<Item = &'a Attachment> {
        self.attachments
            .values()
            .filter(move |attachment| attachment.volume_id == volume_id)
    }
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let body = body::object(call, "volume")?;
    let now_ms = world.now_ms;
    let volume = world
        .cinder
        .volumes
        .get_mut(id)
        .ok_or_else(|| volume_not_found(id))?;
    for (keys, place) in [
        (["name", "display_name"], &mut volume.name),
        (["description", "display_description"], &mut volume.description),
    ] {
        for key in keys {
            if let Some(value) = body.get(key) {
                *place = value.as_str().map(str::to_owned);
            }
        }
    }
    if let Some(metadata) = body.get("metadata") {
        volume.metadata = body::metadata(metadata)?;
    }
    volume.updated_ms = Some(now_ms);
    Ok(())
}

/// Starts a delete. Refuses with 400 a volume that is not free.
pub(super) fn delete(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let has_attachments = world.cinder.attachments_of(id).next().is_some();
    let is_forced = call
        .query("force")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let volume = world.cinder.volumes.get(id).ok_or_else(|| volume_not_found(id))?;
    let is_free = matches!(
        volume.status,
        Status::Available | Status::Error | Status::ErrorDeleting | Status::Maintenance
    );
    if has_attachments || !(is_free || is_forced) {
        return Err(invalid_volume(
            "Volume status must be available or error or error_restoring or error_extending or error_managing and must \
             not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated \
             from snapshots after volume transfer.",
        ));
    }
    start_delete(world, id);
    Ok(())
}

/// Puts a volume into `deleting`.
pub(super) fn start_delete(world: &mut World, id: &str) {
    let (now_ms, ready_at_ms) = (
        world.now_ms,
        world.now_ms.saturating_add_unsigned(world.pace.volume_ms),
    );
    if let Some(volume) = world.cinder.volumes.get_mut(id)
        && volume.status != Status::Deleting
    {
        volume.status = Status::Deleting;
        volume.ready_at_ms = Some(ready_at_ms);
        volume.updated_ms = Some(now_ms);
    }
}
