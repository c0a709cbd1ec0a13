//! The route table: one function from a method and a path to what is asked. It wears the habits of Magnum's
//! object dispatch that clients met: paths without `v1`, stray slashes, missing arguments as 400.

use axum::http::Method;

use crate::error::{ApiError, ApiResult};
use crate::operations::Operation;
use crate::path::Path;

/// What a request asks for. Texts are identifiers as they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `GET /`
    Root,
    /// `GET /v1`
    Version,
    /// `GET /v1/openapi.json`
    Openapi,
    /// Clusters, short or in detail.
    ClusterList {
        /// `/detail`
        detail: bool,
    },
    /// One cluster.
    ClusterShow(String),
    /// New cluster.
    ClusterCreate,
    /// Away with a cluster.
    ClusterDelete(String),
    /// Change of a cluster.
    ClusterUpdate(String),
    /// Another number of nodes.
    ClusterResize(String),
    /// Another template: known since 1.7, possible since 1.8.
    ClusterUpgrade(String),
    /// Progress of a cluster.
    ClusterSteps(String),
    /// Node groups of a cluster.
    NodeGroupList(String),
    /// One node group of a cluster.
    NodeGroupShow(String, String),
    /// New node group of a cluster.
    NodeGroupCreate(String),
    /// Change of a node group.
    NodeGroupUpdate(String, String),
    /// Away with a node group.
    NodeGroupDelete(String, String),
    /// Templates; `/detail` answers the same items.
    TemplateList {
        /// `/detail`
        detail: bool,
    },
    /// One template.
    TemplateShow(String),
    /// New template.
    TemplateCreate,
    /// Change of a template.
    TemplateUpdate(String),
    /// Away with a template.
    TemplateDelete(String),
    /// CA certificate of a cluster, by purpose.
    CertificateShow(String, Option<String>),
    /// Signing of a request.
    CertificateSign,
    /// Drivers that are offered, an addition.
    DriverList,
    /// One of them.
    DriverShow(String),
    /// New certificate authorities of a cluster.
    CertificateRotate(String),
    /// New credential of a cluster.
    CredentialRotate(String),
    /// Processes of the service.
    ServiceList,
    /// Numbers of clusters and nodes.
    Stats,
    /// Limits of projects.
    QuotaList,
    /// Limit of a project for a resource.
    QuotaShow(String, String),
    /// First limit of a project.
    QuotaCreate,
    /// Change of a project's limit.
    QuotaUpdate(String, String),
    /// Away with a project's own limit.
    QuotaDelete(String, String),
    /// Federations: refused with 501, whatever is asked.
    Federations(Operation),
}

impl Route {
    /// What it is in the list of operations.
    pub(crate) fn operation(&self) -> Operation {
        use Operation as O;
        match self {
            Self::Root => O::ListVersions,
            Self::Version => O::ShowVersion,
            Self::Openapi => O::ShowOpenapi,
            Self::ClusterList { detail: false } => O::ListClusters,
            Self::ClusterList { detail: true } => O::ListClustersInDetail,
            Self::ClusterShow(_) => O::ShowCluster,
            Self::ClusterCreate => O::CreateCluster,
            Self::ClusterDelete(_) => O::DeleteCluster,
            Self::ClusterSteps(_) => O::ShowClusterSteps,
            Self::NodeGroupList(_) => O::ListNodegroups,
            Self::NodeGroupShow(..) => O::ShowNodegroup,
            Self::TemplateList { detail: false } => O::ListClustertemplates,
            Self::TemplateList { detail: true } => O::ListClustertemplatesInDetail,
            Self::TemplateShow(_) => O::ShowClustertemplate,
            Self::TemplateCreate => O::CreateClustertemplate,
            Self::TemplateUpdate(_) => O::UpdateClustertemplate,
            Self::TemplateDelete(_) => O::DeleteClustertemplate,
            Self::CertificateShow(_, None) => O::ShowCertificate,
            Self::CertificateShow(_, Some(_)) => O::ShowCertificateOfType,
            Self::CertificateSign => O::SignCertificate,
            Self::DriverList => O::ListDrivers,
            Self::DriverShow(_) => O::ShowDriver,
            Self::ServiceList => O::ListServices,
            Self::Stats => O::ShowStats,
            Self::QuotaList => O::ListQuotas,
            Self::QuotaShow(..) => O::ShowQuota,
            Self::QuotaCreate => O::CreateQuota,
            Self::QuotaUpdate(..) => O::UpdateQuota,
            Self::QuotaDelete(..) => O::DeleteQuota,
            Self::Federations(operation) => *operation,
            Self::ClusterUpdate(_) => O::UpdateCluster,
            Self::ClusterResize(_) => O::ResizeCluster,
            Self::ClusterUpgrade(_) => O::UpgradeCluster,
            Self::NodeGroupCreate(_) => O::CreateNodegroup,
            Self::NodeGroupUpdate(..) => O::UpdateNodegroup,
            Self::NodeGroupDelete(..) => O::DeleteNodegroup,
            Self::CertificateRotate(_) => O::RotateCertificates,
            Self::CredentialRotate(_) => O::RotateCredential,
        }
    }

