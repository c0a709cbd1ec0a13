//! A random walk against a hostile cloud: clusters are created and deleted, calls fail in every way that the
//! simulator knows, and the service is killed with SIGKILL again and again. At the end nothing may be stuck past
//! its deadline, made twice or left behind.

mod server;
mod tally;
mod tenant;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use jeroboam_simcloud::faults::Rule;
use jeroboam_simcloud::{Options, SimCloud};
use tokio::task::JoinSet;

use crate::server::Server;
use crate::tally::Tally;
use crate::tenant::Tenant;

#[derive(Clone, Parser)]
#[command(about = "Random creates and deletes with faults on and the service killed at random")]
struct Arguments {
    /// Clusters to create and delete
    #[arg(long, default_value_t = 1_000)]
    runs: u32,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clusters at a time
    #[arg(long, default_value_t = 8)]
    parallel: u32,
    /// Probability that a call to the cloud fails
    #[arg(long, default_value_t = 0.03)]
    faults: f64,
    /// Longest time between two kills in milliseconds; 0 never kills
    #[arg(long, default_value_t = 4_000)]
    kill_every_ms: u64,
    /// The `jeroboam` program; beside this one if not given
    #[arg(long)]
    program: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("a crypto provider is installed already");
        return ExitCode::FAILURE;
    }
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let begun = Instant::now();
    let cloud = Arc::new(
        SimCloud::start(Options {
            seed: arguments.seed,
            roomy: true,
            ..Options::default()
        })
        .await
        .context("cannot start the simulator")?,
    );
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let mut server = Server::start(program(&arguments)?, directory.path(), &cloud.auth_url()).await?;
    let tenant = Arc::new(Tenant::log_in(&cloud.auth_url(), &server.url()).await?);
    let mut templates = Vec::new();
    for flavor in walk::FLAVORS {
        templates.push(tenant.create_template(flavor).await?);
    }
    let templates = Arc::new(templates);
    cloud.faults().add(Rule::chaos(arguments.faults));

    let tally = Arc::new(Tally::default());
    let next = Arc::new(AtomicU32::new(0));
    let mut walkers = JoinSet::new();
    for _ in 0..arguments.parallel {
        let (tenant, tally, next, templates) =
            (tenant.clone(), tally.clone(), next.clone(), templates.clone());
        let (runs, seed, cloud) = (arguments.runs, arguments.seed, Arc::clone(&cloud));
        walkers.spawn(async move {
            loop {
                let run = next.fetch_add(1, Ordering::Relaxed);
                if run >= runs {
                    return anyhow::Ok(());
                }
                walk::walk(&tenant, &cloud, &templates, seed, run, &tally).await?;
            }
        });
    }
    let kills = kill_until_done(&arguments, &mut server, &mut walkers).await?;

    cloud.faults().clear();
    let leaked = settle(&cloud).await;
    for template in templates.iter() {
        tenant.delete_template(template).await?;
    }
    server.stop().await?;
    println_summary(&tally.summary(arguments.runs, kills, &leaked, begun.elapsed()));
    let log = directory.path().join("service.log");
    if !leaked.is_empty() || tally.has_failed() {
        let kept = directory.keep();
        bail!("see {} for the log (it was {})", kept.display(), log.display());
    }
    Ok(())
}

/// Kills and restarts the server at random until every walker is done.
async fn kill_until_done(
    arguments: &Arguments,
    server: &mut Server,
    walkers: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<u32> {
    let mut random = fastrand::Rng::with_seed(arguments.seed ^ 0x6b69_6c6c);
    let mut kills = 0;
    loop {
        let pause = match arguments.kill_every_ms {
            0 => Duration::from_secs(3_600),
            longest => Duration::from_millis(random.u64(longest / 8..=longest)),
        };
        tokio::select! {
            done = walkers.join_next() => match done {
                None => return Ok(kills),
                Some(done) => done.context("a walker died")??,
            },
            () = tokio::time::sleep(pause) => {
                server.kill_and_restart().await?;
                kills += 1;
            }
        }
    }
}

/// What is left in the cloud when asynchronous work had time to end.
async fn settle(cloud: &SimCloud) -> Vec<String> {
    for _ in 0..50 {
        if cloud.usage().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    cloud
        .usage()
        .items
        .iter()
        .map(|item| format!("{} {} ({})", item.kind, item.name, item.id))
        .collect()
}

fn program(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let beside = own.with_file_name("jeroboam");
    let program = arguments.program.clone().unwrap_or(beside);
    if !program.is_file() {
        bail!("{} is not there; build it first", program.display());
    }
    Ok(program)
}

#[expect(clippy::print_stdout, reason = "the summary is what the program is for")]
fn println_summary(summary: &str) {
    println!("{summary}");
}
