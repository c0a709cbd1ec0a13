//! `jeroboam policy`: what operators learn of their rules before the service does.

use std::path::Path;
use std::process::Command;

use crate::rig::PROGRAM;

/// Runs the program beside a policy file; gives its exit code, output and errors.
fn policy(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let file = directory.join("jeroboam.conf");
    std::fs::write(&file, "[oslo_policy]\npolicy_dirs =\n").unwrap();
    let output = Command::new(PROGRAM)
        .arg("--config-file")
        .arg(&file)
        .arg("policy")
        .args(arguments)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn rules_are_printed_checked_and_tried_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (code, sample, _) = policy(directory.path(), &["sample"]);
    assert_eq!(code, 0);
    assert!(sample.contains("\n# POST  /v1/clusters\n") && sample.contains("\n#\"cluster:create\": "));

    // The file lies beside the configuration.
    std::fs::write(
        path("policy.yaml"),
        format!("{sample}\"cluster:delete\": \"rule:project_manager\"\n"),
    )
    .unwrap();
    let (code, list, _) = policy(directory.path(), &["list"]);
    assert_eq!(code, 0);
    let line = list
        .lines()
        .find(|line| line.starts_with("\"cluster:delete\""))
        .unwrap();
    assert!(
        line.contains("rule:project_manager") && line.contains("policy.yaml:"),
        "{line}"
    );
    let (code, usable, errors) = policy(directory.path(), &["check"]);
    assert_eq!(
        (code, usable.as_str()),
        (0, "1 rules of policy files are usable\n"),
        "{errors}"
    );

    let token = r#"{"token": {"user": {"id": "u"}, "project": {"id": "p"}, "roles": [{"name": "member"}]}}"#;
    std::fs::write(path("token.json"), token).unwrap();
    let token = path("token.json");
    let token = token.to_str().unwrap();
    let tried = [
        "check",
        "--token",
        token,
        "--rule",
        "cluster:create",
        "--rule",
        "cluster:delete",
    ];
    let (code, verdicts, errors) = policy(directory.path(), &tried);
    assert_eq!(
        (code, verdicts.as_str()),
        (1, "granted  cluster:create\nrefused  cluster:delete\n")
    );
    assert!(errors.contains("not granted: 1 of 2"), "{errors}");
    let granted = [
        "check",
        "--token",
        token,
        "--rule",
        "cluster:create",
        "--target",
        r#"{"project_id": "p"}"#,
    ];
    assert_eq!(policy(directory.path(), &granted).0, 0);

    std::fs::write(path("odd.yaml"), "\"cluster:gett\": \"role:a\"\n").unwrap();
    let odd = path("odd.yaml");
    let (code, findings, _) = policy(directory.path(), &["check", odd.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(
        findings.contains("odd.yaml:1: error: cluster:gett is not a rule"),
        "{findings}"
    );

    std::fs::write(path("policy.yaml"), "\"cluster:get\": [\n").unwrap();
    let (code, _, errors) = policy(directory.path(), &["check"]);
    assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
    assert!(errors.contains("policy.yaml:"), "{errors}");
}
