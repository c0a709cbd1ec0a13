//! Metadata of volumes: `/volumes/{id}/metadata`.

use serde_json::json;

use super::{bad_request, body, no_such_page, volume_not_found};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// The caller has been checked to own the volume.
pub(super) fn handle(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Answer {
    let volume = world
        .cinder
        .volumes
        .get_mut(id)
        .ok_or_else(|| volume_not_found(id))?;
    let unknown = |key: &str| {
        let message = format!("Volume {id} has no metadata with key {key}.");
        Refusal::new(404, "VolumeMetadataNotFound", message)
    };
    match (call.method.as_str(), rest) {
        ("GET", []) => {}
        ("POST", []) => volume.metadata.extend(body::metadata(&call.body["metadata"])?),
        ("PUT", []) => volume.metadata = body::metadata(&call.body["metadata"])?,
        ("GET", [key]) => {
            let value = volume.metadata.get(*key).ok_or_else(|| unknown(key))?;
            return Ok(Reply::json(200, json!({"meta": {(*key): value}})));
        }
        ("PUT", [key]) => {
            let wanted = body::metadata(&call.body["meta"])?;
            let value = wanted
                .get(*key)
                .ok_or_else(|| bad_request("Request body and URI mismatch"))?
                .clone();
            volume.metadata.insert((*key).to_owned(), value.clone());
            return Ok(Reply::json(200, json!({"meta": {(*key): value}})));
        }
        ("DELETE", [key]) => {
            volume.metadata.remove(*key).ok_or_else(|| unknown(key))?;
            return Ok(Reply::empty(200));
        }
        _ => return Err(no_such_page()),
    }
    Ok(Reply::json(200, json!({"metadata": volume.metadata})))
}
