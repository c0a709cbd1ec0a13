//! The life of one server: a task that boots, stops, and finally removes it, driven by what is wanted of it.
//!
//! The newest wish counts: wishes that come while the machine is busy replace each other. A removal interrupts
//! an orderly stop.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::Error;
use crate::image::BaseImage;
use crate::network;
use crate::run::last_line;
use crate::seed::Addressing;
use crate::states::States;
use crate::topology::{Server, ServerState};
use crate::volume::{Attached, Volumes};

mod process;

pub(crate) use process::{console_tail, exec, power_cut};

/// How long an orderly power-off may take, before the power is cut.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How long a supervisor may need to see that its machine is dead.
const REAP_GRACE: Duration = Duration::from_secs(10);
/// The supervisor's exit status when the guest asked to be rebooted.
const REBOOT_STATUS: i32 = 133;

/// What is wanted of a machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) server: Server,
    pub(crate) addressing: Addressing,
}

/// Where a machine lives; unchanging.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: String,
    /// Name of its network namespace and of its control groups.
    pub(crate) netns: String,
    /// Its disk and console log.
    pub(crate) directory: PathBuf,
    pub(crate) base: BaseImage,
    pub(crate) volumes: Arc<Volumes>,
    pub(crate) states: Arc<States>,
}

/// A machine's task, as its owner sees it. Dropping it leaves the machine as it is.
#[derive(Debug)]
pub(crate) struct Machine {
    wanted: watch::Sender<Option<Wanted>>,
    task: JoinHandle<()>,
}

impl Machine {
    /// Starts the task of a machine whose network namespace is there.
    pub(crate) fn start(place: Place, wanted: Wanted) -> Self {
        place.states.set(&place.id, ServerState::Building);
        let (sender, receiver) = watch::channel(Some(wanted));
        let life = Life {
            place,
            process: None,
            boot: None,
            attached: Vec::new(),
        };
        Self {
            wanted: sender,
            task: tokio::spawn(life.run(receiver)),
        }
    }

    /// Tells the task what is wanted now.
    pub(crate) fn set(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|current| {
            let changed = current.as_ref() != Some(&wanted);
            *current = Some(wanted);
            changed
        });
    }

    /// Cuts the power and removes everything of the machine. The returned task ends when that is done.
    pub(crate) fn remove(self) -> JoinHandle<()> {
        self.wanted.send_replace(None);
        self.task
    }
}

struct Life {
    place: Place,
    process: Option<process::Supervisor>,
    /// Boot number of the last start; `None` after a stop that was asked for.
    boot: Option<u32>,
    attached: Vec<Attached>,
}

impl Life {
    async fn run(mut self, mut wishes: watch::Receiver<Option<Wanted>>) {
        loop {
            let Some(wanted) = wishes.borrow_and_update().clone() else {
                break;
            };
            let server = &wanted.server;
            match &self.process {
                Some(_) if !server.running || self.boot != Some(server.boot) => {
                    self.stop(&mut wishes).await;
                    self.boot = None;
                    self.set_state(ServerState::Stopped);
                    continue;
                }
                None if server.running && self.boot != Some(server.boot) => self.boot(&wanted).await,
                None if !server.running => {
                    self.boot = None;
                    self.set_state(ServerState::Stopped);
                }
                Some(_) => {
                    if let Err(error) = self.sync_volumes(&wanted).await {
                        tracing::warn!(server = self.place.id, %error, "cannot change the volumes of a server");
                    }
                }
                None => {}
            }
            tokio::select! {
                changed = wishes.changed() => if changed.is_err() { return },
                status = exited(&mut self.process) => self.ended(status).await,
            }
        }
        self.remove().await;
    }

    fn set_state(&self, state: ServerState) {
        self.place.states.set(&self.place.id, state);
    }

    async fn boot(&mut self, wanted: &Wanted) {
        self.boot = Some(wanted.server.boot);
        self.set_state(ServerState::Building);
        match self.try_boot(wanted).await {
            Ok(supervisor) => {
                self.process = Some(supervisor);
                self.set_state(ServerState::Running);
            }
            Err(error) => {
                self.clear().await;
                self.set_state(ServerState::Failed(with_cause(&error)));
            }
        }
    }

