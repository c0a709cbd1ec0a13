//! Networks, subnets, routers, ports, security groups and floating IPs.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use jeroboam_cloud::Session;
use jeroboam_cloud::network::{self as neutron, Remote, SecurityRule as NeutronRule};
use jeroboam_driver::graph::{Peer, SecurityRule};
use jeroboam_driver::{Cidr, Made, PodNetwork, Ref, Spec};
use jeroboam_plan::Entry;
use serde_json::json;

use super::{Look, Seen, Step, fact, facts, gone, id, outer_network};
use crate::fault::StepError;

pub(super) async fn find(session: &Session, entry: &Entry, made: &Made) -> Step<Vec<Seen>> {
    let name = entry.name.as_str();
    Ok(match &entry.spec {
        Spec::Network => neutron::networks_named(session, name)
            .await?
            .into_iter()
            .map(|n| ready(n.id))
            .collect(),
        Spec::Subnet { .. } => neutron::subnets_named(session, name)
            .await?
            .into_iter()
            .map(|s| ready(s.id))
            .collect(),
        Spec::Router { .. } => neutron::routers_named(session, name)
            .await?
            .into_iter()
            .map(router)
            .collect(),
        Spec::RouterInterface { router, subnet } => {
            let (Some(router), Some(subnet)) = (made.id(router), made.id(subnet)) else {
                return Ok(Vec::new());
            };
            match neutron::has_router_interface(session, router, subnet).await? {
                true => vec![ready(interface_id(router, subnet))],
                false => Vec::new(),
            }
        }
        Spec::PodRoute { router, .. } => {
            let (Some(router), Ok((destination, hop))) = (made.id(router), pod_route(&entry.spec, made))
            else {
                return Ok(Vec::new());
            };
            match neutron::has_route(session, router, &destination, &hop).await? {
                true => vec![ready(route_id(router, &destination, &hop))],
                false => Vec::new(),
            }
        }
        Spec::SecurityGroup { .. } => neutron::security_groups_named(session, name)
            .await?
            .into_iter()
            .map(|group| Seen {
                id: group.id,
                look: Look::Pending("without its rules yet".to_owned()),
            })
            .collect(),
        Spec::Port { .. } => neutron::ports_named(session, name)
            .await?
            .into_iter()
            .map(port)
            .collect(),
        Spec::FloatingIp { .. } => neutron::floating_ips_described(session, name)
            .await?
            .into_iter()
            .map(floating_ip)
            .collect(),
        _ => Vec::new(),
    })
}

pub(super) async fn create(session: &Session, entry: &Entry, made: &Made) -> Step<Seen> {
    let name = entry.name.as_str();
    Ok(match &entry.spec {
        Spec::Network => ready(neutron::create_network(session, name).await?.id),
        Spec::Subnet { network, cidr, dns } => ready(
            neutron::create_subnet(session, name, id(made, network)?, cidr, dns)
                .await?
                .id,
        ),
        Spec::Router { external_network } => {
            router(neutron::create_router(session, name, id(made, external_network)?).await?)
        }
        Spec::RouterInterface { router, subnet } => {
            let (router, subnet) = (id(made, router)?, id(made, subnet)?);
            neutron::add_router_interface(session, router, subnet).await?;
            ready(interface_id(router, subnet))
        }
        Spec::PodRoute { router, .. } => {
            let (destination, hop) = pod_route(&entry.spec, made)?;
            let router = id(made, router)?;
            neutron::add_route(session, router, &destination, &hop).await?;
            ready(route_id(router, &destination, &hop))
        }
        Spec::SecurityGroup { rules } => {
            let description = format!("Container cluster {name}");
            let group = neutron::create_security_group(session, name, &description).await?;
            let look = Look::Pending("without its rules yet".to_owned());
            match add_rules(session, &group.id, rules, made).await {
                Ok(()) => ready(group.id),
                // The group is there; its rules are tried again.
                Err(_) => Seen { id: group.id, look },
            }
        }
        Spec::Port {
            network,
            subnet,
            security_groups,
            allowed_addresses,
            allowed_ports,
        } => {
            let groups: Step<Vec<String>> = security_groups
                .iter()
                .map(|group| id(made, group).map(str::to_owned))
                .collect();
            let subnet = subnet.as_ref().map(|subnet| id(made, subnet)).transpose()?;
            let network = id(made, network)?;
            let mut allowed = allowed_addresses.clone();
            for other in allowed_ports {
                allowed.push(fact(made, other, "address")?.to_owned());
            }
            port(neutron::create_port(session, name, network, subnet, &groups?, &allowed).await?)
        }
        Spec::FloatingIp {
            external_network,
            target,
        } => {
            let port = target_port(made, target)?;
            floating_ip(
                neutron::create_floating_ip(session, name, id(made, external_network)?, Some(port)).await?,
            )
        }
        _ => {
            return Err(StepError::Ours(format!(
                "{} is no networking resource",
                entry.key
            )));
        }
    })
}

