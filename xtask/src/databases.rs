//! A MariaDB and a PostgreSQL for the time of the tests: on loopback, in a directory that goes away, with nothing
//! but speed in mind.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Programs, and the Debian packages that have them.
pub const PROGRAMS: &[(&str, &str)] = &[("mariadbd", "mariadb-server"), ("pg_lsclusters", "postgresql")];

/// The variable from which the tests of the store take the servers.
pub const VARIABLE: &str = "JEROBOAM_TEST_DATABASES";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// Running servers. They end when this is dropped.
pub struct Servers {
    directory: PathBuf,
    children: Vec<Child>,
    /// Their URLs, separated by commas.
    pub urls: String,
}

impl Servers {
    /// Starts both.
    pub fn start() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("jeroboam-databases-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        // PostgreSQL's user must get through.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        let mut servers = Self {
            directory,
            children: Vec::new(),
            urls: String::new(),
        };
        let mariadb = servers.mariadb()?;
        let postgres = servers.postgres()?;
        servers.urls = format!("{mariadb},{postgres}");
        Ok(servers)
    }

    fn mariadb(&mut self) -> Result<String> {
        let (data, port) = (self.directory.join("mariadb"), free_port()?);
        let user = if is_root() { &["--user=root"][..] } else { &[] };
        let mut install = Command::new("mariadb-install-db");
        install
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", data.display()))
            .args(user);
        quietly(&mut install)?;
        let mut server = Command::new("/usr/sbin/mariadbd");
        server
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--skip-log-bin",
            ])
            .args(["--innodb-flush-log-at-trx-commit=0", "--max-connections=1000"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", data.join("socket").display()))
            .arg(format!("--pid-file={}", data.join("pid").display()))
            .arg(format!("--port={port}"))
            .args(user);
        self.run(&mut server, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(format!("mysql://root@127.0.0.1:{port}/mysql"))
    }

    fn postgres(&mut self) -> Result<String> {
        let (data, port) = (self.directory.join("postgres"), free_port()?.to_string());
        let programs = postgres_programs()?;
        fs::create_dir(&data)?;
        // PostgreSQL refuses to run as root.
        let unprivileged = |program: &str| {
            let program = programs.join(program);
            if !is_root() {
                return Command::new(program);
            }
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
            command
        };
        if is_root() {
            quietly(Command::new("chown").arg("postgres:").arg(&data))?;
        }
        let mut install = unprivileged("initdb");
        install.args([
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
        ]);
        quietly(install.arg("--pgdata").arg(&data))?;
        let mut server = unprivileged("postgres");
        server
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port]);
        server.args(["-c", "fsync=off", "-c", "max_connections=500"]);
        let mut ready = Command::new(programs.join("pg_isready"));
        ready.args(["--quiet", "--host=127.0.0.1", "--port", &port]);
        self.run(&mut server, || {
            ready.status().is_ok_and(|status| status.success())
        })?;
        Ok(format!("postgresql://postgres@127.0.0.1:{port}/postgres"))
    }

    /// Starts a server and waits for it.
    fn run(&mut self, command: &mut Command, mut ready: impl FnMut() -> bool) -> Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = fs::File::create(self.directory.join(format!("log-{}", self.children.len())))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.children.push(child);
        let end = Instant::now() + START;
        while Instant::now() < end {
            if ready() {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
        }
        bail!("{name} does not answer")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
        }
        for child in &mut self.children {
            let end = Instant::now() + START;
            while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
                sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Where Debian has the programs of the newest PostgreSQL.
fn postgres_programs() -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("initdb").is_file())
        .collect();
    found.sort();
    found
        .pop()
        .context("PostgreSQL is not installed: apt-get install postgresql")
}

fn quietly(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(Path::new("/proc/self")).is_ok_and(|process| process.uid() == 0)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
