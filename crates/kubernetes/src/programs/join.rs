//! Tests of how a machine becomes a node.

use super::Machine;

#[test]
fn the_first_master_starts_the_cluster_with_the_services_authorities() {
    let machine = Machine::new(&[("INIT_ARGUMENTS", "--skip-phases=addon/coredns")]);
    let output = machine.run("join.sh");
    assert!(output.status.success(), "{output:?}");
    let calls = machine.calls("kubeadm");
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(
        calls[1],
        "kubeadm init --config /etc/jeroboam/init.yaml --ignore-preflight-errors=ImagePull --skip-phases=addon/coredns"
    );
    assert_eq!(machine.read("root/etc/kubernetes/pki/ca.key"), "key");
    assert_eq!(machine.read("root/etc/kubernetes/pki/ca.crt"), "certificate");
    assert!(machine.path("root/var/lib/jeroboam/member").exists());
}

#[test]
fn a_first_master_that_is_made_again_joins_the_cluster_that_lives() {
    let machine = Machine::new(&[("OTHER_MASTERS", "10.0.0.6:6443 10.0.0.7:6443")]);
    machine.program("curl", "case $* in *10.0.0.7*) exit 0 ;; *) exit 7 ;; esac");
    assert!(machine.run("join.sh").status.success());
    let calls = machine.calls("kubeadm");
    assert!(calls.last().unwrap().starts_with("kubeadm join "), "{calls:?}");
    assert!(
        !calls.iter().any(|call| call.contains(" init --config")),
        "{calls:?}"
    );
}

#[test]
fn a_master_that_is_made_again_has_its_old_self_removed_from_etcd_first() {
    let machine = Machine::new(&[
        ("ROLE", "master"),
        ("OTHER_MASTERS", "10.0.0.6:6443 10.0.0.7:6443"),
    ]);
    let member = |id: &str, address: &str| {
        format!(
            r#"{{"ID":"{id}","name":"demo","peerURLs":["https://{address}:2380"],"clientURLs":["https://{address}:2379"]}}"#
        )
    };
    let members = [
        ("7", "10.0.0.50"),
        ("1234567890123456789", "10.0.0.5"),
        ("9", "10.0.0.7"),
    ]
    .map(|(id, address)| member(id, address));
    let header = r#"{"cluster_id":"3","member_id":"4"}"#;
    let list = format!(r#"{{"header":{header},"members":[{}]}}"#, members.join(","));
    // The first of the others is down.
    let answer = format!("case $* in *10.0.0.6*) exit 7 ;; *member/list) echo '{list}' ;; esac");
    machine.program("curl", &answer);
    assert!(machine.run("join.sh").status.success());
    let asked = machine.calls("curl");
    assert!(
        asked[2]
            .ends_with(r#"-d {"ID":"1234567890123456789"} https://10.0.0.7:2379/v3/cluster/member/remove"#),
        "{asked:?}"
    );
    assert_eq!(asked.iter().filter(|call| call.contains("/member/")).count(), 3);
    let all = machine.read("calls");
    assert!(all.find("member/remove").unwrap() < all.find("kubeadm join").unwrap());
}

/// kubeadm's calls on a master of 1.31.2 that joins masters of a version, with kube-proxy of another.
fn joining(others: &str, proxy: &str, settings: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![
        ("ROLE", "master"),
        ("OTHER_MASTERS", "10.0.0.6:6443 10.0.0.7:6443"),
    ];
    all.extend(settings);
    let machine = Machine::new(&all);
    let answer = format!(
        r#"case $* in
        *10.0.0.6*) exit 7 ;;
        */version) echo '{{"major": "1", "gitVersion": "{others}"}}' ;;
        */daemonsets/kube-proxy) printf '"image": "registry/kube-proxy:%s",\n"imagePullPolicy": "Always"\n' {proxy} ;;
        esac"#
    );
    machine.program("curl", &answer);
    assert!(machine.run("join.sh").status.success());
    let calls = machine.calls("kubeadm");
    calls
        .iter()
        .map(|call| {
            call.replace(" --config /etc/jeroboam/init.yaml", "")
                .replace("kubeadm ", "")
        })
        .collect()
}

