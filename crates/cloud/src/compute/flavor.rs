//! Flavors.

use reqwest::Method;
use serde::Deserialize;

use super::call;
use crate::error::Error;
use crate::find::Find;
use crate::session::Session;

/// A flavor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Flavor {
    /// Id: any text.
    pub id: String,
    /// Name, unique in the deployment.
    pub name: String,
    /// Memory in MiB.
    #[serde(rename = "ram")]
    pub ram_mib: u64,
    /// Virtual processors.
    pub vcpus: u32,
    /// Root disk in GiB.
    #[serde(rename = "disk")]
    pub disk_gib: u32,
}

/// A flavor that the caller can use, by id or else by name. Nova cannot filter by name, so an unknown id costs a
/// list.
pub async fn find_flavor(session: &Session, name_or_id: &str) -> Result<Find<Flavor>, Error> {
    match call(session, Method::GET, &["flavors", name_or_id])
        .find("flavor")
        .await
    {
        Ok(Some(flavor)) => return Ok(Find::One(flavor)),
        Ok(None) => {}
        // A name with characters that no id has.
        Err(error) if error.status == Some(400) => {}
        Err(error) => return Err(error),
    }
    let mut all: Vec<Flavor> = call(session, Method::GET, &["flavors", "detail"])
        .list("flavors")
        .await?;
    all.retain(|flavor| flavor.name == name_or_id);
    Ok(all.into())
}
