//! What the service says of itself: versions, volume types, availability zones, services.

use serde_json::{Value, json};

use super::{PREFIX, VolumeType, forbidden, no_such_page};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

pub(super) fn versions(call: &Call, status: u16) -> Reply {
    let links = json!([{"rel": "self", "href": format!("{}{PREFIX}/v3/", call.base)}]);
    Reply::json(
        status,
        json!({"versions": [{"id": "v3.0", "status": "CURRENT", "version": "3.71", "min_version": "3.0",
            "updated": "2023-08-31T00:00:00Z", "links": links, "media-types": [
                {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}]}]}),
    )
}

/// `GET /types[/{id}]`
pub(super) fn types(world: &World, rest: &[&str]) -> Answer {
    let show = |found: &VolumeType| {
        json!({"id": found.id, "name": found.name, "description": found.description, "is_public": true,
            "os-volume-type-access:is_public": true, "extra_specs": {}})
    };
    let types = &world.cinder.types;
    match rest {
        [] => Ok(Reply::json(
            200,
            json!({"volume_types": types.values().map(show).collect::<Vec<Value>>()}),
        )),
        [id] => {
            // The default type is the one that volumes without a type get.
            let id = if *id == "default" {
                super::DEFAULT_TYPE_ID
            } else {
                id
            };
            let found = types.get(id).ok_or_else(|| {
                Refusal::new(
                    404,
                    "VolumeTypeNotFound",
                    format!("Volume type {id} could not be found."),
                )
            })?;
            Ok(Reply::json(200, json!({"volume_type": show(found)})))
        }
        [_, "extra_specs"] => Ok(Reply::json(200, json!({"extra_specs": {}}))),
        _ => Err(no_such_page()),
    }
}

pub(super) fn availability_zones() -> Reply {
    Reply::json(
        200,
        json!({"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": true}}]}),
    )
}

pub(super) fn services(call: &Call) -> Answer {
    if !call.caller.is_admin {
        return Err(forbidden("volume_extension:services:index"));
    }
    let service = |binary: &str| {
        json!({"binary": binary, "host": "simcloud", "zone": "nova", "status": "enabled", "state": "up",
            "updated_at": null, "disabled_reason": null})
    };
    Ok(Reply::json(
        200,
        json!({"services": [service("cinder-scheduler"), service("cinder-volume")]}),
    ))
}
