//! The service as a child process, configured as an operator would.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::process::{Child, Command};

use crate::cli::{DemoArguments, DemoCoe};

/// A running service.
pub struct Service {
    child: Child,
    process: Process,
}

/// What can be known of a running service from outside.
#[derive(Clone)]
pub struct Process {
    id: u32,
    /// `http://host:port`.
    pub url: String,
    /// Where it logs.
    pub log: PathBuf,
}

impl Process {
    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id)).context("cannot read /proc")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS in /proc")?;
        let kib: f64 = line
            .trim()
            .trim_end_matches(" kB")
            .trim()
            .parse()
            .context("VmRSS is no number")?;
        Ok(kib / 1024.0)
    }
}

impl Service {
    /// Writes its configuration, starts it and waits until it answers. `host` is where machines reach it.
    pub async fn start(
        arguments: &DemoArguments,
        auth_url: &str,
        host: Option<Ipv4Addr>,
    ) -> anyhow::Result<Self> {
        let directory = arguments.state_dir.join("service");
        let port = match arguments.port {
            0 => free_port()?,
            port => port,
        };
        let file = directory.join("jeroboam.conf");
        let text = configuration(
            &directory,
            port,
            auth_url,
            arguments.nodes == crate::cli::Nodes::StateOnly,
        );
        let mut text = match arguments.coe {
            DemoCoe::Swarm => text,
            DemoCoe::Kubernetes => text + "enabled_beta_drivers = kubernetes\n",
        };
        if let Some(host) = host {
            let port = free_port()?;
            text += &format!("\n[bootstrap]\nurl = https://{host}:{port}\nlisten = 0.0.0.0:{port}\n");
        }
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let log = directory.join("service.log");
        let output =
            std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let child = Command::new(program)
            .args(["serve", "--stop-with-parent"])
            .arg("--config-file")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the service")?;
        let id = child.id().context("the service has stopped")?;
        let mut service = Self {
            child,
            process: Process {
                id,
                url: format!("http://127.0.0.1:{port}"),
                log,
            },
        };
        service.wait_ready().await?;
        Ok(service)
    }

    /// What can be known of it from outside.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits for an end that nobody asked for, and says why it came.
    pub async fn stopped(&mut self) -> anyhow::Error {
        let _ = self.child.wait().await;
        self.last_words()
    }

    /// Stops it in an orderly way.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self
            .child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()))
        {
            // It may have ended by itself meanwhile.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        match tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => Err(self.last_words()),
            Err(_) => bail!("the service does not stop; see {}", self.process.log.display()),
        }
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let client = reqwest::Client::new();
        let url = format!("{}/healthcheck", self.process.url);
        let answered = async {
            while client.get(&url).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = self.child.wait() => Err(self.last_words()),
            answered = tokio::time::timeout(Duration::from_secs(30), answered) => {
                answered.with_context(|| format!("the service does not answer; see {}", self.process.log.display()))
            }
        }
    }

    fn last_words(&self) -> anyhow::Error {
        let log = std::fs::read_to_string(&self.process.log).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default().to_owned();
        anyhow!(
            "the service has stopped: {last} (see {})",
            self.process.log.display()
        )
    }
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

fn configuration(directory: &Path, port: u16, auth_url: &str, state_only: bool) -> String {
    format!(
        "[DEFAULT]
state_path = {directory}

[api]
port = {port}

[keystone_authtoken]
www_authenticate_uri = {auth_url}
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
trust_server_active = {state_only}
laboratory = {state_only}
",
        directory = directory.display(),
    )
}
