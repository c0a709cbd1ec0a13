//! Dependencies between our crates point down only. What is forbidden stands here, once.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// A crate and what must never be below it.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("jeroboam-types", &["tokio", "reqwest", "sea-orm"]),
    ("jeroboam-metrics", &["tokio", "reqwest", "axum"]),
    ("jeroboam-plan", &["tokio", "reqwest", "sea-orm", "fastrand"]),
    ("jeroboam-driver", &["tokio", "reqwest", "sea-orm"]),
    (
        "jeroboam-swarm",
        &["jeroboam-store", "jeroboam-api", "jeroboam-engine", "sea-orm"],
    ),
    (
        "jeroboam-blueprint",
        &["jeroboam-store", "jeroboam-api", "jeroboam-engine", "sea-orm"],
    ),
    (
        "jeroboam-addons",
        &["tokio", "reqwest", "sea-orm", "jeroboam-driver"],
    ),
    (
        "jeroboam-kubernetes",
        &["jeroboam-store", "jeroboam-api", "jeroboam-engine", "sea-orm"],
    ),
    ("jeroboam-engine", &["jeroboam-api", "axum"]),
    (
        "jeroboam-api",
        &["jeroboam-engine", "jeroboam-swarm", "jeroboam-kubernetes"],
    ),
    ("jeroboam-cloud", &["jeroboam-store", "sea-orm", "axum"]),
    ("jeroboam-policy", &["tokio", "reqwest", "sea-orm", "fastrand"]),
    ("jeroboam-pki", &["tokio", "reqwest", "rsa"]),
    (
        "jeroboam-simnodes",
        &["jeroboam-types", "jeroboam-cloud", "jeroboam-store"],
    ),
    (
        "jeroboam-simcloud",
        &["jeroboam-types", "jeroboam-cloud", "jeroboam-store"],
    ),
    ("jeroboam", &["ring", "openssl-sys", "rsa"]),
];

/// Fails if a crate depends on what it must not.
pub fn check() -> Result<()> {
    let mut broken = Vec::new();
    for (package, forbidden) in FORBIDDEN {
        let arguments = [
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ];
        let output = Command::new("cargo")
            .args(arguments)
            .output()
            .context("cannot start cargo tree")?;
        if !output.status.success() {
            bail!(
                "cargo tree --package {package} failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let tree = String::from_utf8_lossy(&output.stdout);
        let below: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        broken.extend(
            forbidden
                .iter()
                .filter(|name| below.contains(name))
                .map(|name| format!("{package} depends on {name}")),
        );
    }
    if broken.is_empty() {
        Ok(())
    } else {
        bail!("forbidden dependencies: {}", broken.join(", "))
    }
}
