use serde_json::{Value, json};

use super::*;
use crate::call::{Call, Caller};
use crate::service::Service;
use crate::world::{EXTERNAL_CIDR, Pace};

/// A cloud with real nodes, without the machines, and a member of the project demo.
struct Cloud {
    world: World,
    caller: Caller,
}

impl Cloud {
    fn new() -> Self {
        let mut world = World::new(1, Pace::default(), 0, true);
        world.real_nodes = true;
        world.seed(EXTERNAL_CIDR);
        let project_id = world.keystone.project_named("demo");
        let roles = vec!["member".to_owned(), "reader".to_owned()];
        let caller = Caller {
            user_id: "u".to_owned(),
            project_id,
            roles,
            ..Caller::default()
        };
        Self { world, caller }
    }

    fn post(&mut self, service: Service, path: &str, body: Value) -> Value {
        let call = Call {
            method: if path.contains("add_router") {
                "PUT"
            } else {
                "POST"
            }
            .to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            query: Vec::new(),
            headers: BTreeMap::new(),
            body,
            caller: self.caller.clone(),
            base: "http://sim".to_owned(),
            request_id: "req-1".to_owned(),
        };
        let reply = service.handle(&mut self.world, &call).unwrap();
        assert!(reply.status < 300, "{path}: {reply:?}");
        reply.body.unwrap_or_default()
    }

