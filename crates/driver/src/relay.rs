//! Calls to the API of a private cluster: only its control plane reaches it, and asks the service for them.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

/// A call to a COE's API.
#[derive(Clone, Debug)]
pub struct ApiCall {
    /// Such as `GET`.
    pub method: String,
    /// Path and query, without the first slash, as they stand in a request: `api/v1/nodes?limit=5`.
    pub path: String,
    /// Media type of the body; empty without one.
    pub media: String,
    /// May hold secrets for what runs in the cluster.
    pub body: SecretString,
}

/// What the COE's API answers.
#[derive(Clone)]
pub struct ApiAnswer {
    /// Of HTTP.
    pub status: u16,
    /// As it came.
    pub body: Vec<u8>,
}

impl fmt::Debug for ApiAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiAnswer({}, {} bytes)", self.status, self.body.len())
    }
}

/// Carries calls to the control plane of one cluster.
#[async_trait]
pub trait Relay: Send + Sync + fmt::Debug {
    /// Makes a call, once at most.
    ///
    /// # Errors
    /// Why there is no answer in time, for the tenant. The call may have been made.
    async fn carry(&self, call: &ApiCall) -> Result<ApiAnswer, String>;
}
