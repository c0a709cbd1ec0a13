//! Tests of how a node gets its secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Machine;

/// Secrets by the token of the user-data, as the service answers and is asked.
fn fetching(answer: &str) -> Machine {
    let machine = Machine::new(&[("ROLE", "worker")]);
    machine.write("root/etc/jeroboam/bootstrap.token", "the token");
    machine.write("root/etc/jeroboam/bootstrap.url", "https://192.0.2.10:9513");
    machine.install("fetch.sh");
    machine.write("answer", answer);
    // `-X METHOD -o FILE` are its fourth to seventh words; the configuration comes on its standard input.
    machine.program(
        "curl",
        "cat >>\"$CALLS.shown\"\ncase $5 in POST) cat \"${CALLS%/*}/answer\" >\"$7\"; printf 200 ;; *) printf 204 ;; esac",
    );
    machine
}

#[test]
fn a_node_fetches_its_secrets_once_and_says_so() {
    // `one` and `two` in base64.
    let machine = fetching("/etc/jeroboam/join.kubeconfig b25l\n/etc/jeroboam/pki/etcd/ca.key dHdv\nend\n");
    for _ in 0..2 {
        assert!(machine.run("join.sh").status.success());
    }
    assert_eq!(machine.read("root/etc/jeroboam/join.kubeconfig"), "one");
    assert_eq!(machine.read("root/etc/jeroboam/pki/etcd/ca.key"), "two");
    let mode = fs::metadata(machine.path("root/etc/jeroboam/pki/etcd/ca.key"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let calls = machine.calls("curl");
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[1].contains("-X DELETE"), "{calls:?}");
    let shown = machine.read("calls.shown");
    assert!(shown.contains("Authorization: Bearer the token"), "{shown}");
    assert!(!calls.concat().contains("the token"), "processes can be listed");
    assert!(!machine.path("root/etc/jeroboam/bootstrap.token").exists());
}

#[test]
fn half_of_the_secrets_is_none_and_the_cause_is_said() {
    let machine = fetching("/etc/jeroboam/join.kubeconfig b25l\n");
    machine.program(
        "sleep",
        "printf '/etc/jeroboam/join.kubeconfig dHdv\\nend\\n' >\"${CALLS%/*}/answer\"",
    );
    let output = machine.run("join.sh");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(machine.read("root/etc/jeroboam/join.kubeconfig"), "two");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("no keys yet: the service answers 200"), "{said}");
    assert!(said.contains("this node has its keys"), "{said}");
}
