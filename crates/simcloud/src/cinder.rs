//! Block storage: Cinder v3 with volumes, volume types, attachments, quotas and limits.
//!
//! Owns volume records and their states. Stores no data: a volume is a size and a history of attachments.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

mod action;
mod attachment;
mod body;
mod create;
mod documents;
mod list;
mod metadata;
pub mod quota;
pub mod volume;

pub use attachment::{attach, delete_on_termination, detach, detach_all};
pub use create::create_from_image;
pub use quota::{roomy, set_quota};
pub use volume::{Attachment, AttachmentStatus, Status, Volume, VolumeType};

/// Path of the service below the simulator's address, as in its catalog.
pub const PREFIX: &str = "/volume";

/// Id of the volume type that volumes get when they ask for none.
const DEFAULT_TYPE_ID: &str = "2fb3c4d1-6bfb-4f61-9d2c-0d0d5a3a7c01";
const SSD_TYPE_ID: &str = "8a1d1f0e-52cb-4b9e-8f63-4c9c1b0a6e02";

/// State of the block storage service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cinder {
    /// Volumes by id.
    pub volumes: BTreeMap<String, Volume>,
    /// Volume types by id.
    pub types: BTreeMap<String, VolumeType>,
    /// Attachments by id.
    pub attachments: BTreeMap<String, Attachment>,
    /// Limits set for a project, by project id and resource name; -1 is unlimited.
    pub quotas: BTreeMap<String, BTreeMap<String, i64>>,
    /// True when the defaults of all quotas are unlimited.
    pub has_roomy_defaults: bool,
    /// Number of volumes made so far: orders lists by age.
    pub sequence: u64,
}

impl Default for Cinder {
    /// No volumes, and the types `__DEFAULT__` and `ssd`.
    fn default() -> Self {
        let types = [
            (DEFAULT_TYPE_ID, "__DEFAULT__", "Default Volume Type"),
            (SSD_TYPE_ID, "ssd", ""),
        ];
        let types = types.map(|(id, name, description)| {
            let volume_type = VolumeType {
                id: id.to_owned(),
                name: name.to_owned(),
                description: description.to_owned(),
            };
            (id.to_owned(), volume_type)
        });
        Self {
            volumes: BTreeMap::new(),
            types: BTreeMap::from(types),
            attachments: BTreeMap::new(),
            quotas: BTreeMap::new(),
            has_roomy_defaults: false,
            sequence: 0,
        }
    }
}

/// `2025-01-31T12:00:00.000000`
fn timestamp(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S%.6f")
        .to_string()
}

/// Newest minor microversion: OpenStack 2023.2 and later.
const MICROVERSION_MAX: u32 = 71;

/// The minor microversion that a call asks for: 0 without a header.
fn microversion(call: &Call) -> u32 {
    let asked = call.headers.get("openstack-api-version");
    let asked = asked.and_then(|all| all.split(',').find_map(|one| one.trim().strip_prefix("volume ")));
    match asked.map(str::trim) {
        None => 0,
        Some("latest") => MICROVERSION_MAX,
        Some(version) => version
            .strip_prefix("3.")
            .and_then(|minor| minor.parse().ok())
            .unwrap_or_default(),
    }
}

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "HTTPBadRequest", message)
}

/// 400 `Invalid volume: ...`
fn invalid_volume(reason: impl std::fmt::Display) -> Refusal {
    bad_request(format!("Invalid volume: {reason}"))
}

fn volume_not_found(id: &str) -> Refusal {
    Refusal::new(404, "VolumeNotFound", format!("Volume {id} could not be found."))
}

fn forbidden(rule: &str) -> Refusal {
    Refusal::new(
        403,
        "PolicyNotAuthorized",
        format!("Policy doesn't allow {rule} to be performed."),
    )
}

fn no_such_page() -> Refusal {
    Refusal::new(404, "HTTPNotFound", "The resource could not be found.")
}

const COLLECTIONS: &[&str] = &[
    "volumes",
    "types",
    "attachments",
    "os-quota-sets",
    "limits",
    "os-availability-zone",
    "extensions",
    "snapshots",
    "backups",
    "os-services",
    "default-types",
];

/// Answers one request to the block storage API; `call.path` starts with the version, then perhaps a project id.
///
/// Refuses as Cinder does; the refusals are for [`Dialect::Cinder`](crate::call::Dialect::Cinder). A quota's
/// refusal comes as a whole answer, since its body has a field more.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    tick(world);
    match dispatch(world, call) {
        Err(refusal) if refusal.status == 413 => {
            let body = json!({"overLimit": {"code": 413, "message": refusal.message, "retryAfter": "0"}});
            Ok(Reply::json(413, body).with_header("Retry-After", "0"))
        }
        answer => answer,
    }
}

