//! Listeners: a port of the virtual address.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Common, Kind, Provisioning,
    body::{self, Attrs},
    id_list, invalid, merged, ovn, owned, pool, quota, show, tree,
};
use crate::{
    call::{Answer, Call, Refusal},
    world::World,
};

/// A listener.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// Id, owner, name, states and so on.
    pub common: Common,
    /// Load balancer that it belongs to.
    pub load_balancer_id: String,
    /// `TCP`, `HTTP`, `HTTPS`, `TERMINATED_HTTPS`, `UDP`, `SCTP` or `PROMETHEUS`.
    pub protocol: String,
    /// Port of the virtual address.
    pub protocol_port: u16,
    /// Pool that connections go to.
    pub default_pool_id: Option<String>,
    /// Connections at a time; -1 is unlimited.
    pub connection_limit: i64,
    /// Sources that may connect, as prefixes; `None` is everybody.
    pub allowed_cidrs: Option<Vec<String>>,
    /// Milliseconds of silence of a client.
    pub timeout_client_data: i64,
    /// Milliseconds to connect to a member.
    pub timeout_member_connect: i64,
    /// Milliseconds of silence of a member.
    pub timeout_member_data: i64,
    /// Milliseconds to look at the start of a TCP stream.
    pub timeout_tcp_inspect: i64,
    /// Headers added to requests.
    pub insert_headers: Map<String, Value>,
}

const PROTOCOLS: &[&str] = &[
    "TCP",
    "HTTPS",
    "HTTP",
    "TERMINATED_HTTPS",
    "UDP",
    "SCTP",
    "PROMETHEUS",
];
/// 24 days.
const MAX_TIMEOUT_MS: i64 = 24 * 24 * 60 * 60 * 1000;

const NESTED: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "protocol",
    "protocol_port",
    "connection_limit",
    "default_tls_container_ref",
    "sni_container_refs",
    "default_pool_id",
    "default_pool",
    "l7policies",
    "insert_headers",
    "timeout_client_data",
    "timeout_member_connect",
    "timeout_member_data",
    "timeout_tcp_inspect",
    "tags",
    "client_ca_tls_container_ref",
    "client_authentication",
    "client_crl_container_ref",
    "allowed_cidrs",
    "tls_ciphers",
    "tls_versions",
    "alpn_protocols",
    "hsts_max_age",
    "hsts_include_subdomains",
    "hsts_preload",
];
const FIXED: &[&str] = &["protocol", "protocol_port", "default_pool", "l7policies"];

impl Listener {
    pub(super) fn render(&self) -> Value {
        merged(
            self.common.render(),
            json!({
                "protocol": self.protocol,
                "protocol_port": self.protocol_port,
                "connection_limit": self.connection_limit,
                "default_pool_id": self.default_pool_id,
                "loadbalancers": id_list([self.load_balancer_id.as_str()]),
                "allowed_cidrs": self.allowed_cidrs,
                "timeout_client_data": self.timeout_client_data,
                "timeout_member_connect": self.timeout_member_connect,
                "timeout_member_data": self.timeout_member_data,
                "timeout_tcp_inspect": self.timeout_tcp_inspect,
                "insert_headers": self.insert_headers,
                "l7policies": [],
                "default_tls_container_ref": null,
                "sni_container_refs": [],
                "client_ca_tls_container_ref": null,
                "client_authentication": "NONE",
                "client_crl_container_ref": null,
                "tls_ciphers": null,
                "tls_versions": null,
                "alpn_protocols": null,
                "hsts_max_age": null,
                "hsts_include_subdomains": false,
                "hsts_preload": false,
            }),
        )
    }
}

impl Listener {
    /// As the answer to the create of its load balancer shows it.
    pub(super) fn render_nested(&self) -> Value {
        let mut shown = self.render();
        if let Some(map) = shown.as_object_mut() {
            map.remove("loadbalancers");
        }
        shown
    }
}

/// Pool protocols that a listener protocol can lead to.
fn leads_to(listener: &str) -> &'static [&'static str] {
    match listener {
        "TCP" => &["HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"],
        "HTTP" | "TERMINATED_HTTPS" => &["HTTP", "PROXY", "PROXYV2"],
        "HTTPS" => &["HTTPS", "PROXY", "PROXYV2", "TCP"],
        "UDP" => &["UDP"],
        "SCTP" => &["SCTP"],
        _ => &[],
    }
}

