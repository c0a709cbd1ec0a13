//! `/v1/certificates`

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use jeroboam_pki::{Authority, Purpose, Validity};
use jeroboam_store::Sealed;
use jeroboam_types::{Cluster, ClusterId, trust};

use crate::context::{Context, reply};
use crate::error::{ApiError, ApiResult};
use crate::handlers::find_cluster;
use crate::negotiate::BodyKind;
use crate::policy::Action;
use crate::wire::certificate::{SigningRequest, purpose, render, render_signed};

/// `GET /v1/certificates/CLUSTER`
pub(crate) async fn show(cx: &Context, cluster: &str, kind: Option<&str>) -> ApiResult<Response> {
    cx.query.only(&["ca_cert_type"])?;
    let purpose = purpose(kind.or_else(|| cx.query.find("ca_cert_type")))?;
    let row = find_cluster(cx, Action::CertificateShow, cluster).await?;
    let stage = trust::stage_of(&row.groups);
    // What signs comes first: those who read one certificate only read that.
    let others = stage
        .trusted()
        .filter(|generation| *generation != stage.signing());
    let mut pem = Vec::new();
    for generation in std::iter::once(stage.signing()).chain(others) {
        let authority = find_authority(cx, &row.cluster, purpose, generation).await?;
        let certificate = authority.public_part.unwrap_or_default();
        pem.push(certificate.trim_end().to_owned());
    }
    Ok(reply(
        StatusCode::OK,
        render(row.cluster.uuid, &pem.join("\n"), &cx.base),
    ))
}

/// `POST /v1/certificates`
pub(crate) async fn sign(cx: &Context) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let request = SigningRequest::parse(cx.json("certificate", BodyKind::Object)?)?;
    let purpose = purpose(request.kind.as_deref())?;
    let found = find_cluster(cx, Action::CertificateSign, &request.cluster).await;
    // A cluster in a body is bad input, not a path that leads nowhere.
    let row = found.map_err(|error| match error.status {
        StatusCode::NOT_FOUND => error.with_status(StatusCode::BAD_REQUEST),
        _ => error,
    })?;
    let signing = trust::stage_of(&row.groups).signing();
    let authority = find_authority(cx, &row.cluster, purpose, signing).await?;
    let pem = sign_csr(cx, row.cluster.uuid, authority, &request.csr).await?;
    Ok(reply(
        StatusCode::CREATED,
        render_signed(row.cluster.uuid, &pem, &request, &cx.base),
    ))
}

/// How often, and how long at a time, it is waited for authorities that are being made.
const LOOKS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// An authority of a generation. The next one of a rotation is waited for: it is there in a moment, and who asks right
/// after the rotation should not get half of the answer.
async fn find_authority(
    cx: &Context,
    cluster: &Cluster,
    purpose: Purpose,
    generation: u32,
) -> ApiResult<Sealed> {
    let name = purpose.sealed_name(generation);
    let looks = if generation == 0 { 1 } else { LOOKS };
    for look in 1..=looks {
        let found = cx.store().engine().find_sealed(cluster.uuid, &name).await?;
        if let Some(found) = found.filter(|sealed| sealed.public_part.is_some()) {
            return Ok(found);
        }
        if look < looks {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let what = if generation == 0 { "no" } else { "no new" };
    Err(ApiError::conflict(format!(
        "Cluster {} has {what} {} certificate authority yet. Try again when it is further on.",
        cluster.uuid,
        purpose.as_str()
    )))
}

/// Signs on a thread for blocking work: RSA takes milliseconds.
async fn sign_csr(cx: &Context, cluster: ClusterId, authority: Sealed, csr: &str) -> ApiResult<String> {
    let keyring = cx.site.app.keyring.clone();
    let rules = cx.site.settings.csr_rules.clone();
    let validity = Validity::days(cx.now().0.div_euclid(1000), cx.config().x509.term_of_validity);
    let csr = csr.to_owned();
    let signed = tokio::task::spawn_blocking(move || {
        let aad = format!("sealed/{cluster}/{}", authority.name);
        let key = keyring
            .open_text(&aad, &authority.sealed)
            .map_err(ApiError::internal)?;
        let certificate = authority.public_part.as_deref().unwrap_or_default();
        let authority = Authority::from_pem(certificate, &key).map_err(ApiError::internal)?;
        authority
            .sign_csr(&csr, &rules, validity)
            .map_err(|error| match error.is_callers_fault() {
                true => ApiError::bad_request(format!("Bad certificate signing request: {error}.")),
                false => ApiError::internal(error),
            })
    });
    signed.await.map_err(ApiError::internal)?
}
