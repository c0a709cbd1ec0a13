//! Jeroboam as one more service of the lab, and what is tried with it there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::places::{HOST, PASSWORD, REGION, make_directory};
use super::process::Pids;
use super::{Lab, wait};
use crate::{build, setup};

/// Name of the process.
const NAME: &str = "jeroboam";

/// Builds Jeroboam and starts it with an empty database; the one that runs is stopped.
fn start(lab: &Lab, program: Option<&Path>, settings: &str) -> Result<()> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => {
            build(&["jeroboam"], false)?;
            std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| PathBuf::from("target"), PathBuf::from)
                .join("debug/jeroboam")
        }
    };
    let pids = Pids::open(lab)?;
    pids.stop(&pids.of(NAME));
    let state = lab.data().join(NAME);
    if state.exists() {
        fs::remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))?;
    }
    make_directory(&state)?;
    let port = lab.port(NAME).unwrap_or_default();
    let file = lab.conf().join("jeroboam.conf");
    let text = format!(
        "[DEFAULT]\nstate_path = {state}\nhost = lab\n\n\
         [api]\nhost = {HOST}\nport = {port}\n\n\
         [keystone_authtoken]\nwww_authenticate_uri = {keystone}\nauth_url = {keystone}\nusername = magnum\n\
         password = {PASSWORD}\nuser_domain_id = default\nproject_name = service\nproject_domain_id = default\n\
         region_name = {REGION}\n\n\
         [trust]\ntrustee_domain_name = magnum\ntrustee_domain_admin_name = magnum_domain_admin\n\
         trustee_domain_admin_password = {PASSWORD}\nroles = member,load-balancer_member\n\n\
         [cinder]\ndefault_docker_volume_type = fake\n\n{settings}",
        state = state.display(),
        keystone = lab.keystone(),
    );
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = Command::new(&program);
    command.arg("serve").arg("--config-file").arg(&file);
    pids.start(NAME, &mut command)?;
    wait::for_http(NAME, port, || pids.is_alive(NAME))
}

/// Servers of the fake hypervisor never boot: that they are ACTIVE has to be enough.
const LAB_SETTINGS: &str = "[drivers]\nlaboratory = true\ntrust_server_active = true\nenabled_beta_drivers = kubernetes\n\n\
                            [quotas]\nmax_clusters_per_project = 1000\n";

/// A cluster's whole life on the lab, through the unmodified clients.
pub fn test(lab: &Lab, program: Option<&Path>) -> Result<()> {
    start(lab, program, LAB_SETTINGS)?;
    let outcome = python(lab, &["xtask/lab/cloud_test.py"]);
    stop(lab)?;
    outcome
}

/// The same requests to PyPI's Magnum and to Jeroboam, and how the answers differ.
pub fn compare(lab: &Lab, program: Option<&Path>, arguments: &[String]) -> Result<()> {
    // The driver that Magnum has here knows nothing of health.
    let settings = format!("{LAB_SETTINGS}\n[kubernetes]\nhealth_polling_interval = 0\n");
    start(lab, program, &settings)?;
    let urls = [
        "--magnum".to_owned(),
        lab.url("magnum"),
        "--jeroboam".to_owned(),
        lab.url(NAME),
    ];
    let fixed = ["-m", "diff_magnum"].map(str::to_owned);
    let words: Vec<&str> = fixed
        .iter()
        .chain(&urls)
        .chain(arguments)
        .map(String::as_str)
        .collect();
    let outcome = python(lab, &words);
    stop(lab)?;
    outcome
}

/// Writes the page of known differences, or with `--check` fails when it is not what the list of them says.
pub fn page_of_differences(arguments: &[&str]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    let status = Command::new("python3")
        .args(["-m", "diff_magnum.known"])
        .args(arguments)
        .current_dir(root)
        .env("PYTHONPATH", "xtask/lab")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .context("cannot start python3")?;
    if !status.success() {
        bail!("docs/user/differences.md is not what differences.toml says");
    }
    Ok(())
}

fn stop(lab: &Lab) -> Result<()> {
    let pids = Pids::open(lab)?;
    pids.stop(&pids.of(NAME));
    Ok(())
}

/// Runs Python of the clients' environment, which has the SDK.
fn python(lab: &Lab, arguments: &[&str]) -> Result<()> {
    let clients = setup::clients_directory()?;
    let status = Command::new(clients.join("bin/python"))
        .args(arguments)
        .env("PYTHONPATH", "xtask/lab")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LAB_PASSWORD", PASSWORD)
        .env("LAB_REGION", REGION)
        .env("LAB_KEYSTONE", lab.keystone())
        .env("LAB_OPENSTACK", clients.join("bin/openstack"))
        .status()
        .context("cannot start Python")?;
    if !status.success() {
        bail!(
            "{} failed; logs are in {}",
            arguments.join(" "),
            lab.logs().display()
        );
    }
    Ok(())
}
