//! One pass from what was applied last to what is wanted now.
//!
//! Removals come first, then networks, then what plugs into them, then servers. An object that fails is dropped
//! from the record together with what exists of it, so that the next pass makes it anew.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::balancer::Forwarder;
use crate::error::Error;
use crate::image::BaseImage;
use crate::machine::Machine;
use crate::names::{Kind, Names, link};
use crate::network::{self, End};
use crate::run::ip_batch;
use crate::states::States;
use crate::topology::{LoadBalancer, Topology};
use crate::volume::Volumes;
use crate::{firewall, router};

mod servers;

/// What exists on the machine.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The interface in the root network namespace: network, address, prefix length.
    access: Option<(String, Ipv4Addr, u8)>,
    /// Networks with the packet filter that is loaded.
    networks: BTreeMap<String, String>,
    routers: BTreeMap<String, router::Plan>,
    plugs: BTreeMap<String, Plug>,
    balancers: BTreeMap<String, (LoadBalancer, Forwarder)>,
    machines: BTreeMap<String, Machine>,
    /// Tasks of servers that are being removed.
    pub(crate) leaving: BTreeMap<String, JoinHandle<()>>,
    /// True once the disks of servers from an earlier process were looked through.
    disks_seen: bool,
}

/// A port's cable.
#[derive(Debug, PartialEq)]
struct Plug {
    network: String,
    server: String,
    mac: String,
    /// Interface name in the guest.
    name: String,
}

/// One pass; see the module.
pub(crate) struct Pass<'a> {
    pub(crate) names: &'a Names,
    /// Directory of the servers' disks.
    pub(crate) servers: &'a Path,
    pub(crate) base: &'a BaseImage,
    pub(crate) volumes: &'a Arc<Volumes>,
    pub(crate) states: &'a Arc<States>,
    pub(crate) wanted: &'a Topology,
    pub(crate) applied: &'a mut Applied,
    /// First failure of the pass.
    pub(crate) failure: Option<Error>,
}

