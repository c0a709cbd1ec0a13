//! The graph of what nodes stand on, and of the nodes themselves.
//!
//! Ports, floating IPs and the load balancer come before the servers: their addresses stand in certificates and
//! user-data, which are final at the first boot.

use std::collections::BTreeSet;

use jeroboam_driver::graph::{Balancing, Peer, SecurityRule, ServerSpec, membership};
use jeroboam_driver::{Ask, Cidr, Graph, Key, Made, PodNetwork, Ref, Resource, Spec};

use crate::network::{Entrance, NetworkOptions};
use crate::nodes::{self, Node};
use crate::servers::GroupOptions;

/// Policy of the server groups when the operator names none.
const AFFINITY_POLICY: &str = "soft-anti-affinity";

/// Resource that has the address of the API inside of the cluster's network, and the name of that fact. `None` without
/// masters.
pub fn inner_address(ask: &Ask, options: &NetworkOptions) -> Option<(Key, &'static str)> {
    match options.entrance {
        Entrance::LoadBalancer => Some((Key::new("load-balancer", "api"), "vip_address")),
        Entrance::VirtualIp => Some((Key::new("port", "api"), "address")),
        Entrance::FirstMaster => Some((first_master(ask)?.key("port"), "address")),
    }
}

/// Floating IP of that address, where it has one.
pub fn outer_address(ask: &Ask, options: &NetworkOptions) -> Option<Key> {
    let key = match options.entrance {
        Entrance::LoadBalancer | Entrance::VirtualIp => Key::new("floating-ip", "api"),
        Entrance::FirstMaster => first_master(ask)?.key("floating-ip"),
    };
    options.entrance_floating_ip.then_some(key)
}

/// Resources that have the address that masters share, inside and outside of the network, with the names of the facts;
/// none when it is the first master's own.
pub fn shared_addresses(ask: &Ask, options: &NetworkOptions) -> Vec<(Key, &'static str)> {
    if options.entrance == Entrance::FirstMaster {
        return Vec::new();
    }
    let outer = outer_address(ask, options).map(|key| (key, "address"));
    inner_address(ask, options).into_iter().chain(outer).collect()
}

fn first_master(ask: &Ask) -> Option<Node<'_>> {
    nodes::nodes(&ask.groups).into_iter().find(|node| node.manager)
}

/// Address of the API for clients: its floating IP, else that inside of the network. `None` until it is made.
pub fn public_address<'m>(ask: &Ask, options: &NetworkOptions, made: &'m Made) -> Option<&'m str> {
    match outer_address(ask, options) {
        Some(floating_ip) => made.fact(&floating_ip, "address"),
        None => {
            let (key, fact) = inner_address(ask, options)?;
            made.fact(&key, fact)
        }
    }
}

/// Rules that let those who may reach the API come to its port on the masters. `own` are the cluster's networks.
pub fn api_rules(ask: &Ask, options: &NetworkOptions, port: u16, own: &[Cidr]) -> Vec<SecurityRule> {
    let rule = |from: Peer| SecurityRule {
        protocol: "tcp".to_owned(),
        ports: Some((port, port)),
        from,
    };
    let allowed = options.clients.allowed_with(own);
    if allowed.is_empty() {
        return vec![rule(Peer::Anywhere)];
    }
    let mut rules: Vec<SecurityRule> = allowed.into_iter().map(|cidr| rule(Peer::Cidr(cidr))).collect();
    if makes_router(ask) {
        rules.push(rule(Peer::Router(Ref::Made(router_key()))));
    }
    rules
}

fn makes_router(ask: &Ask) -> bool {
    ask.resolved.fixed_network_id.is_none() && ask.resolved.external_network_id.is_some()
}

/// What the nodes stand on.
pub struct Footing<'a> {
    ask: &'a Ask,
    options: &'a NetworkOptions,
    network: Ref,
    subnet: Option<Ref>,
    /// The router's leg, when it is made: without it nodes have no way out, and floating IPs none in.
    way_out: Option<Key>,
    router: Option<Ref>,
    nodes_group: Ref,
    masters_group: Ref,
    keypair: Option<Ref>,
    allowed_addresses: Vec<String>,
    /// The port for the address that masters lend each other.
    virtual_ip: Option<Ref>,
}

