//! Health monitors: how a pool's members are checked.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Common, Kind, Provisioning,
    body::{self, Attrs},
    id_list, merged, ovn, owned, quota, show, tree,
};
use crate::{
    call::{Answer, Call, Refusal},
    world::World,
};

/// A health monitor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthMonitor {
    /// Id, owner, name, states and so on.
    pub common: Common,
    /// Pool whose members it checks.
    pub pool_id: String,
    /// `HTTP`, `HTTPS`, `PING`, `TCP`, `TLS-HELLO`, `UDP-CONNECT` or `SCTP`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between checks.
    pub delay: i64,
    /// Seconds until a check has failed.
    pub timeout: i64,
    /// Good checks until a member is up.
    pub max_retries: i64,
    /// Bad checks until a member is down.
    pub max_retries_down: i64,
    /// Method of HTTP checks.
    pub http_method: Option<String>,
    /// Path of HTTP checks.
    pub url_path: Option<String>,
    /// Good statuses of HTTP checks: `200`, `200,202` or `200-204`.
    pub expected_codes: Option<String>,
}

const KINDS: &[&str] = &["HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP"];
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH",
];
const NESTED: &[&str] = &[
    "name",
    "type",
    "delay",
    "timeout",
    "max_retries_down",
    "max_retries",
    "http_method",
    "url_path",
    "expected_codes",
    "admin_state_up",
    "tags",
    "http_version",
    "domain_name",
];
const HTTP_ONLY: &[&str] = &["http_method", "url_path", "expected_codes"];

impl HealthMonitor {
    pub(super) fn render(&self, has_pools: bool) -> Value {
        let mut map = self.common.render();
        map.remove("description");
        if has_pools {
            map.insert("pools".into(), id_list([self.pool_id.as_str()]));
        }
        merged(
            map,
            json!({
                "type": self.kind,
                "delay": self.delay,
                "timeout": self.timeout,
                "max_retries": self.max_retries,
                "max_retries_down": self.max_retries_down,
                "http_method": self.http_method,
                "url_path": self.url_path,
                "expected_codes": self.expected_codes,
                "http_version": null,
                "domain_name": null,
            }),
        )
    }

    fn is_http(&self) -> bool {
        ["HTTP", "HTTPS"].contains(&self.kind.as_str())
    }

    /// Takes the HTTP attributes, which other types refuse.
    fn take_http(&mut self, attrs: Attrs<'_>) -> Result<(), Refusal> {
        if let (false, Some(name)) = (self.is_http(), HTTP_ONLY.iter().find(|name| attrs.is_set(name))) {
            let message = format!(
                "{name} is not a valid option for health monitors of type {}",
                self.kind
            );
            return Err(Refusal::new(400, "InvalidOption", message));
        }
        if let Some(method) = body::choice(attrs, "http_method", METHODS)? {
            self.http_method = Some(method.to_owned());
        }
        if let Some(path) = attrs.owned("url_path")? {
            if !path.starts_with('/') {
                let reason = "Value must be a valid URL Path string";
                return Err(body::bad_value("url_path", &json!(path), reason));
            }
            self.url_path = Some(path);
        }
        if let Some(codes) = attrs.owned("expected_codes")? {
            self.expected_codes = Some(codes);
        }
        Ok(())
    }
}

fn required(attrs: Attrs<'_>, key: &str, min: i64, max: i64) -> Result<i64, Refusal> {
    body::integer(attrs, key, min, max)?.ok_or_else(|| body::missing(key))
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let allowed: Vec<&str> = NESTED
        .iter()
        .copied()
        .chain(["pool_id", "project_id", "tenant_id"])
        .collect();
    let attrs = body::of(call, Kind::HealthMonitor, &allowed)?;
    let pool_id = attrs.required_uuid("pool_id")?;
    owned(world, call, Kind::Pool, pool_id)?;
    let Some((load_balancer_id, project)) = world
        .octavia
        .pools
        .get(pool_id)
        .map(|pool| (pool.load_balancer_id.clone(), pool.common.project_id.clone()))
    else {
        return Err(Kind::Pool.not_found(pool_id));
    };
    quota::check(world, &project, Kind::HealthMonitor, 1)?;
    let id = tree::all_or_nothing(world, &load_balancer_id, |world| {
        tree::claim_child(world, &load_balancer_id, Some(pool_id), None)?;
        create_in(world, pool_id, &project, attrs)
    })?;
    show(world, call, Kind::HealthMonitor, &id, 201)
}