    /// Lowest minor version that has the handler, and the name its refusal gives it.
    pub(crate) fn since(&self) -> Option<(u32, &'static str)> {
        match self {
            Self::NodeGroupList(_) => Some((9, "get_all")),
            Self::NodeGroupShow(..) => Some((9, "get_one")),
            Self::NodeGroupCreate(_) => Some((9, "post")),
            Self::NodeGroupUpdate(..) => Some((9, "patch")),
            Self::NodeGroupDelete(..) => Some((9, "delete")),
            Self::ClusterResize(_) => Some((7, "resize")),
            Self::ClusterUpgrade(_) => Some((7, "upgrade")),
            Self::CredentialRotate(_) => Some((12, "patch")),
            _ => None,
        }
    }
}

/// Finds what a request asks for.
///
/// # Errors
/// 404 for paths that lead nowhere, 405 with `Allow`, 400 for a missing argument or one in a wrong place.
pub(crate) fn route(method: &Method, path: &Path) -> ApiResult<Route> {
    let verb = match method.as_str() {
        verb @ ("GET" | "POST" | "PATCH" | "DELETE") => verb,
        _ if path.segments.is_empty() => return Err(ApiError::not_allowed("GET")),
        _ => {
            let first = path.segments.first().map(String::as_str);
            let allow = first.and_then(methods).ok_or_else(ApiError::no_route)?;
            return Err(ApiError::not_allowed(allow));
        }
    };
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] if verb != "GET" => Err(ApiError::not_allowed("GET")),
        [] if path.versioned => Ok(Route::Version),
        [] => Ok(Route::Root),
        ["clusters", rest @ ..] => clusters(verb, rest, path.trailing_slash),
        ["clustertemplates", rest @ ..] => templates(verb, rest, path.trailing_slash),
        ["certificates", rest @ ..] => certificates(verb, rest),
        ["credentials", rest @ ..] => credentials(verb, rest),
        ["quotas", rest @ ..] => quotas(verb, rest),
        ["federations", rest @ ..] => federations(verb, rest),
        ["openapi.json"] if path.versioned && verb == "GET" => Ok(Route::Openapi),
        ["openapi.json"] if path.versioned => Err(ApiError::not_allowed("GET")),
        ["drivers"] if verb == "GET" => Ok(Route::DriverList),
        ["drivers", name] if verb == "GET" => Ok(Route::DriverShow((*name).to_owned())),
        ["mservices"] if verb == "GET" => Ok(Route::ServiceList),
        ["stats"] if verb == "GET" => Ok(Route::Stats),
        ["drivers" | "mservices" | "stats", ..] => Err(ApiError::not_allowed("GET")),
        // An unknown version in front of a collection is taken for the collection's marker.
        [stray, "clusters" | "clustertemplates" | "federations" | "quotas"] => Err(bad_marker(stray)),
        _ => Err(ApiError::no_route()),
    }
}

