//! Who may do what. Each operation has a name that operators write rules for; what the rules say is up to
//! [`rulebook`]. A handler gets at rows only with a [`Permit`], which only [`Caller::may`] gives.

pub(crate) mod rulebook;
pub(crate) mod servers;

use std::sync::Arc;

use jeroboam_policy::{Attribute, Attributes, Refusal, Rules};
use jeroboam_store::Scope;
use jeroboam_types::{ProjectId, UserId};
use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::policy::servers::Servers;

macro_rules! actions {
    ($($variant:ident $name:literal;)*) => {
        /// An operation that is asked for. Its default is in the table of the policy crate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(dead_code, reason = "rules that operators know are here before the routes that they guard")]
        pub(crate) enum Action { $($variant),* }

        impl Action {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The rule's name, as operators write it.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

actions! {
    ClusterCreate "cluster:create";
    ClusterList "cluster:get_all";
    ClusterListAllProjects "cluster:get_all_all_projects";
    ClusterDetail "cluster:detail";
    ClusterDetailAllProjects "cluster:detail_all_projects";
    ClusterShow "cluster:get";
    ClusterShowAllProjects "cluster:get_one_all_projects";
    ClusterUpdate "cluster:update";
    ClusterUpdateHealth "cluster:update_health_status";
    ClusterUpdateAllProjects "cluster:update_all_projects";
    ClusterDelete "cluster:delete";
    ClusterDeleteAllProjects "cluster:delete_all_projects";
    ClusterResize "cluster:resize";
    ClusterResizeAllProjects "cluster:resize_all_projects";
    ClusterUpgrade "cluster:upgrade";
    ClusterUpgradeAllProjects "cluster:upgrade_all_projects";
    TemplateCreate "clustertemplate:create";
    TemplateList "clustertemplate:get_all";
    TemplateListAllProjects "clustertemplate:get_all_all_projects";
    TemplateDetail "clustertemplate:detail";
    TemplateDetailAllProjects "clustertemplate:detail_all_projects";
    TemplateShow "clustertemplate:get";
    TemplateShowAllProjects "clustertemplate:get_one_all_projects";
    TemplateUpdate "clustertemplate:update";
    TemplateUpdateAllProjects "clustertemplate:update_all_projects";
    TemplateDelete "clustertemplate:delete";
    TemplateDeleteAllProjects "clustertemplate:delete_all_projects";
    TemplatePublish "clustertemplate:publish";
    CertificateSign "certificate:create";
    CertificateSignAllProjects "certificate:create_all_projects";
    CertificateShow "certificate:get";
    CertificateShowAllProjects "certificate:get_one_all_projects";
    CertificateRotate "certificate:rotate_ca";
    CertificateRotateAllProjects "certificate:rotate_ca_all_projects";
    CredentialRotate "credential:rotate";
    CredentialRotateAllProjects "credential:rotate_all_projects";
    NodeGroupShow "nodegroup:get";
    NodeGroupShowAllProjects "nodegroup:get_one_all_projects";
    NodeGroupList "nodegroup:get_all";
    NodeGroupListAllProjects "nodegroup:get_all_all_projects";
    NodeGroupCreate "nodegroup:create";
    NodeGroupCreateAllProjects "nodegroup:create_all_projects";
    NodeGroupUpdate "nodegroup:update";
    NodeGroupUpdateAllProjects "nodegroup:update_all_projects";
    NodeGroupDelete "nodegroup:delete";
    NodeGroupDeleteAllProjects "nodegroup:delete_all_projects";
    QuotaShow "quota:get";
    QuotaList "quota:get_all";
    QuotaCreate "quota:create";
    QuotaUpdate "quota:update";
    QuotaDelete "quota:delete";
    StatsShow "stats:get_all";
    StatsShowAllProjects "stats:get_all_all_projects";
    ServiceList "magnum-service:get_all";
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

/// The rules as they are while one request is answered. Without any nothing is granted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    rules: Arc<Rules>,
    servers: Arc<Servers>,
    /// What the rule `context_is_admin` says of the caller.
    is_admin: bool,
}

impl Action {
    /// The rule that who sees beyond projects must pass first; without one the action stays in the caller's project.
    fn all_projects(self) -> Option<Self> {
        match self {
            Self::ClusterList => Some(Self::ClusterListAllProjects),
            Self::ClusterDetail => Some(Self::ClusterDetailAllProjects),
            Self::ClusterShow => Some(Self::ClusterShowAllProjects),
            Self::ClusterUpdate | Self::ClusterUpdateHealth => Some(Self::ClusterUpdateAllProjects),
            Self::ClusterDelete => Some(Self::ClusterDeleteAllProjects),
            Self::ClusterResize => Some(Self::ClusterResizeAllProjects),
            Self::ClusterUpgrade => Some(Self::ClusterUpgradeAllProjects),
            Self::TemplateList => Some(Self::TemplateListAllProjects),
            Self::TemplateDetail => Some(Self::TemplateDetailAllProjects),
            Self::TemplateShow => Some(Self::TemplateShowAllProjects),
            Self::TemplateUpdate => Some(Self::TemplateUpdateAllProjects),
            Self::TemplateDelete => Some(Self::TemplateDeleteAllProjects),
            Self::CertificateSign => Some(Self::CertificateSignAllProjects),
            Self::CertificateShow => Some(Self::CertificateShowAllProjects),
            Self::CertificateRotate => Some(Self::CertificateRotateAllProjects),
            Self::CredentialRotate => Some(Self::CredentialRotateAllProjects),
            Self::NodeGroupShow => Some(Self::NodeGroupShowAllProjects),
            Self::NodeGroupList => Some(Self::NodeGroupListAllProjects),
            Self::NodeGroupCreate => Some(Self::NodeGroupCreateAllProjects),
            Self::NodeGroupUpdate => Some(Self::NodeGroupUpdateAllProjects),
            Self::NodeGroupDelete => Some(Self::NodeGroupDeleteAllProjects),
            Self::StatsShow => Some(Self::StatsShowAllProjects),
            _ => None,
        }
    }
}

impl Caller {
    /// The same caller before the rules of this moment.
    pub(crate) async fn before(mut self, rules: Arc<Rules>, servers: Arc<Servers>) -> Self {
        self.judge = Judge {
            rules,
            servers,
            is_admin: false,
        };
        let judged = self.enforce("context_is_admin", Target::Own).await;
        self.judge.is_admin = judged.is_ok();
        self
    }

    /// Grants an action or refuses it. A rule may have to ask a server first.
    ///
    /// # Errors
    /// 403 that names the rule.
    pub(crate) async fn may(&self, action: Action, target: Target<'_>) -> ApiResult<Permit> {
        let all_projects = action.all_projects().filter(|_| self.sees_all_projects());
        for (action, target) in all_projects
            .map(|all| (all, Target::Own))
            .into_iter()
            .chain([(action, target)])
        {
            self.enforce(action.name(), target).await.map_err(|refusal| {
                let error = ApiError::forbidden(format!(
                    "Policy does not allow {} to be performed.",
                    action.name()
                ));
                match refusal {
                    Refusal::Denied => error,
                    other => error.because(other),
                }
            })?;
        }
        Ok(Permit {
            scope: self.reach(action),
        })
    }

    /// Rows that an action would reach if it were granted.
    pub(crate) fn reach(&self, action: Action) -> Scope {
        match &self.project_id {
            _ if self.sees_all_projects() && action.all_projects().is_some() => Scope::All,
            Some(project_id) => Scope::Project {
                project_id: project_id.clone(),
            },
            None => Scope::User {
                user_id: self.user_id.clone(),
            },
        }
    }

    /// `context_is_admin`
    pub(crate) fn is_admin(&self) -> bool {
        self.judge.is_admin
    }

    /// Administrators, and tokens of the whole system, which have no project to stay in.
    pub(crate) fn sees_all_projects(&self) -> bool {
        self.judge.is_admin || self.is_system
    }

    async fn enforce(&self, rule: &str, target: Target<'_>) -> Result<(), Refusal> {
        let target = Asked { caller: self, target };
        self.judge
            .rules
            .enforce(rule, &target, self, self.judge.servers.as_ref())
            .await
    }
}

/// The credentials, by the names that rules use.
impl Attributes for Caller {
    fn find(&self, name: &str) -> Option<Attribute<'_>> {
        let names = &self.names;
        match name {
            "roles" => Some(Attribute::Texts(&self.roles)),
            "user_id" => Some(Attribute::Text(self.user_id.as_str())),
            "project_id" => Some(optional(self.project_id.as_ref().map(ProjectId::as_str))),
            "is_admin" => Some(Attribute::Bool(self.judge.is_admin)),
            "system_scope" => Some(optional(self.is_system.then_some("all"))),
            "domain_id" => Some(optional(names.domain_id.as_deref())),
            "user_name" => Some(Attribute::Text(&names.user_name)),
            "user_domain_id" => Some(Attribute::Text(&names.user_domain_id)),
            "user_domain_name" => Some(Attribute::Text(&names.user_domain_name)),
            "project_name" => Some(optional(names.project_name.as_deref())),
            "project_domain_id" => Some(optional(names.project_domain_id.as_deref())),
            "read_only" | "show_deleted" | "all_tenants" => Some(Attribute::Bool(false)),
            _ => None,
        }
    }

    fn to_json(&self) -> Map<String, Value> {
        const NAMES: [&str; 14] = [
            "roles",
            "user_id",
            "project_id",
            "is_admin",
            "system_scope",
            "domain_id",
            "user_name",
            "user_domain_id",
            "user_domain_name",
            "project_name",
            "project_domain_id",
            "read_only",
            "show_deleted",
            "all_tenants",
        ];
        json_of(self, &NAMES)
    }
}

/// A target as rules see it. What a caller without a project asks for has none either, so that it matches no rule.
struct Asked<'a> {
    caller: &'a Caller,
    target: Target<'a>,
}

impl Attributes for Asked<'_> {
    fn find(&self, name: &str) -> Option<Attribute<'_>> {
        let (project, user) = match self.target {
            Target::Own => (self.caller.project_id.as_ref(), &self.caller.user_id),
            Target::Object(project, user) => (Some(project), user),
        };
        match name {
            "project_id" => project.map(|project| Attribute::Text(project.as_str())),
            "user_id" => Some(Attribute::Text(user.as_str())),
            _ => None,
        }
    }

    fn to_json(&self) -> Map<String, Value> {
        json_of(self, &["project_id", "user_id"])
    }
}

