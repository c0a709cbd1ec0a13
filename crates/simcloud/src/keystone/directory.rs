//! Questions about stored identities, without I/O and without permissions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::model::{Domain, Grant, Keystone, Project, Scope, Target, Token, User};

/// A token that is good now: what it says about its bearer.
pub(super) struct Standing {
    /// User that the bearer acts as: for an impersonating trust, the trustor.
    pub user_id: String,
    pub project_id: Option<String>,
    pub domain_id: Option<String>,
    /// Role ids, implied ones included.
    pub roles: BTreeSet<String>,
}

/// Why a token is not, or not any more, good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Expired or revoked: 401, or 404 when asked about.
    Invalid,
    /// Its user has no role any more where it is scoped to, or that place is closed: likewise.
    Baseless,
    /// The trust does not carry it: 403.
    Trust,
}

impl Keystone {
    pub(super) fn domain_by(&self, reference: &Value) -> Option<(&String, &Domain)> {
        match (reference["id"].as_str(), reference["name"].as_str()) {
            (Some(id), _) => self.domains.get_key_value(id),
            (None, Some(name)) => self.domains.iter().find(|(_, domain)| domain.name == name),
            (None, None) => None,
        }
    }

    pub(super) fn project_by(&self, reference: &Value) -> Option<(&String, &Project)> {
        if let Some(id) = reference["id"].as_str() {
            return self.projects.get_key_value(id);
        }
        let (domain_id, _) = self.domain_by(&reference["domain"])?;
        let name = reference["name"].as_str()?;
        self.projects
            .iter()
            .find(|(_, project)| project.name == name && project.domain_id == *domain_id)
    }

    pub(super) fn user_by(&self, reference: &Value) -> Option<(&String, &User)> {
        if let Some(id) = reference["id"].as_str() {
            return self.users.get_key_value(id);
        }
        let (domain_id, _) = self.domain_by(&reference["domain"])?;
        let name = reference["name"].as_str()?;
        self.users
            .iter()
            .find(|(_, user)| user.name == name && user.domain_id == *domain_id)
    }

    /// Id of a project of the default domain.
    pub fn project_named(&self, name: &str) -> Option<String> {
        let mut projects = self.projects.iter();
        let found = projects.find(|(_, project)| project.name == name && project.domain_id == "default");
        found.map(|(id, _)| id.clone())
    }

    pub(super) fn role_named(&self, name: &str) -> Option<String> {
        self.roles
            .iter()
            .find(|(_, role)| role.name == name)
            .map(|(id, _)| id.clone())
    }

    pub(super) fn project_is_open(&self, project_id: &str) -> bool {
        self.projects
            .get(project_id)
            .is_some_and(|project| project.enabled && self.domain_is_open(&project.domain_id))
    }

    pub(super) fn domain_is_open(&self, domain_id: &str) -> bool {
        self.domains.get(domain_id).is_some_and(|domain| domain.enabled)
    }

    pub(super) fn user_is_open(&self, user_id: &str) -> bool {
        self.users
            .get(user_id)
            .is_some_and(|user| user.enabled && self.domain_is_open(&user.domain_id))
    }

    /// Role ids that follow from these, themselves included.
    pub(super) fn with_implied(&self, roles: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut open: Vec<String> = roles.into_iter().collect();
        while let Some(role) = open.pop() {
            open.extend(self.implied.get(&role).into_iter().flatten().cloned());
            all.insert(role);
            open.retain(|role| !all.contains(role));
        }
        all
    }

    pub(super) fn grants_of<'a>(&'a self, user_id: &'a str) -> impl Iterator<Item = &'a Grant> {
        self.grants.iter().filter(move |grant| grant.user_id == user_id)
    }

    /// Role ids of a user somewhere, implied ones included.
    pub(super) fn effective_roles(&self, user_id: &str, target: &Target) -> BTreeSet<String> {
        let direct = self.grants_of(user_id).filter(|grant| grant.target == *target);
        self.with_implied(direct.map(|grant| grant.role_id.clone()))
    }

