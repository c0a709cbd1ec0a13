//! Magnum's rules: the names and defaults of its release 23.0.0, and what is added to them here, marked
//! as such: readers of the whole system, managers of projects, and the `*_all_projects` rules that Magnum forgot.

use crate::rules::{Deprecated, Registered, TokenScope};

/// Tokens of projects, and of the system, which Magnum takes for projects without a name.
const SCOPES: &[TokenScope] = &[TokenScope::Project, TokenScope::System];

const SINCE: &str = "OpenStack 2023.2 (Magnum 17.0.0)";
const REASON: &str = "The API enforces scoped tokens and the default roles reader and member.";

// The odd names, with `rule:` in them, are Magnum's: no override meets them by accident.
const OWNER: Deprecated<'static> = Deprecated {
    name: "rule:admin_or_owner",
    check: "is_admin:True or project_id:%(project_id)s",
    reason: REASON,
    since: SINCE,
};
const USER: Deprecated<'static> = Deprecated {
    name: "rule:admin_or_user",
    check: "((rule:context_is_admin) or (rule:is_user))",
    reason: REASON,
    since: SINCE,
};

const ADMIN: &str = "rule:context_is_admin";
const ADMIN_OR_SYSTEM_READER: &str = "rule:context_is_admin or rule:system_reader";
const MEMBER: &str = "rule:admin_or_project_member or rule:project_manager";
const MEMBER_ONLY: &str = "rule:admin_or_project_member_deny_cluster_user or rule:project_manager";
const READER: &str = "rule:admin_or_project_reader or rule:project_manager or rule:system_reader";
const READER_ONLY: &str =
    "rule:admin_or_project_reader_deny_cluster_user or rule:project_manager or rule:system_reader";

const fn base(name: &'static str, check: &'static str, description: &'static str) -> Registered<'static> {
    Registered {
        name,
        check,
        description,
        operations: &[],
        scopes: &[],
        deprecated: None,
        own: false,
    }
}

const fn api(
    name: &'static str,
    check: &'static str,
    description: &'static str,
    operations: &'static [(&'static str, &'static str)],
) -> Registered<'static> {
    Registered {
        operations,
        scopes: SCOPES,
        ..base(name, check, description)
    }
}

impl Registered<'static> {
    const fn own(self) -> Self {
        Self { own: true, ..self }
    }

    const fn instead_of(self, deprecated: Deprecated<'static>) -> Self {
        Self {
            deprecated: Some(deprecated),
            ..self
        }
    }
}

