//! What is asked for with a new server, and Nova's way to say it.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A server to be made.
#[derive(Clone, Default)]
pub struct NewServer {
    /// Name, which becomes the host name.
    pub name: String,
    /// Image to boot from, or to fill the boot volume with.
    pub image_id: Option<String>,
    /// Flavor.
    pub flavor_id: String,
    /// Keypair of the session's user.
    pub key_name: Option<String>,
    /// Neutron ports in the order of the interfaces. Without any, Nova finds a network by itself.
    pub port_ids: Vec<String>,
    /// User-data as it shall arrive; at most 49,149 bytes, since Nova takes 65,535 in base64. Holds secrets.
    pub user_data: Option<Vec<u8>>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Tags; without `/` and `,`.
    pub tags: Vec<String>,
    /// Server group.
    pub server_group: Option<String>,
    /// Volumes to attach, in the order of the devices; they outlive the server.
    pub volumes: Vec<String>,
    /// Boots from a new volume that is deleted with the server, instead of the flavor's disk.
    pub boot_volume: Option<BootVolume>,
    /// Availability zone; `None` leaves the choice to Nova.
    pub availability_zone: Option<String>,
    /// Gives user-data and metadata on a disk too.
    pub config_drive: bool,
}

/// A volume made from the image for a server to boot from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootVolume {
    /// Size in GiB.
    pub size_gib: u32,
    /// Volume type; `None` for Cinder's default.
    pub volume_type: Option<String>,
}

impl fmt::Debug for NewServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewServer")
            .field("name", &self.name)
            .field("image_id", &self.image_id)
            .field("flavor_id", &self.flavor_id)
            .field("port_ids", &self.port_ids)
            .field("volumes", &self.volumes)
            .finish_non_exhaustive()
    }
}

impl NewServer {
    /// Body of `POST /servers`.
    pub(super) fn to_json(&self) -> Value {
        let mut server = json!({"name": self.name, "flavorRef": self.flavor_id, "networks": "auto"});
        if !self.port_ids.is_empty() {
            server["networks"] = self.port_ids.iter().map(|port| json!({"port": port})).collect();
        }
        if let (Some(image), None) = (&self.image_id, &self.boot_volume) {
            server["imageRef"] = json!(image);
        }
        if let Some(key) = &self.key_name {
            server["key_name"] = json!(key);
        }
        if let Some(data) = &self.user_data {
            server["user_data"] = json!(STANDARD.encode(data));
        }
        if !self.metadata.is_empty() {
            server["metadata"] = json!(self.metadata);
        }
        if !self.tags.is_empty() {
            server["tags"] = json!(self.tags);
        }
        if let Some(zone) = &self.availability_zone {
            server["availability_zone"] = json!(zone);
        }
        if self.config_drive {
            server["config_drive"] = json!(true);
        }
        let devices = self.devices();
        if !devices.is_empty() {
            server["block_device_mapping_v2"] = json!(devices);
        }
        let mut body = json!({"server": server});
        if let Some(group) = &self.server_group {
            body["os:scheduler_hints"] = json!({"group": group});
        }
        body
    }

    /// Block devices. As soon as any are given, Nova wants the one with boot index 0 among them, also when it is
    /// just the image on the flavor's disk.
    fn devices(&self) -> Vec<Value> {
        let boot = match (&self.image_id, &self.boot_volume) {
            (Some(image), Some(volume)) => {
                let mut device = json!({"boot_index": 0, "uuid": image, "source_type": "image",
                    "destination_type": "volume", "volume_size": volume.size_gib, "delete_on_termination": true});
                if let Some(kind) = &volume.volume_type {
                    device["volume_type"] = json!(kind);
                }
                Some(device)
            }
            (Some(image), None) if !self.volumes.is_empty() => Some(json!({"boot_index": 0, "uuid": image,
                "source_type": "image", "destination_type": "local", "delete_on_termination": true})),
            _ => None,
        };
        let data = self.volumes.iter().map(|volume| {
            json!({"boot_index": -1, "uuid": volume, "source_type": "volume", "destination_type": "volume",
                "delete_on_termination": false})
        });
        boot.into_iter().chain(data).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> NewServer {
        NewServer {
            name: "n".into(),
            image_id: Some("i".into()),
            flavor_id: "f".into(),
            port_ids: vec!["p".into()],
            user_data: Some(b"#!/bin/sh".to_vec()),
            ..NewServer::default()
        }
    }

    #[test]
    fn a_plain_server_boots_from_its_image_and_hides_its_user_data() {
        assert_eq!(
            server().to_json(),
            json!({"server": {"name": "n", "imageRef": "i", "flavorRef": "f", "networks": [{"port": "p"}],
                "user_data": "IyEvYmluL3No"}})
        );
        assert!(!format!("{:?}", server()).contains("user_data"));
    }

    #[test]
    fn the_boot_device_is_told_when_volumes_are_attached() {
        let body = NewServer {
            volumes: vec!["v".into()],
            ..server()
        }
        .to_json();
        let devices = &body["server"]["block_device_mapping_v2"];
        assert_eq!(devices[0]["destination_type"], "local");
        assert_eq!(
            (&devices[1]["uuid"], &devices[1]["delete_on_termination"]),
            (&json!("v"), &json!(false))
        );
        assert_eq!(body["server"]["imageRef"], "i");
    }

    #[test]
    fn a_server_on_a_boot_volume_names_the_image_only_there() {
        let volume = BootVolume {
            size_gib: 20,
            volume_type: Some("ssd".into()),
        };
        let body = NewServer {
            boot_volume: Some(volume),
            server_group: Some("g".into()),
            ..server()
        }
        .to_json();
        assert_eq!(body["server"].get("imageRef"), None);
        assert_eq!(
            body["server"]["block_device_mapping_v2"],
            json!([{"boot_index": 0, "uuid": "i", "source_type": "image", "destination_type": "volume",
                "volume_size": 20, "volume_type": "ssd", "delete_on_termination": true}])
        );
        assert_eq!(body["os:scheduler_hints"]["group"], "g");
    }
}
