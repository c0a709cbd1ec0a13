//! `cargo xtask lab`: a real OpenStack on this machine, as far as one can be had without networks and nodes.
//!
//! The services are those that PyPI and Debian have. Only what needs hardware is put in: Nova's fake hypervisor,
//! Cinder's fake volumes, amphorae that forward nothing, and two small plugins in `xtask/lab/python`. Everything
//! listens on loopback. Its one invariant: it stops only processes that it started itself.

mod configure;
mod infra;
mod install;
mod jeroboam;
mod places;
mod process;
mod schema;
mod services;
mod wait;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

pub use self::places::Lab;
use self::process::Pids;

/// Where the lab is.
#[derive(Args)]
pub struct Place {
    /// Directory of the lab's data, logs and pid files; remove it while the lab is down to begin anew
    #[arg(long, global = true, default_value = "/var/tmp/jeroboam-lab")]
    pub directory: PathBuf,
    /// First of the 20 ports that the lab takes; counts only when the directory is new
    #[arg(long, global = true, default_value_t = 25_000)]
    pub first_port: u16,
}

/// What to do with it.
#[derive(Subcommand)]
pub enum Task {
    /// Installs what is missing, and starts what does not run
    Up {
        /// Services to start beside the usual ones: magnum
        #[arg(long, value_delimiter = ',')]
        with: Vec<String>,
        /// Start these services and no others, of keystone, placement, glance, neutron, nova, cinder, barbican,
        /// octavia and magnum
        #[arg(long, value_delimiter = ',', conflicts_with = "with")]
        only: Vec<String>,
    },
    /// Stops everything, or some processes by the names that status shows
    Down {
        /// Names of processes, or of services for all of theirs
        names: Vec<String>,
    },
    /// Shows what runs
    Status,
    /// Starts what does not run, and creates and deletes clusters with Jeroboam on it
    Test {
        /// Program to test instead of the one that is built now
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Prints the variables with which a client logs in; the password is the same for every user
    Env {
        /// admin, demo, alt_demo (projects of the same names), demo_reader, demo_manager or demo_nobody (project demo)
        #[arg(default_value = "demo")]
        user: String,
    },
}

/// Runs one of the tasks.
pub fn run(place: &Place, task: Task) -> Result<()> {
    let lab = Lab::new(place)?;
    match task {
        Task::Up { with, only } => up(&lab, &with, &only),
        Task::Down { names } => down(&lab, &names),
        Task::Status => status(&lab),
        Task::Test { program } => {
            up(&lab, &[], &[])?;
            jeroboam::test(&lab, program.as_deref())
        }
        Task::Env { user } => show(&lab.environment(&user)),
    }
}

/// Compares Jeroboam with PyPI's Magnum on the lab; with `--render` only writes the page of known differences.
pub fn diff_magnum(place: &Place, program: Option<&Path>, arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--render") {
        return jeroboam::page_of_differences(&[]);
    }
    let lab = Lab::new(place)?;
    up(&lab, &["magnum".to_owned()], &[])?;
    jeroboam::compare(&lab, program, arguments)
}

/// Starts the lab with the services named, or with the usual ones and those `with` them.
pub fn up(lab: &Lab, with: &[String], only: &[String]) -> Result<()> {
    let started = Instant::now();
    let say = |what: &str| eprintln!("[{:4} s] {what}", started.elapsed().as_secs());
    let chosen = services::chosen(with, only)?;
    say("packages");
    let python = install::all(lab)?;
    configure::all(lab, &python)?;
    let pids = Pids::open(lab)?;
    say("MariaDB, RabbitMQ and memcached");
    infra::start(lab, &pids)?;
    say("schemas of databases, and Keystone");
    schema::all(lab, &python, &pids, &chosen)?;
    infra::wait_for_broker(lab)?;
    say(&format!("starting {}", services::names(&chosen)));
    for service in &chosen {
        service.start(lab, &python, &pids)?;
    }
    let running = |name: &str| chosen.iter().any(|service| service.name == name);
    for service in chosen.iter().filter(|service| service.name != "octavia") {
        service.wait(lab, &pids)?;
    }
    if ["nova", "glance", "neutron", "cinder"].into_iter().all(running) {
        schema::fill(lab, "resources")?;
        schema::discover_hosts(lab, &python)?;
    }
    // Octavia's worker reads at its start which network amphorae live in.
    for service in chosen.iter().filter(|service| service.name == "octavia") {
        service.start_rest(lab, &python, &pids)?;
        service.wait(lab, &pids)?;
    }
    say("up; `cargo xtask lab env` prints how to log in");
    Ok(())
}

/// True when something of the lab runs.
pub fn is_up(lab: &Lab) -> Result<bool> {
    let pids = Pids::open(lab)?;
    Ok(pids.names().iter().any(|name| pids.is_alive(name)))
}

/// Stops all, or what is named.
pub fn down(lab: &Lab, names: &[String]) -> Result<()> {
    let pids = Pids::open(lab)?;
    if names.is_empty() {
        return pids.stop_all();
    }
    for name in names {
        let own = pids.of(name);
        if own.is_empty() {
            bail!("no process {name} was started; status shows which were");
        }
        pids.stop(&own);
    }
    Ok(())
}

fn status(lab: &Lab) -> Result<()> {
    let pids = Pids::open(lab)?;
    let names = pids.names();
    if names.is_empty() {
        return show(&format!("the lab in {} is down\n", lab.state.display()));
    }
    let line = |name: &String| {
        let port = lab
            .port(name)
            .map(|port| format!(" port {port}"))
            .unwrap_or_default();
        let state = if pids.is_alive(name) { "runs" } else { "DEAD" };
        format!("{name:<20} {state}{port}\n")
    };
    show(&names.iter().map(line).collect::<String>())?;
    if names.iter().any(|name| !pids.is_alive(name)) {
        bail!("a process has died; its log is in {}", lab.logs().display());
    }
    Ok(())
}

/// Writes to standard output.
fn show(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_a_port_of_its_own() {
        let lab = Lab::new(&Place {
            directory: std::env::temp_dir().join("jeroboam-lab-ports"),
            first_port: 100,
        })
        .unwrap();
        let mut ports: Vec<u16> = services::ALL
            .iter()
            .map(|service| lab.port(service.name).unwrap())
            .collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), services::ALL.len());
    }

    #[test]
    fn the_page_of_differences_is_what_the_list_says() {
        jeroboam::page_of_differences(&["--check"])
            .expect("run cargo xtask diff-magnum -- --render, and read what has changed");
    }

    #[test]
    fn only_known_services_can_be_chosen() {
        assert!(services::chosen(&[], &["heat".to_owned()]).is_err());
        let usual = services::chosen(&[], &[]).unwrap();
        assert!(usual.iter().all(|service| service.name != "magnum"));
        let more = services::chosen(&["magnum".to_owned()], &[]).unwrap();
        assert_eq!(more.len(), usual.len() + 1);
    }
}
