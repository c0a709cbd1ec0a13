//! Charts, rendered by the program `helm`, which the operator installs.
//!
//! The program gets the chart and nothing else: an environment of its own, a directory of its own that is gone
//! afterwards, no way out of the host, values by its standard input, so that none is ever in a file. It runs twice: a
//! chart that makes certificates or passwords would be another one each time, and a revision must name what is applied.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jeroboam_addons::{LONGEST, Place, Rendering};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::sources::SourceError;

/// How long a chart may take, and how long it may wait until others are through.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Charts that are rendered at a time.
const AT_A_TIME: usize = 2;

/// Bytes of what the program says that are read, and characters that are told.
const LONGEST_WORDS: u64 = 64 << 10;
const TOLD: usize = 500;

/// A proxy where nobody listens: neither the program nor a chart's schema has anything to fetch.
const NO_WAY_OUT: &str = "http://127.0.0.1:9";

/// The program.
pub(super) struct Helm {
    program: PathBuf,
    slots: Semaphore,
    time_limit: Duration,
}

impl Helm {
    /// By its path, or by a name to be found in `PATH`.
    pub(super) fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            slots: Semaphore::new(AT_A_TIME),
            time_limit: TIME_LIMIT,
        }
    }

    #[cfg(test)]
    pub(super) fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Where it is now: who installs it later need not start the service again.
    pub(super) fn find(&self) -> Result<PathBuf, String> {
        let found = match self.program.components().count() {
            1 => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                std::env::split_paths(&path)
                    .map(|directory| directory.join(&self.program))
                    .find(|file| file.is_file())
            }
            // It is started elsewhere.
            _ => std::path::absolute(&self.program)
                .ok()
                .filter(|file| file.is_file()),
        };
        found.ok_or_else(|| {
            let program = self.program.display();
            format!("the program {program} ([addons] helm) is not installed where this service runs")
        })
    }

    /// Renders a chart: the objects as YAML. `archive` is the one that was fetched, for a chart by reference.
    pub(super) async fn render(
        &self,
        rendering: &Rendering<'_>,
        archive: Option<&[u8]>,
    ) -> Result<String, SourceError> {
        let chart = rendering.chart;
        let program = self.find().map_err(|reason| {
            SourceError::lasting(format!("the chart {chart} cannot be rendered: {reason}"))
        })?;
        let late = |_| {
            let seconds = self.time_limit.as_secs_f32();
            SourceError::passing(format!(
                "the chart {chart} cannot be rendered: helm takes over {seconds} s"
            ))
        };
        let _slot = timeout(self.time_limit, self.slots.acquire())
            .await
            .map_err(late)?;
        let twice = async {
            let house = House::build(chart_files(&chart.place, archive)).await?;
            let once = house.run(&program, rendering).await?;
            match once == house.run(&program, rendering).await? {
                true => Ok(once),
                false => Err(Failure::Chart(
                    "it is another one each time, as those are which make certificates or passwords; its values \
                     must say otherwise"
                        .to_owned(),
                )),
            }
        };
        let rendered = timeout(self.time_limit, twice).await.map_err(late)?;
        rendered.map_err(|failure| match failure {
            Failure::Host(error) => SourceError::passing(format!("helm cannot be run: {error}")),
            Failure::Chart(reason) => {
                SourceError::lasting(format!("the chart {chart} cannot be rendered: {reason}"))
            }
        })
    }
}

/// Why nothing came of it.
enum Failure {
    /// This host is in need.
    Host(io::Error),
    /// The chart, or its values, are not as they must be.
    Chart(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Host(error)
    }
}

/// Files of a chart by their paths below the chart's own; the archive has none.
fn chart_files(place: &Place, archive: Option<&[u8]>) -> Vec<(PathBuf, Vec<u8>)> {
    match place {
        Place::Remote(_) => archive
            .map(|bytes| (PathBuf::new(), bytes.to_owned()))
            .into_iter()
            .collect(),
        Place::Local(local) => {
            let files = local.files.iter();
            files.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
        }
    }
}

/// What one chart is rendered in.
struct House(TempDir);

impl House {
    async fn build(files: Vec<(PathBuf, Vec<u8>)>) -> Result<Self, Failure> {
        let built = tokio::task::spawn_blocking(move || {
            let house = Self(tempfile::tempdir()?);
            std::fs::create_dir(house.home())?;
            for (path, bytes) in files {
                // Joining nothing would make it a directory.
                let file = match path.as_os_str().is_empty() {
                    true => house.chart(),
                    false => house.chart().join(path),
                };
                if let Some(parent) = file.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(file, bytes)?;
            }
            Ok::<_, io::Error>(house)
        });
        Ok(built.await.map_err(io::Error::other)??)
    }

    fn chart(&self) -> PathBuf {
        self.0.path().join("chart")
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    async fn run(&self, program: &Path, rendering: &Rendering<'_>) -> Result<String, Failure> {
        let chart = rendering.chart;
        let mut child = Command::new(program)
            .args(["template", &chart.release])
            .arg(self.chart())
            .args(["--namespace", &chart.namespace])
            .args(["--kube-version", &rendering.kubernetes])
            .args(["--values", "-", "--include-crds", "--no-hooks"])
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("TMPDIR", self.home())
            .env("HTTP_PROXY", NO_WAY_OUT)
            .env("HTTPS_PROXY", NO_WAY_OUT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let values = rendering.values.to_string();
        let stdin = child.stdin.take();
        let give = async {
            if let Some(mut stdin) = stdin {
                // Who ends before it reads has its reasons, and tells them.
                let _ = stdin.write_all(values.as_bytes()).await;
            }
            Ok(())
        };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ((), text, words) = tokio::try_join!(give, read(stdout), listen(stderr))?;
        let status = child.wait().await?;
        if status.success() {
            return String::from_utf8(text).map_err(|_| Failure::Chart("it is not UTF-8".to_owned()));
        }
        Err(Failure::Chart(match rendering.has_secrets {
            true => format!("helm ends with {status}; its words may quote secrets and are not shown"),
            false => self.cause(status, &words),
        }))
    }

    /// What the program said, in one line.
    fn cause(&self, status: ExitStatus, words: &[u8]) -> String {
        let words = String::from_utf8_lossy(words).replace(&format!("{}/", self.0.path().display()), "");
        let lines = words
            .lines()
            .map(|line| line.trim().trim_start_matches("Error: "));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("Use --debug"));
        let cause: String = lines.collect::<Vec<_>>().join(" ").chars().take(TOLD).collect();
        match cause.is_empty() {
            true => format!("helm ends with {status}"),
            false => cause.replace(char::is_control, " "),
        }
    }
}

/// The objects, unless there are too many.
async fn read(from: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    if let Some(from) = from {
        from.take(LONGEST as u64 + 1).read_to_end(&mut text).await?;
    }
    match text.len() > LONGEST {
        true => Err(Failure::Chart(format!("it makes more than {LONGEST} bytes"))),
        false => Ok(text),
    }
}

/// The beginning of what is said. The rest is read too, for who waits to be heard does not end.
async fn listen(from: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Failure> {
    let mut words = Vec::new();
    if let Some(mut from) = from {
        (&mut from).take(LONGEST_WORDS).read_to_end(&mut words).await?;
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    }
    Ok(words)
}

#[cfg(test)]
mod tests;
