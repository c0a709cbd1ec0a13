//! The graph of a swarm's cloud resources.
//!
//! Ports, floating IPs and the load balancer come before the servers: their addresses stand in certificates and
//! user-data, which are final at the first boot.

use std::collections::BTreeSet;

use jeroboam_driver::graph::ServerSpec;
use jeroboam_driver::{Ask, Graph, Invalid, Key, Ref, Resource, Spec};
use jeroboam_types::NodeGroup;

use crate::nodes::{self, Node};
use crate::options::{GroupOptions, Options};
use crate::security;

/// Policy of the server groups when the operator names none.
const AFFINITY_POLICY: &str = "soft-anti-affinity";

/// Every resource of the wish.
pub(crate) fn graph(ask: &Ask, options: &Options) -> Result<Graph, Invalid> {
    let mut graph = Graph::default();
    let cluster = Shared::insert(ask, options, &mut graph);
    let nodes = nodes::nodes(&ask.groups);
    for node in &nodes {
        insert_port(&mut graph, &cluster, options, node);
    }
    let manager_ports: BTreeSet<Key> = nodes
        .iter()
        .filter(|node| node.manager)
        .map(|node| node.key("port"))
        .collect();
    let api = insert_load_balancer(&mut graph, &cluster, options, &manager_ports);
    let coe = Key::new("coe", "swarm");
    let mut coe_needs: BTreeSet<Key> = api.clone();
    for node in &nodes {
        let mut needs: BTreeSet<Key> = manager_ports.iter().chain(&cluster.way_out).cloned().collect();
        let floating_ip = node.key("floating-ip");
        if options.floating_ips {
            coe_needs.insert(floating_ip.clone());
        }
        if node.manager {
            needs.extend(api.iter().cloned());
            needs.extend(options.floating_ips.then_some(floating_ip));
        }
        coe_needs.insert(node.key("server"));
        let group = GroupOptions::parse(ask, node.group, options.storage_driver)?;
        insert_server(&mut graph, &cluster, node, &group, needs);
    }
    graph.insert(Resource {
        key: coe,
        needs: coe_needs,
        group: None,
        spec: Spec::Coe,
    });
    Ok(graph)
}

/// What the nodes stand on.
struct Shared<'a> {
    ask: &'a Ask,
    network: Ref,
    subnet: Option<Ref>,
    /// The router's leg, when it is made: without it nodes have no way out, and floating IPs none in.
    way_out: Option<Key>,
    nodes_group: Ref,
    managers_group: Ref,
    keypair: Option<Ref>,
}

impl<'a> Shared<'a> {
    fn insert(ask: &'a Ask, options: &Options, graph: &mut Graph) -> Self {
        let resolved = &ask.resolved;
        let mut way_out = None;
        let (network, subnet) = if let Some(network) = &resolved.fixed_network_id {
            (
                Ref::Given(network.clone()),
                resolved.fixed_subnet_id.clone().map(Ref::Given),
            )
        } else {
            let network = graph.add(Key::new("network", "main"), Spec::Network);
            let spec = Spec::Subnet {
                network: network.clone(),
                cidr: options.subnet_cidr.to_string(),
                dns: options.dns.clone(),
            };
            let subnet = graph.add(Key::new("subnet", "main"), spec);
            if let Some(external) = &resolved.external_network_id {
                let spec = Spec::Router {
                    external_network: Ref::Given(external.clone()),
                };
                let router = graph.add(Key::new("router", "main"), spec);
                let leg = Key::new("router-interface", "main");
                graph.add(
                    leg.clone(),
                    Spec::RouterInterface {
                        router,
                        subnet: subnet.clone(),
                    },
                );
                way_out = Some(leg);
            }
            (network, Some(subnet))
        };
        let nodes_group = graph.add(
            Key::new("security-group", "nodes"),
            Spec::SecurityGroup {
                rules: security::node_rules(options),
            },
        );
        let managers_group = graph.add(
            Key::new("security-group", "masters"),
            Spec::SecurityGroup {
                rules: security::manager_rules(options, &nodes_group),
            },
        );
        let keypair = resolved.public_key.as_ref().map(|public_key| {
            graph.add(
                Key::new("keypair", "main"),
                Spec::Keypair {
                    public_key: public_key.clone(),
                },
            )
        });
        for group in ask.groups.iter().filter(|group| group.node_count > 0) {
            let policy = match resolved.defaults.affinity_policy.as_str() {
                "" => AFFINITY_POLICY,
                policy => policy,
            };
            graph.insert(Resource {
                key: server_group(group),
                needs: BTreeSet::new(),
                group: Some(group.name.clone()),
                spec: Spec::ServerGroup {
                    policy: policy.to_owned(),
                },
            });
        }
        Self {
            ask,
            network,
            subnet,
            way_out,
            nodes_group,
            managers_group,
            keypair,
        }
    }

    /// The external network; the options hold floating IPs only if there is one.
    fn external_network(&self) -> Ref {
        Ref::Given(self.ask.resolved.external_network_id.clone().unwrap_or_default())
    }
}

fn server_group(group: &NodeGroup) -> Key {
    Key::new("server-group", nodes::server_group(group))
}

fn insert_port(graph: &mut Graph, cluster: &Shared<'_>, options: &Options, node: &Node<'_>) {
    let mut security_groups = vec![cluster.nodes_group.clone()];
    if node.manager {
        security_groups.push(cluster.managers_group.clone());
    }
    let port = graph.insert(Resource {
        key: node.key("port"),
        needs: BTreeSet::new(),
        group: Some(node.group.name.clone()),
        spec: Spec::Port {
            network: cluster.network.clone(),
            subnet: cluster.subnet.clone(),
            security_groups,
        },
    });
    if options.floating_ips {
        graph.insert(Resource {
            key: node.key("floating-ip"),
            needs: cluster.way_out.iter().cloned().collect(),
            group: Some(node.group.name.clone()),
            spec: Spec::FloatingIp {
                external_network: cluster.external_network(),
                target: port,
            },
        });
    }
}

