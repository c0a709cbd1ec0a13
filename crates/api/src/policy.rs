//! Who may do what: the rules of Magnum in one table, and their evaluation. A rule that is not in the table is
//! never granted.

use jeroboam_store::Scope;
use jeroboam_types::{ProjectId, UserId};

use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};

macro_rules! actions {
    ($($variant:ident $name:literal $rule:ident;)*) => {
        /// An operation that is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Action { $($variant),* }

        /// Every action with its rule's name and default.
        const TABLE: &[(Action, &str, Rule)] = &[$((Action::$variant, $name, Rule::$rule)),*];
    };
}

actions! {
    ClusterCreate "cluster:create" AdminOrMember;
    ClusterList "cluster:get_all" AdminOrReader;
    ClusterListAllProjects "cluster:get_all_all_projects" Admin;
    ClusterDetail "cluster:detail" AdminOrReader;
    ClusterDetailAllProjects "cluster:detail_all_projects" Admin;
    ClusterShow "cluster:get" AdminOrReader;
    ClusterShowAllProjects "cluster:get_one_all_projects" Admin;
    ClusterDelete "cluster:delete" AdminOrMember;
    ClusterDeleteAllProjects "cluster:delete_all_projects" Admin;
    TemplateCreate "clustertemplate:create" AdminOrMember;
    TemplateList "clustertemplate:get_all" AdminOrReader;
    TemplateListAllProjects "clustertemplate:get_all_all_projects" Admin;
    TemplateDetail "clustertemplate:detail" AdminOrReader;
    TemplateDetailAllProjects "clustertemplate:detail_all_projects" Admin;
    TemplateShow "clustertemplate:get" AdminOrReader;
    TemplateShowAllProjects "clustertemplate:get_one_all_projects" Admin;
    TemplateUpdate "clustertemplate:update" AdminOrMember;
    TemplateUpdateAllProjects "clustertemplate:update_all_projects" Admin;
    TemplateDelete "clustertemplate:delete" AdminOrMember;
    TemplateDeleteAllProjects "clustertemplate:delete_all_projects" Admin;
    TemplatePublish "clustertemplate:publish" Admin;
    CertificateSign "certificate:create" AdminOrMemberUser;
    CertificateShow "certificate:get" AdminOrReaderUser;
    NodeGroupShow "nodegroup:get" AdminOrReader;
    NodeGroupShowAllProjects "nodegroup:get_one_all_projects" Admin;
    NodeGroupList "nodegroup:get_all" AdminOrReader;
    NodeGroupListAllProjects "nodegroup:get_all_all_projects" Admin;
    QuotaShow "quota:get" AdminOrReader;
    QuotaList "quota:get_all" Admin;
    QuotaCreate "quota:create" Admin;
    QuotaUpdate "quota:update" Admin;
    QuotaDelete "quota:delete" Admin;
    StatsShow "stats:get_all" AdminOrReader;
    ServiceList "magnum-service:get_all" Admin;
}

/// Magnum's base rules, as far as the table needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// `context_is_admin`
    Admin,
    /// `admin_or_project_member`
    AdminOrMember,
    /// `admin_or_project_reader`
    AdminOrReader,
    /// `admin_or_project_member_user`
    AdminOrMemberUser,
    /// `admin_or_project_reader_user`
    AdminOrReaderUser,
}

/// Owner of what is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// The caller's own project and user.
    Own,
    /// An object of a project, made by a user.
    Object(&'a ProjectId, &'a UserId),
}

/// Proof of a granted action, with the rows that it reaches.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    /// For the store's functions.
    pub(crate) scope: Scope,
}

impl Action {
    /// The rule's name, as operators write it.
    pub(crate) fn name(self) -> &'static str {
        TABLE
            .iter()
            .find(|(action, ..)| *action == self)
            .map_or("", |(_, name, _)| name)
    }

    /// The rule that an administrator must pass first; without one the action stays in the caller's project.
    fn all_projects(self) -> Option<Self> {
        match self {
            Self::ClusterList => Some(Self::ClusterListAllProjects),
            Self::ClusterDetail => Some(Self::ClusterDetailAllProjects),
            Self::ClusterShow => Some(Self::ClusterShowAllProjects),
            Self::ClusterDelete => Some(Self::ClusterDeleteAllProjects),
            Self::TemplateList => Some(Self::TemplateListAllProjects),
            Self::TemplateDetail => Some(Self::TemplateDetailAllProjects),
            Self::TemplateShow => Some(Self::TemplateShowAllProjects),
            Self::TemplateUpdate => Some(Self::TemplateUpdateAllProjects),
            Self::TemplateDelete => Some(Self::TemplateDeleteAllProjects),
            Self::NodeGroupShow => Some(Self::NodeGroupShowAllProjects),
            Self::NodeGroupList => Some(Self::NodeGroupListAllProjects),
            // Magnum has no such rule for them; an administrator who may read a cluster may have its certificates.
            Self::CertificateShow | Self::CertificateSign => Some(Self::ClusterShowAllProjects),
            _ => None,
        }
    }

    fn is_granted(self, caller: &Caller, target: Target<'_>) -> bool {
        TABLE
            .iter()
            .find(|(action, ..)| *action == self)
            .is_some_and(|(_, _, rule)| rule.holds(caller, target))
    }
}

