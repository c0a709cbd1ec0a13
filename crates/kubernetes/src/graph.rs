//! The graph of a Kubernetes cluster's cloud resources.

use std::collections::BTreeSet;

use jeroboam_blueprint::{Footing, GroupOptions, nodes};
use jeroboam_driver::{Ask, Graph, Invalid, Key, Resource, Spec};

use crate::options::{Options, PodRouting, values};
use crate::security;

/// Kind of the volume that etcd's data is on.
pub(crate) const ETCD_VOLUME: &str = "etcd-volume";

/// Kind of a volume that a tenant asks for, by its place in the list.
pub(crate) fn extra_volume(place: usize) -> String {
    format!("extra-volume-{place}")
}

/// Every resource of the wish.
pub(crate) fn graph(ask: &Ask, options: &Options) -> Result<Graph, Invalid> {
    let mut graph = Graph::default();
    let footing = Footing::insert(
        &mut graph,
        ask,
        &options.network,
        security::node_rules(ask, options),
        |_| security::master_rules(ask, options),
    );
    let mut footing = footing.with_allowed_addresses(vec![options.pods.pool.to_string()]);
    let mut api = footing.insert_virtual_ip(&mut graph);
    let nodes = nodes::nodes(&ask.groups);
    let mut routes: BTreeSet<Key> = BTreeSet::new();
    for node in &nodes {
        footing.insert_port(&mut graph, node);
        if options.pod_routing == PodRouting::Nodes {
            routes.extend(footing.insert_pod_route(&mut graph, node, options.nodes_cidr, options.pods));
        }
    }
    let master_ports: BTreeSet<Key> = nodes
        .iter()
        .filter(|node| node.manager)
        .map(|node| node.key("port"))
        .collect();
    let master_floating_ips: Vec<Key> = nodes
        .iter()
        .filter(|node| node.manager && options.network.floating_ips)
        .map(|node| node.key("floating-ip"))
        .collect();
    let (balancer, pool) = footing.insert_load_balancer(
        &mut graph,
        &master_ports,
        options.api_port,
        &security::own_networks(options),
    );
    api.extend(balancer);
    let mut coe_needs: BTreeSet<Key> = api.union(&routes).chain(&pool).cloned().collect();
    for node in &nodes {
        // The API's address stands in every node's user-data.
        let mut needs: BTreeSet<Key> = master_ports.iter().chain(footing.way_out()).cloned().collect();
        needs.extend(api.iter().cloned());
        let floating_ip = node.key("floating-ip");
        if options.network.floating_ips {
            coe_needs.insert(floating_ip.clone());
        }
        let group = GroupOptions::parse(ask, node.group)?;
        let mut volumes = Vec::new();
        if node.manager {
            // They stand in the certificate of the API, which the first master's configuration is for.
            needs.extend(master_floating_ips.iter().cloned());
            if options.etcd_volume_size > 0 {
                let kind = (options.etcd_volume_type.clone(), group.zone_of(node));
                let size = options.etcd_volume_size;
                volumes.push(footing.insert_volume(&mut graph, node, ETCD_VOLUME, size, kind));
            }
        }
        for (place, extra) in values::extra_volumes(ask, node.group)?.into_iter().enumerate() {
            let kind = (extra.volume_type, group.zone_of(node));
            let name = extra_volume(place);
            volumes.push(footing.insert_volume(&mut graph, node, &name, extra.size, kind));
        }
        coe_needs.insert(Footing::insert_member(&mut graph, node));
        footing.insert_server(&mut graph, node, &group, needs, volumes);
    }
    graph.insert(Resource {
        key: Key::new("coe", "kubernetes"),
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
    fn a_master_and_two_workers_with_floating_ips() {
        insta::assert_snapshot!("floating_ips", text(&ask(1, 2)));
    }

    #[test]
    fn three_masters_behind_a_load_balancer_with_etcd_volumes_in_a_given_subnet() {
        let mut ask = ask(3, 1);
        ask.cluster.master_lb_enabled = Some(true);
        ask.cluster.floating_ip_enabled = Some(false);
        ask.cluster
            .labels
            .0
            .extend(Labels::from_iter([("etcd_volume_size", "8"), ("etcd_volume_type", "fast")]).0);
        ask.resolved.fixed_network_id = Some("network-id".into());
        ask.resolved.fixed_subnet_id = Some("subnet-id".into());
        ask.resolved.fixed_subnet_cidr = Some("192.0.2.0/24".into());
        insta::assert_snapshot!("load_balancer", text(&ask));
    }

    #[test]
    fn three_masters_that_lend_each_other_an_address() {
        let mut ask = ask(3, 1);
        ask.cluster.master_lb_enabled = Some(false);
        ask.cluster
            .labels
            .0
            .insert("virtual_ip_enabled".into(), "true".into());
        insta::assert_snapshot!("virtual_ip", text(&ask));
    }

    /// What a resource is found by: its kind of object in the cloud and its name there.
    fn found_by(ask: &Ask, resource: &Resource) -> (std::mem::Discriminant<Spec>, String) {
        (
            std::mem::discriminant(&resource.spec),
            ask.cloud_name(&resource.key),
        )
    }

    #[test]
    fn a_node_has_its_volumes_in_its_zone_and_none_is_taken_for_another() {
        let mut ask = ask(3, 2);
        ask.cluster.docker_volume_size = Some(10);
        ask.cluster.labels.0.extend(
            Labels::from_iter([
                ("etcd_volume_size", "8"),
                ("extra_volumes", "/var/lib/data:100:fast, /srv:5"),
                ("availability_zone", "a,b"),
            ])
            .0,
        );
        let graph = graph(&ask, &Options::parse(&ask).unwrap()).unwrap();
        let of = |kind: &str| match &graph.find(&Key::new(kind, "master-1")).unwrap().spec {
            Spec::Volume {
                size,
                volume_type,
                availability_zone,
            } => (
                *size,
                volume_type.clone().unwrap_or_default(),
                availability_zone.clone().unwrap(),
            ),
            other => panic!("{other:?}"),
        };
        assert_eq!(of("extra-volume-0"), (100, "fast".into(), "b".into()));
        assert_eq!(of("extra-volume-1"), (5, String::new(), "b".into()));
        assert_eq!(
            (of("volume").2, of(ETCD_VOLUME).2),
            ("b".to_owned(), "b".to_owned())
        );
        let Spec::Server(server) = &graph.find(&Key::new("server", "master-1")).unwrap().spec else {
            panic!("no server");
        };
        assert_eq!(
            (server.volumes.len(), server.availability_zone.as_deref()),
            (4, Some("b"))
        );
        let mut seen = std::collections::HashSet::new();
        for resource in graph.iter() {
            assert!(
                seen.insert(found_by(&ask, resource)),
                "{} is found as another",
                resource.key
            );
        }
    }

    #[test]
    fn a_node_group_has_as_many_server_groups_as_their_members_limit_asks_for() {
        let mut ask = ask(1, 7);
        ask.resolved.server_group_members = Some(3);
        // Numbers of nodes that went are not used again at once.
        ask.groups[1].nodes = vec![1, 2, 3, 4, 5, 9, 10];
        let graph = graph(&ask, &Options::parse(&ask).unwrap()).unwrap();
        let of = |name: &str| match &graph.find(&Key::new("server", name)).unwrap().spec {
            Spec::Server(server) => match server.server_group.clone().unwrap() {
                jeroboam_driver::Ref::Made(key) => key.name().to_owned(),
                jeroboam_driver::Ref::Given(id) => id,
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(of("master-0"), "masters");
        let expected = [
            "workers",
            "workers",
            "workers.1",
            "workers.1",
            "workers.1",
            "workers.3",
            "workers.3",
        ];
        for (number, group) in ask.groups[1].nodes.iter().zip(expected) {
            assert_eq!(of(&format!("worker-{number}")), group);
        }
        let groups = graph
            .iter()
            .filter(|resource| resource.key.kind() == "server-group");
        assert_eq!(groups.count(), 4);
    }

    #[test]
    fn who_may_reach_the_api_is_told_to_the_load_balancer_and_the_masters() {
        let mut ask = ask(3, 0);
        ask.resolved.defaults.source_cidrs = vec!["198.51.100.0/28".into()];
        let label = |ask: &mut Ask, name: &str, value: &str| {
            ask.cluster.labels.0.insert(name.into(), value.into());
        };
        label(&mut ask, "master_lb_allowed_cidrs", "203.0.113.0/24");
        let of = |ask: &Ask, key: &str| {
            let graph = graph(ask, &Options::parse(ask).unwrap()).unwrap();
            serde_json::to_value(&graph.find(&Key::stored(key)).unwrap().spec).unwrap()
        };
        let expected = [
            "203.0.113.0/24",
            "198.51.100.0/28",
            "10.0.0.0/24",
            "10.100.0.0/16",
        ];
        let balancing = of(&ask, "load-balancer:api")["balancing"].clone();
        assert_eq!(balancing["allowed_cidrs"], serde_json::json!(expected));
        assert_eq!(balancing["allowed_router"]["Made"], "router:main");
        let rules = of(&ask, "security-group:masters")["rules"].clone();
        let from: Vec<_> = rules
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["from"].clone())
            .collect();
        let cidrs: Vec<_> = from.iter().filter_map(|from| from["Cidr"].as_str()).collect();
        assert_eq!(
            (cidrs.as_slice(), from.len()),
            (expected.as_slice(), expected.len() + 1)
        );
        label(&mut ask, "octavia_provider", "ovn");
        let balancing = of(&ask, "load-balancer:api")["balancing"].clone();
        assert_eq!(balancing["allowed_cidrs"], serde_json::json!([]));
        assert_eq!(balancing["algorithm"], "SOURCE_IP_PORT");
        assert_eq!(of(&ask, "security-group:masters")["rules"], rules);
    }

    #[test]
    fn the_operators_type_of_etcds_volumes_holds_without_a_label() {
        let mut ask = ask(1, 0);
        let volumes = |ask: &Ask| text(ask).matches("\"slow\"").count();
        ask.cluster.labels.0.insert("etcd_volume_size".into(), "8".into());
        assert_eq!(volumes(&ask), 0);
        ask.resolved.defaults.etcd_volume_type = "slow".into();
        assert_eq!(volumes(&ask), 1);
        ask.cluster
            .labels
            .0
            .insert("etcd_volume_type".into(), "fast".into());
        assert_eq!(volumes(&ask), 0);
    }

    #[test]
    fn everything_that_is_needed_is_in_the_graph_and_nothing_needs_itself() {
        for (masters, workers, balanced) in [(1, 0, false), (1, 2, true), (5, 9, true)] {
            let mut ask = ask(masters, workers);
            ask.cluster.master_lb_enabled = Some(balanced);
            let graph = graph(&ask, &Options::parse(&ask).unwrap()).unwrap();
            let mut done: BTreeSet<Key> = BTreeSet::new();
            while done.len() < graph.len() {
                let ready: Vec<Key> = graph
                    .iter()
                    .filter(|resource| !done.contains(&resource.key) && resource.needs.is_subset(&done))
                    .map(|resource| resource.key.clone())
                    .collect();
                assert!(!ready.is_empty(), "a circle or a gap after {done:?}");
                done.extend(ready);
            }
        }
    }
}
