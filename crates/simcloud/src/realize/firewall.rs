//! Security groups as plain rules, with remote groups resolved to their members' addresses.

use jeroboam_simnodes::topology::Rule;

use crate::neutron::{Direction, Port, SecurityGroupRule};
use crate::world::World;

/// The rules of all security groups of a port.
pub(super) fn rules(world: &World, port: &Port) -> Vec<Rule> {
    let own = world.neutron.security_group_rules.values();
    let own = own.filter(|rule| port.security_groups.contains(&rule.security_group_id));
    own.filter_map(|rule| resolve(world, rule)).collect()
}

/// `None` for a rule that lets nothing through here: another protocol family, or a remote group without members.
fn resolve(world: &World, rule: &SecurityGroupRule) -> Option<Rule> {
    if rule.ethertype != "IPv4" {
        return None;
    }
    let protocol = match rule.protocol.as_deref() {
        None | Some("any" | "0") => None,
        Some("tcp" | "6") => Some("tcp"),
        Some("udp" | "17") => Some("udp"),
        Some("icmp" | "1") => Some("icmp"),
        Some(_) => return None,
    };
    let has_ports = matches!(protocol, Some("tcp" | "udp"));
    let ports = match (rule.port_range_min, rule.port_range_max) {
        (Some(first), last) if has_ports => Some((first, last.unwrap_or(first))),
        _ => None,
    };
    let remotes = match (&rule.remote_ip_prefix, &rule.remote_group_id) {
        (Some(prefix), _) if prefix == "0.0.0.0/0" => Vec::new(),
        (Some(prefix), _) => vec![prefix.clone()],
        (None, Some(group)) => {
            let members = members(world, group);
            if members.is_empty() {
                return None;
            }
            members
        }
        (None, None) => Vec::new(),
    };
    let ingress = rule.direction == Direction::Ingress;
    Some(Rule {
        ingress,
        protocol: protocol.map(str::to_owned),
        ports,
        remotes,
    })
}

fn members(world: &World, group_id: &str) -> Vec<String> {
    let ports = world.neutron.ports.values();
    let ports = ports.filter(|port| port.security_groups.iter().any(|group| group == group_id));
    let mut addresses: Vec<String> = ports
        .flat_map(|port| {
            let fixed = port
                .fixed_ips
                .iter()
                .map(|fixed| format!("{}/32", fixed.ip_address));
            let pairs = port
                .allowed_address_pairs
                .iter()
                .map(|pair| match pair.ip_address.contains('/') {
                    true => pair.ip_address.clone(),
                    false => format!("{}/32", pair.ip_address),
                });
            fixed.chain(pairs).collect::<Vec<_>>()
        })
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}
