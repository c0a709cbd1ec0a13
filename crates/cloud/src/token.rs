//! What a token says: who, on what, as what, until when.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;

use crate::catalog::Catalog;

/// A token and what Keystone says about it.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// The token itself.
    pub token: SecretString,
    /// User.
    pub user_id: String,
    /// Name of the user.
    pub user_name: String,
    /// Domain of the user.
    pub user_domain_id: String,
    /// Name of the user's domain.
    pub user_domain_name: String,
    /// Project that it is scoped to.
    pub project_id: Option<String>,
    /// Name of the project.
    pub project_name: Option<String>,
    /// Domain of the project.
    pub project_domain_id: Option<String>,
    /// Domain that it is scoped to.
    pub domain_id: Option<String>,
    /// Scoped to the whole deployment.
    pub is_system: bool,
    /// Names of the roles, implied ones included.
    pub roles: Vec<String>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it began.
    pub issued_at: DateTime<Utc>,
    /// Trust that it acts under.
    pub trust_id: Option<String>,
    /// Was made with an application credential.
    pub app_cred: bool,
    /// The only requests that the application credential is good for; `None` when it is not restricted so.
    pub access_rules: Option<Vec<AccessRule>>,
    /// Where the services are; empty for unscoped tokens and where it was not asked for.
    pub catalog: Catalog,
}

/// A kind of request that an application credential may be used for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccessRule {
    /// Service type, such as `compute`.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path, in which `*` and `{name}` stand for a segment and `**` for anything.
    pub path: String,
}

/// Body of Keystone's answers about tokens, under `token`.
#[derive(Deserialize)]
pub(crate) struct TokenBody {
    user: Named,
    project: Option<Named>,
    domain: Option<Reference>,
    system: Option<System>,
    #[serde(default)]
    roles: Vec<RoleName>,
    expires_at: DateTime<Utc>,
    issued_at: DateTime<Utc>,
    #[serde(rename = "OS-TRUST:trust")]
    trust: Option<Reference>,
    application_credential: Option<ApplicationCredential>,
    #[serde(default)]
    catalog: Catalog,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
    domain: DomainReference,
}

#[derive(Deserialize)]
struct DomainReference {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    access_rules: Option<Vec<AccessRule>>,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct RoleName {
    name: String,
}

impl TokenBody {
    pub fn with_token(self, token: SecretString) -> TokenInfo {
        let (project_id, project_name, project_domain_id) = match self.project {
            Some(project) => (Some(project.id), Some(project.name), Some(project.domain.id)),
            None => (None, None, None),
        };
        TokenInfo {
            token,
            user_id: self.user.id,
            user_name: self.user.name,
            user_domain_id: self.user.domain.id,
            user_domain_name: self.user.domain.name,
            project_id,
            project_name,
            project_domain_id,
            domain_id: self.domain.map(|domain| domain.id),
            is_system: self.system.is_some_and(|system| system.all),
            roles: self.roles.into_iter().map(|role| role.name).collect(),
            expires_at: self.expires_at,
            issued_at: self.issued_at,
            trust_id: self.trust.map(|trust| trust.id),
            app_cred: self.application_credential.is_some(),
            access_rules: self
                .application_credential
                .and_then(|credential| credential.access_rules),
            catalog: self.catalog,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_scoped_token_is_read_and_its_value_hidden() {
        let body: TokenBody = serde_json::from_value(serde_json::json!({
            "methods": ["password"], "audit_ids": ["x"], "is_domain": false,
            "user": {"domain": {"id": "d", "name": "magnum"}, "id": "u", "name": "c_1",
                "password_expires_at": null},
            "project": {"domain": {"id": "default", "name": "Default"}, "id": "p", "name": "demo"},
            "roles": [{"id": "1", "name": "member"}, {"id": "2", "name": "reader"}],
            "expires_at": "2026-11-22T16:00:00.000000Z", "issued_at": "2026-11-22T15:00:00.000000Z",
            "OS-TRUST:trust": {"id": "t", "trustor_user": {"id": "o"}, "trustee_user": {"id": "u"},
                "impersonation": false},
        }))
        .unwrap();
        let info = body.with_token("gAAAA".into());
        assert_eq!(info.project_id.as_deref(), Some("p"));
        assert_eq!(info.roles, ["member", "reader"]);
        assert_eq!(info.trust_id.as_deref(), Some("t"));
        assert_eq!((info.expires_at - info.issued_at).num_hours(), 1);
        assert!(!info.is_system && !info.app_cred && info.catalog.services.is_empty());
        assert!(!format!("{info:?}").contains("gAAAA"));
    }
}
