//! What is asked of the cluster's network and of the ways to its API.

use jeroboam_driver::{Ask, Cidr, Invalid};

use crate::clients::Clients;
use crate::read::{self, label};

/// CIDR of a subnet that is made, when the label `fixed_subnet_cidr` names none.
const DEFAULT_CIDR: &str = "10.0.0.0/24";

/// Addresses of a made subnet that are not the nodes': gateway, two DHCP agents, that of the API.
const OTHER_ADDRESSES: u64 = 4;

/// Network, floating IPs, the way to the API, and proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// CIDR of the subnet, when one is made.
    pub subnet_cidr: Cidr,
    /// Name servers of that subnet.
    pub dns: Vec<String>,
    /// True when each node gets a floating IP.
    pub floating_ips: bool,
    /// What has the address of the masters' API.
    pub entrance: Entrance,
    /// True when that has a floating IP.
    pub entrance_floating_ip: bool,
    /// The load balancer, and who may reach the API.
    pub clients: Clients,
    /// Proxies of the nodes.
    pub proxies: Proxies,
}

/// What has the address that clients and nodes know the masters' API by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// The first master.
    FirstMaster,
    /// A load balancer of Octavia's.
    LoadBalancer,
    /// A port of Neutron's without a server, whose address the masters lend each other.
    VirtualIp,
}

/// Label for [`Entrance::VirtualIp`], which drivers offer whose masters can do it.
pub const VIRTUAL_IP_LABEL: &str = "virtual_ip_enabled";

impl Entrance {
    /// That of a driver whose masters cannot lend each other an address.
    pub fn balanced_or_first(ask: &Ask) -> Self {
        match ask.master_lb_enabled() {
            true => Self::LoadBalancer,
            false => Self::FirstMaster,
        }
    }

    /// That of a driver whose masters can.
    ///
    /// # Errors
    /// The label, when it is no boolean, or when a load balancer is asked for too.
    pub fn any(ask: &Ask) -> Result<Self, Invalid> {
        let lent = label(ask, None, VIRTUAL_IP_LABEL, read::boolean)?.unwrap_or(false);
        match (Self::balanced_or_first(ask), lent) {
            (Self::LoadBalancer, true) => {
                let reason = "with master_lb_enabled the load balancer has the address of the API";
                Err(Invalid::new(format!("labels.{VIRTUAL_IP_LABEL}"), reason))
            }
            (_, true) => Ok(Self::VirtualIp),
            (entrance, false) => Ok(entrance),
        }
    }
}

/// Proxies that the nodes' software goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `http_proxy`.
    pub http: Option<String>,
    /// `https_proxy`.
    pub https: Option<String>,
    /// `no_proxy`.
    pub none: Vec<String>,
}

impl NetworkOptions {
    /// Reads and checks them for a cluster of so many nodes, and an entrance that the driver offers.
    ///
    /// # Errors
    /// The first wrong field or label.
    pub fn parse(ask: &Ask, node_count: u64, entrance: Entrance) -> Result<Self, Invalid> {
        let template = &ask.template;
        let floating_ips = ask.floating_ip_enabled();
        let entrance_floating_ip = match entrance {
            Entrance::FirstMaster => None,
            Entrance::LoadBalancer | Entrance::VirtualIp => {
                label(ask, None, "master_lb_floating_ip_enabled", read::boolean)?
            }
        };
        let entrance_floating_ip = entrance_floating_ip.unwrap_or(floating_ips);
        check_networks(
            ask,
            floating_ips || entrance_floating_ip,
            entrance == Entrance::LoadBalancer,
        )?;
        check_given_subnet(ask, node_count + u64::from(entrance != Entrance::FirstMaster))?;
        Ok(Self {
            subnet_cidr: subnet_cidr(ask, node_count)?,
            dns: read::name_servers(template.dns_nameserver.as_deref())?,
            floating_ips,
            entrance,
            entrance_floating_ip,
            clients: Clients::parse(ask)?,
            proxies: Proxies {
                http: read::proxy("http_proxy", template.http_proxy.as_deref())?,
                https: read::proxy("https_proxy", template.https_proxy.as_deref())?,
                none: read::no_proxy(template.no_proxy.as_deref())?,
            },
        })
    }

    /// Checks that there is room for the nodes that a rolling replacement has besides those that are asked for.
    ///
    /// # Errors
    /// `max_batch_size`, when a smaller one would do, or else the field of the subnet.
    pub fn check_surge(ask: &Ask, entrance: Entrance) -> Result<(), Invalid> {
        let present: u64 = ask
            .groups
            .iter()
            .map(|group| u64::try_from(group.node_count).unwrap_or(0))
            .sum();
        let surge = |most: u32| -> u64 {
            let workers = ask.groups.iter().filter(|group| !group.is_master());
            let rolls = workers.filter_map(|group| group.roll.as_ref());
            rolls
                .map(|roll| u64::from(roll.batch.min(most)).min(roll.behind.len() as u64))
                .sum()
        };
        let Err(full) = Self::parse(ask, present + surge(u32::MAX), entrance) else {
            return Ok(());
        };
        match Self::parse(ask, present + surge(1), entrance) {
            Ok(_) => Err(Invalid::new(
                "max_batch_size",
                format!("new nodes come before old ones go: {}", full.reason),
            )),
            Err(full) => Err(Invalid::new(
                full.field,
                format!("a new node comes before an old one goes: {}", full.reason),
            )),
        }
    }

