//! Tests of what runs on nodes: the real scripts, among programs that note how they are called.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

mod address;

/// A machine: a root directory, and a directory of programs.
struct Machine {
    directory: TempDir,
}

impl Machine {
    /// With settings over those of a first master that is alone.
    fn new(settings: &[(&str, &str)]) -> Self {
        let machine = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let mut text = String::new();
        for (name, value) in [
            ("ROLE", "first"),
            ("VERSION", "v1.31.2"),
            ("HOST_NAME", "demo-0"),
            ("NODE_ADDRESS", "10.0.0.5"),
            ("NODES", "10.0.0.0/28"),
            ("PODS", "10.100.0.0/16"),
            ("POD_PREFIX_LEN", "24"),
            ("POD_RANGE", "10.100.5.0/24"),
            ("OTHER_MASTERS", ""),
            ("OWN_API", "10.0.0.5:6443"),
            ("PREVIOUS_MASTER", ""),
            ("POD_NETWORK", "routed"),
            ("INIT_ARGUMENTS", ""),
            ("CONTAINERD_VOLUME", ""),
            ("ETCD_VOLUME", ""),
            ("EXTRA_VOLUMES", ""),
            ("IMAGES", ""),
            ("API_ADDRESS", "10.0.0.9"),
        ]
        .iter()
        .chain(settings)
        {
            text.push_str(&format!("{name}='{value}'\n"));
        }
        machine.write("root/etc/jeroboam/node.env", &text);
        machine.write("root/etc/jeroboam/pki/ca.key", "key");
        machine.write("root/etc/jeroboam/ca.crt", "certificate");
        machine.write("root/sys/class/net/ens3/mtu", "1442\n");
        for file in ["ipv4/ip_forward", "bridge/bridge-nf-call-iptables"] {
            machine.write(&format!("root/proc/sys/net/{file}"), "0");
        }
        machine.write("root/var/log/x", "");
        machine.program("kubeadm", "[ \"$1\" != version ] || echo v1.31.2");
        machine.program("curl", "exit 7");
        machine.program("iptables", "case $* in *-C*) exit 1 ;; esac");
        machine.program(
            "ip",
            "case $* in -batch*) cat >>\"$CALLS\" ;; *) echo '2: ens3    inet 10.0.0.5/28' ;; esac",
        );
        for name in ["kubelet", "systemctl", "modprobe", "sleep"] {
            machine.program(name, ":");
        }
        machine.install("images.sh");
        machine.install("talk.sh");
        machine
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// One of our programs, where others find it.
    fn install(&self, script: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/node")
            .join(script);
        self.write(
            &format!("root/opt/jeroboam/{script}"),
            &fs::read_to_string(path).unwrap(),
        );
    }

    /// A program that notes its arguments and then does something.
    fn program(&self, name: &str, what: &str) {
        let path = format!("bin/{name}");
        self.write(
            &path,
            &format!("#!/bin/sh\necho \"{name} $*\" >>\"$CALLS\"\n{what}\n"),
        );
        fs::set_permissions(self.path(&path), Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, script: &str) -> Output {
        self.command(script).output().unwrap()
    }

    fn command(&self, script: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/node")
            .join(script);
        let search = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new("/bin/sh");
        command.arg(script).arg(self.path("root"));
        command.env("PATH", search).env("CALLS", self.path("calls"));
        command
    }

    /// Calls of a program, in order.
    fn calls(&self, program: &str) -> Vec<String> {
        let all = self.read("calls");
        all.lines()
            .filter(|line| line.split(' ').next() == Some(program))
            .map(str::to_owned)
            .collect()
    }
}

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

#[test]
fn sandboxes_are_made_of_an_image_that_can_be_had() {
    let config = "[plugins.'io.containerd.cri.v1.images'.pinned_images]\n      sandbox = 'registry.k8s.io/pause:3.10'\n";
    let old = "[plugins]\n    sandbox_image = \"registry.k8s.io/pause:3.6\"\n    other = \"a\"\n";
    for (config, wanted) in [
        (
            config,
            "      sandbox = \"registry.example.com/kube/pause:3.10\"\n",
        ),
        (
            old,
            "    sandbox_image = \"registry.example.com/kube/pause:3.6\"\n",
        ),
    ] {
        for (is_there, images) in [
            (false, "registry.example.com/kube"),
            (true, "registry.example.com/kube"),
            (false, ""),
        ] {
            let machine = Machine::new(&[("IMAGES", images)]);
            machine.write("root/etc/containerd/config.toml", config);
            let crictl = "case $3 in inspecti) exit 1 ;; esac";
            machine.program("crictl", if is_there { ":" } else { crictl });
            for _ in 0..2 {
                assert!(machine.run("images.sh").status.success());
            }
            let changed = machine.read("root/etc/containerd/config.toml");
            let is_changed = !is_there && !images.is_empty();
            assert_eq!(changed.contains(wanted), is_changed, "{changed}");
            assert_eq!(changed == config, !is_changed);
            // Once: what is written already is no reason to stop containerd again.
            let restarts = "systemctl restart containerd.service";
            let calls = machine.calls("systemctl");
            let restarted = calls.iter().filter(|call| *call == restarts).count();
            assert_eq!(restarted, usize::from(is_changed));
        }
    }
}

/// A node whose kubeadm knows its images; crictl has those of `there`, and cannot pull others but what `pulls` says.
fn with_images(role: &str, there: &str, pulls: &str, settings: &[(&str, &str)]) -> Machine {
    let mut all = vec![("ROLE", role), ("IMAGES", "mirror.example/kube")];
    all.extend(settings);
    let machine = Machine::new(&all);
    let sandbox = "  sandbox_image = \"mirror.example/kube/pause:v9\"\n";
    machine.write("root/etc/containerd/config.toml", sandbox);
    let names = ["kube-apiserver", "etcd", "kube-proxy", "pause", "coredns/coredns"];
    let list = names
        .map(|name| format!("mirror.example/kube/{name}:v1"))
        .join("\\n");
    let kubeadm = format!("case $1 in version) echo v1.31.2 ;; config) printf '{list}\\n' ;; esac");
    machine.program("kubeadm", &kubeadm);
    let crictl = format!(
        r#"for image; do :; done
        case "$3 $image" in
        inspecti*) case " {there} " in *" ${{image##*/}} "*) ;; *) exit 1 ;; esac ;;
        pull*) {pulls} ;;
        esac"#
    );
    machine.program("crictl", &crictl);
    machine
}

