//! Roles and what they imply.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::model::{Role, Target};
use super::{
    collection, duplicate, filtered, link, no_route, not_found, require_admin, require_caller, required_name,
    resource, text,
};
use crate::call::{Answer, Call, Reply};
use crate::world::World;

/// A role without its link, as it stands in other resources.
pub(super) fn outline(world: &World, id: &str) -> Option<Value> {
    let role = world.keystone.roles.get(id)?;
    let options = if role.is_immutable {
        json!({"immutable": true})
    } else {
        json!({})
    };
    Some(
        json!({"id": id, "name": role.name, "domain_id": null, "description": role.description,
        "options": options}),
    )
}

pub(super) fn render(world: &World, call: &Call, id: &str) -> Option<Value> {
    let mut body = outline(world, id)?;
    body["links"] = json!({"self": link(call, &format!("roles/{id}"))});
    Some(body)
}

/// A role that goes takes with it the application credentials of those who had it on a project.
fn drop_credentials(world: &mut World, role_id: &str) {
    let grants = world
        .keystone
        .grants
        .iter()
        .filter(|grant| grant.role_id == role_id);
    let holders: BTreeSet<(String, String)> = grants
        .filter_map(|grant| match &grant.target {
            Target::Project(project) => Some((grant.user_id.clone(), project.clone())),
            _ => None,
        })
        .collect();
    world.keystone.application_credentials.retain(|_, credential| {
        !holders.contains(&(credential.user_id.clone(), credential.project_id.clone()))
    });
}

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    require_caller(call)?;
    // The front of the service keeps HEAD for paths with roles in them.
    let method = if method == "HEAD" { "GET" } else { method };
    match (method, path) {
        ("GET", ["roles"]) => {
            require_admin(call, "list_roles")?;
            let all = world
                .keystone
                .roles
                .keys()
                .filter_map(|id| render(world, call, id))
                .collect();
            Ok(collection(call, "roles", filtered(all, call, &["name"])))
        }
        ("GET", ["roles", id]) => {
            require_admin(call, "get_role")?;
            let body = render(world, call, id).ok_or_else(|| not_found("role", id))?;
            Ok(Reply::json(200, json!({"role": body})))
        }
        ("POST", ["roles"]) => {
            require_admin(call, "create_role")?;
            let fields = resource(call, "role")?;
            let name = required_name(fields)?;
            if world.keystone.role_named(&name).is_some() {
                return Err(duplicate("role", &name, None));
            }
            let id = world.hex_id();
            world.keystone.roles.insert(
                id.clone(),
                Role {
                    name,
                    description: text(fields, "description"),
                    is_immutable: false,
                },
            );
            Ok(Reply::json(201, json!({"role": render(world, call, &id)})))
        }
        ("PATCH", ["roles", id]) => {
            require_admin(call, "update_role")?;
            let fields = resource(call, "role")?;
            let role = world
                .keystone
                .roles
                .get_mut(*id)
                .ok_or_else(|| not_found("role", id))?;
            if let Some(name) = text(fields, "name") {
                role.name = name;
            }
            Ok(Reply::json(200, json!({"role": render(world, call, id)})))
        }
        ("DELETE", ["roles", id]) => {
            require_admin(call, "delete_role")?;
            world
                .keystone
                .roles
                .remove(*id)
                .ok_or_else(|| not_found("role", id))?;
            drop_credentials(world, id);
            world.keystone.grants.retain(|grant| grant.role_id != *id);
            world.keystone.implied.remove(*id);
            for implied in world.keystone.implied.values_mut() {
                implied.retain(|role| role != id);
            }
            Ok(Reply::empty(204))
        }
        ("GET", ["role_inferences"]) => {
            require_admin(call, "list_role_inference_rules")?;
            let rules: Vec<Value> = world
                .keystone
                .implied
                .iter()
                .map(|(prior, implied)| {
                    let implied: Vec<_> = implied.iter().filter_map(|id| render(world, call, id)).collect();
                    json!({"prior_role": render(world, call, prior), "implies": implied})
                })
                .collect();
            Ok(Reply::json(200, json!({"role_inferences": rules})))
        }
        _ => Err(no_route()),
    }
}
