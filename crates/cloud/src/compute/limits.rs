//! What the project may have of Nova.

use reqwest::Method;
use serde::Deserialize;

use super::call;
use crate::error::Error;
use crate::session::Session;

#[derive(Deserialize)]
struct Limits {
    absolute: Absolute,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Absolute {
    max_server_group_members: i64,
}

/// Most servers in a server group of the session's project; `None` for any number.
pub async fn server_group_members(session: &Session) -> Result<Option<u32>, Error> {
    let limits: Limits = call(session, Method::GET, &["limits"]).read("limits").await?;
    Ok(u32::try_from(limits.absolute.max_server_group_members).ok())
}
