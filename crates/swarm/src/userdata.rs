//! User-data: what a node's first boot makes of a plain image.
//!
//! It holds the node's own keys and no join token; where the service has an endpoint for it, a node fetches its keys
//! there, and its user-data has nothing but the token for that. It is cloud-config written as JSON, of which YAML is a
//! superset, so that no value can break out of its place.

use jeroboam_blueprint::graph::shared_addresses;
use jeroboam_blueprint::nodes::{self, Node};
use jeroboam_blueprint::userdata::{fact, file, pack, secret_lines, volume_device};
use jeroboam_driver::{Authority, CertificateRequest, DriverError, KeyPair, NodeAsk};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::JOIN_PORT;
use crate::options::{Options, group_options};

/// Where the node's own settings, certificates and keys are.
const DIRECTORY: &str = "/etc/jeroboam";
const TLS_DIRECTORY: &str = "/etc/jeroboam/tls";
const PROGRAM_DIRECTORY: &str = "/usr/local/lib/jeroboam";

/// How long the first manager looks for a swarm that other managers are in already, before it starts one.
const FIRST_WAITS_SECS: f32 = 3.0;

/// Where a cloud shows servers their user-data: containers are kept from it.
const METADATA_SERVICE: &str = "169.254.169.254";

const EARLY: &str = include_str!("node/early.sh");

const PREPARE: &str = "jeroboam-prepare.service";
const PREPARE_UNIT: &str = include_str!("node/jeroboam-prepare.service");
const NODE: &str = "jeroboam-node.service";
const NODE_UNIT: &str = include_str!("node/jeroboam-node.service");
const JOIN: &str = "jeroboam-join.service";
const JOIN_UNIT: &str = include_str!("node/jeroboam-join.service");
const API: &str = "jeroboam-api.socket";

/// Programs of every node.
const PROGRAMS: &[(&str, &str)] = &[
    ("console.py", include_str!("node/console.py")),
    ("dockerapi.py", include_str!("node/dockerapi.py")),
    ("prepare.py", include_str!("node/prepare.py")),
    ("member.py", include_str!("node/member.py")),
    ("fetch.py", include_str!("node/fetch.py")),
];
/// Programs of managers besides.
const MANAGER_PROGRAMS: &[(&str, &str)] = &[("tokens.py", include_str!("node/tokens.py"))];

/// User-data of a node.
pub(crate) fn user_data(asked: &NodeAsk<'_>, options: &Options) -> Result<Vec<u8>, DriverError> {
    let all = nodes::nodes(&asked.ask.groups);
    let own = Own::new(asked, options, &all)?;
    let config = json!({
        "hostname": asked.host_name,
        "preserve_hostname": false,
        "bootcmd": [own.early_command()],
        "write_files": own.files()?,
    });
    pack(&format!("#cloud-config\n{config:#}\n"))
}

/// What a node fetches.
pub(crate) fn secrets(asked: &NodeAsk<'_>, options: &Options) -> Result<SecretString, DriverError> {
    let all = nodes::nodes(&asked.ask.groups);
    let files = Own::new(asked, options, &all)?.secrets()?;
    Ok(secret_lines(
        files
            .iter()
            .map(|(path, content)| (path.as_str(), content.as_str())),
    ))
}

/// The node whose user-data is written.
struct Own<'a> {
    asked: &'a NodeAsk<'a>,
    options: &'a Options,
    node: &'a Node<'a>,
    /// Fixed IPs of all managers.
    managers: Vec<String>,
    /// The node's own fixed IP.
    address: String,
}

