//! Security groups: stateful packet filters in the namespace of each network's bridge.
//!
//! Packets between bridge ports pass the netfilter hooks of that namespace, where a port is told by its MAC
//! address. Guests cannot reach the rules, and tools in a guest that rewrite its own do not meet them.

use std::fmt::Write;

use crate::cidr::Cidr;
use crate::error::Error;
use crate::names::link;
use crate::run::run_in_netns;
use crate::topology::{Port, Rule};

const TABLE: &str = "table inet security_groups";

/// The filter for the ports of one network, as a script that replaces the earlier one at once.
///
/// Ports without port security have no rules. What no rule of a port lets through is dropped, as is IPv6, and
/// (as in Neutron) packets from an address that the port has neither as fixed IP nor as allowed address pair.
pub(crate) fn render<'a>(ports: impl Iterator<Item = (&'a String, &'a Port)>) -> String {
    let mut chains = String::new();
    let (mut outbound, mut inbound) = (Vec::new(), Vec::new());
    for (id, port) in ports {
        let (Some(rules), true) = (&port.rules, is_mac(&port.mac)) else {
            continue;
        };
        let (out_chain, in_chain) = (link('o', id), link('i', id));
        let own = port.fixed_ips.iter().map(|(address, _)| Cidr::new(*address, 32));
        let pairs = port
            .allowed_address_pairs
            .iter()
            .filter_map(|pair| pair.parse().ok());
        let own = Cidr::disjoint(own.chain(pairs));
        let spoofed = if own.iter().any(|cidr| cidr.is_everything()) {
            String::new()
        } else {
            format!("ip saddr != {} drop\n", set(&own))
        };
        chain(
            &mut chains,
            &out_chain,
            &spoofed,
            rules.iter().filter(|rule| !rule.ingress),
        );
        chain(
            &mut chains,
            &in_chain,
            "",
            rules.iter().filter(|rule| rule.ingress),
        );
        outbound.push(format!("{} : jump {out_chain}", port.mac));
        inbound.push(format!("{} : jump {in_chain}", port.mac));
    }
    let mut script = format!("{TABLE}\ndelete {TABLE}\n{TABLE} {{\n{chains}");
    // Two base chains: a packet between two ports must be let out by one and let in by the other.
    for (name, priority, side, map) in [
        ("outbound", 0, "saddr", outbound),
        ("inbound", 10, "daddr", inbound),
    ] {
        let _ = writeln!(
            script,
            "chain {name} {{\ntype filter hook forward priority {priority}; policy accept;"
        );
        if !map.is_empty() {
            let _ = writeln!(script, "ether {side} vmap {{ {} }}", map.join(", "));
        }
        script.push_str("}\n");
    }
    script.push_str("}\n");
    script
}

/// Loads a rendered filter into a network's namespace.
pub(crate) async fn load(netns: &str, script: &str) -> Result<(), Error> {
    run_in_netns(netns, "nft", &["-f", "-"], Some(script))
        .await
        .map(drop)
}

fn chain<'a>(chains: &mut String, name: &str, first: &str, rules: impl Iterator<Item = &'a Rule>) {
    let _ = write!(
        chains,
        "chain {name} {{\nmeta nfproto ipv6 drop\n{first}ct state established,related accept\nct state invalid drop\n"
    );
    for line in rules.filter_map(accept) {
        let _ = writeln!(chains, "{line}");
    }
    chains.push_str("drop\n}\n");
}

/// One rule; `None` when it speaks of IPv6 only, or of a protocol that nftables would not know.
fn accept(rule: &Rule) -> Option<String> {
    let mut words = Vec::new();
    let remotes = Cidr::disjoint(rule.remotes.iter().filter_map(|remote| remote.parse().ok()));
    if !rule.remotes.is_empty() {
        if remotes.is_empty() {
            return None;
        }
        if !remotes.iter().any(|remote| remote.is_everything()) {
            words.push(format!(
                "ip {} {}",
                if rule.ingress { "saddr" } else { "daddr" },
                set(&remotes)
            ));
        }
    }
    match (rule.protocol.as_deref(), rule.ports) {
        (None | Some("any" | "0"), _) => {}
        (Some(protocol @ ("tcp" | "udp" | "sctp" | "dccp" | "udplite")), Some((first, last))) => {
            words.push(format!("{protocol} dport {first}-{last}"));
        }
        // Neutron keeps the ICMP type where other protocols have the lower port.
        (Some("icmp" | "1"), Some((kind, _))) => words.push(format!("icmp type {kind}")),
        (Some(protocol), _) => words.push(format!("meta l4proto {}", protocol_number(protocol)?)),
    }
    words.push("accept".to_owned());
    Some(words.join(" "))
}

