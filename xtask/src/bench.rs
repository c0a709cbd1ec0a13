//! `cargo xtask bench api`: builds what is measured as packages are, starts the cloud, and runs the benchmark.

use std::fs;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::lab::{self, Lab, Place};
use crate::{cargo, run, setup};

/// Programs of the benchmark, and the Debian packages that have them.
const PROGRAMS: &[(&str, &str)] = &[
    ("wrk", "wrk"),
    ("mariadbd", "mariadb-server"),
    ("memcached", "memcached"),
];

/// Services of the lab that the requests need; Cinder because the lab is filled when it is there.
const SERVICES: [&str; 6] = ["keystone", "placement", "glance", "neutron", "nova", "cinder"];

/// Where the table of a complete run is kept.
const TABLE: &str = "docs/operator/performance.md";

/// What to measure.
#[derive(Subcommand)]
pub enum Bench {
    /// The API: requests per second and latencies, beside a bare handler and Magnum
    Api {
        #[command(flatten)]
        place: Place,
        /// On the simulator instead of a real OpenStack; Magnum takes part if the lab was installed once
        #[arg(long)]
        simulator: bool,
        /// Further arguments of `jeroboam-bench api`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

/// Measures.
pub fn measure(bench: &Bench) -> Result<()> {
    let Bench::Api {
        place,
        simulator,
        arguments,
    } = bench;
    setup::packages_without_starting(PROGRAMS)?;
    let packages = ["--package", "jeroboam", "--package", "jeroboam-bench"];
    cargo(&[&["build", "--profile", "production", "--quiet"][..], &packages].concat())?;
    let lab = Lab::new(place)?;
    let was_up = lab::is_up(&lab)?;
    let mut chosen: Vec<String> = ["api", "--jeroboam", "target/production/jeroboam"]
        .map(str::to_owned)
        .to_vec();
    if *simulator {
        chosen.extend(["--command", "cargo xtask bench api --simulator"].map(str::to_owned));
    } else {
        lab::up(&lab, &[], &SERVICES.map(str::to_owned))?;
        let openrc = lab.state.join("bench.openrc");
        fs::write(&openrc, lab.environment("demo"))
            .with_context(|| format!("cannot write {}", openrc.display()))?;
        chosen.extend(["--openrc".to_owned(), openrc.display().to_string()]);
        if arguments.is_empty() {
            chosen.extend(["--write", TABLE].map(str::to_owned));
        }
    }
    let python = lab.cache.join("venv");
    if python.join("installed").exists() {
        chosen.extend(["--magnum".to_owned(), python.display().to_string()]);
    }
    chosen.extend(arguments.iter().cloned());
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    let measured = run("target/production/jeroboam-bench", &chosen);
    if !was_up && !simulator {
        lab::down(&lab, &[])?;
    }
    measured
}