fn optional(text: Option<&str>) -> Attribute<'_> {
    text.map_or(Attribute::None, Attribute::Text)
}

fn json_of(attributes: &dyn Attributes, names: &[&str]) -> Map<String, Value> {
    let value = |attribute: Attribute<'_>| match attribute {
        Attribute::None => Value::Null,
        Attribute::Bool(truth) => Value::from(truth),
        Attribute::Text(text) => Value::from(text),
        Attribute::Texts(texts) => Value::from(texts),
        Attribute::Json(value) => value.clone(),
    };
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), value(attributes.find(name)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use jeroboam_policy::{Options, magnum};

    use super::*;

    fn may(caller: &Caller, action: Action, target: Target<'_>) -> ApiResult<Permit> {
        caller.may(action, target).now_or_never().unwrap()
    }

    fn judged(caller: Caller) -> Caller {
        let rules = Rules::assemble(magnum::RULES, &[], &Options::default());
        caller
            .before(Arc::new(rules), Arc::default())
            .now_or_never()
            .unwrap()
    }

    fn caller(roles: &[&str]) -> Caller {
        judged(Caller::for_tests("user", Some("project"), roles))
    }

    #[test]
    fn every_action_has_a_rule() {
        for action in Action::ALL {
            let known = magnum::RULES.iter().any(|rule| rule.name == action.name());
            assert!(known, "{}", action.name());
        }
        // Rules that operators may write but that guard nothing would be a trap.
        for rule in magnum::RULES {
            let guards = Action::ALL.iter().any(|action| action.name() == rule.name);
            let is_stub = rule.name.starts_with("federation:");
            assert_eq!(guards, !rule.operations.is_empty() && !is_stub, "{}", rule.name);
        }
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
        assert!(may(&caller(&["manager"]), Action::ClusterList, Target::Own).is_ok());
    }

    #[test]
    fn rules_of_older_releases_mean_the_same_where_clusters_have_no_users() {
        let grants = |name: &str, caller: &Caller, target: Target<'_>| {
            let asked = caller.enforce(name, target).now_or_never();
            asked.unwrap().is_ok()
        };
        let (own, creator, colleague) = ("project".into(), "user".into(), "colleague".into());
        let (mine, theirs) = (Target::Object(&own, &creator), Target::Object(&own, &colleague));
        let (member, admin) = (caller(&["member"]), caller(&["admin"]));
        for (name, of_mine, of_theirs, of_admin) in [
            ("cluster_user", false, false, false),
            ("deny_cluster_user", true, true, true),
            ("user_or_cluster_user", true, false, false),
            ("admin_or_user_or_cluster_user", true, false, true),
            ("admin_or_project_member_cluster_user", false, false, true),
        ] {
            assert_eq!(grants(name, &member, mine), of_mine, "{name}");
            assert_eq!(grants(name, &member, theirs), of_theirs, "{name}");
            assert_eq!(grants(name, &admin, theirs), of_admin, "{name}");
        }
    }

    #[test]
    fn certificates_are_for_the_creator_for_managers_and_for_administrators() {
        let (own, creator, colleague) = ("project".into(), "user".into(), "colleague".into());
        let member = caller(&["member", "reader"]);
        assert!(may(&member, Action::CertificateSign, Target::Object(&own, &creator)).is_ok());
        let of_colleague = Target::Object(&own, &colleague);
        assert!(may(&member, Action::CertificateSign, of_colleague).is_err());
        for role in ["manager", "admin"] {
            assert!(may(&caller(&[role]), Action::CertificateSign, of_colleague).is_ok());
        }
    }

    #[test]
    fn only_administrators_and_the_system_reach_beyond_their_project() {
        let scope =
            |caller: &Caller| may(caller, Action::ClusterList, Target::Own).map(|permit| permit.scope);
        assert!(matches!(scope(&caller(&["admin"])), Ok(Scope::All)));
        assert!(matches!(scope(&caller(&["reader"])), Ok(Scope::Project { .. })));
        let mut system = Caller::for_tests("auditor", None, &["reader"]);
        system.is_system = true;
        let system = judged(system);
        assert!(matches!(scope(&system), Ok(Scope::All)));
        assert!(may(&system, Action::ClusterDelete, Target::Own).is_err());
        let error = may(&caller(&["member"]), Action::ServiceList, Target::Own).unwrap_err();
        let body = format!("{error:?}");
        assert!(body.contains("magnum-service:get_all"), "{body}");
    }

    #[test]
    fn without_a_project_nothing_is_ones_own() {
        let nobody = judged(Caller::for_tests("user", None, &["member", "reader"]));
        assert!(may(&nobody, Action::ClusterList, Target::Own).is_err());
        let unjudged = Caller::for_tests("user", Some("project"), &["admin", "member", "reader"]);
        assert!(may(&unjudged, Action::ClusterList, Target::Own).is_err());
    }
}
