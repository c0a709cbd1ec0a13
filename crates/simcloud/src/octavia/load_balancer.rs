//! Load balancers, alone or with all below them in one request.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Common, Kind, Listener, Octavia, Pool, Provisioning,
    body::{self, Attrs},
    forbidden, id_list, invalid, listener, merged, pool, quota, tree, vip,
};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    neutron,
    world::World,
};

/// A load balancer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Id, owner, name, states and so on.
    pub common: Common,
    /// Its address.
    pub vip_address: Ipv4Addr,
    /// Neutron port of the address.
    pub vip_port_id: String,
    /// Subnet of the address.
    pub vip_subnet_id: String,
    /// Network of the address.
    pub vip_network_id: String,
    /// True when the service made the port, and so deletes it.
    pub owns_vip_port: bool,
    /// `amphora` or `ovn`.
    pub provider: String,
    /// Octavia flavor; none exists here, so always `None`.
    pub flavor_id: Option<String>,
    /// Milliseconds since the Unix epoch at which a pending state ends.
    pub ready_at_ms: i64,
}

const CREATABLE: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "vip_address",
    "vip_port_id",
    "vip_subnet_id",
    "vip_network_id",
    "vip_qos_policy_id",
    "vip_sg_ids",
    "additional_vips",
    "project_id",
    "tenant_id",
    "listeners",
    "pools",
    "provider",
    "tags",
    "flavor_id",
    "availability_zone",
];
const UPDATABLE: &[&str] = &[
    "name",
    "description",
    "vip_qos_policy_id",
    "admin_state_up",
    "vip_sg_ids",
    "tags",
];

impl LoadBalancer {
    /// With `is_full`, listeners and pools are whole objects, as in the answer to a create.
    pub(super) fn render(&self, octavia: &Octavia, is_full: bool) -> Value {
        let listeners = octavia.listeners_of(&self.common.id);
        let pools = octavia.pools_of(&self.common.id);
        let (listeners, pools): (Value, Value) = if is_full {
            (
                listeners.into_iter().map(Listener::render_nested).collect(),
                pools.into_iter().map(|pool| pool.render(octavia, true)).collect(),
            )
        } else {
            (
                id_list(listeners.iter().map(|listener| listener.common.id.as_str())),
                id_list(pools.iter().map(|pool| pool.common.id.as_str())),
            )
        };
        merged(
            self.common.render(),
            json!({
                "vip_address": self.vip_address,
                "vip_port_id": self.vip_port_id,
                "vip_subnet_id": self.vip_subnet_id,
                "vip_network_id": self.vip_network_id,
                "vip_qos_policy_id": null,
                "vip_vnic_type": "normal",
                "vip_sg_ids": [],
                "additional_vips": [],
                "listeners": listeners,
                "pools": pools,
                "provider": self.provider,
                "flavor_id": self.flavor_id,
                "availability_zone": null,
            }),
        )
    }
}

impl Octavia {
    /// Listeners of a load balancer, oldest first.
    pub fn listeners_of(&self, load_balancer_id: &str) -> Vec<&Listener> {
        let mut found: Vec<&Listener> = self
            .listeners
            .values()
            .filter(|listener| listener.load_balancer_id == load_balancer_id)
            .collect();
        found.sort_by_key(|listener| listener.common.sequence);
        found
    }