impl<'a> Footing<'a> {
    /// Adds network, security groups, keypair and server groups. `master_rules` is given the group of all nodes.
    pub fn insert(
        graph: &mut Graph,
        ask: &'a Ask,
        options: &'a NetworkOptions,
        node_rules: Vec<SecurityRule>,
        master_rules: impl FnOnce(&Ref) -> Vec<SecurityRule>,
    ) -> Self {
        let (network, subnet, way_out) = insert_network(graph, ask, options);
        let given = ask.resolved.fixed_router_id.clone().map(Ref::Given);
        let router = way_out.is_some().then(|| Ref::Made(router_key())).or(given);
        let nodes_group = graph.add(
            Key::new("security-group", "nodes"),
            Spec::SecurityGroup { rules: node_rules },
        );
        let masters_group = graph.add(
            Key::new("security-group", "masters"),
            Spec::SecurityGroup {
                rules: master_rules(&nodes_group),
            },
        );
        let resolved = &ask.resolved;
        let keypair = resolved.public_key.as_ref().map(|public_key| {
            graph.add(
                Key::new("keypair", "main"),
                Spec::Keypair {
                    public_key: public_key.clone(),
                },
            )
        });
        let policy = match resolved.defaults.affinity_policy.as_str() {
            "" => AFFINITY_POLICY,
            policy => policy,
        };
        for node in nodes::nodes(&ask.groups) {
            graph.insert(Resource {
                key: server_group(ask, &node),
                needs: BTreeSet::new(),
                group: Some(node.group.name.clone()),
                spec: Spec::ServerGroup {
                    policy: policy.to_owned(),
                },
            });
        }
        Self {
            ask,
            options,
            network,
            subnet,
            way_out,
            router,
            nodes_group,
            masters_group,
            keypair,
            allowed_addresses: Vec::new(),
            virtual_ip: None,
        }
    }

    /// Lets nodes send from these networks too.
    #[must_use]
    pub fn with_allowed_addresses(mut self, networks: Vec<String>) -> Self {
        self.allowed_addresses = networks;
        self
    }

    /// Adds a node's membership in the COE, and gives its key: the COE needs it.
    pub fn insert_member(graph: &mut Graph, node: &Node<'_>) -> Key {
        let key = membership(&node.key("server"));
        graph.insert(Resource {
            key: key.clone(),
            needs: BTreeSet::from([node.key("server")]),
            group: Some(node.group.name.clone()),
            spec: Spec::Member,
        });
        key
    }

    /// The router's leg, when it is made.
    pub fn way_out(&self) -> Option<&Key> {
        self.way_out.as_ref()
    }

    /// Adds a node's port, and its floating IP if nodes have one.
    pub fn insert_port(&self, graph: &mut Graph, node: &Node<'_>) {
        let mut security_groups = vec![self.nodes_group.clone()];
        let mut allowed_ports = Vec::new();
        if node.manager {
            security_groups.push(self.masters_group.clone());
            allowed_ports.extend(self.virtual_ip.clone());
        }
        let port = graph.insert(Resource {
            key: node.key("port"),
            needs: BTreeSet::new(),
            group: Some(node.group.name.clone()),
            spec: Spec::Port {
                network: self.network.clone(),
                subnet: self.subnet.clone(),
                security_groups,
                allowed_addresses: self.allowed_addresses.clone(),
                allowed_ports,
            },
        });
        if self.options.floating_ips {
            graph.insert(Resource {
                key: node.key("floating-ip"),
                needs: self.way_out.iter().cloned().collect(),
                group: Some(node.group.name.clone()),
                spec: Spec::FloatingIp {
                    external_network: self.external_network(),
                    target: port,
                },
            });
        }
    }