#[test]
fn the_first_master_of_a_newer_version_describes_the_cluster_before_it_joins() {
    let calls = joining("v1.30.9", "v1.30.9", &[]);
    let expected = [
        "version -o short",
        "init phase certs etcd-healthcheck-client --kubernetes-version v1.31.2",
        "init phase certs apiserver",
        "init phase kubeconfig admin",
        "init phase kubeconfig super-admin",
        "init phase upload-config kubeadm",
        "init phase upload-config kubelet",
        "join --config /etc/jeroboam/join.yaml --ignore-preflight-errors=ImagePull",
    ];
    assert_eq!(calls, expected, "kube-proxy must not be newer than the API");
}

#[test]
fn the_last_master_of_a_newer_version_updates_what_kubeadm_installs() {
    let calls = joining("v1.31.2", "v1.30.9", &[]);
    let position = |what: &str| calls.iter().position(|call| call.starts_with(what));
    assert_eq!(position("init phase upload-config kubelet"), None);
    assert!(
        position("join") < position("init phase addon kube-proxy"),
        "{calls:?}"
    );
    assert_eq!(calls.last().map(String::as_str), Some("init phase addon coredns"));
    let without_dns = joining(
        "v1.31.2",
        "v1.30.9",
        &[("INIT_ARGUMENTS", "--skip-phases=addon/coredns")],
    );
    assert_eq!(
        without_dns.last().map(String::as_str),
        Some("init phase addon kube-proxy")
    );
    // One more master of the same version writes who the masters are now, and changes nothing else.
    let same = joining("v1.31.2-vendor.1", "v1.31.2", &[]);
    let position = |what: &str| same.iter().position(|call| call.starts_with(what));
    assert!(
        position("init phase certs apiserver") < position("init phase upload-config kubeadm"),
        "{same:?}"
    );
    assert_eq!(position("init phase upload-config kubelet"), None);
    assert_eq!(position("join"), Some(same.len() - 1), "{same:?}");
}

/// A machine that joins in a stage of a rotation: kubeadm writes what it knows the API by, with one authority.
fn rotated(settings: &[(&str, &str)], authorities: usize) -> Machine {
    let machine = Machine::new(settings);
    machine.write(
        "root/etc/jeroboam/ca.crt",
        &"-----BEGIN CERTIFICATE-----\nx\n".repeat(authorities),
    );
    let root = machine.path("root").display().to_string();
    let write = format!(
        "mkdir -p {root}/etc/kubernetes; ! grep -q LS0t {root}/etc/kubernetes/admin.conf || exit 1; for name in admin controller-manager scheduler; do \
         echo '    certificate-authority-data: b25l' >{root}/etc/kubernetes/$name.conf; done"
    );
    machine.program(
        "kubeadm",
        &format!(
            "case \"$1 $3 $4\" in version*) echo v1.31.2 ;; 'join control-plane-prepare '*) {write} ;; \
             'init kubeconfig '*) echo '    certificate-authority-data: b25l' >{root}/etc/kubernetes/$4.conf ;; \
             'init upload-config '*) grep -h data {root}/etc/kubernetes/*admin.conf >>\"$CALLS.described\" ;; esac"
        ),
    );
    machine
}

#[test]
fn what_a_master_knows_the_api_by_has_both_authorities_of_a_rotation() {
    let machine = rotated(&[("ROLE", "master")], 2);
    let output = machine.run("join.sh");
    assert!(output.status.success(), "{output:?}");
    let calls = machine.calls("kubeadm");
    assert!(
        calls[1].starts_with("kubeadm join phase control-plane-prepare kubeconfig "),
        "{calls:?}"
    );
    assert!(
        calls[2].ends_with(" --skip-phases=control-plane-prepare/kubeconfig"),
        "{calls:?}"
    );
    let both = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCngKLS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCngK";
    for name in ["admin", "controller-manager", "scheduler"] {
        assert_eq!(
            machine.read(&format!("root/etc/kubernetes/{name}.conf")),
            format!("    certificate-authority-data: {both}\n")
        );
    }
    // The masters that it describes the cluster to may still be known by the other one.
    let machine = rotated(&[("ROLE", "master"), ("OTHER_MASTERS", "10.0.0.6:6443")], 2);
    machine.program("curl", ":");
    machine.write("root/etc/kubernetes/scheduler.conf", "");
    assert!(machine.run("join.sh").status.success());
    let known = format!("    certificate-authority-data: {both}\n");
    assert_eq!(machine.read("calls.described"), known.repeat(2));
    for (role, authorities) in [("master", 1), ("worker", 2)] {
        let machine = rotated(&[("ROLE", role)], authorities);
        assert!(machine.run("join.sh").status.success());
        let calls = machine.calls("kubeadm");
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert!(!calls[1].contains("--skip-phases"), "{calls:?}");
    }
}