fn dispatch(world: &mut World, call: &Call) -> Answer {
    let (method, path) = call.route();
    let rest = match path.as_slice() {
        [] => return Ok(documents::versions(call, 300)),
        ["v3"] => return Ok(documents::versions(call, 200)),
        ["v3", rest @ ..] => rest,
        _ => return Err(no_such_page()),
    };
    let rest = match rest {
        [first, ..] if COLLECTIONS.contains(first) => rest,
        [project, rest @ ..] => {
            if !call.caller.is_admin && call.caller.project_id.as_deref() != Some(*project) {
                return Err(bad_request("Malformed request url"));
            }
            rest
        }
        [] => rest,
    };
    match (method, rest) {
        (_, ["volumes", rest @ ..]) => volumes(world, call, rest),
        ("GET", ["types", rest @ ..]) => documents::types(world, rest),
        (_, ["attachments", rest @ ..]) => attachment::handle(world, call, rest),
        (_, ["os-quota-sets", rest @ ..]) => quota::handle(world, call, rest),
        ("GET", ["limits"]) => Ok(quota::limits(world, call.project())),
        ("GET", ["os-availability-zone"]) => Ok(documents::availability_zones()),
        ("GET", ["extensions"]) => Ok(Reply::json(200, json!({"extensions": []}))),
        (
            "GET",
            [collection @ ("snapshots" | "backups")] | [collection @ ("snapshots" | "backups"), "detail"],
        ) => Ok(Reply::json(200, json!({(*collection): []}))),
        ("GET", ["os-services"]) => documents::services(call),
        _ => Err(no_such_page()),
    }
}

fn volumes(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", []) => list::volumes(world, call, false),
        ("GET", ["detail"]) => list::volumes(world, call, true),
        ("GET", ["summary"]) => Ok(list::summary(world, call)),
        ("POST", []) => create::create(world, call),
        (method, [id, rest @ ..]) => {
            owned(world, call, id)?;
            match (method, rest) {
                ("GET", []) => show(world, call, id, 200),
                ("PUT", []) => {
                    volume::update(world, call, id)?;
                    show(world, call, id, 200)
                }
                ("DELETE", []) => {
                    volume::delete(world, call, id)?;
                    Ok(Reply::empty(202))
                }
                ("POST", ["action"]) => action::act(world, call, id),
                (_, ["metadata", rest @ ..]) => metadata::handle(world, call, id, rest),
                _ => Err(no_such_page()),
            }
        }
        _ => Err(no_such_page()),
    }
}

/// 404 for what is not there or belongs to another project.
fn owned(world: &World, call: &Call, id: &str) -> Result<(), Refusal> {
    let volume = world.cinder.volumes.get(id).ok_or_else(|| volume_not_found(id))?;
    let is_owner = call.caller.is_admin || call.caller.project_id.as_ref() == Some(&volume.project_id);
    if is_owner {
        Ok(())
    } else {
        Err(volume_not_found(id))
    }
}

fn show(world: &World, call: &Call, id: &str, status: u16) -> Answer {
    let volume = world.cinder.volumes.get(id).ok_or_else(|| volume_not_found(id))?;
    Ok(Reply::json(
        status,
        json!({"volume": volume.render(&world.cinder, call)}),
    ))
}

/// Ends what is due by now: `creating` and `extending` volumes become available, `deleting` ones go.
pub fn tick(world: &mut World) {
    let now_ms = world.now_ms;
    let cinder = &mut world.cinder;
    cinder
        .volumes
        .retain(|_, volume| !(volume.status == Status::Deleting && volume.is_due(now_ms)));
    let volumes = &cinder.volumes;
    cinder
        .attachments
        .retain(|_, attachment| volumes.contains_key(&attachment.volume_id));
    for volume in cinder.volumes.values_mut().filter(|volume| volume.is_due(now_ms)) {
        if matches!(volume.status, Status::Creating | Status::Extending) {
            volume.status = Status::Available;
        }
        volume.updated_ms = volume.ready_at_ms.take();
    }
}

/// A volume's status as the API writes it, such as `available`; `None` for an unknown id.
pub fn status(world: &World, volume_id: &str) -> Option<String> {
    world
        .cinder
        .volumes
        .get(volume_id)
        .map(|volume| volume.status.as_str().to_owned())
}

/// Puts a volume into `error`, as when its back end failed. Nothing happens for an unknown id.
pub fn fail_volume(world: &mut World, volume_id: &str) {
    if let Some(volume) = world.cinder.volumes.get_mut(volume_id) {
        volume.status = Status::Error;
        volume.ready_at_ms = None;
    }
}

/// `[{"rel": "self", ..}, {"rel": "bookmark", ..}]`
fn links(call: &Call, project: &str, id: &str) -> Value {
    json!([
        {"rel": "self", "href": format!("{}{PREFIX}/v3/{project}/volumes/{id}", call.base)},
        {"rel": "bookmark", "href": format!("{}{PREFIX}/{project}/volumes/{id}", call.base)},
    ])
}

#[cfg(test)]
mod tests;
