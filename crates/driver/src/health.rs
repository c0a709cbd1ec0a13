//! What a look at the health of a running COE finds.

use crate::Key;

/// Health of a COE, as it is seen through its API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The API itself.
    pub api: ApiHealth,
    /// Nodes, as far as the API tells of them: all that should be there, and others that are.
    pub nodes: Vec<NodeHealth>,
}

/// Health of a COE's API. The texts may be shown to the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiHealth {
    /// It answers, and calls itself ready.
    Ok,
    /// It answers, and something is wrong with it.
    Failing(String),
    /// It does not answer.
    Silent(String),
}

/// Health of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// Name in the COE, which is its host name.
    pub name: String,
    /// Key of the server that it should be; `None` for a node that nobody asked for.
    pub server: Option<Key>,
    /// Why it is not ready, such as `is missing`; `None` for a node that is. May be shown to the tenant.
    pub lack: Option<String>,
}

impl Health {
    /// Of a COE whose API does not answer.
    pub fn silent(cause: impl Into<String>) -> Self {
        Self {
            api: ApiHealth::Silent(cause.into()),
            nodes: Vec::new(),
        }
    }

    /// True when the API is well and every node is ready.
    pub fn is_good(&self) -> bool {
        self.api == ApiHealth::Ok && self.nodes.iter().all(|node| node.lack.is_none())
    }
}