impl<'a> Own<'a> {
    fn new(asked: &'a NodeAsk<'a>, options: &'a Options, all: &'a [Node<'a>]) -> Result<Self, DriverError> {
        let node = all
            .iter()
            .find(|node| node.key("server") == *asked.server)
            .ok_or_else(|| {
                DriverError::Internal(format!("{} is not a server of this cluster", asked.server))
            })?;
        let managers = all
            .iter()
            .filter(|node| node.manager)
            .map(|node| fact(asked, &node.key("port"), "address"))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            asked,
            options,
            node,
            managers,
            address: fact(asked, &node.key("port"), "address")?,
        })
    }

    /// Units must be known before Docker may start, which is earlier than cloud-init writes files.
    fn early_command(&self) -> Vec<String> {
        let mut units = vec![(PREPARE, PREPARE_UNIT.to_owned()), (NODE, NODE_UNIT.to_owned())];
        let mut links = vec![
            format!("docker.service.requires/{PREPARE}"),
            format!("multi-user.target.wants/{NODE}"),
        ];
        let mut started = vec![PREPARE, "docker.service", NODE];
        if self.node.manager {
            units.push((API, self.api_socket()));
            units.push((JOIN, JOIN_UNIT.to_owned()));
            links.push(format!("docker.service.requires/{API}"));
            links.push(format!("multi-user.target.wants/{JOIN}"));
            started.insert(1, API);
            started.push(JOIN);
        }
        units.extend(
            self.proxy_drop_in()
                .map(|text| ("docker.service.d/jeroboam-proxy.conf", text)),
        );
        let mut command = vec![
            "sh".to_owned(),
            "-c".into(),
            EARLY.into(),
            "jeroboam".into(),
            started.join(" "),
        ];
        for (path, text) in units {
            command.extend([path.to_owned(), text.trim_end().to_owned()]);
        }
        for path in links {
            command.extend([path, String::new()]);
        }
        command
    }

    /// Docker gets its listener with TLS from systemd: its command line stays the distribution's own.
    fn api_socket(&self) -> String {
        format!(
            "[Unit]\nDescription=Docker's API with TLS\n\n\
             [Socket]\nListenStream=0.0.0.0:{}\nService=docker.service\n",
            self.options.api_port
        )
    }

    /// Proxies of Docker. Nodes reach each other without them.
    fn proxy_drop_in(&self) -> Option<String> {
        let mut direct = self.managers.clone();
        let resolved = &self.asked.ask.resolved;
        if resolved.fixed_network_id.is_none() {
            direct.push(self.options.network.subnet_cidr.to_string());
        }
        direct.extend(resolved.fixed_subnet_cidr.clone());
        self.options.network.proxies.drop_in(direct)
    }

    fn files(&self) -> Result<Vec<Value>, DriverError> {
        let manager_programs = if self.node.manager { MANAGER_PROGRAMS } else { &[] };
        let programs = PROGRAMS.iter().chain(manager_programs);
        let mut files: Vec<Value> = programs
            .map(|(name, text)| file(&format!("{PROGRAM_DIRECTORY}/{name}"), "0644", text))
            .collect();
        files.push(file(
            &format!("{DIRECTORY}/node.json"),
            "0600",
            &format!("{:#}\n", self.settings()?),
        ));
        let certificates = self.asked.certificates;
        files.push(tls_file("node-ca.pem", &certificates.authority(Authority::Node)?));
        if self.node.manager {
            files.push(tls_file("ca.pem", &certificates.authority(Authority::Cluster)?));
        }
        let secret = |(path, content): (String, String)| file(&path, "0600", &content);
        match self.asked.bootstrap {
            Some(bootstrap) => files.extend(
                [
                    ("bootstrap.crt", pem(&bootstrap.authority)),
                    ("bootstrap.token", bootstrap.token.expose_secret().to_owned()),
                ]
                .map(|(name, content)| secret((format!("{DIRECTORY}/{name}"), content))),
            ),
            None => files.extend(self.secrets()?.into_iter().map(secret)),
        }
        Ok(files)
    }

    /// What nobody but this node may know, as paths and contents of files: keys, each after its certificate.
    fn secrets(&self) -> Result<Vec<(String, String)>, DriverError> {
        let role = if self.node.manager {
            "swarm:manager"
        } else {
            "swarm:worker"
        };
        let request = CertificateRequest {
            common_name: self.asked.host_name.to_owned(),
            organizations: vec![role.into()],
            addresses: vec![self.address.clone()],
            names: vec![self.asked.host_name.to_owned()],
            server: self.node.manager,
            client: true,
            days: None,
        };
        let mut files = Vec::new();
        if self.node.manager {
            files.extend(key_pair("server", &self.api_certificate()?));
        }
        // Last: who waits for the node's own key waits for all.
        files.extend(key_pair(
            "node",
            &self.asked.certificates.issue(Authority::Node, &request)?,
        ));
        Ok(files)
    }

    /// Certificate of this manager's Docker API, for every address that clients may use.
    fn api_certificate(&self) -> Result<KeyPair, DriverError> {
        let mut addresses = vec![self.address.clone(), "127.0.0.1".into()];
        if self.options.network.floating_ips {
            addresses.push(fact(self.asked, &self.node.key("floating-ip"), "address")?);
        }
        for (key, name) in shared_addresses(self.asked.ask, &self.options.network) {
            addresses.push(fact(self.asked, &key, name)?);
        }
        let request = CertificateRequest {
            common_name: self.asked.host_name.to_owned(),
            organizations: vec![],
            addresses,
            names: vec![self.asked.host_name.to_owned(), "localhost".into()],
            server: true,
            client: true,
            days: None,
        };
        self.asked.certificates.issue(Authority::Cluster, &request)
    }

    /// What the programs on the node go by.
    fn settings(&self) -> Result<Value, DriverError> {
        let manager = self.node.manager;
        Ok(json!({
            "role": if manager { "manager" } else { "worker" },
            "host_name": self.asked.host_name,
            "address": self.address,
            "managers": self.managers,
            "first": manager && self.managers.first() == Some(&self.address),
            "first_waits_secs": FIRST_WAITS_SECS,
            "join_port": JOIN_PORT,
            "tls_directory": TLS_DIRECTORY,
            "docker_socket": "/run/docker.sock",
            "metadata_service": METADATA_SERVICE,
            "console": "/dev/console",
            "docker": self.daemon_config(),
            "docker_volume": self.docker_volume()?,
            "bootstrap": self.asked.bootstrap.map(|bootstrap| json!({"url": bootstrap.url, "directory": DIRECTORY})),
        }))
    }

    /// Docker's `daemon.json`, to be laid over the image's own.
    fn daemon_config(&self) -> Map<String, Value> {
        let mut config = Map::new();
        config.insert(
            "storage-driver".into(),
            self.options.storage_driver.as_str().into(),
        );
        if !self.options.insecure_registries.is_empty() {
            config.insert(
                "insecure-registries".into(),
                json!(self.options.insecure_registries),
            );
        }
        if self.node.manager {
            config.insert("tls".into(), true.into());
            config.insert("tlsverify".into(), true.into());
            config.insert("tlscacert".into(), format!("{TLS_DIRECTORY}/ca.pem").into());
            config.insert("tlscert".into(), format!("{TLS_DIRECTORY}/server.pem").into());
            config.insert("tlskey".into(), format!("{TLS_DIRECTORY}/server-key.pem").into());
        }
        config
    }

    fn docker_volume(&self) -> Result<Value, DriverError> {
        let storage = self.options.storage_driver;
        let group = group_options(self.asked.ask, self.node.group, storage)?;
        if group.docker_volume_size == 0 {
            return Ok(Value::Null);
        }
        Ok(json!({
            "device": volume_device(self.asked, &self.node.key("volume"))?,
            "file_system": storage.file_system(),
        }))
    }
}

fn pem(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

fn tls_file(name: &str, text: &str) -> Value {
    file(&format!("{TLS_DIRECTORY}/{name}"), "0600", &pem(text))
}

fn key_pair(name: &str, pair: &KeyPair) -> [(String, String); 2] {
    [
        (format!("{TLS_DIRECTORY}/{name}.pem"), pem(&pair.certificate)),
        (
            format!("{TLS_DIRECTORY}/{name}-key.pem"),
            pem(pair.key.expose_secret()),
        ),
    ]
}

#[cfg(test)]
mod tests;
