//! Processes that outlive this program, known by files with their ids.
//!
//! A file has the id of a process group's leader and when that process was started, so that a number that the
//! system has given to someone else is never taken for ours.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Lab;
use super::places::make_directory;

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);

/// Stopped last, in this order: what all others need.
const LAST: &[&str] = &["rabbit", "memcached", "mysql", "epmd"];

/// The files with the ids.
pub struct Pids {
    directory: PathBuf,
    logs: PathBuf,
}

impl Pids {
    /// Opens the directory of the files.
    pub fn open(lab: &Lab) -> Result<Self> {
        let directory = lab.state.join("pids");
        make_directory(&directory)?;
        Ok(Self {
            directory,
            logs: lab.logs(),
        })
    }

    /// Starts a process under a name, unless it runs. It gets a process group and a log of its own.
    pub fn start(&self, name: &str, command: &mut Command) -> Result<()> {
        if self.is_alive(name) {
            return Ok(());
        }
        let log = self.logs.join(format!("{name}.log"));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = child.id();
        let born = Process::read(pid).map(|process| process.born).unwrap_or_default();
        fs::write(self.directory.join(name), format!("{pid} {born}"))
            .with_context(|| format!("cannot write the id of {name}"))
    }

    /// Names of all that was started and not stopped.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Names of the processes of a service: its own, and those that begin with it.
    pub fn of(&self, service: &str) -> Vec<String> {
        let prefix = format!("{service}-");
        let is_own = |name: &String| *name == service || name.starts_with(&prefix);
        self.names().into_iter().filter(is_own).collect()
    }

    /// Whether the process of that name runs.
    pub fn is_alive(&self, name: &str) -> bool {
        self.leader(name)
            .is_some_and(|pid| Process::read(pid).is_some_and(|it| it.runs()))
    }

    /// Stops everything.
    pub fn stop_all(&self) -> Result<()> {
        let (last, first): (Vec<String>, Vec<String>) = self
            .names()
            .into_iter()
            .partition(|name| LAST.contains(&name.as_str()));
        self.stop(&first);
        for name in LAST.iter().filter(|name| last.iter().any(|own| own == *name)) {
            self.stop(&[(*name).to_owned()]);
        }
        Ok(())
    }

    /// Stops some processes at once: all of their groups, kindly at first.
    pub fn stop(&self, names: &[String]) {
        let groups: BTreeMap<&str, u32> = names
            .iter()
            .filter_map(|name| Some((name.as_str(), self.leader(name)?)))
            .collect();
        for group in groups.values() {
            signal(*group, Signal::TERM);
        }
        let until = Instant::now() + GRACE;
        while groups.values().any(|group| group_runs(*group)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
        }
        for group in groups.values().filter(|group| group_runs(**group)) {
            signal(*group, Signal::KILL);
        }
        for name in names {
            if let Err(error) = fs::remove_file(self.directory.join(name)) {
                eprintln!("cannot forget {name}: {error}");
            }
        }
    }

    /// Id of the group of that name, if its leader or anyone else of it is still ours.
    fn leader(&self, name: &str) -> Option<u32> {
        let text = fs::read_to_string(self.directory.join(name)).ok()?;
        let (pid, born) = text.split_once(' ')?;
        let (pid, born): (u32, u64) = (pid.parse().ok()?, born.parse().ok()?);
        match Process::read(pid) {
            Some(process) => (process.born == born).then_some(pid),
            // The id of a group is not given away as long as the group has members.
            None => group_runs(pid).then_some(pid),
        }
    }
}

fn signal(group: u32, signal: Signal) {
    let pid = i32::try_from(group).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself just now.
        let _ = kill_process_group(pid, signal);
    }
}

fn group_runs(group: u32) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Process::read)
        .any(|process| process.group == group && process.runs())
}

/// What `/proc/{pid}/stat` says.
struct Process {
    state: char,
    group: u32,
    born: u64,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, in parentheses, may have any character; what follows has none that is not of a field.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            group: fields.get(2)?.parse().ok()?,
            born: fields.get(19)?.parse().ok()?,
        })
    }

    /// Not ended: a zombie has, and only waits for its parent.
    fn runs(&self) -> bool {
        self.state != 'Z'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_strange_name_is_understood() {
        let stat = "42 (a) (b) S 1 40 40 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 2";
        let process = Process::parse(stat).unwrap();
        assert_eq!((process.group, process.born, process.runs()), (40, 98765, true));
        assert!(!Process::parse(&stat.replace(" S ", " Z ")).unwrap().runs());
    }

    #[test]
    fn only_the_process_that_was_started_is_stopped() {
        let directory = std::env::temp_dir().join(format!("jeroboam-lab-{}", std::process::id()));
        let pids = Pids {
            directory: directory.join("pids"),
            logs: directory.join("logs"),
        };
        make_directory(&pids.directory).unwrap();
        make_directory(&pids.logs).unwrap();
        pids.start("sleeper", Command::new("sleep").arg("1000")).unwrap();
        assert!(pids.is_alive("sleeper"));

        // The same number, but another process than the one that was started.
        let text = fs::read_to_string(pids.directory.join("sleeper")).unwrap();
        let pid = text.split_once(' ').unwrap().0;
        fs::write(pids.directory.join("stranger"), format!("{pid} 1")).unwrap();
        assert!(!pids.is_alive("stranger"));
        pids.stop(&["stranger".to_owned()]);
        assert!(pids.is_alive("sleeper"));

        pids.stop(&["sleeper".to_owned()]);
        assert!(!pids.is_alive("sleeper"));
        assert!(pids.names().is_empty());
        fs::remove_dir_all(directory).unwrap();
    }
}
