//! The one error type of the crate: what failed on this machine, in words that an operator can act on.

use std::io;
use std::path::{Path, PathBuf};

/// Why machines or networks could not be made as wanted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is absent or may not be run.
    #[error("{program} cannot be started")]
    Start {
        /// Name of the program.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program ended badly.
    #[error("{program} failed ({status}): {message}")]
    Program {
        /// Name of the program.
        program: String,
        /// Exit status in words.
        status: String,
        /// Last line that it wrote to its standard error.
        message: String,
    },
    /// A file or directory could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Its object.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A living process holds the instance name.
    #[error("another process runs machines under the name {0:?}")]
    Busy(String),
    /// Machine disks are overlays, which cannot be stacked on another overlay.
    #[error("{} is on an overlay file system, where machines cannot keep their disks", .0.display())]
    OverlayState(PathBuf),
    /// The name would not make a safe file, interface or group name.
    #[error("{0:?} cannot be used as a name")]
    BadName(String),
    /// The server is not there or is stopped.
    #[error("server {0} is not running")]
    NotRunning(String),
    /// Another machine did not let the volume go.
    #[error("volume {0} is still in use by another server")]
    VolumeBusy(String),
    /// Every candidate collides with a route of this machine.
    #[error("no subnet is free for the external network")]
    NoFreeSubnet,
}

impl Error {
    /// Closure that names what was tried, for `map_err` on file operations.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
