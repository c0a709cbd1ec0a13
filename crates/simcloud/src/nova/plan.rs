//! What a request for new servers asks for, checked against everything that can be checked beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::block_device::{self, Disks, Source};
use super::model::Flavor;
use super::{flavor, host, invalid, keypair, metadata, quota, refuse, resource, server_group, version};
use crate::call::{Call, Refusal};
use crate::world::World;
use crate::{cinder, glance, neutron};

/// Longest user-data in base64, in bytes.
const USER_DATA_LIMIT: usize = 65_535;

/// One network interface of a request.
#[derive(Clone, Debug)]
pub(super) enum Nic {
    Port(String),
    Network(String, Option<Ipv4Addr>),
}

/// A request that may be carried out.
pub(super) struct Plan {
    pub name: String,
    pub description: Option<String>,
    pub flavor_id: String,
    pub flavor: Flavor,
    pub disks: Disks,
    pub nics: Vec<Nic>,
    pub key: Option<(String, String)>,
    pub user_data: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub tags: BTreeSet<String>,
    pub security_groups: Vec<String>,
    pub config_drive: bool,
    pub group_id: Option<String>,
    pub count: u64,
}

/// Reads a request.
pub(super) fn plan(world: &World, call: &Call) -> Result<Plan, Refusal> {
    let fields = resource(call, "server")?;
    let name = fields["name"]
        .as_str()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let name = name
        .filter(|name| name.chars().count() <= 255)
        .ok_or_else(|| invalid("name"))?
        .to_owned();
    let flavor_id = match &fields["flavorRef"] {
        Value::String(id) => id.rsplit('/').next().unwrap_or_default().to_owned(),
        Value::Number(id) => id.to_string(),
        _ => return Err(refuse(400, "'flavorRef' is a required property")),
    };
    check_fields(call, fields)?;
    let disks = block_device::parse(fields)?;
    let flavor = flavor::visible(world, call, &flavor_id);
    let flavor = flavor
        .ok_or_else(|| refuse(400, format!("Flavor {flavor_id} could not be found.")))?
        .clone();
    check_disks(world, call, &disks, &flavor)?;
    let metadata = metadata::parse(&fields["metadata"])?;
    quota::check_metadata(world, call.project(), metadata.len())?;
    let key = match fields["key_name"].as_str() {
        None => None,
        Some(name) => {
            let found = keypair::find(world, &call.caller.user_id, name);
            let found = found.map_err(|_| refuse(400, "Invalid key_name provided."))?;
            Some((name.to_owned(), found.public_key.clone()))
        }
    };
    let hints = [
        &call.body["os:scheduler_hints"],
        &call.body["OS-SCH-HNT:scheduler_hints"],
    ];
    let group_id = hints
        .iter()
        .find_map(|hints| hints["group"].as_str())
        .map(str::to_owned);
    if let Some(id) = &group_id {
        server_group::find(world, call, id).map_err(|refusal| refuse(400, refusal.message))?;
        let members = server_group::members(world, id).len();
        let text = "Quota exceeded, too many servers in group";
        quota::check_simple(world, call.project(), "server_group_members", members, text)?;
    }
    if fields["availability_zone"]
        .as_str()
        .is_some_and(|zone| zone.split(':').next() != Some(host::ZONE))
    {
        return Err(refuse(400, "The requested availability zone is not available"));
    }
    let tags = match &fields["tags"] {
        Value::Null => BTreeSet::new(),
        tags => metadata::parse_tags(tags)?,
    };
    Ok(Plan {
        name,
        description: fields["description"].as_str().map(str::to_owned),
        flavor_id,
        flavor,
        nics: nics(world, call, &fields["networks"])?,
        disks,
        key,
        user_data: user_data(&fields["user_data"])?,
        metadata,
        tags,
        security_groups: security_groups(&fields["security_groups"])?,
        config_drive: matches!(&fields["config_drive"], Value::Bool(true))
            || fields["config_drive"]
                .as_str()
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        group_id,
        count: count(fields)?,
    })
}

/// Nova's schema knows every member; what else there is, it refuses.
fn check_fields(call: &Call, fields: &Value) -> Result<(), Refusal> {
    const ALWAYS: [&str; 19] = [
        "name",
        "imageRef",
        "flavorRef",
        "adminPass",
        "metadata",
        "networks",
        "OS-DCF:diskConfig",
        "accessIPv4",
        "accessIPv6",
        "availability_zone",
        "block_device_mapping",
        "block_device_mapping_v2",
        "config_drive",
        "key_name",
        "min_count",
        "max_count",
        "return_reservation_id",
        "security_groups",
        "user_data",
    ];
    const SINCE: [(u32, &str); 6] = [
        (19, "description"),
        (52, "tags"),
        (63, "trusted_image_certificates"),
        (74, "host"),
        (74, "hypervisor_hostname"),
        (90, "hostname"),
    ];
    let minor = version(call);
    let is_known = |name: &str| {
        ALWAYS.contains(&name)
            || SINCE.iter().any(|(since, new)| minor >= *since && *new == name)
            // The files to put into a server went with microversion 2.57.
            || (name == "personality" && minor < 57)
    };
    let names = fields.as_object().into_iter().flat_map(|members| members.keys());
    if let Some(unknown) = names.into_iter().find(|name| !is_known(name)) {
        let text = format!("Additional properties are not allowed ('{unknown}' was unexpected)");
        return Err(refuse(400, text));
    }
    let image = fields["imageRef"].as_str().filter(|image| !image.is_empty());
    match image {
        Some(image) if uuid::Uuid::parse_str(image).is_err() => {
            let text = format!(
                "Invalid input for field/attribute imageRef. Value: {image}. '{image}' is not valid under any of \
                 the given schemas"
            );
            Err(refuse(400, text))
        }
        _ => Ok(()),
    }
}