/// IP protocol numbers of the names that Neutron accepts (IANA).
fn protocol_number(name: &str) -> Option<u8> {
    Some(match name {
        "icmp" => 1,
        "igmp" => 2,
        "ipip" | "ipencap" => 4,
        "tcp" => 6,
        "egp" => 8,
        "udp" => 17,
        "dccp" => 33,
        "rsvp" => 46,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "ospf" => 89,
        "pgm" => 113,
        "vrrp" => 112,
        "sctp" => 132,
        "udplite" => 136,
        number => return number.parse().ok(),
    })
}

fn set(cidrs: &[Cidr]) -> String {
    let members: Vec<String> = cidrs.iter().map(Cidr::to_string).collect();
    format!("{{ {} }}", members.join(", "))
}

/// True for `aa:bb:cc:dd:ee:ff`: the text goes into a script.
pub(crate) fn is_mac(text: &str) -> bool {
    text.len() == 17
        && text.split(':').count() == 6
        && text
            .split(':')
            .all(|byte| byte.len() == 2 && byte.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(ingress: bool, protocol: Option<&str>, ports: Option<(u16, u16)>, remotes: &[&str]) -> Rule {
        Rule {
            ingress,
            protocol: protocol.map(str::to_owned),
            ports,
            remotes: remotes.iter().map(|remote| (*remote).to_owned()).collect(),
        }
    }

    #[test]
    fn rules_say_protocol_ports_and_remotes() {
        let cases = [
            (
                rule(true, Some("tcp"), Some((80, 81)), &[]),
                Some("tcp dport 80-81 accept"),
            ),
            (rule(true, None, None, &["0.0.0.0/0"]), Some("accept")),
            (
                rule(true, Some("udp"), None, &["10.0.0.0/24", "10.0.0.7"]),
                Some("ip saddr { 10.0.0.0/24 } meta l4proto 17 accept"),
            ),
            (
                rule(false, Some("icmp"), Some((8, 0)), &["10.0.0.7"]),
                Some("ip daddr { 10.0.0.7/32 } icmp type 8 accept"),
            ),
            (rule(true, Some("tcp"), None, &["::/0"]), None),
            (rule(true, Some("112; flush"), None, &[]), None),
        ];
        for (rule, expected) in cases {
            assert_eq!(accept(&rule).as_deref(), expected);
        }
    }

    #[test]
    fn a_port_without_port_security_is_not_filtered() {
        let port = |rules| Port {
            network: "n".into(),
            server: "s".into(),
            mac: "fa:16:3e:00:00:01".into(),
            fixed_ips: vec![([10, 0, 0, 5].into(), 24)],
            allowed_address_pairs: vec!["10.0.0.5/32".into()],
            rules,
        };
        let (open, closed) = (port(None), port(Some(Vec::new())));
        let id = "port".to_owned();
        assert!(!render([(&id, &open)].into_iter()).contains("fa:16"));
        let script = render([(&id, &closed)].into_iter());
        assert!(script.contains("ip saddr != { 10.0.0.5/32 } drop"));
        assert!(script.contains("ether daddr vmap { fa:16:3e:00:00:01 : jump i"));
    }

    #[test]
    fn only_mac_addresses_reach_the_script() {
        assert!(is_mac("fa:16:3e:0A:00:01"));
        for bad in ["fa:16:3e:00:00", "fa:16:3e:00:00:0g", "fa:16:3e:00:000:1", ""] {
            assert!(!is_mac(bad), "{bad}");
        }
    }
}
