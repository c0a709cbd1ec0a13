pub(crate) use jeroboam_blueprint::testkit::ask;
use jeroboam_types::Labels;
use serde_json::json;

use super::*;

fn with(path: &str, value: serde_json::Value) -> Ask {
    jeroboam_blueprint::testkit::with(&ask(1, 2), path, value)
}

#[test]
fn a_wrong_value_is_refused_with_the_name_of_its_field() {
    let cases = [
        ("/groups/0/node_count", json!(2), "master_count"),
        ("/groups/0/node_count", json!(0), "master_count"),
        ("/groups/1/node_count", json!(-1), "node_count"),
        ("/groups/1/node_count", json!(250), "labels.fixed_subnet_cidr"),
        ("/template/tls_disabled", json!(true), "tls_disabled"),
        ("/template/registry_enabled", json!(true), "registry_enabled"),
        ("/template/network_driver", json!("flannel"), "network_driver"),
        ("/template/volume_driver", json!("rexray"), "volume_driver"),
        (
            "/template/docker_storage_driver",
            json!("zfs"),
            "docker_storage_driver",
        ),
        (
            "/template/docker_storage_driver",
            json!("devicemapper"),
            "docker_volume_size",
        ),
        ("/cluster/docker_volume_size", json!(-1), "docker_volume_size"),
        ("/template/dns_nameserver", json!("9.9.9.9,::1"), "dns_nameserver"),
        ("/template/apiserver_port", json!(2377), "apiserver_port"),
        ("/template/http_proxy", json!("proxy:3128\nX"), "http_proxy"),
        ("/template/https_proxy", json!("ftp://proxy"), "https_proxy"),
        ("/template/https_proxy", json!("http://"), "https_proxy"),
        ("/template/https_proxy", json!("proxy:port"), "https_proxy"),
        ("/template/https_proxy", json!("my proxy"), "https_proxy"),
        ("/template/no_proxy", json!("a b"), "no_proxy"),
        (
            "/template/insecure_registry",
            json!("http://registry:5000"),
            "insecure_registry",
        ),
        (
            "/template/insecure_registry",
            json!("registry:0"),
            "insecure_registry",
        ),
        (
            "/cluster/labels/boot_volume_size",
            json!("-1"),
            "labels.boot_volume_size",
        ),
        (
            "/groups/1/labels/boot_volume_size",
            json!("ten"),
            "labels.boot_volume_size",
        ),
        (
            "/cluster/labels/availability_zone",
            json!("a\nb"),
            "labels.availability_zone",
        ),
        (
            "/cluster/labels/fixed_subnet_cidr",
            json!("10.0.0.0/29"),
            "labels.fixed_subnet_cidr",
        ),
        (
            "/cluster/labels/fixed_subnet_cidr",
            json!("224.0.0.0/24"),
            "labels.fixed_subnet_cidr",
        ),
        (
            "/cluster/labels/worker_open_ports",
            json!("80,90-80"),
            "labels.worker_open_ports",
        ),
        (
            "/cluster/labels/worker_open_ports",
            json!("0"),
            "labels.worker_open_ports",
        ),
        (
            "/resolved/external_network_id",
            json!(null),
            "external_network_id",
        ),
        ("/resolved/fixed_subnet_id", json!("s"), "fixed_network"),
        ("/cluster/flavor_id", json!(null), "flavor_id"),
        ("/cluster/master_flavor_id", json!(""), "master_flavor_id"),
    ];
    for (path, value, field) in cases {
        let wrong = Options::parse(&with(path, value.clone())).expect_err(path);
        assert_eq!(wrong.field, field, "{path} = {value}: {}", wrong.reason);
    }
    let mut ask = with("/cluster/labels/master_lb_floating_ip_enabled", json!("maybe"));
    ask.cluster.master_lb_enabled = Some(true);
    assert_eq!(
        Options::parse(&ask).unwrap_err().field,
        "labels.master_lb_floating_ip_enabled"
    );
}

#[test]
fn right_values_are_read_and_unknown_labels_ignored() {
    let mut ask = ask(3, 4);
    ask.template.insecure_registry = Some("registry.example.com:5000, 10.1.0.0/16,10.2.0.9".into());
    ask.template.http_proxy = Some("http://user:secret@proxy:3128".into());
    ask.template.docker_storage_driver = Some("devicemapper".into());
    ask.cluster.docker_volume_size = Some(3);
    ask.cluster.labels = Labels::from_iter([
        ("worker_open_ports", "80, 8080-8090"),
        ("fixed_subnet_cidr", "10.9.0.0/28"),
        ("swarm_strategy", "spread"),
        ("availability_zone", "a"),
    ]);
    ask.groups[1].labels = Labels::from_iter([("availability_zone", "b"), ("boot_volume_size", "20")]);
    ask.groups[1].image_id = Some("other-image".into());
    ask.groups[0].image_id = Some("debian-12".into());
    let options = Options::parse(&ask).unwrap();
    assert_eq!(options.open_ports, [(80, 80), (8080, 8090)]);
    assert_eq!(options.network.dns, ["9.9.9.9", "1.1.1.1"]);
    assert_eq!(options.insecure_registries.len(), 3);
    let of = |index: usize| group_options(&ask, &ask.groups[index], options.storage_driver).unwrap();
    assert_eq!(
        (of(0).availability_zones, of(1).availability_zones),
        (vec!["a".to_owned()], vec!["b".to_owned()])
    );
    assert_eq!(
        (of(0).image_id.as_str(), of(1).image_id.as_str()),
        ("image-id", "other-image")
    );
    assert_eq!((of(0).boot_volume_size, of(1).boot_volume_size), (0, 20));
    assert_eq!(
        (of(0).flavor_id.as_str(), of(0).docker_volume_size),
        ("flavor-id", 3)
    );
}

#[test]
fn a_given_subnet_must_have_room_for_the_nodes() {
    let mut ask = ask(1, 13);
    ask.resolved.fixed_network_id = Some("net".into());
    ask.resolved.fixed_subnet_id = Some("subnet".into());
    ask.resolved.fixed_subnet_cidr = Some("192.0.2.16/28".into());
    Options::parse(&ask).unwrap();
    ask.cluster.master_lb_enabled = Some(true);
    let wrong = Options::parse(&ask).unwrap_err();
    assert_eq!(wrong.field, "fixed_subnet");
    assert_eq!(
        wrong.reason,
        "192.0.2.16/28 has 14 addresses, and the nodes and the API need 15"
    );
}

#[test]
fn no_number_of_nodes_takes_all_memory() {
    let mut ask = ask(1, 9_999);
    ask.resolved.fixed_network_id = Some("net".into());
    Options::parse(&ask).unwrap();
    for count in [10_000, i32::MAX] {
        for group in [0, 1] {
            let mut poisoned = ask.clone();
            poisoned.groups[1].node_count = i32::MAX;
            poisoned.groups[group].node_count = count;
            let driver = crate::SwarmDriver;
            use jeroboam_driver::Driver as _;
            assert_eq!(driver.validate(&poisoned).unwrap_err().field, "node_count");
            assert!(driver.graph(&poisoned).is_err());
        }
    }
}
