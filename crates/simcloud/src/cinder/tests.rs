use serde_json::{Value, json};

use super::*;
use crate::{call::Caller, world::Pace};

fn world() -> World {
    World::new(5, Pace::default(), 1_700_000_000_000, false)
}

#[track_caller]
fn ask(world: &mut World, expected: u16, method: &str, path: &str, body: Value) -> Value {
    ask_as(world, "p", expected, method, path, body)
}

#[track_caller]
fn ask_as(world: &mut World, project: &str, expected: u16, method: &str, path: &str, body: Value) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let call = Call {
        method: method.to_owned(),
        path: format!("v3/{project}/{path}")
            .split('/')
            .map(str::to_owned)
            .collect(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        headers: BTreeMap::new(),
        body,
        caller: Caller {
            project_id: Some(project.to_owned()),
            is_admin: project == "admin",
            ..Caller::default()
        },
        base: "http://127.0.0.1:9".to_owned(),
        request_id: "req-1".to_owned(),
    };
    let reply = handle(world, &call).unwrap_or_else(|refusal| refusal.render(crate::call::Dialect::Cinder));
    assert_eq!(reply.status, expected, "{method} {path}: {:?}", reply.body);
    reply.body.unwrap_or_default()
}

fn volume(world: &mut World, size: u64) -> String {
    let made = ask(
        world,
        202,
        "POST",
        "volumes",
        json!({"volume": {"size": size, "name": "v"}}),
    );
    assert_eq!(made["volume"]["status"], "creating");
    later(world);
    made["volume"]["id"].as_str().unwrap().to_owned()
}

fn later(world: &mut World) {
    world.now_ms += 1_000;
}

