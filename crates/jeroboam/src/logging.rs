//! Logs: to standard error, to a file that can be opened anew, to syslog, or several of them; as lines or JSON.

mod syslog;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use jeroboam_config::sections::General;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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

/// The log file, if there is one.
#[derive(Clone, Debug)]
pub struct LogFile(Option<Arc<Opened>>);

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: Mutex<Arc<File>>,
}

impl LogFile {
    /// Opens the file anew, after somebody has moved it away.
    pub fn reopen(&self) -> anyhow::Result<()> {
        let Some(opened) = &self.0 else { return Ok(()) };
        let fresh = Arc::new(open(&opened.path)?);
        *opened.file.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// Starts logging for the life of the process. `RUST_LOG` overrides the level.
pub fn start(logging: &Logging) -> anyhow::Result<LogFile> {
    let level = if logging.debug {
        "warn,jeroboam=debug"
    } else {
        "warn,jeroboam=info"
    };
    // One prefix covers every crate of ours: jeroboam_api, jeroboam_engine, ...
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let opened = match &logging.file {
        Some(path) => Some(Arc::new(Opened {
            path: path.clone(),
            file: Mutex::new(Arc::new(open(path)?)),
        })),
        None => None,
    };
    let syslog = logging.syslog.map(Syslog::open).transpose();
    let syslog = syslog.context("cannot prepare to log to syslog")?;
    let writer = Writer {
        stderr: logging.stderr || (opened.is_none() && syslog.is_none()),
        file: opened.clone(),
        syslog,
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
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    Ok(LogFile(opened))
}

fn open(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot open log file {}", path.display()))
}

struct Writer {
    stderr: bool,
    file: Option<Arc<Opened>>,
    syslog: Option<Syslog>,
}

/// Where one line goes.
struct Line<'a> {
    stderr: bool,
    /// Lines are appended whole, so that nobody waits until another's is written.
    file: Option<Arc<File>>,
    syslog: Option<(&'a Syslog, Level)>,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        self.line(Level::INFO)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        self.line(*meta.level())
    }
}

impl Writer {
    fn line(&self, level: Level) -> Line<'_> {
        let file = self.file.as_ref();
        Line {
            stderr: self.stderr,
            file: file.map(|opened| Arc::clone(&opened.file.lock().unwrap_or_else(PoisonError::into_inner))),
            syslog: self.syslog.as_ref().map(|syslog| (syslog, level)),
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(file) = &self.file {
            file.as_ref().write_all(line)?;
        }
        if self.stderr {
            io::stderr().write_all(line)?;
        }
        if let Some((syslog, level)) = &self.syslog {
            syslog.tell(level, line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.as_ref().flush(),
            None => io::stderr().flush(),
        }
    }
}
