//! Load balancers as TCP forwarders on their virtual address.

use std::collections::BTreeMap;

use jeroboam_simnodes::topology::{Listener, LoadBalancer};

use crate::octavia;
use crate::world::World;

/// All load balancers that are not on their way out. Listeners of protocols over UDP carry nothing.
pub(super) fn load_balancers(world: &World) -> BTreeMap<String, LoadBalancer> {
    let up = world.octavia.load_balancers.iter().filter(|(_, balancer)| {
        balancer.common.admin_state_up
            && !matches!(
                balancer.common.provisioning_status,
                octavia::Provisioning::PendingDelete | octavia::Provisioning::Error
            )
    });
    up.filter_map(|(id, balancer)| {
        let subnet = world.neutron.subnets.get(&balancer.vip_subnet_id)?;
        let built = LoadBalancer {
            network: balancer.vip_network_id.clone(),
            vip: balancer.vip_address,
            prefix_len: subnet.cidr.prefix_len(),
            gateway: subnet.gateway_ip,
            listeners: listeners(world, id),
        };
        Some((id.clone(), built))
    })
    .collect()
}

fn listeners(world: &World, balancer_id: &str) -> Vec<Listener> {
    let own = world
        .octavia
        .listeners_of(balancer_id)
        .into_iter()
        .filter(|listener| {
            listener.common.admin_state_up
                && matches!(
                    listener.protocol.as_str(),
                    "TCP" | "HTTP" | "HTTPS" | "TERMINATED_HTTPS"
                )
        });
    let mut listeners: Vec<Listener> = own
        .map(|listener| {
            let pool = listener.default_pool_id.as_deref();
            let members = pool
                .map(|pool| world.octavia.members_of(pool))
                .unwrap_or_default();
            let members = members
                .into_iter()
                .filter(|member| member.common.admin_state_up && member.weight > 0);
            let monitor = pool.and_then(|pool| world.octavia.monitor_of(pool));
            let monitor = monitor.filter(|monitor| monitor.common.admin_state_up);
            Listener {
                port: listener.protocol_port,
                allowed_cidrs: listener.allowed_cidrs.clone().unwrap_or_default(),
                members: members
                    .map(|member| (member.address, member.protocol_port))
                    .collect(),
                monitor_secs: monitor.map(|monitor| u64::try_from(monitor.delay).unwrap_or(1).max(1)),
            }
        })
        .collect();
    listeners.sort_by_key(|listener| listener.port);
    listeners
}