/// Adds the load balancer and its floating IP, if asked for, and gives their keys.
fn insert_load_balancer(
    graph: &mut Graph,
    cluster: &Shared<'_>,
    options: &Options,
    manager_ports: &BTreeSet<Key>,
) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    let (true, Some(subnet)) = (options.load_balancer, &cluster.subnet) else {
        return keys;
    };
    let members = manager_ports.iter().cloned().map(Ref::Made).collect();
    let key = Key::new("load-balancer", "api");
    let spec = Spec::LoadBalancer {
        subnet: subnet.clone(),
        port: options.api_port,
        members,
    };
    let target = graph.add(key.clone(), spec);
    keys.insert(key);
    if options.load_balancer_floating_ip {
        let key = Key::new("floating-ip", "api");
        graph.insert(Resource {
            key: key.clone(),
            needs: cluster.way_out.iter().cloned().collect(),
            group: None,
            spec: Spec::FloatingIp {
                external_network: cluster.external_network(),
                target,
            },
        });
        keys.insert(key);
    }
    keys
}

fn insert_server(
    graph: &mut Graph,
    cluster: &Shared<'_>,
    node: &Node<'_>,
    options: &GroupOptions,
    needs: BTreeSet<Key>,
) {
    let group = Some(node.group.name.clone());
    let mut volumes = Vec::new();
    if options.docker_volume_size > 0 {
        volumes.push(graph.insert(Resource {
            key: node.key("volume"),
            needs: BTreeSet::new(),
            group: group.clone(),
            spec: Spec::Volume {
                size: options.docker_volume_size,
                volume_type: options.docker_volume_type.clone(),
                availability_zone: options.availability_zone.clone(),
            },
        }));
    }
    let spec = Spec::Server(ServerSpec {
        image_id: options.image_id.clone(),
        flavor_id: options.flavor_id.clone(),
        keypair: cluster.keypair.clone(),
        ports: vec![Ref::Made(node.key("port"))],
        server_group: Some(Ref::Made(server_group(node.group))),
        volumes,
        availability_zone: options.availability_zone.clone(),
        boot_volume: options.boot_volume_size,
        boot_volume_type: options.boot_volume_type.clone(),
    });
    graph.insert(Resource {
        key: node.key("server"),
        needs,
        group,
        spec,
    });
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use jeroboam_types::Labels;

    use super::*;
    use crate::options::tests::ask;

    /// A line for each resource: key, needs, group, and what it is.
    fn text(ask: &Ask) -> String {
        let mut text = String::new();
        for resource in graph(ask, &Options::parse(ask).unwrap()).unwrap().iter() {
            let needs: Vec<_> = resource.needs.iter().map(Key::as_str).collect();
            let group = resource.group.as_deref().unwrap_or("-");
            writeln!(text, "{} [{group}] after {}", resource.key, needs.join(" ")).unwrap();
            writeln!(text, "    {}", serde_json::to_string(&resource.spec).unwrap()).unwrap();
        }
        text
    }

    #[test]
    fn a_manager_and_two_workers_with_floating_ips() {
        insta::assert_snapshot!("floating_ips", text(&ask(1, 2)));
    }

    #[test]
    fn three_managers_behind_a_load_balancer_in_a_given_network() {
        let mut ask = ask(3, 1);
        ask.cluster.master_lb_enabled = Some(true);
        ask.cluster.floating_ip_enabled = Some(false);
        ask.cluster.labels = Labels::from_iter([("master_lb_floating_ip_enabled", "true")]);
        ask.resolved.fixed_network_id = Some("network-id".into());
        ask.resolved.fixed_subnet_id = Some("subnet-id".into());
        insta::assert_snapshot!("load_balancer", text(&ask));
    }

    #[test]
    fn boot_and_docker_volumes_in_a_zone_without_a_way_out() {
        let mut ask = ask(1, 1);
        ask.cluster.floating_ip_enabled = Some(false);
        ask.cluster.docker_volume_size = Some(5);
        ask.cluster.labels = Labels::from_iter([
            ("boot_volume_size", "20"),
            ("boot_volume_type", "fast"),
            ("availability_zone", "az1"),
            ("worker_open_ports", "80"),
        ]);
        ask.resolved.external_network_id = None;
        ask.resolved.public_key = Some("ssh-ed25519 AAAA".into());
        ask.resolved.defaults.docker_volume_type = "slow".into();
        ask.resolved.defaults.affinity_policy = "anti-affinity".into();
        insta::assert_snapshot!("volumes", text(&ask));
    }

    #[test]
    fn everything_that_is_needed_is_in_the_graph_and_nothing_needs_itself() {
        for (managers, workers, balanced) in [(1, 0, false), (1, 2, true), (5, 9, true)] {
            let mut ask = ask(managers, workers);
            ask.cluster.master_lb_enabled = Some(balanced);
            let graph = graph(&ask, &Options::parse(&ask).unwrap()).unwrap();
            let mut ready: BTreeSet<Key> = BTreeSet::new();
            while ready.len() < graph.len() {
                let next: Vec<_> = graph
                    .iter()
                    .filter(|resource| !ready.contains(&resource.key) && resource.needs.is_subset(&ready))
                    .map(|resource| resource.key.clone())
                    .collect();
                assert!(!next.is_empty(), "nothing can follow {ready:?}");
                ready.extend(next);
            }
        }
    }
}
