//! The graph of a swarm's cloud resources.

use std::collections::BTreeSet;

use jeroboam_blueprint::{Footing, nodes};
use jeroboam_driver::{Ask, Graph, Invalid, Key, Resource, Spec};

use crate::options::{Options, group_options};
use crate::security;

/// Every resource of the wish.
pub(crate) fn graph(ask: &Ask, options: &Options) -> Result<Graph, Invalid> {
    let mut graph = Graph::default();
    let footing = Footing::insert(
        &mut graph,
        ask,
        &options.network,
        security::node_rules(options),
        |nodes| security::manager_rules(ask, options, nodes),
    );
    let nodes = nodes::nodes(&ask.groups);
    for node in &nodes {
        footing.insert_port(&mut graph, node);
    }
    let manager_ports: BTreeSet<Key> = nodes
        .iter()
        .filter(|node| node.manager)
        .map(|node| node.key("port"))
        .collect();
    let (api, pool) = footing.insert_load_balancer(
        &mut graph,
        &manager_ports,
        options.api_port,
        &security::own_networks(ask, options),
    );
    let coe = Key::new("coe", "swarm");
    let mut coe_needs: BTreeSet<Key> = api.iter().chain(&pool).cloned().collect();
    for node in &nodes {
        let mut needs: BTreeSet<Key> = manager_ports.iter().chain(footing.way_out()).cloned().collect();
        let floating_ip = node.key("floating-ip");
        if options.network.floating_ips {
            coe_needs.insert(floating_ip.clone());
        }
        if node.manager {
            needs.extend(api.iter().cloned());
            needs.extend(options.network.floating_ips.then_some(floating_ip));
        }
        coe_needs.insert(Footing::insert_member(&mut graph, node));
        let group = group_options(ask, node.group, options.storage_driver)?;
        footing.insert_server(&mut graph, node, &group, needs, Vec::new());
    }
    graph.insert(Resource {
        key: coe,
        needs: coe_needs,
        group: None,
        spec: Spec::Coe,
    });
    Ok(graph)
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
