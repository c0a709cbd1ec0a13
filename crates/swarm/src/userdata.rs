//! User-data: what a node's first boot makes of a plain image.
//!
//! It holds the node's own keys and no join token. It is cloud-config written as JSON, of which YAML is a
//! superset, so that no value can break out of its place.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use jeroboam_driver::{Authority, CertificateRequest, DriverError, Key, KeyPair, NodeAsk};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::JOIN_PORT;
use crate::nodes::{self, Node};
use crate::options::{GroupOptions, Options};

/// Longest base64 text that Nova takes as `user_data` (its column and schema end there).
const NOVA_LIMIT_BYTES: usize = 65_535;

/// User-data above this size is compressed; cloud-init recognises it.
const PLAIN_LIMIT_BYTES: usize = 32 * 1024;

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
];
/// Programs of managers besides.
const MANAGER_PROGRAMS: &[(&str, &str)] = &[("tokens.py", include_str!("node/tokens.py"))];

/// User-data of a node.
pub(crate) fn user_data(asked: &NodeAsk<'_>, options: &Options) -> Result<Vec<u8>, DriverError> {
    let all = nodes::nodes(&asked.ask.groups);
    let node = all
        .iter()
        .find(|node| node.key("server") == *asked.server)
        .ok_or_else(|| DriverError::Internal(format!("{} is not a server of this cluster", asked.server)))?;
    let managers = all
        .iter()
        .filter(|node| node.manager)
        .map(|node| fact(asked, &node.key("port"), "address"))
        .collect::<Result<Vec<_>, _>>()?;
    let own = Own {
        asked,
        options,
        node,
        managers,
        address: fact(asked, &node.key("port"), "address")?,
    };
    let config = json!({
        "hostname": asked.host_name,
        "preserve_hostname": false,
        "bootcmd": [own.early_command()],
        "write_files": own.files()?,
    });
    pack(&format!("#cloud-config\n{config:#}\n"))
}

fn fact(asked: &NodeAsk<'_>, key: &Key, name: &str) -> Result<String, DriverError> {
    let value = asked.made.fact(key, name).map(str::to_owned);
    value.ok_or_else(|| DriverError::Internal(format!("{key} has no {name}")))
}

/// Compresses what is long, and refuses what Nova would refuse.
fn pack(text: &str) -> Result<Vec<u8>, DriverError> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() > PLAIN_LIMIT_BYTES {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
        bytes = packed.map_err(|error| DriverError::Internal(error.to_string()))?;
    }
    let encoded = bytes.len().div_ceil(3) * 4;
    if encoded > NOVA_LIMIT_BYTES {
        let reason = format!("user-data of {encoded} bytes, and Nova takes at most {NOVA_LIMIT_BYTES}");
        return Err(DriverError::Internal(reason));
    }
    Ok(bytes)
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

impl Own<'_> {
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

    fn proxy_drop_in(&self) -> Option<String> {
        let proxies = self.proxies();
        if proxies.is_empty() {
            return None;
        }
        let lines = proxies
            .iter()
            // A per cent sign starts a specifier in units.
            .map(|(name, value)| format!("Environment=\"{name}={}\"\n", value.replace('%', "%%")));
        Some("[Service]\n".to_owned() + &lines.collect::<String>())
    }

    /// Proxies of Docker. Nodes reach each other without them.
    fn proxies(&self) -> Vec<(&'static str, String)> {
        let mut proxies = Vec::new();
        proxies.extend(self.options.http_proxy.clone().map(|url| ("HTTP_PROXY", url)));
        proxies.extend(self.options.https_proxy.clone().map(|url| ("HTTPS_PROXY", url)));
        if !proxies.is_empty() {
            let mut direct = vec!["localhost".to_owned(), "127.0.0.1".into()];
            direct.extend(self.managers.iter().cloned());
            let resolved = &self.asked.ask.resolved;
            if resolved.fixed_network_id.is_none() {
                direct.push(self.options.subnet_cidr.to_string());
            }
            direct.extend(resolved.fixed_subnet_cidr.clone());
            direct.extend(self.options.no_proxy.iter().cloned());
            proxies.push(("NO_PROXY", direct.join(",")));
        }
        proxies
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
        let role = if self.node.manager {
            "swarm:manager"
        } else {
            "swarm:worker"
        };
        let own = certificates.issue(
            Authority::Node,
            &CertificateRequest {
                common_name: self.asked.host_name.to_owned(),
                organizations: vec![role.into()],
                addresses: vec![self.address.clone()],
                names: vec![self.asked.host_name.to_owned()],
                server: self.node.manager,
                client: true,
            },
        )?;
        files.push(tls_file("node-ca.pem", &certificates.authority(Authority::Node)?));
        files.extend(key_pair("node", &own));
        if self.node.manager {
            files.push(tls_file("ca.pem", &certificates.authority(Authority::Cluster)?));
            files.extend(key_pair("server", &self.api_certificate()?));
        }
        Ok(files)
    }

    /// Certificate of this manager's Docker API, for every address that clients may use.
    fn api_certificate(&self) -> Result<KeyPair, DriverError> {
        let mut addresses = vec![self.address.clone(), "127.0.0.1".into()];
        if self.options.floating_ips {
            addresses.push(fact(self.asked, &self.node.key("floating-ip"), "address")?);
        }
        if self.options.load_balancer {
            addresses.push(fact(
                self.asked,
                &Key::new("load-balancer", "api"),
                "vip_address",
            )?);
        }
        if self.options.load_balancer_floating_ip {
            addresses.push(fact(self.asked, &Key::new("floating-ip", "api"), "address")?);
        }
        let request = CertificateRequest {
            common_name: self.asked.host_name.to_owned(),
            organizations: vec![],
            addresses,
            names: vec![self.asked.host_name.to_owned(), "localhost".into()],
            server: true,
            client: true,
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
        let group = GroupOptions::parse(self.asked.ask, self.node.group, storage)?;
        if group.docker_volume_size == 0 {
            return Ok(Value::Null);
        }
        let key = self.node.key("volume");
        let volume = self.asked.made.0.get(&key);
        let volume = volume.ok_or_else(|| DriverError::Internal(format!("{key} is not there")))?;
        // A virtio disk's serial number, which udev names it by, ends after 20 bytes.
        let serial: String = volume.id.chars().take(20).collect();
        Ok(json!({
            "device": format!("/dev/disk/by-id/virtio-{serial}"),
            "file_system": storage.file_system(),
        }))
    }
}

fn file(path: &str, permissions: &str, content: &str) -> Value {
    json!({"path": path, "permissions": permissions, "content": content})
}

fn tls_file(name: &str, pem: &str) -> Value {
    file(
        &format!("{TLS_DIRECTORY}/{name}"),
        "0600",
        &format!("{}\n", pem.trim_end()),
    )
}

fn key_pair(name: &str, pair: &KeyPair) -> [Value; 2] {
    [
        tls_file(&format!("{name}.pem"), &pair.certificate),
        tls_file(&format!("{name}-key.pem"), pair.key.expose_secret()),
    ]
}

#[cfg(test)]
mod tests;
