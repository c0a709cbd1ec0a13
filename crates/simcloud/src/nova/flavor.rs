//! Flavors.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::Flavor;
use super::{Page, invalid, links, no_route, page, refuse, require_admin, resource, version};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

/// Id, name, memory in MiB, processors, root disk in GiB.
const SEEDED: [(&str, &str, u64, u64, u64); 4] = [
    ("1", "m1.tiny", 512, 1, 1),
    ("2", "m1.small", 2048, 1, 20),
    ("3", "m1.medium", 4096, 2, 40),
    ("4", "m1.large", 8192, 4, 80),
];

pub(super) fn seed(world: &mut World) {
    for (id, name, ram_mib, vcpus, disk_gib) in SEEDED {
        let extra_specs = BTreeMap::new();
        let flavor = Flavor {
            name: name.to_owned(),
            ram_mib,
            vcpus,
            disk_gib,
            is_public: true,
            extra_specs,
        };
        world.nova.flavors.insert(id.to_owned(), flavor);
    }
}

/// A flavor that the caller may use.
pub(super) fn visible<'a>(world: &'a World, call: &Call, id: &str) -> Option<&'a Flavor> {
    world
        .nova
        .flavors
        .get(id)
        .filter(|flavor| flavor.is_public || call.caller.is_admin)
}

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", []) => list(
            world,
            call,
            "flavors",
            |id, flavor| json!({"id": id, "name": flavor.name, "links": links(call, &format!("flavors/{id}"))}),
        ),
        ("GET", ["detail"]) => list(world, call, "flavors/detail", |id, flavor| {
            render(call, id, flavor)
        }),
        ("GET", [id]) => {
            let flavor = visible(world, call, id).ok_or_else(|| not_found(id))?;
            Ok(Reply::json(200, json!({"flavor": render(call, id, flavor)})))
        }
        ("GET", [id, "os-extra_specs"]) => {
            let flavor = visible(world, call, id).ok_or_else(|| not_found(id))?;
            Ok(Reply::json(200, json!({"extra_specs": flavor.extra_specs})))
        }
        ("POST", []) => create(world, call),
        ("DELETE", [id]) => {
            require_admin(call, "os-flavor-manage:delete")?;
            world.nova.flavors.remove(*id).ok_or_else(|| not_found(id))?;
            Ok(Reply::empty(202))
        }
        _ => Err(no_route()),
    }
}

fn not_found(id: &str) -> Refusal {
    refuse(404, format!("Flavor {id} could not be found."))
}

fn list(world: &World, call: &Call, path: &str, show: impl Fn(&str, &Flavor) -> Value) -> Answer {
    let least = |name: &str| {
        call.query(name)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let (least_ram, least_disk) = (least("minRam"), least("minDisk"));
    let everything = call
        .query("is_public")
        .is_some_and(|value| value.eq_ignore_ascii_case("none"));
    let fits = |flavor: &Flavor| {
        (flavor.is_public || (call.caller.is_admin && everything))
            && flavor.ram_mib >= least_ram
            && flavor.disk_gib >= least_disk
    };
    let flavors = world.nova.flavors.iter().filter(|(_, flavor)| fits(flavor));
    let Page { items: flavors, next } = page(
        call,
        path,
        flavors.map(|(id, flavor)| (id.as_str(), flavor)).collect(),
    )?;
    let all: Vec<Value> = flavors.into_iter().map(|(id, flavor)| show(id, flavor)).collect();
    let mut body = json!({"flavors": all});
    if let Some(next) = next {
        body["flavors_links"] = next;
    }
    Ok(Reply::json(200, body))
}

fn render(call: &Call, id: &str, flavor: &Flavor) -> Value {
    let mut body = json!({"id": id, "name": flavor.name, "ram": flavor.ram_mib, "vcpus": flavor.vcpus,
        "disk": flavor.disk_gib, "swap": if version(call) >= 75 { json!(0) } else { json!("") },
        "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false,
        "os-flavor-access:is_public": flavor.is_public, "rxtx_factor": 1.0,
        "links": links(call, &format!("flavors/{id}"))});
    if version(call) >= 55 {
        body["description"] = Value::Null;
    }
    if version(call) >= 61 {
        body["extra_specs"] = json!(flavor.extra_specs);
    }
    body
}

fn create(world: &mut World, call: &Call) -> Answer {
    require_admin(call, "os-flavor-manage:create")?;
    let fields = resource(call, "flavor")?;
    let number = |name: &str| match &fields[name] {
        Value::String(text) => text.parse().map_err(|_| invalid(name)),
        other => other.as_u64().ok_or_else(|| invalid(name)),
    };
    let name = fields["name"].as_str().ok_or_else(|| invalid("name"))?.to_owned();
    let flavor = Flavor {
        ram_mib: number("ram")?,
        vcpus: number("vcpus")?,
        disk_gib: number("disk")?,
        is_public: fields["os-flavor-access:is_public"].as_bool().unwrap_or(true),
        extra_specs: BTreeMap::new(),
        name,
    };
    let id = match fields["id"].as_str().filter(|id| *id != "auto") {
        Some(id) => id.to_owned(),
        None => world.uuid(),
    };
    if let Some(taken) = world
        .nova
        .flavors
        .values()
        .find(|known| known.name == flavor.name)
    {
        return Err(refuse(
            409,
            format!("Flavor with name {} already exists.", taken.name),
        ));
    }
    if world.nova.flavors.contains_key(&id) {
        return Err(refuse(409, format!("Flavor with ID {id} already exists.")));
    }
    let body = json!({"flavor": render(call, &id, &flavor)});
    world.nova.flavors.insert(id, flavor);
    Ok(Reply::json(200, body))
}
