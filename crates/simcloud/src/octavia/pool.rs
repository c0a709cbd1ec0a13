//! Pools: members among which connections are spread.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Common, HealthMonitor, Kind, Member, Octavia, Provisioning,
    body::{self, Attrs},
    id_list, invalid, listener, member, merged, monitor, ovn, owned, quota, show, tree,
};
use crate::{
    call::{Answer, Call, Refusal},
    world::World,
};

/// How a client stays with a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPersistence {
    /// `SOURCE_IP`, `HTTP_COOKIE` or `APP_COOKIE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Cookie of `APP_COOKIE`.
    pub cookie_name: Option<String>,
    /// Seconds, for UDP and SCTP.
    pub persistence_timeout: Option<i64>,
    /// Netmask, for UDP and SCTP.
    pub persistence_granularity: Option<String>,
}

/// A pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// Id, owner, name, states and so on.
    pub common: Common,
    /// Load balancer that it belongs to.
    pub load_balancer_id: String,
    /// `TCP`, `HTTP`, `HTTPS`, `PROXY`, `PROXYV2`, `UDP` or `SCTP`.
    pub protocol: String,
    /// `ROUND_ROBIN`, `LEAST_CONNECTIONS`, `SOURCE_IP` or `SOURCE_IP_PORT`.
    pub lb_algorithm: String,
    /// How a client stays with a member, if at all.
    pub session_persistence: Option<SessionPersistence>,
    /// True when the connection to members is encrypted.
    pub tls_enabled: bool,
}

const PROTOCOLS: &[&str] = &["TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2", "UDP", "SCTP"];
const ALGORITHMS: &[&str] = &["LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT"];
const PERSISTENCE: &[&str] = &["SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"];
const NESTED: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "protocol",
    "lb_algorithm",
    "session_persistence",
    "healthmonitor",
    "members",
    "tags",
    "tls_container_ref",
    "ca_tls_container_ref",
    "crl_container_ref",
    "tls_enabled",
    "tls_ciphers",
    "tls_versions",
    "alpn_protocols",
];

impl Pool {
    /// With `is_full`, members and health monitor are whole objects, as in the answer to a create.
    pub(super) fn render(&self, octavia: &Octavia, is_full: bool) -> Value {
        let id = &self.common.id;
        let members = octavia.members_of(id);
        let monitor = octavia.monitor_of(id);
        let mut listeners: Vec<_> = octavia
            .listeners
            .values()
            .filter(|listener| listener.default_pool_id.as_ref() == Some(id))
            .collect();
        listeners.sort_by_key(|listener| listener.common.sequence);
        let mut map = self.common.render();
        if is_full {
            map.insert(
                "members".into(),
                members.into_iter().map(Member::render).collect(),
            );
            if let Some(monitor) = monitor {
                map.insert("healthmonitor".into(), monitor.render(false));
            }
        } else {
            if let Some(monitor) = monitor {
                map.insert("healthmonitor_id".into(), json!(monitor.common.id));
            }
            map.insert("loadbalancers".into(), id_list([self.load_balancer_id.as_str()]));
            map.insert(
                "members".into(),
                id_list(members.iter().map(|member| member.common.id.as_str())),
            );
        }
        merged(
            map,
            json!({

                "protocol": self.protocol,
                "lb_algorithm": self.lb_algorithm,
                "session_persistence": self.session_persistence,

                "listeners": id_list(listeners.iter().map(|listener| listener.common.id.as_str())),
                "tls_enabled": self.tls_enabled,
                "tls_container_ref": null,
                "ca_tls_container_ref": null,
                "crl_container_ref": null,
                "tls_ciphers": null,
                "tls_versions": null,
                "alpn_protocols": null,
            }),
        )
    }
}

impl Octavia {
    /// Members of a pool, oldest first.
    pub fn members_of(&self, pool_id: &str) -> Vec<&Member> {
        let mut found: Vec<&Member> = self
            .members
            .values()
            .filter(|member| member.pool_id == pool_id)
            .collect();
        found.sort_by_key(|member| member.common.sequence);
        found
    }

    /// Health monitor of a pool.
    pub fn monitor_of(&self, pool_id: &str) -> Option<&HealthMonitor> {
        self.health_monitors
            .values()
            .find(|monitor| monitor.pool_id == pool_id)
    }
}

