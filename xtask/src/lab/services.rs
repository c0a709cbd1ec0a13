//! The services and how each is started.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::Lab;
use super::places::HOST;
use super::process::Pids;
use super::wait;

/// A service: a web application, and programs that work for it.
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// What uWSGI loads; none for Barbican, which has a pipeline instead.
    application: Option<&'static str>,
    /// uWSGI's processes and threads.
    size: (u8, u8),
    /// Files given as `--config-file`; empty where a variable names them.
    files: &'static [&'static str],
    /// Programs beside the application.
    programs: &'static [&'static str],
}

/// All services, in the order in which they are started.
pub const ALL: &[Service] = &[
    web("keystone", "keystone.wsgi.api:application", (2, 1), &[], &[]),
    web("placement", "placement.wsgi.api:application", (1, 2), &[], &[]),
    web("glance", "glance.wsgi.api:application", (1, 4), &[], &[]),
    web("neutron", "neutron.wsgi.api:application", (1, 4), &[], &[]),
    web(
        "nova",
        "nova.wsgi.osapi_compute:application",
        (1, 4),
        &["nova.conf"],
        &["nova-conductor", "nova-scheduler", "nova-compute"],
    ),
    web(
        "cinder",
        "cinder.wsgi.api:application",
        (1, 4),
        &["cinder.conf"],
        &["cinder-scheduler", "cinder-volume"],
    ),
    Service {
        name: "barbican",
        application: None,
        size: (1, 4),
        files: &[],
        programs: &[],
    },
    web(
        "octavia",
        "octavia.wsgi.api:application",
        (1, 4),
        &["octavia.conf", "amphora.conf"],
        &["octavia-worker"],
    ),
    web(
        "magnum",
        "magnum.wsgi.api:application",
        (2, 1),
        &["magnum.conf"],
        &["magnum-conductor"],
    ),
];

/// Services that are started only when asked for.
const EXTRA: &[&str] = &["magnum"];

const fn web(
    name: &'static str,
    application: &'static str,
    size: (u8, u8),
    files: &'static [&'static str],
    programs: &'static [&'static str],
) -> Service {
    Service {
        name,
        application: Some(application),
        size,
        files,
        programs,
    }
}

/// The services of `only`; if that is empty, the usual ones and those `with` them.
pub fn chosen(with: &[String], only: &[String]) -> Result<Vec<&'static Service>> {
    for name in with.iter().chain(only) {
        if ALL.iter().all(|service| service.name != name) {
            bail!(
                "there is no service {name}; there are {}",
                names(&ALL.iter().collect::<Vec<_>>())
            );
        }
    }
    let is_chosen = |service: &&Service| {
        let name = service.name;
        match only.is_empty() {
            true => !EXTRA.contains(&name) || with.iter().any(|wanted| wanted == name),
            // Nothing works without Keystone.
            false => name == "keystone" || only.iter().any(|wanted| wanted == name),
        }
    };
    Ok(ALL.iter().filter(is_chosen).collect())
}

/// Names, for people.
pub fn names(services: &[&Service]) -> String {
    services
        .iter()
        .map(|service| service.name)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Service {
    /// Starts the application, and the programs except Octavia's.
    pub fn start(&self, lab: &Lab, python: &Path, pids: &Pids) -> Result<()> {
        pids.start(self.name, &mut self.uwsgi(lab, python))?;
        if self.name == "octavia" {
            return Ok(());
        }
        self.start_rest(lab, python, pids)
    }

    /// Starts the programs.
    pub fn start_rest(&self, lab: &Lab, python: &Path, pids: &Pids) -> Result<()> {
        for program in self.programs {
            let mut command = program_of(lab, python, program);
            command.args(self.file_arguments(lab));
            pids.start(program, &mut command)?;
        }
        Ok(())
    }

    /// Waits until the application answers.
    pub fn wait(&self, lab: &Lab, pids: &Pids) -> Result<()> {
        let port = lab.port(self.name).unwrap_or_default();
        wait::for_http(self.name, port, || pids.is_alive(self.name))
    }

    fn uwsgi(&self, lab: &Lab, python: &Path) -> Command {
        let (processes, threads) = self.size;
        let port = lab.port(self.name).unwrap_or_default();
        let mut command = program_of(lab, python, "uwsgi");
        command
            .args(["--http-socket", &format!("{HOST}:{port}")])
            .args([
                "--processes",
                &processes.to_string(),
                "--threads",
                &threads.to_string(),
            ])
            .args([
                "--master",
                "--die-on-term",
                "--enable-threads",
                "--lazy-apps",
                "--need-app",
            ])
            .args(["--thunder-lock", "--buffer-size", "65535", "--disable-logging"])
            .args(["--add-header", "Connection: close", "--worker-reload-mercy", "5"])
            .args(["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"])
            .arg("--virtualenv")
            .arg(python);
        match self.application {
            Some(application) => {
                command.args(["--module", application]);
            }
            None => {
                let paste = lab.conf().join(format!("{}-api-paste.ini", self.name));
                command.arg("--paste").arg(format!("config:{}", paste.display()));
            }
        }
        if !self.files.is_empty() {
            command.args(["--pyargv", &self.file_arguments(lab).join(" ")]);
        }
        command
    }

    fn file_arguments(&self, lab: &Lab) -> Vec<String> {
        let file = |name: &&str| {
            [
                "--config-file".to_owned(),
                lab.conf().join(name).display().to_string(),
            ]
        };
        self.files.iter().flat_map(file).collect()
    }
}

/// A program of the services' environment, told by variables where the configuration is.
pub fn program_of(lab: &Lab, python: &Path, name: &str) -> Command {
    let mut command = Command::new(python.join("bin").join(name));
    for service in ["PLACEMENT", "KEYSTONE", "NOVA", "GLANCE", "NEUTRON"] {
        command.env(format!("OS_{service}_CONFIG_DIR"), lab.conf());
    }
    command
        .env("OS_NEUTRON_CONFIG_FILES", "neutron.conf;ml2.ini")
        .env("HOME", lab.data().join("barbican-home"));
    command
}
