//! Users: CRUD and passwords.

use serde_json::{Map, Value, json};

use super::model::User;
use super::{
    collection, duplicate, filtered, forbidden_action, link, missing, no_route, not_found, project,
    require_caller, require_domain_admin, required_name, resource, text, unauthorized, wrong_method,
};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::secret::Secret;
use crate::world::World;

/// Attributes with a place of their own; everything else is kept as it came.
const KNOWN: [&str; 8] = [
    "id",
    "name",
    "domain_id",
    "enabled",
    "password",
    "default_project_id",
    "options",
    "links",
];

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    require_caller(call)?;
    match (method, path) {
        ("GET", []) => list(world, call),
        ("POST", []) => create(world, call),
        ("GET", [id]) => {
            if *id != call.caller.user_id {
                require_domain_admin(call, &domain_of(world, call, id)?, "get_user")?;
            }
            let body = render(world, call, id).ok_or_else(|| not_found("user", id))?;
            Ok(Reply::json(200, json!({"user": body})))
        }
        ("PATCH", [id]) => update(world, call, id),
        ("DELETE", [id]) => {
            require_domain_admin(call, &domain_of(world, call, id)?, "delete_user")?;
            world.keystone.drop_user(id);
            Ok(Reply::empty(204))
        }
        ("POST", [id, "password"]) => change_password(world, call, id),
        ("GET", [id, "projects"]) => {
            if *id != call.caller.user_id {
                require_domain_admin(call, &domain_of(world, call, id)?, "list_user_projects")?;
            }
            Ok(collection(call, "projects", project::of_user(world, call, id)))
        }
        ("GET", [id, "groups"]) => {
            domain_of(world, call, id)?;
            Ok(collection(call, "groups", Vec::new()))
        }
        (_, [] | [_]) => Err(wrong_method()),
        _ => Err(no_route()),
    }
}

/// Domain of a user. Who administers nothing learns nothing about which users exist.
fn domain_of(world: &World, call: &Call, id: &str) -> Result<String, Refusal> {
    let user = world.keystone.users.get(id).map(|user| user.domain_id.clone());
    user.ok_or_else(|| {
        if call.caller.roles.iter().any(|role| role == "admin") {
            not_found("user", id)
        } else {
            forbidden_action("identity:get_user")
        }
    })
}

fn render(world: &World, call: &Call, id: &str) -> Option<Value> {
    let user = world.keystone.users.get(id)?;
    let mut body = Value::Object(user.extra.clone());
    body["id"] = json!(id);
    body["name"] = json!(user.name);
    body["domain_id"] = json!(user.domain_id);
    body["enabled"] = json!(user.enabled);
    body["password_expires_at"] = Value::Null;
    body["options"] = Value::Object(user.options.clone());
    body["links"] = json!({"self": link(call, &format!("users/{id}"))});
    if let Some(project) = &user.default_project_id {
        body["default_project_id"] = json!(project);
    }
    Some(body)
}

fn list(world: &World, call: &Call) -> Answer {
    let own = call.caller.domain_id.clone().unwrap_or_default();
    require_domain_admin(call, &own, "list_users")?;
    let visible = |user: &User| call.caller.is_admin || user.domain_id == own;
    let users = world.keystone.users.iter().filter(|(_, user)| visible(user));
    let all = users.filter_map(|(id, _)| render(world, call, id)).collect();
    Ok(collection(
        call,
        "users",
        filtered(all, call, &["name", "domain_id", "enabled"]),
    ))
}

fn extra(fields: &Map<String, Value>) -> Map<String, Value> {
    let others = fields.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    others
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn taken(world: &World, name: &str, domain_id: &str, except: Option<&str>) -> bool {
    let mut users = world.keystone.users.iter();
    users.any(|(id, user)| user.name == name && user.domain_id == domain_id && Some(id.as_str()) != except)
}

fn create(world: &mut World, call: &Call) -> Answer {
    let fields = resource(call, "user")?;
    let domain_id = text(fields, "domain_id")
        .or_else(|| call.caller.domain_id.clone())
        .unwrap_or_else(|| call.caller.user_domain_id.clone());
    require_domain_admin(call, &domain_id, "create_user")?;
    let name = required_name(fields)?;
    if !world.keystone.domains.contains_key(&domain_id) {
        return Err(not_found("domain", &domain_id));
    }
    if taken(world, &name, &domain_id, None) {
        return Err(duplicate("user", &name, Some(&domain_id)));
    }
    let user = User {
        name,
        domain_id,
        enabled: fields.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        password: text(fields, "password").map(Secret::new),
        default_project_id: text(fields, "default_project_id"),
        options: fields
            .get("options")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
        extra: extra(fields),
        revoked_before: 0,
    };
    let id = world.hex_id();
    world.keystone.users.insert(id.clone(), user);
    Ok(Reply::json(201, json!({"user": render(world, call, &id)})))
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let domain_id = domain_of(world, call, id)?;
    require_domain_admin(call, &domain_id, "update_user")?;
    let fields = resource(call, "user")?;
    if let Some(name) = text(fields, "name")
        && taken(world, &name, &domain_id, Some(id))
    {
        return Err(duplicate("user", &name, Some(&domain_id)));
    }
    let Some(user) = world.keystone.users.get_mut(id) else {
        return Err(not_found("user", id));
    };
    if let Some(name) = text(fields, "name") {
        user.name = name;
    }
    let was_enabled = user.enabled;
    if let Some(enabled) = fields.get("enabled").and_then(Value::as_bool) {
        user.enabled = enabled;
    }
    let password = text(fields, "password").map(Secret::new);
    let new_password = password.is_some();
    if new_password {
        user.password = password;
    }
    if let Some(project) = fields.get("default_project_id") {
        user.default_project_id = project.as_str().map(str::to_owned);
    }
    if let Some(options) = fields.get("options").and_then(Value::as_object) {
        user.options.extend(options.clone());
    }
    user.extra.extend(extra(fields));
    let disabled = was_enabled && !user.enabled;
    if disabled || new_password {
        world.keystone.revoke_tokens(id);
    }
    let mut body = render(world, call, id).unwrap_or_default();
    if let Some(user) = world.keystone.users.get(id) {
        body["extra"] = json!(user.extra);
    }
    Ok(Reply::json(200, json!({"user": body})))
}

/// A user changes its own password, proving that it knows the old one.
fn change_password(world: &mut World, call: &Call, id: &str) -> Answer {
    let fields = resource(call, "user")?;
    let old = text(fields, "original_password").ok_or_else(|| missing("original_password"))?;
    let new = text(fields, "password").ok_or_else(|| missing("password"))?;
    let user = world.keystone.users.get_mut(id).ok_or_else(unauthorized)?;
    if !user
        .password
        .as_ref()
        .is_some_and(|password| password.matches(&old))
    {
        return Err(unauthorized());
    }
    user.password = Some(Secret::new(new));
    world.keystone.revoke_tokens(id);
    Ok(Reply::empty(204))
}
