//! Looking at tokens: validation, revocation, and the caller of every other service.

use serde_json::{Value, json};

use super::directory::{Flaw, Standing};
use super::model::{Scope, Target, Token};
use super::{
    catalog, collection, forbidden, link, no_route, not_found, project, require_caller, role, unauthorized,
};
use crate::call::{Answer, Call, Caller, Refusal, Reply};
use crate::clock;
use crate::world::World;

/// True for a token whose trust does not carry it any more: Keystone answers its bearer with 403, not 401.
pub(crate) fn is_of_broken_trust(world: &World, token_id: &str) -> bool {
    let token = world.keystone.tokens.get(token_id);
    token.is_some_and(|token| world.keystone.standing(token, world.now_ms).err() == Some(Flaw::Trust))
}

/// Who bears this token; `None` when it is not valid now.
pub fn caller(world: &World, token_id: &str) -> Option<Caller> {
    let token = world.keystone.tokens.get(token_id)?;
    let standing = world.keystone.standing(token, world.now_ms).ok()?;
    let roles = role_names(world, &standing);
    let whole_cloud = standing.project_id.is_some() || token.scope == Scope::System;
    Some(Caller {
        is_admin: whole_cloud && roles.iter().any(|role| role == "admin"),
        user_domain_id: world.keystone.users.get(&standing.user_id)?.domain_id.clone(),
        user_id: standing.user_id,
        project_id: standing.project_id,
        domain_id: standing.domain_id,
        roles,
        token: Some(token_id.to_owned()),
    })
}

/// GET, HEAD and DELETE of /auth/tokens, and what a token may see of itself.
pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    require_caller(call)?;
    match (method, path) {
        ("GET", ["tokens"]) => {
            let (id, token) = subject(world, call)?;
            let with_catalog = call.query("nocatalog").is_none();
            let body = render(world, call, token, with_catalog).ok_or_else(failed_to_validate)?;
            Ok(Reply::json(200, body).with_header("x-subject-token", id))
        }
        ("DELETE", ["tokens"]) => {
            let id = subject(world, call)?.0;
            if let Some(token) = world.keystone.tokens.get_mut(&id) {
                token.revoked = true;
            }
            Ok(Reply::empty(204))
        }
        ("GET", ["catalog"]) => {
            let project = call.caller.project_id.as_deref();
            let own = link(call, "auth/catalog");
            let body = json!({"catalog": catalog::render(world, call, project),
                "links": {"self": own}});
            Ok(Reply::json(200, body))
        }
        ("GET", ["projects"]) => {
            let grants = world.keystone.grants_of(&call.caller.user_id);
            let mut ids: Vec<&String> = grants
                .filter_map(|grant| match &grant.target {
                    Target::Project(id) if world.keystone.project_is_open(id) => Some(id),
                    _ => None,
                })
                .collect();
            ids.sort();
            ids.dedup();
            let all = ids
                .into_iter()
                .filter_map(|id| project::render(world, call, id))
                .collect();
            Ok(collection(call, "projects", all))
        }
        ("GET", ["domains"]) => {
            let grants = world.keystone.grants_of(&call.caller.user_id);
            let mut ids: Vec<&String> = grants
                .filter_map(|grant| match &grant.target {
                    Target::Domain(id) if world.keystone.domain_is_open(id) => Some(id),
                    _ => None,
                })
                .collect();
            ids.sort();
            ids.dedup();
            let all = ids
                .into_iter()
                .filter_map(|id| project::render_domain(world, call, id))
                .collect();
            Ok(collection(call, "domains", all))
        }
        ("GET", ["system"]) => {
            let mut grants = world.keystone.grants_of(&call.caller.user_id);
            let has = grants.any(|grant| grant.target == Target::System);
            let all = if has {
                vec![json!({"all": true})]
            } else {
                Vec::new()
            };
            Ok(Reply::json(
                200,
                json!({"system": all, "links": {"self": link(call, "auth/system")}}),
            ))
        }
        _ => Err(no_route()),
    }
}

/// The token of `X-Subject-Token`. Policies let a token look at itself, and services at any.
fn subject<'a>(world: &'a World, call: &Call) -> Result<(String, &'a Token), Refusal> {
    let id = call.headers.get("x-subject-token").cloned().unwrap_or_default();
    let may = call.caller.token.as_deref() == Some(&id)
        || call
            .caller
            .roles
            .iter()
            .any(|role| role == "admin" || role == "service");
    if id.is_empty() {
        return Err(Refusal::new(404, "", "No token in the request"));
    }
    let token = world.keystone.tokens.get(&id).ok_or_else(unrecognized)?;
    let same_user = token.user_id == call.caller.user_id;
    if !may && !same_user {
        return Err(super::forbidden_action("identity:validate_token"));
    }
    let rules = token.application_credential_id.as_ref().and_then(|id| {
        world
            .keystone
            .application_credentials
            .get(id)?
            .access_rules
            .as_ref()
    });
    // A service that does not know of access rules would ignore them.
    if rules.is_some() && !call.headers.contains_key("openstack-identity-access-rules") {
        return Err(unauthorized());
    }
    match world.keystone.standing(token, moment(world, call, token)) {
        Ok(_) => Ok((id, token)),
        Err(Flaw::Invalid) => Err(what_is_gone(world, token).unwrap_or_else(failed_to_validate)),
        Err(Flaw::Baseless) => Err(not_found("token", &id)),
        Err(Flaw::Trust) => Err(forbidden()),
    }
}

