//! What Keystone stores.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::Secret;

/// State of the identity service. Keys are ids unless said otherwise.
#[derive(Debug, Serialize, Deserialize)]
pub struct Keystone {
    /// Life of a new token in milliseconds.
    pub token_life_ms: u64,
    /// Domains.
    pub domains: BTreeMap<String, Domain>,
    /// Projects.
    pub projects: BTreeMap<String, Project>,
    /// Users.
    pub users: BTreeMap<String, User>,
    /// Roles.
    pub roles: BTreeMap<String, Role>,
    /// Role id to the role ids that it directly implies.
    pub implied: BTreeMap<String, Vec<String>>,
    /// Direct role assignments.
    pub grants: BTreeSet<Grant>,
    /// Trusts.
    pub trusts: BTreeMap<String, Trust>,
    /// Application credentials.
    pub application_credentials: BTreeMap<String, ApplicationCredential>,
    /// Catalog services: id to (type, name).
    pub services: BTreeMap<String, (String, String)>,
    /// Catalog endpoints.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Issued tokens by their text.
    pub tokens: BTreeMap<String, Token>,
    pub(crate) next_serial: u64,
    pub(crate) next_purge_ms: i64,
}

impl Default for Keystone {
    fn default() -> Self {
        Self {
            token_life_ms: 3_600_000,
            domains: BTreeMap::new(),
            projects: BTreeMap::new(),
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            implied: BTreeMap::new(),
            grants: BTreeSet::new(),
            trusts: BTreeMap::new(),
            application_credentials: BTreeMap::new(),
            services: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_serial: 1,
            next_purge_ms: 0,
        }
    }
}

/// A domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Domain {
    /// Unique name.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// A disabled domain locks out its users and projects.
    pub enabled: bool,
}

/// A project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Project {
    /// Name, unique in its domain.
    pub name: String,
    /// Domain id.
    pub domain_id: String,
    /// Text for people.
    pub description: String,
    /// No token can be had for a disabled project.
    pub enabled: bool,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// Name, unique in its domain.
    pub name: String,
    /// Domain id.
    pub domain_id: String,
    /// A disabled user can't authenticate.
    pub enabled: bool,
    /// Password; a user without one can't authenticate by it.
    pub password: Option<Secret>,
    /// Project that an authentication without a scope gets, if the user has a role there.
    pub default_project_id: Option<String>,
    /// `ignore_password_expiry` and the like: stored, without effect.
    pub options: Map<String, Value>,
    /// Any other attributes of the body (description, email, ...).
    pub extra: Map<String, Value>,
    /// Tokens with a lower serial are revoked.
    pub(crate) revoked_before: u64,
}

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Unique name.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// True for those that a deployment starts with.
    pub is_immutable: bool,
}

/// What a role is granted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// A project id.
    Project(String),
    /// A domain id.
    Domain(String),
    /// The whole system.
    System,
}

/// A direct role assignment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// User id.
    pub user_id: String,
    /// Where it holds.
    pub target: Target,
    /// Role id.
    pub role_id: String,
}

/// A trust: the trustee may act with some of the trustor's roles on a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trust {
    /// User who delegates.
    pub trustor_user_id: String,
    /// User who receives.
    pub trustee_user_id: String,
    /// Project of the delegation.
    pub project_id: Option<String>,
    /// True when tokens show the trustor as their user.
    pub impersonation: bool,
    /// Role ids.
    pub roles: Vec<String>,
    /// End, if any.
    pub expires_ms: Option<i64>,
    /// Tokens that may still be had; `None` for any number.
    pub remaining_uses: Option<u64>,
    /// How often it may be delegated on.
    pub redelegation_count: u64,
}

/// An application credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplicationCredential {
    /// Name, unique for its user.
    pub name: String,
    /// Owner.
    pub user_id: String,
    /// Project of its tokens.
    pub project_id: String,
    /// Secret.
    pub secret: Secret,
    /// Text for people.
    pub description: Option<String>,
    /// Role ids.
    pub roles: Vec<String>,
    /// End, if any.
    pub expires_ms: Option<i64>,
    /// True when its tokens may manage application credentials.
    pub unrestricted: bool,
    /// The only requests that its tokens are good for, as Keystone shows them; `None` for any.
    pub access_rules: Option<Vec<serde_json::Value>>,
}

/// An endpoint of the catalog.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Service id.
    pub service_id: String,
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// URL, where `{base}` stands for the simulator's own address and `$(project_id)s` for the token's project.
    pub url: String,
    /// Disabled endpoints are left out of the catalog.
    pub enabled: bool,
}

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Nothing but changing to another scope.
    Unscoped,
    /// A project id.
    Project(String),
    /// A domain id.
    Domain(String),
    /// The whole system.
    System,
    /// A trust id.
    Trust(String),
}

/// An issued token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Grows with each token: tells which came before a revocation.
    pub(crate) serial: u64,
    /// User who authenticated: for a trust, the trustee.
    pub user_id: String,
    /// What for.
    pub scope: Scope,
    /// Names of the authentication methods.
    pub methods: Vec<String>,
    /// Application credential that it was had with.
    pub application_credential_id: Option<String>,
    /// Own audit id, then that of the first token of its chain.
    pub audit_ids: Vec<String>,
    /// Issued at, in milliseconds since the epoch.
    pub issued_ms: i64,
    /// Expires at, in milliseconds since the epoch.
    pub expires_ms: i64,
    /// True after a DELETE.
    pub revoked: bool,
}
