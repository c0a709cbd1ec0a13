//! Cinder v3: volumes.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::error::Error;
use crate::service::Service;
use crate::session::Session;
use crate::wire::nullable;

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// `creating`, `available`, `in-use`, `deleting`, `error` and others.
    pub status: String,
    /// Size in GiB.
    #[serde(rename = "size")]
    pub size_gib: u32,
    /// What its makers have noted with it.
    #[serde(default, deserialize_with = "nullable")]
    pub metadata: BTreeMap<String, String>,
    /// Servers that it is attached to.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// A volume's attachment to a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attachment {
    /// Server.
    pub server_id: String,
    /// Device in the server, such as `/dev/vdb`.
    #[serde(default, deserialize_with = "nullable")]
    pub device: String,
}

/// Asks for a volume; it is `creating` at first. `None` leaves type and zone to Cinder.
pub async fn create_volume(
    session: &Session,
    name: &str,
    size_gib: u32,
    volume_type: Option<&str>,
    availability_zone: Option<&str>,
) -> Result<Volume, Error> {
    let mut volume = json!({"name": name, "size": size_gib});
    if let Some(kind) = volume_type {
        volume["volume_type"] = json!(kind);
    }
    if let Some(zone) = availability_zone {
        volume["availability_zone"] = json!(zone);
    }
    call(session, Method::POST, &["volumes"])
        .body(json!({"volume": volume}))
        .read("volume")
        .await
}

/// The project's volumes with exactly this name.
pub async fn volumes_named(session: &Session, name: &str) -> Result<Vec<Volume>, Error> {
    let query = call(session, Method::GET, &["volumes", "detail"]).query("name", name);
    let mut all: Vec<Volume> = query.list("volumes").await?;
    all.retain(|volume| volume.name == name);
    Ok(all)
}

/// The project's volumes whose metadata has this key with this value.
pub async fn volumes_with(session: &Session, key: &str, value: &str) -> Result<Vec<Volume>, Error> {
    let wanted = json!({key: value}).to_string();
    let query = call(session, Method::GET, &["volumes", "detail"]).query("metadata", wanted);
    let mut all: Vec<Volume> = query.list("volumes").await?;
    all.retain(|volume| volume.metadata.get(key).is_some_and(|found| found == value));
    Ok(all)
}

/// Names of the volume types that the session's project may use.
pub async fn volume_types(session: &Session) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct VolumeType {
        name: String,
    }
    let all: Vec<VolumeType> = call(session, Method::GET, &["types"])
        .list("volume_types")
        .await?;
    Ok(all.into_iter().map(|found| found.name).collect())
}

/// A volume. `NotFound` when it is gone.
pub async fn show_volume(session: &Session, id: &str) -> Result<Volume, Error> {
    call(session, Method::GET, &["volumes", id]).read("volume").await
}

/// As [`delete_volume`], with the snapshots of the volume.
pub async fn delete_with_snapshots(session: &Session, id: &str) -> Result<(), Error> {
    delete(call(session, Method::DELETE, &["volumes", id]).query("cascade", "true")).await
}

/// Asks for a volume's deletion; it is gone some time after that. What is gone already counts as deleted; one
/// that is attached or still being made is a passing conflict.
pub async fn delete_volume(session: &Session, id: &str) -> Result<(), Error> {
    delete(call(session, Method::DELETE, &["volumes", id])).await
}

async fn delete(call: Call<'_>) -> Result<(), Error> {
    match call.gone().await {
        // Cinder refuses with 400 "Invalid volume: Volume status must be available or error ...".
        Err(error) if error.status == Some(400) && error.message.starts_with("Invalid volume") => {
            Err(error.into_passing_conflict())
        }
        outcome => outcome,
    }
}

fn call<'a>(session: &'a Session, method: Method, path: &[&'a str]) -> Call<'a> {
    session.call(Service::BlockStorage, method, path)
}
