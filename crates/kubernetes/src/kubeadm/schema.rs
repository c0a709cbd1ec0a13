//! The published types of what nodes are told, as far as fields and types go: kubeadm's of each format, and those of the
//! documents beside it. From the `types.go` of Kubernetes 1.21, 1.30 and 1.33, the specification 3.3.0 of Ignition and
//! cloud-init's schema.

use serde_json::Value;

use crate::version::Format;

/// Types by name: fields and their types. A type is `string`, `int`, `bool`, `duration`, another name, `[type]` for a
/// list and `{type}` for a map.
type Types = Vec<(&'static str, Vec<(&'static str, &'static str)>)>;

/// Fields as `name type, name type`.
fn fields(text: &'static str) -> Vec<(&'static str, &'static str)> {
    text.split(',')
        .map(|field| field.trim().split_once(' ').unwrap())
        .collect()
}

/// Types of all formats of kubeadm, and of what stands beside its documents.
const COMMON: &[(&str, &str)] = &[
    (
        "InitConfiguration",
        "nodeRegistration NodeRegistrationOptions, localAPIEndpoint APIEndpoint, certificateKey string",
    ),
    (
        "ClusterConfiguration",
        "etcd Etcd, networking Networking, kubernetesVersion string, controlPlaneEndpoint string, apiServer APIServer, \
         controllerManager ControlPlaneComponent, scheduler ControlPlaneComponent, dns DNS, certificatesDir string, \
         imageRepository string, featureGates {bool}, clusterName string",
    ),
    (
        "JoinConfiguration",
        "nodeRegistration NodeRegistrationOptions, caCertPath string, discovery Discovery, controlPlane JoinControlPlane",
    ),
    (
        "ControlPlaneComponent",
        "extraArgs Args, extraVolumes [HostPathMount]",
    ),
    (
        "APIServer",
        "extraArgs Args, extraVolumes [HostPathMount], certSANs [string]",
    ),
    (
        "HostPathMount",
        "name string, hostPath string, mountPath string, readOnly bool, pathType string",
    ),
    ("DNS", "imageRepository string, imageTag string"),
    ("APIEndpoint", "advertiseAddress string, bindPort int"),
    (
        "NodeRegistrationOptions",
        "name string, criSocket string, taints [Taint], kubeletExtraArgs Args, ignorePreflightErrors [string]",
    ),
    ("Taint", "key string, value string, effect string"),
    (
        "Networking",
        "serviceSubnet string, podSubnet string, dnsDomain string",
    ),
    ("Etcd", "local LocalEtcd"),
    (
        "LocalEtcd",
        "imageRepository string, imageTag string, dataDir string, extraArgs Args, serverCertSANs [string], \
         peerCertSANs [string]",
    ),
    ("Discovery", "file FileDiscovery, tlsBootstrapToken string"),
    ("FileDiscovery", "kubeConfigPath string"),
    (
        "JoinControlPlane",
        "localAPIEndpoint APIEndpoint, certificateKey string",
    ),
    (
        "KubeletConfiguration",
        "cgroupDriver string, clusterDNS [string], clusterDomain string, rotateCertificates bool, maxPods int, \
         tlsCipherSuites [string]",
    ),
    (
        "KubeProxyConfiguration",
        "mode string, clusterCIDR string, conntrack Conntrack",
    ),
    ("Conntrack", "maxPerCore int"),
    ("Policy", "omitStages [string], rules [PolicyRule]"),
    (
        "PolicyRule",
        "level string, verbs [string], resources [GroupResources]",
    ),
    ("GroupResources", "group string, resources [string]"),
    (
        "Ignition",
        "ignition IgnitionVersion, storage IgnitionStorage, systemd IgnitionSystemd",
    ),
    ("IgnitionVersion", "version string"),
    ("IgnitionStorage", "files [IgnitionFile]"),
    (
        "IgnitionFile",
        "path string, mode int, overwrite bool, contents IgnitionContents",
    ),
    ("IgnitionContents", "source string, compression string"),
    ("IgnitionSystemd", "units [IgnitionUnit]"),
    (
        "IgnitionUnit",
        "name string, enabled bool, contents string, dropins [IgnitionDropin]",
    ),
    ("IgnitionDropin", "name string, contents string"),
    (
        "CloudConfig",
        "hostname string, preserve_hostname bool, write_files [CloudFile], runcmd [[string]]",
    ),
    ("CloudFile", "path string, permissions string, content string"),
];

/// What a format has besides.
fn own(format: Format) -> &'static [(&'static str, &'static str)] {
    match format {
        Format::V1Beta2 => &[
            ("ClusterConfiguration", "useHyperKubeImage bool"),
            ("APIServer", "timeoutForControlPlane duration"),
            ("Discovery", "timeout duration"),
            ("DNS", "type string"),
            ("Args", "{string} is"),
        ],
        Format::V1Beta3 => &[
            ("InitConfiguration", "skipPhases [string], patches Patches"),
            ("JoinConfiguration", "skipPhases [string], patches Patches"),
            ("NodeRegistrationOptions", "imagePullPolicy string"),
            ("APIServer", "timeoutForControlPlane duration"),
            ("Discovery", "timeout duration"),
            ("Patches", "directory string"),
            ("Args", "{string} is"),
        ],
        Format::V1Beta4 => &[
            (
                "InitConfiguration",
                "skipPhases [string], patches Patches, dryRun bool, timeouts Timeouts",
            ),
            (
                "JoinConfiguration",
                "skipPhases [string], patches Patches, dryRun bool, timeouts Timeouts",
            ),
            (
                "ClusterConfiguration",
                "proxy Proxy, encryptionAlgorithm string, certificateValidityPeriod duration, \
                 caCertificateValidityPeriod duration",
            ),
            (
                "NodeRegistrationOptions",
                "imagePullPolicy string, imagePullSerial bool",
            ),
            ("ControlPlaneComponent", "extraEnvs [Arg]"),
            ("APIServer", "extraEnvs [Arg]"),
            ("LocalEtcd", "extraEnvs [Arg]"),
            ("DNS", "disabled bool"),
            ("Proxy", "disabled bool"),
            ("Patches", "directory string"),
            (
                "Timeouts",
                "controlPlaneComponentHealthCheck duration, kubeletHealthCheck duration, kubernetesAPICall duration, \
                 etcdAPICall duration, tlsBootstrap duration, discovery duration, upgradeManifests duration",
            ),
            ("Arg", "name string, value string"),
            ("Args", "[Arg] is"),
        ],
    }
}

