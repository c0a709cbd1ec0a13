//! Routers: a network namespace with a leg in each network, source NAT to the gateway leg, and floating IPs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::cidr::Cidr;
use crate::error::Error;
use crate::names::{Kind, Names, link};
use crate::network::{self, End};
use crate::run::{ip_batch, run, run_in_netns};
use crate::topology::{Leg, Router};

/// Table of our rules in a router.
const TABLE: &str = "table ip router";

/// A router as it should be: legs into networks that exist, and the floating IPs that it serves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Addresses with prefix length on each leg, by network id.
    legs: BTreeMap<String, BTreeSet<(Ipv4Addr, u8)>>,
    /// Gateway leg: source NAT goes to its address.
    gateway: Option<(String, Ipv4Addr)>,
    /// Floating to fixed address.
    floating: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Destination and next hop.
    routes: BTreeSet<(Cidr, Ipv4Addr)>,
}

impl Plan {
    /// Plans a router; legs into networks for which `exists` is false are left out.
    pub(crate) fn new(
        router: &Router,
        floating: BTreeMap<Ipv4Addr, Ipv4Addr>,
        exists: impl Fn(&str) -> bool,
    ) -> Self {
        let routes = router
            .routes
            .iter()
            .filter_map(|(destination, via)| Some((destination.parse().ok()?, *via)));
        let mut plan = Self {
            routes: routes.collect(),
            ..Self::default()
        };
        for Leg {
            network,
            address,
            prefix_len,
        } in router.legs.iter().chain(&router.gateway)
        {
            if exists(network) {
                plan.legs
                    .entry(network.clone())
                    .or_default()
                    .insert((*address, *prefix_len));
            }
        }
        if let Some(gateway) = router.gateway.as_ref().filter(|leg| exists(&leg.network)) {
            plan.gateway = Some((gateway.network.clone(), gateway.address));
            for address in floating.keys() {
                plan.legs
                    .entry(gateway.network.clone())
                    .or_default()
                    .insert((*address, 32));
            }
            plan.floating = floating;
        }
        plan
    }

    /// False when an address in the external network comes or goes.
    pub(crate) fn serves_same_addresses(&self, other: &Self) -> bool {
        self.gateway == other.gateway && self.floating.keys().eq(other.floating.keys())
    }

    /// The NAT rules, and what refuses packets without a route, as a script that replaces all earlier ones at once.
    fn nat(&self) -> String {
        let mut rules = format!("{TABLE}\ndelete {TABLE}\n{TABLE} {{\n");
        // The default route leads to the loopback interface. A UDP client takes only an unreachable port for an
        // answer, and a resolver would wait for its time-out otherwise.
        rules.push_str("chain nowhere {\ntype filter hook forward priority filter;\n");
        rules.push_str(
            "oifname lo meta l4proto udp reject\noifname lo reject with icmp type host-unreachable\n}\n",
        );
        rules.push_str("chain prerouting {\ntype nat hook prerouting priority dstnat;\n");
        for (floating, fixed) in &self.floating {
            let _ = writeln!(rules, "ip daddr {floating} dnat to {fixed}");
        }
        rules.push_str("}\nchain postrouting {\ntype nat hook postrouting priority srcnat;\n");
        if let Some((external, address)) = &self.gateway {
            let external_leg = leg_name(external);
            for (floating, fixed) in &self.floating {
                let _ = writeln!(
                    rules,
                    "oifname {external_leg} ip saddr {fixed} snat to {floating}"
                );
            }
            let _ = writeln!(rules, "oifname {external_leg} snat to {address}");
            // A server that calls a floating IP of its own network: the answer must come back through here.
            for (network, addresses) in self.legs.iter().filter(|(network, _)| *network != external) {
                for (leg, prefix_len) in addresses {
                    let subnet = Cidr::new(*leg, *prefix_len);
                    let name = leg_name(network);
                    let _ = writeln!(
                        rules,
                        "oifname {name} ip saddr {subnet} ct status dnat snat to {leg}"
                    );
                }
            }
        }
        rules.push_str("}\n}\n");
        rules
    }
}

/// Makes a router's namespace: it forwards, and refuses at once what it has no route for.
///
/// The metadata address is refused too: software that probes it for a cloud would wait long for lost packets.
pub(crate) async fn create(netns: &str) -> Result<(), Error> {
    network::create_netns(netns).await?;
    // Error replies are limited to one a second by default, which slows every failing probe after the first.
    let settings = "echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
        echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
        echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
        echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects
        echo 0 >/proc/sys/net/ipv4/conf/default/send_redirects";
    run_in_netns(netns, "sh", &["-ec", settings], None).await?;
    ip_batch(
        netns,
        "route add default dev lo metric 4294967295\nroute add unreachable 169.254.169.254\n",
    )
    .await
}

