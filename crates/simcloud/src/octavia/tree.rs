//! Provisioning states of a load balancer and all that hangs on it.
//!
//! A change claims the load balancer; [`settle`] ends it when its time has come.

use std::collections::BTreeMap;

use super::{Kind, Octavia, Provisioning};
use crate::{call::Refusal, neutron, world::World};

/// Claims a load balancer for a change of its own.
///
/// Refuses with 409 `Invalid state ...` while another change is under way; a failed one may only be deleted.
pub(super) fn claim_load_balancer(world: &mut World, id: &str, to: Provisioning) -> Result<(), Refusal> {
    let ready_at_ms = ready_at(world);
    let load_balancer = world
        .octavia
        .load_balancers
        .get_mut(id)
        .ok_or_else(|| Kind::LoadBalancer.not_found(id))?;
    let from = load_balancer.common.provisioning_status;
    if !may_claim(from, to) {
        return Err(Refusal::new(
            409,
            "LBPendingStateError",
            format!("Invalid state {} of loadbalancer resource {id}", from.as_str()),
        ));
    }
    load_balancer.common.provisioning_status = to;
    load_balancer.ready_at_ms = ready_at_ms;
    Ok(())
}

fn may_claim(from: Provisioning, to: Provisioning) -> bool {
    from == Provisioning::Active || (from == Provisioning::Error && to == Provisioning::PendingDelete)
}

fn ready_at(world: &World) -> i64 {
    world.now_ms.saturating_add_unsigned(world.pace.load_balancer_ms)
}

/// Claims the load balancer of a child for a change of that child: a listener, or a pool with its listeners.
///
/// `pool_id` and `listener_id` name what is touched besides. Refuses with 409 `Load Balancer X is immutable and
/// cannot be updated.`, or the same of a pool that is itself not settled.
pub(super) fn claim_child(
    world: &mut World,
    load_balancer_id: &str,
    pool_id: Option<&str>,
    listener_id: Option<&str>,
) -> Result<(), Refusal> {
    let octavia = &world.octavia;
    if let Some(pool) = pool_id.and_then(|id| octavia.pools.get(id))
        && pool.common.provisioning_status != Provisioning::Active
    {
        return Err(Kind::Pool.immutable(&pool.common.id));
    }
    let is_free = octavia
        .load_balancers
        .get(load_balancer_id)
        .is_some_and(|balancer| balancer.common.provisioning_status == Provisioning::Active);
    if !is_free {
        return Err(Kind::LoadBalancer.immutable(load_balancer_id));
    }
    claim_load_balancer(world, load_balancer_id, Provisioning::PendingUpdate)?;
    let octavia = &mut world.octavia;
    for listener in octavia.listeners.values_mut() {
        let uses_pool = pool_id.is_some() && listener.default_pool_id.as_deref() == pool_id;
        if uses_pool || Some(listener.common.id.as_str()) == listener_id {
            listener.common.provisioning_status = Provisioning::PendingUpdate;
        }
    }
    if let Some(pool) = pool_id.and_then(|id| octavia.pools.get_mut(id)) {
        pool.common.provisioning_status = Provisioning::PendingUpdate;
    }
    Ok(())
}

/// Ends every change that is due.
pub(super) fn settle(world: &mut World) {
    let now_ms = world.now_ms;
    let due: Vec<(String, bool)> = world
        .octavia
        .load_balancers
        .values()
        .filter(|balancer| {
            let is_settled = matches!(
                balancer.common.provisioning_status,
                Provisioning::Active | Provisioning::Error
            );
            !is_settled && balancer.ready_at_ms <= now_ms
        })
        .map(|balancer| {
            (
                balancer.common.id.clone(),
                balancer.common.provisioning_status == Provisioning::PendingDelete,
            )
        })
        .collect();
    for (id, is_deleted) in due {
        if is_deleted {
            drop_tree(world, &id);
        } else {
            finish(&mut world.octavia, &id, now_ms);
        }
    }
}

/// Everything of a load balancer, itself included.
fn members_of_tree(octavia: &Octavia, load_balancer_id: &str) -> Vec<(Kind, String)> {
    [
        Kind::LoadBalancer,
        Kind::Listener,
        Kind::Pool,
        Kind::Member,
        Kind::HealthMonitor,
    ]
    .into_iter()
    .flat_map(|kind| octavia.ids(kind).map(move |id| (kind, id)))
    .filter(|(kind, id)| octavia.load_balancer_of(*kind, id) == Some(load_balancer_id))
    .map(|(kind, id)| (kind, id.to_owned()))
    .collect()
}

/// Does a change of a load balancer's tree, or leaves the tree as it was when the change is refused.
pub(super) fn all_or_nothing<T>(
    world: &mut World,
    load_balancer_id: &str,
    change: impl FnOnce(&mut World) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut before = Octavia::default();
    for (kind, id) in members_of_tree(&world.octavia, load_balancer_id) {
        copy(&world.octavia, &mut before, kind, &id);
    }
    let done = change(world);
    if done.is_err() {
        for (kind, id) in members_of_tree(&world.octavia, load_balancer_id) {
            remove(&mut world.octavia, kind, &id);
        }
        for (kind, id) in members_of_tree(&before, load_balancer_id) {
            copy(&before, &mut world.octavia, kind, &id);
        }
    }
    done
}

