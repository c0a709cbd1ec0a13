//! What kubeadm is told: documents of its configuration, in the format of the node's version.
//!
//! They are written as JSON, of which YAML is a superset, so that no value can break out of its place.

use serde_json::{Map, Value, json};

use crate::options::arguments::{AUDIT_DIRECTORY, AUDIT_POLICY};
use crate::options::{Options, PodRouting, Taint};
use crate::version::Format;
use crate::webhook;

/// Where kubeadm keeps certificates and keys.
pub(crate) const CERTIFICATES: &str = "/etc/kubernetes/pki";

/// Name of the certificate there of the authority that signs, alone.
pub(crate) const SIGNER: &str = "ca-signer";

/// How long one try to join may take before it is made anew.
const JOIN_SECS: u32 = 60;

/// The node that is configured.
pub(crate) struct NodeFacts<'a> {
    /// Name of the node.
    pub(crate) name: &'a str,
    /// Its own address.
    pub(crate) address: &'a str,
    /// Labels that it gives itself.
    pub(crate) labels: Vec<(String, String)>,
    /// Taints; `None` for kubeadm's own choice.
    pub(crate) taints: Option<Vec<Taint>>,
}

/// The cluster that it belongs to.
pub(crate) struct ClusterFacts<'a> {
    /// Name of the cluster.
    pub(crate) name: &'a str,
    /// `host:port` that every node reaches the API at.
    pub(crate) endpoint: String,
    /// Names and addresses in the certificate of the API.
    pub(crate) names: Vec<String>,
}

/// Writes documents one after the other.
pub(crate) fn documents(documents: &[Value]) -> String {
    let texts: Vec<String> = documents
        .iter()
        .map(|document| format!("{document:#}\n"))
        .collect();
    texts.join("---\n")
}

/// Documents of the first master, which starts the cluster.
pub(crate) fn init(options: &Options, cluster: &ClusterFacts<'_>, node: &NodeFacts<'_>) -> Vec<Value> {
    let format = options.version.format();
    let mut init = document(format, "InitConfiguration");
    init["localAPIEndpoint"] = endpoint_of(options, node);
    init["nodeRegistration"] = registration(options, node);
    vec![
        init,
        cluster_configuration(options, cluster),
        kubelet_configuration(options),
        kube_proxy_configuration(options),
    ]
}

/// Documents of a node that joins; `kubeconfig` is the path of what it finds and trusts the API by, and shows that
/// it belongs to the cluster.
pub(crate) fn join(options: &Options, node: &NodeFacts<'_>, kubeconfig: &str, master: bool) -> Vec<Value> {
    let format = options.version.format();
    let mut join = document(format, "JoinConfiguration");
    join["discovery"] = json!({"file": {"kubeConfigPath": kubeconfig}});
    if format == Format::V1Beta4 {
        join["timeouts"] = json!({"discovery": format!("{JOIN_SECS}s")});
    } else {
        join["discovery"]["timeout"] = json!(format!("{JOIN_SECS}s"));
    }
    join["nodeRegistration"] = registration(options, node);
    if master {
        join["controlPlane"] = json!({"localAPIEndpoint": endpoint_of(options, node)});
    }
    vec![join]
}

fn document(format: Format, kind: &str) -> Value {
    json!({"apiVersion": format.api_version(), "kind": kind})
}

fn endpoint_of(options: &Options, node: &NodeFacts<'_>) -> Value {
    json!({"advertiseAddress": node.address, "bindPort": options.api_port})
}

fn registration(options: &Options, node: &NodeFacts<'_>) -> Value {
    let mut arguments = vec![("node-ip".to_owned(), node.address.to_owned())];
    if !node.labels.is_empty() {
        let labels: Vec<String> = node
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        arguments.push(("node-labels".to_owned(), labels.join(",")));
    }
    if options.external_cloud {
        arguments.push(external_cloud());
    }
    arguments.extend(options.arguments.kubelet.iter().cloned());
    let mut registration = json!({
        "name": node.name,
        "criSocket": options.version.cri_socket(),
        "kubeletExtraArgs": extra_arguments(options.version.format(), &arguments),
    });
    if let Some(taints) = &node.taints {
        registration["taints"] = json!(taints);
    }
    registration
}

/// Nodes wait for a cloud controller manager before they take pods.
fn external_cloud() -> (String, String) {
    ("cloud-provider".to_owned(), "external".to_owned())
}

