//! Networks as bridges, each in a network namespace of its own, and the virtual cables that lead to them.
//!
//! The bridge's namespace has no addresses: it can only switch and filter. Bridged packets pass its netfilter
//! hooks, which is where security groups sit, out of the guests' reach.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::error::Error;
use crate::run::{ip_batch, run, run_in_netns};

/// Name of the bridge in each network's namespace.
const BRIDGE: &str = "br0";

/// Makes a network namespace with its loopback interface up.
pub(crate) async fn create_netns(netns: &str) -> Result<(), Error> {
    run("ip", &["netns", "add", netns]).await?;
    ip_batch(netns, "link set lo up\n").await
}

/// Removes a network namespace with every interface in it; none of that name is fine.
pub(crate) async fn delete_netns(netns: &str) -> Result<(), Error> {
    if !Path::new("/run/netns").join(netns).exists() {
        return Ok(());
    }
    run("ip", &["netns", "del", netns]).await.map(drop)
}

/// Network namespaces whose names start with `prefix`.
pub(crate) fn list_netns(prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|n| n.starts_with(prefix))
        .collect()
}

/// Makes a network: a namespace with a bridge.
pub(crate) async fn create(netns: &str) -> Result<(), Error> {
    create_netns(netns).await?;
    // Bridged IPv4 and IPv6 go through netfilter here (the setting belongs to the namespace); no IPv6 of its own.
    let settings =
        "for family in iptables ip6tables; do echo 1 >/proc/sys/net/bridge/bridge-nf-call-$family; done
        echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
        echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6";
    if !Path::new("/proc/sys/net/bridge").exists() {
        run("modprobe", &["br_netfilter"]).await?;
    }
    run_in_netns(netns, "sh", &["-ec", settings], None).await?;
    let bridge = format!(
        "link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0\nlink set {BRIDGE} addrgenmode none up\n"
    );
    ip_batch(netns, &bridge).await
}

/// One end of a cable: the interface in the machine, router or balancer.
pub(crate) struct End<'a> {
    /// Network namespace.
    pub(crate) netns: &'a str,
    /// Interface name.
    pub(crate) name: &'a str,
    /// MAC address; the kernel chooses one without.
    pub(crate) mac: Option<&'a str>,
}

/// Connects an interface to a network's bridge; `port` names the bridge's side of the cable.
pub(crate) async fn plug(network: &str, port: &str, end: &End<'_>) -> Result<(), Error> {
    let address = end.mac.map_or(String::new(), |mac| format!("address {mac} "));
    let (netns, name) = (end.netns, end.name);
    let commands = format!(
        "link add {port} type veth peer name {name} {address}netns {netns}\n\
         link set {port} addrgenmode none master {BRIDGE} up\n"
    );
    ip_batch(network, &commands).await
}

/// Takes the cable away, from the bridge's side; one that is gone is fine.
pub(crate) async fn unplug(network: &str, port: &str) -> Result<(), Error> {
    if !Path::new("/run/netns").join(network).exists() {
        return Ok(());
    }
    match run("ip", &["-n", network, "link", "del", port]).await {
        Err(Error::Program { message, .. }) if message.contains("Cannot find device") => Ok(()),
        result => result.map(drop),
    }
}

/// Gives the root network namespace an interface with an address in the network.
pub(crate) async fn give_access(
    network: &str,
    link: &str,
    address: Ipv4Addr,
    prefix_len: u8,
) -> Result<(), Error> {
    let address = format!("{address}/{prefix_len}");
    run(
        "ip",
        &[
            "link", "add", link, "type", "veth", "peer", "name", "access", "netns", network,
        ],
    )
    .await?;
    ip_batch(
        network,
        &format!("link set access addrgenmode none master {BRIDGE} up\n"),
    )
    .await?;
    run("ip", &["link", "set", link, "addrgenmode", "none"]).await?;
    run("ip", &["address", "add", &address, "dev", link]).await?;
    run("ip", &["link", "set", link, "up"]).await.map(drop)
}

/// Removes an interface of the root network namespace; one that is gone is fine.
pub(crate) async fn delete_access(link: &str) -> Result<(), Error> {
    if !Path::new("/sys/class/net").join(link).exists() {
        return Ok(());
    }
    run("ip", &["link", "del", link]).await.map(drop)
}

/// Forgets who had which address behind an interface of the root network namespace.
pub(crate) async fn flush_neighbours(link: &str) -> Result<(), Error> {
    run("ip", &["neigh", "flush", "dev", link]).await.map(drop)
}
