//! The part of a pass that is about servers and their ports.
//!
//! A server's namespace and cables stand before it boots. A removed server's id is free again only when nothing
//! is left of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::{Pass, Plug};
use crate::error::Error;
use crate::firewall;
use crate::machine::{Machine, Place, Wanted};
use crate::names::{Kind, link};
use crate::network::{self, End};
use crate::seed::Addressing;
use crate::topology::Port;

impl Pass<'_> {
    pub(super) async fn remove_servers(&mut self) {
        let wanted = &self.wanted.servers;
        let gone: Vec<String> = self
            .applied
            .machines
            .keys()
            .filter(|id| !wanted.contains_key(*id))
            .cloned()
            .collect();
        for id in gone {
            if let Some(machine) = self.applied.machines.remove(&id) {
                self.applied.leaving.insert(id, machine.remove());
            }
        }
        if !self.applied.disks_seen {
            self.applied.disks_seen = true;
            for entry in std::fs::read_dir(self.servers).into_iter().flatten().flatten() {
                let id = entry.file_name().to_string_lossy().into_owned();
                if !wanted.contains_key(&id) {
                    let path = entry.path();
                    let task = tokio::spawn(async move {
                        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(path)).await;
                    });
                    self.applied.leaving.insert(id, task);
                }
            }
        }
        // A server that comes back under its id must find nothing of the earlier one.
        let returning: Vec<String> = self
            .applied
            .leaving
            .keys()
            .filter(|id| wanted.contains_key(*id))
            .cloned()
            .collect();
        for id in returning {
            if let Some(task) = self.applied.leaving.remove(&id) {
                let _ = task.await;
            }
        }
        self.applied.leaving.retain(|_, task| !task.is_finished());
    }

    /// Ports that are wanted and have both ends.
    pub(super) fn wanted_ports(&self) -> impl Iterator<Item = (&String, &Port)> {
        self.wanted.ports.iter().filter(|(_, port)| {
            self.wanted.networks.contains_key(&port.network) && self.wanted.servers.contains_key(&port.server)
        })
    }

    pub(super) async fn remove_plugs(&mut self) {
        let wanted: BTreeMap<&String, &Port> = self.wanted_ports().collect();
        let stays = |id: &String, plug: &Plug| {
            wanted.get(id).is_some_and(|port| {
                (&port.network, &port.server, &port.mac) == (&plug.network, &plug.server, &plug.mac)
            })
        };
        let gone: Vec<(String, String)> = (self.applied.plugs.iter())
            .filter(|(id, plug)| !stays(id, plug))
            .map(|(id, plug)| (id.clone(), plug.network.clone()))
            .collect();
        for (id, network) in gone {
            let result = network::unplug(&self.network_netns(&network), &link('p', &id)).await;
            if self.check(result) {
                self.applied.plugs.remove(&id);
            }
        }
    }

    pub(super) async fn make_server_namespaces(&mut self) {
        for id in self.wanted.servers.keys() {
            if !self.applied.machines.contains_key(id) {
                let netns = self.names.netns(Kind::Server, id);
                let made = async {
                    network::delete_netns(&netns).await?;
                    network::create_netns(&netns).await
                };
                self.check(made.await);
                // Their cables went with an earlier namespace.
                self.applied.plugs.retain(|_, plug| plug.server != *id);
            }
        }
    }

    pub(super) async fn make_plugs(&mut self) {
        let ports: Vec<(String, Port)> = (self.wanted_ports())
            .filter(|(id, port)| {
                !self.applied.plugs.contains_key(*id) && self.applied.networks.contains_key(&port.network)
            })
            .map(|(id, port)| (id.clone(), port.clone()))
            .collect();
        for (id, port) in ports {
            if !firewall::is_mac(&port.mac) {
                self.check(Err(Error::BadName(port.mac)));
                continue;
            }
            let name = self.free_interface(&port.server);
            let network = self.network_netns(&port.network);
            let netns = self.names.netns(Kind::Server, &port.server);
            let end = End {
                netns: &netns,
                name: &name,
                mac: Some(&port.mac),
            };
            let bridge_port = link('p', &id);
            let plugged = async {
                network::unplug(&network, &bridge_port).await?;
                network::plug(&network, &bridge_port, &end).await
            };
            if self.check(plugged.await) {
                let plug = Plug {
                    network: port.network,
                    server: port.server,
                    mac: port.mac,
                    name,
                };
                self.applied.plugs.insert(id, plug);
            }
        }
    }

    /// First name of `host0`, `host1`, ... that the server does not use.
    fn free_interface(&self, server: &str) -> String {
        let plugs = self.applied.plugs.values().filter(|plug| plug.server == server);
        let used: BTreeSet<&str> = plugs.map(|plug| plug.name.as_str()).collect();
        let mut index = 0;
        loop {
            let name = format!("host{index}");
            if !used.contains(name.as_str()) {
                return name;
            }
            index += 1;
        }
    }

    pub(super) fn make_servers(&mut self) {
        for (id, server) in &self.wanted.servers {
            let mut ports: Vec<(String, &Port)> = (self.applied.plugs.iter())
                .filter(|(_, plug)| plug.server == *id)
                .filter_map(|(port, plug)| Some((plug.name.clone(), self.wanted.ports.get(port)?)))
                .collect();
            ports.sort_by(|(one, _), (other, _)| one.cmp(other));
            let addressing = Addressing::new(self.wanted, &ports);
            let wanted = Wanted {
                server: server.clone(),
                addressing,
            };
            if let Some(machine) = self.applied.machines.get(id) {
                machine.set(wanted);
                continue;
            }
            let netns = self.names.netns(Kind::Server, id);
            if !Path::new("/run/netns").join(&netns).exists() {
                continue;
            }
            let place = Place {
                id: id.clone(),
                netns,
                directory: self.servers.join(id),
                base: self.base.clone(),
                volumes: Arc::clone(self.volumes),
                states: Arc::clone(self.states),
            };
            self.applied
                .machines
                .insert(id.clone(), Machine::start(place, wanted));
        }
    }
}
