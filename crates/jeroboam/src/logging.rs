//! Logs: to standard error or a file, as lines or JSON.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// How to log.
pub struct Logging<'a> {
    /// Debug level for our own crates.
    pub debug: bool,
    /// One JSON object a line.
    pub json: bool,
    /// File to append to, instead of standard error.
    pub file: Option<&'a Path>,
}

/// Starts logging for the life of the process. `RUST_LOG` overrides the level.
pub fn start(logging: &Logging<'_>) -> anyhow::Result<()> {
    let level = if logging.debug {
        "warn,jeroboam=debug"
    } else {
        "warn,jeroboam=info"
    };
    // One prefix covers every crate of ours: jeroboam_api, jeroboam_engine, ...
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let writer = match logging.file {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            BoxMakeWriter::new(Mutex::new(
                file.with_context(|| format!("cannot open log file {}", path.display()))?,
            ))
        }
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false);
    let started = if logging.json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
