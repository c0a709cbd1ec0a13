//! What a server finds on its disk before its first boot: cloud-init's NoCloud seed and a few files in `/etc`.
//!
//! Written into the machine's own layer while it is off. User data goes to its file and nowhere else.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cidr::Cidr;
use crate::error::Error;
use crate::topology::{Port, Server, Topology};

/// The address that clouds serve metadata on.
const METADATA: &str = "169.254.169.254/32";

/// How a server is addressed, worked out from the topology.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Addressing {
    /// cloud-init's network configuration, version 2 (the netplan format).
    network_config: Value,
    /// Name servers of the subnets.
    dns: Vec<Ipv4Addr>,
    /// First fixed IP.
    address: Option<Ipv4Addr>,
}

impl Addressing {
    /// Addressing of a server whose interfaces are `ports`, in order. The first port whose subnet has a gateway
    /// gives the default route.
    pub(crate) fn new(topology: &Topology, ports: &[(String, &Port)]) -> Self {
        let mut ethernets = serde_json::Map::new();
        let mut dns: Vec<Ipv4Addr> = Vec::new();
        let mut has_default = false;
        for (index, (name, port)) in ports.iter().enumerate() {
            let mut routes = Vec::new();
            if index == 0 {
                // Refused at once: lost packets would make software that probes for a cloud wait.
                routes.push(json!({ "to": METADATA, "type": "unreachable" }));
            }
            let subnets = topology
                .networks
                .get(&port.network)
                .map_or(&[][..], |network| &network.subnets);
            for subnet in subnets {
                let range = Cidr::new(subnet.address, subnet.prefix_len);
                let mut own = port.fixed_ips.iter().map(|(address, _)| *address);
                let Some(own) = own.find(|address| range.contains(*address)) else {
                    continue;
                };
                dns.extend(&subnet.dns);
                if let Some(gateway) = subnet.gateway.filter(|gateway| !has_default && *gateway != own) {
                    routes.push(json!({ "to": "default", "via": gateway }));
                    has_default = true;
                }
            }
            let addresses: Vec<String> = port
                .fixed_ips
                .iter()
                .map(|(address, prefix_len)| format!("{address}/{prefix_len}"))
                .collect();
            // Router advertisements and link-local addresses would hold the boot until they time out.
            let config =
                json!({ "addresses": addresses, "routes": routes, "accept-ra": false, "link-local": [] });
            ethernets.insert(name.clone(), config);
        }
        dns.dedup();
        let address = ports
            .iter()
            .find_map(|(_, port)| port.fixed_ips.first())
            .map(|(address, _)| *address);
        Self {
            network_config: json!({ "version": 2, "ethernets": ethernets }),
            dns,
            address,
        }
    }

    fn resolv_conf(&self) -> String {
        if self.dns.is_empty() {
            // Nobody listens there: look-ups fail at once.
            return "nameserver 127.0.0.1\n".to_owned();
        }
        self.dns
            .iter()
            .map(|server| format!("nameserver {server}\n"))
            .collect()
    }

    fn hosts(&self, name: &str) -> String {
        let own = self.address.unwrap_or(Ipv4Addr::new(127, 0, 1, 1));
        format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{own} {name}\n")
    }
}

/// Writes the seed into a machine's own layer; `volumes` is the list for the guest's device nodes.
pub(crate) fn write(
    layer: &Path,
    id: &str,
    server: &Server,
    addressing: &Addressing,
    volumes: &str,
) -> Result<(), Error> {
    let seed = directory(layer, &["var", "lib", "cloud", "seed", "nocloud-net"])?;
    let etc = directory(layer, &["etc"])?;
    let user_data = server.user_data.as_deref().unwrap_or(b"#cloud-config\n{}\n");
    let keys: Vec<&str> = server.public_key.as_deref().map(str::trim).into_iter().collect();
    let name = host_name(&server.name);
    let meta_data = json!({
        "instance-id": id,
        "local-hostname": name,
        "public-keys": keys,
        "meta": server.metadata,
    });
    // JSON is YAML.
    write_file(&seed, "user-data", 0o600, user_data)?;
    write_file(&seed, "meta-data", 0o644, meta_data.to_string().as_bytes())?;
    write_file(
        &seed,
        "network-config",
        0o644,
        addressing.network_config.to_string().as_bytes(),
    )?;
    write_file(&etc, "machine-volumes", 0o644, volumes.as_bytes())?;
    let first_boot = fs::symlink_metadata(etc.join("hostname")).is_err();
    if first_boot {
        write_file(&etc, "hostname", 0o644, format!("{name}\n").as_bytes())?;
        write_file(&etc, "hosts", 0o644, addressing.hosts(&name).as_bytes())?;
        write_file(&etc, "resolv.conf", 0o644, addressing.resolv_conf().as_bytes())?;
    }
    Ok(())
}

