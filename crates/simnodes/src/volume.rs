//! Cinder volumes as sparse files behind loop devices.
//!
//! A volume's file outlives the machines that it is attached to. One machine holds a volume at a time: the next
//! one waits until it is let go.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::error::Error;
use crate::run::run;
use crate::topology::Volume;

/// How long the earlier holder of a volume may need to stop.
const RELEASE_GRACE: Duration = Duration::from_secs(60);
const BYTES_PER_GIB: u64 = 1 << 30;

/// The volume files of one state directory.
#[derive(Debug)]
pub(crate) struct Volumes {
    directory: PathBuf,
    holders: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// `losetup --find` looks and takes in two steps.
    finding: tokio::sync::Mutex<()>,
}

/// A volume with its loop device, held by one machine.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) volume: Volume,
    loop_device: String,
    major: u32,
    minor: u32,
    _held: OwnedMutexGuard<()>,
}

impl Attached {
    /// The line that tells the guest of this device: name, major, minor, serial.
    pub(crate) fn line(&self) -> String {
        let name = self.volume.device.trim_start_matches("/dev/");
        let serial: String = self.volume.id.chars().take(20).collect();
        format!("{name} {} {} {serial}\n", self.major, self.minor)
    }
}

impl Volumes {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            holders: Mutex::default(),
            finding: tokio::sync::Mutex::default(),
        }
    }

    /// Detaches every loop device over a file of this directory, however it came about.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        let list = run(
            "losetup",
            &["--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"],
        )
        .await?;
        for line in list.lines() {
            if let Some((device, file)) = line.split_once(' ')
                && Path::new(file).starts_with(&self.directory)
            {
                run("losetup", &["--detach", device]).await?;
            }
        }
        Ok(())
    }

    /// Makes the volume's file if it is new (it may also have grown) and a block device of it, once no other
    /// machine holds it.
    pub(crate) async fn attach(&self, volume: &Volume) -> Result<Attached, Error> {
        let holder = {
            let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(holders.entry(volume.id.clone()).or_default())
        };
        let held = timeout(RELEASE_GRACE, holder.lock_owned()).await;
        let held = held.map_err(|_| Error::VolumeBusy(volume.id.clone()))?;
        let path = self.directory.join(&volume.id);
        fs::create_dir_all(&self.directory).map_err(Error::file("create", &self.directory))?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.map_err(Error::file("create", &path))?;
        let size = volume.size_gib.saturating_mul(BYTES_PER_GIB);
        if file.metadata().map_err(Error::file("read", &path))?.len() < size {
            file.set_len(size).map_err(Error::file("resize", &path))?;
        }
        let _finding = self.finding.lock().await;
        let found = run("losetup", &["--find", "--show", &path.to_string_lossy()]).await?;
        let loop_device = found.trim().to_owned();
        let device = Path::new(&loop_device);
        let number = fs::metadata(device).map_err(Error::file("read", device))?.rdev();
        Ok(Attached {
            volume: volume.clone(),
            loop_device,
            major: rustix::fs::major(number),
            minor: rustix::fs::minor(number),
            _held: held,
        })
    }

    /// Lets a volume go; a guest that still has it mounted keeps the device until it ends.
    pub(crate) async fn detach(&self, attached: Attached) -> Result<(), Error> {
        run("losetup", &["--detach", &attached.loop_device])
            .await
            .map(drop)
    }

    /// Deletes a volume's file.
    pub(crate) fn forget(&self, id: &str) {
        let path = self.directory.join(id);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(volume = id, %error, "cannot delete the file of a volume");
        }
    }
}
