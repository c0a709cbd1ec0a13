//! The `jeroboam` program: parses the command line, sets the process up and calls a subcommand.

mod addons;
mod bootstrap;
mod cli;
mod clients;
mod clocks;
mod configuration;
mod database;
mod demo;
mod drivers;
mod keys;
mod listen;
mod logging;
mod metrics;
mod output;
mod policy;
mod serve;
mod simcloud;
mod systemd;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command, ConfigCommand, DriversCommand, KeysCommand, PolicyCommand};

fn main() -> ExitCode {
    // Two crypto providers in one process would make rustls panic at its first use: ours is chosen here, once.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        return fail(&anyhow::anyhow!("a crypto provider is installed already"));
    }
    let cli = Cli::parse();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Command::Serve { .. } = cli.command {
        match configuration::load(&cli.configuration) {
            Ok(config) => {
                if let Some(threads) = config.api.workers.filter(|threads| *threads > 0) {
                    builder.worker_threads(threads as usize);
                }
            }
            Err(error) => return fail(&error),
        }
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve { stop_with_parent } => {
            Box::pin(serve::serve(&cli.configuration, stop_with_parent)).await
        }
        Command::Demo(arguments) => demo::demo(arguments).await,
        Command::Simcloud(arguments) => simcloud::simcloud(arguments).await,
        Command::Db => database::upgrade(&cli.configuration).await,
        Command::Keys {
            command: KeysCommand::Rotate,
        } => keys::rotate(&cli.configuration).await,
        Command::Config {
            command: ConfigCommand::Sample,
        } => output::text(&jeroboam_config::Config::sample()),
        Command::Config {
            command: ConfigCommand::Check,
        } => configuration::check(&cli.configuration),
        Command::Drivers {
            command: DriversCommand::List { labels },
        } => {
            let config = configuration::load(&cli.configuration)?;
            output::text(&drivers::table(&drivers::all(&config)?, &config.drivers, labels))
        }
        Command::Addons { command } => addons::run(&cli.configuration, command).await,
        Command::Policy {
            command: PolicyCommand::Sample,
        } => output::text(&jeroboam_policy::sample(jeroboam_policy::magnum::RULES)),
        Command::Policy {
            command: PolicyCommand::List,
        } => policy::list(&cli.configuration),
        Command::Policy {
            command: PolicyCommand::Check(arguments),
        } => policy::check(&cli.configuration, &arguments),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "jeroboam", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// One clear line: the error and its causes.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("jeroboam: {error:#}");
    ExitCode::FAILURE
}
