use std::collections::BTreeMap;

use jeroboam_driver::graph::MadeResource;
use jeroboam_driver::{Ask, Certificates, Driver, Key, KeyPair, Made, TokenKeys};
use jeroboam_types::{Revision, Roll, TrustStage};
use secrecy::SecretString;
use serde_json::Value;

use super::*;
use crate::KubernetesDriver;
use crate::options::tests::ask;

/// Certificates as texts that tell what was asked for.
struct Texts;

impl Certificates for Texts {
    fn authority(&self, authority: Authority) -> Result<String, DriverError> {
        Ok(format!("certificate of {authority:?}"))
    }

    fn issue(&self, authority: Authority, request: &CertificateRequest) -> Result<KeyPair, DriverError> {
        Ok(KeyPair {
            certificate: format!("{authority:?} {request:?}"),
            key: SecretString::from(format!("key of {}", request.common_name)),
        })
    }

    fn signer(&self, authority: Authority) -> Result<KeyPair, DriverError> {
        Ok(KeyPair {
            certificate: self.authority(authority)?,
            key: SecretString::from(format!("SIGNING KEY of {authority:?}")),
        })
    }

    fn token_keys(&self) -> Result<TokenKeys, DriverError> {
        Ok(TokenKeys {
            public: "public key".into(),
            private: SecretString::from("SIGNING KEY of tokens"),
            id: "key".into(),
        })
    }
}

