//! Glance v2: images.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::find::{Find, looks_like_id};
use crate::service::Service;
use crate::session::Session;
use crate::wire::nullable;

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Id.
    pub id: String,
    /// Name; empty for images without one.
    pub name: String,
    /// `active` for one that servers can boot from.
    pub status: String,
    /// Property `os_distro`.
    pub os_distro: Option<String>,
    /// Smallest disk that it fits on, in GiB.
    pub min_disk_gib: u32,
    /// Smallest memory that it runs in, in MiB.
    pub min_ram_mib: u32,
    /// Properties that are text, among them those that Glance itself has.
    pub properties: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    min_disk: u32,
    #[serde(default, deserialize_with = "nullable")]
    min_ram: u32,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl From<Body> for Image {
    fn from(body: Body) -> Self {
        let text = |(key, value): (String, Value)| match value {
            Value::String(value) => Some((key, value)),
            _ => None,
        };
        let properties: BTreeMap<_, _> = body.rest.into_iter().filter_map(text).collect();
        Self {
            id: body.id,
            name: body.name,
            status: body.status,
            os_distro: properties.get("os_distro").cloned(),
            min_disk_gib: body.min_disk,
            min_ram_mib: body.min_ram,
            properties,
        }
    }
}

/// An image that the caller can see, by id or else by name.
pub async fn find_image(session: &Session, name_or_id: &str) -> Result<Find<Image>, Error> {
    if looks_like_id(name_or_id) {
        // Glance answers with the image itself, without a member around it.
        match session
            .call(Service::Image, Method::GET, &["images", name_or_id])
            .send()
            .await
        {
            Ok(answer) => {
                let body: Body = serde_json::from_value(answer.json()?)
                    .map_err(|_| answer.malformed("the answer describes no image"))?;
                return Ok(Find::One(body.into()));
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    let query = session
        .call(Service::Image, Method::GET, &["images"])
        .query("name", name_or_id);
    let mut all: Vec<Body> = query.list("images").await?;
    all.retain(|image| image.name == name_or_id);
    Ok(all.into_iter().map(Image::from).collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_beside_glance_s_own_members() {
        let body: Body = serde_json::from_value(serde_json::json!({
            "id": "i", "name": null, "status": "active", "visibility": "public", "protected": false,
            "size": 1, "min_disk": 8, "min_ram": 0, "tags": [], "os_distro": "debian", "checksum": null,
        }))
        .unwrap();
        let image = Image::from(body);
        assert_eq!((image.name.as_str(), image.min_disk_gib), ("", 8));
        assert_eq!(image.os_distro.as_deref(), Some("debian"));
        assert_eq!(
            image.properties.get("visibility").map(String::as_str),
            Some("public")
        );
    }
}
