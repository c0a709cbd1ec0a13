//! The resources of a cluster as data: what each is, what it needs, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of a resource inside its cluster: kind and role, such as `port:master-0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// A key of a kind and a name, both of `[a-z0-9-]`.
    pub fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self(format!("{kind}:{name}"))
    }

    /// A key as it was stored.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Kind, such as `port`.
    pub fn kind(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// Name inside the kind, such as `master-0`.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, name)| name)
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cloud object that a resource refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ref {
    /// One of the same graph.
    Made(Key),
    /// One that was there before, by its id.
    Given(String),
}

/// One resource: what it is and what must be ready before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Name inside the cluster.
    pub key: Key,
    /// Keys that must be ready before this is made, and are dropped after it. References in the
    /// specification are added by [`Graph::insert`].
    pub needs: BTreeSet<Key>,
    /// Name of the node group that it belongs to, for `faults`.
    pub group: Option<String>,
    /// What it is.
    pub spec: Spec,
}

/// What a resource is. Amounts are in GiB where not said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Spec {
    /// Keystone user that the engine works as, in the trustee domain.
    Identity,
    /// Certificate authorities, kept sealed by the service.
    Certificates,
    /// Nova keypair of the cluster's identity.
    Keypair {
        /// OpenSSH public key.
        public_key: String,
    },
    /// Nova server group.
    ServerGroup {
        /// Such as `soft-anti-affinity`.
        policy: String,
    },
    /// Neutron network.
    Network,
    /// Neutron subnet.
    Subnet {
        /// Network that it lies in.
        network: Ref,
        /// Such as `10.0.0.0/24`.
        cidr: String,
        /// Name servers.
        dns: Vec<String>,
    },
    /// Neutron router.
    Router {
        /// External network of its gateway.
        external_network: Ref,
    },
    /// A subnet's leg on a router.
    RouterInterface {
        /// Router.
        router: Ref,
        /// Subnet.
        subnet: Ref,
    },
    /// Route on a router to the pods of a node, see [`crate::PodNetwork`].
    PodRoute {
        /// Router.
        router: Ref,
        /// Port of the node, which is the next hop.
        port: Ref,
        /// CIDR of the nodes' subnet.
        nodes: String,
        /// CIDR of all pods.
        pods: String,
        /// Length of the prefix of one node's range.
        prefix_len: u8,
    },
    /// Neutron security group with all its rules.
    SecurityGroup {
        /// Rules besides Neutron's two egress ones.
        rules: Vec<SecurityRule>,
    },
    /// Neutron port, made before its server so that the address is known.
    Port {
        /// Network.
        network: Ref,
        /// Subnet of its address.
        subnet: Option<Ref>,
        /// Security groups.
        security_groups: Vec<Ref>,
        /// Networks that it may send from besides its own address, in CIDR notation.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allowed_addresses: Vec<String>,
        /// Ports whose addresses it may send from too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allowed_ports: Vec<Ref>,
    },
    /// Floating IP.
    FloatingIp {
        /// Network that it comes from.
        external_network: Ref,
        /// Port or load balancer that it leads to.
        target: Ref,
    },
    /// Cinder volume.
    Volume {
        /// Size.
        size: u32,
        /// Volume type; `None` for Cinder's default.
        volume_type: Option<String>,
        /// Availability zone; `None` for Cinder's default.
        availability_zone: Option<String>,
    },
    /// Nova server.
    Server(ServerSpec),
    /// Octavia load balancer with one listener and its pool, which has no members by itself.
    LoadBalancer {
        /// Subnet of the VIP.
        subnet: Ref,
        /// TCP port of the listener.
        port: u16,
        /// How it does its work.
        #[serde(default, skip_serializing_if = "Balancing::is_plain")]
        balancing: Balancing,
    },
    /// Who is behind a load balancer: changed in place as nodes come and go. A node's membership in the COE is
    /// dropped after the node has gone from here.
    Pool {
        /// Load balancer.
        balancer: Ref,
        /// Subnet that the members are reached through.
        subnet: Ref,
        /// TCP port of the members.
        port: u16,
        /// Ports (Neutron) whose fixed IPs are the members.
        members: Vec<Ref>,
    },
    /// A node's membership in the COE, which needs its server. It is made by the node itself; that all members
    /// are ready is what the COE waits for. Dropped by [`crate::Driver::leave`], before the server is, unless all
    /// of the cluster goes.
    Member,
    /// The running COE: ready when all its nodes are. Looked at anew whenever its needs change.
    Coe,
    /// An add-on of the COE, by the name of its key. Another revision of it is applied in place.
    AddOn {
        /// Names all that it is made of, so that another one is another text.
        revision: String,
        /// True for one that logs in to the cloud.
        cloud: bool,
        /// True for one that asks this service to make and remove nodes.
        #[serde(default, skip_serializing_if = "is_false")]
        autoscales: bool,
    },
    /// Application credential of the cluster's identity, for add-ons that log in to the cloud.
    ApplicationCredential,
    /// What the cluster's workload makes in the cloud by itself. Nothing is made for it; when it is dropped, load
    /// balancers and floating IPs that carry the cluster's id are dropped, and volumes where these are not to stay.
    /// Servers need it, so that nothing of the cluster runs any more by then.
    Leftovers {
        /// True when volumes go with the cluster.
        volumes: bool,
    },
    /// A new password of the cluster's identity, the only one of the cluster that is valid afterwards.
    Credential,
    /// What runs in the COE is prepared for the next stage of a rotation of authorities. Not a cloud resource.
    Trust,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// How a load balancer does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Balancing {
    /// Octavia provider such as `ovn`; `None` for Octavia's default.
    pub provider: Option<String>,
    /// Octavia's name of the algorithm, such as `ROUND_ROBIN`.
    pub algorithm: String,
    /// True when members are checked, and those that do not answer get no connections.
    pub monitor: bool,
    /// Networks that may connect, in CIDR notation; empty for everybody.
    pub allowed_cidrs: Vec<String>,
    /// Router whose outer address may connect too, where not everybody may.
    pub allowed_router: Option<Ref>,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            provider: None,
            algorithm: "ROUND_ROBIN".to_owned(),
            monitor: true,
            allowed_cidrs: Vec::new(),
            allowed_router: None,
        }
    }
}