/// Refuses with 400 a pool whose protocol a listener's cannot lead to.
pub(super) fn check_protocols(listener: &str, pool: &str) -> Result<(), Refusal> {
    if listener == "PROMETHEUS" {
        let message = "Protocol PROMETHEUS listeners cannot have child objects.";
        return Err(Refusal::new(400, "ListenerNoChildren", message));
    }
    if leads_to(listener).contains(&pool) {
        return Ok(());
    }
    Err(invalid(format!(
        "The pool protocol '{pool}' is invalid while the listener protocol is '{listener}'."
    )))
}

fn check_pool(world: &World, load_balancer_id: &str, protocol: &str, pool_id: &str) -> Result<(), Refusal> {
    let pool = world
        .octavia
        .pools
        .get(pool_id)
        .filter(|pool| pool.load_balancer_id == load_balancer_id);
    check_protocols(
        protocol,
        &pool.ok_or_else(|| Kind::Pool.not_found(pool_id))?.protocol,
    )
}

fn check_cidrs(attrs: Attrs<'_>) -> Result<Option<Vec<String>>, Refusal> {
    let cidrs = attrs.texts("allowed_cidrs")?.filter(|cidrs| !cidrs.is_empty());
    for cidr in cidrs.iter().flatten() {
        let (address, length) = cidr.split_once('/').unwrap_or((cidr, "32"));
        if address.parse::<std::net::IpAddr>().is_err() || length.parse::<u8>().is_err() {
            return Err(body::bad_value(
                "allowed_cidrs",
                &json!(format!("['{cidr}']")),
                "Value should be IPv4 or IPv6 CIDR format",
            ));
        }
    }
    Ok(cidrs)
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let allowed: Vec<&str> = NESTED
        .iter()
        .copied()
        .chain(["loadbalancer_id", "project_id", "tenant_id"])
        .collect();
    let attrs = body::of(call, Kind::Listener, &allowed)?;
    let load_balancer_id = attrs.required_uuid("loadbalancer_id")?;
    owned(world, call, Kind::LoadBalancer, load_balancer_id)?;
    let project = world
        .octavia
        .common(Kind::LoadBalancer, load_balancer_id)
        .map(|common| common.project_id.clone())
        .unwrap_or_default();
    quota::check(world, &project, Kind::Listener, 1)?;
    let id = tree::all_or_nothing(world, load_balancer_id, |world| {
        create_claimed(world, attrs, load_balancer_id, &project)
    })?;
    show(world, call, Kind::Listener, &id, 201)
}

fn create_claimed(
    world: &mut World,
    attrs: Attrs<'_>,
    load_balancer_id: &str,
    project: &str,
) -> Result<String, Refusal> {
    tree::claim_child(world, load_balancer_id, attrs.uuid("default_pool_id")?, None)?;
    let default_pool = match body::nested_one(attrs, "default_pool")? {
        Some(pool) => {
            quota::check(world, project, Kind::Pool, 1)?;
            Some(pool::create_in(world, load_balancer_id, project, pool)?)
        }
        None => None,
    };
    create_in(world, load_balancer_id, project, attrs, default_pool)
}

