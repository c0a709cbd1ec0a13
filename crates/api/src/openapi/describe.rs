//! What is told of each operation.

use super::requests::PATCH;
use crate::operations::Operation;

/// An operation in words and statuses.
#[derive(Clone, Debug)]
pub(super) struct Doc {
    /// Group of operations.
    pub(super) tag: &'static str,
    /// One line.
    pub(super) summary: &'static str,
    /// More lines, or none.
    pub(super) notes: &'static str,
    /// Minor version that it exists since.
    pub(super) since: u64,
    /// Answered without a token.
    pub(super) open: bool,
    /// Names of its parameters, without those of the path.
    pub(super) parameters: Vec<&'static str>,
    /// Schema of its body.
    pub(super) request: Option<&'static str>,
    /// Status of success, and the schema of its body; `None` for what is not served.
    pub(super) success: Option<(u16, Option<&'static str>)>,
    /// Answers carry entity tags.
    pub(super) tagged: bool,
    refused: Vec<u16>,
}

impl Doc {
    fn new(tag: &'static str, summary: &'static str) -> Self {
        Self {
            tag,
            summary,
            notes: "",
            since: 1,
            open: false,
            parameters: Vec::new(),
            request: None,
            success: None,
            tagged: false,
            refused: vec![400, 401, 404, 405, 406, 500, 503],
        }
    }

    fn notes(self, notes: &'static str) -> Self {
        Self { notes, ..self }
    }

    fn since(self, since: u64) -> Self {
        Self { since, ..self }
    }

    fn with(mut self, parameters: &[&'static str]) -> Self {
        self.parameters.extend(parameters);
        self
    }

    fn answers(self, status: u16, schema: &'static str) -> Self {
        Self {
            success: Some((status, Some(schema))),
            ..self
        }
    }

    fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refused.extend(statuses);
        self
    }

    /// A read that policy may refuse.
    fn reads(tag: &'static str, summary: &'static str, schema: &'static str) -> Self {
        Self::new(tag, summary).answers(200, schema).refuses(&[403])
    }

    /// A list in pages.
    fn lists(tag: &'static str, summary: &'static str, schema: &'static str, sort_key: &'static str) -> Self {
        Self::reads(tag, summary, schema).with(&["limit", "marker", sort_key, "sort_dir"])
    }

    /// A single resource that has an entity tag.
    fn shows(tag: &'static str, summary: &'static str, schema: &'static str) -> Self {
        let shown = Self::reads(tag, summary, schema).with(&["If-None-Match"]);
        Self {
            tagged: true,
            ..shown
        }
        .refuses(&[304])
    }

    /// A change with a body.
    fn takes(self, schema: &'static str) -> Self {
        let taking = Self {
            request: Some(schema),
            ..self
        };
        taking.refuses(&[403, 408, 413, 415])
    }

    /// A create that a key makes safe to repeat.
    fn creates(tag: &'static str, summary: &'static str, request: &'static str) -> Self {
        Self::new(tag, summary)
            .takes(request)
            .with(&["Idempotency-Key"])
            .refuses(&[409, 422])
    }

    /// A change that can be bound to what the caller has seen.
    fn guarded(self) -> Self {
        self.with(&["If-Match"]).refuses(&[409, 412])
    }

    /// A deletion.
    fn deletes(tag: &'static str, summary: &'static str) -> Self {
        let deleting = Self::new(tag, summary).guarded().refuses(&[403]);
        Self {
            success: Some((204, None)),
            ..deleting
        }
    }

    /// What is known and not served.
    fn federates(summary: &'static str) -> Self {
        let notes = "Magnum keeps none either: it accepts federations and forgets them.";
        let doc = Self::new("federations", summary).notes(notes).refuses(&[501]);
        Self { success: None, ..doc }
    }

    /// Statuses of refusals, each once.
    pub(super) fn refused(&self) -> Vec<u16> {
        let mut statuses = self.refused.clone();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }

