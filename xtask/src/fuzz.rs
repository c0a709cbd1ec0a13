//! Coverage-guided fuzzing of what is parsed before or just after authentication. It needs no nightly compiler and no
//! further tool: the crates of the workspace are compiled with LLVM's counters by a wrapper around rustc, and what
//! they depend on is shared with the build of the tests.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::setup;

/// Targets at a time.
const PARALLEL: usize = 2;
/// Where what is found along the way is kept, so that the next run goes on from there.
const WORK: &str = "target/fuzz";

/// A target under way.
struct Running {
    name: String,
    log: PathBuf,
    child: Child,
}

/// Runs the targets, all or those named, for `seconds` each. The same `seed` tries the same inputs; 0 is another one
/// each time.
pub fn all(seconds: u32, seed: u32, only: &[String]) -> Result<()> {
    setup::packages([("c++", "g++")].iter())?;
    build()?;
    let known = targets()?;
    if let Some(unknown) = only.iter().find(|name| !known.contains(name)) {
        bail!("there is no target {unknown}; there are {}", known.join(", "));
    }
    let mut waiting: VecDeque<String> = known
        .into_iter()
        .filter(|name| only.is_empty() || only.contains(name))
        .collect();
    let mut running: Vec<Running> = Vec::new();
    let mut failed = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < PARALLEL
            && let Some(name) = waiting.pop_front()
        {
            running.push(start(name, seconds, seed)?);
        }
        sleep(Duration::from_millis(200));
        for index in (0..running.len()).rev() {
            let Some(status) = running[index].child.try_wait()? else {
                continue;
            };
            let ended = running.swap_remove(index);
            eprintln!("{}", told(&ended)?);
            if !status.success() {
                failed.push(ended.name);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!(
            "fuzzing found something in {}: see above and {WORK}",
            failed.join(", ")
        )
    }
}

fn build() -> Result<()> {
    let wrapper = std::env::current_dir()?.join("crates/fuzz/instrumented-rustc");
    // The whole workspace is selected so that dependencies get the features that they have in the tests' build.
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--workspace", "--bin", "jeroboam-fuzz"])
        .args(["--features", "jeroboam-fuzz/libfuzzer"])
        .env("RUSTC_WORKSPACE_WRAPPER", wrapper)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the fuzz targets do not compile");
    }
    Ok(())
}

/// Names of the targets: those of the directories of seeds, which a test compares with the code.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("crates/fuzz/seeds")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn start(name: String, seconds: u32, seed: u32) -> Result<Running> {
    let place = Path::new(WORK).join(&name);
    let corpus = place.join("corpus");
    fs::create_dir_all(&corpus)?;
    let log = place.join("log");
    let child = Command::new("target/debug/jeroboam-fuzz")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-seed={seed}"))
        .args([
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
        ])
        .arg(format!("-artifact_prefix={}/", place.display()))
        .arg(&corpus)
        .arg(Path::new("crates/fuzz/seeds").join(&name))
        .env("JEROBOAM_FUZZ_TARGET", &name)
        .stdout(std::process::Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()
        .context("cannot start the fuzzer")?;
    Ok(Running { name, log, child })
}

/// One line for a target that held, and what was found for one that did not.
fn told(ended: &Running) -> Result<String> {
    let text = String::from_utf8_lossy(&fs::read(&ended.log)?).into_owned();
    let statistic = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", str::trim).to_owned()
    };
    let coverage = text
        .lines()
        .filter_map(|line| line.split_once(" cov: "))
        .next_back();
    let coverage = coverage
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap_or("?");
    let line = format!(
        "{:16} {} executions, {coverage} branches, {} new inputs",
        ended.name,
        statistic("stat::number_of_executed_units:"),
        statistic("stat::new_units_added:"),
    );
    // libFuzzer names the file with the input that made it stop.
    if text.contains("Test unit written to") || text.contains("ERROR: libFuzzer") {
        let lines: Vec<&str> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(40)..].join("\n");
        return Ok(format!("{line}\n{end}"));
    }
    Ok(line)
}
