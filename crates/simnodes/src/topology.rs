//! What should exist: plain data, made by the simulator from its own state and applied as a whole.
//!
//! The one invariant: a [`Topology`] is complete. What is not in it must not exist on the machine, so that
//! applying an empty one cleans up everything, also after a crash of the process that applied the last one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Everything that carries traffic or runs. Keys are the OpenStack UUIDs of the objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Neutron networks, each a bridge of its own.
    pub networks: BTreeMap<String, Network>,
    /// Neutron routers: forwarding and source NAT between networks.
    pub routers: BTreeMap<String, Router>,
    /// Neutron ports that are plugged into a server.
    pub ports: BTreeMap<String, Port>,
    /// Associated floating IPs.
    pub floating_ips: BTreeMap<String, FloatingIp>,
    /// Nova servers, each a booted machine.
    pub servers: BTreeMap<String, Server>,
    /// Octavia load balancers, each a TCP forwarder on its VIP.
    pub load_balancers: BTreeMap<String, LoadBalancer>,
}

/// A layer-2 network with its subnets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// True for the provider network that the user's own machine reaches (`router:external`).
    pub external: bool,
    /// IPv4 subnets of the network.
    pub subnets: Vec<Subnet>,
}

/// An IPv4 subnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    /// Network address.
    pub address: Ipv4Addr,
    /// Prefix length in bits.
    pub prefix_len: u8,
    /// Address of the gateway, if the subnet has one.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers given to the servers.
    pub dns: Vec<Ipv4Addr>,
}

/// A router: its own network namespace with a leg in each network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// Leg in the external network: source NAT happens to this address.
    pub gateway: Option<Leg>,
    /// Legs in tenant networks (usually the subnets' gateway addresses).
    pub legs: Vec<Leg>,
    /// Extra routes: destination CIDR, next hop.
    pub routes: Vec<(String, Ipv4Addr)>,
}

/// An address in a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Network id, a key of [`Topology::networks`].
    pub network: String,
    /// Address of the leg.
    pub address: Ipv4Addr,
    /// Prefix length in bits of the subnet.
    pub prefix_len: u8,
}

/// A server's network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Network id.
    pub network: String,
    /// Server id.
    pub server: String,
    /// MAC address, `aa:bb:cc:dd:ee:ff`.
    pub mac: String,
    /// Fixed IPs with their prefix length.
    pub fixed_ips: Vec<(Ipv4Addr, u8)>,
    /// CIDRs that the port may use besides its fixed IPs.
    pub allowed_address_pairs: Vec<String>,
    /// What may come in and go out; `None` when port security is off.
    pub rules: Option<Vec<Rule>>,
}

/// One security group rule, with remote groups already resolved to addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// True for traffic towards the server.
    pub ingress: bool,
    /// `tcp`, `udp`, `icmp`, or `None` for any protocol.
    pub protocol: Option<String>,
    /// Inclusive port range; `None` for all ports.
    pub ports: Option<(u16, u16)>,
    /// The other side as CIDRs; empty for anywhere.
    pub remotes: Vec<String>,
}

/// A floating IP: destination NAT from the external network to a fixed address, in the router that joins them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloatingIp {
    /// Address in the external network.
    pub address: Ipv4Addr,
    /// Fixed address that it stands for (of a server's port or of a load balancer's VIP).
    pub fixed: Ipv4Addr,
    /// Router id, a key of [`Topology::routers`].
    pub router: String,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Host name.
    pub name: String,
    /// False while the server is stopped (SHUTOFF): it keeps its disk.
    pub running: bool,
    /// Grows by one for each reboot that was asked for; a change restarts the machine.
    pub boot: u32,
    /// Decoded user-data, as cloud-init gets it.
    pub user_data: Option<Vec<u8>>,
    /// SSH public key of the keypair.
    pub public_key: Option<String>,
    /// Nova metadata.
    pub metadata: BTreeMap<String, String>,
    /// Memory of the flavor in MiB, as the machine's limit.
    pub memory_mib: u64,
    /// Attached Cinder volumes, in the order of their device names (`/dev/vdb`, ...).
    pub volumes: Vec<Volume>,
}

/// An attached block device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Cinder volume id; the guest finds it as `/dev/disk/by-id/virtio-<first 20 characters>`.
    pub id: String,
    /// Size in GiB.
    pub size_gib: u64,
    /// Device name, such as `/dev/vdb`.
    pub device: String,
}

/// A load balancer: listeners on one VIP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Network id of the VIP.
    pub network: String,
    /// Address that it listens on.
    pub vip: Ipv4Addr,
    /// Prefix length in bits of the VIP's subnet.
    pub prefix_len: u8,
    /// Gateway of the VIP's subnet.
    pub gateway: Option<Ipv4Addr>,
    /// TCP listeners.
    pub listeners: Vec<Listener>,
}

/// A TCP listener with the members of its default pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Port on the VIP.
    pub port: u16,
    /// Clients that may connect; empty for all.
    pub allowed_cidrs: Vec<String>,
    /// Members as address and port; each is checked by connecting when `monitor` is set.
    pub members: Vec<(Ipv4Addr, u16)>,
    /// Interval of the health monitor in seconds; `None` without one.
    pub monitor_secs: Option<u64>,
}

/// What became of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ServerState {
    /// Being prepared; not yet started.
    Building,
    /// The machine has been started (its operating system may still be booting), as Nova's ACTIVE.
    Running,
    /// Stopped in an orderly way, or powered itself off.
    Stopped,
    /// Could not be started, with the cause.
    Failed(String),
}
