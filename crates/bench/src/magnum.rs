//! Magnum's API from PyPI under uWSGI, with two workers, on the same Keystone and MariaDB.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::cloud::Cloud;
use crate::process::{Process, free_port, run};
use crate::service::Server;

/// A Python environment with Magnum.
pub struct Magnum {
    venv: PathBuf,
    file: PathBuf,
    port: u16,
    image: &'static str,
    /// keystonemiddleware's cache of tokens.
    memcached: Process,
}

impl Magnum {
    /// Writes the configuration and makes the tables.
    pub async fn prepare(
        venv: &Path,
        directory: &Path,
        cloud: &Cloud,
        database: &str,
    ) -> anyhow::Result<Self> {
        let (port, cache) = (free_port()?, free_port()?);
        let mut command = Command::new("/usr/bin/memcached");
        command
            .args(["-u", "nobody", "-l", "127.0.0.1", "-m", "64", "-p"])
            .arg(cache.to_string());
        let mut memcached = Process::start("memcached", directory, &mut command)?;
        memcached
            .wait(async || tokio::net::TcpStream::connect(("127.0.0.1", cache)).await.is_ok())
            .await?;
        let paste = std::fs::read_to_string(venv.join("etc/magnum/api-paste.ini"))
            .context("the Python environment has no magnum")?;
        let paste_file = directory.join("api-paste.ini");
        std::fs::write(&paste_file, paste)?;
        let file = directory.join("magnum.conf");
        std::fs::write(
            &file,
            configuration(directory, &paste_file, cloud, database, cache),
        )?;
        let mut migrate = Command::new(venv.join("bin/magnum-db-manage"));
        migrate.arg("--config-file").arg(&file).arg("upgrade");
        run("magnum-db-manage", &mut migrate)?;
        Ok(Self {
            venv: venv.to_owned(),
            file,
            port,
            // A driver must know the distribution of the image: in the lab one does, for Ubuntu.
            image: if cloud.is_simulated() {
                "debian-12-docker"
            } else {
                "ubuntu-kube"
            },
            memcached,
        })
    }

    /// Starts the API. Clients keep their connections: uWSGI's router does that in front of the workers.
    pub async fn start(&self, directory: &Path) -> anyhow::Result<Server> {
        let mut serve = Command::new(self.venv.join("bin/uwsgi"));
        serve
            .arg("--http")
            .arg(format!("127.0.0.1:{}", self.port))
            .args([
                "--http-keepalive",
                "--http-auto-chunked",
                "--add-header",
                "Connection: Keep-Alive",
            ])
            .args(["--module", "magnum.wsgi.api:application", "--virtualenv"])
            .arg(&self.venv)
            .args([
                "--master",
                "--die-on-term",
                "--enable-threads",
                "--lazy-apps",
                "--need-app",
            ])
            .args([
                "--processes",
                "2",
                "--threads",
                "1",
                "--thunder-lock",
                "--buffer-size",
                "65535",
            ])
            .args(["--http-timeout", "300", "--disable-logging", "--pyargv"])
            .arg(format!("--config-file {}", self.file.display()));
        let mut process = Process::start("magnum", directory, &mut serve)?;
        let base = format!("http://127.0.0.1:{}", self.port);
        process.wait_http(&base).await?;
        Ok(Server {
            name: "Magnum",
            base,
            coe: "kubernetes",
            image: self.image,
            process,
        })
    }

    /// What the token cache said last.
    pub fn last_lines(&self) -> String {
        self.memcached.last_lines()
    }
}

fn configuration(directory: &Path, paste: &Path, cloud: &Cloud, database: &str, cache: u16) -> String {
    let Cloud {
        auth_url,
        region,
        service_password,
        ..
    } = cloud;
    let user = format!(
        "auth_type = password
auth_url = {auth_url}
username = magnum
password = {service_password}
project_name = service
user_domain_id = default
project_domain_id = default
region_name = {region}"
    );
    format!(
        "[DEFAULT]
transport_url = fake:/
state_path = {state}
[api]
api_paste_config = {paste}
[certificates]
cert_manager_type = x509keypair
[database]
connection = {database}
[oslo_concurrency]
lock_path = {state}
[cluster_template]
kubernetes_allowed_network_drivers = all
[trust]
trustee_domain_name = magnum
trustee_domain_admin_name = magnum_domain_admin
trustee_domain_admin_password = {service_password}
[keystone_auth]
{user}
[keystone_authtoken]
{user}
www_authenticate_uri = {auth_url}
memcached_servers = 127.0.0.1:{cache}
service_token_roles = service
service_token_roles_required = true
",
        state = directory.join("magnum").display(),
        paste = paste.display(),
    )
}