/// Arguments are a map up to v1beta3, where a name can stand once, and a list since.
fn extra_arguments(format: Format, arguments: &[(String, String)]) -> Value {
    if format == Format::V1Beta4 {
        let list = arguments
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}));
        return list.collect();
    }
    let map: Map<String, Value> = arguments
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    Value::Object(map)
}

fn component(options: &Options, arguments: &[(String, String)]) -> Value {
    if arguments.is_empty() {
        return json!({});
    }
    json!({"extraArgs": extra_arguments(options.version.format(), arguments)})
}

/// No pod subnet is named: nodes or an add-on know their ranges, and the controller manager must give out no others.
/// Only for a tunnel it gives them out itself.
fn cluster_configuration(options: &Options, cluster: &ClusterFacts<'_>) -> Value {
    let mut configuration = document(options.version.format(), "ClusterConfiguration");
    configuration["clusterName"] = json!(cluster.name);
    configuration["kubernetesVersion"] = json!(options.version.to_string());
    configuration["controlPlaneEndpoint"] = json!(cluster.endpoint);
    configuration["certificatesDir"] = json!(CERTIFICATES);
    configuration["networking"] = json!({"serviceSubnet": options.service_range.to_string()});
    let mut api_server = component(options, &options.arguments.api_server);
    api_server["certSANs"] = json!(cluster.names);
    let mut volumes = Vec::new();
    if options.audit {
        volumes.extend(audit_volumes());
    }
    if options.keystone_auth {
        volumes.push(webhook::volume());
    }
    if !volumes.is_empty() {
        api_server["extraVolumes"] = Value::Array(volumes);
    }
    configuration["apiServer"] = api_server;
    // During a rotation `ca.crt` has two certificates, and what signs for kubelets takes one.
    let signer = format!("{CERTIFICATES}/{SIGNER}.crt");
    let mut arguments = vec![("cluster-signing-cert-file".to_owned(), signer)];
    if options.external_cloud {
        arguments.push(external_cloud());
    }
    if options.pod_routing == PodRouting::Tunnel {
        let pods = &options.pods;
        arguments.extend([
            ("allocate-node-cidrs".to_owned(), "true".to_owned()),
            ("cluster-cidr".to_owned(), pods.pool.to_string()),
            ("node-cidr-mask-size".to_owned(), pods.node_prefix_len.to_string()),
        ]);
    }
    arguments.extend(options.arguments.controller_manager.iter().cloned());
    configuration["controllerManager"] = component(options, &arguments);
    configuration["scheduler"] = component(options, &options.arguments.scheduler);
    let mut etcd = json!({"dataDir": "/var/lib/etcd"});
    if let Some(tag) = &options.etcd_tag {
        etcd["imageTag"] = json!(tag);
    }
    configuration["etcd"] = json!({"local": etcd});
    if let Some(repository) = &options.image_repository {
        configuration["imageRepository"] = json!(repository);
    }
    configuration
}

/// What the API server's container sees of its node for the audit log.
fn audit_volumes() -> [Value; 2] {
    [
        json!({
            "name": "audit-log", "hostPath": AUDIT_DIRECTORY, "mountPath": AUDIT_DIRECTORY, "readOnly": false,
            "pathType": "DirectoryOrCreate",
        }),
        json!({
            "name": "audit-policy", "hostPath": AUDIT_POLICY, "mountPath": AUDIT_POLICY, "readOnly": true,
            "pathType": "File",
        }),
    ]
}

/// Pods of a node when nobody says how many: the kubelet's own default.
const USUAL_PODS: u64 = 110;

fn kubelet_configuration(options: &Options) -> Value {
    let mut configuration = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": options.cgroup_driver.as_str(),
        "clusterDNS": [options.dns_address()],
        "rotateCertificates": true,
    });
    if options.pods_per_node() < USUAL_PODS {
        configuration["maxPods"] = json!(options.pods_per_node());
    }
    if !options.kubelet_cipher_suites.is_empty() {
        configuration["tlsCipherSuites"] = json!(options.kubelet_cipher_suites);
    }
    configuration
}

fn kube_proxy_configuration(options: &Options) -> Value {
    let mut configuration = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": options.pods.pool.to_string(),
    });
    if let Some(most) = options.conntrack_per_core {
        configuration["conntrack"] = json!({"maxPerCore": most});
    }
    configuration
}

#[cfg(test)]
pub(crate) mod schema;
#[cfg(test)]
mod tests;
