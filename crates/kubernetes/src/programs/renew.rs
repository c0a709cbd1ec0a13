//! Tests of the renewal of a master's certificates.

use std::fs;

use super::Machine;

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