    async fn try_boot(&mut self, wanted: &Wanted) -> Result<process::Supervisor, Error> {
        for volume in &wanted.server.volumes {
            let attached = self.place.volumes.attach(volume).await?;
            self.attached.push(attached);
        }
        process::Supervisor::spawn(&self.place, wanted, &device_lines(&self.attached))
    }

    /// Attaches and detaches volumes while the machine runs.
    async fn sync_volumes(&mut self, wanted: &Wanted) -> Result<(), Error> {
        let Some(supervisor) = &self.process else {
            return Ok(());
        };
        let volumes = &wanted.server.volumes;
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.attached)
            .into_iter()
            .partition(|held| volumes.contains(&held.volume));
        self.attached = kept;
        let mut changed = !gone.is_empty();
        for held in gone {
            self.place.volumes.detach(held).await?;
        }
        for volume in volumes {
            if !self.attached.iter().any(|held| held.volume == *volume) {
                let attached = self.place.volumes.attach(volume).await?;
                self.attached.push(attached);
                changed = true;
            }
        }
        if changed {
            supervisor.set_volumes(&device_lines(&self.attached)).await?;
        }
        Ok(())
    }

    /// Asks the guest to power off; cuts the power when it takes too long, or when the machine is to be removed.
    async fn stop(&mut self, wishes: &mut watch::Receiver<Option<Wanted>>) {
        let Some(supervisor) = &mut self.process else {
            return;
        };
        let removed = async {
            if wishes.wait_for(Option::is_none).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = timeout(STOP_GRACE, supervisor.power_off()) => {}
            () = removed => {}
        }
        self.cut().await;
    }

    async fn cut(&mut self) {
        if let Some(mut supervisor) = self.process.take() {
            process::cut(&self.place.netns, supervisor.pid());
            if timeout(REAP_GRACE, supervisor.wait()).await.is_err() {
                tracing::warn!(
                    server = self.place.id,
                    "the supervisor of a dead machine does not end"
                );
            }
        }
        self.clear().await;
    }

    async fn ended(&mut self, status: Result<ExitStatus, std::io::Error>) {
        self.process = None;
        self.clear().await;
        match status.map(|status| status.code()) {
            // Without an exit code it was killed: a power cut.
            Ok(Some(0) | None) => self.set_state(ServerState::Stopped),
            Ok(Some(REBOOT_STATUS)) => self.boot = None,
            Ok(Some(code)) => {
                let console = console_tail(&self.place.directory).await;
                let message = format!("the machine ended with status {code}: {}", last_line(&console));
                self.set_state(ServerState::Failed(message));
            }
            Err(error) => self.set_state(ServerState::Failed(error.to_string())),
        }
    }

    /// Takes away what a dead machine leaves behind, but its disk.
    async fn clear(&mut self) {
        for held in self.attached.drain(..) {
            if let Err(error) = self.place.volumes.detach(held).await {
                tracing::warn!(server = self.place.id, %error, "cannot detach a volume");
            }
        }
        process::forget(&self.place.directory);
        if let Err(error) = crate::cgroup::sweep(&self.place.netns).await {
            tracing::warn!(server = self.place.id, %error, "cannot remove the control groups of a machine");
        }
    }

    async fn remove(mut self) {
        self.cut().await;
        if let Err(error) = network::delete_netns(&self.place.netns).await {
            tracing::warn!(server = self.place.id, %error, "cannot remove a network namespace");
        }
        let directory = self.place.directory.clone();
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
        if let Ok(Err(error)) = removed
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(server = self.place.id, %error, "cannot delete the disk of a server");
        }
        self.place.states.remove(&self.place.id);
    }
}

async fn exited(process: &mut Option<process::Supervisor>) -> Result<ExitStatus, std::io::Error> {
    match process {
        Some(supervisor) => supervisor.wait().await,
        None => std::future::pending().await,
    }
}

fn device_lines(attached: &[Attached]) -> String {
    attached.iter().map(Attached::line).collect()
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