    /// Adds the load balancer of a TCP port of the masters, who is behind it, and its floating IP, if asked for. Gives
    /// the keys of what has the API's address, and that of the pool.
    /// The cluster's `own` networks may always reach it.
    pub fn insert_load_balancer(
        &self,
        graph: &mut Graph,
        master_ports: &BTreeSet<Key>,
        port: u16,
        own: &[Cidr],
    ) -> (BTreeSet<Key>, Option<Key>) {
        let mut keys = BTreeSet::new();
        let (Entrance::LoadBalancer, Some(subnet)) = (self.options.entrance, &self.subnet) else {
            return (keys, None);
        };
        let key = Key::new("load-balancer", "api");
        let spec = Spec::LoadBalancer {
            subnet: subnet.clone(),
            port,
            balancing: self.balancing(own),
        };
        let target = graph.add(key.clone(), spec);
        let pool = Key::new("pool", "api");
        graph.insert(Resource {
            key: pool.clone(),
            needs: master_ports.iter().map(membership).collect(),
            group: None,
            spec: Spec::Pool {
                balancer: target.clone(),
                subnet: subnet.clone(),
                port,
                members: master_ports.iter().cloned().map(Ref::Made).collect(),
            },
        });
        keys.insert(key);
        keys.extend(self.insert_outer_address(graph, target));
        (keys, Some(pool))
    }

    /// Adds the port for the address that the masters lend each other, and its floating IP, if that is asked for. Gives
    /// the keys of what has the API's address. Masters' ports that are added later may use it.
    ///
    /// It comes before the ports that may use its address, as Octavia's own does: what is behind Neutron learns by
    /// that order whose an address may be.
    pub fn insert_virtual_ip(&mut self, graph: &mut Graph) -> BTreeSet<Key> {
        if self.options.entrance != Entrance::VirtualIp {
            return BTreeSet::new();
        }
        let key = Key::new("port", "api");
        let spec = Spec::Port {
            network: self.network.clone(),
            subnet: self.subnet.clone(),
            security_groups: vec![self.nodes_group.clone(), self.masters_group.clone()],
            allowed_addresses: Vec::new(),
            allowed_ports: Vec::new(),
        };
        let port = graph.add(key.clone(), spec);
        self.virtual_ip = Some(port.clone());
        let floating_ip = self.insert_outer_address(graph, port);
        BTreeSet::from([key]).into_iter().chain(floating_ip).collect()
    }

    /// Adds the floating IP of the API's address, if that is asked for, and gives its key.
    fn insert_outer_address(&self, graph: &mut Graph, target: Ref) -> Option<Key> {
        let key = outer_address(self.ask, self.options)?;
        graph.insert(Resource {
            key: key.clone(),
            needs: self.way_out.iter().cloned().collect(),
            group: None,
            spec: Spec::FloatingIp {
                external_network: self.external_network(),
                target,
            },
        });
        Some(key)
    }

    fn made_router(&self) -> Option<Ref> {
        self.way_out.is_some().then(|| Ref::Made(router_key()))
    }

    fn balancing(&self, own: &[Cidr]) -> Balancing {
        let clients = &self.options.clients;
        let allowed_cidrs = match clients.balancer_refuses() {
            true => clients.allowed_with(own),
            false => Vec::new(),
        };
        Balancing {
            provider: clients.provider.clone(),
            algorithm: clients.algorithm.clone(),
            monitor: clients.monitor,
            allowed_router: self.made_router().filter(|_| !allowed_cidrs.is_empty()),
            allowed_cidrs,
        }
    }

    /// Adds the route to a node's pods, where the router is the cluster's own or the project's, and gives its key.
    pub fn insert_pod_route(
        &self,
        graph: &mut Graph,
        node: &Node<'_>,
        nodes: Cidr,
        pods: PodNetwork,
    ) -> Option<Key> {
        let key = node.key("pod-route");
        graph.insert(Resource {
            key: key.clone(),
            needs: self.way_out.iter().cloned().collect(),
            group: Some(node.group.name.clone()),
            spec: Spec::PodRoute {
                router: self.router.clone()?,
                port: Ref::Made(node.key("port")),
                nodes: nodes.to_string(),
                pods: pods.pool.to_string(),
                prefix_len: pods.node_prefix_len,
            },
        });
        Some(key)
    }

