//! Tests of how images that a node needs come to be there.

use super::Machine;

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