/// Checks a document: its kind says which type it is, and its version must be the format's where kubeadm reads it.
pub(crate) fn check(format: Format, document: &Value) -> Result<(), String> {
    let kind = document["kind"].as_str().ok_or("no kind")?;
    let version = match kind {
        "KubeletConfiguration" => "kubelet.config.k8s.io/v1beta1",
        "KubeProxyConfiguration" => "kubeproxy.config.k8s.io/v1alpha1",
        "Policy" => "audit.k8s.io/v1",
        _ => format.api_version(),
    };
    if document["apiVersion"] != version {
        return Err(format!(
            "{kind} is of {}, not of {version}",
            document["apiVersion"]
        ));
    }
    let mut plain = document.clone();
    let map = plain.as_object_mut().ok_or("no document")?;
    map.remove("kind");
    map.remove("apiVersion");
    check_as(format, kind, &plain)
}

/// Checks a value of a type.
pub(crate) fn check_as(format: Format, kind: &str, value: &Value) -> Result<(), String> {
    let mut types: Types = COMMON.iter().map(|(name, text)| (*name, fields(text))).collect();
    for (name, text) in own(format) {
        match types.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.extend(fields(text)),
            None => types.push((*name, fields(text))),
        }
    }
    fits(&types, kind, value, kind)
}

fn fits(types: &Types, kind: &str, value: &Value, path: &str) -> Result<(), String> {
    let wrong = || format!("{path} is no {kind}: {value}");
    let inner = |open: char, close: char| kind.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    if let Some(of) = inner('[', ']') {
        let items = value.as_array().ok_or_else(wrong)?;
        return items
            .iter()
            .try_for_each(|item| fits(types, of, item, &format!("{path}[]")));
    }
    if let Some(of) = inner('{', '}') {
        let items = value.as_object().ok_or_else(wrong)?;
        return items
            .iter()
            .try_for_each(|(key, item)| fits(types, of, item, &format!("{path}.{key}")));
    }
    let is_right = match kind {
        "string" => value.is_string(),
        "int" => value.is_i64() || value.is_u64(),
        "bool" => value.is_boolean(),
        // Go's text of a duration.
        "duration" => value.as_str().is_some_and(|text| {
            text.ends_with(['s', 'm', 'h']) && text.starts_with(|c: char| c.is_ascii_digit())
        }),
        _ => {
            let (_, fields) = types.iter().find(|(name, _)| *name == kind).ok_or_else(wrong)?;
            // Another name for a type.
            if let [(of, "is")] = fields[..] {
                return fits(types, of, value, path);
            }
            let map = value.as_object().ok_or_else(wrong)?;
            return map.iter().try_for_each(|(key, item)| {
                let field = fields.iter().find(|(name, _)| name == key);
                let (_, of) = field.ok_or_else(|| format!("{path} has no field {key}"))?;
                fits(types, of, item, &format!("{path}.{key}"))
            });
        }
    };
    if is_right { Ok(()) } else { Err(wrong()) }
}