    /// Adds a volume of a node.
    pub fn insert_volume(
        &self,
        graph: &mut Graph,
        node: &Node<'_>,
        kind: &str,
        size: u32,
        (volume_type, availability_zone): (Option<String>, Option<String>),
    ) -> Ref {
        graph.insert(Resource {
            key: node.key(kind),
            needs: BTreeSet::new(),
            group: Some(node.group.name.clone()),
            spec: Spec::Volume {
                size,
                volume_type,
                availability_zone,
            },
        })
    }

    /// Adds a node's server with the volume of its container engine and further ones.
    pub fn insert_server(
        &self,
        graph: &mut Graph,
        node: &Node<'_>,
        options: &GroupOptions,
        needs: BTreeSet<Key>,
        more_volumes: Vec<Ref>,
    ) {
        let zone = options.zone_of(node);
        let mut volumes = Vec::new();
        if options.docker_volume_size > 0 {
            let kind = (options.docker_volume_type.clone(), zone.clone());
            volumes.push(self.insert_volume(graph, node, "volume", options.docker_volume_size, kind));
        }
        volumes.extend(more_volumes);
        let spec = Spec::Server(ServerSpec {
            image_id: options.image_id.clone(),
            flavor_id: options.flavor_id.clone(),
            keypair: self.keypair.clone(),
            ports: vec![Ref::Made(node.key("port"))],
            server_group: Some(Ref::Made(server_group(self.ask, node))),
            volumes,
            availability_zone: zone,
            boot_volume: options.boot_volume_size,
            boot_volume_type: options.boot_volume_type.clone(),
        });
        graph.insert(Resource {
            key: node.key("server"),
            needs,
            group: Some(node.group.name.clone()),
            spec,
        });
    }

    /// The external network; the options hold floating IPs only if there is one.
    fn external_network(&self) -> Ref {
        Ref::Given(self.ask.resolved.external_network_id.clone().unwrap_or_default())
    }
}

fn insert_network(graph: &mut Graph, ask: &Ask, options: &NetworkOptions) -> (Ref, Option<Ref>, Option<Key>) {
    let resolved = &ask.resolved;
    if let Some(network) = &resolved.fixed_network_id {
        let subnet = resolved.fixed_subnet_id.clone().map(Ref::Given);
        return (Ref::Given(network.clone()), subnet, None);
    }
    let network = graph.add(Key::new("network", "main"), Spec::Network);
    let spec = Spec::Subnet {
        network: network.clone(),
        cidr: options.subnet_cidr.to_string(),
        dns: options.dns.clone(),
    };
    let subnet = graph.add(Key::new("subnet", "main"), spec);
    let Some(external) = &resolved.external_network_id else {
        return (network, Some(subnet), None);
    };
    let spec = Spec::Router {
        external_network: Ref::Given(external.clone()),
    };
    let router = graph.add(router_key(), spec);
    let leg = Key::new("router-interface", "main");
    let spec = Spec::RouterInterface {
        router,
        subnet: subnet.clone(),
    };
    graph.add(leg.clone(), spec);
    (network, Some(subnet), Some(leg))
}

fn router_key() -> Key {
    Key::new("router", "main")
}

/// A node group has as many server groups as Nova's limit of their members asks for. Which one a node is in follows from
/// its number, so that it stays there. No name of a node group has a full stop in it.
fn server_group(ask: &Ask, node: &Node<'_>) -> Key {
    let name = nodes::server_group(node.group);
    let most = ask.resolved.server_group_members.filter(|most| *most > 0);
    match most.map_or(0, |most| node.number / most) {
        0 => Key::new("server-group", name),
        next => Key::new("server-group", format!("{name}.{next}")),
    }
}
