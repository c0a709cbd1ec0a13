//! Domains and projects.

use serde_json::{Map, Value, json};

use super::model::{Domain, Project, Target};
use super::{
    collection, filtered, link, no_route, not_found, require_admin, require_caller, require_domain_admin,
    required_name, resource, text,
};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    require_caller(call)?;
    match path {
        ["domains", rest @ ..] => domains(world, call, method, rest),
        ["projects", rest @ ..] => projects(world, call, method, rest),
        _ => Err(no_route()),
    }
}

pub(super) fn render_domain(world: &World, call: &Call, id: &str) -> Option<Value> {
    let domain = world.keystone.domains.get(id)?;
    Some(
        json!({"id": id, "name": domain.name, "description": domain.description, "enabled": domain.enabled,
        "tags": [], "options": {}, "links": {"self": link(call, &format!("domains/{id}"))}}),
    )
}

pub(super) fn render(world: &World, call: &Call, id: &str) -> Option<Value> {
    let project = world.keystone.projects.get(id)?;
    Some(
        json!({"id": id, "name": project.name, "domain_id": project.domain_id,
        "description": project.description, "enabled": project.enabled, "parent_id": project.domain_id,
        "is_domain": false, "tags": [], "options": {},
        "links": {"self": link(call, &format!("projects/{id}"))}}),
    )
}

/// Projects where the user has a role.
pub(super) fn of_user(world: &World, call: &Call, user_id: &str) -> Vec<Value> {
    let grants = world.keystone.grants_of(user_id);
    let mut ids: Vec<&String> = grants
        .filter_map(|grant| match &grant.target {
            Target::Project(id) => Some(id),
            _ => None,
        })
        .collect();
    ids.dedup();
    ids.into_iter().filter_map(|id| render(world, call, id)).collect()
}

fn flag(fields: &Map<String, Value>) -> Option<bool> {
    fields.get("enabled").and_then(Value::as_bool)
}

fn domains(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", []) => {
            require_admin(call, "list_domains")?;
            let all = world
                .keystone
                .domains
                .keys()
                .filter_map(|id| render_domain(world, call, id))
                .collect();
            Ok(collection(
                call,
                "domains",
                filtered(all, call, &["name", "enabled"]),
            ))
        }
        ("GET", [id]) => {
            let own = call.caller.user_domain_id == *id || call.caller.domain_id.as_deref() == Some(*id);
            if !own {
                require_admin(call, "get_domain")?;
            }
            let body = render_domain(world, call, id).ok_or_else(|| not_found("domain", id))?;
            Ok(Reply::json(200, json!({"domain": body})))
        }
        ("POST", []) => {
            require_admin(call, "create_domain")?;
            let fields = resource(call, "domain")?;
            let name = required_name(fields)?;
            if world.keystone.domains.values().any(|domain| domain.name == name) {
                let text = format!(
                    "Conflict occurred attempting to store project - it is not permitted to have two projects \
                     acting as domains with the same name: {name}."
                );
                return Err(Refusal::new(409, "", text));
            }
            let domain = Domain {
                name,
                description: text(fields, "description").unwrap_or_default(),
                enabled: flag(fields).unwrap_or(true),
            };
            let id = world.hex_id();
            world.keystone.domains.insert(id.clone(), domain);
            Ok(Reply::json(
                201,
                json!({"domain": render_domain(world, call, &id)}),
            ))
        }
        ("PATCH", [id]) => {
            require_admin(call, "update_domain")?;
            let fields = resource(call, "domain")?;
            let domain = world
                .keystone
                .domains
                .get_mut(*id)
                .ok_or_else(|| not_found("domain", id))?;
            if let Some(name) = text(fields, "name") {
                domain.name = name;
            }
            if let Some(description) = text(fields, "description") {
                domain.description = description;
            }
            domain.enabled = flag(fields).unwrap_or(domain.enabled);
            Ok(Reply::json(
                200,
                json!({"domain": render_domain(world, call, id)}),
            ))
        }
        ("DELETE", [id]) => {
            require_admin(call, "delete_domain")?;
            let domain = world
                .keystone
                .domains
                .get(*id)
                .ok_or_else(|| not_found("domain", id))?;
            if domain.enabled {
                let text = "Cannot delete a domain that is enabled, please disable it first.";
                return Err(Refusal::new(403, "", text));
            }
            drop_domain(world, id);
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}

