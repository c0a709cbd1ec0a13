//! Tests of volumes and the pod network.

use super::Machine;

#[test]
fn every_volume_is_mounted_at_its_directory() {
    let machine = Machine::new(&[("EXTRA_VOLUMES", "/dev/full:/srv/one /dev/full:/srv/two")]);
    machine.program("mountpoint", ":");
    assert!(machine.run("prepare.sh").status.success());
    assert_eq!(
        machine.calls("mountpoint"),
        ["mountpoint -q /srv/one", "mountpoint -q /srv/two"]
    );
}

#[test]
fn every_node_knows_the_way_to_the_pods_of_every_address() {
    let machine = Machine::new(&[]);
    for _ in 0..2 {
        let output = machine.run("prepare.sh");
        assert!(output.status.success(), "{output:?}");
    }
    let calls = machine.read("calls");
    assert!(
        calls.contains("route replace 10.100.14.0/24 via 10.0.0.14 dev ens3 onlink"),
        "{calls}"
    );
    assert!(
        !calls.contains("10.100.15.0/24") && !calls.contains("via 10.0.0.5 "),
        "{calls}"
    );
    let network: serde_json::Value =
        serde_json::from_str(&machine.read("root/etc/cni/net.d/10-jeroboam.conflist")).unwrap();
    let bridge = &network["plugins"][0];
    assert_eq!(bridge["mtu"], 1442);
    assert_eq!(bridge["ipam"]["ranges"][0][0]["subnet"], "10.100.5.0/24");
    assert_eq!(machine.read("root/proc/sys/net/ipv4/ip_forward"), "1\n");
    // Pods cannot read the node's keys.
    let rules = machine.calls("iptables");
    let refuse = "iptables -w -A JEROBOAM-PODS -d 169.254.169.254 -j DROP";
    let accept = "iptables -w -A JEROBOAM-PODS -j ACCEPT";
    let place = |rule: &str| rules.iter().position(|call| call == rule).unwrap();
    assert!(place(refuse) < place(accept), "{rules:?}");
}

#[test]
fn an_add_on_that_brings_the_pod_network_finds_the_node_without_one() {
    let machine = Machine::new(&[("POD_NETWORK", "add-on")]);
    let output = machine.run("prepare.sh");
    assert!(output.status.success(), "{output:?}");
    assert!(!machine.path("root/etc/cni/net.d").exists());
    let calls = machine.read("calls");
    assert!(
        !calls.contains("route replace") && !calls.contains("MASQUERADE"),
        "{calls}"
    );
    let refuse = "iptables -w -t raw -I PREROUTING -s 10.100.0.0/16 -d 169.254.169.254 -j DROP";
    assert!(machine.calls("iptables").contains(&refuse.to_owned()), "{calls}");
}

#[test]
fn nothing_starts_before_the_network_is_there() {
    let machine = Machine::new(&[]);
    machine.program("ip", ":");
    let output = machine.run("prepare.sh");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("no interface has 10.0.0.5 yet"), "{said}");
}
