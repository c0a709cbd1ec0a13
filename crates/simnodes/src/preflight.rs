//! What this machine lacks for booting machines. Only looks; works without any privilege.

use std::path::Path;

use crate::run::SYSTEM_PATH;

/// Programs that are called, with the Debian package of each.
const PROGRAMS: [(&str, &str); 11] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("systemd-nspawn", "systemd-container"),
    ("debootstrap", "debootstrap"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("losetup", "mount"),
    ("mount", "mount"),
    ("tar", "tar"),
    ("awk", "mawk"),
    ("find", "findutils"),
];

/// Signs of Debian's archive keys, without which a Debian root cannot be verified.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// `CAP_SYS_ADMIN` and `CAP_NET_ADMIN` as bits of a capability set (linux/capability.h).
const CAPABILITIES: [(&str, u32); 2] = [("CAP_SYS_ADMIN", 21), ("CAP_NET_ADMIN", 12)];

/// One line per missing need (root, kernel feature, program); empty when machines can be booted.
/// Never changes anything.
pub fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push("the process does not run as root".to_owned());
    } else {
        let effective = effective_capabilities();
        for (name, bit) in CAPABILITIES {
            if effective.is_some_and(|set| set >> bit & 1 == 0) {
                missing.push(format!("the capability {name} is not held"));
            }
        }
    }
    for (program, package) in PROGRAMS {
        if !has_program(program) {
            missing.push(format!(
                "the program {program} is not installed (Debian package {package})"
            ));
        }
    }
    for namespace in ["mnt", "net", "pid", "uts", "ipc", "cgroup"] {
        if !Path::new("/proc/self/ns").join(namespace).exists() {
            missing.push(format!("the kernel has no {namespace} namespaces"));
        }
    }
    if !Path::new("/sys/fs/cgroup").is_dir() || !Path::new("/proc/cgroups").exists() {
        missing.push("no control groups are mounted at /sys/fs/cgroup".to_owned());
    }
    if !has_file_system("overlay") {
        missing.push("the kernel has no overlay file system".to_owned());
    }
    if !Path::new("/proc/sys/net/bridge").exists() && !has_module("br_netfilter") {
        missing.push("the kernel cannot filter bridged packets (br_netfilter)".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() && !has_module("loop") {
        missing.push("the kernel has no loop devices".to_owned());
    }
    missing
}

/// Debian packages needed by programs that are not there, for one `apt-get install`.
pub fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<&'static str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !has_program(program))
        .map(|(_, package)| *package)
        .collect();
    if !Path::new(KEYRING).exists() {
        packages.push("debian-archive-keyring");
    }
    packages.dedup();
    packages
}

fn has_program(name: &str) -> bool {
    SYSTEM_PATH
        .split(':')
        .any(|directory| Path::new(directory).join(name).is_file())
}

fn effective_capabilities() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

fn has_file_system(name: &str) -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known
        .lines()
        .any(|line| line.split_whitespace().next_back() == Some(name))
        || has_module(name)
}

/// True when the module is loaded, built in, or lies ready to be loaded.
fn has_module(name: &str) -> bool {
    if Path::new("/sys/module").join(name).exists() {
        return true;
    }
    let Ok(release) = std::fs::read_to_string("/proc/sys/kernel/osrelease") else {
        return false;
    };
    let directory = Path::new("/lib/modules").join(release.trim());
    ["modules.builtin", "modules.dep"].iter().any(|list| {
        let list = std::fs::read_to_string(directory.join(list)).unwrap_or_default();
        list.lines().any(|line| {
            let path = line.split(':').next().unwrap_or_default();
            let file = path.rsplit('/').next().unwrap_or_default();
            file.split('.').next() == Some(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_once_per_need() {
        let mut lines = missing();
        let count = lines.len();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), count);
        assert_eq!(
            lines.iter().any(|line| line.contains("as root")),
            !rustix::process::geteuid().is_root()
        );
    }

    #[test]
    fn packages_are_named_for_absent_programs_only() {
        assert!(has_program("sh"));
        assert!(!has_program("jeroboam-no-such-program"));
        let packages = missing_packages();
        for (program, package) in PROGRAMS {
            if !has_program(program) {
                assert!(packages.contains(&package));
            }
        }
    }
}
