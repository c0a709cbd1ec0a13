//! User-data: what a node's first boot makes of an image with containerd, kubelet and kubeadm.
//!
//! A worker gets a key of its own, with which it asks the cluster to become a node; no token is shared. Masters get
//! the cluster's authorities with their keys too, because a control plane signs by itself. Where the service has an
//! endpoint for it, a node fetches these keys there, and its user-data has nothing but the token for that.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jeroboam_blueprint::graph::{inner_address, shared_addresses};
use jeroboam_blueprint::nodes::{self, Node};
use jeroboam_blueprint::userdata::{fact, secret_lines, volume_device};
use jeroboam_blueprint::{Entrance, GroupOptions};
use jeroboam_driver::{Authority, Bootstrap, CertificateRequest, DriverError, NodeAsk};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::graph::{ETCD_VOLUME, extra_volume};
use crate::kubeadm::{self, ClusterFacts, NodeFacts};
use crate::machine::{Machine, Reader};
use crate::options::arguments::AUDIT_POLICY;
use crate::options::{self, Options, PodRouting};
use crate::registries;
use crate::webhook;

/// Where the node's own settings and keys are.
const DIRECTORY: &str = "/etc/jeroboam";
const PROGRAMS: &str = "/opt/jeroboam";

/// What a node finds and trusts the API by, and shows to be let in.
const KUBECONFIG: &str = "/etc/jeroboam/join.kubeconfig";

/// What the kubelet of a master is known by that joins while others still sign with the last authorities: else one of
/// those might sign for it, and nobody would know it when they are forgotten.
const KUBELET: &str = "/etc/jeroboam/kubelet.kubeconfig";

/// Days in which the kubelet renews that by itself, as it does with what it gets from the cluster.
const KUBELET_DAYS: u32 = 365;

/// Where a control plane's authorities wait for kubeadm.
const AUTHORITIES: &str = "/etc/jeroboam/pki";

/// Authorities whose keys a control plane has, and kubeadm's names of them.
const AUTHORITY_FILES: [(Authority, &str); 3] = [
    (Authority::Cluster, "ca"),
    (Authority::Etcd, "etcd/ca"),
    (Authority::FrontProxy, "front-proxy-ca"),
];

/// Groups whose members may ask for a node's certificate and read what kubeadm left for joining nodes: those of
/// kubeadm's bootstrap tokens.
const JOINING_GROUPS: [&str; 2] = [
    "system:bootstrappers",
    "system:bootstrappers:kubeadm:default-node-token",
];

/// Days in which a server must have become a node. Its own kubelet renews what it gets by it.
const JOIN_DAYS: u32 = 2;

/// User-data of a node.
pub(crate) fn user_data(asked: &NodeAsk<'_>, options: &Options) -> Result<Vec<u8>, DriverError> {
    let all = nodes::nodes(&asked.ask.groups);
    let own = Own::new(asked, options, &all)?;
    let distro = asked.ask.template.cluster_distro.as_deref().unwrap_or_default();
    own.machine()?.render(Reader::of(distro))
}

