//! Who asks: what a validated token says.

use std::sync::Arc;

use jeroboam_types::{ProjectId, UserId};
use secrecy::SecretString;

use crate::policy::Judge;

/// The bearer of a valid token. `Debug` does not show the token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// User of the token.
    pub(crate) user_id: UserId,
    /// Project of the token, if it has one.
    pub(crate) project_id: Option<ProjectId>,
    /// Names of the token's roles.
    pub(crate) roles: Vec<String>,
    /// The token is good for the whole system, and for no project.
    pub(crate) is_system: bool,
    /// What else the token says, for rules.
    pub(crate) names: Arc<Names>,
    /// What the rules say: nothing until the caller stands before them.
    pub(crate) judge: Judge,
    /// The token was had with an application credential, which may do less than its user.
    pub(crate) is_app_cred: bool,
    /// The token itself, to ask other services with the caller's own rights.
    pub(crate) token: SecretString,
}

/// Names and domains of a token.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) user_name: String,
    pub(crate) user_domain_id: String,
    pub(crate) user_domain_name: String,
    pub(crate) project_name: Option<String>,
    pub(crate) project_domain_id: Option<String>,
    /// Domain that the token is good for.
    pub(crate) domain_id: Option<String>,
}

impl Caller {
    #[cfg(test)]
    pub(crate) fn for_tests(user: &str, project: Option<&str>, roles: &[&str]) -> Self {
        Self {
            user_id: user.into(),
            project_id: project.map(ProjectId::from),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            is_system: false,
            names: Arc::default(),
            judge: Judge::default(),
            is_app_cred: false,
            token: SecretString::from("token"),
        }
    }
}
