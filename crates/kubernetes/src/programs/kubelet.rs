//! Tests of what is told of a kubelet that does not start.

use std::fs;

use super::Machine;

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
