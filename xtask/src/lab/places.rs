//! Where everything of the lab is: directories, ports, URLs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Place;
use crate::setup;

/// All that listens, in the order of ports.
pub const LISTENERS: &[&str] = &[
    "keystone",
    "placement",
    "glance",
    "nova",
    "neutron",
    "cinder",
    "octavia",
    "barbican",
    "magnum",
    "mysql",
    "rabbit",
    "rabbit-nodes",
    "epmd",
    "memcached",
    "octavia-health",
    "jeroboam",
];

/// The one address that anything listens on.
pub const HOST: &str = "127.0.0.1";

/// Password of every user of the lab, which nobody but this machine can reach.
pub const PASSWORD: &str = "labsecret";

/// The only region.
pub const REGION: &str = "RegionOne";

/// A lab on this machine.
pub struct Lab {
    /// Data, logs and pid files.
    pub state: PathBuf,
    /// Python environments, which outlive the state.
    pub cache: PathBuf,
    first_port: u16,
}

impl Lab {
    /// Remembers the ports in the directory: the catalog of the cloud names them.
    pub fn new(place: &Place) -> Result<Self> {
        let file = place.directory.join("first-port");
        let remembered = fs::read_to_string(file).ok();
        let first_port = match remembered {
            Some(text) => text.trim().parse().context("the lab's first-port is no number")?,
            None => place.first_port,
        };
        Ok(Self {
            state: std::path::absolute(&place.directory)?,
            cache: setup::cache_directory()?.join("lab"),
            first_port,
        })
    }

    /// Makes the directories.
    pub fn make(&self) -> Result<()> {
        for directory in [
            self.conf(),
            self.data(),
            self.logs(),
            self.done(),
            self.cache.clone(),
        ] {
            make_directory(&directory)?;
        }
        fs::write(self.state.join("first-port"), self.first_port.to_string())
            .context("cannot write the lab's first port")
    }

    /// Configuration files, written at each start.
    pub fn conf(&self) -> PathBuf {
        self.state.join("conf")
    }

    /// What services keep.
    pub fn data(&self) -> PathBuf {
        self.state.join("data")
    }

    /// One log for each process.
    pub fn logs(&self) -> PathBuf {
        self.state.join("log")
    }

    /// Marks of what need not be done again.
    pub fn done(&self) -> PathBuf {
        self.state.join("done")
    }

    /// Port of something that listens.
    pub fn port(&self, name: &str) -> Option<u16> {
        let index = LISTENERS.iter().position(|listener| *listener == name)?;
        Some(self.first_port + u16::try_from(index).ok()?)
    }

    /// Base URL of a service.
    pub fn url(&self, name: &str) -> String {
        format!("http://{HOST}:{}", self.port(name).unwrap_or_default())
    }

    /// URL of Keystone for clients.
    pub fn keystone(&self) -> String {
        format!("{}/v3", self.url("keystone"))
    }

    /// URL of the database server, as SQLAlchemy writes it, without a database.
    pub fn database(&self) -> String {
        format!(
            "mysql+pymysql://lab:{PASSWORD}@{HOST}:{}",
            self.port("mysql").unwrap_or_default()
        )
    }

    /// Type, name and URL of each service in the catalog. The one of Magnum's type is Jeroboam: PyPI's Magnum is
    /// asked by its address.
    pub fn endpoints(&self) -> Vec<[String; 3]> {
        let project = "/v3/%(project_id)s";
        [
            ("placement", "placement", "placement", ""),
            ("image", "glance", "glance", ""),
            ("compute", "nova", "nova", "/v2.1"),
            ("network", "neutron", "neutron", ""),
            ("volumev3", "cinderv3", "cinder", project),
            ("block-storage", "cinder", "cinder", project),
            ("load-balancer", "octavia", "octavia", ""),
            ("key-manager", "barbican", "barbican", ""),
            ("container-infra", "magnum", "jeroboam", "/v1"),
        ]
        .map(|(kind, name, listener, path)| {
            [
                kind.to_owned(),
                name.to_owned(),
                format!("{}{path}", self.url(listener)),
            ]
        })
        .to_vec()
    }

    /// What a user needs to log in, as lines for a shell.
    pub fn environment(&self, user: &str) -> String {
        let project = if user.starts_with("demo_") { "demo" } else { user };
        [
            ("OS_AUTH_URL", self.keystone().as_str()),
            ("OS_IDENTITY_API_VERSION", "3"),
            ("OS_USERNAME", user),
            ("OS_PASSWORD", PASSWORD),
            ("OS_PROJECT_NAME", project),
            ("OS_USER_DOMAIN_ID", "default"),
            ("OS_PROJECT_DOMAIN_ID", "default"),
            ("OS_REGION_NAME", REGION),
        ]
        .iter()
        .map(|(name, value)| format!("export {name}={value}\n"))
        .collect()
    }
}

/// Makes a directory and those above it.
pub fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}