/// What a node fetches.
pub(crate) fn secrets(asked: &NodeAsk<'_>, options: &Options) -> Result<SecretString, DriverError> {
    let all = nodes::nodes(&asked.ask.groups);
    let own = Own::new(asked, options, &all)?;
    let files = own.secrets()?;
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
    /// Fixed IPs of all masters.
    masters: Vec<String>,
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
        let masters = all
            .iter()
            .filter(|node| node.manager)
            .map(|node| fact(asked, &node.key("port"), "address"))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            asked,
            options,
            node,
            masters,
            address: fact(asked, &node.key("port"), "address")?,
        })
    }

    fn machine(&self) -> Result<Machine, DriverError> {
        let mut machine = Machine {
            host_name: self.asked.host_name.to_owned(),
            units: vec![
                (
                    "jeroboam-prepare.service",
                    include_str!("node/jeroboam-prepare.service").to_owned(),
                ),
                (
                    "jeroboam-node.service",
                    include_str!("node/jeroboam-node.service").to_owned(),
                ),
            ],
            ..Machine::default()
        };
        add_program(&mut machine, "talk.sh", include_str!("node/talk.sh"));
        add_program(&mut machine, "prepare.sh", include_str!("node/prepare.sh"));
        add_program(&mut machine, "join.sh", include_str!("node/join.sh"));
        add_program(&mut machine, "images.sh", include_str!("node/images.sh"));
        add_program(&mut machine, "kubelet.sh", include_str!("node/kubelet.sh"));
        // Known when units are read again; the kubelet need not be restarted for it.
        machine.file(
            "/etc/systemd/system/kubelet.service.d/20-jeroboam.conf",
            0o644,
            include_str!("node/kubelet.conf"),
        );
        machine.secret(format!("{DIRECTORY}/node.env"), self.settings()?);
        self.add_join(&mut machine)?;
        if self.node.manager {
            self.add_authorities(&mut machine)?;
            self.add_renewal(&mut machine);
            if self.options.network.entrance == Entrance::VirtualIp {
                add_program(&mut machine, "address.sh", include_str!("node/address.sh"));
                let unit = include_str!("node/jeroboam-address.service").to_owned();
                machine.units.push(("jeroboam-address.service", unit));
            }
            if self.options.private {
                self.add_relay(&mut machine)?;
            }
            if self.options.audit {
                machine.secret(AUDIT_POLICY, kubeadm::documents(&[audit_policy()]));
            }
            if self.options.keystone_auth {
                let authorities = format!("{}/ca.crt", kubeadm::CERTIFICATES);
                let config = webhook::kubeconfig(&authorities);
                machine.file(webhook::CONFIG, 0o644, kubeadm::documents(&[config]));
            }
        }
        match self.asked.bootstrap {
            Some(bootstrap) => add_bootstrap(&mut machine, bootstrap),
            None => {
                for (path, content) in self.secrets()? {
                    machine.secret(path, content);
                }
            }
        }
        let (insecure, mirrors) = (&self.options.insecure_registries, &self.options.mirrors);
        for (path, content) in registries::files(insecure, mirrors) {
            machine.file(path, 0o644, content);
        }
        for unit in ["containerd.service", "kubelet.service"] {
            let drop_in = self.options.network.proxies.drop_in(self.reached_directly());
            machine
                .drop_ins
                .extend(drop_in.map(|text| (unit, "10-jeroboam-proxy.conf", text)));
        }
        Ok(machine)
    }

    /// True for the one that starts the cluster. Once that has been there, nobody starts it again: a machine that
    /// takes the place of the first one joins the others, also when they happen not to answer.
    fn is_first(&self) -> bool {
        let roll = self.node.group.roll.as_ref();
        let has_been =
            self.asked.ask.cluster.coe_version.is_some() || roll.is_some_and(|roll| roll.source.is_some());
        self.node.manager && !has_been && self.masters.first() == Some(&self.address)
    }

    /// Address of the API as nodes reach it: inside the network, so that it works without floating IPs.
    fn api_address(&self) -> Result<String, DriverError> {
        let (key, name) = inner_address(self.asked.ask, &self.options.network)
            .ok_or_else(|| DriverError::Internal("a cluster without masters has no API".to_owned()))?;
        fact(self.asked, &key, name)
    }

    /// `host:port` of that.
    fn endpoint(&self) -> Result<String, DriverError> {
        Ok(format!("{}:{}", self.api_address()?, self.options.api_port))
    }

    fn master_endpoint(&self, address: &str) -> String {
        format!("{address}:{}", self.options.api_port)
    }

    fn reached_directly(&self) -> Vec<String> {
        let options = self.options;
        [options.nodes_cidr, options.pods.pool, options.service_range]
            .iter()
            .map(ToString::to_string)
            .chain([
                "169.254.169.254".to_owned(),
                ".svc".into(),
                ".cluster.local".into(),
            ])
            .collect()
    }

    /// What the programs on the node go by: words for a shell.
    fn settings(&self) -> Result<String, DriverError> {
        let options = self.options;
        let group = GroupOptions::parse(self.asked.ask, self.node.group)?;
        let volume = |kind: &str, wanted: bool| match wanted {
            true => volume_device(self.asked, &self.node.key(kind)),
            false => Ok(String::new()),
        };
        let own_address = self.address.parse().ok();
        let range = own_address.and_then(|address| match options.pod_routing {
            PodRouting::Nodes => options.pods.range_of(options.nodes_cidr, address),
            PodRouting::Tunnel | PodRouting::AddOn => Some(options.pods.pool),
        });
        let range = range.ok_or_else(|| {
            DriverError::Internal(format!(
                "the address of {} is outside of its subnet",
                self.asked.server
            ))
        })?;
        let others = self.masters.iter().filter(|address| **address != self.address);
        let others: Vec<String> = others.map(|address| self.master_endpoint(address)).collect();
        let before = self
            .masters
            .iter()
            .take_while(|address| **address != self.address)
            .last()
            .filter(|_| self.node.manager);
        let role = match (self.is_first(), self.node.manager) {
            (true, _) => "first",
            (false, true) => "master",
            (false, false) => "worker",
        };
        let skip = if options.core_dns {
            ""
        } else {
            "--skip-phases=addon/coredns"
        };
        let settings = [
            ("ROLE", role.to_owned()),
            ("VERSION", options.version.to_string()),
            ("HOST_NAME", self.asked.host_name.to_owned()),
            ("NODE_ADDRESS", self.address.clone()),
            ("NODES", options.nodes_cidr.to_string()),
            ("PODS", options.pods.pool.to_string()),
            ("POD_PREFIX_LEN", options.pods.node_prefix_len.to_string()),
            ("POD_RANGE", range.to_string()),
            (
                "OTHER_MASTERS",
                if self.node.manager {
                    others.join(" ")
                } else {
                    String::new()
                },
            ),
            (
                "OWN_API",
                match self.node.manager {
                    true => self.master_endpoint(&self.address),
                    false => String::new(),
                },
            ),
            (
                "PREVIOUS_MASTER",
                before
                    .map(|address| self.master_endpoint(address))
                    .unwrap_or_default(),
            ),
            (
                "POD_NETWORK",
                match options.pod_routing {
                    PodRouting::Nodes => "routed",
                    PodRouting::Tunnel | PodRouting::AddOn => "add-on",
                }
                .to_owned(),
            ),
            ("INIT_ARGUMENTS", skip.to_owned()),
            (
                "CONTAINERD_VOLUME",
                volume("volume", group.docker_volume_size > 0)?,
            ),
            (
                "ETCD_VOLUME",
                volume(ETCD_VOLUME, self.node.manager && options.etcd_volume_size > 0)?,
            ),
            ("EXTRA_VOLUMES", self.extra_volumes()?),
            ("IMAGES", options.image_repository.clone().unwrap_or_default()),
            ("API_ADDRESS", self.api_address()?),
        ];
        let lines = settings.map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', "")));
        Ok(lines.concat())
    }

    /// `device:directory` of each volume that the tenant asked for, with blanks between them.
    fn extra_volumes(&self) -> Result<String, DriverError> {
        let asked = options::values::extra_volumes(self.asked.ask, self.node.group)?;
        let words = asked.iter().enumerate().map(|(place, volume)| {
            let device = volume_device(self.asked, &self.node.key(&extra_volume(place)))?;
            Ok(format!("{device}:{}", volume.path))
        });
        Ok(words.collect::<Result<Vec<String>, DriverError>>()?.join(" "))
    }

    /// kubeadm's configuration, and what to know the API by.
    fn add_join(&self, machine: &mut Machine) -> Result<(), DriverError> {
        let labels = options::node_labels(self.node.group)?;
        let taints = options::taints(self.node.group)?;
        let node = NodeFacts {
            name: self.asked.host_name,
            address: &self.address,
            labels,
            // Without any of their own masters keep kubeadm's.
            taints: (!taints.is_empty()).then_some(taints),
        };
        if self.node.manager {
            let cluster = ClusterFacts {
                name: self.asked.ask.cluster.name.as_str(),
                endpoint: self.endpoint()?,
                names: self.names_of_api()?,
            };
            let documents = kubeadm::init(self.options, &cluster, &node);
            machine.secret(format!("{DIRECTORY}/init.yaml"), kubeadm::documents(&documents));
        }
        let documents = kubeadm::join(self.options, &node, KUBECONFIG, self.node.manager);
        machine.secret(format!("{DIRECTORY}/join.yaml"), kubeadm::documents(&documents));
        let authority = self.asked.certificates.authority(Authority::Cluster)?;
        machine.file(format!("{DIRECTORY}/ca.crt"), 0o644, pem(&authority));
        Ok(())
    }

    /// What a node asks with to be let in.
    fn kubeconfig(&self) -> Result<String, DriverError> {
        let name = format!("system:bootstrap:{}", self.asked.host_name);
        self.identity(name, &JOINING_GROUPS, JOIN_DAYS)
    }

    /// What a kubelet is known by.
    fn kubelet_identity(&self) -> Result<String, DriverError> {
        let name = format!("system:node:{}", self.asked.host_name);
        self.identity(name, &["system:nodes"], KUBELET_DAYS)
    }

    /// The API, what to trust it by, and a key of the node's own.
    fn identity(&self, user: String, groups: &[&str], days: u32) -> Result<String, DriverError> {
        let certificates = self.asked.certificates;
        let authority = certificates.authority(Authority::Cluster)?;
        let request = CertificateRequest {
            common_name: user,
            organizations: groups.iter().map(|group| (*group).to_owned()).collect(),
            addresses: vec![],
            names: vec![],
            server: false,
            client: true,
            days: Some(days),
        };
        let own = certificates.issue(Authority::Cluster, &request)?;
        let encode = |text: &str| BASE64_STANDARD.encode(pem(text));
        let name = "joining";
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {
                "server": format!("https://{}", self.endpoint()?),
                "certificate-authority-data": encode(&authority),
            }}],
            "users": [{"name": name, "user": {
                "client-certificate-data": encode(&own.certificate),
                "client-key-data": encode(own.key.expose_secret()),
            }}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        });
        Ok(format!("{config:#}\n"))
    }

    /// Every name and address that clients may reach any of the masters by.
    fn names_of_api(&self) -> Result<Vec<String>, DriverError> {
        let network = &self.options.network;
        let mut names = vec!["127.0.0.1".to_owned(), "localhost".into()];
        names.extend(self.masters.iter().cloned());
        if network.floating_ips {
            let all = nodes::nodes(&self.asked.ask.groups);
            for node in all.iter().filter(|node| node.manager) {
                names.push(fact(self.asked, &node.key("floating-ip"), "address")?);
            }
        }
        for (key, name) in shared_addresses(self.asked.ask, network) {
            names.push(fact(self.asked, &key, name)?);
        }
        names.extend(self.options.more_names.iter().cloned());
        Ok(names)
    }

    /// What renews the certificates that kubeadm made. Masters take turns by their numbers, an hour for each.
    fn add_renewal(&self, machine: &mut Machine) {
        add_program(machine, "renew.sh", include_str!("node/renew.sh"));
        machine.idle_units.push((
            "jeroboam-renew.service",
            include_str!("node/jeroboam-renew.service"),
        ));
        let hour = format!("{:02}", self.node.number % 24);
        let timer = include_str!("node/jeroboam-renew.timer").replace("{hour}", &hour);
        machine.units.push(("jeroboam-renew.timer", timer));
    }

    /// What comes to the service for its calls to the API.
    fn add_relay(&self, machine: &mut Machine) -> Result<(), DriverError> {
        let bootstrap = self.asked.bootstrap.ok_or_else(|| {
            DriverError::Internal("masters of a private cluster have nowhere to come".to_owned())
        })?;
        let cluster = self.asked.ask.cluster.uuid;
        let url = format!("{}/v1/clusters/{cluster}/api-calls\n", bootstrap.url);
        machine.file(format!("{DIRECTORY}/calls.url"), 0o644, url);
        add_program(machine, "relay.sh", include_str!("node/relay.sh"));
        let unit = include_str!("node/jeroboam-relay.service").to_owned();
        machine.units.push(("jeroboam-relay.service", unit));
        Ok(())
    }

    /// The authorities of the control plane, as kubeadm names them. Every node has the cluster's own, and that takes
    /// room: it is not here again.
    fn add_authorities(&self, machine: &mut Machine) -> Result<(), DriverError> {
        let others = AUTHORITY_FILES
            .iter()
            .filter(|(authority, _)| *authority != Authority::Cluster);
        for (authority, name) in others {
            let certificate = self.asked.certificates.authority(*authority)?;
            machine.file(format!("{AUTHORITIES}/{name}.crt"), 0o644, pem(&certificate));
        }
        let signer = self.asked.certificates.signer(Authority::Cluster)?;
        machine.file(
            format!("{AUTHORITIES}/{}.crt", kubeadm::SIGNER),
            0o644,
            pem(&signer.certificate),
        );
        let keys = self.asked.certificates.token_keys()?;
        machine.file(format!("{AUTHORITIES}/sa.pub"), 0o644, pem(&keys.public));
        Ok(())
    }

    /// What nobody but this node may know, as paths and contents of files: the node's own key, and on masters the
    /// keys of the authorities.
    fn secrets(&self) -> Result<Vec<(String, String)>, DriverError> {
        let mut files = vec![(KUBECONFIG.to_owned(), self.kubeconfig()?)];
        if !self.node.manager {
            return Ok(files);
        }
        for (authority, name) in AUTHORITY_FILES {
            let signer = self.asked.certificates.signer(authority)?;
            files.push((
                format!("{AUTHORITIES}/{name}.key"),
                pem(signer.key.expose_secret()),
            ));
        }
        if self.node.group.trust().is_overlap_of_new() {
            files.push((KUBELET.to_owned(), self.kubelet_identity()?));
        }
        if self.options.keystone_auth {
            let own = self
                .asked
                .certificates
                .issue(Authority::Cluster, &webhook::certificate())?;
            files.push((webhook::CERTIFICATE.to_owned(), pem(&own.certificate)));
            files.push((webhook::KEY.to_owned(), pem(own.key.expose_secret())));
        }
        let keys = self.asked.certificates.token_keys()?;
        files.push((format!("{AUTHORITIES}/sa.key"), pem(keys.private.expose_secret())));
        Ok(files)
    }
}

