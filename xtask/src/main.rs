//! The one front door for people who work on Jeroboam: `cargo xtask check|test|demo|chaos|lab|fuzz|bench|setup`.

mod arrows;
mod bench;
mod databases;
mod e2e;
mod fuzz;
mod interop;
mod lab;
mod setup;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

/// Seconds for each fuzz target within the tests: all of them together, with the build, take some six minutes.
const FUZZ_SECONDS: u32 = 60;
/// The tests try the same inputs each time, so that a failure is the change's and can be seen again.
const FUZZ_SEED: u32 = 1;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks, tests and demonstrations of Jeroboam")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, lints and the direction of dependencies
    Check,
    /// Everything: set-up, checks, all tests, fuzzing, a random walk with faults and kills, and the life of a
    /// Kubernetes cluster on machines
    Test {
        /// Leave out what boots machines (for machines without root or without the needed kernel features)
        #[arg(long)]
        no_machines: bool,
    },
    /// Installs what the tests need: Debian packages, the PyPI clients, the machines' base image
    Setup {
        /// Only what is needed without booting machines
        #[arg(long)]
        no_machines: bool,
    },
    /// The demonstration, in release mode; arguments go to `jeroboam demo`
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// A cluster on machines that boot: `e2e kubernetes`, or add-ons on a real API alone: `e2e addons`; see
    /// docs/contributor/machines.md for further arguments
    E2e {
        /// What runs on the machines
        coe: Coe,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures what packages are made of
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Fuzzes what is parsed before or just after authentication
    Fuzz {
        /// Seconds for each target; two run at a time
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Seed of what is tried; 0 for another one each time
        #[arg(long, default_value_t = 0)]
        seed: u32,
        /// Only these targets
        targets: Vec<String>,
    },
    /// Random creates and deletes with faults on and the process killed at random
    Chaos {
        /// Creates in all
        #[arg(long, default_value_t = 1_000)]
        runs: u32,
        /// Seed of every random choice
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Further arguments of the `jeroboam-chaos` program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// A real OpenStack on this machine, for tests and for trying things
    Lab {
        #[command(flatten)]
        place: lab::Place,
        #[command(subcommand)]
        task: lab::Task,
    },
    /// Compares Jeroboam's answers with those of PyPI's Magnum, both on the lab's cloud
    DiffMagnum {
        #[command(flatten)]
        place: lab::Place,
        /// Program to compare instead of the one that is built now
        #[arg(long)]
        program: Option<PathBuf>,
        /// Arguments of the comparison; see docs/contributor/lab.md
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// What `e2e` creates.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Coe {
    Kubernetes,
    /// Add-ons of Kubernetes, on its API without nodes
    Addons,
}

fn main() -> ExitCode {
    match run_task(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_task(task: Task) -> Result<()> {
    std::env::set_current_dir(root())?;
    match task {
        Task::Check => check(),
        Task::Test { no_machines } => test(no_machines),
        Task::Setup { no_machines } => setup::all(no_machines),
        Task::Demo { arguments } => {
            let fixed = ["run", "--release", "--package", "jeroboam", "--", "demo"];
            cargo(
                &fixed
                    .into_iter()
                    .chain(arguments.iter().map(String::as_str))
                    .collect::<Vec<_>>(),
            )
        }
        Task::E2e {
            coe: Coe::Kubernetes,
            arguments,
        } => e2e::kubernetes(&arguments),
        Task::E2e {
            coe: Coe::Addons,
            arguments,
        } => e2e::addons(&arguments),
        Task::Bench { bench } => bench::measure(&bench),
        Task::Fuzz {
            seconds,
            seed,
            targets,
        } => fuzz::all(seconds, seed, &targets),
        Task::Chaos {
            runs,
            seed,
            arguments,
        } => chaos(true, runs, seed, &arguments),
        Task::Lab { place, task } => lab::run(&place, task),
        Task::DiffMagnum {
            place,
            program,
            arguments,
        } => lab::diff_magnum(&place, program.as_deref(), &arguments),
    }
}

fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or(own.clone(), PathBuf::from)
}

fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        // Tests that only `e2e addons` builds.
        "--features",
        "jeroboam-kubernetes/real-api",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ])?;
    arrows::check()
}

fn test(no_machines: bool) -> Result<()> {
    setup::all(no_machines)?;
    check()?;
    // Built once for all: the tests start the programs themselves.
    cargo(&["build", "--workspace", "--all-targets", "--quiet"])?;
    let databases = databases::Servers::start()?;
    let (runner, choice): (&[&str], &[&str]) = match (has_nextest(), no_machines) {
        (true, false) => (&["nextest", "run"], &[]),
        (true, true) => (&["nextest", "run"], &["--filterset", "not test(/machines::/)"]),
        (false, false) => (&["test"], &["--", "--test-threads", "2"]),
        (false, true) => (&["test"], &["--", "--skip", "machines::"]),
    };
    let all = ["--workspace", "--no-fail-fast"];
    let servers = [(databases::VARIABLE, databases.urls.as_str())];
    run_with("cargo", &[runner, &all, choice].concat(), &servers)?;
    drop(databases);
    fuzz::all(FUZZ_SECONDS, FUZZ_SEED, &[])?;
    chaos(false, 60, 1, &[])?;
    if no_machines {
        return Ok(());
    }
    e2e::addons(&[])?;
    e2e::kubernetes(&["--only".to_owned(), "life".to_owned()])
}

fn chaos(release: bool, runs: u32, seed: u64, arguments: &[String]) -> Result<()> {
    build(&["jeroboam", "jeroboam-chaos"], release)?;
    let directory = if release { "release" } else { "debug" };
    let (runs, seed) = (runs.to_string(), seed.to_string());
    let given = arguments.iter().map(String::as_str);
    let all: Vec<&str> = ["--runs", &runs, "--seed", &seed]
        .into_iter()
        .chain(given)
        .collect();
    run(&format!("target/{directory}/jeroboam-chaos"), &all)
}

/// Builds programs. The whole workspace is selected so that dependencies get the features that they have in the tests'
/// build, and are compiled once.
fn build(programs: &[&str], release: bool) -> Result<()> {
    let programs = programs.iter().flat_map(|name| ["--bin", *name]);
    let profile = release.then_some("--release");
    cargo(
        &["build", "--quiet", "--workspace"]
            .into_iter()
            .chain(programs)
            .chain(profile)
            .collect::<Vec<_>>(),
    )
}

fn has_nextest() -> bool {
    Command::new("cargo")
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Runs cargo and fails as it does.
fn cargo(arguments: &[&str]) -> Result<()> {
    run("cargo", arguments)
}

/// Runs a program with this terminal and fails as it does.
fn run(program: &str, arguments: &[&str]) -> Result<()> {
    run_with(program, arguments, &[])
}

/// The same with variables in its environment.
fn run_with(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!(
            "{program} {} failed: {status}",
            arguments.first().copied().unwrap_or_default()
        );
    }
    Ok(())
}