pub(super) async fn look(session: &Session, entry: &Entry, id: &str, made: &Made) -> Step<Option<Look>> {
    match &entry.spec {
        Spec::SecurityGroup { rules } => {
            add_rules(session, id, rules, made).await?;
            Ok(Some(Look::Ready(BTreeMap::new())))
        }
        // The others are ready as soon as they are there.
        _ => Ok(find(session, entry, made)
            .await?
            .into_iter()
            .find(|seen| seen.id == id)
            .map(|seen| seen.look)),
    }
}

pub(super) async fn drop_one(session: &Session, entry: &Entry, id: &str) -> Step<bool> {
    gone(match &entry.spec {
        Spec::Network => neutron::delete_network(session, id).await,
        Spec::Subnet { .. } => neutron::delete_subnet(session, id).await,
        Spec::Router { .. } => neutron::delete_router(session, id).await,
        Spec::RouterInterface { .. } => match id.split_once('/') {
            Some((router, subnet)) => neutron::remove_router_interface(session, router, subnet).await,
            None => Ok(()),
        },
        Spec::PodRoute { .. } => match id.split(' ').collect::<Vec<_>>()[..] {
            [router, destination, hop] => neutron::remove_route(session, router, destination, hop).await,
            _ => Ok(()),
        },
        Spec::SecurityGroup { .. } => neutron::delete_security_group(session, id).await,
        Spec::Port { .. } => neutron::delete_port(session, id).await,
        Spec::FloatingIp { .. } => neutron::delete_floating_ip(session, id).await,
        _ => Ok(()),
    })
}

/// Adds the rules that are missing; one that is there already is no error.
async fn add_rules(session: &Session, group: &str, rules: &[SecurityRule], made: &Made) -> Step<()> {
    let rules = rules.iter().map(|rule| neutron_rule(group, rule, made));
    let wanted: Step<Vec<NeutronRule>> = rules.filter_map(Step::transpose).collect();
    let wanted = wanted?;
    try_join_all(
        wanted
            .iter()
            .map(|rule| neutron::create_rule(session, group, rule)),
    )
    .await?;
    Ok(())
}

/// `None` for a rule about an address that is not known.
fn neutron_rule(group: &str, rule: &SecurityRule, made: &Made) -> Step<Option<NeutronRule>> {
    let remote = match &rule.from {
        Peer::Anywhere => Remote::Anywhere,
        Peer::Cidr(cidr) => Remote::Cidr(cidr.clone()),
        Peer::SameGroup => Remote::Group(group.to_owned()),
        Peer::Group(other) => Remote::Group(id(made, other)?.to_owned()),
        Peer::Router(router) => match outer_network(made, router) {
            Some(network) => Remote::Cidr(network),
            None => return Ok(None),
        },
    };
    Ok(Some(NeutronRule {
        protocol: Some(rule.protocol.clone()),
        ports: rule.ports,
        remote,
    }))
}

fn target_port<'a>(made: &'a Made, target: &'a Ref) -> Step<&'a str> {
    match target {
        Ref::Made(key) if key.kind() == "load-balancer" => fact(made, target, "vip_port_id"),
        _ => id(made, target),
    }
}

/// Destination and next hop of the route to a node's pods.
fn pod_route(spec: &Spec, made: &Made) -> Step<(String, String)> {
    let Spec::PodRoute {
        port,
        nodes,
        pods,
        prefix_len,
        ..
    } = spec
    else {
        return Err(StepError::Ours("not a route to pods".to_owned()));
    };
    let hop = fact(made, port, "address")?;
    let network = |text: &str| Cidr::parse(text).map_err(StepError::Ours);
    let pods = PodNetwork {
        pool: network(pods)?,
        node_prefix_len: *prefix_len,
    };
    let nodes = network(nodes)?;
    let range = hop.parse().ok().and_then(|address| pods.range_of(nodes, address));
    let range = range.ok_or_else(|| StepError::Ours(format!("there is no range of pods for {hop}")))?;
    Ok((range.to_string(), hop.to_owned()))
}

fn route_id(router: &str, destination: &str, hop: &str) -> String {
    format!("{router} {destination} {hop}")
}

fn interface_id(router: &str, subnet: &str) -> String {
    format!("{router}/{subnet}")
}

fn ready(id: String) -> Seen {
    Seen {
        id,
        look: Look::Ready(BTreeMap::new()),
    }
}

fn router(router: neutron::Router) -> Seen {
    let address = router.outer_address();
    Seen {
        look: Look::Ready(facts([("outer_address", json!(address))])),
        id: router.id,
    }
}

fn port(port: neutron::Port) -> Seen {
    let address = port.fixed_ips.first().map(|(_, address)| address.clone());
    Seen {
        id: port.id,
        look: Look::Ready(facts([("address", json!(address))])),
    }
}

fn floating_ip(floating: neutron::FloatingIp) -> Seen {
    Seen {
        id: floating.id,
        look: Look::Ready(facts([("address", json!(floating.address))])),
    }
}