    /// Checks all that a token stands on.
    pub(super) fn standing(&self, token: &Token, now_ms: i64) -> Result<Standing, Flaw> {
        let user = self.users.get(&token.user_id).ok_or(Flaw::Invalid)?;
        let stale = token.revoked || token.expires_ms <= now_ms || token.serial < user.revoked_before;
        if stale || !self.user_is_open(&token.user_id) {
            return Err(Flaw::Invalid);
        }
        let mut standing = Standing {
            user_id: token.user_id.clone(),
            project_id: None,
            domain_id: None,
            roles: BTreeSet::new(),
        };
        match &token.scope {
            Scope::Unscoped => return Ok(standing),
            Scope::Project(id) if self.project_is_open(id) => {
                standing.roles = self.effective_roles(&token.user_id, &Target::Project(id.clone()));
                standing.project_id = Some(id.clone());
            }
            Scope::Domain(id) if self.domain_is_open(id) => {
                standing.roles = self.effective_roles(&token.user_id, &Target::Domain(id.clone()));
                standing.domain_id = Some(id.clone());
            }
            Scope::System => standing.roles = self.effective_roles(&token.user_id, &Target::System),
            Scope::Trust(id) => self.stand_on_trust(&mut standing, id, token, now_ms)?,
            Scope::Project(_) | Scope::Domain(_) => return Err(Flaw::Baseless),
        }
        if let Some(id) = &token.application_credential_id {
            let credential = self.application_credentials.get(id).ok_or(Flaw::Invalid)?;
            if credential.expires_ms.is_some_and(|end| end <= now_ms) {
                return Err(Flaw::Invalid);
            }
            let allowed = self.with_implied(credential.roles.iter().cloned());
            standing.roles.retain(|role| allowed.contains(role));
        }
        if standing.roles.is_empty() {
            Err(Flaw::Baseless)
        } else {
            Ok(standing)
        }
    }

    fn stand_on_trust(
        &self,
        standing: &mut Standing,
        trust_id: &str,
        token: &Token,
        now_ms: i64,
    ) -> Result<(), Flaw> {
        let trust = self.trusts.get(trust_id).ok_or(Flaw::Invalid)?;
        let project_id = trust.project_id.as_ref().ok_or(Flaw::Invalid)?;
        if trust.expires_ms.is_some_and(|end| end <= now_ms) || !self.project_is_open(project_id) {
            return Err(Flaw::Invalid);
        }
        let held = self.effective_roles(&trust.trustor_user_id, &Target::Project(project_id.clone()));
        let given = self.with_implied(trust.roles.iter().cloned());
        let holds = given.is_subset(&held) && given.iter().all(|role| self.roles.contains_key(role));
        if trust.trustee_user_id != token.user_id || !self.user_is_open(&trust.trustor_user_id) || !holds {
            return Err(Flaw::Trust);
        }
        standing.roles = given;
        standing.project_id = Some(project_id.clone());
        if trust.impersonation {
            standing.user_id.clone_from(&trust.trustor_user_id);
        }
        Ok(())
    }

    /// Makes all tokens that the user has so far invalid.
    pub(super) fn revoke_tokens(&mut self, user_id: &str) {
        let next = self.next_serial;
        if let Some(user) = self.users.get_mut(user_id) {
            user.revoked_before = next;
        }
    }

    /// Removes a user with all that hangs on it: assignments, trusts from and to it, application credentials.
    pub(super) fn drop_user(&mut self, user_id: &str) {
        self.users.remove(user_id);
        self.grants.retain(|grant| grant.user_id != user_id);
        self.trusts
            .retain(|_, trust| trust.trustor_user_id != user_id && trust.trustee_user_id != user_id);
        self.application_credentials
            .retain(|_, credential| credential.user_id != user_id);
    }

    /// Removes a project with its assignments, trusts and application credentials.
    pub(super) fn drop_project(&mut self, project_id: &str) {
        self.projects.remove(project_id);
        self.grants
            .retain(|grant| grant.target != Target::Project(project_id.to_owned()));
        self.trusts
            .retain(|_, trust| trust.project_id.as_deref() != Some(project_id));
        self.application_credentials
            .retain(|_, credential| credential.project_id != project_id);
    }
}
