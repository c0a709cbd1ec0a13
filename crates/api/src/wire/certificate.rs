//! Certificates on the wire.

use jeroboam_pki::Purpose;
use jeroboam_types::ClusterId;
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::wire::links::{Links, Member};
use crate::wire::typing::Body;

/// Longest signing request: a real one has about a thousand characters.
const MAX_CSR_CHARS: usize = 65_536;

/// A request to sign.
#[derive(Clone, Debug)]
pub(crate) struct SigningRequest {
    /// UUID or name of the cluster.
    pub(crate) cluster: String,
    /// PKCS#10 PEM.
    pub(crate) csr: String,
    /// `ca_cert_type` as it was sent.
    pub(crate) kind: Option<String>,
}

impl SigningRequest {
    /// Types a request body.
    ///
    /// # Errors
    /// 400 that names the field.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let mut body = Body::new("certificate", body)?;
        body.read_only(&["links", "created_at", "updated_at"])?;
        body.mandatory("cluster_uuid")?;
        body.mandatory("csr")?;
        let request = Self {
            cluster: body.short_text("cluster_uuid")?.value().unwrap_or_default(),
            csr: body.text("csr", 1, MAX_CSR_CHARS)?.value().unwrap_or_default(),
            kind: body.short_text("ca_cert_type")?.value(),
        };
        body.text("pem", 0, usize::MAX)?;
        body.finish()?;
        Ok(request)
    }
}

/// The authority that a `ca_cert_type` means; without one the cluster's main authority.
///
/// # Errors
/// 400 for a type that is unknown.
pub(crate) fn purpose(kind: Option<&str>) -> ApiResult<Purpose> {
    match kind {
        None | Some("kubernetes" | "kubelet") => Ok(Purpose::Cluster),
        Some("etcd") => Ok(Purpose::Etcd),
        Some("front-proxy" | "front_proxy") => Ok(Purpose::FrontProxy),
        Some(other) => Err(ApiError::invalid(
            "ca_cert_type",
            other,
            "Value should be one of: kubernetes, kubelet, etcd, front-proxy",
        )),
    }
}

/// A certificate; its PEM has no newline at the end, as Magnum's signer leaves it.
pub(crate) fn render(cluster: ClusterId, pem: &str, base: &str) -> Value {
    json!({
        "cluster_uuid": cluster,
        "links": Links { base, path: Member("certificates", cluster) },
        "pem": pem.trim_end(),
    })
}

/// A signed request.
pub(crate) fn render_signed(cluster: ClusterId, pem: &str, request: &SigningRequest, base: &str) -> Value {
    let mut answer = render(cluster, pem, base);
    answer["csr"] = json!(request.csr);
    if let Some(kind) = &request.kind {
        answer["ca_cert_type"] = json!(kind);
    }
    answer
}
