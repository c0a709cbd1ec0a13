//! Version documents and the health check: what is answered without a token.

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::context::{Site, reply};
use crate::error::{ApiError, ApiResult};
use crate::microversion::{MAXIMUM, MINIMUM};
use crate::server::Peer;
use crate::{negotiate, openapi};

/// Collections of the version document.
const RESOURCES: [&str; 8] = [
    "clustertemplates",
    "clusters",
    "quotas",
    "certificates",
    "mservices",
    "stats",
    "federations",
    "credentials",
];

/// `GET /`, which health checks and clients ask for most often of all: all of it but the link is made once.
pub(crate) fn root(base: &str) -> Response {
    static AROUND: OnceLock<(String, String)> = OnceLock::new();
    let (before, after) = AROUND.get_or_init(|| {
        const LINK: &str = "LINK";
        let document = json!({
            "name": "OpenStack Magnum API",
            "description": "Makes clusters of container orchestration engines out of OpenStack resources.",
            "versions": [{
                "id": "v1",
                "status": "CURRENT",
                "min_version": MINIMUM.to_string(),
                "max_version": MAXIMUM.to_string(),
                "links": [{"href": LINK, "rel": "self"}],
            }],
        });
        let text = document.to_string();
        let (before, after) = text.split_once(&json!(LINK).to_string()).unwrap_or_default();
        (before.to_owned(), after.to_owned())
    });
    let link = Value::String(format!("{base}/v1/"));
    let body = format!("{before}{link}{after}");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// `GET /v1`
pub(crate) fn version(base: &str) -> Response {
    let mut document = Map::new();
    document.insert("id".to_owned(), json!("v1"));
    document.insert(
        "media_types".to_owned(),
        json!([{"base": "application/json", "type": "application/vnd.openstack.magnum.v1+json"}]),
    );
    document.insert(
        "links".to_owned(),
        json!([
            {"href": format!("{base}/v1/"), "rel": "self"},
            {
                "href": "http://docs.openstack.org/developer/magnum/dev/api-spec-v1.html",
                "rel": "describedby",
                "type": "text/html",
            },
        ]),
    );
    for name in RESOURCES {
        let links = json!([
            {"href": format!("{base}/v1/{name}/"), "rel": "self"},
            {"href": format!("{base}/{name}/"), "rel": "bookmark"},
        ]);
        document.insert(name.to_owned(), links);
    }
    let groups = "clusters/{cluster_id}/nodegroups";
    let links = json!([
        {"href": format!("{base}/v1/{groups}"), "rel": "self"},
        {"href": format!("{base}/{groups}"), "rel": "bookmark"},
    ]);
    document.insert("nodegroups".to_owned(), links);
    reply(StatusCode::OK, Value::Object(document))
}

/// `GET /v1/openapi.json`
pub(crate) fn openapi(base: &str) -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi::text(base)).into_response()
}

/// `GET /healthcheck`, as oslo.middleware answers it with its backend `disable_by_file`.
///
/// # Errors
/// 405 for other methods than GET and HEAD.
pub(crate) fn healthcheck(site: &Site, parts: &Parts) -> ApiResult<Response> {
    let (method, headers) = (&parts.method, &parts.headers);
    let own_port = parts.extensions.get::<Peer>().and_then(|peer| peer.port);
    let disabled = site
        .settings
        .disabled_by
        .iter()
        .any(|(port, path)| (port.is_none() || *port == own_port) && path.exists());
    let (status, reason) = match disabled {
        true => (StatusCode::SERVICE_UNAVAILABLE, "DISABLED BY FILE"),
        false => (StatusCode::OK, "OK"),
    };
    match *method {
        Method::HEAD if disabled => Ok(status.into_response()),
        Method::HEAD => Ok(StatusCode::NO_CONTENT.into_response()),
        Method::GET if negotiate::names_json(headers) => {
            Ok(reply(status, json!({"detailed": false, "reasons": [reason]})))
        }
        Method::GET => Ok((status, reason).into_response()),
        _ => Err(ApiError::not_allowed("GET, HEAD")),
    }
}