/// Makes a health monitor of a pool that is already claimed. Returns its id.
pub(super) fn create_in(
    world: &mut World,
    pool_id: &str,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    if world.octavia.monitor_of(pool_id).is_some() {
        let message = "This pool already has a health monitor";
        return Err(Refusal::new(409, "DuplicateHealthMonitor", message));
    }
    let kind = body::required_choice(attrs, "type", KINDS)?;
    ovn::check_monitor(&world.octavia, pool_id, kind)?;
    let mut monitor = HealthMonitor {
        pool_id: pool_id.to_owned(),
        kind: kind.to_owned(),
        delay: required(attrs, "delay", 0, i64::MAX)?,
        timeout: required(attrs, "timeout", 0, i64::MAX)?,
        max_retries: required(attrs, "max_retries", 1, 10)?,
        max_retries_down: body::integer(attrs, "max_retries_down", 1, 10)?.unwrap_or(3),
        http_method: None,
        url_path: None,
        expected_codes: None,
        common: Common::of(world, project, attrs)?,
    };
    if monitor.is_http() {
        monitor.http_method = Some("GET".to_owned());
        monitor.url_path = Some("/".to_owned());
        monitor.expected_codes = Some("200".to_owned());
    }
    monitor.take_http(attrs)?;
    let id = monitor.common.id.clone();
    world.octavia.health_monitors.insert(id.clone(), monitor);
    Ok(id)
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let allowed: Vec<&str> = NESTED.iter().copied().filter(|name| *name != "type").collect();
    let attrs = body::of(call, Kind::HealthMonitor, &allowed)?;
    let Some(mut monitor) = world.octavia.health_monitors.get(id).cloned() else {
        return Err(Kind::HealthMonitor.not_found(id));
    };
    monitor.delay = body::integer(attrs, "delay", 0, i64::MAX)?.unwrap_or(monitor.delay);
    monitor.timeout = body::integer(attrs, "timeout", 0, i64::MAX)?.unwrap_or(monitor.timeout);
    monitor.max_retries = body::integer(attrs, "max_retries", 1, 10)?.unwrap_or(monitor.max_retries);
    monitor.max_retries_down =
        body::integer(attrs, "max_retries_down", 1, 10)?.unwrap_or(monitor.max_retries_down);
    monitor.take_http(attrs)?;
    monitor.common.update(attrs, world.now_ms)?;
    claim(world, &monitor.pool_id)?;
    monitor.common.provisioning_status = Provisioning::PendingUpdate;
    world.octavia.health_monitors.insert(id.to_owned(), monitor);
    Ok(())
}

fn claim(world: &mut World, pool_id: &str) -> Result<(), Refusal> {
    let load_balancer_id = world
        .octavia
        .load_balancer_of(Kind::Pool, pool_id)
        .map(str::to_owned)
        .ok_or_else(|| Kind::Pool.not_found(pool_id))?;
    tree::claim_child(world, &load_balancer_id, Some(pool_id), None)
}

pub(super) fn delete(world: &mut World, id: &str) -> Result<(), Refusal> {
    let pool_id = world
        .octavia
        .health_monitors
        .get(id)
        .map(|monitor| monitor.pool_id.clone())
        .ok_or_else(|| Kind::HealthMonitor.not_found(id))?;
    claim(world, &pool_id)?;
    if let Some(common) = world.octavia.common_mut(Kind::HealthMonitor, id) {
        common.provisioning_status = Provisioning::PendingDelete;
    }
    Ok(())
}