/// Makes a listener on a load balancer that is already claimed. Returns its id.
pub(super) fn create_in(
    world: &mut World,
    load_balancer_id: &str,
    project: &str,
    attrs: Attrs<'_>,
    default_pool: Option<String>,
) -> Result<String, Refusal> {
    let protocol = body::required_choice(attrs, "protocol", PROTOCOLS)?;
    let protocol_port = body::required_port(attrs)?;
    // TCP-based protocols share one set of ports; UDP and SCTP have their own.
    let transport = |protocol: &str| {
        if ["UDP", "SCTP"].contains(&protocol) {
            protocol.to_owned()
        } else {
            "TCP".into()
        }
    };
    let mut siblings = world.octavia.listeners_of(load_balancer_id).into_iter();
    let taken = siblings.find(|other| {
        other.protocol_port == protocol_port && transport(&other.protocol) == transport(protocol)
    });
    if let Some(other) = taken {
        let message = format!(
            "Another Listener on this Load Balancer is already using protocol {} and protocol_port {protocol_port}",
            other.protocol
        );
        return Err(Refusal::new(409, "DuplicateListenerEntry", message));
    }
    let default_pool_id = match default_pool {
        Some(id) => Some(id),
        None => attrs.owned("default_pool_id")?,
    };
    if let Some(pool) = &default_pool_id {
        check_pool(world, load_balancer_id, protocol, pool)?;
    }
    if protocol == "TERMINATED_HTTPS" && !attrs.is_set("default_tls_container_ref") {
        return Err(invalid(
            "An SNI or default certificate container reference must be provided for TERMINATED_HTTPS protocol listeners.",
        ));
    }
    let allowed_cidrs = check_cidrs(attrs)?;
    ovn::check_listener(
        &world.octavia,
        load_balancer_id,
        protocol,
        allowed_cidrs.is_some(),
    )?;
    let timeout = |key: &str, default: i64| {
        Ok::<i64, Refusal>(body::integer(attrs, key, 0, MAX_TIMEOUT_MS)?.unwrap_or(default))
    };
    let listener = Listener {
        load_balancer_id: load_balancer_id.to_owned(),
        protocol: protocol.to_owned(),
        protocol_port,
        default_pool_id,
        connection_limit: body::integer(attrs, "connection_limit", -1, i64::MAX)?.unwrap_or(-1),
        allowed_cidrs,
        timeout_client_data: timeout("timeout_client_data", 50_000)?,
        timeout_member_connect: timeout("timeout_member_connect", 5_000)?,
        timeout_member_data: timeout("timeout_member_data", 50_000)?,
        timeout_tcp_inspect: timeout("timeout_tcp_inspect", 0)?,
        insert_headers: body::nested_one(attrs, "insert_headers")?
            .map(|map| map.0.clone())
            .unwrap_or_default(),
        common: Common::of(world, project, attrs)?,
    };
    let id = listener.common.id.clone();
    world.octavia.listeners.insert(id.clone(), listener);
    Ok(id)
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let allowed: Vec<&str> = NESTED
        .iter()
        .copied()
        .filter(|name| !FIXED.contains(name))
        .collect();
    let attrs = body::of(call, Kind::Listener, &allowed)?;
    let Some(mut listener) = world.octavia.listeners.get(id).cloned() else {
        return Err(Kind::Listener.not_found(id));
    };
    if attrs.get("default_pool_id").is_some() {
        listener.default_pool_id = attrs.owned("default_pool_id")?;
        if let Some(pool) = &listener.default_pool_id {
            check_pool(world, &listener.load_balancer_id, &listener.protocol, pool)?;
        }
    }
    if attrs.get("allowed_cidrs").is_some() {
        listener.allowed_cidrs = check_cidrs(attrs)?;
        let (protocol, is_limited) = (&listener.protocol, listener.allowed_cidrs.is_some());
        ovn::check_listener(&world.octavia, &listener.load_balancer_id, protocol, is_limited)?;
    }
    if let Some(limit) = body::integer(attrs, "connection_limit", -1, i64::MAX)? {
        listener.connection_limit = limit;
    }
    for (key, place) in [
        ("timeout_client_data", &mut listener.timeout_client_data),
        ("timeout_member_connect", &mut listener.timeout_member_connect),
        ("timeout_member_data", &mut listener.timeout_member_data),
        ("timeout_tcp_inspect", &mut listener.timeout_tcp_inspect),
    ] {
        *place = body::integer(attrs, key, 0, MAX_TIMEOUT_MS)?.unwrap_or(*place);
    }
    if let Some(headers) = body::nested_one(attrs, "insert_headers")? {
        listener.insert_headers = headers.0.clone();
    }
    listener.common.update(attrs, world.now_ms)?;
    tree::claim_child(world, &listener.load_balancer_id, None, Some(id))?;
    listener.common.provisioning_status = Provisioning::PendingUpdate;
    world.octavia.listeners.insert(id.to_owned(), listener);
    Ok(())
}

pub(super) fn delete(world: &mut World, id: &str) -> Result<(), Refusal> {
    let load_balancer_id = world
        .octavia
        .load_balancer_of(Kind::Listener, id)
        .map(str::to_owned)
        .ok_or_else(|| Kind::Listener.not_found(id))?;
    tree::claim_child(world, &load_balancer_id, None, Some(id))?;
    if let Some(common) = world.octavia.common_mut(Kind::Listener, id) {
        common.provisioning_status = Provisioning::PendingDelete;
    }
    Ok(())
}
