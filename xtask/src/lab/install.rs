//! What the lab needs on the machine: servers from Debian, services from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Lab;
use super::places::make_directory;
use crate::{run, setup};

/// Programs from Debian, and the packages that have them.
const PROGRAMS: &[(&str, &str)] = &[
    ("mariadbd", "mariadb-server"),
    ("mariadb", "mariadb-client"),
    ("rabbitmq-server", "rabbitmq-server"),
    ("memcached", "memcached"),
    ("openssl", "openssl"),
];

/// The exact versions of the services and all that they need.
const LOCK: &str = "xtask/lab/services.lock";

/// Our two plugins.
const PLUGINS: &str = "xtask/lab/python";

/// The installer: pip takes minutes for what this takes seconds for.
const UV: &str = "uv==0.13.9";

/// Installs what is missing, and says where the services' Python environment is.
pub fn all(lab: &Lab) -> Result<PathBuf> {
    lab.make()?;
    setup::packages_without_starting(PROGRAMS)?;
    setup::clients()?;
    let environment = lab.cache.join("venv");
    let wanted = stamp()?;
    let mark = environment.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(environment);
    }
    eprintln!("installing from PyPI into {}", environment.display());
    let uv = uv(lab)?;
    let uv = uv.to_str().context("the cache directory's name is not UTF-8")?;
    let target = environment
        .to_str()
        .context("the cache directory's name is not UTF-8")?;
    run(uv, &["venv", "--quiet", "--clear", "--python", "python3", target])?;
    let install = ["pip", "install", "--quiet", "--python", target];
    run(
        uv,
        &[&install[..], &["--compile-bytecode", "--requirement", LOCK]].concat(),
    )?;
    // Built in place, setuptools would leave its files beside the sources.
    let copy = lab.cache.join("plugins");
    copy_tree(Path::new(PLUGINS), &copy)?;
    let copy = copy.to_str().context("the cache directory's name is not UTF-8")?;
    run(
        uv,
        &[
            &install[..],
            &["--reinstall", "--no-deps", "--no-build-isolation", copy],
        ]
        .concat(),
    )?;
    fs::write(mark, wanted).context("cannot write the stamp of the services")?;
    Ok(environment)
}

fn uv(lab: &Lab) -> Result<PathBuf> {
    let home = lab.cache.join("uv");
    let uv = home.join("bin/uv");
    let present = Command::new(&uv)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !present {
        let path = home.to_str().context("the cache directory's name is not UTF-8")?;
        run("python3", &["-m", "venv", "--clear", path])?;
        let pip = home.join("bin/pip");
        let pip = pip.to_str().context("the cache directory's name is not UTF-8")?;
        run(pip, &["install", "--quiet", "--disable-pip-version-check", UV])?;
    }
    Ok(uv)
}

/// Changes when what is installed must.
fn stamp() -> Result<String> {
    let mut stamp = read(Path::new(LOCK))?;
    let mut files = Vec::new();
    list_files(Path::new(PLUGINS), &mut files)?;
    for file in files {
        stamp.push_str(&read(&file)?);
    }
    Ok(stamp)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// All files below a directory, in an order that stays.
fn list_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            list_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    let mut files = Vec::new();
    list_files(from, &mut files)?;
    for file in files {
        let target = to.join(file.strip_prefix(from)?);
        target.parent().map_or(Ok(()), make_directory)?;
        fs::copy(&file, &target).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}