    /// CIDR of the subnet that the nodes are in, if it is known: Neutron chooses one when only a network is given.
    pub fn nodes_cidr(&self, ask: &Ask) -> Option<Cidr> {
        let resolved = &ask.resolved;
        if resolved.fixed_network_id.is_none() {
            return Some(self.subnet_cidr);
        }
        Cidr::parse(resolved.fixed_subnet_cidr.as_deref()?).ok()
    }
}

impl Proxies {
    /// Variables for the nodes' software; none without a proxy. `direct` is reached without one, besides what the
    /// template says and the machine itself.
    pub fn environment(
        &self,
        direct: impl IntoIterator<Item = impl Into<String>>,
    ) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        variables.extend(self.http.clone().map(|url| ("HTTP_PROXY", url)));
        variables.extend(self.https.clone().map(|url| ("HTTPS_PROXY", url)));
        if !variables.is_empty() {
            let mut none = vec!["localhost".to_owned(), "127.0.0.1".into()];
            none.extend(direct.into_iter().map(Into::into));
            none.extend(self.none.iter().cloned());
            variables.push(("NO_PROXY", none.join(",")));
        }
        variables
    }

    /// The same as a drop-in of a systemd service.
    pub fn drop_in(&self, direct: impl IntoIterator<Item = impl Into<String>>) -> Option<String> {
        let variables = self.environment(direct);
        if variables.is_empty() {
            return None;
        }
        let lines = variables
            .iter()
            // A per cent sign starts a specifier in units.
            .map(|(name, value)| format!("Environment=\"{name}={}\"\n", value.replace('%', "%%")));
        Some("[Service]\n".to_owned() + &lines.collect::<String>())
    }
}

fn check_networks(ask: &Ask, any_floating_ip: bool, load_balancer: bool) -> Result<(), Invalid> {
    let resolved = &ask.resolved;
    if any_floating_ip && resolved.external_network_id.is_none() {
        return Err(Invalid::new(
            "external_network_id",
            "floating IPs need an external network",
        ));
    }
    if resolved.fixed_subnet_id.is_some() && resolved.fixed_network_id.is_none() {
        return Err(Invalid::new(
            "fixed_network",
            "a given subnet needs its network given too",
        ));
    }
    if load_balancer && resolved.fixed_network_id.is_some() && resolved.fixed_subnet_id.is_none() {
        return Err(Invalid::new(
            "fixed_subnet",
            "a load balancer in a given network needs a given subnet",
        ));
    }
    Ok(())
}

/// A given subnet must have the addresses that are needed of it. What else takes some is not known, and neither is
/// the size of a subnet that Neutron chooses.
fn check_given_subnet(ask: &Ask, needed: u64) -> Result<(), Invalid> {
    let Some(given) = &ask.resolved.fixed_subnet_cidr else {
        return Ok(());
    };
    match Cidr::parse(given) {
        Ok(cidr) if cidr.hosts() < needed => {
            let has = cidr.hosts();
            let reason = format!("{cidr} has {has} addresses, and the nodes and the API need {needed}");
            Err(Invalid::new("fixed_subnet", reason))
        }
        _ => Ok(()),
    }
}

fn subnet_cidr(ask: &Ask, node_count: u64) -> Result<Cidr, Invalid> {
    let invalid = |reason: String| Invalid::new("labels.fixed_subnet_cidr", reason);
    let given = ask.label(None, "fixed_subnet_cidr").unwrap_or(DEFAULT_CIDR);
    let cidr = Cidr::parse(given).map_err(invalid)?;
    if ask.resolved.fixed_network_id.is_some() {
        return Ok(cidr);
    }
    if !(16..=28).contains(&cidr.prefix_len()) {
        return Err(invalid(format!("the prefix of {cidr} must be from /16 to /28")));
    }
    if !cidr.is_for_hosts() {
        return Err(invalid(format!("{cidr} is not a network of hosts")));
    }
    if cidr.hosts() < node_count + OTHER_ADDRESSES {
        return Err(invalid(format!(
            "{cidr} has {} addresses, and {node_count} nodes with gateway, DHCP and the API need {}",
            cidr.hosts(),
            node_count + OTHER_ADDRESSES
        )));
    }
    Ok(cidr)
}