    /// Pools of a load balancer, oldest first.
    pub fn pools_of(&self, load_balancer_id: &str) -> Vec<&Pool> {
        let mut found: Vec<&Pool> = self
            .pools
            .values()
            .filter(|pool| pool.load_balancer_id == load_balancer_id)
            .collect();
        found.sort_by_key(|pool| pool.common.sequence);
        found
    }
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let attrs = body::of(call, Kind::LoadBalancer, CREATABLE)?;
    let project = match attrs.text("project_id")? {
        Some(project) => project,
        None => attrs.text("tenant_id")?.unwrap_or(call.project()),
    }
    .to_owned();
    if project.is_empty() {
        return Err(invalid("Missing project ID in request where one is required."));
    }
    if project != call.project() && !call.caller.is_admin {
        return Err(forbidden());
    }
    let provider = match attrs.text("provider")?.unwrap_or("amphora") {
        "amphora" | "octavia" => "amphora",
        "ovn" => "ovn",
        other => {
            let message = format!("Provider '{other}' is not enabled.");
            return Err(Refusal::new(400, "ProviderNotEnabled", message));
        }
    };
    if attrs.is_set("flavor_id") {
        return Err(invalid("Invalid flavor_id."));
    }
    if attrs.is_set("availability_zone") {
        return Err(invalid("Invalid availability zone."));
    }
    quota::check(world, &project, Kind::LoadBalancer, 1)?;
    let common = Common::of(world, &project, attrs)?;
    let id = common.id.clone();
    let vip = vip::allocate(world, call, attrs, &id, &project)?;
    let ready_at_ms = world.now_ms.saturating_add_unsigned(world.pace.load_balancer_ms);
    let load_balancer = LoadBalancer {
        common,
        vip_address: vip.address,
        vip_port_id: vip.port_id.clone(),
        vip_subnet_id: vip.subnet_id,
        vip_network_id: vip.network_id,
        owns_vip_port: vip.owns_port,
        provider: provider.to_owned(),
        flavor_id: None,
        ready_at_ms,
    };
    let made = tree::all_or_nothing(world, &id, |world| {
        world.octavia.load_balancers.insert(id.clone(), load_balancer);
        create_children(world, attrs, &id, &project)
    });
    if let Err(refusal) = made {
        if vip.owns_port {
            neutron::port::remove(world, &vip.port_id);
        }
        return Err(refusal);
    }
    let shown = world
        .octavia
        .load_balancers
        .get(&id)
        .map(|balancer| balancer.render(&world.octavia, true));
    Ok(Reply::json(201, json!({"loadbalancer": shown})))
}

/// Pools first, so that listeners can name them.
fn create_children(world: &mut World, attrs: Attrs<'_>, id: &str, project: &str) -> Result<(), Refusal> {
    let listeners = body::nested(attrs, "listeners")?;
    let mut pools = body::nested(attrs, "pools")?;
    let mut names: Vec<Option<String>> = Vec::with_capacity(listeners.len());
    let mut references: Vec<String> = Vec::new();
    for attrs in &listeners {
        let Some(default_pool) = body::nested_one(*attrs, "default_pool")? else {
            names.push(None);
            continue;
        };
        let name = default_pool
            .owned("name")?
            .filter(|name| !name.is_empty())
            .ok_or_else(|| invalid("Pools must be named when creating a fully populated loadbalancer."))?;
        // More than a name is a pool; a name alone refers to one of `pools`.
        if default_pool.0.len() > 1 {
            pools.push(default_pool);
        } else {
            references.push(name.clone());
        }
        names.push(Some(name));
    }
    let mut made: Vec<(String, String)> = Vec::with_capacity(pools.len());
    quota::check(world, project, Kind::Pool, pools.len())?;
    for attrs in pools {
        let name = attrs.owned("name")?.unwrap_or_default();
        if made.iter().any(|(other, _)| *other == name) {
            return Err(invalid(
                "Pool names must be unique when creating a fully populated loadbalancer.",
            ));
        }
        let pool_id = pool::create_in(world, id, project, attrs)?;
        made.push((name, pool_id));
    }
    if let Some(unknown) = references
        .iter()
        .find(|name| !made.iter().any(|(other, _)| other == *name))
    {
        return Err(invalid(format!(
            "Pool '{unknown}' was referenced but no full definition was found."
        )));
    }
    quota::check(world, project, Kind::Listener, listeners.len())?;
    for (attrs, name) in listeners.into_iter().zip(names) {
        let pool_id = name.and_then(|name| {
            made.iter()
                .find(|(other, _)| *other == name)
                .map(|(_, id)| id.clone())
        });
        listener::create_in(world, id, project, attrs, pool_id)?;
    }
    Ok(())
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let attrs = body::of(call, Kind::LoadBalancer, UPDATABLE)?;
    tree::claim_load_balancer(world, id, Provisioning::PendingUpdate)?;
    let now_ms = world.now_ms;
    match world.octavia.common_mut(Kind::LoadBalancer, id) {
        Some(common) => common.update(attrs, now_ms),
        None => Ok(()),
    }
}

/// Refuses with 400 a load balancer that has children unless `cascade` is asked for.
pub(super) fn delete(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let is_cascade = call.query("cascade").is_some_and(|text| {
        matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "1" | "yes" | "on" | "t" | "y"
        )
    });
    let octavia = &world.octavia;
    let has_children = !octavia.listeners_of(id).is_empty() || !octavia.pools_of(id).is_empty();
    if has_children && !is_cascade {
        return Err(invalid(format!(
            "Cannot delete Load Balancer {id} - it has children"
        )));
    }
    tree::claim_load_balancer(world, id, Provisioning::PendingDelete)
}
