//! The process that is a running machine: a systemd-nspawn supervisor and, below it, the guest's own init.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::{Place, Wanted};
use crate::cgroup;
use crate::error::Error;
use crate::run::{SYSTEM_PATH, failure, mount_namespace};
use crate::seed;

/// How much of a console log is given out.
const CONSOLE_TAIL_BYTES: u64 = 256 * 1024;
/// SIGRTMIN+4 asks systemd for an orderly power-off (systemd(1)).
const POWER_OFF_SIGNAL: &str = "RTMIN+4";
/// A guest that is still booting does not hear the first request.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Holds the supervisor's process id while the machine runs.
const PID_FILE: &str = "supervisor.pid";
/// A container needs some memory to start at all.
const LEAST_MEMORY_MIB: u64 = 256;

/// A booted machine's supervisor. Dropping it leaves the machine running.
pub(super) struct Supervisor {
    child: Child,
    pid: u32,
}

impl Supervisor {
    /// Writes the seed and boots. The guest's operating system comes up by itself afterwards.
    pub(super) fn spawn(place: &Place, wanted: &Wanted, volumes: &str) -> Result<Self, Error> {
        for name in ["upper", "work", "root", "docker", "containerd"] {
            let path = place.directory.join(name);
            fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).map_err(Error::file("write", &path))?;
        }
        let server = &wanted.server;
        seed::write(
            &place.directory.join("upper"),
            &place.id,
            server,
            &wanted.addressing,
            volumes,
        )?;
        let console = place.directory.join("console.log");
        let log = OpenOptions::new().create(true).append(true).open(&console);
        let log = log.map_err(Error::file("create", &console))?;
        let errors = log.try_clone().map_err(Error::file("create", &console))?;
        let memory_bytes = server
            .memory_mib
            .max(LEAST_MEMORY_MIB)
            .saturating_mul(1 << 20)
            .to_string();
        let mut command = mount_namespace(
            include_str!("../../scripts/boot.sh"),
            &[
                &place.netns,
                &memory_bytes,
                &place.directory.to_string_lossy(),
                &place.base.path.to_string_lossy(),
                &format!("--machine={}", place.netns),
                &format!("--network-namespace-path=/run/netns/{}", place.netns),
            ],
        );
        // A group of its own: keys pressed in our terminal are not meant for the machines.
        command
            .process_group(0)
            .kill_on_drop(false)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors));
        let start = |source| Error::Start {
            program: "systemd-nspawn".to_owned(),
            source,
        };
        let child = command.spawn().map_err(start)?;
        let pid = child.id().ok_or_else(|| start(io::ErrorKind::NotFound.into()))?;
        let file = place.directory.join(PID_FILE);
        fs::write(&file, pid.to_string()).map_err(Error::file("write", &file))?;
        Ok(Self { child, pid })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks for an orderly power-off until the machine has ended.
    pub(super) async fn power_off(&mut self) {
        loop {
            if let Some(init) = init_of(self.pid) {
                let asked = Command::new("/bin/kill")
                    .args(["-s", POWER_OFF_SIGNAL, &init.to_string()])
                    .stdin(Stdio::null())
                    .output();
                if let Err(error) = asked.await {
                    tracing::debug!(%error, "cannot ask a machine to power off");
                }
            }
            if tokio::time::timeout(ASK_AGAIN, self.child.wait()).await.is_ok() {
                return;
            }
        }
    }

    /// Gives the running guest exactly these volumes. A guest that has no init yet reads them from its disk.
    pub(super) async fn set_volumes(&self, lines: &str) -> Result<(), Error> {
        let Some(init) = init_of(self.pid) else {
            return Ok(());
        };
        let mut command = inside(init, &["/usr/lib/machine/set-volumes"]);
        let start = |source| Error::Start {
            program: "nsenter".to_owned(),
            source,
        };
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(start)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(lines.as_bytes()).await.map_err(start)?;
        }
        let output = child.wait_with_output().await.map_err(start)?;
        if output.status.success() {
            return Ok(());
        }
        Err(failure(
            "set-volumes",
            output.status,
            &String::from_utf8_lossy(&output.stderr),
        ))
    }
}

/// Notes that no supervisor runs, so that nobody takes a process that gets its id later for it.
pub(super) fn forget(directory: &Path) {
    let _ = fs::remove_file(directory.join(PID_FILE));
}

/// Ends a machine by the pid file of its supervisor; one that is off stays off.
pub(crate) fn power_cut(directory: &Path, group: &str) {
    if let Some(supervisor) = supervisor_of(directory) {
        cut(group, supervisor);
    }
}

/// Ends every process of a machine at once, as a power cut does.
pub(super) fn cut(group: &str, supervisor: u32) {
    if cgroup::kill(group) {
        return;
    }
    // The guest's init takes all other processes of its namespace with it.
    for pid in [init_of(supervisor), Some(supervisor)].into_iter().flatten() {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Runs a command inside a machine by the pid file of its supervisor; exit status and standard output.
pub(crate) async fn exec(directory: &Path, id: &str, command: &[&str]) -> Result<(i32, String), Error> {
    let not_running = || Error::NotRunning(id.to_owned());
    let init = supervisor_of(directory)
        .and_then(init_of)
        .ok_or_else(not_running)?;
    let output = inside(init, command).stdin(Stdio::null()).output().await;
    let output = output.map_err(|source| Error::Start {
        program: "nsenter".to_owned(),
        source,
    })?;
    Ok((
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

/// A command in all namespaces of the machine whose init is `init`.
fn inside(init: u32, command: &[&str]) -> Command {
    let mut nsenter = Command::new("nsenter");
    nsenter
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .env("HOME", "/root")
        .kill_on_drop(true);
    nsenter
        .args([
            "-t",
            &init.to_string(),
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            "-C",
            "-r",
            "-w",
            "--",
        ])
        .args(command);
    nsenter.stdout(Stdio::piped()).stderr(Stdio::piped());
    nsenter
}

fn supervisor_of(directory: &Path) -> Option<u32> {
    fs::read_to_string(directory.join(PID_FILE))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Host's process id of the guest's init: the child of the supervisor in another pid namespace, once it has
/// become systemd.
fn init_of(supervisor: u32) -> Option<u32> {
    let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(supervisor)?;
    let threads = fs::read_dir(format!("/proc/{supervisor}/task")).ok()?;
    let children = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|list| list.split_whitespace().map(str::parse).collect::<Vec<_>>())
        .flatten()
        .collect();
    children.into_iter().find(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        namespace(*pid).is_some_and(|namespace| namespace != own) && name.trim() == "systemd"
    })
}

/// The last part of a machine's console log, with plain line ends.
pub(crate) async fn console_tail(directory: &Path) -> String {
    let path = directory.join("console.log");
    let read = move || -> io::Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(CONSOLE_TAIL_BYTES)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tokio::task::spawn_blocking(read)
        .await
        .map_err(io::Error::from)
        .and_then(|tail| tail);
    String::from_utf8_lossy(&tail.unwrap_or_default()).replace("\r\n", "\n")
}