fn drop_domain(world: &mut World, id: &str) {
    let keystone = &mut world.keystone;
    let users: Vec<String> = keystone
        .users
        .iter()
        .filter(|(_, user)| user.domain_id == id)
        .map(|(id, _)| id.clone())
        .collect();
    let projects = keystone
        .projects
        .iter()
        .filter(|(_, project)| project.domain_id == id);
    let projects: Vec<String> = projects.map(|(id, _)| id.clone()).collect();
    for user in users {
        keystone.drop_user(&user);
    }
    for project in projects {
        keystone.drop_project(&project);
    }
    keystone
        .grants
        .retain(|grant| grant.target != Target::Domain(id.to_owned()));
    keystone.domains.remove(id);
}

fn projects(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    let own_domain = call.caller.domain_id.clone().unwrap_or_default();
    match (method, path) {
        ("GET", []) => {
            require_domain_admin(call, &own_domain, "list_projects")?;
            let visible = |project: &Project| call.caller.is_admin || project.domain_id == own_domain;
            let seen = world
                .keystone
                .projects
                .iter()
                .filter(|(_, project)| visible(project));
            let all = seen.filter_map(|(id, _)| render(world, call, id)).collect();
            Ok(collection(
                call,
                "projects",
                filtered(all, call, &["name", "domain_id", "enabled", "parent_id"]),
            ))
        }
        ("GET", [id]) => {
            let domain = world
                .keystone
                .projects
                .get(*id)
                .map(|project| project.domain_id.clone());
            if call.caller.project_id.as_deref() != Some(*id) {
                require_domain_admin(call, domain.as_deref().unwrap_or_default(), "get_project")?;
            }
            let body = render(world, call, id).ok_or_else(|| not_found("project", id))?;
            Ok(Reply::json(200, json!({"project": body})))
        }
        ("POST", []) => {
            let fields = resource(call, "project")?;
            let domain_id = text(fields, "domain_id")
                .or_else(|| call.caller.domain_id.clone())
                .unwrap_or_else(|| call.caller.user_domain_id.clone());
            require_domain_admin(call, &domain_id, "create_project")?;
            let name = required_name(fields)?;
            if !world.keystone.domains.contains_key(&domain_id) {
                return Err(not_found("domain", &domain_id));
            }
            let same = |project: &Project| project.name == name && project.domain_id == domain_id;
            let id = world.hex_id();
            if world.keystone.projects.values().any(same) {
                let text = format!(
                    "Conflict occurred attempting to store project - it is not permitted to have two projects \
                     with either the same name or same id in the same domain: name is {name}, project id {id}."
                );
                return Err(Refusal::new(409, "", text));
            }
            let project = Project {
                name,
                domain_id,
                description: text(fields, "description").unwrap_or_default(),
                enabled: flag(fields).unwrap_or(true),
            };
            world.keystone.projects.insert(id.clone(), project);
            Ok(Reply::json(201, json!({"project": render(world, call, &id)})))
        }
        ("PATCH", [id]) => {
            let project = world
                .keystone
                .projects
                .get_mut(*id)
                .ok_or_else(|| not_found("project", id))?;
            require_domain_admin(call, &project.domain_id, "update_project")?;
            let fields = resource(call, "project")?;
            if let Some(name) = text(fields, "name") {
                project.name = name;
            }
            if let Some(description) = text(fields, "description") {
                project.description = description;
            }
            project.enabled = flag(fields).unwrap_or(project.enabled);
            Ok(Reply::json(200, json!({"project": render(world, call, id)})))
        }
        ("DELETE", [id]) => {
            let project = world
                .keystone
                .projects
                .get(*id)
                .ok_or_else(|| not_found("project", id))?;
            require_domain_admin(call, &project.domain_id, "delete_project")?;
            world.keystone.drop_project(id);
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}
