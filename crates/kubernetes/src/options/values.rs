//! Single values of fields and labels, from text.

use std::collections::BTreeMap;

use jeroboam_blueprint::read::{is_plain, items, label};
use jeroboam_driver::{Ask, Invalid};
use jeroboam_types::NodeGroup;
use jeroboam_types::nodegroup::is_reserved_label;
use serde::Serialize;

use crate::API_PORT;

/// Ports of nodes that the API must leave alone: etcd, kubelet, scheduler, controller manager, kube-proxy.
const TAKEN_PORTS: &[i32] = &[2379, 2380, 2381, 10_248, 10_249, 10_250, 10_256, 10_257, 10_259];

/// First port of services of type NodePort.
const FIRST_NODE_PORT: i32 = 30_000;

/// Who makes control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CgroupDriver {
    /// The node's systemd.
    Systemd,
    /// kubelet and containerd by themselves.
    Cgroupfs,
}

impl CgroupDriver {
    /// As kubelet's configuration has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Cgroupfs => "cgroupfs",
        }
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Taint {
    key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    effect: String,
}

impl Taint {
    /// Key, value, effect.
    pub(crate) fn into_parts(self) -> (String, String, String) {
        (self.key, self.value, self.effect)
    }

    /// Reads a taint of a node group.
    pub(crate) fn parse(given: &BTreeMap<String, String>) -> Result<Self, Invalid> {
        let invalid = |reason: String| Invalid::new("node_taints", reason);
        let of = |name: &str| {
            given
                .get(name)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let taint = Self {
            key: of("key"),
            value: of("value"),
            effect: of("effect"),
        };
        if !is_qualified_name(&taint.key) {
            return Err(invalid(format!("{:?} is not a key", taint.key)));
        }
        if !is_label_value(&taint.value) {
            return Err(invalid(format!("{:?} is not a value", taint.value)));
        }
        if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&taint.effect.as_str()) {
            return Err(invalid(format!("{:?} is not an effect", taint.effect)));
        }
        Ok(taint)
    }
}

/// Labels of a group's nodes as a kubelet may set them: its own authority ends at most names of Kubernetes itself.
pub(crate) fn node_labels(group: &NodeGroup) -> Result<Vec<(String, String)>, Invalid> {
    let invalid = |reason: String| Invalid::new("node_labels", reason);
    let mut labels = vec![
        ("magnum.openstack.org/nodegroup".to_owned(), group.name.clone()),
        ("magnum.openstack.org/role".to_owned(), group.role.clone()),
    ];
    // What the service says of itself is left out where Kubernetes would not take it.
    labels.retain(|(_, value)| is_label_value(value));
    for (key, value) in &group.node_labels {
        if !is_qualified_name(key) || !is_label_value(value) {
            return Err(invalid(format!(
                "{key:?} = {value:?} is not a label of Kubernetes"
            )));
        }
        if is_reserved_label(key) {
            return Err(invalid(format!("{key:?} is not one that a node may give itself")));
        }
        labels.push((key.clone(), value.clone()));
    }
    Ok(labels)
}

/// A name of letters, digits, `-`, `_` and `.`, with or without a domain before it.
fn is_qualified_name(text: &str) -> bool {
    let (domain, name) = text.split_once('/').unwrap_or(("a", text));
    let is_domain = domain.len() <= 253
        && domain
            .split('.')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    is_domain && !name.is_empty() && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    text.is_empty() || (text.len() <= 63 && ends && text.chars().all(inner))
}

/// A volume of each node that a tenant asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtraVolume {
    /// Directory that it is mounted at.
    pub(crate) path: String,
    /// Size in GiB.
    pub(crate) size: u32,
    /// Type; `None` for Cinder's default.
    pub(crate) volume_type: Option<String>,
}

/// Servers have no more of them than this: a hypervisor's slots are few.
const MOST_EXTRA_VOLUMES: usize = 8;

/// Directories that a volume would hide, or that other volumes are for.
const TAKEN_DIRECTORIES: &[&str] = &[
    "/bin",
    "/boot",
    "/etc",
    "/etc/kubernetes",
    "/home",
    "/lib",
    "/lib64",
    "/opt",
    "/root",
    "/sbin",
    "/tmp",
    "/usr",
    "/var",
    "/var/lib",
    "/var/lib/cloud",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/jeroboam",
    "/var/log",
    "/var/run",
];

/// Directories nothing in which is on a disk, or which are the service's own.
const TAKEN_TREES: &[&str] = &[
    "/dev/",
    "/proc/",
    "/run/",
    "/sys/",
    "/etc/jeroboam/",
    "/opt/jeroboam/",
];

/// Volumes of a group's nodes besides those of the container engine and of etcd.
pub(crate) fn extra_volumes(ask: &Ask, group: &NodeGroup) -> Result<Vec<ExtraVolume>, Invalid> {
    Ok(label(ask, Some(group), "extra_volumes", volumes)?.unwrap_or_default())
}

