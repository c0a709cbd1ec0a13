//! What is asked of a driver: the whole of a cluster's wish, with names of cloud objects already looked up.

use jeroboam_types::{Cluster, ClusterTemplate, NodeGroup, Revision, TrustStage, trust};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::Certificates;
use crate::graph::{Key, Made};

/// Ids of cloud objects that were looked up when the cluster was accepted, with the caller's own rights, so
/// that the engine needs no name look-ups and later renames change nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Glance image of the masters' and workers' template.
    pub image_id: String,
    /// Nova flavor ids by the name or id that was given.
    pub flavors: std::collections::BTreeMap<String, String>,
    /// Glance image ids of node groups by the name or id that was given, where they have one of their own.
    #[serde(default)]
    pub images: std::collections::BTreeMap<String, String>,
    /// Neutron network that floating IPs come from.
    pub external_network_id: Option<String>,
    /// Given tenant network.
    pub fixed_network_id: Option<String>,
    /// Given subnet.
    pub fixed_subnet_id: Option<String>,
    /// CIDR of the given subnet.
    pub fixed_subnet_cidr: Option<String>,
    /// Router of the project that the given subnet is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_router_id: Option<String>,
    /// Public key of the given Nova keypair, in OpenSSH's form.
    pub public_key: Option<String>,
    /// Property `kube_version` of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    /// Most servers that one of the project's server groups may have; `None` for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_group_members: Option<u32>,
    /// Options of the operator that drivers need.
    #[serde(default)]
    pub defaults: Defaults,
}

/// Options of the operator that a driver's graph depends on, as they were when the cluster was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// `[cinder] default_docker_volume_type`; empty for Cinder's own default.
    #[serde(default)]
    pub docker_volume_type: String,
    /// `[cinder] default_etcd_volume_type`; empty for Cinder's own default.
    #[serde(default)]
    pub etcd_volume_type: String,
    /// `[cinder] default_boot_volume_type`; empty for Cinder's own default.
    #[serde(default)]
    pub boot_volume_type: String,
    /// `[cinder] default_boot_volume_size` in GiB; zero boots from the image.
    #[serde(default)]
    pub boot_volume_size: u32,
    /// `[addons] enabled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_ons: Vec<String>,
    /// `[cluster] nodes_affinity_policy`.
    #[serde(default)]
    pub affinity_policy: String,
    /// `[engine] source_cidrs`: where this service's own connections to clusters come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_cidrs: Vec<String>,
}

/// A cluster's wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The cluster.
    pub cluster: Cluster,
    /// Its template.
    pub template: ClusterTemplate,
    /// Its node groups, without those that are to go.
    pub groups: Vec<NodeGroup>,
    /// What names stand for.
    pub resolved: Resolved,
}

/// Proxies of the template for the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// `http_proxy`
    pub http: Option<String>,
    /// `https_proxy`
    pub https: Option<String>,
    /// `no_proxy`
    pub none: Option<String>,
}

impl Ask {
    /// Value of a label: the group's if it has one, else the cluster's.
    pub fn label<'a>(&'a self, group: Option<&'a NodeGroup>, key: &str) -> Option<&'a str> {
        group
            .and_then(|group| group.labels.value(key))
            .or_else(|| self.cluster.labels.value(key))
    }

    /// Id of a flavor that was given by name or id.
    pub fn flavor_id<'a>(&'a self, given: &'a str) -> &'a str {
        self.resolved.flavors.get(given).map_or(given, String::as_str)
    }

    /// Flavor of a group's nodes as it was given: the group's own, else the cluster's, else the template's.
    pub fn flavor_given<'a>(&'a self, group: &'a NodeGroup) -> Option<&'a str> {
        let (cluster, template) = match group.is_master() {
            true => (&self.cluster.master_flavor_id, &self.template.master_flavor_id),
            false => (&self.cluster.flavor_id, &self.template.flavor_id),
        };
        let given = group.flavor_id.as_deref();
        let given = given.or(cluster.as_deref()).or(template.as_deref());
        given.filter(|flavor| !flavor.is_empty())
    }

    /// What a group's new nodes are made of, but for the version of the COE, which only drivers know unless the
    /// group has been upgraded.
    pub fn revision(&self, group: &NodeGroup) -> Revision {
        match &group.roll {
            Some(roll) => roll.target.clone(),
            None => Revision {
                image_id: self.image_id(group).to_owned(),
                flavor_id: self
                    .flavor_given(group)
                    .map(|given| self.flavor_id(given).to_owned())
                    .unwrap_or_default(),
                version: None,
                trust: TrustStage::default(),
            },
        }
    }

    /// Stage of the rotation of the cluster's authorities.
    pub fn trust(&self) -> TrustStage {
        trust::stage_of(&self.groups)
    }

    /// Stage that new nodes of a group are of, by the group's name.
    pub fn trust_of(&self, group: Option<&str>) -> TrustStage {
        let mut groups = self.groups.iter();
        let found = groups.find(|known| Some(known.name.as_str()) == group);
        found.map_or_else(|| self.trust(), NodeGroup::trust)
    }

    /// Id of the image of a group's nodes: that of its revision, else its own, or else the template's.
    pub fn image_id<'a>(&'a self, group: &'a NodeGroup) -> &'a str {
        if let Some(roll) = &group.roll {
            return &roll.target.image_id;
        }
        let own = group
            .image_id
            .as_deref()
            .filter(|image| *image != self.template.image_id);
        own.map_or(self.resolved.image_id.as_str(), |given| {
            self.resolved.images.get(given).map_or(given, String::as_str)
        })
    }

    /// True when nodes (or the load balancer) get floating IPs.
    pub fn floating_ip_enabled(&self) -> bool {
        self.cluster
            .floating_ip_enabled
            .unwrap_or(self.template.floating_ip_enabled)
    }

    /// True when the masters' API stands behind a load balancer.
    pub fn master_lb_enabled(&self) -> bool {
        self.cluster
            .master_lb_enabled
            .unwrap_or(self.template.master_lb_enabled)
    }

    /// Name of a resource in the cloud: the cluster's stem and short id, then the key. Unique in the project,
    /// the same for ever, and therefore what a lost resource is found by.
    pub fn cloud_name(&self, key: &Key) -> String {
        let (prefix, name, kind) = (self.prefix(), key.name(), key.kind());
        // A node may have volumes of several kinds, which must not be taken for each other.
        match kind.contains("-volume") {
            true => format!("{prefix}-{name}-{kind}"),
            false => format!("{prefix}-{name}"),
        }
    }

    /// What the names of all the cluster's resources start with, `<stem>-<short id>`.
    pub fn prefix(&self) -> String {
        format!("{}-{}", self.cluster.name.stem(), self.cluster.uuid.short())
    }
}

/// One node about to get its server.
pub struct NodeAsk<'a> {
    /// The cluster's wish.
    pub ask: &'a Ask,
    /// Key of the server.
    pub server: &'a Key,
    /// Name of the server, which is its host name.
    pub host_name: &'a str,
    /// Everything that is made already.
    pub made: &'a Made,
    /// The cluster's certificate authorities.
    pub certificates: &'a dyn Certificates,
    /// Where the node fetches its secrets; `None` when they are to stand in its user-data.
    pub bootstrap: Option<&'a Bootstrap>,
}

/// Where a node fetches its secrets at its first boot, and what it shows for them.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// URL of the endpoint, `https://host:port`, as nodes reach it.
    pub url: String,
    /// Certificates to trust there and nowhere else, PEM.
    pub authority: String,
    /// Token of this node alone.
    pub token: SecretString,
}
