//! Glance v2: images, as far as clients list, show, create, change and delete them. Uploaded data is only counted.

mod filter;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Refusal, Reply};
use crate::clock;
use crate::world::World;

/// State of the image service.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Glance {
    /// Images by id.
    pub images: BTreeMap<String, Image>,
    sequence: u64,
}

/// An image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// Name; need not be unique.
    pub name: Option<String>,
    /// Project id of the owner.
    pub owner: String,
    /// `queued` until data is uploaded, then `active`.
    pub status: String,
    /// `public`, `community`, `shared` or `private`.
    pub visibility: String,
    /// `raw`, `qcow2`, ...
    pub disk_format: Option<String>,
    /// `bare`, ...
    pub container_format: Option<String>,
    /// Size of the data in bytes.
    pub size_bytes: u64,
    /// Smallest root disk in GiB.
    pub min_disk_gib: u64,
    /// Smallest memory in MiB.
    pub min_ram_mib: u64,
    /// A protected image can't be deleted.
    pub protected: bool,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Custom properties, such as `os_distro`.
    pub properties: Map<String, Value>,
    /// Creation and last change in milliseconds since the epoch.
    pub created_ms: i64,
    /// See `created_ms`.
    pub updated_ms: i64,
    sequence: u64,
}

/// Attributes that no custom property may be called.
const BASE: [&str; 22] = [
    "id",
    "name",
    "owner",
    "status",
    "visibility",
    "disk_format",
    "container_format",
    "size",
    "min_disk",
    "min_ram",
    "protected",
    "tags",
    "created_at",
    "updated_at",
    "self",
    "file",
    "schema",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "os_hidden",
    "virtual_size",
];

/// Makes the public image `debian-12-docker`.
pub fn seed(world: &mut World) {
    let properties = [
        ("os_distro", "debian"),
        ("os_version", "12"),
        ("architecture", "x86_64"),
    ];
    let image = Image {
        name: Some("debian-12-docker".to_owned()),
        owner: world.keystone.project_named("admin").unwrap_or_default(),
        status: "active".to_owned(),
        visibility: "public".to_owned(),
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        size_bytes: 734_003_200,
        min_disk_gib: 1,
        min_ram_mib: 256,
        protected: false,
        tags: BTreeSet::new(),
        properties: properties
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect(),
        created_ms: world.now_ms,
        updated_ms: world.now_ms,
        sequence: 0,
    };
    let id = world.uuid();
    world.glance.images.insert(id, image);
}

/// An image that a project may use by its id.
pub fn visible<'a>(world: &'a World, project: &str, is_admin: bool, id: &str) -> Option<&'a Image> {
    world.glance.images.get(id).filter(|image| {
        is_admin || image.owner == project || matches!(image.visibility.as_str(), "public" | "community")
    })
}

/// Answers a call of the image API; `call.path` begins with `v2`.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let (method, path) = call.route();
    let Some((&"v2", path)) = path.split_first() else {
        return Err(refuse(404, "The resource could not be found."));
    };
    match (method, path) {
        ("GET", ["images"]) => filter::list(world, call),
        ("POST", ["images"]) => create(world, call),
        ("GET", ["images", id]) => Ok(Reply::json(200, render(id, find(world, call, id)?))),
        ("PATCH", ["images", id]) => update(world, call, id),
        ("DELETE", ["images", id]) => {
            if own(world, call, id)?.protected {
                let text = format!("Image {id} is protected and cannot be deleted.");
                return Err(refuse(403, text));
            }
            world.glance.images.remove(*id);
            Ok(Reply::empty(204))
        }
        ("PUT", ["images", id, "file"]) => {
            let size = call.body["size"].as_u64().unwrap_or_default();
            let now_ms = world.now_ms;
            let image = own(world, call, id)?;
            if image.status != "queued" {
                let text = format!(
                    "Image status transition from {} to saving is not allowed",
                    image.status
                );
                return Err(refuse(409, text));
            }
            image.size_bytes = size;
            image.status = "active".to_owned();
            image.updated_ms = now_ms;
            Ok(Reply::empty(204))
        }
        ("PUT", ["images", id, "tags", tag]) => {
            own(world, call, id)?.tags.insert((*tag).to_owned());
            Ok(Reply::empty(204))
        }
        ("DELETE", ["images", id, "tags", tag]) => {
            let known = own(world, call, id)?.tags.remove(*tag);
            if known {
                Ok(Reply::empty(204))
            } else {
                Err(refuse(404, "The resource could not be found."))
            }
        }
        ("GET", ["images", id, "members"]) => {
            find(world, call, id)?;
            Ok(Reply::json(
                200,
                json!({"members": [], "schema": "/v2/schemas/members"}),
            ))
        }
        ("GET", ["schemas", "image"]) => Ok(Reply::json(
            200,
            json!({"name": "image", "properties": {},
            "additionalProperties": {"type": "string"}, "links": []}),
        )),
        _ => Err(refuse(404, "The resource could not be found.")),
    }
}

fn refuse(status: u16, message: impl Into<String>) -> Refusal {
    Refusal::new(status, "", message)
}

fn not_found(id: &str) -> Refusal {
    refuse(404, format!("No image found with ID {id}"))
}

fn find<'a>(world: &'a World, call: &Call, id: &str) -> Result<&'a Image, Refusal> {
    visible(world, call.project(), call.caller.is_admin, id).ok_or_else(|| not_found(id))
}