impl Rule {
    fn holds(self, caller: &Caller, target: Target<'_>) -> bool {
        let in_project = match target {
            Target::Own => true,
            Target::Object(project, _) => caller.project_id.as_ref() == Some(project),
        };
        let is_user = match target {
            Target::Own => true,
            Target::Object(_, user) => caller.user_id == *user,
        };
        let member = caller.has_role("member") && in_project;
        let reader = caller.has_role("reader") && in_project;
        caller.is_admin()
            || match self {
                Self::Admin => false,
                Self::AdminOrMember => member,
                Self::AdminOrReader => reader,
                Self::AdminOrMemberUser => member && is_user,
                Self::AdminOrReaderUser => reader && is_user,
            }
    }
}

impl Caller {
    /// Grants an action or refuses it. A rule may have to ask a server first.
    ///
    /// # Errors
    /// 403 that names the rule.
    pub(crate) async fn may(&self, action: Action, target: Target<'_>) -> ApiResult<Permit> {
        let refused = |action: Action| {
            ApiError::forbidden(format!(
                "Policy does not allow {} to be performed.",
                action.name()
            ))
        };
        if let Some(all) = action.all_projects().filter(|_| self.is_admin())
            && !all.is_granted(self, Target::Own)
        {
            return Err(refused(all));
        }
        if !action.is_granted(self, target) {
            return Err(refused(action));
        }
        Ok(Permit {
            scope: self.reach(action),
        })
    }

    /// Rows that an action would reach if it were granted.
    pub(crate) fn reach(&self, action: Action) -> Scope {
        match &self.project_id {
            _ if self.is_admin() && action.all_projects().is_some() => Scope::All,
            Some(project_id) => Scope::Project {
                project_id: project_id.clone(),
            },
            None => Scope::User {
                user_id: self.user_id.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn may(caller: &Caller, action: Action, target: Target<'_>) -> ApiResult<Permit> {
        caller.may(action, target).now_or_never().unwrap()
    }

    fn caller(roles: &[&str]) -> Caller {
        Caller::for_tests("user", Some("project"), roles)
    }

    #[test]
    fn members_act_in_their_project_and_readers_only_read() {
        let (own, other, user) = ("project".into(), "other".into(), "someone".into());
        let member = caller(&["member", "reader"]);
        assert!(may(&member, Action::ClusterDelete, Target::Object(&own, &user)).is_ok());
        assert!(may(&member, Action::ClusterDelete, Target::Object(&other, &user)).is_err());
        let reader = caller(&["reader"]);
        assert!(may(&reader, Action::ClusterShow, Target::Object(&own, &user)).is_ok());
        assert!(may(&reader, Action::ClusterCreate, Target::Own).is_err());
        assert!(may(&caller(&["manager"]), Action::ClusterList, Target::Own).is_err());
    }

    #[test]
    fn certificates_are_for_the_creator_and_for_administrators() {
        let (own, creator, colleague) = ("project".into(), "user".into(), "colleague".into());
        let member = caller(&["member", "reader"]);
        assert!(may(&member, Action::CertificateSign, Target::Object(&own, &creator)).is_ok());
        assert!(may(&member, Action::CertificateSign, Target::Object(&own, &colleague)).is_err());
        assert!(
            may(
                &caller(&["admin"]),
                Action::CertificateSign,
                Target::Object(&own, &colleague)
            )
            .is_ok()
        );
    }

    #[test]
    fn only_administrators_reach_beyond_their_project() {
        let scope = |roles: &[&str]| {
            may(&caller(roles), Action::ClusterList, Target::Own)
                .unwrap()
                .scope
        };
        assert!(matches!(scope(&["admin"]), Scope::All));
        assert!(matches!(scope(&["reader"]), Scope::Project { .. }));
        let error = may(&caller(&["member"]), Action::ServiceList, Target::Own).unwrap_err();
        let body = format!("{error:?}");
        assert!(body.contains("magnum-service:get_all"), "{body}");
    }
}