/// Who did what, without what Secrets hold; requests that only read are left out, as are events.
fn audit_policy() -> serde_json::Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "None", "resources": [
                {"group": "", "resources": ["events"]},
                {"group": "events.k8s.io", "resources": ["events"]},
                {"group": "coordination.k8s.io", "resources": ["leases"]},
            ]},
            {"level": "Metadata"},
        ],
    })
}

/// A program of a node, without its comments and indentation: there is little room in user-data.
fn add_program(machine: &mut Machine, name: &str, text: &str) {
    machine.file(format!("{PROGRAMS}/{name}"), 0o644, bare(text));
}

fn bare(program: &str) -> String {
    let lines = program.lines().map(str::trim_start);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    kept.map(|line| format!("{line}\n")).collect()
}

/// What a node fetches its secrets by.
fn add_bootstrap(machine: &mut Machine, bootstrap: &Bootstrap) {
    add_program(machine, "fetch.sh", include_str!("node/fetch.sh"));
    machine.file(
        format!("{DIRECTORY}/bootstrap.crt"),
        0o644,
        pem(&bootstrap.authority),
    );
    machine.secret(format!("{DIRECTORY}/bootstrap.url"), &*bootstrap.url);
    machine.secret(
        format!("{DIRECTORY}/bootstrap.token"),
        bootstrap.token.expose_secret(),
    );
}

fn pem(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests;
