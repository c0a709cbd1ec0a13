//! Trusts: OS-TRUST.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::model::{Scope, Target, Trust};
use super::{
    collection, forbidden, forbidden_action, link, missing, no_route, not_found, require_admin,
    require_caller, resource, role, text, token, wrong_method,
};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::clock;
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    require_caller(call)?;
    match (method, path) {
        ("POST", []) => create(world, call),
        ("GET", []) => list(world, call),
        ("GET", [id]) => {
            let trust = world
                .keystone
                .trusts
                .get(*id)
                .ok_or_else(|| not_found("trust", id))?;
            related(call, trust, "get_trust")?;
            not_delegated(world, call)?;
            Ok(Reply::json(200, json!({"trust": render(world, call, id, trust)})))
        }
        ("DELETE", [id]) => {
            let trust = world
                .keystone
                .trusts
                .get(*id)
                .ok_or_else(|| not_found("trust", id))?;
            if trust.trustor_user_id != call.caller.user_id {
                require_admin(call, "delete_trust")?;
            }
            not_delegated(world, call)?;
            world.keystone.trusts.remove(*id);
            Ok(Reply::empty(204))
        }
        ("GET" | "HEAD", [id, "roles"]) => {
            let trust = world
                .keystone
                .trusts
                .get(*id)
                .ok_or_else(|| not_found("trust", id))?;
            related(call, trust, "list_roles_for_trust")?;
            let roles = trust
                .roles
                .iter()
                .filter_map(|role| role::render(world, call, role))
                .collect();
            Ok(collection(call, "roles", roles))
        }
        ("GET" | "HEAD", [id, "roles", role_id]) => {
            let trust = world
                .keystone
                .trusts
                .get(*id)
                .ok_or_else(|| not_found("trust", id))?;
            related(call, trust, "get_role_for_trust")?;
            let known = trust.roles.iter().any(|role| role == role_id);
            let body = known.then(|| role::render(world, call, role_id)).flatten();
            let body = body.ok_or_else(|| not_found("role", role_id))?;
            Ok(Reply::json(200, json!({"role": body})))
        }
        (_, [] | [_]) => Err(wrong_method()),
        _ => Err(no_route()),
    }
}

fn related(call: &Call, trust: &Trust, policy: &str) -> Result<(), Refusal> {
    if [&trust.trustor_user_id, &trust.trustee_user_id].contains(&&call.caller.user_id) {
        return Ok(());
    }
    require_admin(call, policy)
}

/// Tokens of application credentials can't manage trusts.
fn not_delegated(world: &World, call: &Call) -> Result<(), Refusal> {
    if token::own(world, call)?.application_credential_id.is_some() {
        return Err(forbidden_action("Delegated tokens cannot manage trusts."));
    }
    Ok(())
}

fn render(world: &World, call: &Call, id: &str, trust: &Trust) -> Value {
    let roles: Vec<Value> = trust
        .roles
        .iter()
        .filter_map(|role| role::render(world, call, role))
        .collect();
    let mut body = outline(call, id, trust);
    body["roles"] = json!(roles);
    let roles = link(call, &format!("OS-TRUST/trusts/{id}/roles"));
    body["roles_links"] = json!({"self": roles, "next": null, "previous": null});
    body
}

/// A trust as it stands in lists: without its roles.
fn outline(call: &Call, id: &str, trust: &Trust) -> Value {
    json!({"id": id, "trustor_user_id": trust.trustor_user_id, "trustee_user_id": trust.trustee_user_id,
        "project_id": trust.project_id, "impersonation": trust.impersonation,
        "expires_at": trust.expires_ms.map(clock::micros), "deleted_at": null,
        "remaining_uses": trust.remaining_uses, "redelegation_count": trust.redelegation_count,
        "redelegated_trust_id": null, "links": {"self": link(call, &format!("OS-TRUST/trusts/{id}"))}})
}

