use std::collections::BTreeMap;

use jeroboam_driver::graph::MadeResource;
use jeroboam_driver::{Ask, Driver, Key, Made};
use secrecy::SecretString;

use super::*;
use crate::SwarmDriver;
use crate::options::tests::ask;

/// Certificates as texts that tell what was asked for.
struct Texts;

impl jeroboam_driver::Certificates for Texts {
    fn authority(&self, authority: Authority) -> Result<String, DriverError> {
        Ok(format!("CA of {authority:?}"))
    }

    fn issue(&self, authority: Authority, request: &CertificateRequest) -> Result<KeyPair, DriverError> {
        let certificate = format!("{authority:?} {request:?}");
        let key = SecretString::from(format!("private key {authority:?} {}", request.common_name));
        Ok(KeyPair { certificate, key })
    }

    fn signer(&self, authority: Authority) -> Result<KeyPair, DriverError> {
        Err(DriverError::Internal(format!(
            "no node of a swarm is an {authority:?} authority"
        )))
    }

    fn token_keys(&self) -> Result<jeroboam_driver::TokenKeys, DriverError> {
        Err(DriverError::Internal("swarms have no service accounts".into()))
    }
}

/// Everything of the graph made, with addresses that tell what they are of.
fn made(ask: &Ask) -> Made {
    let mut made = Made::default();
    for (index, resource) in SwarmDriver.graph(ask).unwrap().iter().enumerate() {
        let address = match resource.key.kind() {
            "port" => ("address", format!("10.0.0.{index}")),
            "floating-ip" => ("address", format!("203.0.113.{index}")),
            "load-balancer" => ("vip_address", format!("10.0.0.2{index}")),
            _ => ("none", String::new()),
        };
        let facts = BTreeMap::from([(address.0.to_owned(), Value::from(address.1))]);
        let id = format!("{index:08}-1111-2222-3333-444444444444");
        made.0.insert(resource.key.clone(), MadeResource { id, facts });
    }
    made
}

fn write(ask: &Ask, name: &str) -> Vec<u8> {
    let server = Key::new("server", name);
    let host_name = ask.cloud_name(&server);
    let made = made(ask);
    let node = NodeAsk {
        ask,
        server: &server,
        host_name: &host_name,
        made: &made,
        certificates: &Texts,
        bootstrap: None,
    };
    SwarmDriver.user_data(&node).unwrap()
}

fn read(user_data: &[u8]) -> Value {
    let text = std::str::from_utf8(user_data).unwrap();
    serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap()
}

