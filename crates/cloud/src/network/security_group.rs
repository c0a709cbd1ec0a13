//! Security groups and their rules.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{call, owned};
use crate::error::Error;
use crate::session::Session;

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SecurityGroup {
    /// Id.
    pub id: String,
    /// Name; need not be unique.
    #[serde(default)]
    pub name: String,
}

/// An ingress rule for IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityRule {
    /// `tcp`, `udp`, `icmp` or an IP protocol number; `None` for any.
    pub protocol: Option<String>,
    /// First and last port; `None` for all.
    pub ports: Option<(u16, u16)>,
    /// Who may come in.
    pub remote: Remote,
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Anybody.
    Anywhere,
    /// Addresses of a CIDR.
    Cidr(String),
    /// Ports that are in the security group of this id.
    Group(String),
}

#[derive(Deserialize)]
struct RuleBody {
    #[serde(default)]
    direction: String,
    #[serde(default)]
    ethertype: Option<String>,
    protocol: Option<String>,
    port_range_min: Option<u16>,
    port_range_max: Option<u16>,
    remote_ip_prefix: Option<String>,
    remote_group_id: Option<String>,
}

impl From<RuleBody> for SecurityRule {
    fn from(body: RuleBody) -> Self {
        let remote = match (body.remote_group_id, body.remote_ip_prefix) {
            (Some(group), _) => Remote::Group(group),
            (None, Some(cidr)) if cidr != "0.0.0.0/0" => Remote::Cidr(cidr),
            (None, _) => Remote::Anywhere,
        };
        let ports = body.port_range_min.zip(body.port_range_max);
        Self {
            protocol: body.protocol,
            ports,
            remote,
        }
    }
}

/// Creates a security group. Neutron gives it two rules that let everything out.
pub async fn create_security_group(
    session: &Session,
    name: &str,
    description: &str,
) -> Result<SecurityGroup, Error> {
    let body = json!({"security_group": {"name": name, "description": description}});
    call(session, Method::POST, &["security-groups"])
        .body(body)
        .read("security_group")
        .await
}

/// The project's security groups with exactly this name.
pub async fn security_groups_named(session: &Session, name: &str) -> Result<Vec<SecurityGroup>, Error> {
    let mut all: Vec<SecurityGroup> =
        owned(session, "security-groups", "security_groups", ("name", name)).await?;
    all.retain(|group| group.name == name);
    Ok(all)
}

/// Deletes a security group with its rules. What is gone already counts as deleted; one that ports still have is
/// a passing conflict.
pub async fn delete_security_group(session: &Session, id: &str) -> Result<(), Error> {
    call(session, Method::DELETE, &["security-groups", id])
        .gone()
        .await
}

/// Adds a rule to a security group. One that is there already is fine.
pub async fn create_rule(session: &Session, group_id: &str, rule: &SecurityRule) -> Result<(), Error> {
    let mut body = json!({"security_group_id": group_id, "direction": "ingress", "ethertype": "IPv4",
        "protocol": rule.protocol});
    if let Some((first, last)) = rule.ports {
        body["port_range_min"] = json!(first);
        body["port_range_max"] = json!(last);
    }
    match &rule.remote {
        Remote::Anywhere => {}
        Remote::Cidr(cidr) => body["remote_ip_prefix"] = json!(cidr),
        Remote::Group(group) => body["remote_group_id"] = json!(group),
    }
    let body = json!({"security_group_rule": body});
    match call(session, Method::POST, &["security-group-rules"])
        .body(body)
        .done()
        .await
    {
        Err(error) if error.class == "SecurityGroupRuleExists" => Ok(()),
        outcome => outcome,
    }
}

/// Ingress rules for IPv4 of a security group.
pub async fn rules(session: &Session, group_id: &str) -> Result<Vec<SecurityRule>, Error> {
    let query = call(session, Method::GET, &["security-group-rules"]).query("security_group_id", group_id);
    let all: Vec<RuleBody> = query.list("security_group_rules").await?;
    let fits = |rule: &RuleBody| {
        rule.direction == "ingress" && rule.ethertype.as_deref().is_none_or(|kind| kind == "IPv4")
    };
    Ok(all.into_iter().filter(fits).map(SecurityRule::from).collect())
}