impl Pass<'_> {
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        self.remove_servers().await;
        self.remove_plugs().await;
        self.remove_balancers().await;
        self.remove_routers().await;
        self.remove_networks().await;
        self.make_networks().await;
        self.give_access().await;
        self.make_routers().await;
        self.make_server_namespaces().await;
        self.make_plugs().await;
        self.load_filters().await;
        self.make_balancers().await;
        self.make_servers();
        self.failure.map_or(Ok(()), Err)
    }

    /// Keeps the first failure; true when there was none.
    fn check(&mut self, result: Result<(), Error>) -> bool {
        let succeeded = result.is_ok();
        if let Err(error) = result {
            tracing::debug!(%error, "part of the topology could not be applied");
            self.failure.get_or_insert(error);
        }
        succeeded
    }

    fn network_netns(&self, id: &str) -> String {
        self.names.netns(Kind::Network, id)
    }

    async fn remove_balancers(&mut self) {
        let gone: Vec<String> = (self.applied.balancers.iter())
            .filter(|(id, (balancer, _))| {
                !self.wanted.networks.contains_key(&balancer.network)
                    || self
                        .wanted
                        .load_balancers
                        .get(*id)
                        .is_none_or(|wanted| !same_place(wanted, balancer))
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some((balancer, forwarder)) = self.applied.balancers.remove(&id) {
                forwarder.stop().await;
                let result = self.delete_balancer(&id, &balancer.network).await;
                self.check(result);
            }
        }
    }

    async fn delete_balancer(&self, id: &str, network: &str) -> Result<(), Error> {
        network::unplug(&self.network_netns(network), &link('l', id)).await?;
        network::delete_netns(&self.names.netns(Kind::Balancer, id)).await
    }

    async fn remove_routers(&mut self) {
        let gone: Vec<String> = (self.applied.routers.keys())
            .filter(|id| !self.wanted.routers.contains_key(*id))
            .cloned()
            .collect();
        for id in gone {
            self.drop_router(&id).await;
        }
    }

    async fn drop_router(&mut self, id: &str) {
        if let Some(plan) = self.applied.routers.remove(id) {
            let result = router::delete(self.names, id, &plan).await;
            self.check(result);
        }
    }

    async fn remove_networks(&mut self) {
        let gone: Vec<String> = (self.applied.networks.keys())
            .filter(|id| !self.wanted.networks.contains_key(*id))
            .cloned()
            .collect();
        let access = wanted_access(self.wanted);
        if self.applied.access.is_some() && self.applied.access != access {
            let result = network::delete_access(&self.names.access_link()).await;
            if self.check(result) {
                self.applied.access = None;
            }
        }
        for id in gone {
            let result = network::delete_netns(&self.network_netns(&id)).await;
            if self.check(result) {
                self.applied.networks.remove(&id);
            }
        }
    }

    async fn make_networks(&mut self) {
        for id in self.wanted.networks.keys() {
            if !self.applied.networks.contains_key(id) {
                let netns = self.network_netns(id);
                let made = async {
                    network::delete_netns(&netns).await?;
                    network::create(&netns).await
                };
                if self.check(made.await) {
                    self.applied.networks.insert(id.clone(), String::new());
                }
            }
        }
    }

    async fn give_access(&mut self) {
        let Some(access) = wanted_access(self.wanted).filter(|_| self.applied.access.is_none()) else {
            return;
        };
        if !self.applied.networks.contains_key(&access.0) {
            return;
        }
        let link = self.names.access_link();
        let (netns, address, prefix_len) = (self.network_netns(&access.0), access.1, access.2);
        let given = async {
            network::delete_access(&link).await?;
            network::give_access(&netns, &link, address, prefix_len).await
        };
        if self.check(given.await) {
            self.applied.access = Some(access);
        }
    }

    async fn make_routers(&mut self) {
        let mut floating_changed = false;
        for (id, router) in &self.wanted.routers {
            let floating = (self.wanted.floating_ips.values())
                .filter(|floating| floating.router == *id)
                .map(|floating| (floating.address, floating.fixed))
                .collect();
            let networks = &self.applied.networks;
            let plan = router::Plan::new(router, floating, |network| networks.contains_key(network));
            let old = match self.applied.routers.get(id) {
                Some(old) if *old == plan => continue,
                Some(old) => old.clone(),
                None => {
                    let netns = self.names.netns(Kind::Router, id);
                    let made = async {
                        network::delete_netns(&netns).await?;
                        router::create(&netns).await
                    };
                    if !self.check(made.await) {
                        continue;
                    }
                    router::Plan::default()
                }
            };
            floating_changed |= !old.serves_same_addresses(&plan);
            let result = router::change(self.names, id, &old, &plan).await;
            let changed = self.check(result);
            self.applied.routers.insert(id.clone(), plan);
            if !changed {
                self.drop_router(id).await;
            }
        }
        if floating_changed {
            self.flush_neighbours().await;
        }
    }

    async fn flush_neighbours(&mut self) {
        let mut results = Vec::new();
        for (id, plan) in &self.applied.routers {
            results.push(router::flush_neighbours(self.names, id, plan).await);
        }
        if self.applied.access.is_some() {
            results.push(network::flush_neighbours(&self.names.access_link()).await);
        }
        for result in results {
            self.check(result);
        }
    }

    async fn load_filters(&mut self) {
        let networks: Vec<String> = self.applied.networks.keys().cloned().collect();
        for id in networks {
            let filter = firewall::render(self.wanted_ports().filter(|(_, port)| port.network == id));
            if self.applied.networks.get(&id) != Some(&filter) {
                let result = firewall::load(&self.network_netns(&id), &filter).await;
                if self.check(result) {
                    self.applied.networks.insert(id, filter);
                }
            }
        }
    }

    async fn make_balancers(&mut self) {
        for (id, wanted) in &self.wanted.load_balancers {
            if let Some((applied, forwarder)) = self.applied.balancers.get_mut(id) {
                if applied.listeners != wanted.listeners {
                    forwarder.set(wanted.listeners.clone());
                    applied.listeners.clone_from(&wanted.listeners);
                }
            } else if self.applied.networks.contains_key(&wanted.network) {
                match self.make_balancer(id, wanted).await {
                    Ok(forwarder) => {
                        self.applied
                            .balancers
                            .insert(id.clone(), (wanted.clone(), forwarder));
                    }
                    Err(error) => {
                        self.check(Err(error));
                    }
                }
            }
        }
    }

    async fn make_balancer(&self, id: &str, balancer: &LoadBalancer) -> Result<Forwarder, Error> {
        let netns = self.names.netns(Kind::Balancer, id);
        self.delete_balancer(id, &balancer.network).await?;
        network::create_netns(&netns).await?;
        let network = self.network_netns(&balancer.network);
        network::plug(
            &network,
            &link('l', id),
            &End {
                netns: &netns,
                name: "vip0",
                mac: None,
            },
        )
        .await?;
        let LoadBalancer {
            vip,
            prefix_len,
            gateway,
            ..
        } = balancer;
        let mut commands = format!("address add {vip}/{prefix_len} brd + dev vip0\nlink set vip0 up\n");
        if let Some(gateway) = gateway.filter(|gateway| gateway != vip) {
            commands.push_str(&format!("route add default via {gateway}\n"));
        }
        ip_batch(&netns, &commands).await?;
        Forwarder::start(&netns, *vip, balancer.listeners.clone()).await
    }
}

/// The first external network with a subnet gives the root namespace its gateway's address, or the first one.
fn wanted_access(wanted: &Topology) -> Option<(String, Ipv4Addr, u8)> {
    let (id, network) = wanted.networks.iter().find(|(_, network)| network.external)?;
    let subnet = network.subnets.first()?;
    let first = Ipv4Addr::from(u32::from(subnet.address).saturating_add(1));
    Some((id.clone(), subnet.gateway.unwrap_or(first), subnet.prefix_len))
}

fn same_place(one: &LoadBalancer, other: &LoadBalancer) -> bool {
    (&one.network, one.vip, one.prefix_len, one.gateway)
        == (&other.network, other.vip, other.prefix_len, other.gateway)
}
