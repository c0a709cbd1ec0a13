//! Roles and what they imply.

use serde_json::{Value, json};

use super::model::Role;
use super::{
    collection, duplicate, filtered, link, no_route, not_found, require_admin, require_caller, required_name,
    resource, text,
};
use crate::call::{Answer, Call, Reply};
use crate::world::World;

pub(super) fn render(world: &World, call: &Call, id: &str) -> Option<Value> {
    let role = world.keystone.roles.get(id)?;
    Some(
        json!({"id": id, "name": role.name, "domain_id": null, "description": role.description,
        "options": {"immutable": false}, "links": {"self": link(call, &format!("roles/{id}"))}}),
    )
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