/// What is allowed on some path of a collection, for methods that are allowed on none.
fn methods(collection: &str) -> Option<&'static str> {
    match collection {
        "clusters" | "clustertemplates" | "federations" | "quotas" => Some("DELETE, GET, PATCH, POST"),
        "certificates" => Some("GET, PATCH, POST"),
        "credentials" => Some("PATCH"),
        "drivers" | "mservices" | "stats" => Some("GET"),
        _ => None,
    }
}

fn bad_marker(text: &str) -> ApiError {
    ApiError::invalid("marker", text, "Value should be a UUID")
}

fn clusters(verb: &str, rest: &[&str], slash: bool) -> ApiResult<Route> {
    let own = |ident: &str| ident.to_owned();
    match (verb, rest) {
        ("GET", []) => Ok(Route::ClusterList { detail: false }),
        ("GET", ["detail"]) if slash => Err(ApiError::not_found("Cluster", "detail")),
        ("GET", ["detail"]) => Ok(Route::ClusterList { detail: true }),
        ("GET", ["actions", ..] | [_, "actions", ..]) => Err(ApiError::not_allowed("POST")),
        ("GET", [ident]) => Ok(Route::ClusterShow(own(ident))),
        ("GET", [ident, "detail"]) => Err(bad_marker(ident)),
        ("GET", [ident, "steps"]) => Ok(Route::ClusterSteps(own(ident))),
        ("GET", [ident, "nodegroups"]) => Ok(Route::NodeGroupList(own(ident))),
        ("GET", [ident, "nodegroups", group]) => Ok(Route::NodeGroupShow(own(ident), own(group))),

        ("POST", []) => Ok(Route::ClusterCreate),
        ("POST", ["actions", "resize" | "upgrade"]) => Err(ApiError::missing("cluster_ident")),
        ("POST", [ident, "actions", "resize"]) => Ok(Route::ClusterResize(own(ident))),
        ("POST", [ident, "actions", "upgrade"]) => Ok(Route::ClusterUpgrade(own(ident))),
        ("POST", ["actions", ..] | [_, "actions", ..]) => Err(ApiError::not_allowed("POST")),
        ("POST", [ident, "nodegroups"]) => Ok(Route::NodeGroupCreate(own(ident))),
        ("POST", [ident]) => Err(ApiError::invalid(
            "cluster",
            ident,
            "It cannot be converted to a cluster.",
        )),

        ("PATCH" | "DELETE", []) => Err(ApiError::missing("cluster_ident")),
        ("PATCH", [ident]) => Ok(Route::ClusterUpdate(own(ident))),
        ("DELETE", [ident]) => Ok(Route::ClusterDelete(own(ident))),
        ("PATCH" | "DELETE", [_, "nodegroups"]) => Err(ApiError::missing("nodegroup_id")),
        ("PATCH", [ident, "nodegroups", group]) => Ok(Route::NodeGroupUpdate(own(ident), own(group))),
        ("DELETE", [ident, "nodegroups", group]) => Ok(Route::NodeGroupDelete(own(ident), own(group))),
        ("PATCH" | "DELETE", [_, "actions", ..]) => Err(ApiError::not_allowed("POST")),
        ("POST" | "PATCH" | "DELETE", [_, "steps"]) => Err(ApiError::not_allowed("GET")),
        _ => Err(ApiError::no_route()),
    }
}

fn templates(verb: &str, rest: &[&str], slash: bool) -> ApiResult<Route> {
    match (verb, rest) {
        ("GET", []) => Ok(Route::TemplateList { detail: false }),
        ("GET", ["detail"]) if slash => Err(ApiError::not_found("ClusterTemplate", "detail")),
        ("GET", ["detail"]) => Ok(Route::TemplateList { detail: true }),
        ("GET", [ident]) => Ok(Route::TemplateShow((*ident).to_owned())),
        ("GET", [ident, "detail"]) => Err(bad_marker(ident)),
        ("POST", []) => Ok(Route::TemplateCreate),
        ("POST", [ident]) => Err(ApiError::invalid(
            "cluster_template",
            ident,
            "It cannot be converted to a cluster template.",
        )),
        ("PATCH" | "DELETE", []) => Err(ApiError::missing("cluster_template_ident")),
        ("PATCH", [ident]) => Ok(Route::TemplateUpdate((*ident).to_owned())),
        ("DELETE", [ident]) => Ok(Route::TemplateDelete((*ident).to_owned())),
        _ => Err(ApiError::no_route()),
    }
}

