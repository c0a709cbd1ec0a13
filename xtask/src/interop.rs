//! Clients besides the newest command line, as unmodified as that: those of an older release, Ansible's modules,
//! gophercloud's own tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{run, setup};

/// The clients of release 2025.1, with an SDK that Ansible's modules work with.
const CLIENTS: &[&str] = &[
    "python-openstackclient==7.4.0",
    "python-magnumclient==4.8.0",
    "openstacksdk==4.4.0",
    "ansible-core==2.19.5",
];

/// The package with all of Ansible's collections, and the one that the tests need: a fortieth of it.
const COLLECTIONS: &str = "ansible==12.3.0";
const COLLECTION: &str = "ansible_collections/openstack/";

/// What gophercloud's acceptance tests are built from, and the Debian packages that have it.
const SOURCES: &[(&str, &str)] = &[
    (GO, "golang-1.19-go"),
    ("/usr/share/go-1.19/src/fmt", "golang-1.19-src"),
    (TESTS, "golang-github-gophercloud-gophercloud-dev"),
    (
        "/usr/share/gocode/src/golang.org/x/crypto",
        "golang-golang-x-crypto-dev",
    ),
    (
        "/usr/share/gocode/src/golang.org/x/sys",
        "golang-golang-x-sys-dev",
    ),
    (
        "/usr/share/gocode/src/golang.org/x/term",
        "golang-golang-x-term-dev",
    ),
    (
        "/usr/share/gocode/src/gopkg.in/yaml.v2",
        "golang-gopkg-yaml.v2-dev",
    ),
];
const GO: &str = "/usr/lib/go-1.19/bin/go";
const TESTS: &str =
    "/usr/share/gocode/src/github.com/gophercloud/gophercloud/acceptance/openstack/containerinfra/v1";

/// All of them.
pub fn all() -> Result<()> {
    older()?;
    collection()?;
    gophercloud()
}

fn older() -> Result<()> {
    setup::venv("clients-2025.1", CLIENTS)
}

/// Ansible's modules for OpenStack, taken out of the package that has all collections.
fn collection() -> Result<()> {
    let directory = setup::cache_directory()?.join("clients-2025.1");
    let stamp = directory.join("collection");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == COLLECTIONS) {
        return Ok(());
    }
    eprintln!("taking {COLLECTION} out of {COLLECTIONS} from PyPI");
    let download = directory.join("download");
    let (pip, python) = (directory.join("bin/pip"), directory.join("bin/python"));
    let fixed = ["download", "--quiet", "--no-deps", "--dest"];
    run(
        text(&pip)?,
        &[&fixed[..], &[text(&download)?, COLLECTIONS]].concat(),
    )?;
    let extract = "import glob, sys, sysconfig, zipfile
[wheel] = glob.glob(sys.argv[1] + '/*.whl')
with zipfile.ZipFile(wheel) as package:
    names = [name for name in package.namelist() if name.startswith(sys.argv[2])]
    package.extractall(sysconfig.get_path('purelib'), names)";
    run(text(&python)?, &["-c", extract, text(&download)?, COLLECTION])?;
    fs::remove_dir_all(&download).context("cannot remove what was downloaded")?;
    fs::write(&stamp, COLLECTIONS).context("cannot write the stamp of the collection")
}

/// gophercloud's own acceptance tests of this service, built once from Debian's sources.
fn gophercloud() -> Result<()> {
    let directory = setup::cache_directory()?.join("gophercloud");
    let program = directory.join("containerinfra.test");
    if program.exists() {
        return Ok(());
    }
    let missing = SOURCES.iter().filter(|(path, _)| !Path::new(path).exists());
    setup::install(&missing.map(|(_, package)| *package).collect::<Vec<_>>())?;
    eprintln!("building gophercloud's acceptance tests");
    fs::create_dir_all(&directory)?;
    let unfinished = directory.join("containerinfra.new");
    let build_cache = directory.join("cache");
    let status = Command::new(GO)
        .args(["test", "-tags", "acceptance", "-c", "-o"])
        .arg(&unfinished)
        .arg(".")
        .current_dir(TESTS)
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOCACHE", &build_cache)
        .status()
        .with_context(|| format!("cannot start {GO}"))?;
    if !status.success() {
        bail!("gophercloud's acceptance tests cannot be built: {status}");
    }
    fs::remove_dir_all(&build_cache).context("cannot remove the build cache")?;
    fs::rename(unfinished, program).context("cannot put gophercloud's tests in place")
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the cache directory's name is not UTF-8")
}