fn status_of(world: &mut World, id: &str) -> String {
    let shown = ask(world, 200, "GET", &format!("volumes/{id}"), Value::Null);
    shown["volume"]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_volume_is_made_and_deleted_after_a_while() {
    let mut world = world();
    let id = volume(&mut world, 1);
    assert_eq!(status_of(&mut world, &id), "available");
    ask(&mut world, 202, "DELETE", &format!("volumes/{id}"), Value::Null);
    assert_eq!(status_of(&mut world, &id), "deleting");
    later(&mut world);
    let refusal = ask(&mut world, 404, "GET", &format!("volumes/{id}"), Value::Null);
    assert_eq!(
        refusal["itemNotFound"]["message"],
        format!("Volume {id} could not be found.")
    );
}

#[test]
fn a_volume_in_use_is_neither_deleted_nor_attached_again() {
    let mut world = world();
    let id = volume(&mut world, 1);
    ask(&mut world, 200, "GET", "volumes/detail", Value::Null);
    attach(&mut world, &id, "s", "/dev/vdb", "p").unwrap();
    assert_eq!(status_of(&mut world, &id), "in-use");
    let refusal = ask(&mut world, 400, "DELETE", &format!("volumes/{id}"), Value::Null);
    assert!(
        refusal["badRequest"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Invalid volume: Volume status must be")
    );
    assert_eq!(
        attach(&mut world, &id, "t", "/dev/vdb", "p").unwrap_err().status,
        400
    );
    let shown = ask(&mut world, 200, "GET", &format!("volumes/{id}"), Value::Null);
    assert_eq!(shown["volume"]["attachments"][0]["server_id"], "s");
    detach_all(&mut world, "s");
    assert_eq!(status(&world, &id).unwrap(), "available");
}

#[test]
fn a_boot_volume_comes_from_its_image_and_goes_with_its_server() {
    let mut world = world();
    let id = create_from_image(&mut world, 8, "image", Some("ssd"), "p").unwrap();
    assert_eq!(
        attach(&mut world, &id, "s", "/dev/vda", "p").unwrap_err().status,
        400
    );
    later(&mut world);
    tick(&mut world);
    attach(&mut world, &id, "s", "/dev/vda", "p").unwrap();
    let shown = ask(&mut world, 200, "GET", &format!("volumes/{id}"), Value::Null);
    assert_eq!(shown["volume"]["bootable"], "true");
    assert_eq!(shown["volume"]["volume_type"], "ssd");
    assert_eq!(shown["volume"]["volume_image_metadata"]["image_id"], "image");
    delete_on_termination(&mut world, &id);
    later(&mut world);
    tick(&mut world);
    assert!(world.cinder.volumes.is_empty() && world.cinder.attachments.is_empty());
    assert_eq!(
        create_from_image(&mut world, 8, "image", Some("tape"), "p")
            .unwrap_err()
            .status,
        404
    );
}

#[test]
fn quotas_refuse_with_413() {
    let mut world = world();
    set_quota(&mut world, "p", "volumes", 1);
    volume(&mut world, 1);
    let body = json!({"volume": {"size": 1}});
    let refusal = ask(&mut world, 413, "POST", "volumes", body.clone());
    assert_eq!(
        refusal["overLimit"],
        json!({"code": 413, "retryAfter": "0", "message": "VolumeLimitExceeded: Maximum number of volumes allowed (1) \
            exceeded for quota 'volumes'."})
    );
    set_quota(&mut world, "p", "volumes", -1);
    let refusal = ask(
        &mut world,
        413,
        "POST",
        "volumes",
        json!({"volume": {"size": 1000}}),
    );
    assert!(
        refusal["overLimit"]["message"]
            .as_str()
            .unwrap()
            .starts_with("VolumeSizeExceedsAvailableQuota")
    );
    roomy(&mut world);
    ask(
        &mut world,
        202,
        "POST",
        "volumes",
        json!({"volume": {"size": 1000}}),
    );
    let limits = ask(&mut world, 200, "GET", "limits", Value::Null);
    assert_eq!(limits["limits"]["absolute"]["totalGigabytesUsed"], 1001);
}

#[test]
fn others_volumes_are_not_found() {
    let mut world = world();
    let id = volume(&mut world, 1);
    ask_as(
        &mut world,
        "other",
        404,
        "GET",
        &format!("volumes/{id}"),
        Value::Null,
    );
    let seen = ask_as(
        &mut world,
        "other",
        200,
        "GET",
        "volumes?all_tenants=1",
        Value::Null,
    );
    assert_eq!(seen["volumes"], json!([]));
    let seen = ask_as(
        &mut world,
        "admin",
        200,
        "GET",
        "volumes?all_tenants=1",
        Value::Null,
    );
    assert_eq!(seen["volumes"].as_array().unwrap().len(), 1);
    ask(
        &mut world,
        403,
        "POST",
        &format!("volumes/{id}/action"),
        json!({"os-reset_status": {"status": "error"}}),
    );
}

#[test]
fn an_attachment_goes_from_reserved_to_attached() {
    let mut world = world();
    let id = volume(&mut world, 1);
    let body = json!({"attachment": {"volume_uuid": id, "instance_uuid": "s"}});
    let made = ask(&mut world, 200, "POST", "attachments", body);
    assert_eq!(made["attachment"]["status"], "reserved");
    assert_eq!(status_of(&mut world, &id), "reserved");
    let path = format!("attachments/{}", made["attachment"]["id"].as_str().unwrap());
    let body = json!({"attachment": {"connector": {"host": "h", "mountpoint": "/dev/vdc"}}});
    ask(&mut world, 200, "PUT", &path, body);
    assert_eq!(status_of(&mut world, &id), "attaching");
    ask(
        &mut world,
        204,
        "POST",
        &format!("{path}/action"),
        json!({"os-complete": {}}),
    );
    assert_eq!(status_of(&mut world, &id), "in-use");
    ask(&mut world, 403, "DELETE", &path, Value::Null);
    ask_as(&mut world, "admin", 200, "DELETE", &path, Value::Null);
    assert_eq!(status_of(&mut world, &id), "available");
}

#[test]
fn a_volume_grows_and_never_shrinks() {
    let mut world = world();
    let id = volume(&mut world, 2);
    let path = format!("volumes/{id}/action");
    ask(
        &mut world,
        400,
        "POST",
        &path,
        json!({"os-extend": {"new_size": 2}}),
    );
    ask(
        &mut world,
        202,
        "POST",
        &path,
        json!({"os-extend": {"new_size": 3}}),
    );
    assert_eq!(status_of(&mut world, &id), "extending");
    later(&mut world);
    assert_eq!(status_of(&mut world, &id), "available");
    assert_eq!(world.cinder.volumes[&id].size_gib, 3);
}

#[test]
fn metadata_and_name_filters_work() {
    let mut world = world();
    let id = volume(&mut world, 1);
    ask(
        &mut world,
        200,
        "POST",
        &format!("volumes/{id}/metadata"),
        json!({"metadata": {"a": "b"}}),
    );
    for (query, count) in [
        ("name=v", 1),
        ("name=w", 0),
        ("status=available", 1),
        ("metadata={'a': 'b'}", 1),
    ] {
        let found = ask(
            &mut world,
            200,
            "GET",
            &format!("volumes/detail?{query}"),
            Value::Null,
        );
        assert_eq!(found["volumes"].as_array().unwrap().len(), count, "{query}");
    }
    ask(
        &mut world,
        200,
        "DELETE",
        &format!("volumes/{id}/metadata/a"),
        Value::Null,
    );
    ask(
        &mut world,
        404,
        "DELETE",
        &format!("volumes/{id}/metadata/a"),
        Value::Null,
    );
}