/// A server's name as a host name, by Nova's rule: lower case, what a host name cannot hold becomes a hyphen or goes.
fn host_name(name: &str) -> String {
    let name: String = name
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| if c == ' ' || c == '_' { '-' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        .take(63)
        .collect();
    let name = name.trim_matches(|c| matches!(c, '-' | '.'));
    if name.is_empty() {
        "server".to_owned()
    } else {
        name.to_owned()
    }
}

/// Makes nested directories with the modes that they have in the image, whatever our umask is: the layer's
/// directories hide the image's. A link that the guest left there is not followed.
fn directory(layer: &Path, names: &[&str]) -> Result<PathBuf, Error> {
    let mut path = layer.to_owned();
    for name in names {
        path.push(name);
        match fs::symlink_metadata(&path) {
            Ok(entry) if entry.is_dir() => continue,
            Ok(_) => fs::remove_file(&path).map_err(Error::file("replace", &path))?,
            Err(_) => {}
        }
        fs::create_dir(&path).map_err(Error::file("create", &path))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(Error::file("write", &path))?;
    }
    Ok(path)
}

/// Replaces a file; a link that the guest left there is not followed.
fn write_file(directory: &Path, name: &str, mode: u32, contents: &[u8]) -> Result<(), Error> {
    let path = directory.join(name);
    if fs::symlink_metadata(&path).is_ok() {
        fs::remove_file(&path).map_err(Error::file("replace", &path))?;
    }
    let mut file = OpenOptions::new();
    let mut file = file
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .map_err(Error::file("write", &path))?;
    file.write_all(contents).map_err(Error::file("write", &path))?;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(Error::file("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Network, Subnet};

    fn topology() -> Topology {
        let subnet = Subnet {
            address: [10, 0, 0, 0].into(),
            prefix_len: 24,
            gateway: Some([10, 0, 0, 1].into()),
            dns: vec![[192, 0, 2, 53].into()],
        };
        let network = Network {
            external: false,
            subnets: vec![subnet],
        };
        Topology {
            networks: [("n".to_owned(), network)].into(),
            ..Topology::default()
        }
    }

    fn port(last: u8) -> Port {
        Port {
            network: "n".into(),
            server: "s".into(),
            mac: "fa:16:3e:00:00:01".into(),
            fixed_ips: vec![([10, 0, 0, last].into(), 24)],
            allowed_address_pairs: Vec::new(),
            rules: None,
        }
    }

    #[test]
    fn one_default_route_and_a_refused_metadata_address() {
        let (first, second) = (port(5), port(6));
        let ports = [("host0".to_owned(), &first), ("host1".to_owned(), &second)];
        let config = Addressing::new(&topology(), &ports).network_config;
        assert_eq!(
            config["ethernets"]["host0"]["routes"],
            json!([{ "to": METADATA, "type": "unreachable" }, { "to": "default", "via": "10.0.0.1" }])
        );
        assert_eq!(config["ethernets"]["host1"]["routes"], json!([]));
        assert_eq!(config["ethernets"]["host1"]["addresses"], json!(["10.0.0.6/24"]));
    }

    #[test]
    fn a_server_name_becomes_a_host_name() {
        for (name, host) in [
            ("My Server_1", "my-server-1"),
            ("a.b\n10.0.0.1 evil", "a.b10.0.0.1-evil"),
            ("é", "server"),
        ] {
            assert_eq!(host_name(name), host);
        }
    }

    #[test]
    fn a_link_left_by_the_guest_is_replaced_and_not_followed() {
        let (layer, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), layer.path().join("etc")).unwrap();
        let etc = directory(layer.path(), &["etc"]).unwrap();
        let victim = outside.path().join("victim");
        std::os::unix::fs::symlink(&victim, etc.join("machine-volumes")).unwrap();
        write_file(&etc, "machine-volumes", 0o644, b"x").unwrap();
        assert!(!victim.exists());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_seed_keeps_user_data_to_root_and_bytes_as_they_are() {
        let layer = tempfile::tempdir().unwrap();
        let server = Server {
            name: "web".into(),
            running: true,
            boot: 0,
            user_data: Some(vec![0x1f, 0x8b, 0xff]),
            public_key: Some("ssh-ed25519 AAAA test\n".into()),
            metadata: [("role".to_owned(), "x".to_owned())].into(),
            memory_mib: 512,
            volumes: Vec::new(),
        };
        let port = port(5);
        let addressing = Addressing::new(&topology(), &[("host0".to_owned(), &port)]);
        write(layer.path(), "i-1", &server, &addressing, "").unwrap();
        let seed = layer.path().join("var/lib/cloud/seed/nocloud-net");
        assert_eq!(fs::read(seed.join("user-data")).unwrap(), [0x1f, 0x8b, 0xff]);
        assert_eq!(
            fs::metadata(seed.join("user-data")).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::metadata(layer.path().join("var/lib"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o755
        );
        let meta: Value = serde_json::from_slice(&fs::read(seed.join("meta-data")).unwrap()).unwrap();
        assert_eq!(meta["public-keys"], json!(["ssh-ed25519 AAAA test"]));
        let resolv = fs::read_to_string(layer.path().join("etc/resolv.conf")).unwrap();
        assert_eq!(resolv, "nameserver 192.0.2.53\n");
    }
}