/// Reads `path:GiB` and `path:GiB:type` with commas between them.
pub(crate) fn volumes(text: &str) -> Result<Vec<ExtraVolume>, String> {
    let all = items(text).map(volume).collect::<Result<Vec<_>, _>>()?;
    if all.len() > MOST_EXTRA_VOLUMES {
        return Err(format!(
            "{} volumes are too many: at most {MOST_EXTRA_VOLUMES}",
            all.len()
        ));
    }
    let twice = all
        .iter()
        .enumerate()
        .find(|(place, volume)| all[..*place].iter().any(|earlier| earlier.path == volume.path));
    match twice {
        Some((_, volume)) => Err(format!("{} is the place of two volumes", volume.path)),
        None => Ok(all),
    }
}

fn volume(item: &str) -> Result<ExtraVolume, String> {
    let wrong = || format!("{item:?} is not a volume such as /var/lib/data:100 or /var/lib/data:100:fast");
    let mut parts = item.splitn(3, ':').map(str::trim);
    let (Some(path), Some(size)) = (parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let size = size
        .parse()
        .ok()
        .filter(|size| (1..=i32::MAX.unsigned_abs()).contains(size));
    let is_path = path.len() <= 200
        && path.strip_prefix('/').is_some_and(|inner| {
            inner.split('/').all(|part| {
                !part.is_empty()
                    && !part.starts_with('.')
                    && part
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            })
        });
    let is_taken = TAKEN_DIRECTORIES.contains(&path)
        || TAKEN_TREES
            .iter()
            .any(|tree| format!("{path}/").starts_with(tree));
    if is_taken {
        return Err(format!("{path} cannot be the place of a volume"));
    }
    let volume_type = parts.next().filter(|name| !name.is_empty()).map(str::to_owned);
    match size {
        Some(size) if is_path && volume_type.as_deref().is_none_or(is_plain) => Ok(ExtraVolume {
            path: path.to_owned(),
            size,
            volume_type,
        }),
        _ => Err(wrong()),
    }
}

/// Port of the Kubernetes API.
pub(crate) fn api_port(port: Option<i32>) -> Result<u16, Invalid> {
    let Some(port) = port else { return Ok(API_PORT) };
    u16::try_from(port)
        .ok()
        .filter(|number| *number >= 1024 && port < FIRST_NODE_PORT && !TAKEN_PORTS.contains(&port))
        .ok_or_else(|| {
            Invalid::new(
                "apiserver_port",
                format!("{port} cannot be the port of the Kubernetes API"),
            )
        })
}

/// Reads `--name=value` words.
pub(crate) fn arguments(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split_whitespace()
        .map(|word| {
            let plain = word.strip_prefix("--").unwrap_or_default();
            let (name, value) = plain.split_once('=').unwrap_or((plain, "true"));
            let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if is_name && value.chars().all(|c| c.is_ascii_graphic()) {
                Ok((name.to_owned(), value.to_owned()))
            } else {
                Err(format!("{word:?} is not an argument such as --name=value"))
            }
        })
        .collect()
}

/// Reads a comma list of host names and addresses.
pub(crate) fn names(text: &str) -> Result<Vec<String>, String> {
    items(text)
        .map(|item| {
            let is_name = item.len() <= 253
                && !item.starts_with(['-', '.'])
                && item
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '*' | ':'));
            if is_name {
                Ok(item.to_owned())
            } else {
                Err(format!("{item:?} is not a host name or an address"))
            }
        })
        .collect()
}

/// Reads where images come from; Magnum's prefixes end with a slash, kubeadm's do not.
pub(crate) fn repository(text: &str) -> Result<Option<String>, String> {
    let text = text.trim().trim_end_matches('/');
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
    if text.len() > 255 || !text.chars().all(is_name) {
        return Err(format!("{text:?} is not a registry with a path"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Reads the tag of a container image.
pub(crate) fn tag(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_tag = (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if is_tag {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not the tag of an image"))
    }
}

/// Reads a whole number.
pub(crate) fn whole(text: &str) -> Result<u32, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is not a whole number"))
}

/// Reads the length of the prefix of a node's pod range.
pub(crate) fn prefix_len(text: &str) -> Result<u8, String> {
    let length = text
        .trim()
        .parse::<u8>()
        .ok()
        .filter(|length| (8..=28).contains(length));
    length.ok_or_else(|| format!("{text:?} is not the length of a prefix from 8 to 28"))
}

/// Reads who makes control groups.
pub(crate) fn cgroup_driver(text: &str) -> Result<CgroupDriver, String> {
    match text.trim() {
        "systemd" => Ok(CgroupDriver::Systemd),
        "cgroupfs" => Ok(CgroupDriver::Cgroupfs),
        other => Err(format!("{other:?} is neither systemd nor cgroupfs")),
    }
}