#[test]
fn what_a_node_cannot_do_without_is_there_before_it_joins() {
    let of = |role: &str, settings: &[(&str, &str)]| {
        let machine = with_images(role, "etcd:v1 pause:v9", ":", settings);
        assert!(machine.run("join.sh").status.success());
        let all = machine.read("calls");
        assert!(
            all.rfind("crictl") < all.rfind("kubeadm join").max(all.rfind("kubeadm init")),
            "{all}"
        );
        let calls = machine.calls("crictl");
        let pulled = calls
            .iter()
            .filter_map(|call| call.split_once(" pull mirror.example/kube/"));
        pulled.map(|(_, image)| image.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        of("first", &[]),
        ["kube-apiserver:v1", "kube-proxy:v1", "coredns:v1"]
            .map(|name| { name.replace("coredns", "coredns/coredns") })
    );
    let without_dns = [("INIT_ARGUMENTS", "--skip-phases=addon/coredns")];
    assert_eq!(of("first", &without_dns), ["kube-apiserver:v1", "kube-proxy:v1"]);
    assert_eq!(of("master", &[]), ["kube-apiserver:v1", "kube-proxy:v1"]);
    assert_eq!(of("worker", &[]), ["kube-proxy:v1"]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_with_the_cause_alone_and_tried_again() {
    // As crictl says it.
    let said = r#"E1123 09:21:39 812 remote_image.go:180] "PullImage from image service failed" err="no"
FATA[0000] pulling image: rpc error: code = Unknown desc = failed to pull and unpack image "mirror.example/kube/kube-proxy:v1": failed to resolve reference "mirror.example/kube/kube-proxy:v1": failed to do request: Head "https://mirror.example/v2/kube/kube-proxy/manifests/v1": dial tcp: lookup mirror.example on 9.9.9.9:53: no such host"#;
    let pulls = r#"[ -e "$CALLS.second" ] || { touch "$CALLS.second"; cat "${CALLS%/*}/said"; exit 1; }"#;
    let machine = with_images("worker", "pause:v9", pulls, &[]);
    machine.write("said", said);
    let output = machine.run("join.sh");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "jeroboam: image mirror.example/kube/kube-proxy:v1 cannot be pulled: Head \
                    \"https://mirror.example/v2/kube/kube-proxy/manifests/v1\": dial tcp: lookup mirror.example on \
                    9.9.9.9:53: no such host\n";
    assert!(told.contains(expected), "{told}");
    assert!(told.find(expected) < told.find("joining the cluster"), "{told}");
    let calls = machine.calls("crictl");
    assert_eq!(calls.iter().filter(|call| call.contains(" pull ")).count(), 2);

    let machine = with_images("worker", "", "exit 1", &[]);
    let output = machine.run("images.sh");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.starts_with("image mirror.example/kube/pause:v9 cannot be pulled: "),
        "{told}"
    );

    // Until containerd runs nothing can be said of images.
    let machine = with_images("worker", "", "exit 1", &[]);
    machine.program("systemctl", "exit 3");
    let output = machine.run("images.sh");
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "containerd does not run yet\n"
    );
    assert!(!machine.read("calls").contains(" pull "));
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
        init) until [ $(grep -c '^journalctl' \"$CALLS\") -gt 5 ]; do /bin/sleep 0.01; done ;;
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

/// What a kubelet that ends says on the console, once for each time that it ends so.
fn kubelet_ends(machine: &Machine, result: &str, journal: &str) -> String {
    machine.program("journalctl", &format!("cat <<'END'\n{journal}\nEND"));
    let mut command = machine.command("kubelet.sh");
    command.env("SERVICE_RESULT", result).env("EXIT_STATUS", "255");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_kubelet_that_does_not_start_is_told_with_the_cause() {
    let flag = "I1123 server.go:416] Version: v1.20.2\nF1123 09:21:39.1 123 server.go:157] unknown flag: --no-such-flag\n\
                goroutine 1 [running]:\nk8s.io/klog.stacks(0xc00000e001)";
    let machine = Machine::new(&[]);
    fs::create_dir_all(machine.path("root/run")).unwrap();
    for _ in 0..6 {
        assert_eq!(
            kubelet_ends(&machine, "exit-code", flag),
            "",
            "kubeadm has not configured it"
        );
    }
    machine.write("root/var/lib/kubelet/kubeadm-flags.env", "");
    let ends = |result: &str, journal: &str| kubelet_ends(&machine, result, journal);
    let told = "jeroboam: the kubelet does not start: unknown flag: --no-such-flag\n";
    for expected in ["", "", told, "", "", told] {
        assert_eq!(ends("exit-code", flag), expected);
    }
    let command = "E1123 run.go:74] \"command failed\" err=\"failed to parse kubelet flag\"";
    ends("exit-code", command);
    ends("exit-code", command);
    assert_eq!(
        ends("exit-code", command),
        "jeroboam: the kubelet does not start: \"command failed\" err=\"failed to parse kubelet flag\"\n"
    );
    // Stopped as it should be, it begins anew.
    ends("exit-code", "");
    ends("exit-code", "");
    assert_eq!(ends("success", ""), "");
    for expected in ["", "", "jeroboam: the kubelet does not start: it ends with 255\n"] {
        assert_eq!(ends("signal", ""), expected);
    }
}

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

/// Programs of a control plane, in the order in which they take new certificates.
const CONTROL_PLANE: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// A master whose first certificate ends after so long, as kubeadm writes it. While somebody waits, a kubelet starts what
/// a changed manifest says.
fn renewing(left: &str, settings: &[(&str, &str)]) -> Machine {
    let machine = Machine::new(settings);
    machine.write("root/etc/jeroboam/ca.crt", "-----BEGIN CERTIFICATE-----\nx\n");
    machine.write("root/var/lib/jeroboam/member", "");
    let table = format!(
        "CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED\n\
         admin.conf                 Nov 23, 2027 03:46 UTC   364d                                    no\n\
         apiserver                  Nov 23, 2027 03:46 UTC   {left}            ca                      no\n\
         !MISSING! super-admin.conf\n\n\
         CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED\n\
         ca                      Nov 21, 2031 03:46 UTC   2d              no\n"
    );
    machine.write("table", &table);
    machine.program(
        "kubeadm",
        "case $2 in check-expiration) cat \"${CALLS%/*}/table\" ;; esac",
    );
    for (place, name) in CONTROL_PLANE.iter().enumerate() {
        let manifest = format!("metadata:\n  labels:\n    component: {name}\nspec:\n  labels: none\n");
        machine.write(&format!("root/etc/kubernetes/manifests/{name}.yaml"), &manifest);
        // As the kernel shortens it.
        let short: String = name.chars().take(15).collect();
        machine.write(&format!("root/proc/{}/comm", 10 + place), &format!("{short}\n"));
    }
    machine.program("curl", ":");
    machine.program(
        "sleep",
        r#"cd "${CALLS%/*}/root"
        place=10
        for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
            if grep -q renewed etc/kubernetes/manifests/$name.yaml && [ -e proc/$place ]; then
                mv proc/$place proc/$((place + 100))
                echo "started $name" >>"$CALLS"
            fi
            place=$((place + 1))
        done"#,
    );
    machine
}

#[test]
fn a_master_renews_its_certificates_long_before_they_end_and_its_programs_take_them() {
    for (left, is_due) in [
        ("364d", false),
        ("9y", false),
        ("90d", false),
        ("89d", true),
        ("23h", true),
        ("<invalid>", true),
    ] {
        let machine = renewing(left, &[]);
        let output = machine.run("renew.sh");
        assert!(output.status.success(), "{left}: {output:?}");
        let renewals = machine.calls("kubeadm").len() - 1;
        assert_eq!(renewals, usize::from(is_due), "{left}: {output:?}");
        let started = machine.calls("started");
        assert_eq!(started.len(), if is_due { 4 } else { 0 }, "{left}: {output:?}");
        if !is_due {
            continue;
        }
        assert_eq!(started, CONTROL_PLANE.map(|name| format!("started {name}")));
        assert_eq!(
            machine.calls("kubeadm")[1],
            "kubeadm certs renew all --config /etc/jeroboam/init.yaml"
        );
        let manifest = machine.read("root/etc/kubernetes/manifests/kube-scheduler.yaml");
        let lines: Vec<&str> = manifest.lines().collect();
        assert!(
            lines[2].starts_with("    jeroboam.openstack.org/renewed: \"20"),
            "{manifest}"
        );
        assert_eq!(
            (lines.len(), lines[3], lines[5]),
            (6, "    component: kube-scheduler", "  labels: none")
        );
        assert!(!machine.path("root/var/lib/jeroboam/renewing").exists());
    }
}

#[test]
fn a_renewal_that_was_interrupted_is_gone_on_with_and_one_that_fails_says_why() {
    let machine = renewing("364d", &[]);
    machine.write("root/var/lib/jeroboam/renewing", "20260101000000\n");
    let done = "metadata:\n  labels:\n    jeroboam.openstack.org/renewed: \"20260101000000\"\n";
    machine.write("root/etc/kubernetes/manifests/etcd.yaml", done);
    machine.write(
        "root/etc/kubernetes/manifests/kube-apiserver.yaml",
        &done.replace("2026", "2025"),
    );
    // It runs with the new certificate already, and must not be waited for.
    fs::remove_dir_all(machine.path("root/proc/10")).unwrap();
    let output = machine.run("renew.sh");
    assert!(output.status.success(), "{output:?}");
    let apiserver = machine.read("root/etc/kubernetes/manifests/kube-apiserver.yaml");
    assert_eq!(apiserver, done);
    assert_eq!(machine.calls("started").len(), 3);

    let machine = renewing("5d", &[]);
    machine.program("curl", "exit 7");
    let output = machine.run("renew.sh");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !output.status.success() && said.contains("etcd did not start again in time"),
        "{said}"
    );
    let manifest = machine.read("root/etc/kubernetes/manifests/kube-apiserver.yaml");
    assert!(!manifest.contains("renewed"), "one after the other: {manifest}");
    assert!(machine.path("root/var/lib/jeroboam/renewing").exists());

    let machine = renewing("5d", &[]);
    machine.program("kubeadm", "echo 'no such command'; exit 1");
    let output = machine.run("renew.sh");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("does not say when certificates end"));
}

#[test]
fn masters_that_do_not_answer_are_waited_for_until_the_last_week() {
    for (left, renews) in [("80d", false), ("7d", false), ("6d", true)] {
        let machine = renewing(left, &[("OTHER_MASTERS", "10.0.0.6:6443 10.0.0.7:6443")]);
        machine.program("curl", "case $* in *10.0.0.7*) exit 7 ;; esac");
        let output = machine.run("renew.sh");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(machine.calls("kubeadm").len() - 1, usize::from(renews), "{left}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.contains("when the other masters answer"), !renews, "{said}");
    }
}

#[test]
fn renewed_certificates_of_a_rotation_leave_both_authorities_known() {
    let machine = renewing("5d", &[]);
    machine.write(
        "root/etc/jeroboam/ca.crt",
        &"-----BEGIN CERTIFICATE-----\nx\n".repeat(2),
    );
    for name in ["admin", "controller-manager", "scheduler"] {
        machine.write(
            &format!("root/etc/kubernetes/{name}.conf"),
            "    certificate-authority-data: b25l\n",
        );
    }
    assert!(machine.run("renew.sh").status.success());
    let both = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCngKLS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCngK";
    let known = machine.read("root/etc/kubernetes/scheduler.conf");
    assert_eq!(known, format!("    certificate-authority-data: {both}\n"));
}
