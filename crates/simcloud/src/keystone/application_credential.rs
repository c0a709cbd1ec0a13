//! Application credentials of a user.

use serde_json::{Value, json};

use super::model::{ApplicationCredential, Scope};
use super::{
    collection, filtered, forbidden_action, link, no_route, not_found, require_admin, require_caller,
    required_name, resource, role, text, token, trust,
};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::clock;
use crate::secret::Secret;
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, method: &str, user_id: &str, path: &[&str]) -> Answer {
    require_caller(call)?;
    if call.caller.user_id != user_id {
        if method == "POST" {
            return Err(forbidden_action("identity:create_application_credential"));
        }
        require_admin(call, "get_application_credential")?;
    }
    let find = |world: &World, id: &str| {
        let known = world.keystone.application_credentials.get(id);
        let own = known.filter(|credential| credential.user_id == user_id).cloned();
        own.ok_or_else(|| not_found("Application Credential", id))
    };
    match (method, path) {
        ("GET", []) => {
            let own = world.keystone.application_credentials.iter();
            let own = own.filter(|(_, credential)| credential.user_id == user_id);
            let all = own
                .map(|(id, credential)| render(world, call, id, credential))
                .collect();
            Ok(collection(
                call,
                "application_credentials",
                filtered(all, call, &["name"]),
            ))
        }
        ("POST", []) => create(world, call, user_id),
        ("GET", [id]) => {
            let credential = find(world, id)?;
            Ok(Reply::json(
                200,
                json!({"application_credential": render(world, call, id, &credential)}),
            ))
        }
        ("DELETE", [id]) => {
            unrestricted(world, call)?;
            find(world, id)?;
            world.keystone.application_credentials.remove(*id);
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}

fn render(world: &World, call: &Call, id: &str, credential: &ApplicationCredential) -> Value {
    let roles: Vec<Value> = credential
        .roles
        .iter()
        .filter_map(|role| role::outline(world, role))
        .collect();
    let own = link(
        call,
        &format!("users/{}/application_credentials/{id}", credential.user_id),
    );
    let mut body = json!({"id": id, "name": credential.name, "description": credential.description,
        "project_id": credential.project_id, "user_id": credential.user_id, "system": null, "roles": roles,
        "expires_at": credential.expires_ms.map(clock::micros), "unrestricted": credential.unrestricted.then_some(true),
        "links": {"self": own}});
    if let Some(rules) = &credential.access_rules {
        body["access_rules"] = json!(rules);
    }
    body
}

/// The rules of a new credential, each with an id.
fn access_rules(world: &mut World, asked: Option<&Value>) -> Option<Vec<Value>> {
    let asked = asked?.as_array()?.clone();
    let rules = asked.into_iter().map(|mut rule| {
        rule["id"] = json!(world.hex_id());
        rule
    });
    Some(rules.collect())
}

/// A token of a restricted application credential can't manage others.
fn unrestricted(world: &World, call: &Call) -> Result<(), Refusal> {
    let own = token::own(world, call)?;
    let id = own.application_credential_id.as_ref();
    let credential = id.and_then(|id| world.keystone.application_credentials.get(id));
    if credential.is_some_and(|credential| !credential.unrestricted) {
        let text = "Using method 'application_credential' is not allowed for managing additional application \
                    credentials.";
        return Err(forbidden_action(text));
    }
    Ok(())
}

fn create(world: &mut World, call: &Call, user_id: &str) -> Answer {
    unrestricted(world, call)?;
    let fields = resource(call, "application_credential")?;
    let name = required_name(fields)?;
    let Scope::Project(project_id) = token::own(world, call)?.scope.clone() else {
        return Err(forbidden_action("identity:create_application_credential"));
    };
    let mut own = world.keystone.application_credentials.values();
    if own.any(|credential| credential.user_id == user_id && credential.name == name) {
        return Err(super::duplicate("application_credential", &name, None));
    }
    let held: Vec<(String, String)> = call
        .caller
        .roles
        .iter()
        .filter_map(|name| Some((world.keystone.role_named(name)?, name.clone())))
        .collect();
    let roles: Vec<String> = match fields.get("roles").and_then(Value::as_array) {
        None => held.into_iter().map(|(id, _)| id).collect(),
        Some(wanted) => wanted
            .iter()
            .map(|role| {
                let key = role["id"]
                    .as_str()
                    .or_else(|| role["name"].as_str())
                    .unwrap_or_default();
                let found = held.iter().find(|(id, name)| id == key || name == key);
                found.map(|(id, _)| id.clone()).ok_or_else(|| {
                    Refusal::new(
                        400,
                        "",
                        "Invalid application credential: Cannot create an application credential with unassigned \
                         role",
                    )
                })
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    let roles = world.keystone.with_implied(roles).into_iter().collect();
    let secret = text(fields, "secret").unwrap_or_else(|| world.rng_text(86));
    let credential = ApplicationCredential {
        name,
        user_id: user_id.to_owned(),
        project_id,
        secret: Secret::new(secret),
        description: text(fields, "description"),
        roles,
        expires_ms: trust::expiry(world, fields.get("expires_at"))?,
        unrestricted: fields
            .get("unrestricted")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        access_rules: access_rules(world, fields.get("access_rules")),
    };
    let id = world.hex_id();
    let mut body = render(world, call, &id, &credential);
    body["secret"] = json!(credential.secret.reveal());
    world.keystone.application_credentials.insert(id, credential);
    Ok(Reply::json(201, json!({"application_credential": body})))
}