impl Balancing {
    /// True for what holds when nothing is asked for.
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A Nova server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// Glance image id.
    pub image_id: String,
    /// Nova flavor id.
    pub flavor_id: String,
    /// Keypair.
    pub keypair: Option<Ref>,
    /// Ports, in the order of the interfaces.
    pub ports: Vec<Ref>,
    /// Server group.
    pub server_group: Option<Ref>,
    /// Volumes to attach, in the order of the devices.
    pub volumes: Vec<Ref>,
    /// Availability zone.
    pub availability_zone: Option<String>,
    /// Boot from a new volume of this size, deleted with the server; zero boots from the image.
    pub boot_volume: u32,
    /// Type of that volume; `None` for Cinder's default.
    pub boot_volume_type: Option<String>,
}

/// An ingress rule of a security group, IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityRule {
    /// `tcp`, `udp`, `icmp` or an IP protocol number.
    pub protocol: String,
    /// First and last port; `None` for all.
    pub ports: Option<(u16, u16)>,
    /// Who may come in.
    pub from: Peer,
}

/// The other side of a security group rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// Anybody.
    Anywhere,
    /// A CIDR.
    Cidr(String),
    /// Members of the rule's own group.
    SameGroup,
    /// Members of another group.
    Group(Ref),
    /// The outer address of a router, which those behind it have when they come from outside.
    Router(Ref),
}

/// Key of the membership in the COE of the node that a port, or any resource of that name, is of.
pub fn membership(of: &Key) -> Key {
    Key::new("member", of.name())
}

/// A cluster's resources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    resources: BTreeMap<Key, Resource>,
}

impl Graph {
    /// Adds a resource, with what its specification refers to as needs, and gives a reference to it.
    pub fn insert(&mut self, mut resource: Resource) -> Ref {
        for reference in resource.spec.references() {
            if let Ref::Made(key) = reference {
                resource.needs.insert(key.clone());
            }
        }
        let key = resource.key.clone();
        self.resources.insert(key.clone(), resource);
        Ref::Made(key)
    }

