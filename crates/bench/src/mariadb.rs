//! A MariaDB of its own, in a directory that goes away with the run, reachable from this machine only.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};

use crate::process::{Process, free_port, run};

/// The server.
pub struct MariaDb {
    port: u16,
    process: Process,
}

impl MariaDb {
    /// Makes a data directory and starts a server on it, with Debian's defaults but for the size of its cache.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let data = directory.join("mariadb");
        std::fs::create_dir(&data)?;
        let root = rustix::process::geteuid().is_root();
        if root {
            run("chown", Command::new("chown").arg("mysql").arg(&data))?;
        }
        let user = if root { &["--user=mysql"][..] } else { &[] };
        let mut install = Command::new(program("mariadb-install-db")?);
        install
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", data.display()))
            .args(user);
        run("mariadb-install-db", &mut install)?;
        let port = free_port()?;
        let mut server = Command::new(program("mariadbd")?);
        server
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--skip-log-bin",
            ])
            .args(["--innodb-buffer-pool-size=256M", "--max-connections=300"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", data.join("socket").display()))
            .arg(format!("--pid-file={}", data.join("pid").display()))
            .arg(format!("--port={port}"))
            .args(user);
        let mut process = Process::start("mariadbd", directory, &mut server)?;
        let url = format!("mysql://root@127.0.0.1:{port}/mysql");
        process
            .wait(async || MySqlPool::connect(&url).await.is_ok())
            .await?;
        Ok(Self { port, process })
    }

    /// Makes a database and opens it.
    pub async fn create(&self, name: &str) -> anyhow::Result<MySqlPool> {
        let pool = MySqlPoolOptions::new().max_connections(2);
        let server = pool.clone().connect(&self.url("mysql", "mysql")).await?;
        let sql = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&server).await?;
        server.close().await;
        pool.connect_lazy(&self.url("mysql", name))
            .context("cannot open a database")
    }

    /// URL of a database, in SQLAlchemy's spelling.
    pub fn url(&self, dialect: &str, name: &str) -> String {
        format!("{dialect}://root@127.0.0.1:{}/{name}", self.port)
    }

    /// The server.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// What the server said last.
    pub fn last_lines(&self) -> String {
        self.process.last_lines()
    }
}

/// Where Debian puts a server program.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let directories = ["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    match directories
        .iter()
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
    {
        Some(path) => Ok(path),
        None => bail!("{name} is not installed: apt-get install mariadb-server"),
    }
}
