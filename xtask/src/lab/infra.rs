//! MariaDB, RabbitMQ and memcached: instances of our own, with data of their own.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Lab;
use super::places::{HOST, PASSWORD, make_directory};
use super::process::Pids;
use super::wait;

/// Databases of the services.
const DATABASES: &[&str] = &[
    "keystone",
    "placement",
    "glance",
    "nova_api",
    "nova",
    "nova_cell0",
    "neutron",
    "cinder",
    "barbican",
    "octavia",
    "magnum",
    "jeroboam",
];

/// Starts all three; RabbitMQ is not waited for.
pub fn start(lab: &Lab, pids: &Pids) -> Result<()> {
    broker(lab, pids)?;
    let port = |name: &str| lab.port(name).unwrap_or_default();
    let mut memcached = Command::new("memcached");
    memcached.args([
        "-l",
        HOST,
        "-p",
        &port("memcached").to_string(),
        "-m",
        "128",
        "-c",
        "2048",
    ]);
    if rustix::process::geteuid().is_root() {
        memcached.args(["-u", "root"]);
    }
    pids.start("memcached", &mut memcached)?;
    database(lab, pids)?;
    wait::for_port("memcached", port("memcached"))
}

/// Waits for RabbitMQ, which takes longest.
pub fn wait_for_broker(lab: &Lab) -> Result<()> {
    wait::for_port("rabbit", lab.port("rabbit").unwrap_or_default())
}

fn database(lab: &Lab, pids: &Pids) -> Result<()> {
    let configuration = format!("--defaults-file={}", lab.conf().join("my.cnf").display());
    let mark = lab.done().join("mysql");
    if !mark.exists() {
        make_directory(&lab.data().join("mysql"))?;
        let made = Command::new("mariadb-install-db")
            .args([configuration.as_str(), "--skip-test-db"])
            .output()
            .context("cannot start mariadb-install-db")?;
        if !made.status.success() {
            bail!(
                "mariadb-install-db failed: {}",
                String::from_utf8_lossy(&made.stdout)
            );
        }
        std::fs::write(mark, "").context("cannot mark the database as made")?;
    }
    pids.start("mysql", Command::new("mariadbd").arg(&configuration))?;
    wait::for_port("mysql", lab.port("mysql").unwrap_or_default())?;
    let mut statements = format!(
        "CREATE USER IF NOT EXISTS 'lab'@'{HOST}' IDENTIFIED BY '{PASSWORD}';\
         GRANT ALL ON *.* TO 'lab'@'{HOST}' WITH GRANT OPTION;"
    );
    for name in DATABASES {
        statements.push_str(&format!(
            "CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4;"
        ));
    }
    let asked = Command::new("mariadb")
        .arg(format!("--socket={}", lab.state.join("mysql.sock").display()))
        .args(["--user=root", "--execute", &statements])
        .output()
        .context("cannot start mariadb")?;
    if !asked.status.success() {
        bail!(
            "cannot make databases: {}",
            String::from_utf8_lossy(&asked.stderr)
        );
    }
    Ok(())
}

fn broker(lab: &Lab, pids: &Pids) -> Result<()> {
    let port = |name: &str| lab.port(name).unwrap_or_default().to_string();
    let home = lab.data().join("rabbit");
    let plugins = lab.conf().join("rabbit_plugins");
    std::fs::write(&plugins, "[].").context("cannot write the list of plugins")?;
    let nodes = port("epmd");
    let erlang = |command: &mut Command| {
        command
            .env("HOME", home.join("home"))
            .env("ERL_EPMD_PORT", &nodes)
            .env("ERL_EPMD_ADDRESS", HOST);
    };
    let mut epmd = Command::new("epmd");
    epmd.args(["-address", HOST, "-port", &nodes]);
    erlang(&mut epmd);
    pids.start("epmd", &mut epmd)?;
    wait::for_port("epmd", lab.port("epmd").unwrap_or_default())?;
    // The one on the path changes to a user of its own.
    let mut rabbit = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    erlang(&mut rabbit);
    rabbit
        .env("RABBITMQ_NODENAME", "lab@localhost")
        .env("RABBITMQ_MNESIA_BASE", home.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", lab.logs())
        .env("RABBITMQ_CONFIG_FILE", lab.conf().join("rabbitmq.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
        .env("RABBITMQ_DIST_PORT", port("rabbit-nodes"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +sbwt none");
    pids.start("rabbit", &mut rabbit)
}
