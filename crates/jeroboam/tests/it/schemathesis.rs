//! The OpenAPI document, played by schemathesis against the running service: whatever it makes up, no answer is a fault
//! of the service, and each has a status, a media type and a body that the document knows.

use std::process::Command;

use crate::rig::{Rig, installed};

/// Answers that are checked. What is sent wrong on purpose may be understood all the same: typing is permissive.
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// Federations are not served: their 501 is an answer, and no fault.
const FEDERATIONS: &str = "^/v1/federations";

/// Operations that are played at least: not fewer because something about the document keeps them from being so.
const PLAYED: usize = 20;

/// Plays with one seed; `more` are further arguments.
async fn play(rig: &Rig, token: &str, more: &[&str]) {
    let mut command = Command::new(installed("fuzzers", "bin/st").join("bin/st"));
    command
        .args(["run", &rig.url("/v1/openapi.json")])
        .args(["--header", &format!("X-Auth-Token: {token}")])
        .args(["--checks", CHECKS, "--exclude-path-regex", FEDERATIONS])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "1",
            // Python 3.11 mixes up the depths of what several threads compile.
            "--workers",
            "1",
        ])
        .args(["--generation-database", "none", "--no-color", "--warnings", "off"])
        .args(more)
        .current_dir(rig.directory.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tested = text.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    let tested = tested.and_then(|count| count.trim().parse().ok());
    assert!(tested.is_some_and(|count: usize| count >= PLAYED), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_a_fault_or_undocumented() {
    let rig = Rig::start().await;
    let token = rig
        .openstack("admin", "admin", &["token", "issue", "-f", "value", "-c", "id"])
        .await;
    let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    for (name, more) in [("known", &["--public"][..]), ("used", &[])] {
        let fixed = [
            "coe",
            "cluster",
            "template",
            "create",
            name,
            "--coe",
            "swarm-mode",
            "--image",
        ];
        let image = [
            "debian-12-docker",
            "--external-network",
            "public",
            "--flavor",
            "m1.small",
        ];
        let made = rig
            .openstack("admin", "admin", &[&fixed[..], &image, more].concat())
            .await;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let create = ["coe", "cluster", "create", "known", "--cluster-template", "used"];
    assert!(rig.openstack("admin", "admin", &create).await.status.success());

    // What exists, without deleting it; then whatever comes to mind.
    let parameters = "[parameters]\n\"path.cluster\" = \"known\"\n\"path.clustertemplate\" = \"known\"\n\
                      \"path.nodegroup\" = \"default-worker\"\n\"path.resource\" = \"Cluster\"\n";
    std::fs::write(rig.directory.path().join("schemathesis.toml"), parameters).unwrap();
    play(
        &rig,
        &token,
        &["--exclude-method", "DELETE", "--max-examples", "10"],
    )
    .await;
    std::fs::remove_file(rig.directory.path().join("schemathesis.toml")).unwrap();
    play(&rig, &token, &["--max-examples", "10"]).await;
}
