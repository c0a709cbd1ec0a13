//! Server groups: which hosts servers may share.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::call;
use crate::error::Error;
use crate::session::Session;

/// Groups asked for at a time. Nova gives no links to further pages here, and may give fewer than asked for.
const PAGE: usize = 1000;
/// A page shorter than this is the last: no deployment limits its pages to less.
const PAGE_MIN: usize = 100;

/// A server group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerGroup {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    pub name: String,
    /// `affinity`, `anti-affinity`, `soft-affinity` or `soft-anti-affinity`.
    #[serde(default)]
    pub policy: Option<String>,
    /// Ids of its servers.
    #[serde(default)]
    pub members: Vec<String>,
}

/// Creates a server group.
pub async fn create_server_group(session: &Session, name: &str, policy: &str) -> Result<ServerGroup, Error> {
    let body = json!({"server_group": {"name": name, "policy": policy}});
    call(session, Method::POST, &["os-server-groups"])
        .body(body)
        .read("server_group")
        .await
}

/// The project's server groups with exactly this name. Nova cannot filter them, so this lists all.
pub async fn server_groups_named(session: &Session, name: &str) -> Result<Vec<ServerGroup>, Error> {
    let mut found: Vec<ServerGroup> = Vec::new();
    let mut offset = 0;
    loop {
        let page: Vec<ServerGroup> = call(session, Method::GET, &["os-server-groups"])
            .query("limit", PAGE.to_string())
            .query("offset", offset.to_string())
            .list("server_groups")
            .await?;
        let count = page.len();
        found.extend(page.into_iter().filter(|group| group.name == name));
        if count < PAGE_MIN {
            return Ok(found);
        }
        offset += count;
    }
}

/// Deletes a server group, not its servers. What is gone already counts as deleted.
pub async fn delete_server_group(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["os-server-groups", id])
        .gone()
        .await
}