    fn open(self) -> Self {
        let mut refused = self.refused.clone();
        refused.retain(|status| *status != 401);
        Self {
            open: true,
            refused,
            ..self
        }
    }
}

/// What is told of an operation.
pub(super) fn describe(operation: Operation) -> Doc {
    use Operation as O;
    match operation {
        O::ListVersions | O::ShowVersion | O::ShowOpenapi | O::CheckHealth => describe_open(operation),
        O::ListClusters => Doc::lists("clusters", "Lists clusters", "ClusterList", "cluster.sort_key")
            .with(&["name", "status", "project_id"])
            .notes("Administrators see those of all projects."),
        O::ListClustersInDetail => {
            Doc::lists("clusters", "Lists clusters with all their fields", "ClusterDetailList", "cluster.sort_key")
                .with(&["name", "status", "project_id"])
                .notes("Administrators see those of all projects.")
        }
        O::CreateCluster => Doc::creates("clusters", "Creates a cluster", "NewCluster")
            .answers(202, "Accepted")
            .notes(
                "The cluster can be read when the answer is there. An unknown template is 404, before microversion \
                 1.10 it is 400. 403 also when the project has used up its quota.",
            ),
        O::ShowCluster => Doc::shows("clusters", "Shows a cluster", "Cluster")
            .refuses(&[409])
            .notes("`faults` is there when the cluster has failed. `stack_id` is called `cluster_id` since 1.13."),
        O::UpdateCluster => Doc::new("clusters", "Changes the number of default workers, or the health")
            .takes(PATCH)
            .guarded()
            .with(&["rollback"])
            .answers(202, "Accepted")
            .notes("`node_count` and the two fields of health can be changed. 409 in a status that does not allow it."),
        O::ResizeCluster => Doc::new("clusters", "Changes the number of nodes of a node group")
            .takes("Resize")
            .guarded()
            .answers(202, "Accepted")
            .since(7)
            .notes("Also while another resize is under way, whose place it takes."),
        O::UpgradeCluster => Doc::new("clusters", "Upgrades a cluster to another template")
            .takes("Upgrade")
            .guarded()
            .answers(202, "Accepted")
            .since(7)
            .notes("400 before microversion 1.8, and with a driver that cannot do it: none can yet."),
        O::DeleteCluster => Doc::deletes("clusters", "Deletes a cluster")
            .notes("From any status, and even while another operation is under way."),
        O::ShowClusterSteps => Doc::reads("clusters", "Shows what was made of a cluster so far", "Steps")
            .refuses(&[409])
            .notes("An addition to Magnum."),
        O::ListNodegroups => Doc::lists("nodegroups", "Lists the node groups of a cluster", "NodegroupList", "nodegroup.sort_key")
            .with(&["role"])
            .refuses(&[409])
            .since(9),
        O::ShowNodegroup => Doc::shows("nodegroups", "Shows a node group", "Nodegroup")
            .refuses(&[409])
            .since(9),
        O::CreateNodegroup => Doc::creates("nodegroups", "Adds a node group", "NewNodegroup")
            .answers(202, "AcceptedNodegroup")
            .since(9),
        O::UpdateNodegroup => {
            let doc = Doc::new("nodegroups", "Changes bounds, labels or taints of a node group").takes(PATCH);
            doc.guarded().answers(202, "Nodegroup").since(9)
        }
        O::DeleteNodegroup => Doc::deletes("nodegroups", "Removes a node group")
            .since(9)
            .notes("400 for the two that every cluster has."),
        O::ListClustertemplates | O::ListClustertemplatesInDetail => {
            Doc::lists("clustertemplates", "Lists cluster templates", "ClustertemplateList", "clustertemplate.sort_key")
                .with(&["name", "project_id"])
                .notes("Those of the project, and public ones that are not hidden. Both lists have the same items.")
        }
        O::CreateClustertemplate => {
            let doc = Doc::creates("clustertemplates", "Creates a cluster template", "NewClustertemplate");
            Doc { tagged: true, ..doc }.answers(201, "Clustertemplate")
        }
        O::ShowClustertemplate => {
            Doc::shows("clustertemplates", "Shows a cluster template", "Clustertemplate").refuses(&[409])
        }
        O::UpdateClustertemplate => {
            let doc = Doc::new("clustertemplates", "Changes a cluster template").takes(PATCH);
            Doc { tagged: true, ..doc }
                .guarded()
                .answers(200, "Clustertemplate")
                .notes("A template that clusters are made from takes one change at a time: another name, other tags, \
                        hidden or not, or published.")
        }
        O::DeleteClustertemplate => Doc::deletes("clustertemplates", "Deletes a cluster template")
            .notes("400 while a cluster is made from it."),
        O::ShowCertificate => Doc::reads("certificates", "Shows a CA certificate of a cluster", "Certificate")
            .with(&["ca_cert_type"])
            .refuses(&[409]),
        O::ShowCertificateOfType => {
            Doc::reads("certificates", "Shows a CA certificate of a cluster", "Certificate").refuses(&[409])
        }
        O::SignCertificate => Doc::new("certificates", "Signs a certificate request")
            .takes("SigningRequest")
            .answers(201, "SignedCertificate")
            .refuses(&[409])
            .notes("An unknown cluster is 400."),
        O::RotateCertificates => Doc::new("certificates", "Makes new certificate authorities of a cluster")
            .guarded()
            .answers(202, "Accepted")
            .refuses(&[403, 408, 413])
            .notes("Every node is replaced. 400 for a cluster with one master. What failed is gone on with."),
        O::RotateCredential => Doc::new("certificates", "Gives the identity of a cluster a new password")
            .guarded()
            .answers(202, "Accepted")
            .refuses(&[403, 408, 413])
            .since(12)
            .notes("The status of the cluster does not change, unless it fails."),
        O::ListQuotas => Doc::reads("quotas", "Lists quotas", "QuotaList")
            .with(&["limit", "quota.marker", "quota.sort_key", "sort_dir", "all_tenants"])
            .notes("For administrators."),
        O::CreateQuota => {
            let doc = Doc::creates("quotas", "Sets the quota of a project", "NewQuota");
            Doc { tagged: true, ..doc }
                .answers(201, "Quota")
                .notes("For administrators. 404 when Keystone knows no such project.")
        }
        O::ShowQuota => Doc::shows("quotas", "Shows the quota that counts for a project", "ShownQuota")
            .notes("A project without a quota of its own has the limit of the configuration, without id and times."),
        O::UpdateQuota => {
            let doc = Doc::new("quotas", "Changes the quota of a project").takes("QuotaChange");
            Doc { tagged: true, ..doc }
                .guarded()
                .answers(202, "Quota")
                .notes("For administrators. A body without `hard_limit` changes nothing; Magnum resets the limit to 1.")
        }
        O::DeleteQuota => Doc::deletes("quotas", "Removes the quota of a project")
            .notes("For administrators. The limit of the configuration counts again."),
        O::ListDrivers => Doc::new("drivers", "Lists the drivers that are offered").answers(200, "DriverList")
            .notes("An addition to Magnum, for every token."),
        O::ShowDriver => Doc::new("drivers", "Shows a driver and the labels that it knows")
            .answers(200, "Driver")
            .notes("An addition to Magnum, for every token."),
        O::ListServices => Doc::reads("service", "Lists the processes of the service", "ServiceList")
            .notes("For administrators."),
        O::ShowStats => Doc::reads("service", "Counts clusters and nodes", "Stats").with(&["project_id", "type"]),
        O::ListFederations | O::ListFederationsInDetail => Doc::federates("Lists federations: not served"),
        O::CreateFederation => Doc::federates("Creates a federation: not served"),
        O::ShowFederation => Doc::federates("Shows a federation: not served"),
        O::UpdateFederation => Doc::federates("Changes a federation: not served"),
        O::DeleteFederation => Doc::federates("Deletes a federation: not served"),
    }
}

/// What is answered without a token.
fn describe_open(operation: Operation) -> Doc {
    let tag = "service";
    let doc = match operation {
        Operation::ListVersions => Doc::new(tag, "Lists the versions of the API").answers(200, "Versions"),
        Operation::ShowVersion => Doc::new(tag, "Shows what the version offers")
            .answers(200, "Version")
            .with(&["OpenStack-API-Version"]),
        Operation::CheckHealth => Doc::new(tag, "Tells whether the service is to get requests")
            .answers(200, "Health")
            .notes(
                "Plain text unless the client accepts JSON. 503 when an operator has put a file in its way.",
            ),
        _ => Doc::new(tag, "Shows this document").answers(200, "Openapi"),
    };
    doc.open()
}
