//! Role assignments: who has which role where.

use serde_json::{Value, json};

use super::model::{Grant, Target};
use super::{
    collection, link, no_route, not_found, require_admin, require_caller, require_domain_admin, role,
};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    require_caller(call)?;
    let (target, rest) = match path {
        ["role_assignments"] if matches!(method, "GET" | "HEAD") => return list(world, call),
        ["projects", id, rest @ ..] => (Target::Project((*id).to_owned()), rest),
        ["domains", id, rest @ ..] => (Target::Domain((*id).to_owned()), rest),
        ["system", rest @ ..] => (Target::System, rest),
        _ => return Err(no_route()),
    };
    let ["users", user_id, "roles", rest @ ..] = rest else {
        return Err(no_route());
    };
    permit(world, call, &target, user_id, method)?;
    match (method, rest) {
        ("GET" | "HEAD", []) => {
            let grants = world
                .keystone
                .grants_of(user_id)
                .filter(|grant| grant.target == target);
            let roles = grants
                .filter_map(|grant| role::render(world, call, &grant.role_id))
                .collect();
            Ok(collection(call, "roles", roles))
        }
        ("PUT", [role_id]) => {
            world
                .keystone
                .grants
                .insert(grant(world, &target, user_id, role_id)?);
            Ok(Reply::empty(204))
        }
        ("GET" | "HEAD", [role_id]) => {
            let wanted = grant(world, &target, user_id, role_id)?;
            if world.keystone.grants.contains(&wanted) {
                Ok(Reply::empty(204))
            } else {
                Err(lacking(&wanted))
            }
        }
        ("DELETE", [role_id]) => {
            let unwanted = grant(world, &target, user_id, role_id)?;
            if !world.keystone.grants.remove(&unwanted) {
                return Err(lacking(&unwanted));
            }
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}

/// Grants on a project are for administrators of the cloud; those on a domain also for its own.
fn permit(world: &World, call: &Call, target: &Target, user_id: &str, method: &str) -> Result<(), Refusal> {
    let policy = match method {
        "PUT" => "create_grant",
        "DELETE" => "revoke_grant",
        "HEAD" => "check_grant",
        _ => "list_grants",
    };
    let users_domain = world
        .keystone
        .users
        .get(user_id)
        .map(|user| user.domain_id.as_str());
    match target {
        Target::Domain(id) if users_domain == Some(id) => require_domain_admin(call, id, policy),
        _ => require_admin(call, policy),
    }
}

fn grant(world: &World, target: &Target, user_id: &str, role_id: &str) -> Result<Grant, Refusal> {
    let keystone = &world.keystone;
    if !keystone.roles.contains_key(role_id) {
        return Err(not_found("role", role_id));
    }
    match target {
        Target::Project(id) if !keystone.projects.contains_key(id) => return Err(not_found("project", id)),
        Target::Domain(id) if !keystone.domains.contains_key(id) => return Err(not_found("domain", id)),
        _ => {}
    }
    if !keystone.users.contains_key(user_id) {
        return Err(not_found("user", user_id));
    }
    Ok(Grant {
        user_id: user_id.to_owned(),
        target: target.clone(),
        role_id: role_id.to_owned(),
    })
}

fn lacking(grant: &Grant) -> Refusal {
    let place = match &grant.target {
        Target::Project(id) | Target::Domain(id) => id.as_str(),
        Target::System => "system",
    };
    let text = format!(
        "Could not find role assignment with role: {}, user or group: {}, project, domain, or system: {place}.",
        grant.role_id, grant.user_id
    );
    Refusal::new(404, "", text)
}

fn list(world: &World, call: &Call) -> Answer {
    let keystone = &world.keystone;
    let own_domain = call.caller.domain_id.clone().unwrap_or_default();
    let own = call.query("user.id") == Some(call.caller.user_id.as_str());
    if !own {
        require_domain_admin(call, &own_domain, "list_role_assignments")?;
    }
    let in_reach = |grant: &Grant| {
        let user = keystone.users.get(&grant.user_id);
        call.caller.is_admin || own || user.is_some_and(|user| user.domain_id == own_domain)
    };
    let with_names = call
        .query("include_names")
        .is_some_and(|value| !matches!(value, "0" | "false" | "False"));
    let effective = call
        .query("effective")
        .is_some_and(|value| !matches!(value, "0" | "false" | "False"));
    let mut found = Vec::new();
    for grant in keystone
        .grants
        .iter()
        .filter(|grant| in_reach(grant) && asked_for(call, grant))
    {
        let roles = if effective {
            keystone.with_implied([grant.role_id.clone()])
        } else {
            [grant.role_id.clone()].into()
        };
        for role_id in roles {
            if call.query("role.id").is_none_or(|wanted| wanted == role_id) {
                found.push(render(
                    world,
                    call,
                    &Grant {
                        role_id,
                        ..grant.clone()
                    },
                    with_names,
                ));
            }
        }
    }
    Ok(collection(call, "role_assignments", found))
}

fn asked_for(call: &Call, grant: &Grant) -> bool {
    let (project, domain) = match &grant.target {
        Target::Project(id) => (Some(id.as_str()), None),
        Target::Domain(id) => (None, Some(id.as_str())),
        Target::System => (None, None),
    };
    call.query("group.id").is_none()
        && call.query("user.id").is_none_or(|wanted| wanted == grant.user_id)
        && call
            .query("scope.project.id")
            .is_none_or(|wanted| Some(wanted) == project)
        && call
            .query("scope.domain.id")
            .is_none_or(|wanted| Some(wanted) == domain)
        && call
            .query("scope.system")
            .is_none_or(|_| grant.target == Target::System)
}

fn render(world: &World, call: &Call, grant: &Grant, with_names: bool) -> Value {
    let keystone = &world.keystone;
    let domain = |id: &str| json!({"id": id, "name": keystone.domains.get(id).map(|domain| &domain.name)});
    let (mut role, mut user) = (json!({"id": grant.role_id}), json!({"id": grant.user_id}));
    let (mut scope, place) = match &grant.target {
        Target::Project(id) => (json!({"project": {"id": id}}), format!("projects/{id}")),
        Target::Domain(id) => (json!({"domain": {"id": id}}), format!("domains/{id}")),
        Target::System => (json!({"system": {"all": true}}), "system".to_owned()),
    };
    if with_names {
        role["name"] = json!(keystone.roles.get(&grant.role_id).map(|role| &role.name));
        if let Some(known) = keystone.users.get(&grant.user_id) {
            user["name"] = json!(known.name);
            user["domain"] = domain(&known.domain_id);
        }
        match &grant.target {
            Target::Project(id) => {
                if let Some(known) = keystone.projects.get(id) {
                    scope["project"]["name"] = json!(known.name);
                    scope["project"]["domain"] = domain(&known.domain_id);
                }
            }
            Target::Domain(id) => scope["domain"] = domain(id),
            Target::System => {}
        }
    }
    let own = link(
        call,
        &format!("{place}/users/{}/roles/{}", grant.user_id, grant.role_id),
    );
    json!({"role": role, "user": user, "scope": scope, "links": {"assignment": own}})
}
