//! Security groups: which ports are open to whom.
//!
//! All nodes share one group, so that traffic between nodes can be named by it; masters have a second one. Pods
//! send with addresses of their own, which a group of nodes does not speak for.

use jeroboam_blueprint::graph::api_rules;
use jeroboam_driver::graph::{Peer, SecurityRule};
use jeroboam_driver::{Ask, Cidr};

use crate::options::{Options, PodRouting};

/// Ports of services of type NodePort.
const NODE_PORTS: (u16, u16) = (30_000, 32_767);

/// Number of the protocol of IP packets in IP packets.
const IP_IN_IP: &str = "4";

fn rule(protocol: &str, ports: impl Into<Option<(u16, u16)>>, from: Peer) -> SecurityRule {
    SecurityRule {
        protocol: protocol.into(),
        ports: ports.into(),
        from,
    }
}

/// Rules of every node.
pub(crate) fn node_rules(ask: &Ask, options: &Options) -> Vec<SecurityRule> {
    let mut rules = vec![
        rule("icmp", None, Peer::Anywhere),
        rule("tcp", (22, 22), Peer::Anywhere),
        // From anywhere, because a load balancer may keep its clients' addresses.
        rule("tcp", NODE_PORTS, Peer::Anywhere),
        rule("udp", NODE_PORTS, Peer::Anywhere),
    ];
    if options.pod_routing == PodRouting::AddOn {
        // It may put packets of pods into those of nodes.
        rules.push(rule(IP_IN_IP, None, Peer::SameGroup));
    }
    for protocol in ["tcp", "udp"] {
        rules.push(rule(protocol, None, Peer::SameGroup));
        rules.push(rule(protocol, None, Peer::Cidr(options.pods.pool.to_string())));
        // Servers that a tenant puts into the cluster's own subnet speak with its pods.
        if ask.resolved.fixed_network_id.is_none() {
            rules.push(rule(protocol, None, Peer::Cidr(options.nodes_cidr.to_string())));
        }
    }
    rules
}

/// Rules of masters besides those of every node.
pub(crate) fn master_rules(ask: &Ask, options: &Options) -> Vec<SecurityRule> {
    api_rules(ask, &options.network, options.api_port, &own_networks(options))
}

/// Where nodes and pods, and load balancers among the nodes, come from.
pub(crate) fn own_networks(options: &Options) -> [Cidr; 2] {
    [options.nodes_cidr, options.pods.pool]
}
