//! Tests of what runs on nodes: the real scripts, among programs that note how they are called.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

mod address;
mod fetch;
mod images;
mod join;
mod kubelet;
mod prepare;
mod relay;
mod renew;

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
