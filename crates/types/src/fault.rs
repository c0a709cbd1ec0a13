//! What went wrong, in words that help: which resource, which service, which request.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The cause of a failed step. It is shown to the tenant, so it holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Key of the resource in the cluster's graph, such as `server:worker-1`.
    pub resource: String,
    /// Service type that refused, such as `compute`; empty when no service did.
    #[serde(default)]
    pub service: String,
    /// What it said.
    pub message: String,
    /// `x-openstack-request-id` of the answer, for the operator's logs.
    #[serde(default)]
    pub request_id: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.resource, self.message)?;
        match (self.service.is_empty(), &self.request_id) {
            (true, None) => Ok(()),
            (true, Some(id)) => write!(f, " ({id})"),
            (false, None) => write!(f, " ({})", self.service),
            (false, Some(id)) => write!(f, " ({}, {id})", self.service),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_resource_service_and_request() {
        let fault = Fault {
            resource: "server:worker-0".into(),
            service: "compute".into(),
            message: "No valid host was found.".into(),
            request_id: Some("req-1".into()),
        };
        assert_eq!(
            fault.to_string(),
            "server:worker-0: No valid host was found. (compute, req-1)"
        );
    }
}