/// Changes a router from `old` (what was applied last) to `new`; open connections survive.
pub(crate) async fn change(names: &Names, id: &str, old: &Plan, new: &Plan) -> Result<(), Error> {
    let netns = names.netns(Kind::Router, id);
    let mut commands = String::new();
    for (destination, via) in old.routes.difference(&new.routes) {
        // Routes also go by themselves, with the leg that they led through.
        let _ = change_route(&netns, "del", *destination, *via).await;
    }
    for network in old.legs.keys().filter(|network| !new.legs.contains_key(*network)) {
        network::unplug(&names.netns(Kind::Network, network), &port_name(id, network)).await?;
    }
    for (network, addresses) in &new.legs {
        let name = leg_name(network);
        let none = BTreeSet::new();
        let before = old.legs.get(network).unwrap_or(&none);
        if before.is_empty() {
            let port = port_name(id, network);
            let network = names.netns(Kind::Network, network);
            network::unplug(&network, &port).await?;
            network::plug(
                &network,
                &port,
                &End {
                    netns: &netns,
                    name: &name,
                    mac: None,
                },
            )
            .await?;
            let _ = writeln!(commands, "link set {name} up");
        }
        for (address, prefix_len) in before.difference(addresses) {
            let _ = writeln!(commands, "address del {address}/{prefix_len} dev {name}");
        }
        for (address, prefix_len) in addresses.difference(before) {
            let _ = writeln!(commands, "address add {address}/{prefix_len} brd + dev {name}");
        }
    }
    run_in_netns(&netns, "nft", &["-f", "-"], Some(&new.nat())).await?;
    ip_batch(&netns, &commands).await?;
    for (destination, via) in &new.routes {
        if let Err(error) = change_route(&netns, "replace", *destination, *via).await {
            // A next hop that no leg reaches must not take the rest of the router down.
            tracing::warn!(router = id, %error, "cannot set a route");
        }
    }
    Ok(())
}

async fn change_route(netns: &str, verb: &str, destination: Cidr, via: Ipv4Addr) -> Result<(), Error> {
    let (destination, via) = (destination.to_string(), via.to_string());
    run("ip", &["-n", netns, "route", verb, &destination, "via", &via])
        .await
        .map(drop)
}

/// Removes a router; what was applied last says where its cables are.
pub(crate) async fn delete(names: &Names, id: &str, old: &Plan) -> Result<(), Error> {
    for network in old.legs.keys() {
        network::unplug(&names.netns(Kind::Network, network), &port_name(id, network)).await?;
    }
    network::delete_netns(&names.netns(Kind::Router, id)).await
}

/// Forgets who had which address in the external network: floating IPs move between routers.
pub(crate) async fn flush_neighbours(names: &Names, id: &str, plan: &Plan) -> Result<(), Error> {
    let Some((external, _)) = &plan.gateway else {
        return Ok(());
    };
    let netns = names.netns(Kind::Router, id);
    run(
        "ip",
        &["-n", &netns, "neigh", "flush", "dev", &leg_name(external)],
    )
    .await
    .map(drop)
}

fn leg_name(network: &str) -> String {
    link('x', network)
}

fn port_name(router: &str, network: &str) -> String {
    link('r', &format!("{router} {network}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(network: &str, address: [u8; 4]) -> Leg {
        Leg {
            network: network.to_owned(),
            address: address.into(),
            prefix_len: 24,
        }
    }

    fn router(gateway: bool) -> Router {
        Router {
            gateway: gateway.then(|| leg("public", [203, 0, 113, 9])),
            legs: vec![leg("private", [10, 0, 0, 1])],
            routes: Vec::new(),
        }
    }

    fn floating() -> BTreeMap<Ipv4Addr, Ipv4Addr> {
        BTreeMap::from([([203, 0, 113, 50].into(), [10, 0, 0, 5].into())])
    }

    #[test]
    fn a_floating_ip_lives_on_the_gateway_leg_and_is_translated_both_ways() {
        let plan = Plan::new(&router(true), floating(), |_| true);
        assert!(plan.legs["public"].contains(&([203, 0, 113, 50].into(), 32)));
        let nat = plan.nat();
        assert!(nat.contains("ip daddr 203.0.113.50 dnat to 10.0.0.5"));
        let own = nat.find("ip saddr 10.0.0.5 snat to 203.0.113.50").unwrap();
        let shared = nat.find("snat to 203.0.113.9").unwrap();
        assert!(
            own < shared,
            "a server with a floating IP must not leave with the shared address"
        );
    }

    #[test]
    fn without_a_gateway_nothing_is_translated() {
        let plan = Plan::new(&router(false), floating(), |_| true);
        assert!(!plan.nat().contains(" to "));
        assert_eq!(plan.legs.len(), 1);
    }

    #[test]
    fn legs_into_networks_that_are_gone_are_left_out() {
        let plan = Plan::new(&router(true), floating(), |network| network == "private");
        assert_eq!(plan.gateway, None);
        assert!(plan.floating.is_empty());
    }
}
