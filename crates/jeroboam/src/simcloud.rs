//! `jeroboam simcloud`: the simulator by itself, and what real machines need before they can boot.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use jeroboam_simcloud::{Nodes as SimNodes, Options, SimCloud};
use jeroboam_simnodes::{Machines, image, preflight};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Nodes, SimcloudArguments};
use crate::output;

/// Runs the simulator until it is interrupted.
pub async fn simcloud(arguments: SimcloudArguments) -> anyhow::Result<()> {
    if arguments.prepare {
        return prepare(&|line| eprintln!("{line}")).await.map(drop);
    }
    let place = Place {
        state_dir: &arguments.state_dir,
        instance: "sim",
        image_root: arguments.image_root.as_deref(),
    };
    let nodes = nodes(arguments.nodes, &place, &|line| eprintln!("{line}")).await?;
    let cloud = SimCloud::start(Options {
        listen: arguments.listen,
        seed: arguments.seed,
        nodes,
        container_infra_url: Some(arguments.container_infra),
        roomy: arguments.roomy,
        ..Options::default()
    })
    .await?;
    output::line(format!("OpenStack simulator: {}", cloud.auth_url()))?;
    for (name, value) in crate::clients::environment(&cloud.auth_url()) {
        output::line(format!("export {name}={value}"))?;
    }
    wait_for_signal().await?;
    cloud.stop().await;
    Ok(())
}

/// Where real machines live on this host.
pub struct Place<'a> {
    /// Directory of their disks.
    pub state_dir: &'a Path,
    /// What their names on the host start with.
    pub instance: &'a str,
    /// Their root file system; `None` for the one that is made here.
    pub image_root: Option<&'a Path>,
}

/// Servers of the wanted kind; for real ones, after everything they need has been made ready.
pub async fn nodes(
    wanted: Nodes,
    place: &Place<'_>,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> anyhow::Result<SimNodes> {
    match wanted {
        Nodes::StateOnly => Ok(SimNodes::StateOnly),
        Nodes::Real => {
            let mut base = prepare(progress).await?;
            if let Some(root) = place.image_root {
                base.path = root.to_owned();
            }
            let machines = Machines::open(&place.state_dir.join("machines"), place.instance, base).await?;
            Ok(SimNodes::Real { machines })
        }
    }
}

/// Installs missing Debian packages and builds the base image; says what is missing otherwise.
async fn prepare(progress: &(dyn Fn(&str) + Send + Sync)) -> anyhow::Result<image::BaseImage> {
    let packages = preflight::missing_packages();
    if !packages.is_empty() && rustix::process::geteuid().is_root() {
        progress(&format!("installing Debian packages: {}", packages.join(" ")));
        install(&packages)?;
    }
    let missing = preflight::missing();
    if !missing.is_empty() {
        bail!(
            "machines cannot boot here: {} (try --nodes state-only)",
            missing.join("; ")
        );
    }
    Ok(image::ensure(&cache_directory()?, progress).await?)
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    let apt = |arguments: &[&str]| {
        let output = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output();
        let output = output.context("cannot start apt-get")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("apt-get failed: {}", text.lines().last().unwrap_or_default());
        }
        Ok(())
    };
    // A source that does not answer is no reason to stop: the packages may come from another.
    let updated = apt(&["update", "--quiet"]);
    let fixed = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt(&[&fixed[..], packages].concat()).or_else(|error| updated.and(Err(error)))
}

/// Where things live that can be made again: the base image.
fn cache_directory() -> anyhow::Result<PathBuf> {
    let cache =
        jeroboam_config::environment().find(|(name, value)| name == "XDG_CACHE_HOME" && !value.is_empty());
    let home = jeroboam_config::environment().find(|(name, _)| name == "HOME");
    match (cache, home) {
        (Some((_, cache)), _) => Ok(PathBuf::from(cache).join("jeroboam")),
        (None, Some((_, home))) => Ok(PathBuf::from(home).join(".cache/jeroboam")),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set"),
    }
}

/// Waits for SIGINT or SIGTERM.
pub async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