fn certificates(verb: &str, rest: &[&str]) -> ApiResult<Route> {
    match (verb, rest) {
        ("GET", [cluster]) => Ok(Route::CertificateShow((*cluster).to_owned(), None)),
        ("GET", [cluster, kind]) => Ok(Route::CertificateShow(
            (*cluster).to_owned(),
            Some((*kind).to_owned()),
        )),
        ("POST", []) => Ok(Route::CertificateSign),
        ("PATCH", []) => Err(ApiError::missing("cluster_ident")),
        ("PATCH", [cluster]) => Ok(Route::CertificateRotate((*cluster).to_owned())),
        ("GET" | "DELETE", []) => Err(ApiError::not_allowed("PATCH, POST")),
        ("DELETE", [_]) => Err(ApiError::not_allowed("GET, PATCH")),
        ("POST", [ident]) => Err(ApiError::invalid(
            "certificate",
            ident,
            "It cannot be converted to a certificate.",
        )),
        _ => Err(ApiError::no_route()),
    }
}

fn credentials(verb: &str, rest: &[&str]) -> ApiResult<Route> {
    match (verb, rest) {
        ("PATCH", []) => Err(ApiError::missing("cluster_ident")),
        ("PATCH", [cluster]) => Ok(Route::CredentialRotate((*cluster).to_owned())),
        (_, [] | [_]) => Err(ApiError::not_allowed("PATCH")),
        _ => Err(ApiError::no_route()),
    }
}

fn quotas(verb: &str, rest: &[&str]) -> ApiResult<Route> {
    let own = |segment: &str| segment.to_owned();
    match (verb, rest) {
        ("GET", []) => Ok(Route::QuotaList),
        ("POST", []) => Ok(Route::QuotaCreate),
        ("GET", [project, resource]) => Ok(Route::QuotaShow(own(project), own(resource))),
        ("PATCH", [project, resource]) => Ok(Route::QuotaUpdate(own(project), own(resource))),
        ("DELETE", [project, resource]) => Ok(Route::QuotaDelete(own(project), own(resource))),
        ("PATCH" | "DELETE", []) => Err(ApiError::missing("project_id")),
        ("GET" | "PATCH" | "DELETE", [_]) => Err(ApiError::missing("resource")),
        ("POST", [ident, ..]) => Err(ApiError::invalid(
            "quota",
            ident,
            "It cannot be converted to a quota.",
        )),
        _ => Err(ApiError::no_route()),
    }
}

fn federations(verb: &str, rest: &[&str]) -> ApiResult<Route> {
    match (verb, rest) {
        ("GET", []) => Ok(Route::Federations(Operation::ListFederations)),
        ("GET", ["detail"]) => Ok(Route::Federations(Operation::ListFederationsInDetail)),
        ("GET", [_]) => Ok(Route::Federations(Operation::ShowFederation)),
        ("POST", []) => Ok(Route::Federations(Operation::CreateFederation)),
        ("PATCH", [_]) => Ok(Route::Federations(Operation::UpdateFederation)),
        ("DELETE", [_]) => Ok(Route::Federations(Operation::DeleteFederation)),
        ("PATCH" | "DELETE", []) => Err(ApiError::missing("federation_ident")),
        ("GET", [ident, "detail"]) => Err(bad_marker(ident)),
        ("POST", [ident]) => Err(ApiError::invalid(
            "federation",
            ident,
            "It cannot be converted to a federation.",
        )),
        _ => Err(ApiError::no_route()),
    }
}