/// Everything of the graph made, with addresses that tell what they are of.
fn made(ask: &Ask) -> Made {
    let mut made = Made::default();
    for (index, resource) in KubernetesDriver::default().graph(ask).unwrap().iter().enumerate() {
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

fn write(ask: &Ask, name: &str) -> String {
    with_node(ask, name, None, |node| {
        String::from_utf8(KubernetesDriver::default().user_data(node).unwrap()).unwrap()
    })
}

fn with_node<R>(
    ask: &Ask,
    name: &str,
    bootstrap: Option<&Bootstrap>,
    work: impl FnOnce(&NodeAsk<'_>) -> R,
) -> R {
    let server = Key::new("server", name);
    let host_name = ask.cloud_name(&server);
    let made = made(ask);
    let node = NodeAsk {
        ask,
        server: &server,
        host_name: &host_name,
        made: &made,
        certificates: &Texts,
        bootstrap,
    };
    work(&node)
}

#[test]
fn a_node_that_fetches_its_secrets_finds_no_key_in_its_user_data() {
    let mut ask = ask(3, 1);
    ask.cluster
        .labels
        .0
        .insert("keystone_auth_enabled".into(), "true".into());
    let bootstrap = Bootstrap {
        url: "https://192.0.2.10:9513".into(),
        authority: "certificate of the endpoint".into(),
        token: SecretString::from("token of this node"),
    };
    for name in ["master-0", "master-2", "worker-0"] {
        let plain = files(&write(&ask, name));
        let (text, secrets) = with_node(&ask, name, Some(&bootstrap), |node| {
            let user_data = KubernetesDriver::default().user_data(node).unwrap();
            (
                String::from_utf8(user_data).unwrap(),
                KubernetesDriver::default().secrets(node).unwrap(),
            )
        });
        let mut own = files(&text);
        for (path, content) in &own {
            assert!(!content.to_lowercase().contains("key of"), "{path}: {content}");
        }
        assert_eq!(own["/etc/jeroboam/bootstrap.token"], "token of this node");
        // What is fetched and what stands there are together what a node has otherwise.
        let mut lines: Vec<&str> = secrets.expose_secret().lines().collect();
        assert_eq!(lines.pop(), Some("end"));
        for line in lines {
            let (path, content) = line.split_once(' ').unwrap();
            let content = String::from_utf8(BASE64_STANDARD.decode(content).unwrap()).unwrap();
            assert_eq!(own.insert(path.to_owned(), content), None, "{path}");
        }
        own.retain(|path, _| !path.contains("/bootstrap.") && !path.ends_with("/fetch.sh"));
        assert_eq!(own, plain);
    }
}

#[test]
fn a_label_keeps_keys_in_user_data() {
    let mut ask = ask(1, 1);
    assert!(KubernetesDriver::default().fetches_secrets(&ask));
    ask.cluster
        .labels
        .0
        .insert("plain_user_data".into(), "true".into());
    assert!(!KubernetesDriver::default().fetches_secrets(&ask));
}

/// Contents of the files by path.
fn files(user_data: &str) -> BTreeMap<String, String> {
    let config: Value = serde_json::from_str(user_data.strip_prefix("#cloud-config\n").unwrap()).unwrap();
    let files = config["write_files"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    files
        .iter()
        .map(|file| (text(&file["path"]), text(&file["content"])))
        .collect()
}

fn setting(files: &BTreeMap<String, String>, name: &str) -> String {
    let settings = &files["/etc/jeroboam/node.env"];
    let mut lines = settings.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(key, _)| *key == name).unwrap();
    value.trim_matches('\'').to_owned()
}

#[test]
fn a_worker_has_a_key_of_its_own_and_no_authoritys() {
    let ask = ask(1, 2);
    let text = write(&ask, "worker-1");
    assert!(!text.contains("SIGNING KEY"));
    let files = files(&text);
    assert!(!files.contains_key("/etc/jeroboam/init.yaml"));
    let join: Value = serde_json::from_str(&files["/etc/jeroboam/join.kubeconfig"]).unwrap();
    let read =
        |value: &Value| String::from_utf8(BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
    let user = &join["users"][0]["user"];
    let host_name = ask.cloud_name(&Key::new("server", "worker-1"));
    assert_eq!(
        read(&user["client-key-data"]),
        format!("key of system:bootstrap:{host_name}\n")
    );
    let certificate = read(&user["client-certificate-data"]);
    assert!(certificate.contains("system:bootstrappers:kubeadm:default-node-token"));
    assert!(!certificate.contains("system:masters"));
    assert_eq!(setting(&files, "ROLE"), "worker");
    let port = made(&ask)
        .fact(&Key::new("port", "worker-1"), "address")
        .unwrap()
        .to_owned();
    let last = port.rsplit('.').next().unwrap();
    assert_eq!(setting(&files, "POD_RANGE"), format!("10.100.{last}.0/24"));
}

#[test]
fn masters_have_a_webhook_for_keystone_where_that_is_asked_for() {
    let plain = ask(3, 1);
    let mut asked = ask(3, 1);
    asked
        .cluster
        .labels
        .0
        .insert("keystone_auth_enabled".into(), "true".into());
    let added = |name: &str| -> Vec<String> {
        let before = files(&write(&plain, name));
        let after = files(&write(&asked, name)).into_keys();
        after.filter(|path| !before.contains_key(path)).collect()
    };
    let own = [webhook::CONFIG, webhook::CERTIFICATE, webhook::KEY];
    assert!(added("worker-0").is_empty());
    for name in ["master-0", "master-2"] {
        assert_eq!(added(name), own);
        let files = files(&write(&asked, name));
        let config: Value = serde_json::from_str(&files[webhook::CONFIG]).unwrap();
        let cluster = &config["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], "https://127.0.0.1:10261/webhook");
        // There kubeadm finds the authorities, both of them during a rotation, and its API server sees that directory.
        assert_eq!(cluster["certificate-authority"], "/etc/kubernetes/pki/ca.crt");
        assert!(files.contains_key("/etc/jeroboam/ca.crt"));
        let certificate = &files[webhook::CERTIFICATE];
        assert!(
            certificate.contains("\"127.0.0.1\"") && certificate.contains("client: false"),
            "{certificate}"
        );
        assert_eq!(files[webhook::KEY], "key of keystone-auth\n");
    }
}

#[test]
fn masters_have_the_authorities_and_join_one_after_the_other() {
    let mut ask = ask(3, 1);
    ask.cluster.labels.0.insert("etcd_volume_size".into(), "8".into());
    let made = made(&ask);
    let port = |name: &str| made.fact(&Key::new("port", name), "address").unwrap();
    let first = files(&write(&ask, "master-0"));
    assert_eq!(first["/etc/jeroboam/pki/etcd/ca.key"], "SIGNING KEY of Etcd\n");
    assert_eq!(first["/etc/jeroboam/pki/sa.pub"], "public key\n");
    assert_eq!(
        (setting(&first, "ROLE"), setting(&first, "PREVIOUS_MASTER")),
        ("first".into(), "".into())
    );
    let init = &first["/etc/jeroboam/init.yaml"];
    for (key, name) in [
        ("port:master-2", "address"),
        ("floating-ip:master-1", "address"),
        ("floating-ip:api", "address"),
        ("load-balancer:api", "vip_address"),
    ] {
        let address = made.fact(&Key::stored(key), name).unwrap();
        assert!(init.contains(&format!("\"{address}\"")), "{key} in {init}");
    }
    let last = files(&write(&ask, "master-2"));
    assert!(
        last["/etc/jeroboam/init.yaml"].contains(port("master-2")),
        "its own certificate of the API is made by this"
    );
    assert_eq!(setting(&last, "ROLE"), "master");
    assert_eq!(
        setting(&last, "PREVIOUS_MASTER"),
        format!("{}:6443", port("master-1"))
    );
    assert_eq!(
        setting(&last, "OTHER_MASTERS"),
        format!("{}:6443 {}:6443", port("master-0"), port("master-1"))
    );
    let volume = &made.0[&Key::new("etcd-volume", "master-2")].id;
    assert_eq!(
        setting(&last, "ETCD_VOLUME"),
        format!("/dev/disk/by-id/virtio-{}", &volume[..20])
    );
    let public = made.fact(&Key::stored("floating-ip:api"), "address").unwrap();
    assert_eq!(
        KubernetesDriver::default().api_address(&ask, &made).unwrap(),
        format!("https://{public}:6443")
    );
}

#[test]
fn a_master_that_joins_while_others_sign_with_the_last_authorities_brings_its_kubelets_identity() {
    let kubelet = "/etc/jeroboam/kubelet.kubeconfig";
    for stage in 0..4 {
        let mut ask = ask(3, 1);
        for group in &mut ask.groups {
            let mut roll = Roll::standing(Revision::default());
            roll.target.trust = TrustStage(stage);
            group.roll = Some(roll);
        }
        let master = files(&write(&ask, "master-1"));
        assert_eq!(master.contains_key(kubelet), stage == 2, "stage {stage}");
        assert!(!files(&write(&ask, "worker-0")).contains_key(kubelet));
        // kubeadm's controller manager signs with one authority, whatever is trusted.
        assert_eq!(
            master["/etc/jeroboam/pki/ca-signer.crt"],
            "certificate of Cluster\n"
        );
        if stage == 2 {
            let config: Value = serde_json::from_str(&master[kubelet]).unwrap();
            let text = config["users"][0]["user"]["client-certificate-data"]
                .as_str()
                .unwrap();
            let text = String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap();
            let host_name = ask.cloud_name(&Key::new("server", "master-1"));
            assert!(text.contains(&format!("\"system:node:{host_name}\"")), "{text}");
            assert!(
                text.contains("\"system:nodes\"") && !text.contains("bootstrappers"),
                "{text}"
            );
        }
    }
}

#[test]
fn secrets_are_for_root_alone_in_both_forms() {
    let mut ask = ask(1, 1);
    ask.template.http_proxy = Some("http://proxy:3128".into());
    ask.template.insecure_registry = Some("registry:5000".into());
    let text = write(&ask, "master-0");
    let config: Value = serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap();
    let secret = |path: &str| path.ends_with(".key") || path.contains("kubeconfig") || path.ends_with("yaml");
    for file in config["write_files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        assert!(!secret(path) || file["permissions"] == "0600", "{path}");
    }
    assert_eq!(
        config["runcmd"][1],
        json!([
            "systemctl",
            "try-restart",
            "containerd.service",
            "kubelet.service"
        ])
    );
    assert!(
        files(&text)["/etc/containerd/certs.d/registry:5000/hosts.toml"].contains("http://registry:5000")
    );

    ask.template.cluster_distro = Some("flatcar".into());
    let config: Value = serde_json::from_str(&write(&ask, "master-0")).unwrap();
    assert_eq!(config["ignition"]["version"], "3.3.0");
    let files = config["storage"]["files"].as_array().unwrap();
    for file in files {
        let path = file["path"].as_str().unwrap();
        assert!(!secret(path) || file["mode"] == 0o600, "{path}");
    }
    assert!(files.iter().any(|file| file["path"] == "/etc/hostname"));
    let units: Vec<_> = config["systemd"]["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| unit["name"].clone())
        .collect();
    assert_eq!(
        units,
        [
            "jeroboam-prepare.service",
            "jeroboam-node.service",
            "jeroboam-renew.timer",
            "jeroboam-renew.service",
            "containerd.service",
            "kubelet.service"
        ]
    );
}

#[test]
fn each_master_has_an_hour_of_its_own_to_renew_its_certificates_and_workers_need_none() {
    let mut ask = ask(3, 1);
    ask.groups[0].nodes = vec![0, 1, 24];
    let hours = [("master-0", "00"), ("master-1", "01"), ("master-24", "00")];
    for (name, hour) in hours {
        let files = files(&write(&ask, name));
        let timer = &files["/etc/systemd/system/jeroboam-renew.timer"];
        assert!(
            timer.contains(&format!("OnCalendar=*-*-* {hour}:17:00\n")),
            "{timer}"
        );
        let service = &files["/etc/systemd/system/jeroboam-renew.service"];
        assert!(service.contains("/opt/jeroboam/renew.sh") && !service.contains("WantedBy"));
        assert!(files["/opt/jeroboam/renew.sh"].contains("kubeadm certs renew all"));
        assert!(setting(&files, "OWN_API").ends_with(":6443"));
    }
    let worker = files(&write(&ask, "worker-0"));
    assert!(!worker.keys().any(|path| path.contains("renew")));
}

#[test]
fn masters_that_lend_each_other_the_apis_address_have_a_program_for_it_and_everybody_knows_the_address() {
    let mut ask = ask(3, 1);
    ask.cluster.master_lb_enabled = Some(false);
    ask.cluster
        .labels
        .0
        .insert("virtual_ip_enabled".into(), "true".into());
    let made = made(&ask);
    let of = |key: &str| made.fact(&Key::stored(key), "address").unwrap();
    let (address, outer) = (of("port:api"), of("floating-ip:api"));
    for (name, is_master) in [("master-0", true), ("master-2", true), ("worker-0", false)] {
        let files = files(&write(&ask, name));
        assert_eq!(setting(&files, "API_ADDRESS"), address);
        let program = files.contains_key("/opt/jeroboam/address.sh");
        let unit = files.contains_key("/etc/systemd/system/jeroboam-address.service");
        assert_eq!((program, unit), (is_master, is_master), "{name}");
        let config = &files["/etc/jeroboam/join.kubeconfig"];
        assert!(
            config.contains(&format!("\"https://{address}:6443\"")),
            "{config}"
        );
        if is_master {
            let init = &files["/etc/jeroboam/init.yaml"];
            for known in [address, outer, of("port:master-1")] {
                assert!(init.contains(&format!("\"{known}\"")), "{known}: {init}");
            }
        }
    }
    let balanced = files(&write(&self::ask(3, 1), "master-0"));
    assert!(!balanced.keys().any(|path| path.contains("address")));
}

#[test]
fn masters_of_a_private_cluster_know_where_to_come_for_calls() {
    let mut ask = ask(3, 1);
    ask.cluster.floating_ip_enabled = Some(false);
    ask.cluster
        .labels
        .0
        .insert("private_cluster_enabled".into(), "true".into());
    let cluster = ask.cluster.uuid;
    let bootstrap = Bootstrap {
        url: "https://192.0.2.10:9513".into(),
        authority: "certificate of the endpoint".into(),
        token: SecretString::from("token of this node"),
    };
    for (name, is_master) in [("master-0", true), ("master-2", true), ("worker-0", false)] {
        let text = with_node(&ask, name, Some(&bootstrap), |node| {
            KubernetesDriver::default().user_data(node).unwrap()
        });
        let files = files(&String::from_utf8(text).unwrap());
        let known = files.get("/etc/jeroboam/calls.url").map(String::as_str);
        let calls = format!("https://192.0.2.10:9513/v1/clusters/{cluster}/api-calls\n");
        assert_eq!(known, is_master.then_some(calls.as_str()), "{name}");
        let program = files.contains_key("/opt/jeroboam/relay.sh");
        let unit = files.contains_key("/etc/systemd/system/jeroboam-relay.service");
        assert_eq!((program, unit), (is_master, is_master), "{name}");
    }
}

#[test]
fn a_node_outside_of_its_subnet_is_no_silent_error() {
    let ask = ask(1, 1);
    let server = Key::new("server", "worker-0");
    let mut made = made(&ask);
    let port = made.0.get_mut(&Key::new("port", "worker-0")).unwrap();
    port.facts.insert("address".into(), "192.0.2.1".into());
    let node = NodeAsk {
        ask: &ask,
        server: &server,
        host_name: "h",
        made: &made,
        certificates: &Texts,
        bootstrap: None,
    };
    let error = KubernetesDriver::default()
        .user_data(&node)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "the address of server:worker-0 is outside of its subnet");
}

/// Keys and certificates as long as those of RSA keys, in lines. No compression makes them shorter.
struct Long {
    key: usize,
    certificate: usize,
}

/// Amid a rotation two authorities are trusted.
const OVERLAP: u64 = 2;

const RSA_4096: Long = Long {
    key: 51,
    certificate: 29,
};

const RSA_2048: Long = Long {
    key: 27,
    certificate: 18,
};

fn noise(seed: u64, lines: usize) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let line = |random: &mut fastrand::Rng| -> String {
        (0..64)
            .map(|_| char::from(alphabet[random.usize(0..64)]))
            .collect()
    };
    (0..lines).map(|_| line(&mut random) + "\n").collect()
}

impl Certificates for Long {
    fn authority(&self, authority: Authority) -> Result<String, DriverError> {
        let trusted =
            (0..OVERLAP).map(|generation| noise(authority as u64 + 10 * generation, self.certificate));
        Ok(trusted.collect())
    }

    fn issue(&self, _: Authority, request: &CertificateRequest) -> Result<KeyPair, DriverError> {
        Ok(KeyPair {
            certificate: noise(request.common_name.len() as u64 + 100, self.certificate),
            key: SecretString::from(noise(200, self.key)),
        })
    }

    fn signer(&self, authority: Authority) -> Result<KeyPair, DriverError> {
        Ok(KeyPair {
            certificate: noise(authority as u64, self.certificate),
            key: SecretString::from(noise(authority as u64 + 300, self.key)),
        })
    }

    fn token_keys(&self) -> Result<TokenKeys, DriverError> {
        Ok(TokenKeys {
            public: noise(400, 12),
            private: SecretString::from(noise(401, self.key)),
            id: "key".into(),
        })
    }
}

/// All masters, in the stage of a rotation in which they bring most.
fn rotating(distro: &str) -> Ask {
    let mut ask = ask(7, 1);
    ask.template.cluster_distro = Some(distro.into());
    ask.cluster
        .labels
        .0
        .insert("audit_log_enabled".into(), "true".into());
    let asked = ask.clone();
    for group in &mut ask.groups {
        let mut roll = Roll::standing(asked.revision(group));
        roll.target.trust = TrustStage(2);
        group.roll = Some(roll);
    }
    ask
}

/// The largest of what can be asked for: labels as long as they may be, too.
fn large(distro: &str) -> Ask {
    let mut ask = rotating(distro);
    let list = |item: fn(usize) -> String, count| (0..count).map(item).collect::<Vec<_>>().join(",");
    let mirrors = list(
        |place| format!("registry-{place}.example.com=https://mirror-{place}.example.com:8443/v2/path"),
        20,
    );
    let volumes = list(
        |place| format!("/var/lib/a-long-directory-of-data-{place}:100:fast"),
        8,
    );
    let names = list(
        |place| format!("api-{place}.a-long-domain-of-a-tenant.example.com"),
        20,
    );
    ask.cluster.labels.0.extend(
        [
            ("registry_mirrors", mirrors.as_str()),
            ("extra_volumes", volumes.as_str()),
            ("api_server_cert_sans", names.as_str()),
            ("etcd_volume_size", "8"),
            ("virtual_ip_enabled", "true"),
            (
                "kubeapi_options",
                "--profiling=false --event-ttl=2h --request-timeout=2m",
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    ask.cluster.master_lb_enabled = Some(false);
    ask.cluster.docker_volume_size = Some(10);
    ask.template.http_proxy = Some("http://proxy.example.com:3128".into());
    ask.template.insecure_registry = Some(list(|place| format!("insecure-{place}.example.com:5000"), 10));
    for group in &mut ask.groups {
        let labels = (0..30).map(|place| (format!("example.com/label-{place}"), "x".repeat(50)));
        group.node_labels = labels.collect();
    }
    ask
}

#[test]
fn the_largest_user_data_fits_nova_and_is_of_its_readers_type() {
    for distro in ["ubuntu", "flatcar"] {
        let server = Key::new("server", "master-0");
        let bootstrap = Bootstrap {
            url: "https://192.0.2.10:9513".into(),
            authority: noise(500, 29),
            token: SecretString::from("token"),
        };
        for bootstrap in [None, Some(&bootstrap)] {
            // Ignition cannot be told all at once in compressed form, so that it has less room.
            let (mut ask, keys) = match (distro, bootstrap) {
                ("flatcar", None) => (rotating(distro), &RSA_2048),
                _ => (large(distro), &RSA_4096),
            };
            if bootstrap.is_some() {
                let private = ("private_cluster_enabled".to_owned(), "true".to_owned());
                ask.cluster.labels.0.extend([private]);
                ask.cluster.floating_ip_enabled = Some(false);
            }
            let made = made(&ask);
            let node = NodeAsk {
                ask: &ask,
                server: &server,
                host_name: "demo-0123-master-0",
                made: &made,
                certificates: keys,
                bootstrap,
            };
            // It fails when Nova would refuse it.
            KubernetesDriver::default().user_data(&node).unwrap();
            let options = Options::parse(&ask).unwrap();
            let all = nodes::nodes(&ask.groups);
            let machine = Own::new(&node, &options, &all).unwrap().machine().unwrap();
            for (reader, kind) in [(Reader::CloudInit, "CloudConfig"), (Reader::Ignition, "Ignition")] {
                let document = machine.document(reader).unwrap();
                kubeadm::schema::check_as(options.version.format(), kind, &document).unwrap();
            }
            let policy = machine
                .files
                .iter()
                .find(|(path, ..)| path == AUDIT_POLICY)
                .unwrap();
            kubeadm::schema::check(
                options.version.format(),
                &serde_json::from_str(&policy.2).unwrap(),
            )
            .unwrap();
        }
    }
}

#[test]
fn programs_come_without_comments_and_indentation_and_are_whole() {
    for name in [
        "prepare.sh",
        "join.sh",
        "images.sh",
        "kubelet.sh",
        "fetch.sh",
        "relay.sh",
        "renew.sh",
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/node")
            .join(name);
        let written = std::fs::read_to_string(path).unwrap();
        let given = bare(&written);
        assert!(given.starts_with("set -u\n"), "{name}: {given}");
        let code = |text: &str| -> Vec<String> {
            let lines = text.lines().map(|line| line.trim().to_owned());
            lines
                .filter(|line| !line.is_empty() && !line.starts_with("# "))
                .collect()
        };
        assert_eq!(code(&written), code(&given), "{name}: only comments may go");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, &given).unwrap();
        let read = std::process::Command::new("/bin/sh")
            .arg("-n")
            .arg(&path)
            .output()
            .unwrap();
        assert!(read.status.success(), "{name}: {read:?}");
    }
}

#[test]
fn ignition_gets_the_same_files_as_cloud_init() {
    let mut ask = ask(1, 1);
    let bootstrap = Bootstrap {
        url: "https://192.0.2.10:9513".into(),
        authority: "certificate of the endpoint".into(),
        token: SecretString::from("token of this node"),
    };
    for bootstrap in [None, Some(&bootstrap)] {
        let text = |ask: &Ask| {
            with_node(ask, "master-0", bootstrap, |node| {
                String::from_utf8(KubernetesDriver::default().user_data(node).unwrap()).unwrap()
            })
        };
        ask.template.cluster_distro = Some("ubuntu".into());
        let mut expected = files(&text(&ask));
        let own_drop_in = "/etc/systemd/system/kubelet.service.d/20-jeroboam.conf";
        expected.retain(|path, _| !path.starts_with("/etc/systemd/system/") || path == own_drop_in);
        ask.template.cluster_distro = Some("flatcar".into());
        let config: Value = serde_json::from_str(&text(&ask)).unwrap();
        let mut found = BTreeMap::new();
        for file in config["storage"]["files"].as_array().unwrap() {
            let source = file["contents"]["source"].as_str().unwrap();
            let mut bytes = BASE64_STANDARD
                .decode(source.strip_prefix("data:;base64,").unwrap())
                .unwrap();
            if file["contents"]["compression"] == "gzip" {
                let mut plain = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*bytes), &mut plain).unwrap();
                bytes = plain;
            }
            found.insert(
                file["path"].as_str().unwrap().to_owned(),
                String::from_utf8(bytes).unwrap(),
            );
        }
        assert!(found.remove("/etc/hostname").is_some());
        assert_eq!(found, expected);
        assert_eq!(
            found.contains_key("/etc/jeroboam/bootstrap.token"),
            bootstrap.is_some()
        );
        assert_eq!(
            found.contains_key("/etc/jeroboam/pki/ca.key"),
            bootstrap.is_none()
        );
    }
}

#[test]
fn a_cluster_that_has_been_there_is_never_started_again() {
    let role = |ask: &Ask| -> String {
        let settings = &files(&write(ask, "master-0"))["/etc/jeroboam/node.env"];
        settings.lines().next().unwrap().to_owned()
    };
    let mut ask = ask(3, 0);
    assert_eq!(role(&ask), "ROLE='first'");
    ask.cluster.coe_version = Some("v1.31.2".into());
    assert_eq!(role(&ask), "ROLE='master'");
}
