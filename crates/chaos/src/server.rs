//! The service as a process that can be killed.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

/// A running service.
pub struct Server {
    program: PathBuf,
    directory: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    /// Configures it in `directory`, starts it and waits until it answers.
    pub async fn start(program: PathBuf, directory: &Path, auth_url: &str) -> anyhow::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        std::fs::write(
            directory.join("jeroboam.conf"),
            configuration(directory, port, auth_url),
        )?;
        let child = spawn(&program, directory)?;
        let mut server = Self {
            program,
            directory: directory.to_owned(),
            port,
            child,
        };
        server.wait_ready().await?;
        Ok(server)
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// SIGKILL, then a new process on the same state.
    pub async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the service")?;
        self.child = spawn(&self.program, &self.directory)?;
        self.wait_ready().await
    }

    /// SIGKILL for good: nothing is to be finished any more.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the service")
    }

    /// A start may fail while the cloud refuses to log the service in: it is tried again, as systemd would.
    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .build()?;
        for _ in 0..1_000 {
            if client
                .get(format!("{}/healthcheck", self.url()))
                .send()
                .await
                .is_ok()
            {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                self.child = spawn(&self.program, &self.directory)?;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!(
            "the service does not answer; see {}",
            self.directory.join("service.log").display()
        )
    }
}

fn spawn(program: &Path, directory: &Path) -> anyhow::Result<Child> {
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("service.log"))?;
    Command::new(program)
        .arg("serve")
        .arg("--config-file")
        .arg(directory.join("jeroboam.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// Short deadlines, so that what hangs is seen soon.
fn configuration(directory: &Path, port: u16, auth_url: &str) -> String {
    format!(
        "[DEFAULT]
state_path = {directory}
host = chaos
debug = true

[api]
port = {port}

[keystone_authtoken]
auth_url = {auth_url}
username = magnum
password = secret
user_domain_id = default
project_name = service
project_domain_id = default

[trust]
trustee_domain_name = magnum
trustee_domain_admin_name = magnum_domain_admin
trustee_domain_admin_password = secret

[drivers]
trust_server_active = true
laboratory = true

[kubernetes]
health_polling_interval = 1

[quotas]
max_clusters_per_project = 100000

[engine]
lease_secs = 10
call_timeout_secs = 3
settle_secs = 1
retry_limit = 8
heal_after_secs = 1
heal_limit = 1000
budget_server_secs = 40
budget_load_balancer_secs = 40
budget_volume_secs = 40
budget_other_secs = 40
budget_coe_secs = 40
delete_timeout_mins = 2
update_timeout_mins = 2
",
        directory = directory.display(),
    )
}
