//! `cargo xtask bench api`: the API under load, side by side with a bare handler that asks the database the same,
//! and with Magnum.
//!
//! Everything is measured on this machine, in one run, on one MariaDB with the same rows, by wrk. Servers take turns
//! within each row of the table, so that what disturbs the machine disturbs all of them.

mod bare;
mod cases;
mod cloud;
mod load;
mod magnum;
mod mariadb;
mod process;
mod report;
mod run;
mod seed;
mod service;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "jeroboam-bench", about = "Measures the API")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures and prints a table
    Api(Options),
    /// The bare handler that the API is measured against
    Bare {
        /// URL of the database
        #[arg(long)]
        database: String,
        /// Address to listen on
        #[arg(long)]
        listen: SocketAddr,
        /// Project whose rows are shown
        #[arg(long)]
        project: String,
    },
}

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The program under test
    #[arg(long, value_name = "FILE")]
    jeroboam: PathBuf,
    /// Environment of a client of a running OpenStack (`export NAME=value` lines); without it, the simulator
    #[arg(long, value_name = "FILE")]
    openrc: Option<PathBuf>,
    /// Python environment with magnum, uwsgi and PyMySQL; without it, Magnum is left out
    #[arg(long, value_name = "DIRECTORY")]
    magnum: Option<PathBuf>,
    /// Seconds for each turn
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Clusters in the database, with two node groups each
    #[arg(long, default_value_t = 1_000)]
    clusters: u32,
    /// Templates in the database
    #[arg(long, default_value_t = 20)]
    templates: u32,
    /// Connections at a time
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    connections: Vec<u32>,
    /// Only the requests whose name has this in it
    #[arg(long)]
    only: Option<String>,
    /// File to write the table to as well
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// The command that the table names
    #[arg(long, default_value = "cargo xtask bench api")]
    command: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The first use of rustls would panic without a choice.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Arguments::parse().command {
        Command::Api(options) => {
            let mut ended = signal(SignalKind::terminate())?;
            // Whatever a run has started ends when the run is dropped.
            tokio::select! {
                measured = run::api(options) => measured,
                _ = tokio::signal::ctrl_c() => bail!("interrupted"),
                _ = ended.recv() => bail!("asked to end"),
            }
        }
        Command::Bare {
            database,
            listen,
            project,
        } => bare::serve(&database, listen, project).await,
    }
}
