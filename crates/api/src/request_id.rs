//! Request ids: a new one for each answer, and the one that other services may have sent along.

use axum::http::HeaderMap;
use uuid::Uuid;

/// Header of the id, in both directions.
pub(crate) const HEADER: &str = "x-openstack-request-id";

/// Ids of one request.
#[derive(Clone, Debug)]
pub(crate) struct RequestIds {
    /// `req-<uuid>`, new.
    pub(crate) local: String,
    /// That of the request which this one is part of, if a service told it.
    pub(crate) global: Option<String>,
}

impl RequestIds {
    /// A new id, and the id that came along if it has the form of one.
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let sent = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let global = sent.filter(|text| {
            text.strip_prefix("req-")
                .is_some_and(|uuid| uuid.len() == 36 && Uuid::parse_str(uuid).is_ok())
        });
        Self {
            local: format!("req-{}", Uuid::new_v4()),
            global: global.map(str::to_owned),
        }
    }

    /// The id that goes along to other services and into the engine's work.
    pub(crate) fn outbound(&self) -> &str {
        self.global.as_deref().unwrap_or(&self.local)
    }
}