    fn id(&mut self, service: Service, path: &str, kind: &str, body: Value) -> String {
        self.post(service, path, json!({kind: body}))[kind]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn wait(&mut self, ms: i64) {
        let now = self.world.now_ms + ms;
        self.world.advance(now);
    }

    /// A network with a subnet, and a server with a port on it. Returns network, port and server.
    fn server(&mut self) -> (String, String, String) {
        let network = self.id(
            Service::Network,
            "v2.0/networks",
            "network",
            json!({"name": "net"}),
        );
        let subnet = json!({"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4});
        self.id(Service::Network, "v2.0/subnets", "subnet", subnet);
        let port = self.id(
            Service::Network,
            "v2.0/ports",
            "port",
            json!({"network_id": network}),
        );
        let image = self.world.glance.images.keys().next().unwrap().clone();
        let server = json!({"name": "node", "imageRef": image, "flavorRef": "2",
            "networks": [{"port": port}], "user_data": STANDARD.encode("#!/bin/sh")});
        let server = self.id(Service::Compute, "v2.1/servers", "server", server);
        (network, port, server)
    }

    fn status(&self, server: &str) -> &'static str {
        self.world.nova.servers[server].status()
    }

    fn report(&mut self, server: &str, state: ServerState) {
        let applied = topology(&self.world);
        take_over(
            &mut self.world,
            &BTreeMap::from([(server.to_owned(), state)]),
            &applied,
        );
    }
}

#[test]
fn a_server_is_a_machine_with_its_port_and_user_data() {
    let mut cloud = Cloud::new();
    let (network, port, server) = cloud.server();
    cloud.wait(10);
    let topology = topology(&cloud.world);
    assert_eq!(
        topology.servers[&server].user_data.as_deref(),
        Some(b"#!/bin/sh".as_slice())
    );
    assert_eq!(
        (&topology.ports[&port].network, &topology.ports[&port].server),
        (&network, &server)
    );
    assert_eq!(topology.ports[&port].fixed_ips[0].1, 24);
    assert!(!topology.networks[&network].external);
}

#[test]
fn a_server_is_active_only_once_its_machine_runs() {
    let mut cloud = Cloud::new();
    let (_, _, server) = cloud.server();
    cloud.wait(10_000);
    assert_eq!(cloud.status(&server), "BUILD");
    cloud.report(&server, ServerState::Building);
    assert_eq!(cloud.status(&server), "BUILD");
    cloud.report(&server, ServerState::Running);
    assert_eq!(cloud.status(&server), "ACTIVE");
    cloud.report(&server, ServerState::Stopped);
    assert_eq!(cloud.status(&server), "SHUTOFF");
    assert!(!topology(&cloud.world).servers[&server].running);
}

#[test]
fn a_machine_that_cannot_start_makes_its_server_fail_with_the_reason() {
    let mut cloud = Cloud::new();
    let (_, _, server) = cloud.server();
    cloud.wait(10);
    cloud.report(&server, ServerState::Failed("no memory".to_owned()));
    assert_eq!(cloud.status(&server), "ERROR");
    assert_eq!(
        cloud.world.nova.servers[&server].fault.as_ref().unwrap().message,
        "no memory"
    );
    assert!(topology(&cloud.world).servers.is_empty());
}

#[test]
fn a_reboot_counts_as_done_only_after_it_was_applied() {
    let mut cloud = Cloud::new();
    let (_, _, server) = cloud.server();
    cloud.wait(10);
    cloud.report(&server, ServerState::Running);
    let before = topology(&cloud.world);
    cloud.post(
        Service::Compute,
        &format!("v2.1/servers/{server}/action"),
        json!({"reboot": {"type": "HARD"}}),
    );
    let states = BTreeMap::from([(server.clone(), ServerState::Running)]);
    take_over(&mut cloud.world, &states, &before);
    assert_eq!(cloud.status(&server), "HARD_REBOOT");
    cloud.report(&server, ServerState::Running);
    assert_eq!(cloud.status(&server), "ACTIVE");
}

#[test]
fn a_server_being_deleted_keeps_its_ports_until_its_machine_is_gone() {
    let mut cloud = Cloud::new();
    let (_, port, server) = cloud.server();
    cloud.wait(10);
    cloud.report(&server, ServerState::Running);
    cloud.world.nova.servers.get_mut(&server).unwrap().task = Some(Task::Deleting);
    let now = cloud.world.now_ms;
    cloud.world.nova.due.insert((now, server.clone()));
    cloud.wait(100);
    assert!(topology(&cloud.world).servers.is_empty());
    assert_eq!(cloud.world.neutron.ports[&port].device_id, server);
    take_over(&mut cloud.world, &BTreeMap::new(), &Topology::default());
    cloud.wait(100);
    assert!(cloud.world.nova.servers.is_empty());
    assert_eq!(cloud.world.neutron.ports[&port].device_id, "");
}

#[test]
fn a_remote_group_is_its_members_and_one_without_members_lets_nobody_in() {
    let mut cloud = Cloud::new();
    let (_, port, _) = cloud.server();
    cloud.wait(10);
    let own = cloud.world.neutron.ports[&port].security_groups[0].clone();
    let empty = cloud.id(
        Service::Network,
        "v2.0/security-groups",
        "security_group",
        json!({"name": "empty"}),
    );
    for (remote, from) in [(&own, 1000), (&empty, 2000)] {
        let rule = json!({"security_group_id": own, "direction": "ingress", "ethertype": "IPv4",
            "protocol": "tcp", "port_range_min": from, "port_range_max": from, "remote_group_id": remote});
        cloud.id(
            Service::Network,
            "v2.0/security-group-rules",
            "security_group_rule",
            rule,
        );
    }
    let topology = topology(&cloud.world);
    let rules = topology.ports[&port].rules.as_ref().unwrap();
    let of = |port: u16| rules.iter().find(|rule| rule.ports == Some((port, port)));
    let address = format!("{}/32", topology.ports[&port].fixed_ips[0].0);
    assert_eq!(of(1000).unwrap().remotes, [address]);
    assert!(of(2000).is_none());
}

#[test]
fn a_router_has_its_legs_and_a_floating_ip_goes_through_it() {
    let mut cloud = Cloud::new();
    let (network, port, _) = cloud.server();
    let external = cloud
        .world
        .neutron
        .networks
        .values()
        .find(|network| network.is_external)
        .unwrap();
    let external = external.common.id.clone();
    let gateway = json!({"external_gateway_info": {"network_id": external}});
    let router = cloud.id(Service::Network, "v2.0/routers", "router", gateway);
    let subnet = cloud
        .world
        .neutron
        .subnets
        .values()
        .find(|subnet| subnet.network_id == network)
        .unwrap();
    let interface = json!({"subnet_id": subnet.common.id});
    cloud.post(
        Service::Network,
        &format!("v2.0/routers/{router}/add_router_interface"),
        interface,
    );
    let floating = json!({"floating_network_id": external, "port_id": port});
    let floating = cloud.id(Service::Network, "v2.0/floatingips", "floatingip", floating);
    let topology = topology(&cloud.world);
    assert_eq!(
        topology.routers[&router].gateway.as_ref().unwrap().network,
        external
    );
    assert_eq!(topology.routers[&router].legs[0].network, network);
    assert_eq!(topology.floating_ips[&floating].router, router);
}