fn persistence(attrs: Attrs<'_>) -> Result<Option<SessionPersistence>, Refusal> {
    let Some(attrs) = body::nested_one(attrs, "session_persistence")? else {
        return Ok(None);
    };
    let kind = body::required_choice(attrs, "type", PERSISTENCE)?.to_owned();
    let cookie_name = attrs.owned("cookie_name")?;
    match (kind.as_str(), &cookie_name) {
        ("APP_COOKIE", None) => {
            return Err(invalid(
                "Field \"cookie_name\" must be specified when using the \"APP_COOKIE\" session persistence type.",
            ));
        }
        ("HTTP_COOKIE" | "SOURCE_IP", Some(_)) => {
            return Err(invalid(
                "Field \"cookie_name\" can only be specified with session persistence of type \"APP_COOKIE\".",
            ));
        }
        _ => {}
    }
    Ok(Some(SessionPersistence {
        kind,
        cookie_name,
        persistence_timeout: attrs.integer("persistence_timeout")?,
        persistence_granularity: attrs.owned("persistence_granularity")?,
    }))
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let allowed: Vec<&str> = NESTED
        .iter()
        .copied()
        .chain(["loadbalancer_id", "listener_id", "project_id", "tenant_id"])
        .collect();
    let attrs = body::of(call, Kind::Pool, &allowed)?;
    let listener_id = attrs.uuid("listener_id")?;
    let load_balancer_id = match (attrs.uuid("loadbalancer_id")?, listener_id) {
        (Some(id), _) => id.to_owned(),
        (None, Some(id)) => world
            .octavia
            .load_balancer_of(Kind::Listener, id)
            .map(str::to_owned)
            .ok_or_else(|| Kind::Listener.not_found(id))?,
        (None, None) => {
            return Err(invalid(
                "Must provide at least one of: loadbalancer_id, listener_id",
            ));
        }
    };
    owned(world, call, Kind::LoadBalancer, &load_balancer_id)?;
    let project = world
        .octavia
        .common(Kind::LoadBalancer, &load_balancer_id)
        .map(|common| common.project_id.clone())
        .unwrap_or_default();
    if let Some(id) = listener_id {
        let listener = world
            .octavia
            .listeners
            .get(id)
            .ok_or_else(|| Kind::Listener.not_found(id))?;
        listener::check_protocols(&listener.protocol, attrs.text("protocol")?.unwrap_or_default())?;
        if listener.default_pool_id.is_some() {
            return Err(Refusal::new(
                409,
                "DuplicatePoolEntry",
                "This listener already has a default pool",
            ));
        }
    }
    quota::check(world, &project, Kind::Pool, 1)?;
    let id = tree::all_or_nothing(world, &load_balancer_id, |world| {
        tree::claim_child(world, &load_balancer_id, None, listener_id)?;
        create_in(world, &load_balancer_id, &project, attrs)
    })?;
    if let Some(listener) = listener_id.and_then(|id| world.octavia.listeners.get_mut(id)) {
        listener.default_pool_id = Some(id.clone());
    }
    show(world, call, Kind::Pool, &id, 201)
}

/// Makes a pool with its members and monitor on a load balancer that is already claimed. Returns its id.
pub(super) fn create_in(
    world: &mut World,
    load_balancer_id: &str,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    let allowed: Vec<&str> = NESTED
        .iter()
        .copied()
        .chain(["loadbalancer_id", "listener_id", "project_id", "tenant_id"])
        .collect();
    body::check_known(attrs, Kind::Pool, &allowed)?;
    let pool = Pool {
        load_balancer_id: load_balancer_id.to_owned(),
        protocol: body::required_choice(attrs, "protocol", PROTOCOLS)?.to_owned(),
        lb_algorithm: body::required_choice(attrs, "lb_algorithm", ALGORITHMS)?.to_owned(),
        session_persistence: persistence(attrs)?,
        tls_enabled: attrs.flag("tls_enabled")?.unwrap_or(false),
        common: Common::of(world, project, attrs)?,
    };
    ovn::check_pool(
        &world.octavia,
        load_balancer_id,
        &pool.protocol,
        &pool.lb_algorithm,
    )?;
    let id = pool.common.id.clone();
    world.octavia.pools.insert(id.clone(), pool);
    for attrs in body::nested(attrs, "members")? {
        quota::check(world, project, Kind::Member, 1)?;
        member::create_in(world, &id, project, attrs)?;
    }
    if let Some(attrs) = body::nested_one(attrs, "healthmonitor")? {
        quota::check(world, project, Kind::HealthMonitor, 1)?;
        monitor::create_in(world, &id, project, attrs)?;
    }
    Ok(id)
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let fixed = ["protocol", "healthmonitor", "members"];
    let allowed: Vec<&str> = NESTED
        .iter()
        .copied()
        .filter(|name| !fixed.contains(name))
        .collect();
    let attrs = body::of(call, Kind::Pool, &allowed)?;
    let Some(mut pool) = world.octavia.pools.get(id).cloned() else {
        return Err(Kind::Pool.not_found(id));
    };
    if let Some(algorithm) = body::choice(attrs, "lb_algorithm", ALGORITHMS)? {
        ovn::check_pool(&world.octavia, &pool.load_balancer_id, &pool.protocol, algorithm)?;
        pool.lb_algorithm = algorithm.to_owned();
    }
    if attrs.get("session_persistence").is_some() {
        pool.session_persistence = persistence(attrs)?;
    }
    pool.tls_enabled = attrs.flag("tls_enabled")?.unwrap_or(pool.tls_enabled);
    pool.common.update(attrs, world.now_ms)?;
    tree::claim_child(world, &pool.load_balancer_id, Some(id), None)?;
    pool.common.provisioning_status = Provisioning::PendingUpdate;
    world.octavia.pools.insert(id.to_owned(), pool);
    Ok(())
}

pub(super) fn delete(world: &mut World, id: &str) -> Result<(), Refusal> {
    let load_balancer_id = world
        .octavia
        .load_balancer_of(Kind::Pool, id)
        .map(str::to_owned)
        .ok_or_else(|| Kind::Pool.not_found(id))?;
    tree::claim_child(world, &load_balancer_id, Some(id), None)?;
    if let Some(common) = world.octavia.common_mut(Kind::Pool, id) {
        common.provisioning_status = Provisioning::PendingDelete;
    }
    Ok(())
}
