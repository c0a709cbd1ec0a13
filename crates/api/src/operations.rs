//! Every operation of the API by name: what routing leads to, and what the OpenAPI document describes. Both match on
//! [`Operation`] without a catch-all, so that a new operation does not compile before it has a route and a
//! description.

macro_rules! operations {
    ($($name:ident $method:literal $path:literal;)*) => {
        /// What can be asked of the API. The variables of a path are names of its parts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $(#[doc = concat!("`", $method, " ", $path, "`")] $name),*
        }

        impl Operation {
            /// Every operation.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// Its method.
            pub(crate) fn method(self) -> &'static str {
                match self { $(Self::$name => $method),* }
            }

            /// Its path, with variables in braces.
            pub(crate) fn path(self) -> &'static str {
                match self { $(Self::$name => $path),* }
            }
        }
    };
}

operations! {
    ListVersions "GET" "/";
    ShowVersion "GET" "/v1";
    ShowOpenapi "GET" "/v1/openapi.json";
    CheckHealth "GET" "/healthcheck";
    ListClusters "GET" "/v1/clusters";
    ListClustersInDetail "GET" "/v1/clusters/detail";
    CreateCluster "POST" "/v1/clusters";
    ShowCluster "GET" "/v1/clusters/{cluster}";
    UpdateCluster "PATCH" "/v1/clusters/{cluster}";
    DeleteCluster "DELETE" "/v1/clusters/{cluster}";
    ResizeCluster "POST" "/v1/clusters/{cluster}/actions/resize";
    UpgradeCluster "POST" "/v1/clusters/{cluster}/actions/upgrade";
    ShowClusterSteps "GET" "/v1/clusters/{cluster}/steps";
    ListNodegroups "GET" "/v1/clusters/{cluster}/nodegroups";
    CreateNodegroup "POST" "/v1/clusters/{cluster}/nodegroups";
    ShowNodegroup "GET" "/v1/clusters/{cluster}/nodegroups/{nodegroup}";
    UpdateNodegroup "PATCH" "/v1/clusters/{cluster}/nodegroups/{nodegroup}";
    DeleteNodegroup "DELETE" "/v1/clusters/{cluster}/nodegroups/{nodegroup}";
    ListClustertemplates "GET" "/v1/clustertemplates";
    ListClustertemplatesInDetail "GET" "/v1/clustertemplates/detail";
    CreateClustertemplate "POST" "/v1/clustertemplates";
    ShowClustertemplate "GET" "/v1/clustertemplates/{clustertemplate}";
    UpdateClustertemplate "PATCH" "/v1/clustertemplates/{clustertemplate}";
    DeleteClustertemplate "DELETE" "/v1/clustertemplates/{clustertemplate}";
    ShowCertificate "GET" "/v1/certificates/{cluster}";
    ShowCertificateOfType "GET" "/v1/certificates/{cluster}/{ca_cert_type}";
    SignCertificate "POST" "/v1/certificates";
    RotateCertificates "PATCH" "/v1/certificates/{cluster}";
    RotateCredential "PATCH" "/v1/credentials/{cluster}";
    ListQuotas "GET" "/v1/quotas";
    CreateQuota "POST" "/v1/quotas";
    ShowQuota "GET" "/v1/quotas/{project}/{resource}";
    UpdateQuota "PATCH" "/v1/quotas/{project}/{resource}";
    DeleteQuota "DELETE" "/v1/quotas/{project}/{resource}";
    ListDrivers "GET" "/v1/drivers";
    ShowDriver "GET" "/v1/drivers/{driver}";
    ListServices "GET" "/v1/mservices";
    ShowStats "GET" "/v1/stats";
    ListFederations "GET" "/v1/federations";
    ListFederationsInDetail "GET" "/v1/federations/detail";
    CreateFederation "POST" "/v1/federations";
    ShowFederation "GET" "/v1/federations/{federation}";
    UpdateFederation "PATCH" "/v1/federations/{federation}";
    DeleteFederation "DELETE" "/v1/federations/{federation}";
}
