//! `block_device_mapping_v2`: what a new server boots from and which volumes it gets.

use serde_json::Value;

use super::{invalid, refuse};
use crate::call::Refusal;

/// Where the content of a device comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A new volume with the content of an image.
    Image(String),
    /// An existing volume.
    Volume(String),
    /// A new empty volume.
    Blank,
}

/// One volume of a new server.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub source: Source,
    pub is_root: bool,
    pub size_gib: u64,
    pub volume_type: Option<String>,
    pub delete_on_termination: bool,
    pub name: Option<String>,
}

/// What a request asks to boot from, and its volumes.
#[derive(Debug, Default)]
pub(super) struct Disks {
    /// Image of the local root disk; `None` when it boots from a volume.
    pub image_id: Option<String>,
    pub volumes: Vec<Device>,
}

fn invalid_mapping(reason: &str) -> Refusal {
    refuse(400, format!("Block Device Mapping is Invalid: {reason}"))
}

/// Reads `imageRef` and `block_device_mapping_v2` of a server.
pub(super) fn parse(server: &Value) -> Result<Disks, Refusal> {
    let given_image = server["imageRef"]
        .as_str()
        .filter(|image| !image.is_empty())
        .map(str::to_owned);
    let mut disks = Disks::default();
    let mut boots = 0;
    for mapping in server["block_device_mapping_v2"].as_array().into_iter().flatten() {
        let is_root = number(&mapping["boot_index"]) == Some(0);
        boots += usize::from(is_root);
        let uuid = || {
            mapping["uuid"]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| invalid_mapping("missing uuid."))
        };
        let to_volume = mapping["destination_type"].as_str() != Some("local");
        let size_gib = number(&mapping["volume_size"]);
        let source = match (mapping["source_type"].as_str(), to_volume) {
            (Some("image"), false) if is_root => {
                disks.image_id = Some(uuid()?);
                continue;
            }
            // Ephemeral and swap disks are not simulated.
            (Some("blank"), false) => continue,
            (Some("image"), true) => Source::Image(uuid()?),
            (Some("volume"), true) => Source::Volume(uuid()?),
            (Some("blank"), true) => Source::Blank,
            _ => return Err(invalid_mapping("Invalid source_type or destination_type.")),
        };
        let needs_size = !matches!(source, Source::Volume(_));
        if needs_size && size_gib.is_none_or(|size| size == 0) {
            return Err(match source {
                Source::Blank => invalid_mapping(
                    "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size",
                ),
                _ => refuse(
                    400,
                    "Images with destination_type 'volume' need to have a non-zero size specified",
                ),
            });
        }
        disks.volumes.push(Device {
            source,
            is_root,
            size_gib: size_gib.unwrap_or_default(),
            volume_type: mapping["volume_type"].as_str().map(str::to_owned),
            delete_on_termination: truth(&mapping["delete_on_termination"])?,
            name: mapping["device_name"].as_str().map(str::to_owned),
        });
    }
    match (boots, given_image) {
        (0, Some(image)) => disks.image_id = Some(image),
        (0, None) if disks.volumes.is_empty() => return Err(refuse(400, "Missing imageRef attribute")),
        (1, _) => {}
        _ => {
            let text =
                "Boot sequence for the instance and image/block device mapping combination is not valid.";
            return Err(invalid_mapping(text));
        }
    }
    // The root disk comes first, whatever its place in the request.
    disks.volumes.sort_by_key(|device| !device.is_root);
    Ok(disks)
}

fn number(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

fn truth(value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) => Ok(matches!(
            text.to_ascii_lowercase().as_str(),
            "1" | "true" | "yes" | "on"
        )),
        _ => Err(invalid("delete_on_termination")),
    }
}

/// Device names that no volume has yet: `/dev/vda` is for the root disk.
pub(super) fn free_device(taken: &[String], is_root: bool) -> String {
    let first = if is_root { b'a' } else { b'b' };
    (first..=b'z')
        .map(|letter| format!("/dev/vd{}", char::from(letter)))
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| format!("/dev/vdz{}", taken.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_boots_from_exactly_one_thing() {
        let volume =
            json!({"source_type": "volume", "destination_type": "volume", "uuid": "v", "boot_index": 0});
        let data = json!({"source_type": "blank", "destination_type": "volume", "volume_size": 1,
            "boot_index": -1});
        for (server, good) in [
            (json!({"imageRef": "i"}), true),
            (json!({"imageRef": "i", "block_device_mapping_v2": [data]}), true),
            (json!({"imageRef": "", "block_device_mapping_v2": [volume]}), true),
            (json!({"block_device_mapping_v2": [volume, volume]}), false),
            (json!({"block_device_mapping_v2": [data]}), false),
            (json!({}), false),
        ] {
            assert_eq!(parse(&server).is_ok(), good, "{server}");
        }
    }

    #[test]
    fn new_volumes_need_a_size() {
        let root =
            json!({"source_type": "image", "destination_type": "volume", "uuid": "i", "boot_index": 0});
        let refused = parse(&json!({"block_device_mapping_v2": [root]}));
        assert_eq!(refused.map_err(|refusal| refusal.status).err(), Some(400));
    }

    #[test]
    fn the_first_data_volume_is_vdb() {
        assert_eq!(free_device(&[], true), "/dev/vda");
        assert_eq!(free_device(&[], false), "/dev/vdb");
        assert_eq!(free_device(&["/dev/vdb".to_owned()], false), "/dev/vdc");
    }
}