    /// Adds a resource of no node group that needs only what it refers to.
    pub fn add(&mut self, key: Key, spec: Spec) -> Ref {
        self.insert(Resource {
            key,
            needs: BTreeSet::new(),
            group: None,
            spec,
        })
    }

    /// Takes out every resource that is not to stay, also of the needs of the others, and of pools the nodes whose
    /// membership does not stay.
    pub fn retain(&mut self, stays: impl Fn(&Resource) -> bool) {
        self.resources.retain(|_, resource| stays(resource));
        let left: BTreeSet<Key> = self.resources.keys().cloned().collect();
        for resource in self.resources.values_mut() {
            resource.needs.retain(|need| left.contains(need));
            if let Spec::Pool { members, .. } = &mut resource.spec {
                members.retain(|member| match member {
                    Ref::Made(port) => left.contains(&membership(port)),
                    Ref::Given(_) => true,
                });
            }
        }
    }

    /// A resource.
    pub fn find(&self, key: &Key) -> Option<&Resource> {
        self.resources.get(key)
    }

    /// All resources in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    /// All resources, changeable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Resource> {
        self.resources.values_mut()
    }

    /// Number of resources.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// True without resources.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }
}

impl Spec {
    /// Everything that the specification refers to.
    pub fn references(&self) -> Vec<&Ref> {
        match self {
            Self::Identity
            | Self::Certificates
            | Self::Keypair { .. }
            | Self::ServerGroup { .. }
            | Self::Network
            | Self::Volume { .. }
            | Self::Member
            | Self::Coe
            | Self::AddOn { .. }
            | Self::ApplicationCredential
            | Self::Leftovers { .. }
            | Self::Credential
            | Self::Trust => Vec::new(),
            Self::Subnet { network, .. } => vec![network],
            Self::Router { external_network } => vec![external_network],
            Self::RouterInterface { router, subnet } => vec![router, subnet],
            Self::PodRoute { router, port, .. } => vec![router, port],
            Self::SecurityGroup { rules } => rules
                .iter()
                .filter_map(|rule| match &rule.from {
                    Peer::Group(other) | Peer::Router(other) => Some(other),
                    Peer::Anywhere | Peer::Cidr(_) | Peer::SameGroup => None,
                })
                .collect(),
            Self::Port {
                network,
                subnet,
                security_groups,
                allowed_ports,
                ..
            } => std::iter::once(network)
                .chain(subnet)
                .chain(security_groups)
                .chain(allowed_ports)
                .collect(),
            Self::FloatingIp {
                external_network,
                target,
            } => vec![external_network, target],
            Self::Server(server) => server
                .keypair
                .iter()
                .chain(&server.ports)
                .chain(&server.server_group)
                .chain(&server.volumes)
                .collect(),
            Self::LoadBalancer {
                subnet, balancing, ..
            } => std::iter::once(subnet).chain(&balancing.allowed_router).collect(),
            Self::Pool {
                balancer,
                subnet,
                members,
                ..
            } => [balancer, subnet].into_iter().chain(members).collect(),
        }
    }
}

/// What became of a resource: its id in the cloud and facts that others need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MadeResource {
    /// Id in the cloud.
    pub id: String,
    /// Facts: `address` of ports and floating IPs, `vip_address` and `vip_port_id` of load balancers, ...
    pub facts: BTreeMap<String, Value>,
}

/// Everything of a cluster that is ready.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made(pub BTreeMap<Key, MadeResource>);

impl Made {
    /// A text fact of a resource.
    pub fn fact(&self, key: &Key, fact: &str) -> Option<&str> {
        self.0.get(key)?.facts.get(fact)?.as_str()
    }

    /// Id of what a reference leads to.
    pub fn id<'a>(&'a self, reference: &'a Ref) -> Option<&'a str> {
        match reference {
            Ref::Made(key) => self.0.get(key).map(|made| made.id.as_str()),
            Ref::Given(id) => Some(id),
        }
    }
}
