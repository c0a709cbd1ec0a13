//! Our own servers: the API under test, and the bare handler.

use std::path::Path;
use std::process::Command;

use crate::cloud::Cloud;
use crate::process::{Process, free_port, run};

/// A server under load.
pub struct Server {
    /// Its name in the table.
    pub name: &'static str,
    /// Where it listens.
    pub base: String,
    /// COE of the templates that it makes.
    pub coe: &'static str,
    /// Image of the templates that it makes.
    pub image: &'static str,
    /// The program.
    pub process: Process,
}

/// Starts Jeroboam on a database that is empty yet.
pub async fn jeroboam(
    program: &Path,
    directory: &Path,
    cloud: &Cloud,
    database: &str,
) -> anyhow::Result<Server> {
    let port = free_port()?;
    let file = directory.join("jeroboam.conf");
    std::fs::write(&file, configuration(directory, port, cloud, database))?;
    let mut migrate = Command::new(program);
    migrate.args(["db", "--config-file"]).arg(&file);
    run("jeroboam db", &mut migrate)?;
    let mut serve = Command::new(program);
    serve.args(["serve", "--config-file"]).arg(&file);
    let mut process = Process::start("jeroboam", directory, &mut serve)?;
    let base = format!("http://127.0.0.1:{port}");
    process.wait_http(&base).await?;
    Ok(Server {
        name: "Jeroboam",
        base,
        coe: "swarm-mode",
        image: "debian-12-docker",
        process,
    })
}

fn configuration(directory: &Path, port: u16, cloud: &Cloud, database: &str) -> String {
    let Cloud {
        auth_url,
        region,
        service_password,
        ..
    } = cloud;
    format!(
        "[DEFAULT]
state_path = {state}
log_file = {log}
[api]
port = {port}
[database]
connection = {database}
[keystone_authtoken]
www_authenticate_uri = {auth_url}
auth_url = {auth_url}
username = magnum
password = {service_password}
user_domain_id = default
project_name = service
project_domain_id = default
region_name = {region}
[trust]
trustee_domain_name = magnum
trustee_domain_admin_name = magnum_domain_admin
trustee_domain_admin_password = {service_password}
",
        state = directory.join("state").display(),
        log = directory.join("jeroboam-access.log").display(),
    )
}

/// Starts the bare handler.
pub async fn bare(directory: &Path, project: &str, database: &str) -> anyhow::Result<Server> {
    let port = free_port()?;
    let mut serve = Command::new(std::env::current_exe()?);
    serve
        .args(["bare", "--database", database, "--project", project, "--listen"])
        .arg(format!("127.0.0.1:{port}"));
    let mut process = Process::start("bare", directory, &mut serve)?;
    let base = format!("http://127.0.0.1:{port}");
    process.wait_http(&base).await?;
    Ok(Server {
        name: "bare axum",
        base,
        coe: "swarm-mode",
        image: "debian-12-docker",
        process,
    })
}