fn count(fields: &Value) -> Result<u64, Refusal> {
    let number = |name: &str| match &fields[name] {
        Value::Null => Ok(1),
        Value::String(text) => text.parse::<u64>().map_err(|_| invalid(name)),
        other => other.as_u64().ok_or_else(|| invalid(name)),
    };
    let least = number("min_count")?;
    let most = if fields["max_count"].is_null() {
        least
    } else {
        number("max_count")?
    };
    if least == 0 || most == 0 {
        return Err(invalid("min_count"));
    }
    if least > most {
        Err(refuse(400, "min_count must be <= max_count"))
    } else {
        Ok(most)
    }
}

fn security_groups(value: &Value) -> Result<Vec<String>, Refusal> {
    let groups = value.as_array().into_iter().flatten();
    groups
        .map(|group| {
            group["name"]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| invalid("security_groups"))
        })
        .collect()
}

pub(super) fn security_group_names(plan: &Plan) -> Vec<String> {
    if plan.security_groups.is_empty() {
        vec!["default".to_owned()]
    } else {
        plan.security_groups.clone()
    }
}

fn user_data(value: &Value) -> Result<Option<String>, Refusal> {
    let Some(text) = value.as_str() else {
        return if value.is_null() {
            Ok(None)
        } else {
            Err(invalid("user_data"))
        };
    };
    if text.len() > USER_DATA_LIMIT {
        return Err(refuse(
            400,
            "Invalid input for field/attribute user_data. The value is too long",
        ));
    }
    let packed: String = text.split_whitespace().collect();
    match STANDARD.decode(&packed) {
        Ok(_) => Ok(Some(packed)),
        Err(_) => {
            let text = format!(
                "Invalid input for field/attribute user_data. Value: {text}. '{text}' is not a 'base64'"
            );
            Err(refuse(400, text))
        }
    }
}

fn check_disks(world: &World, call: &Call, disks: &Disks, flavor: &Flavor) -> Result<(), Refusal> {
    const GIB: u64 = 1 << 30;
    let from_volumes = disks.volumes.iter().filter_map(|device| match &device.source {
        Source::Image(id) => Some((id, device.size_gib)),
        _ => None,
    });
    let local = disks.image_id.iter().map(|id| (id, flavor.disk_gib));
    for (id, room_gib) in local.chain(from_volumes) {
        let image = glance::visible(world, call.project(), call.caller.is_admin, id);
        let image = image.ok_or_else(|| refuse(400, "Can not find requested image"))?;
        if image.status != "active" {
            return Err(refuse(400, format!("Image {id} is not active.")));
        }
        if image.min_ram_mib > flavor.ram_mib {
            return Err(refuse(400, "Flavor's memory is too small for requested image."));
        }
        if image.min_disk_gib > room_gib {
            let text = format!(
                "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {} \
                 bytes, minimum size is {} bytes.",
                room_gib * GIB,
                image.min_disk_gib * GIB
            );
            return Err(refuse(400, text));
        }
        if image.size_bytes > room_gib * GIB {
            let text = format!(
                "Flavor's disk is too small for requested image. Flavor disk is {} bytes, image is {} bytes.",
                room_gib * GIB,
                image.size_bytes
            );
            return Err(refuse(400, text));
        }
    }
    for device in &disks.volumes {
        let Source::Volume(id) = &device.source else {
            continue;
        };
        match cinder::status(world, id) {
            None => return Err(refuse(400, format!("Volume {id} could not be found."))),
            Some(status) if status != "available" => {
                let text = format!("Block Device Mapping is Invalid: failed to get volume {id}.");
                return Err(refuse(400, text));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn nics(world: &World, call: &Call, networks: &Value) -> Result<Vec<Nic>, Refusal> {
    let auto = || {
        let own = |network: &&neutron::Network| {
            !network.is_external && (network.shared || network.common.project_id == call.project())
        };
        let found: Vec<_> = world.neutron.networks.values().filter(own).collect();
        match found.as_slice() {
            [] if networks.is_null() => Ok(Vec::new()),
            [] => {
                let text = format!(
                    "Unable to automatically allocate a network for project {}",
                    call.project()
                );
                Err(refuse(400, text))
            }
            [only] => Ok(vec![Nic::Network(only.common.id.clone(), None)]),
            _ => Err(refuse(
                409,
                "Multiple possible networks found, use a Network ID to be more specific.",
            )),
        }
    };
    match networks {
        Value::Null if version(call) >= 37 => Err(refuse(400, "'networks' is a required property")),
        Value::Null => auto(),
        Value::String(word) if word == "auto" => auto(),
        Value::String(word) if word == "none" => Ok(Vec::new()),
        Value::Array(all) => all.iter().map(|one| nic(world, call, one)).collect(),
        _ => Err(invalid("networks")),
    }
}

fn nic(world: &World, call: &Call, one: &Value) -> Result<Nic, Refusal> {
    if let Some(port) = one["port"].as_str() {
        return Ok(Nic::Port(port.to_owned()));
    }
    let id = one["uuid"].as_str().ok_or_else(|| invalid("networks/0"))?;
    let missing = || refuse(400, format!("Network {id} could not be found."));
    let network = world.neutron.networks.get(id).ok_or_else(missing)?;
    let own = network.common.project_id == call.project() || call.caller.is_admin;
    if network.is_external && !own && !network.shared {
        return Err(refuse(
            403,
            format!("It is not allowed to create an interface on external network {id}"),
        ));
    }
    if !own && !network.shared {
        return Err(missing());
    }
    let fixed = match one["fixed_ip"].as_str() {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| invalid("fixed_ip"))?),
    };
    Ok(Nic::Network(id.to_owned(), fixed))
}
