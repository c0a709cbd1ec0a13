//! Starts that cannot succeed: one clear line, a non-zero exit, nothing half written. And starts that can.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use jeroboam_simcloud::{Options, SimCloud};

use crate::rig::{PROGRAM, Rig, configuration, free_port, http};

/// Starts the service and waits for its end; gives its only line of error.
async fn refused(directory: &Path, text: String) -> String {
    let file = directory.join("jeroboam.conf");
    std::fs::write(&file, text).unwrap();
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
    let own: Vec<&str> = errors
        .lines()
        .filter(|line| line.starts_with("jeroboam: "))
        .collect();
    assert_eq!(
        (own.len(), errors.lines().count()),
        (1, 1),
        "one line is expected: {errors}"
    );
    assert!(!directory.join("state").exists(), "something was written");
    own[0].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_succeed_says_why_in_one_line_and_writes_nothing() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cloud = SimCloud::start(Options::default()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let good = configuration(&state, free_port(), &cloud.auth_url());

    let nobody = configuration(&state, free_port(), "http://127.0.0.1:1/v3");
    let line = refused(directory.path(), nobody).await;
    assert!(line.contains("Keystone") && line.contains("refused"), "{line}");

    let line = refused(
        directory.path(),
        good.replace("password = secret", "password = wrong"),
    )
    .await;
    assert!(
        line.contains("Keystone") && line.contains("requires authentication"),
        "{line}"
    );
    assert!(!line.contains("wrong"), "a password is shown: {line}");

    let bad_url = format!("{good}[database]\nconnection = mysql://user:hunter2@\n");
    let line = refused(directory.path(), bad_url).await;
    assert!(
        line.contains("database URL") && !line.contains("hunter2"),
        "{line}"
    );

    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let line = refused(directory.path(), configuration(&state, port, &cloud.auth_url())).await;
    assert!(
        line.contains(&format!("127.0.0.1:{port}")) && line.contains("in use"),
        "{line}"
    );

    let line = refused(directory.path(), good.replace("[api]", "[api]\nmax_limit = many")).await;
    assert!(
        line.contains("jeroboam.conf:4") && line.contains("max_limit"),
        "{line}"
    );

    let line = refused(directory.path(), format!("{good}[engine]\nlease_secs = 10\n")).await;
    assert!(line.contains("lease"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_in_the_same_directory_is_refused_and_a_killed_one_is_not_in_the_way() {
    let mut rig = Rig::start().await;
    let file = rig.directory.path().join("second.conf");
    let state = rig.directory.path().join("state");
    std::fs::write(&file, configuration(&state, free_port(), &rig.cloud.auth_url())).unwrap();
    let second = tokio::task::spawn_blocking(move || {
        Command::new(PROGRAM)
            .args(["serve", "--config-file"])
            .arg(file)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another process works in"));

    rig.kill_service().await;
    let begun = Instant::now();
    rig.start_service().await;
    assert!(
        http()
            .get(rig.url("/v1"))
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    eprintln!("ready {} ms after the start", begun.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_on_disk_are_for_the_owner_alone_and_appear_in_no_log() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::start().await;
    let state = rig.directory.path().join("state");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("master.key")), 0o600);
    assert_eq!(mode(&state.join("jeroboam.sqlite")), 0o600);
    let log = std::fs::read_to_string(rig.log()).unwrap();
    assert!(!log.contains("secret"), "a password is in the log: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_can_be_changed_under_the_clusters() {
    let mut rig = Rig::start().await;
    let template = [
        "coe",
        "cluster",
        "template",
        "create",
        "t",
        "--coe",
        "swarm",
        "--image",
        "debian-12-docker",
    ];
    rig.demo(
        &[
            &template[..],
            &["--external-network", "public", "--flavor", "m1.small"],
        ]
        .concat(),
    )
    .await;
    rig.demo(&["coe", "cluster", "create", "c", "--cluster-template", "t"])
        .await;
    rig.wait_status("c", "CREATE_COMPLETE").await;
    let before = rig.demo(&["coe", "ca", "show", "c"]).await;
    rig.kill_service().await;

    let key = rig.directory.path().join("state/master.key");
    let old = std::fs::read_to_string(&key).unwrap();
    let file = rig.directory.path().join("jeroboam.conf");
    let rotated = tokio::task::spawn_blocking(move || {
        Command::new(PROGRAM)
            .args(["keys", "rotate", "--config-file"])
            .arg(file)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    assert!(
        rotated.status.success(),
        "{}",
        String::from_utf8_lossy(&rotated.stderr)
    );
    let text = String::from_utf8(rotated.stdout).unwrap();
    assert!(text.starts_with("5 secrets"), "a password and four keys: {text}");
    // The old key may go now: nothing needs it.
    let new = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, new.replace(old.trim_end(), "").trim_end().to_owned() + "\n").unwrap();

    rig.start_service().await;
    assert_eq!(rig.demo(&["coe", "ca", "show", "c"]).await, before);

    // Without its key the database is of no use, and a new key would hide that.
    rig.kill_service().await;
    let hidden = key.with_extension("hidden");
    std::fs::rename(&key, &hidden).unwrap();
    let file = rig.directory.path().join("jeroboam.conf");
    let refused = tokio::task::spawn_blocking(move || {
        Command::new(PROGRAM)
            .args(["serve", "--config-file"])
            .arg(file)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && line.contains("master.key is missing"),
        "{line}"
    );
    assert!(!key.exists());
    std::fs::rename(&hidden, &key).unwrap();
    rig.start_service().await;
    rig.demo(&["coe", "cluster", "delete", "c"]).await;
}