fn list(world: &World, call: &Call) -> Answer {
    let (trustor, trustee) = (call.query("trustor_user_id"), call.query("trustee_user_id"));
    let own = [trustor, trustee].contains(&Some(call.caller.user_id.as_str()));
    if !own {
        let policy = match (trustor, trustee) {
            (Some(_), _) => "list_trusts_for_trustor",
            (None, Some(_)) => "list_trusts_for_trustee",
            (None, None) => "list_trusts",
        };
        require_admin(call, policy)?;
    }
    not_delegated(world, call)?;
    let found = world.keystone.trusts.iter().filter(|(_, trust)| {
        trustor.is_none_or(|id| id == trust.trustor_user_id)
            && trustee.is_none_or(|id| id == trust.trustee_user_id)
    });
    Ok(collection(
        call,
        "trusts",
        found.map(|(id, trust)| outline(call, id, trust)).collect(),
    ))
}

fn create(world: &mut World, call: &Call) -> Answer {
    let fields = resource(call, "trust")?;
    let trustor_user_id = text(fields, "trustor_user_id").ok_or_else(|| missing("trustor_user_id"))?;
    let trustee_user_id = text(fields, "trustee_user_id").ok_or_else(|| missing("trustee_user_id"))?;
    let impersonation = fields.get("impersonation").and_then(Value::as_bool);
    let impersonation = impersonation.ok_or_else(|| missing("impersonation"))?;
    if trustor_user_id != call.caller.user_id {
        return Err(forbidden_action("identity:create_trust"));
    }
    not_delegated(world, call)?;
    // Only trusts made for it may be delegated on, and this simulator makes none.
    if matches!(token::own(world, call)?.scope, Scope::Trust(_)) {
        return Err(forbidden());
    }
    let project_id = text(fields, "project_id");
    let wanted = fields
        .get("roles")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if project_id.is_some() && wanted.is_empty() {
        return Err(forbidden_action("At least one role should be specified"));
    }
    if !world.keystone.users.contains_key(&trustee_user_id) {
        return Err(not_found("user", &trustee_user_id));
    }
    let roles = roles(world, &wanted)?;
    let held = held_roles(world, &trustor_user_id, project_id.as_deref())?;
    if let Some(lacking) = roles.iter().find(|role| !held.contains(*role)) {
        return Err(not_found("role", lacking));
    }
    let remaining_uses = fields.get("remaining_uses").filter(|uses| !uses.is_null());
    let remaining_uses = match remaining_uses.map(Value::as_u64) {
        None => None,
        Some(Some(uses)) if uses > 0 => Some(uses),
        Some(_) => {
            return Err(Refusal::new(
                400,
                "",
                "remaining_uses must be a positive integer or null.",
            ));
        }
    };
    let expires_ms = expiry(world, fields.get("expires_at"))?;
    let trust = Trust {
        trustor_user_id,
        trustee_user_id,
        project_id,
        impersonation,
        roles,
        expires_ms,
        remaining_uses,
        redelegation_count: 0,
    };
    let id = world.hex_id();
    let body = render(world, call, &id, &trust);
    world.keystone.trusts.insert(id, trust);
    Ok(Reply::json(201, json!({"trust": body})))
}

fn roles(world: &World, wanted: &[Value]) -> Result<Vec<String>, Refusal> {
    wanted
        .iter()
        .map(|role| match (role["id"].as_str(), role["name"].as_str()) {
            (Some(id), _) => Ok(id.to_owned()),
            (None, Some(name)) => world
                .keystone
                .role_named(name)
                .ok_or_else(|| Refusal::new(404, "", format!("Role {name} is not defined"))),
            (None, None) => Err(missing("name")),
        })
        .collect()
}

fn held_roles(world: &World, user_id: &str, project_id: Option<&str>) -> Result<BTreeSet<String>, Refusal> {
    let Some(id) = project_id else {
        return Ok(BTreeSet::new());
    };
    if !world.keystone.projects.contains_key(id) {
        return Err(not_found("project", id));
    }
    Ok(world
        .keystone
        .effective_roles(user_id, &Target::Project(id.to_owned())))
}

/// An end in the future, or none.
pub(super) fn expiry(world: &World, value: Option<&Value>) -> Result<Option<i64>, Refusal> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let suffix = "The server could not comply with the request since it is either malformed or otherwise \
                  incorrect. The client is assumed to be in error.";
    let end = value
        .as_str()
        .and_then(clock::parse)
        .ok_or_else(|| Refusal::new(400, "", format!("Timestamp not in expected format. {suffix}")))?;
    if end <= world.now_ms {
        return Err(Refusal::new(
            400,
            "",
            format!("The 'expires_at' must not be before now. {suffix}"),
        ));
    }
    Ok(Some(end))
}