/// Every rule of the service.
pub const RULES: &[Registered<'static>] = &[
    Registered {
        scopes: SCOPES,
        ..base(
            "context_is_admin",
            "role:admin",
            "Who is an administrator of everything",
        )
    },
    base(
        "admin_or_owner",
        "is_admin:True or project_id:%(project_id)s",
        "Anybody of the project",
    ),
    base(
        "admin_or_user",
        "is_admin:True or user_id:%(user_id)s",
        "The user who made it",
    ),
    base(
        "is_user",
        "user_id:%(user_id)s",
        "The user who made it, and nobody else",
    ),
    base(
        "project_member",
        "role:member and project_id:%(project_id)s",
        "Who works in the project",
    ),
    base(
        "project_reader",
        "role:reader and project_id:%(project_id)s",
        "Who may look into the project",
    ),
    base(
        "admin_or_project_reader",
        "(rule:context_is_admin) or (rule:project_reader)",
        "Administrators, and who may look into the project",
    )
    .instead_of(OWNER),
    base(
        "admin_or_project_member",
        "(rule:context_is_admin) or (rule:project_member)",
        "Administrators, and who works in the project",
    )
    .instead_of(OWNER),
    base(
        "admin_or_project_member_user",
        "(rule:context_is_admin) or ((rule:project_member) and (rule:is_user))",
        "Administrators, and the user who made it if still a member",
    )
    .instead_of(USER),
    base(
        "admin_or_project_member_user_or_cluster_user",
        "(rule:context_is_admin) or ((rule:project_member) and (rule:is_user))",
        "The same; the name is kept from when clusters had users that called back",
    )
    .instead_of(USER),
    base(
        "project_member_deny_cluster_user",
        "(rule:project_member)",
        "Who works in the project; the name is older than the rule",
    )
    .instead_of(OWNER),
    base(
        "admin_or_project_member_deny_cluster_user",
        "(rule:context_is_admin) or (rule:project_member)",
        "Administrators, and who works in the project",
    )
    .instead_of(OWNER),
    base(
        "project_reader_deny_cluster_user",
        "(rule:project_reader)",
        "Who may look into the project; the name is older than the rule",
    )
    .instead_of(OWNER),
    base(
        "admin_or_project_reader_deny_cluster_user",
        "(rule:context_is_admin) or (rule:project_reader)",
        "Administrators, and who may look into the project",
    )
    .instead_of(OWNER),
    base(
        "admin_or_project_reader_user",
        "(rule:context_is_admin) or ((rule:project_reader) and (rule:is_user))",
        "Administrators, and the user who made it if still a reader",
    )
    .instead_of(USER),
    // Names of Magnum up to 2026.1, whose clusters had users that called back: overrides written for it go on to mean
    // what they meant where there are no such users.
    base(
        "cluster_user",
        "user_id:%(trustee_user_id)s",
        "The cluster's own user in Magnum up to 2026.1: nobody here",
    )
    .own(),
    base(
        "deny_cluster_user",
        "not domain_id:%(trustee_domain_id)s",
        "Everybody but users of clusters in Magnum up to 2026.1: everybody here",
    )
    .own(),
    base(
        "user_or_cluster_user",
        "rule:is_user or rule:cluster_user",
        "The user who made it; the name is of Magnum up to 2026.1",
    )
    .own(),
    base(
        "admin_or_user_or_cluster_user",
        "is_admin:True or rule:user_or_cluster_user",
        "Administrators, and the user who made it; the name is of Magnum up to 2026.1",
    )
    .own(),
    base(
        "admin_or_project_member_cluster_user",
        "(rule:context_is_admin) or ((rule:project_member) and (rule:cluster_user))",
        "Administrators; the name is of Magnum up to 2026.1",
    )
    .own(),
    base(
        "system_reader",
        "role:reader and system_scope:all",
        "Who may look at everything",
    )
    .own(),
    base(
        "project_manager",
        "role:manager and project_id:%(project_id)s",
        "Who manages the project: may do what members may, also to what colleagues made",
    )
    .own(),
    api(
        "cluster:create",
        MEMBER_ONLY,
        "Create a cluster",
        &[("POST", "/v1/clusters")],
    ),
    api(
        "cluster:get_all",
        READER_ONLY,
        "List clusters",
        &[("GET", "/v1/clusters")],
    ),
    api(
        "cluster:get_all_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "List the clusters of all projects",
        &[("GET", "/v1/clusters")],
    ),
    api(
        "cluster:detail",
        READER_ONLY,
        "List clusters with their details",
        &[("GET", "/v1/clusters/detail")],
    ),
    api(
        "cluster:detail_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "List the clusters of all projects with their details",
        &[("GET", "/v1/clusters/detail")],
    ),
    api(
        "cluster:get",
        READER_ONLY,
        "Show a cluster, and how far its operation is",
        &[
            ("GET", "/v1/clusters/{cluster}"),
            ("GET", "/v1/clusters/{cluster}/steps"),
        ],
    ),
    api(
        "cluster:get_one_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "Show a cluster of any project",
        &[
            ("GET", "/v1/clusters/{cluster}"),
            ("GET", "/v1/clusters/{cluster}/steps"),
        ],
    ),
    api(
        "cluster:update",
        MEMBER_ONLY,
        "Change a cluster",
        &[("PATCH", "/v1/clusters/{cluster}")],
    ),
    api(
        "cluster:update_health_status",
        "rule:admin_or_project_member_user_or_cluster_user or rule:project_manager",
        "Report the health of a cluster",
        &[("PATCH", "/v1/clusters/{cluster}")],
    ),
    api(
        "cluster:update_all_projects",
        ADMIN,
        "Change a cluster of any project",
        &[("PATCH", "/v1/clusters/{cluster}")],
    ),
    api(
        "cluster:delete",
        MEMBER_ONLY,
        "Delete a cluster",
        &[("DELETE", "/v1/clusters/{cluster}")],
    ),
    api(
        "cluster:delete_all_projects",
        ADMIN,
        "Delete a cluster of any project",
        &[("DELETE", "/v1/clusters/{cluster}")],
    ),
    api(
        "cluster:resize",
        MEMBER_ONLY,
        "Resize a cluster",
        &[("POST", "/v1/clusters/{cluster}/actions/resize")],
    ),
    api(
        "cluster:resize_all_projects",
        ADMIN,
        "Resize a cluster of any project",
        &[("POST", "/v1/clusters/{cluster}/actions/resize")],
    )
    .own(),
    api(
        "cluster:upgrade",
        MEMBER_ONLY,
        "Upgrade a cluster",
        &[("POST", "/v1/clusters/{cluster}/actions/upgrade")],
    ),
    api(
        "cluster:upgrade_all_projects",
        ADMIN,
        "Upgrade a cluster of any project",
        &[("POST", "/v1/clusters/{cluster}/actions/upgrade")],
    ),
    api(
        "clustertemplate:create",
        MEMBER_ONLY,
        "Create a template",
        &[("POST", "/v1/clustertemplates")],
    ),
    api(
        "clustertemplate:get_all",
        READER_ONLY,
        "List templates",
        &[("GET", "/v1/clustertemplates")],
    ),
    api(
        "clustertemplate:get_all_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "List the templates of all projects",
        &[("GET", "/v1/clustertemplates")],
    ),
    api(
        "clustertemplate:detail",
        READER_ONLY,
        "List templates with their details",
        &[("GET", "/v1/clustertemplates/detail")],
    ),
    api(
        "clustertemplate:detail_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "List the templates of all projects with their details",
        &[("GET", "/v1/clustertemplates/detail")],
    ),
    api(
        "clustertemplate:get",
        READER_ONLY,
        "Show a template that is not public",
        &[("GET", "/v1/clustertemplates/{clustertemplate}")],
    ),
    api(
        "clustertemplate:get_one_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "Show a template of any project",
        &[("GET", "/v1/clustertemplates/{clustertemplate}")],
    ),
    api(
        "clustertemplate:update",
        MEMBER,
        "Change a template",
        &[("PATCH", "/v1/clustertemplates/{clustertemplate}")],
    ),
    api(
        "clustertemplate:update_all_projects",
        ADMIN,
        "Change a template of any project",
        &[("PATCH", "/v1/clustertemplates/{clustertemplate}")],
    ),
    api(
        "clustertemplate:delete",
        MEMBER,
        "Delete a template",
        &[("DELETE", "/v1/clustertemplates/{clustertemplate}")],
    ),
    api(
        "clustertemplate:delete_all_projects",
        ADMIN,
        "Delete a template of any project",
        &[("DELETE", "/v1/clustertemplates/{clustertemplate}")],
    ),
    api(
        "clustertemplate:publish",
        ADMIN,
        "Make a template public or hidden",
        &[
            ("POST", "/v1/clustertemplates"),
            ("PATCH", "/v1/clustertemplates/{clustertemplate}"),
        ],
    ),
    api(
        "certificate:create",
        "rule:admin_or_project_member_user or rule:project_manager",
        "Have a certificate signed by a cluster's authority",
        &[("POST", "/v1/certificates")],
    ),
    api(
        "certificate:create_all_projects",
        ADMIN,
        "Have a certificate signed by the authority of a cluster of any project",
        &[("POST", "/v1/certificates")],
    )
    .own(),
    api(
        "certificate:get",
        "rule:admin_or_project_reader_user or rule:project_manager",
        "Show the certificate of a cluster's authority",
        &[("GET", "/v1/certificates/{cluster}")],
    ),
    api(
        "certificate:get_one_all_projects",
        ADMIN,
        "Show the certificate of the authority of a cluster of any project",
        &[("GET", "/v1/certificates/{cluster}")],
    )
    .own(),
    api(
        "certificate:rotate_ca",
        MEMBER,
        "Replace a cluster's certificate authorities",
        &[("PATCH", "/v1/certificates/{cluster}")],
    ),
    api(
        "certificate:rotate_ca_all_projects",
        ADMIN,
        "Replace the certificate authorities of a cluster of any project",
        &[("PATCH", "/v1/certificates/{cluster}")],
    )
    .own(),
    // Magnum leaves administrators out, who may do anything else to a cluster.
    api(
        "credential:rotate",
        "rule:context_is_admin or rule:project_member_deny_cluster_user or rule:project_manager",
        "Replace a cluster's credentials of the cloud",
        &[("PATCH", "/v1/credentials/{cluster}")],
    ),
    api(
        "credential:rotate_all_projects",
        ADMIN,
        "Replace the credentials of a cluster of any project",
        &[("PATCH", "/v1/credentials/{cluster}")],
    )
    .own(),
    api(
        "nodegroup:get",
        READER,
        "Show a node group",
        &[("GET", "/v1/clusters/{cluster}/nodegroups/{nodegroup}")],
    ),
    api(
        "nodegroup:get_one_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "Show a node group of a cluster of any project",
        &[("GET", "/v1/clusters/{cluster}/nodegroups/{nodegroup}")],
    ),
    api(
        "nodegroup:get_all",
        READER,
        "List the node groups of a cluster",
        &[("GET", "/v1/clusters/{cluster}/nodegroups")],
    ),
    api(
        "nodegroup:get_all_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "List the node groups of a cluster of any project",
        &[("GET", "/v1/clusters/{cluster}/nodegroups")],
    ),
    api(
        "nodegroup:create",
        MEMBER,
        "Add a node group to a cluster",
        &[("POST", "/v1/clusters/{cluster}/nodegroups")],
    ),
    api(
        "nodegroup:create_all_projects",
        ADMIN,
        "Add a node group to a cluster of any project",
        &[("POST", "/v1/clusters/{cluster}/nodegroups")],
    )
    .own(),
    api(
        "nodegroup:update",
        MEMBER,
        "Change a node group",
        &[("PATCH", "/v1/clusters/{cluster}/nodegroups/{nodegroup}")],
    ),
    api(
        "nodegroup:update_all_projects",
        ADMIN,
        "Change a node group of a cluster of any project",
        &[("PATCH", "/v1/clusters/{cluster}/nodegroups/{nodegroup}")],
    )
    .own(),
    api(
        "nodegroup:delete",
        MEMBER,
        "Delete a node group",
        &[("DELETE", "/v1/clusters/{cluster}/nodegroups/{nodegroup}")],
    ),
    api(
        "nodegroup:delete_all_projects",
        ADMIN,
        "Delete a node group of a cluster of any project",
        &[("DELETE", "/v1/clusters/{cluster}/nodegroups/{nodegroup}")],
    )
    .own(),
    api(
        "quota:get",
        READER,
        "Show a quota of a project",
        &[("GET", "/v1/quotas/{project}/{resource}")],
    ),
    api(
        "quota:get_all",
        ADMIN_OR_SYSTEM_READER,
        "List quotas",
        &[("GET", "/v1/quotas")],
    ),
    api(
        "quota:create",
        ADMIN,
        "Set a quota of a project",
        &[("POST", "/v1/quotas")],
    ),
    api(
        "quota:update",
        ADMIN,
        "Change a quota of a project",
        &[("PATCH", "/v1/quotas/{project}/{resource}")],
    ),
    api(
        "quota:delete",
        ADMIN,
        "Delete a quota of a project",
        &[("DELETE", "/v1/quotas/{project}/{resource}")],
    ),
    api(
        "stats:get_all",
        READER,
        "Count clusters and nodes",
        &[("GET", "/v1/stats")],
    ),
    api(
        "stats:get_all_all_projects",
        ADMIN_OR_SYSTEM_READER,
        "Count the clusters and nodes of all projects",
        &[("GET", "/v1/stats")],
    )
    .own(),
    api(
        "magnum-service:get_all",
        ADMIN_OR_SYSTEM_READER,
        "List the processes of the service",
        &[("GET", "/v1/mservices")],
    ),
    api(
        "federation:create",
        MEMBER_ONLY,
        "Create a federation (not implemented)",
        &[("POST", "/v1/federations")],
    ),
    api(
        "federation:delete",
        MEMBER_ONLY,
        "Delete a federation (not implemented)",
        &[("DELETE", "/v1/federations/{federation}")],
    ),
    api(
        "federation:detail",
        READER_ONLY,
        "List federations with their details (not implemented)",
        &[("GET", "/v1/federations/detail")],
    ),
    api(
        "federation:get",
        READER_ONLY,
        "Show a federation (not implemented)",
        &[("GET", "/v1/federations/{federation}")],
    ),
    api(
        "federation:get_all",
        READER_ONLY,
        "List federations (not implemented)",
        &[("GET", "/v1/federations")],
    ),
    api(
        "federation:update",
        MEMBER_ONLY,
        "Change a federation (not implemented)",
        &[("PATCH", "/v1/federations/{federation}")],
    ),
];

#[cfg(test)]
mod tests;
