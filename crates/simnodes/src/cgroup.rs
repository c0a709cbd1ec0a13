//! Control groups of machines: one per machine and hierarchy, named like its network namespace.
//!
//! Removing them needs a mount namespace with every hierarchy: some are mounted nowhere else.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::run::run_in_mount_namespace;

/// Kills what is left in the groups whose names match a shell pattern, and removes them.
pub(crate) async fn sweep(pattern: &str) -> Result<(), Error> {
    run_in_mount_namespace(include_str!("../scripts/sweep.sh"), &[pattern])
        .await
        .map(drop)
}

/// Kills every process of a group at the same moment; false when the kernel offers no such thing (before 5.14).
pub(crate) fn kill(group: &str) -> bool {
    // The second place is that of systems with version 2 only.
    ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].iter().any(|root| {
        let file: PathBuf = Path::new(root).join(group).join("cgroup.kill");
        std::fs::write(file, "1").is_ok()
    })
}