/// An image that the caller may change.
fn own<'a>(world: &'a mut World, call: &Call, id: &str) -> Result<&'a mut Image, Refusal> {
    find(world, call, id)?;
    let image = world.glance.images.get_mut(id).ok_or_else(|| not_found(id))?;
    if image.owner == call.project() || call.caller.is_admin {
        Ok(image)
    } else {
        Err(refuse(403, "You are not authorized to complete this action."))
    }
}

fn render(id: &str, image: &Image) -> Value {
    let mut body = Value::Object(image.properties.clone());
    let has_data = image.status == "active";
    let known = json!({
        "id": id, "name": image.name, "owner": image.owner, "status": image.status,
        "visibility": image.visibility, "disk_format": image.disk_format,
        "container_format": image.container_format, "size": has_data.then_some(image.size_bytes),
        "virtual_size": null, "min_disk": image.min_disk_gib, "min_ram": image.min_ram_mib,
        "protected": image.protected, "tags": image.tags, "os_hidden": false, "checksum": null,
        "os_hash_algo": null, "os_hash_value": null, "created_at": clock::seconds(image.created_ms),
        "updated_at": clock::seconds(image.updated_ms), "self": format!("/v2/images/{id}"),
        "file": format!("/v2/images/{id}/file"), "schema": "/v2/schemas/image",
    });
    if let (Some(body), Value::Object(known)) = (body.as_object_mut(), known) {
        body.extend(known);
    }
    body
}

fn create(world: &mut World, call: &Call) -> Answer {
    let fields = call
        .body
        .as_object()
        .ok_or_else(|| refuse(400, "Malformed request body"))?;
    world.glance.sequence += 1;
    let mut image = Image {
        name: None,
        owner: call.project().to_owned(),
        status: "queued".to_owned(),
        visibility: "shared".to_owned(),
        disk_format: None,
        container_format: None,
        size_bytes: 0,
        min_disk_gib: 0,
        min_ram_mib: 0,
        protected: false,
        tags: BTreeSet::new(),
        properties: Map::new(),
        created_ms: world.now_ms,
        updated_ms: world.now_ms,
        sequence: world.glance.sequence,
    };
    for (name, value) in fields.iter().filter(|(name, _)| *name != "id") {
        set(&mut image, call, name, value)?;
    }
    let id = fields
        .get("id")
        .and_then(Value::as_str)
        .map_or_else(|| world.uuid(), str::to_owned);
    if world.glance.images.contains_key(&id) {
        return Err(refuse(409, format!("Image ID {id} already exists!")));
    }
    let body = render(&id, &image);
    world.glance.images.insert(id.clone(), image);
    let location = format!("{}/image/v2/images/{id}", call.base);
    Ok(Reply::json(201, body).with_header("location", location))
}

fn set(image: &mut Image, call: &Call, name: &str, value: &Value) -> Result<(), Refusal> {
    let bad = || refuse(400, format!("Failed validating '{name}'"));
    let text = || value.as_str().map(str::to_owned);
    match name {
        "name" => image.name = text(),
        "owner" if call.caller.is_admin => image.owner = text().ok_or_else(bad)?,
        "visibility" => {
            let visibility = text().ok_or_else(bad)?;
            match visibility.as_str() {
                "public" if !call.caller.is_admin => {
                    return Err(refuse(
                        403,
                        "You are not authorized to complete publicize_image action.",
                    ));
                }
                "public" | "community" | "shared" | "private" => image.visibility = visibility,
                _ => return Err(bad()),
            }
        }
        "disk_format" => image.disk_format = text(),
        "container_format" => image.container_format = text(),
        "min_disk" => image.min_disk_gib = value.as_u64().ok_or_else(bad)?,
        "min_ram" => image.min_ram_mib = value.as_u64().ok_or_else(bad)?,
        "protected" => image.protected = value.as_bool().ok_or_else(bad)?,
        "os_hidden" => {}
        "tags" => {
            let tags = value.as_array().ok_or_else(bad)?;
            image.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        other if BASE.contains(&other) => {
            return Err(refuse(403, format!("Attribute '{other}' is read-only.")));
        }
        other => {
            image.properties.insert(other.to_owned(), value.clone());
        }
    }
    Ok(())
}

/// Applies a JSON patch with one-level paths, in the media type `application/openstack-images-v2.1-json-patch`.
fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let changes = call.body.as_array().ok_or_else(|| {
        refuse(
            400,
            "Request body must be a JSON array of operation \
        objects.",
        )
    })?;
    let now_ms = world.now_ms;
    let image = own(world, call, id)?;
    let mut changed = image.clone();
    for change in changes {
        let name = change["path"].as_str().and_then(|path| path.strip_prefix('/'));
        let name = name.ok_or_else(|| refuse(400, "Invalid JSON pointer for this resource"))?;
        match change["op"].as_str() {
            Some("add" | "replace") => set(&mut changed, call, name, &change["value"])?,
            Some("remove") => {
                if changed.properties.remove(name).is_none() {
                    return Err(refuse(409, format!("Property {name} does not exist.")));
                }
            }
            _ => {
                return Err(refuse(
                    400,
                    "Operations must be one of 'add', 'remove', 'replace'.",
                ));
            }
        }
    }
    changed.updated_ms = now_ms;
    *image = changed;
    Ok(Reply::json(200, render(id, image)))
}
