//! A simulated cloud, the service as a process, and clients.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use jeroboam_simcloud::{Options, SimCloud};
use serde_json::Value;
use tokio::process::Child;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_jeroboam");

/// A configuration of the service for the simulated cloud's seed.
pub fn configuration(state: &Path, port: u16, auth_url: &str) -> String {
    format!(
        "[DEFAULT]
state_path = {state}
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
",
        state = state.display()
    )
}

/// Servers of the simulated cloud are called ready when they are ACTIVE, since nothing boots on them.
const LABORATORY: &str = "[drivers]\ntrust_server_active = true\nlaboratory = true\n";

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A cloud and a service on it.
pub struct Rig {
    pub cloud: SimCloud,
    pub directory: tempfile::TempDir,
    pub port: u16,
    /// Variables that the service is started with.
    pub environment: Vec<(&'static str, std::ffi::OsString)>,
    scheme: &'static str,
    client: reqwest::Client,
    child: Option<Child>,
}

impl Rig {
    pub async fn start() -> Self {
        let mut rig = Self::prepare("", "http", http()).await;
        rig.start_service().await;
        rig
    }

    /// A cloud and the configuration of a service with more options, not started yet. The client is the one that can
    /// speak to it.
    pub async fn prepare(more: &str, scheme: &'static str, client: reqwest::Client) -> Self {
        let cloud = SimCloud::start(Options {
            roomy: true,
            ..Options::default()
        })
        .await
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        cloud.set_container_infra(&format!("{scheme}://127.0.0.1:{port}/v1"));
        let text = configuration(&directory.path().join("state"), port, &cloud.auth_url());
        std::fs::write(directory.path().join("jeroboam.conf"), text + LABORATORY + more).unwrap();
        Self {
            cloud,
            directory,
            port,
            environment: Vec::new(),
            scheme,
            client,
            child: None,
        }
    }

    /// Starts the service and waits until it answers.
    pub async fn start_service(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let child = tokio::process::Command::new(PROGRAM)
            .args(["serve", "--config-file"])
            .arg(self.directory.path().join("jeroboam.conf"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..1_000 {
            if self.client.get(self.url("/healthcheck")).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "the service does not answer: {}",
            std::fs::read_to_string(self.log()).unwrap()
        );
    }

    /// SIGKILL.
    pub async fn kill_service(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    pub fn log(&self) -> PathBuf {
        self.directory.path().join("service.log")
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Sends a signal to the service.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.as_ref().unwrap().id().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end of the service.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().unwrap();
        tokio::time::timeout(Duration::from_secs(30), child.wait())
            .await
            .unwrap()
            .unwrap()
    }

    /// Waits until the text of a file holds a part.
    pub async fn wait_text(&self, file: &Path, part: &str) -> String {
        for _ in 0..1_000 {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if text.contains(part) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{part} does not appear in {}", file.display());
    }

    /// The unmodified `openstack` client as a user of a project.
    pub async fn openstack(&self, user: &str, project: &str, arguments: &[&str]) -> Output {
        self.openstack_with(user, project, arguments, None).await
    }

    /// The same, with authorities to check certificates against.
    pub async fn openstack_with(
        &self,
        user: &str,
        project: &str,
        arguments: &[&str],
        authorities: Option<&Path>,
    ) -> Output {
        let mut command = Clients::Newest.command("openstack");
        self.log_in(&mut command, user);
        command
            .env("OS_PROJECT_NAME", project)
            .env("OS_CACERT", authorities.unwrap_or(Path::new("")))
            .args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Lets a client log in as a user of the project of the same name.
    pub fn log_in(&self, command: &mut Command, user: &str) {
        command
            .env("HOME", self.directory.path())
            .env("SHELL", "/bin/bash")
            .env("OS_AUTH_URL", self.cloud.auth_url())
            .env("OS_IDENTITY_API_VERSION", "3")
            .env("OS_USERNAME", user)
            .env("OS_PASSWORD", "secret")
            .env("OS_PROJECT_NAME", user)
            .env("OS_USER_DOMAIN_ID", "default")
            .env("OS_PROJECT_DOMAIN_ID", "default");
    }

    /// Id of a project.
    pub fn project_id(&self, name: &str) -> String {
        self.cloud.with_world(|world| {
            let mut projects = world.keystone.projects.iter();
            projects
                .find(|(_, project)| project.name == name)
                .unwrap()
                .0
                .clone()
        })
    }

    /// A new signing request, as a file.
    pub fn csr(&self) -> PathBuf {
        let [key, csr] = ["rig.key", "rig.csr"].map(|name| self.directory.path().join(name));
        let made = Command::new("openssl")
            .args([
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/O=rig/CN=somebody",
                "-keyout",
            ])
            .arg(key)
            .arg("-out")
            .arg(&csr)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        csr
    }

    /// Waits until the demo project has no cluster.
    pub async fn wait_gone(&self) {
        for _ in 0..100 {
            if self.demo_json(&["coe", "cluster", "list"]).await == serde_json::json!([]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("there are still clusters");
    }

    /// The same, of the demo user; must succeed.
    pub async fn demo(&self, arguments: &[&str]) -> String {
        let output = self.openstack("demo", "demo", arguments).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "openstack {arguments:?} failed: {errors}{text}"
        );
        text
    }

    /// The same, with its answer as JSON.
    pub async fn demo_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.demo(&[arguments, &["-f", "json"]].concat()).await).unwrap()
    }

    /// Waits until a cluster has the status.
    pub async fn wait_status(&self, cluster: &str, status: &str) -> Value {
        for _ in 0..100 {
            let shown = self.demo_json(&["coe", "cluster", "show", cluster]).await;
            if shown["status"] == status {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{cluster} is never {status}");
    }
}

/// A client of the API.
pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// Unmodified clients, as `cargo xtask setup` installs them.
#[derive(Clone, Copy, Debug)]
pub enum Clients {
    /// The newest from PyPI.
    Newest,
    /// Those of the release 2025.1, with Ansible.
    Epoxy,
}

impl Clients {
    /// A program of the set.
    pub fn program(self, name: &str) -> PathBuf {
        let set = match self {
            Self::Newest => "clients",
            Self::Epoxy => "clients-2025.1",
        };
        let program = format!("bin/{name}");
        installed(set, &program).join(&program)
    }

    /// A call of a program of the set.
    pub fn command(self, program: &str) -> Command {
        let path = self.program(program);
        let bin = path.parent().unwrap().display().to_string();
        let mut command = Command::new(path);
        // Ansible looks for its parts there.
        command.env(
            "PATH",
            format!("{bin}:{}", std::env::var("PATH").unwrap_or_default()),
        );
        command
    }
}

/// A directory that `cargo xtask setup` fills, with a program in it.
pub fn installed(name: &str, program: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|cache| !cache.is_empty())
        .map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"));
    let directory = cache.join("jeroboam").join(name);
    assert!(
        directory.join(program).exists(),
        "{name} are not installed: run `cargo xtask setup`"
    );
    directory
}
