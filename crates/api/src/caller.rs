//! Who asks: what a validated token says.

use jeroboam_types::{ProjectId, UserId};
use secrecy::SecretString;

/// The bearer of a valid token. `Debug` does not show the token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// User of the token.
    pub(crate) user_id: UserId,
    /// Project of the token, if it has one.
    pub(crate) project_id: Option<ProjectId>,
    /// Names of the token's roles.
    pub(crate) roles: Vec<String>,
    /// The token was had with an application credential, which may do less than its user.
    pub(crate) is_app_cred: bool,
    /// The token itself, to ask other services with the caller's own rights.
    pub(crate) token: SecretString,
}

impl Caller {
    /// True with a role; names of roles are compared without case, as oslo.policy does.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case(name))
    }

    /// `context_is_admin`
    pub(crate) fn is_admin(&self) -> bool {
        self.has_role("admin")
    }

    #[cfg(test)]
    pub(crate) fn for_tests(user: &str, project: Option<&str>, roles: &[&str]) -> Self {
        Self {
            user_id: user.into(),
            project_id: project.map(ProjectId::from),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            is_app_cred: false,
            token: SecretString::from("token"),
        }
    }
}
