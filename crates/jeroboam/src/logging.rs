//! Logs: to standard error, to a file that can be opened anew, to syslog, or several of them; as lines or JSON.

mod line;
mod outlet;
mod syslog;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use jeroboam_config::sections::General;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::line::{Clock, Fields};
use self::outlet::{Outlet, Urgency};
use self::syslog::Syslog;

/// How to log.
#[derive(Clone, Debug)]
pub struct Logging {
    /// Debug level for our own crates.
    pub debug: bool,
    /// One JSON object a line.
    pub json: bool,
    /// File to append to.
    pub file: Option<PathBuf>,
    /// Standard error too when there is a file or syslog.
    pub stderr: bool,
    /// Facility of syslog, if it is told.
    pub syslog: Option<u8>,
}

impl Logging {
    /// As the options say.
    pub fn new(section: &General) -> Self {
        let file = section.log_file.as_ref().map(|file| match &section.log_dir {
            Some(dir) => dir.join(file),
            None => file.clone(),
        });
        Self {
            debug: section.debug,
            json: section.use_json,
            file,
            stderr: section.use_stderr,
            syslog: section.use_syslog.then_some(section.syslog_log_facility.0),
        }
    }
}

/// Logging as it goes on. Dropped, what was held back is written.
#[derive(Debug)]
pub struct Log(Arc<Outlet>);

impl Log {
    /// Opens the file anew, after somebody has moved it away.
    pub fn reopen(&self) -> anyhow::Result<()> {
        self.0.reopen()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // There is no place left to tell of a failure.
        let _ = self.0.flush();
    }
}

/// Starts logging for the life of the process. `RUST_LOG` overrides the level.
pub fn start(logging: &Logging) -> anyhow::Result<Log> {
    let level = if logging.debug {
        "warn,jeroboam=debug"
    } else {
        "warn,jeroboam=info"
    };
    // One prefix covers every crate of ours: jeroboam_api, jeroboam_engine, ...
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let syslog = logging.syslog.map(Syslog::open).transpose();
    let syslog = syslog.context("cannot prepare to log to syslog")?;
    let stderr = logging.stderr || (logging.file.is_none() && syslog.is_none());
    let outlet = Outlet::open(logging.file.as_deref(), stderr)?;
    let writer = Writer {
        outlet: Arc::clone(&outlet),
        syslog,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false);
    let started = if logging.json {
        builder.json().try_init()
    } else {
        builder.with_timer(Clock).fmt_fields(Fields).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    Ok(Log(outlet))
}

struct Writer {
    outlet: Arc<Outlet>,
    syslog: Option<Syslog>,
}

/// Where one line goes.
struct Line<'a> {
    writer: &'a Writer,
    level: Level,
    urgency: Urgency,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            writer: self,
            level: Level::INFO,
            urgency: Urgency::Urgent,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        Line {
            writer: self,
            level: *meta.level(),
            urgency: match meta.target() == jeroboam_api::ACCESS_LOG {
                true => Urgency::Patient,
                false => Urgency::Urgent,
            },
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.writer.outlet.take(line, self.urgency)?;
        if let Some(syslog) = &self.writer.syslog {
            syslog.tell(&self.level, line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.outlet.flush()
    }
}