/// The moment at which a token is looked at: before its end, for who may see expired ones, for two days.
fn moment(world: &World, call: &Call, token: &Token) -> i64 {
    const WINDOW_MS: i64 = 2 * 24 * 3600 * 1000;
    let shown = call.query("allow_expired").is_some_and(|value| value != "0");
    match shown && world.now_ms < token.expires_ms.saturating_add(WINDOW_MS) {
        true => world.now_ms.min(token.expires_ms - 1),
        false => world.now_ms,
    }
}

/// 404 for what is no token of this Keystone.
pub(super) fn unrecognized() -> Refusal {
    Refusal::new(404, "", "Could not recognize Fernet token")
}

/// Tells of a user or trust that no longer exists: Keystone comes upon it before it finds the token invalid.
fn what_is_gone(world: &World, token: &Token) -> Option<Refusal> {
    if !world.keystone.users.contains_key(&token.user_id) {
        return Some(not_found("user", &token.user_id));
    }
    match &token.scope {
        Scope::Trust(id) if !world.keystone.trusts.contains_key(id) => Some(not_found("trust", id)),
        _ => None,
    }
}

fn failed_to_validate() -> Refusal {
    Refusal::new(404, "", "Failed to validate token")
}

fn role_names(world: &World, standing: &Standing) -> Vec<String> {
    let roles = standing
        .roles
        .iter()
        .filter_map(|id| world.keystone.roles.get(id));
    roles.map(|role| role.name.clone()).collect()
}

/// The body of a token; `None` when it is not valid.
pub(super) fn render(world: &World, call: &Call, token: &Token, with_catalog: bool) -> Option<Value> {
    let keystone = &world.keystone;
    let standing = keystone.standing(token, moment(world, call, token)).ok()?;
    let domain = |id: &String| {
        keystone
            .domains
            .get(id)
            .map(|domain| json!({"id": id, "name": domain.name}))
    };
    let user = keystone.users.get(&standing.user_id)?;
    let mut body = json!({
        "methods": token.methods,
        "user": {"domain": domain(&user.domain_id)?, "id": standing.user_id, "name": user.name,
            "password_expires_at": null},
        "audit_ids": token.audit_ids,
        "expires_at": clock::micros(token.expires_ms),
        "issued_at": clock::micros(token.issued_ms),
    });
    if token.scope != Scope::Unscoped {
        let roles = standing
            .roles
            .iter()
            .filter_map(|id| Some((id, &keystone.roles.get(id)?.name)));
        body["roles"] = roles.map(|(id, name)| json!({"id": id, "name": name})).collect();
    }
    if let Some(id) = &standing.project_id {
        let project = keystone.projects.get(id)?;
        body["project"] = json!({"domain": domain(&project.domain_id)?, "id": id, "name": project.name});
        if !matches!(token.scope, Scope::Trust(_)) {
            body["is_domain"] = json!(false);
        }
    }
    if let Some(id) = &standing.domain_id {
        body["domain"] = domain(id)?;
    }
    match &token.scope {
        Scope::System => body["system"] = json!({"all": true}),
        Scope::Trust(id) => {
            let trust = keystone.trusts.get(id)?;
            body["OS-TRUST:trust"] = json!({"id": id, "impersonation": trust.impersonation,
                "trustor_user": {"id": trust.trustor_user_id}, "trustee_user": {"id": trust.trustee_user_id}});
            body["roles"] = standing
                .roles
                .iter()
                .filter_map(|role| role::outline(world, role))
                .collect();
        }
        _ => {}
    }
    if let Some(id) = &token.application_credential_id {
        let credential = keystone.application_credentials.get(id)?;
        body["application_credential"] =
            json!({"id": id, "name": credential.name, "restricted": !credential.unrestricted});
        if let Some(rules) = &credential.access_rules {
            body["application_credential"]["access_rules"] = json!(rules);
        }
    }
    if with_catalog && token.scope != Scope::Unscoped {
        body["catalog"] = catalog::render(world, call, standing.project_id.as_deref());
    }
    Some(json!({"token": body}))
}

/// The caller's own token record.
pub(super) fn own<'a>(world: &'a World, call: &Call) -> Result<&'a Token, Refusal> {
    let id = call.caller.token.as_deref().ok_or_else(unauthorized)?;
    world.keystone.tokens.get(id).ok_or_else(unauthorized)
}
