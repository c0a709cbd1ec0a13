//! A full disk.

use std::path::Path;
use std::process::Command;

use crate::rig::{PROGRAM, configuration, free_port};
use jeroboam_simcloud::{Options, SimCloud};

/// A file system of its own, unmounted at the end.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path, size: &str) -> Self {
        std::fs::create_dir(path).unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", size, "tmpfs"])
            .arg(path)
            .status();
        assert!(status.unwrap().success(), "cannot mount");
        Small(path)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_at_the_start_is_one_clear_line() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("a small file system can only be mounted by root");
        return;
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cloud = SimCloud::start(Options::default()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let _small = Small::mount(&state, "size=64k");
    let file = directory.path().join("jeroboam.conf");
    std::fs::write(&file, configuration(&state, free_port(), &cloud.auth_url())).unwrap();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(PROGRAM)
            .args(["serve", "--config-file"])
            .arg(file)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("full"), "{errors}");
    let left: Vec<_> = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["engine.lock"], "a half-made database was left");
}