fn copy(from: &Octavia, to: &mut Octavia, kind: Kind, id: &str) {
    fn one<T: Clone>(from: &BTreeMap<String, T>, to: &mut BTreeMap<String, T>, id: &str) {
        if let Some(record) = from.get(id) {
            to.insert(id.to_owned(), record.clone());
        }
    }
    match kind {
        Kind::LoadBalancer => one(&from.load_balancers, &mut to.load_balancers, id),
        Kind::Listener => one(&from.listeners, &mut to.listeners, id),
        Kind::Pool => one(&from.pools, &mut to.pools, id),
        Kind::Member => one(&from.members, &mut to.members, id),
        Kind::HealthMonitor => one(&from.health_monitors, &mut to.health_monitors, id),
    }
}

fn finish(octavia: &mut Octavia, load_balancer_id: &str, now_ms: i64) {
    let tree = members_of_tree(octavia, load_balancer_id);
    let (gone, kept): (Vec<_>, Vec<_>) = tree.into_iter().partition(|(kind, id)| {
        octavia
            .common(*kind, id)
            .is_some_and(|common| common.provisioning_status == Provisioning::PendingDelete)
    });
    for (kind, id) in &gone {
        remove(octavia, *kind, id);
    }
    for (kind, id) in &kept {
        let is_monitored = octavia.members.get(id).is_some_and(|member| {
            octavia
                .health_monitors
                .values()
                .any(|monitor| monitor.pool_id == member.pool_id)
        });
        let Some(common) = octavia.common_mut(*kind, id) else {
            continue;
        };
        if !matches!(
            common.provisioning_status,
            Provisioning::Error | Provisioning::Active
        ) {
            common.provisioning_status = Provisioning::Active;
            common.updated_ms = Some(now_ms);
        }
        let status = match (common.admin_state_up, *kind) {
            (false, _) => "OFFLINE",
            (true, Kind::Member) if !is_monitored => "NO_MONITOR",
            (true, _) if matches!(common.operating_status.as_str(), "ERROR" | "DEGRADED") => continue,
            (true, _) => "ONLINE",
        };
        common.operating_status = status.to_owned();
    }
}

/// Removes a record with all below it.
fn remove(octavia: &mut Octavia, kind: Kind, id: &str) {
    match kind {
        Kind::LoadBalancer => {
            octavia.load_balancers.remove(id);
        }
        Kind::Listener => {
            octavia.listeners.remove(id);
        }
        Kind::Pool => {
            octavia.pools.remove(id);
            octavia.members.retain(|_, member| member.pool_id != id);
            octavia.health_monitors.retain(|_, monitor| monitor.pool_id != id);
            for listener in octavia.listeners.values_mut() {
                if listener.default_pool_id.as_deref() == Some(id) {
                    listener.default_pool_id = None;
                }
            }
        }
        Kind::Member => {
            octavia.members.remove(id);
        }
        Kind::HealthMonitor => {
            octavia.health_monitors.remove(id);
        }
    }
}

fn drop_tree(world: &mut World, load_balancer_id: &str) {
    let tree = members_of_tree(&world.octavia, load_balancer_id);
    let port = world
        .octavia
        .load_balancers
        .get(load_balancer_id)
        .filter(|balancer| balancer.owns_vip_port)
        .map(|balancer| balancer.vip_port_id.clone());
    for (kind, id) in tree {
        remove(&mut world.octavia, kind, &id);
    }
    if let Some(port) = port {
        neutron::port::remove(world, &port);
    }
}

/// Puts a load balancer into ERROR, as when its machines could not be made. Nothing happens for an unknown id.
pub fn fail_load_balancer(world: &mut World, id: &str) {
    if let Some(balancer) = world.octavia.load_balancers.get_mut(id) {
        balancer.common.provisioning_status = Provisioning::Error;
        balancer.common.operating_status = "OFFLINE".to_owned();
    }
}

/// Records what a health check saw of a member, and what follows for its pool.
///
/// Nothing happens for an unknown id and for a pool without a health monitor.
pub fn set_member_online(world: &mut World, member_id: &str, is_online: bool) {
    let octavia = &mut world.octavia;
    let Some(pool_id) = octavia
        .members
        .get(member_id)
        .map(|member| member.pool_id.clone())
    else {
        return;
    };
    if !octavia
        .health_monitors
        .values()
        .any(|monitor| monitor.pool_id == pool_id)
    {
        return;
    }
    if let Some(member) = octavia.members.get_mut(member_id) {
        member.common.operating_status = if is_online { "ONLINE" } else { "ERROR" }.to_owned();
    }
    let states: Vec<bool> = octavia
        .members
        .values()
        .filter(|member| member.pool_id == pool_id)
        .map(|member| member.common.operating_status == "ERROR")
        .collect();
    let status = match states.iter().filter(|is_failed| **is_failed).count() {
        0 => "ONLINE",
        failed if failed == states.len() => "ERROR",
        _ => "DEGRADED",
    };
    if let Some(pool) = octavia.pools.get_mut(&pool_id) {
        pool.common.operating_status = status.to_owned();
    }
}
