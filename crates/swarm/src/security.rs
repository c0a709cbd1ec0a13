//! Security groups: which ports are open to whom.
//!
//! All nodes share one group, so that traffic between nodes can be named by it; managers have a second one.

use jeroboam_blueprint::graph::api_rules;
use jeroboam_driver::graph::{Peer, SecurityRule};
use jeroboam_driver::{Ask, Cidr, Ref};

use crate::JOIN_PORT;
use crate::options::Options;

/// Cluster management of the swarm mode.
const SWARM_PORT: u16 = 2377;
/// Gossip among nodes.
const GOSSIP_PORT: u16 = 7946;
/// VXLAN of overlay networks.
const VXLAN_PORT: u16 = 4789;
/// IP protocol of encrypted overlay networks (ESP).
const ESP: &str = "50";

fn rule(protocol: &str, ports: impl Into<Option<(u16, u16)>>, from: Peer) -> SecurityRule {
    SecurityRule {
        protocol: protocol.into(),
        ports: ports.into(),
        from,
    }
}

/// Rules of every node.
pub(crate) fn node_rules(options: &Options) -> Vec<SecurityRule> {
    let mut rules = vec![
        rule("icmp", None, Peer::Anywhere),
        rule("tcp", (22, 22), Peer::Anywhere),
        rule("tcp", (GOSSIP_PORT, GOSSIP_PORT), Peer::SameGroup),
        rule("udp", (GOSSIP_PORT, GOSSIP_PORT), Peer::SameGroup),
        rule("udp", (VXLAN_PORT, VXLAN_PORT), Peer::SameGroup),
        rule(ESP, None, Peer::SameGroup),
    ];
    for ports in &options.open_ports {
        rules.push(rule("tcp", *ports, Peer::Anywhere));
        rules.push(rule("udp", *ports, Peer::Anywhere));
    }
    rules
}

/// Rules of managers besides those of every node.
pub(crate) fn manager_rules(ask: &Ask, options: &Options, nodes: &Ref) -> Vec<SecurityRule> {
    let own = own_networks(ask, options);
    let mut rules = api_rules(ask, &options.network, options.api_port, &own);
    rules.extend([
        rule("tcp", (SWARM_PORT, SWARM_PORT), Peer::Group(nodes.clone())),
        rule("tcp", (JOIN_PORT, JOIN_PORT), Peer::Group(nodes.clone())),
    ]);
    rules
}

/// Where nodes, and load balancers among them, come from. Not known of a given network of several subnets.
pub(crate) fn own_networks(ask: &Ask, options: &Options) -> Vec<Cidr> {
    options.network.nodes_cidr(ask).into_iter().collect()
}