fn content(config: &Value, path: &str) -> Option<String> {
    let files = config["write_files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == path)?;
    Some(file["content"].as_str().unwrap().to_owned())
}

#[test]
fn a_manager_has_the_certificate_of_every_address_that_clients_use() {
    let mut ask = ask(3, 1);
    ask.cluster.master_lb_enabled = Some(true);
    let config = read(&write(&ask, "master-1"));
    let made = made(&ask);
    let certificate = content(&config, "/etc/jeroboam/tls/server.pem").unwrap();
    for (key, name) in [
        ("port:master-1", "address"),
        ("floating-ip:master-1", "address"),
        ("floating-ip:api", "address"),
        ("load-balancer:api", "vip_address"),
    ] {
        let address = made.fact(&Key::stored(key), name).unwrap();
        assert!(certificate.contains(address), "{key} in {certificate}");
    }
    let settings: Value =
        serde_json::from_str(&content(&config, "/etc/jeroboam/node.json").unwrap()).unwrap();
    assert_eq!(
        (&settings["first"], &settings["role"]),
        (&json!(false), &json!("manager"))
    );
    assert_eq!(settings["managers"].as_array().unwrap().len(), 3);
    assert_eq!(
        config["hostname"],
        ask.cloud_name(&Key::stored("server:master-1"))
    );
    assert_eq!(
        SwarmDriver.api_address(&ask, &made),
        made.fact(&Key::stored("floating-ip:api"), "address")
            .map(|address| format!("tcp://{address}:2376"))
    );
}

#[test]
fn a_worker_has_its_own_key_only_and_nothing_of_the_managers() {
    let ask = ask(1, 2);
    let user_data = write(&ask, "worker-1");
    let config = read(&user_data);
    let text = String::from_utf8(user_data).unwrap();
    assert_eq!(text.matches("private key").count(), 1);
    let host_name = ask.cloud_name(&Key::stored("server:worker-1"));
    let key = content(&config, "/etc/jeroboam/tls/node-key.pem").unwrap();
    assert_eq!(key, format!("private key Node {host_name}\n"));
    assert!(
        content(&config, "/etc/jeroboam/tls/node.pem")
            .unwrap()
            .contains("swarm:worker")
    );
    assert!(content(&config, "/etc/jeroboam/tls/ca.pem").is_none());
    assert!(content(&config, "/usr/local/lib/jeroboam/tokens.py").is_none());
    assert!(!text.contains("jeroboam-api.socket") && !text.contains("SWMTKN"));
    let secrets = config["write_files"].as_array().unwrap().iter().filter(|file| {
        file["path"].as_str().unwrap().starts_with("/etc/jeroboam/") && file["permissions"] != "0600"
    });
    assert_eq!(secrets.count(), 0);
}

#[test]
fn docker_is_configured_before_its_first_start() {
    let mut ask = ask(1, 1);
    ask.template.http_proxy = Some("http://u:p%40ss@proxy:3128".into());
    ask.template.no_proxy = Some("example.com".into());
    ask.template.insecure_registry = Some("registry:5000".into());
    ask.template.apiserver_port = Some(4243);
    ask.cluster.docker_volume_size = Some(2);
    let config = read(&write(&ask, "master-0"));
    let command: Vec<_> = config["bootcmd"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect();
    let unit = |path: &str| command[command.iter().position(|text| *text == path).unwrap() + 1];
    let drop_in = unit("docker.service.d/jeroboam-proxy.conf");
    assert!(
        drop_in.contains("Environment=\"HTTP_PROXY=http://u:p%%40ss@proxy:3128\""),
        "{drop_in}"
    );
    assert!(drop_in.contains(",10.0.0.0/24,example.com\""), "{drop_in}");
    assert!(unit("jeroboam-api.socket").contains("ListenStream=0.0.0.0:4243"));
    let settings: Value =
        serde_json::from_str(&content(&config, "/etc/jeroboam/node.json").unwrap()).unwrap();
    assert_eq!(
        settings["docker"]["insecure-registries"],
        json!(["registry:5000"])
    );
    assert_eq!(settings["docker"]["tlsverify"], true);
    let volume = &made(&ask).0[&Key::stored("volume:master-0")].id;
    assert_eq!(
        settings["docker_volume"]["device"],
        format!("/dev/disk/by-id/virtio-{}", &volume[..20])
    );
    assert_eq!(
        SwarmDriver
            .api_address(&ask, &made(&ask))
            .unwrap()
            .rsplit(':')
            .next(),
        Some("4243")
    );
}

#[test]
fn a_fact_that_is_missing_is_named() {
    let ask = ask(1, 1);
    let server = Key::new("server", "worker-0");
    let node = NodeAsk {
        ask: &ask,
        server: &server,
        host_name: "h",
        made: &Made::default(),
        certificates: &Texts,
        bootstrap: None,
    };
    let error = SwarmDriver.user_data(&node).unwrap_err();
    assert_eq!(error.to_string(), "port:master-0 has no address");
}

#[test]
fn a_node_that_fetches_its_keys_finds_none_in_its_user_data() {
    let mut ask = ask(3, 1);
    ask.cluster.master_lb_enabled = Some(true);
    let bootstrap = jeroboam_driver::Bootstrap {
        url: "https://192.0.2.10:9513".into(),
        authority: "certificate of the endpoint".into(),
        token: SecretString::from("token of this node"),
    };
    let made = made(&ask);
    for name in ["master-1", "worker-0"] {
        let server = Key::new("server", name);
        let node = |bootstrap| NodeAsk {
            ask: &ask,
            server: &server,
            host_name: "demo-node",
            made: &made,
            certificates: &Texts,
            bootstrap,
        };
        let files = |bootstrap| -> BTreeMap<String, String> {
            let config = read(&SwarmDriver.user_data(&node(bootstrap)).unwrap());
            let files = config["write_files"].as_array().unwrap().clone();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            files
                .iter()
                .map(|file| (text(&file["path"]), text(&file["content"])))
                .collect()
        };
        let mut own = files(Some(&bootstrap));
        assert!(!own.values().any(|content| content.contains("private key")));
        assert_eq!(
            own.remove("/etc/jeroboam/bootstrap.token").unwrap(),
            "token of this node"
        );
        assert_eq!(
            own.remove("/etc/jeroboam/bootstrap.crt").unwrap(),
            "certificate of the endpoint\n"
        );
        let secrets = SwarmDriver.secrets(&node(None)).unwrap();
        let mut lines: Vec<&str> = secrets.expose_secret().lines().collect();
        assert_eq!(lines.pop(), Some("end"));
        assert!(
            lines
                .last()
                .unwrap()
                .starts_with("/etc/jeroboam/tls/node-key.pem ")
        );
        assert_eq!(lines.len(), if name == "master-1" { 4 } else { 2 });
        // With what is fetched a node has what it has otherwise.
        own.extend(
            lines
                .iter()
                .map(|line| (line.split(' ').next().unwrap().to_owned(), String::new())),
        );
        let plain = files(None);
        assert!(own.keys().eq(plain.keys()), "{:?} {:?}", own.keys(), plain.keys());
        let settings: Value = serde_json::from_str(&own["/etc/jeroboam/node.json"]).unwrap();
        assert_eq!(settings["bootstrap"]["url"], bootstrap.url);
    }
    assert!(SwarmDriver.fetches_secrets(&ask));
    ask.cluster
        .labels
        .0
        .insert("plain_user_data".into(), "true".into());
    assert!(!SwarmDriver.fetches_secrets(&ask));
}
