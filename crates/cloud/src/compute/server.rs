//! Servers.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{NewServer, call};
use crate::error::{Error, shorten};
use crate::session::Session;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    pub name: String,
    /// `BUILD`, `ACTIVE`, `ERROR`, `SHUTOFF`, `DELETED` and others.
    pub status: String,
    /// What Nova is doing with it, such as `spawning` or `deleting`.
    pub task_state: Option<String>,
    /// Why it is in ERROR, shortened to 300 characters.
    pub fault: Option<String>,
    /// IP addresses on all networks, floating ones included.
    pub addresses: Vec<String>,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    name: String,
    status: String,
    #[serde(rename = "OS-EXT-STS:task_state")]
    task_state: Option<String>,
    fault: Option<Fault>,
    #[serde(default)]
    addresses: BTreeMap<String, Vec<Address>>,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
}

#[derive(Deserialize)]
struct Address {
    addr: String,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

impl From<Body> for Server {
    fn from(body: Body) -> Self {
        Self {
            id: body.id,
            name: body.name,
            status: body.status,
            task_state: body.task_state,
            fault: body.fault.map(|fault| shorten(fault.message.trim())),
            addresses: body
                .addresses
                .into_values()
                .flatten()
                .map(|address| address.addr)
                .collect(),
        }
    }
}

/// Asks for a server and gives its id; it is built after that.
pub async fn create_server(session: &Session, new: &NewServer) -> Result<String, Error> {
    let created: Created = call(session, Method::POST, &["servers"])
        .body(new.to_json())
        .read("server")
        .await?;
    Ok(created.id)
}

/// The project's servers with exactly this name.
pub async fn servers_named(session: &Session, name: &str) -> Result<Vec<Server>, Error> {
    let query = call(session, Method::GET, &["servers", "detail"]).query("name", exactly(name));
    let mut all: Vec<Body> = query.list("servers").await?;
    all.retain(|server| server.name == name);
    Ok(all.into_iter().map(Server::from).collect())
}

/// The project's servers whose names begin so.
pub async fn servers_beginning(session: &Session, prefix: &str) -> Result<Vec<Server>, Error> {
    let pattern = format!("^{}", literally(prefix));
    let query = call(session, Method::GET, &["servers", "detail"]).query("name", pattern);
    let mut all: Vec<Body> = query.list("servers").await?;
    all.retain(|server| server.name.starts_with(prefix));
    Ok(all.into_iter().map(Server::from).collect())
}

/// A server. `NotFound` when it is gone.
pub async fn show_server(session: &Session, id: &str) -> Result<Server, Error> {
    let body: Body = call(session, Method::GET, &["servers", id])
        .read("server")
        .await?;
    Ok(body.into())
}

/// Asks for a server's deletion; it is gone some time after that. What is gone already counts as deleted.
pub async fn delete_server(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["servers", id]).gone().await
}

/// The last `lines` lines of a server's console. May hold what cloud-init printed, so it is for the owner only.
pub async fn console_log(session: &Session, id: &str, lines: u32) -> Result<String, Error> {
    let body = json!({"os-getConsoleOutput": {"length": lines}});
    call(session, Method::POST, &["servers", id, "action"])
        .body(body)
        .harmless()
        .read("output")
        .await
}

/// Nova's filter by name is a regular expression that may match anywhere.
fn exactly(name: &str) -> String {
    format!("^{}$", literally(name))
}

fn literally(name: &str) -> String {
    let mut pattern = String::new();
    for part in name.chars() {
        if !(part.is_alphanumeric() || part == '-' || part == '_' || part == ' ') {
            pattern.push('\\');
        }
        pattern.push(part);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_as_literal_whole_texts() {
        assert_eq!(exactly("a-1.b+"), r"^a-1\.b\+$");
    }

    #[test]
    fn a_failed_server_tells_why() {
        let body: Body = serde_json::from_value(json!({
            "id": "s", "name": "n", "status": "ERROR", "OS-EXT-STS:task_state": null,
            "OS-EXT-STS:vm_state": "error", "addresses": {"net": [{"addr": "10.0.0.5", "version": 4,
                "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"}]},
            "fault": {"code": 500, "created": "2026-11-22T15:00:00Z", "message": "No valid host was found. "},
        }))
        .unwrap();
        let server = Server::from(body);
        assert_eq!(server.fault.as_deref(), Some("No valid host was found."));
        assert_eq!(
            (server.task_state, server.addresses),
            (None, vec!["10.0.0.5".to_owned()])
        );
    }
}
