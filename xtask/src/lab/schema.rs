//! What is done once: schemas of databases, users and endpoints, networks, images and flavors.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};

use super::Lab;
use super::places::{PASSWORD, REGION};
use super::process::Pids;
use super::services::{self, Service};
use super::wait;
use crate::setup;

/// A command that is run once: the service that it is for, and its words. `{conf}` is the directory of
/// configuration files, `{database}` the URL of the database server, `{keystone}` the URL of Keystone.
type Once = (&'static str, &'static str);

/// Before Keystone can start.
const KEYSTONE: &[Once] = &[
    (
        "keystone",
        "keystone-manage --config-file {conf}/keystone.conf db_sync",
    ),
    (
        "keystone",
        "keystone-manage --config-file {conf}/keystone.conf bootstrap --bootstrap-password {password} \
         --bootstrap-region-id {region} --bootstrap-public-url {keystone} --bootstrap-internal-url {keystone} \
         --bootstrap-admin-url {keystone}",
    ),
];

/// Of other services; those of Nova in this order.
const OTHERS: &[Once] = &[
    ("nova", "nova-manage --config-file {conf}/nova.conf api_db sync"),
    (
        "neutron",
        "neutron-db-manage --config-file {conf}/neutron.conf --config-file {conf}/ml2.ini upgrade heads",
    ),
    (
        "octavia",
        "octavia-db-manage --config-file {conf}/octavia.conf upgrade head",
    ),
    ("cinder", "cinder-manage --config-file {conf}/cinder.conf db sync"),
    (
        "glance",
        "glance-manage --config-file {conf}/glance-api.conf db_sync",
    ),
    (
        "magnum",
        "magnum-db-manage --config-file {conf}/magnum.conf upgrade",
    ),
    (
        "placement",
        "placement-manage --config-file {conf}/placement.conf db sync",
    ),
    (
        "barbican",
        "barbican-manage db upgrade --db-url {database}/barbican",
    ),
];

/// Nova's, after its first.
const NOVA: &[Once] = &[
    (
        "nova",
        "nova-manage --config-file {conf}/nova.conf cell_v2 map_cell0",
    ),
    ("nova", "nova-manage --config-file {conf}/nova.conf db sync"),
    (
        "nova",
        "nova-manage --config-file {conf}/nova.conf cell_v2 create_cell --name cell1",
    ),
];

/// Does what has not been done yet for the services, on two lanes, and leaves Keystone running.
pub fn all(lab: &Lab, python: &Path, pids: &Pids, chosen: &[&Service]) -> Result<()> {
    let wanted = |once: &&Once| chosen.iter().any(|service| service.name == once.0);
    let queue: Mutex<VecDeque<&Once>> = Mutex::new(OTHERS.iter().filter(wanted).collect());
    let work = || -> Result<()> {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(next) = next else { return Ok(()) };
            once(lab, python, next)?;
            if next.0 == "nova" {
                NOVA.iter().try_for_each(|next| once(lab, python, next))?;
            }
        }
    };
    let identity = || -> Result<()> {
        KEYSTONE.iter().try_for_each(|next| once(lab, python, next))?;
        for service in chosen.iter().filter(|service| service.name == "keystone") {
            service.start(lab, python, pids)?;
            service.wait(lab, pids)?;
        }
        fill(lab, "identity")?;
        work()
    };
    std::thread::scope(|scope| {
        let lane = scope.spawn(work);
        let own = identity();
        let other = lane
            .join()
            .map_err(|_| anyhow!("a lane of migrations panicked"))?;
        own.and(other)
    })
}

/// Runs a part of `bootstrap.py` once: `identity` or `resources`.
pub fn fill(lab: &Lab, part: &str) -> Result<()> {
    let amphora = lab.conf().join("amphora.conf");
    let mut command = Command::new(setup::clients_directory()?.join("bin/python"));
    command
        .args(["xtask/lab/bootstrap.py", part])
        .env("LAB_PASSWORD", PASSWORD)
        .env("LAB_REGION", REGION)
        .env("LAB_KEYSTONE", lab.keystone())
        .env("LAB_AMPHORA_CONF", amphora)
        .env("LAB_ENDPOINTS", format!("{:?}", lab.endpoints()));
    logged(lab, &format!("fill-{part}"), &mut command)
}

/// Makes the scheduler know the host of the fake hypervisor, once that has told of itself.
pub fn discover_hosts(lab: &Lab, python: &Path) -> Result<()> {
    let mark = lab.done().join("hosts");
    if mark.exists() {
        return Ok(());
    }
    let manage = |verb: &str| {
        services::program_of(lab, python, "nova-manage")
            .arg("--config-file")
            .arg(lab.conf().join("nova.conf"))
            .args(["cell_v2", verb])
            .output()
            .context("cannot start nova-manage")
    };
    wait::until("the fake hypervisor does not tell of itself", || {
        manage("discover_hosts")?;
        // What counts is that it is known, and not who has found it: an earlier try may have been interrupted.
        Ok(String::from_utf8_lossy(&manage("list_hosts")?.stdout).contains(" labhost "))
    })?;
    fs::write(mark, "").context("cannot mark hosts as discovered")
}

fn once(lab: &Lab, python: &Path, (_, line): &Once) -> Result<()> {
    let line = line
        .replace("{conf}", &lab.conf().display().to_string())
        .replace("{database}", &lab.database())
        .replace("{keystone}", &lab.keystone())
        .replace("{password}", PASSWORD)
        .replace("{region}", REGION);
    let words: Vec<&str> = line.split_whitespace().collect();
    let [program, arguments @ ..] = words.as_slice() else {
        bail!("a command of the lab is empty");
    };
    // The name of the mark: the program and its words without paths and values.
    let verbs: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|word| !word.contains(['/', ':', '-']) && ![PASSWORD, REGION].contains(word))
        .collect();
    let name = format!("{program}-{}", verbs.join("-"));
    logged(
        lab,
        &name,
        services::program_of(lab, python, program).args(arguments),
    )
}

/// Runs a command with a log, unless it has succeeded before.
fn logged(lab: &Lab, name: &str, command: &mut Command) -> Result<()> {
    let mark = lab.done().join(name);
    if mark.exists() {
        return Ok(());
    }
    let path = lab.logs().join(format!("{name}.log"));
    let log = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let status = command
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed: {status}; see {}", path.display());
    }
    fs::write(mark, "").with_context(|| format!("cannot mark {name} as done"))
}
