//! `cargo xtask e2e kubernetes`: a cluster on machines that boot, with Kubernetes made from Debian's source package.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::setup::{self, cache_directory};
use crate::{build, run, run_with};

/// What makes binaries, container images and the machines' image. A change makes new ones.
const RECIPE: [(&str, &str); 6] = [
    ("build.sh", include_str!("../e2e/kubernetes/build.sh")),
    ("containers.py", include_str!("../e2e/kubernetes/containers.py")),
    ("image.sh", include_str!("../e2e/kubernetes/image.sh")),
    ("crictl.sh", include_str!("../e2e/kubernetes/crictl.sh")),
    (
        "kubelet.service",
        include_str!("../e2e/kubernetes/kubelet.service"),
    ),
    (
        "containerd.toml",
        include_str!("../e2e/kubernetes/containerd.toml"),
    ),
];

const SCRIPTS: &str = "xtask/e2e/kubernetes";

/// Builds what is missing, then plays what tenants do with clusters. `arguments` go to the scenario.
pub fn kubernetes(arguments: &[String]) -> Result<()> {
    setup::clients()?;
    build(&["jeroboam"], false)?;
    let program = "target/debug/jeroboam";
    run(program, &["simcloud", "--prepare"])?;
    let image = image()?;
    let clients = cache_directory()?.join("clients/bin");
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path is not UTF-8");
    let variables = [
        ("PYTHONPATH", SCRIPTS.to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ("E2E_OPENSTACK", text(&clients.join("openstack"))?),
        ("E2E_KUBECTL", text(&image.binaries.join("bin/kubectl"))?),
    ];
    let (root, bare) = (text(&image.root)?, text(&image.base)?);
    let fixed = [
        "-m",
        "scenario",
        "--program",
        program,
        "--image-root",
        &root,
        "--bare-root",
        &bare,
    ];
    let given = arguments.iter().map(String::as_str);
    run_with(
        &text(&clients.join("python"))?,
        &fixed.into_iter().chain(given).collect::<Vec<_>>(),
        &variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect::<Vec<_>>(),
    )
}

/// Tries add-ons on etcd and an API server as processes. `arguments` go to the tests.
pub fn addons(arguments: &[String]) -> Result<()> {
    setup::helm()?;
    let programs = binaries(&cache_directory()?)?.join("bin");
    let programs = programs.to_str().context("a path is not UTF-8")?;
    // The whole workspace, for dependencies that are compiled already.
    let test = [
        "test",
        "--workspace",
        "--features",
        "jeroboam-kubernetes/real-api",
        "--test",
        "apiserver",
        "--",
    ];
    let given = arguments.iter().map(String::as_str);
    run_with(
        "cargo",
        &test.into_iter().chain(given).collect::<Vec<_>>(),
        &[("E2E_KUBERNETES", programs)],
    )
}

/// A machine image with Kubernetes, and what it was made of.
struct Image {
    root: PathBuf,
    /// The image without Kubernetes.
    base: PathBuf,
    binaries: PathBuf,
}

/// The image; made once, in about eight minutes.
fn image() -> Result<Image> {
    let cache = cache_directory()?;
    let base = newest(&cache, "nodes-bookworm-")?.context("there is no base image")?;
    let base_name = base
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let texts = |parts: &[usize]| -> String { parts.iter().map(|part| RECIPE[*part].1).collect() };
    let binaries = binaries(&cache)?;
    let parts = texts(&[0, 1, 2, 3, 4, 5]) + &base_name;
    let root = cache.join(format!("nodes-kubernetes-{:016x}", digest(&parts)));
    if root.is_dir() {
        return Ok(Image { root, base, binaries });
    }
    let script = |name: &str| format!("{SCRIPTS}/{name}");
    let path = |path: &Path| path.to_string_lossy().into_owned();
    run("python3", &[&script("containers.py"), &path(&binaries)])?;
    run(
        "bash",
        &[&script("image.sh"), &path(&base), &path(&binaries), &path(&root)],
    )?;
    Ok(Image { root, base, binaries })
}

/// Programs of Kubernetes; built once, in about seven minutes.
fn binaries(cache: &Path) -> Result<PathBuf> {
    let binaries = cache.join(format!("kubernetes-1.20.2-{:016x}", digest(RECIPE[0].1)));
    if !binaries.is_dir() {
        setup::packages([("dpkg-source", "dpkg-dev")].iter())?;
        eprintln!("building Kubernetes from Debian's source package: about seven minutes");
        let partial = binaries.with_extension("partial");
        let script = format!("{SCRIPTS}/build.sh");
        run("bash", &[&script, &partial.to_string_lossy()])?;
        std::fs::rename(&partial, &binaries).context("cannot keep what was built")?;
    }
    Ok(binaries)
}

/// The youngest directory of a name's beginning.
fn newest(directory: &Path, prefix: &str) -> Result<Option<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?
    {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) && entry.path().is_dir() {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    Ok(found.into_iter().max().map(|(_, path)| path))
}

/// FNV-1a: names a recipe, and guards nothing.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