#[test]
fn a_kubelet_takes_the_identity_that_its_master_brought() {
    let machine = rotated(&[("ROLE", "master")], 2);
    machine.write("root/etc/jeroboam/kubelet.kubeconfig", "of the service");
    machine.write("root/etc/kubernetes/kubelet.conf", "of the cluster");
    machine.write(
        "root/var/lib/kubelet/pki/kubelet-client-current.pem",
        "of the cluster",
    );
    assert!(machine.run("join.sh").status.success());
    assert_eq!(machine.read("root/etc/kubernetes/kubelet.conf"), "of the service");
    assert!(
        !machine
            .path("root/var/lib/kubelet/pki/kubelet-client-current.pem")
            .exists()
    );
    assert_eq!(machine.calls("systemctl"), ["systemctl restart kubelet.service"]);
    assert!(machine.path("root/var/lib/jeroboam/member").exists());
}

#[test]
fn a_node_tries_until_it_is_one_and_says_why_it_is_not() {
    let machine = Machine::new(&[("ROLE", "worker")]);
    machine.program(
        "kubeadm",
        "case $1 in version) echo v1.31.2 ;; join) [ -e \"$CALLS.second\" ] || { touch \"$CALLS.second\"; \
         echo 'error: the API is not there'; exit 1; } ;; esac",
    );
    let output = machine.run("join.sh");
    assert!(output.status.success(), "{output:?}");
    let verbs: Vec<String> = machine
        .calls("kubeadm")
        .iter()
        .filter_map(|call| call.split(' ').nth(1).map(str::to_owned))
        .collect();
    assert_eq!(verbs, ["version", "join", "reset", "join"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("not a node yet: error: the API is not there"),
        "{said}"
    );
    assert!(said.contains("demo-0 is a node of the cluster"), "{said}");
}

#[test]
fn a_later_master_waits_for_the_one_before() {
    let machine = Machine::new(&[("ROLE", "master"), ("PREVIOUS_MASTER", "10.0.0.4:6443")]);
    machine.program("curl", "[ -e \"$CALLS.up\" ] || { touch \"$CALLS.up\"; exit 7; }");
    assert!(machine.run("join.sh").status.success());
    assert_eq!(machine.calls("curl").len(), 2);
    assert!(machine.calls("curl")[0].ends_with("https://10.0.0.4:6443/readyz"));
    assert!(machine.calls("kubeadm")[1].starts_with("kubeadm join "));
}

/// A master whose kubelet refuses a pod while kubeadm works, which ends when it has been started anew or looked at again
/// and again.
fn refused(pod: &str) -> Machine {
    let machine = Machine::new(&[]);
    machine.program(
        "journalctl",
        &format!("! grep -q '^kubeadm init' \"$CALLS\" || echo 'W1123 predicate.go:113] Failed to admit pod {pod}_kube-system(4d2a)'"),
    );
    machine.program(
        "kubeadm",
        "case $1 in
        version) echo v1.31.2 ;;
        init) looks() { grep -c '^journalctl' \"$CALLS\"; }
              before=$(looks)
              until [ $(looks) -gt $((before + 3)) ]; do /bin/sleep 0.01; done ;;
        esac",
    );
    machine
}

#[test]
fn a_kubelet_that_refuses_a_pod_of_the_control_plane_is_started_again_once() {
    let machine = refused("etcd-demo-0");
    assert!(machine.run("join.sh").status.success());
    assert_eq!(machine.calls("systemctl"), ["systemctl restart kubelet.service"]);
    let machine = refused("web-demo-0");
    assert!(machine.run("join.sh").status.success());
    assert!(machine.calls("systemctl").is_empty());
}
