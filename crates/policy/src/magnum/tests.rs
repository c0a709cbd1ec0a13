use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::*;
use crate::parse::parse;
use crate::rules::{Options, Outcome, Rules};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// Rules that a token is granted on an object of project `p` and user `u`.
fn granted(credentials: Value, options: &Options) -> HashSet<&'static str> {
    let rules = Rules::assemble(RULES, &[], options);
    let (credentials, target) = (
        object(credentials),
        object(json!({"project_id": "p", "user_id": "u"})),
    );
    let is_granted = |name: &str| rules.evaluate(name, &target, &credentials, &[]) == Ok(Outcome::Granted);
    RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|name| is_granted(name))
        .collect()
}

#[test]
fn the_table_is_sound() {
    let names: HashSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len(), "a name is there twice");
    for rule in RULES {
        assert_eq!(parse(rule.check).problems, [], "{}", rule.name);
        assert_eq!(
            rule.name.contains(':'),
            !rule.operations.is_empty(),
            "{}",
            rule.name
        );
    }
    let rules = Rules::assemble(RULES, &[], &Options::default());
    assert_eq!((rules.undefined(), rules.cyclic()), (vec![], vec![]));
}

#[test]
fn members_write_readers_read_and_only_administrators_cross_projects() {
    let options = Options::default();
    let member = json!({"roles": ["member", "reader"], "project_id": "p", "user_id": "u"});
    let mut colleague = member.clone();
    colleague["user_id"] = json!("other");
    let member = granted(member, &options);
    assert!(member.contains("cluster:create") && member.contains("certificate:create"));
    assert!(
        !member
            .iter()
            .any(|name| name.ends_with("_all_projects") || *name == "clustertemplate:publish")
    );
    let colleague = granted(colleague, &options);
    assert!(colleague.contains("cluster:delete") && !colleague.contains("certificate:get"));
    let reader = granted(
        json!({"roles": ["reader"], "project_id": "p", "user_id": "u"}),
        &options,
    );
    assert!(reader.contains("cluster:get") && !reader.contains("cluster:create"));
    let stranger = json!({"roles": ["member", "reader"], "project_id": "q", "user_id": "u"});
    // None of them guards anything but together with what a stranger has not.
    let of_anybody = [
        "admin_or_user",
        "admin_or_user_or_cluster_user",
        "deny_cluster_user",
        "is_user",
        "user_or_cluster_user",
    ];
    assert_eq!(granted(stranger, &options), of_anybody.into());
    let admin = granted(
        json!({"roles": ["admin"], "project_id": "q", "is_admin": true}),
        &options,
    );
    assert!(
        RULES
            .iter()
            .filter(|rule| rule.name.contains(':'))
            .all(|rule| admin.contains(rule.name))
    );
}

#[test]
fn managers_reach_the_certificates_of_colleagues() {
    let manager = json!({"roles": ["manager"], "project_id": "p", "user_id": "m"});
    let manager = granted(manager, &Options::default());
    for name in [
        "cluster:create",
        "cluster:get_all",
        "certificate:create",
        "certificate:get",
        "stats:get_all",
    ] {
        assert!(manager.contains(name), "{name}");
    }
    assert!(
        !manager
            .iter()
            .any(|name| name.ends_with("_all_projects") || name.starts_with("quota:c"))
    );
}

#[test]
fn readers_of_the_system_see_everything_and_administrators_of_a_domain_nothing() {
    let reader = json!({"roles": ["reader"], "system_scope": "all", "user_id": "s"});
    let reader = granted(reader, &Options::default());
    assert!(reader.contains("cluster:get_all_all_projects") && reader.contains("magnum-service:get_all"));
    assert!(!reader.contains("cluster:delete") && !reader.contains("cluster:delete_all_projects"));
    let domain = json!({"roles": ["admin", "member", "reader"], "domain_id": "d", "user_id": "a"});
    let granted_to_domain = granted(domain.clone(), &Options::default());
    assert!(
        !granted_to_domain
            .iter()
            .any(|name| name.contains(':') || *name == "context_is_admin")
    );
    let lax = Options {
        enforce_scope: false,
        ..Options::default()
    };
    assert!(granted(domain, &lax).contains("cluster:get_all"));
}

#[test]
fn old_defaults_go_on_to_grant_if_asked_for() {
    let lax = Options {
        enforce_new_defaults: false,
        ..Options::default()
    };
    let roleless = json!({"roles": ["service"], "project_id": "p", "user_id": "u"});
    assert!(granted(roleless.clone(), &lax).contains("cluster:create"));
    assert!(!granted(roleless, &Options::default()).contains("cluster:create"));
}
