//! The demo's own directory.

use std::path::Path;

use anyhow::{Context, bail};

/// Marks a directory as the demo's, so that nothing else is ever emptied.
const MARK: &str = "jeroboam-demo";

/// Makes the directory, or empties it if an earlier demo made it. Machines of an earlier demo are left to
/// those who open them again.
pub fn empty_directory(path: &Path) -> anyhow::Result<()> {
    let mark = path.join(MARK);
    if path.exists() && !mark.exists() {
        let mut entries =
            std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        if entries.next().is_some() {
            bail!(
                "{} is not empty and not made by an earlier demo; name another --state-dir",
                path.display()
            );
        }
    }
    crate::configuration::private_directory(path)?;
    std::fs::write(&mark, "").with_context(|| format!("cannot write in {}", path.display()))?;
    let service = path.join("service");
    if service.exists() {
        std::fs::remove_dir_all(&service).with_context(|| format!("cannot empty {}", service.display()))?;
    }
    crate::configuration::private_directory(&service)
}
