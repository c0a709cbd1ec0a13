//! The applier's outside: opens a state directory, takes topologies, answers questions about servers.
//!
//! What was applied last is known in memory only. A process that finds leftovers of a dead one sweeps them away
//! and starts anew; the disks of servers stay until a topology without them is applied.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock, statfs};
use tokio::sync::watch;

use crate::apply::{Applied, Pass};
use crate::cgroup;
use crate::error::Error;
use crate::image::BaseImage;
use crate::machine;
use crate::names::{Kind, Names, check_id};
use crate::network;
use crate::states::States;
use crate::topology::{ServerState, Topology};
use crate::volume::Volumes;

/// Type of an overlay file system in statfs(2) (linux/magic.h).
const OVERLAY_MAGIC: u64 = 0x794c_7630;

/// The machines and networks of one simulator.
///
/// Dropping it without [`Machines::close`] leaves everything in place, as a crash does.
///
/// What a guest of this kind is not: it shares the host's kernel, has no internet (what no router has a route
/// for is refused at once), and no IPv6. Security groups are enforced outside the guest.
#[derive(Debug)]
pub struct Machines {
    names: Names,
    directory: PathBuf,
    base: BaseImage,
    volumes: Arc<Volumes>,
    states: Arc<States>,
    applied: tokio::sync::Mutex<Applied>,
    /// Held while this value lives: nobody else uses the instance name.
    lock: Mutex<Option<File>>,
}

impl Machines {
    /// Takes a state directory into use, after sweeping away what a dead process left of this instance.
    ///
    /// `dir` must be on a file system that is not an overlay. `instance` is a short prefix, `[a-z0-9]{1,6}`, for
    /// network namespaces and control groups: several simulators live on one machine under different names.
    ///
    /// # Errors
    /// [`Error::Busy`] while a living process uses the name; otherwise when the directory is unfit or leftovers
    /// resist.
    pub async fn open(dir: &Path, instance: &str, base: BaseImage) -> Result<Self, Error> {
        let names = Names::new(instance)?;
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
        let directory = dir.canonicalize().map_err(Error::file("open", dir))?;
        let kind = statfs(&directory)
            .map_err(|error| Error::file("open", &directory)(error.into()))?
            .f_type;
        if u64::try_from(kind).is_ok_and(|kind| kind == OVERLAY_MAGIC) {
            return Err(Error::OverlayState(directory));
        }
        let lock_path = lock_path(&names);
        let lock = File::create(&lock_path).map_err(Error::file("create", &lock_path))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Error::Busy(instance.to_owned()));
        }
        let volumes = Arc::new(Volumes::new(directory.join("volumes")));
        let machines = Self {
            names,
            directory,
            base,
            volumes,
            states: Arc::new(States::new()),
            applied: tokio::sync::Mutex::default(),
            lock: Mutex::new(Some(lock)),
        };
        machines.sweep().await?;
        Ok(machines)
    }

    /// Makes the machine match: creates, changes, removes.
    ///
    /// Idempotent and convergent: what failed is made anew by the next call, and one object that fails does not
    /// keep others from being made. Networks stand when it returns. Servers boot, stop and go in the background
    /// and in parallel; [`Machines::server_states`] tells how far they are.
    ///
    /// # Errors
    /// The first failure, after everything was tried.
    pub async fn apply(&self, wanted: &Topology) -> Result<(), Error> {
        let ids = wanted.servers.keys().chain(
            wanted
                .servers
                .values()
                .flat_map(|server| &server.volumes)
                .map(|v| &v.id),
        );
        for id in ids {
            check_id(id)?;
        }
        for volume in wanted.servers.values().flat_map(|server| &server.volumes) {
            let name = volume.device.strip_prefix("/dev/").unwrap_or_default();
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err(Error::BadName(volume.device.clone()));
            }
        }
        let mut applied = self.applied.lock().await;
        let pass = Pass {
            names: &self.names,
            servers: &self.servers_directory(),
            base: &self.base,
            volumes: &self.volumes,
            states: &self.states,
            wanted,
            applied: &mut applied,
            failure: None,
        };
        pass.run().await
    }

    /// State of each server, also of those that powered themselves off. A removed server is listed until nothing
    /// is left of it.
    pub fn server_states(&self) -> BTreeMap<String, ServerState> {
        self.states.all()
    }

    /// Counter that grows with each change of a server's state.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.states.changes()
    }

    /// The last 256 KiB that the server wrote to its console, over all its boots; empty for an unknown server.
    pub async fn console_log(&self, server: &str) -> String {
        match check_id(server) {
            Ok(()) => machine::console_tail(&self.servers_directory().join(server)).await,
            Err(_) => String::new(),
        }
    }

    /// Runs a command inside a server; its exit status and standard output.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when the server is off, or so young that its init has not started.
    pub async fn exec(&self, server: &str, command: &[&str]) -> Result<(i32, String), Error> {
        check_id(server)?;
        machine::exec(&self.servers_directory().join(server), server, command).await
    }

    /// Cuts a server's power: every process of it ends at once. It then counts as stopped, and boots again when
    /// its boot number grows or after it was not wanted to run.
    pub fn kill(&self, server: &str) {
        if check_id(server).is_ok() {
            let group = self.names.netns(Kind::Server, server);
            machine::power_cut(&self.servers_directory().join(server), &group);
        }
    }

    /// Deletes the file of a volume that no server has attached any more; an unknown one is fine.
    pub fn forget_volume(&self, id: &str) {
        if check_id(id).is_ok() {
            self.volumes.forget(id);
        }
    }

    /// Removes everything of this instance: servers with their disks, volumes, networks, and the interface in the
    /// root network namespace. What resists is logged.
    pub async fn close(&self) {
        let emptied = self.apply(&Topology::default()).await;
        let leaving = std::mem::take(&mut self.applied.lock().await.leaving);
        for (_, task) in leaving {
            let _ = task.await;
        }
        for result in [emptied, self.sweep().await] {
            if let Err(error) = result {
                tracing::error!(%error, "cannot remove everything of the simulated machines");
            }
        }
        for directory in [self.servers_directory(), self.directory.join("volumes")] {
            let _ = tokio::task::spawn_blocking(move || fs::remove_dir_all(directory)).await;
        }
        // Only when nothing else is in it.
        let _ = fs::remove_dir(&self.directory);
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        if lock.is_some() {
            let _ = fs::remove_file(lock_path(&self.names));
        }
    }

    fn servers_directory(&self) -> PathBuf {
        self.directory.join("servers")
    }

    /// Kills and removes whatever carries the instance's prefix. Mounts go with their processes.
    async fn sweep(&self) -> Result<(), Error> {
        let prefix = self.names.prefix();
        cgroup::sweep(&format!("{prefix}*")).await?;
        for netns in network::list_netns(&prefix) {
            network::delete_netns(&netns).await?;
        }
        network::delete_access(&self.names.access_link()).await?;
        self.volumes.sweep().await
    }
}

fn lock_path(names: &Names) -> PathBuf {
    Path::new("/run").join(format!("{}.lock", names.access_link()))
}
