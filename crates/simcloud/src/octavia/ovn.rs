//! What Octavia's provider `ovn` refuses: it balances by flows of the virtual network, and has no machines that could
//! do more.

use super::Octavia;
use crate::call::Refusal;

/// Protocols of its listeners and pools.
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// Types of its health monitors.
const MONITORS: &[&str] = &["TCP", "UDP-CONNECT"];

/// Its only algorithm.
const ALGORITHM: &str = "SOURCE_IP_PORT";

fn is_ovn(octavia: &Octavia, load_balancer_id: &str) -> bool {
    let balancer = octavia.load_balancers.get(load_balancer_id);
    balancer.is_some_and(|balancer| balancer.provider == "ovn")
}

fn unsupported(what: &str) -> Refusal {
    let message =
        format!("Provider 'ovn' does not support a requested option: OVN provider does not support {what}");
    Refusal::new(501, "ProviderUnsupportedOptionError", message)
}

/// Refuses with 501 a listener that the provider cannot have.
pub(super) fn check_listener(
    octavia: &Octavia,
    load_balancer_id: &str,
    protocol: &str,
    has_allowed_cidrs: bool,
) -> Result<(), Refusal> {
    if !is_ovn(octavia, load_balancer_id) {
        return Ok(());
    }
    if !PROTOCOLS.contains(&protocol) {
        return Err(unsupported(&format!("{protocol} protocol")));
    }
    match has_allowed_cidrs {
        true => Err(unsupported("allowed_cidrs option")),
        false => Ok(()),
    }
}

/// Refuses with 501 a pool that the provider cannot have.
pub(super) fn check_pool(
    octavia: &Octavia,
    load_balancer_id: &str,
    protocol: &str,
    algorithm: &str,
) -> Result<(), Refusal> {
    if !is_ovn(octavia, load_balancer_id) {
        return Ok(());
    }
    if !PROTOCOLS.contains(&protocol) {
        return Err(unsupported(&format!("{protocol} protocol")));
    }
    match algorithm {
        ALGORITHM => Ok(()),
        other => Err(unsupported(&format!("{other} algorithm"))),
    }
}

/// Refuses with 501 a health monitor that the provider cannot have.
pub(super) fn check_monitor(octavia: &Octavia, pool_id: &str, kind: &str) -> Result<(), Refusal> {
    let pool = octavia.pools.get(pool_id);
    match pool.filter(|pool| is_ovn(octavia, &pool.load_balancer_id)) {
        Some(_) if !MONITORS.contains(&kind) => Err(unsupported(&format!("{kind} health monitors"))),
        _ => Ok(()),
    }
}
