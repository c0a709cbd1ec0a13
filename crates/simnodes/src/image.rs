//! The base root that every machine's disk is a copy-on-write layer over: Debian 12 with systemd, cloud-init and
//! Docker, as an image made for container hosts would be.
//!
//! A built image is never changed. Its directory name holds a digest of the recipe, so that another recipe makes
//! another image.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{FlockOperation, flock};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::error::Error;
use crate::names::fnv1a;
use crate::run::{command, failure, run};

mod mirror;

/// A built base root.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseImage {
    /// Directory of the root file system; only ever read.
    pub path: PathBuf,
}

const SUITE: &str = "bookworm";

/// `python3-cffi-backend` is named because debootstrap cannot resolve the virtual package that
/// `python3-cryptography` asks for.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,udev,netplan.io,iproute2,iputils-ping,procps,kmod,sudo,curl,\
    ca-certificates,openssh-server,openssl,python3-minimal,python3-cffi-backend,cloud-init,docker.io,iptables,\
    busybox-static,e2fsprogs";

const CONFIGURE: &str = include_str!("../image/configure.sh");

/// Path in the root, mode, contents.
const FILES: [(&str, u32, &str); 9] = [
    (
        "etc/cloud/cloud.cfg.d/99-machine.cfg",
        0o644,
        include_str!("../image/cloud.cfg"),
    ),
    (
        "etc/systemd/network/99-default.link",
        0o644,
        include_str!("../image/default.link"),
    ),
    (
        "etc/systemd/system.conf.d/10-machine.conf",
        0o644,
        include_str!("../image/system.conf"),
    ),
    (
        "etc/systemd/system/machine-prepare.service",
        0o644,
        include_str!("../image/machine-prepare.service"),
    ),
    (
        "etc/systemd/system/demo-image.service",
        0o644,
        include_str!("../image/demo-image.service"),
    ),
    (
        "usr/lib/machine/prepare",
        0o755,
        include_str!("../image/prepare.sh"),
    ),
    (
        "usr/lib/machine/set-volumes",
        0o755,
        include_str!("../image/set-volumes.sh"),
    ),
    (
        "usr/lib/machine/load-demo-image",
        0o755,
        include_str!("../image/load-demo-image.sh"),
    ),
    (
        "usr/share/demo/index.html",
        0o644,
        include_str!("../image/index.html"),
    ),
];

/// debootstrap's progress lines, and what to tell the user when the first of each comes.
const PHASES: [(&str, &str); 5] = [
    ("I: Retrieving InRelease", "reading the package lists"),
    ("I: Resolving dependencies", "downloading packages"),
    ("I: Extracting", "unpacking the base system"),
    ("I: Unpacking the base system", "unpacking packages"),
    ("I: Configuring the base system", "configuring packages"),
];

/// Base root in the cache directory; builds it on first use (about two minutes and 500 MB).
///
/// Safe against a second builder at the same time, which waits, and against being cut off: the image appears
/// under its name only when it is complete. `progress` gets a line per phase.
///
/// # Errors
/// When not run as root, or a program of the build fails (no network, no space).
pub async fn ensure(cache_dir: &Path, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<BaseImage, Error> {
    let path = cache_dir.join(directory_name());
    if path.is_dir() {
        return Ok(BaseImage { path });
    }
    fs::create_dir_all(cache_dir).map_err(Error::file("create", cache_dir))?;
    let _lock = lock(cache_dir.join("image.lock"), progress).await?;
    if path.is_dir() {
        return Ok(BaseImage { path });
    }
    let partial = cache_dir.join("image.partial");
    remove(&partial).await?;
    if let Err(error) = build(&partial, &cache_dir.join("image.log"), progress).await {
        remove(&partial).await?;
        return Err(error);
    }
    fs::rename(&partial, &path).map_err(Error::file("create", &path))?;
    Ok(BaseImage { path })
}

fn directory_name() -> String {
    let mut recipe = format!("{SUITE} {PACKAGES} {CONFIGURE}");
    for (path, mode, contents) in FILES {
        recipe.push_str(&format!("{path} {mode} {contents}"));
    }
    format!("nodes-{SUITE}-{:016x}", fnv1a(recipe.as_bytes()))
}

/// Waits for other builders; the lock goes with the returned file.
async fn lock(path: PathBuf, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<File, Error> {
    let file = File::create(&path).map_err(Error::file("create", &path))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(file);
    }
    progress("waiting for another process that builds the machine image");
    let locked = tokio::task::spawn_blocking(move || {
        flock(&file, FlockOperation::LockExclusive)
            .map(|()| file)
            .map_err(std::io::Error::from)
    });
    locked
        .await
        .map_err(std::io::Error::from)
        .and_then(|file| file)
        .map_err(Error::file("lock", &path))
}

async fn remove(root: &Path) -> Result<(), Error> {
    if !root.exists() {
        return Ok(());
    }
    run("rm", &["-rf", "--one-file-system", &root.to_string_lossy()])
        .await
        .map(drop)
}

async fn build(root: &Path, log: &Path, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), Error> {
    bootstrap(root, log, progress).await?;
    progress("adding the machine's own files");
    for (path, mode, contents) in FILES {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        }
        fs::write(&path, contents).map_err(Error::file("write", &path))?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(Error::file("write", &path))?;
    }
    run("sh", &["-c", CONFIGURE, "configure.sh", &root.to_string_lossy()])
        .await
        .map(drop)
}

/// Runs debootstrap in namespaces of its own: what it mounts and starts cannot outlive it.
async fn bootstrap(root: &Path, log: &Path, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), Error> {
    let errors = File::create(log).map_err(Error::file("create", log))?;
    let mut unshare = command("unshare");
    unshare.args([
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    unshare
        .args([
            "debootstrap",
            "--variant=minbase",
            &format!("--include={PACKAGES}"),
            SUITE,
        ])
        .arg(root);
    if let Some(mirror) = mirror::of_this_machine() {
        unshare.arg(mirror);
    }
    let start = |source| Error::Start {
        program: "debootstrap".to_owned(),
        source,
    };
    let mut child = unshare
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(start)?;
    let mut phases = PHASES.iter().peekable();
    let mut last = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, words)) = phases.next_if(|(start, _)| line.starts_with(start)) {
                progress(words);
            }
            last = line;
        }
    }
    let status = child.wait().await.map_err(start)?;
    if status.success() {
        return Ok(());
    }
    let errors = fs::read_to_string(log).unwrap_or_default();
    Err(failure(
        "debootstrap",
        status,
        if errors.trim().is_empty() { &last } else { &errors },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_executable_and_configuration_is_not() {
        for (path, mode, contents) in FILES {
            assert_eq!(mode == 0o755, contents.starts_with("#!"), "{path}");
        }
    }

    #[tokio::test]
    async fn an_image_that_is_there_is_not_built_again() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join(directory_name());
        fs::create_dir(&path).unwrap();
        let image = ensure(cache.path(), &|line| panic!("{line}")).await.unwrap();
        assert_eq!(image, BaseImage { path });
    }
}
