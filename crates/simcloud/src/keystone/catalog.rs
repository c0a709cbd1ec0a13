//! Services, endpoints and the one region.

use serde_json::{Value, json};

use super::model::Endpoint;
use super::{collection, filtered, link, no_route, not_found, require_admin, resource, text};
use crate::call::{Answer, Call, Reply};
use crate::world::World;

/// The only region.
pub(super) const REGION: &str = "RegionOne";

/// Points all endpoints of a service type at a URL; a type that the catalog lacks is added.
pub fn set_endpoint(world: &mut World, service_type: &str, url: &str) {
    let known = world
        .keystone
        .services
        .iter()
        .find(|(_, (kind, _))| kind == service_type);
    let service_id = match known.map(|(id, _)| id.clone()) {
        Some(id) => id,
        None => {
            let id = world.hex_id();
            let service = (service_type.to_owned(), service_type.to_owned());
            world.keystone.services.insert(id.clone(), service);
            id
        }
    };
    world
        .keystone
        .endpoints
        .retain(|_, endpoint| endpoint.service_id != service_id);
    add_endpoints(world, &service_id, url);
}

/// Adds one endpoint for each interface.
pub(super) fn add_endpoints(world: &mut World, service_id: &str, url: &str) {
    for interface in ["public", "internal", "admin"] {
        let endpoint = Endpoint {
            service_id: service_id.to_owned(),
            interface: interface.to_owned(),
            url: url.to_owned(),
            enabled: true,
        };
        let id = world.hex_id();
        world.keystone.endpoints.insert(id, endpoint);
    }
}

/// The catalog as it stands in a token. Endpoints that name the project are left out of tokens without one.
pub(super) fn render(world: &World, call: &Call, project_id: Option<&str>) -> Value {
    let keystone = &world.keystone;
    let endpoints_of = |service_id: &String| -> Vec<Value> {
        let own = keystone
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.service_id == *service_id);
        own.filter_map(|(id, endpoint)| {
            let url = url(call, &endpoint.url, project_id)?;
            endpoint.enabled.then(|| {
                json!({"id": id, "interface": endpoint.interface, "region_id": REGION, "region": REGION,
                    "url": url})
            })
        })
        .collect()
    };
    let services = keystone.services.iter().map(
        |(id, (kind, name))| json!({"endpoints": endpoints_of(id), "type": kind, "id": id, "name": name}),
    );
    services.collect()
}

fn url(call: &Call, template: &str, project_id: Option<&str>) -> Option<String> {
    let url = template.replace("{base}", &call.base);
    if !url.contains("$(project_id)s") {
        return Some(url);
    }
    project_id.map(|id| url.replace("$(project_id)s", id))
}

/// CRUD of services and endpoints; regions can be read.
pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", ["regions"]) => Ok(collection(call, "regions", vec![region(call)])),
        ("GET", ["regions", REGION]) => Ok(Reply::json(200, json!({"region": region(call)}))),
        ("GET", ["regions", id]) => Err(not_found("region", id)),
        (_, ["services", ..]) => services(world, call, method, &path[1..]),
        (_, ["endpoints", ..]) => endpoints(world, call, method, &path[1..]),
        _ => Err(no_route()),
    }
}

fn region(call: &Call) -> Value {
    json!({"id": REGION, "description": "", "parent_region_id": null,
        "links": {"self": link(call, &format!("regions/{REGION}"))}})
}

fn services(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    let render = |id: &str, (kind, name): &(String, String)| {
        json!({"id": id, "type": kind, "name": name, "description": "", "enabled": true,
            "links": {"self": link(call, &format!("services/{id}"))}})
    };
    match (method, path) {
        ("GET", []) => {
            require_admin(call, "list_services")?;
            let all = world
                .keystone
                .services
                .iter()
                .map(|(id, service)| render(id, service))
                .collect();
            Ok(collection(
                call,
                "services",
                filtered(all, call, &["type", "name"]),
            ))
        }
        ("GET", [id]) => {
            require_admin(call, "get_service")?;
            let service = world
                .keystone
                .services
                .get(*id)
                .ok_or_else(|| not_found("service", id))?;
            Ok(Reply::json(200, json!({"service": render(id, service)})))
        }
        ("POST", []) => {
            require_admin(call, "create_service")?;
            let fields = resource(call, "service")?;
            let kind = text(fields, "type").ok_or_else(|| super::missing("type"))?;
            let service = (kind, text(fields, "name").unwrap_or_default());
            let id = world.hex_id();
            let body = json!({"service": render(&id, &service)});
            world.keystone.services.insert(id, service);
            Ok(Reply::json(201, body))
        }
        ("DELETE", [id]) => {
            require_admin(call, "delete_service")?;
            world
                .keystone
                .services
                .remove(*id)
                .ok_or_else(|| not_found("service", id))?;
            world
                .keystone
                .endpoints
                .retain(|_, endpoint| endpoint.service_id != *id);
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}

fn endpoints(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    let render = |id: &str, endpoint: &Endpoint| {
        json!({"id": id, "interface": endpoint.interface, "region": REGION, "region_id": REGION,
            "service_id": endpoint.service_id, "url": endpoint.url.replace("{base}", &call.base),
            "enabled": endpoint.enabled, "links": {"self": link(call, &format!("endpoints/{id}"))}})
    };
    match (method, path) {
        ("GET", []) => {
            require_admin(call, "list_endpoints")?;
            let all = world
                .keystone
                .endpoints
                .iter()
                .map(|(id, endpoint)| render(id, endpoint))
                .collect();
            Ok(collection(
                call,
                "endpoints",
                filtered(all, call, &["interface", "service_id", "region_id"]),
            ))
        }
        ("GET", [id]) => {
            require_admin(call, "get_endpoint")?;
            let endpoint = world
                .keystone
                .endpoints
                .get(*id)
                .ok_or_else(|| not_found("endpoint", id))?;
            Ok(Reply::json(200, json!({"endpoint": render(id, endpoint)})))
        }
        ("POST", []) => {
            require_admin(call, "create_endpoint")?;
            let fields = resource(call, "endpoint")?;
            let wanted = |name: &str| text(fields, name).ok_or_else(|| super::missing(name));
            let endpoint = Endpoint {
                service_id: wanted("service_id")?,
                interface: wanted("interface")?,
                url: wanted("url")?,
                enabled: true,
            };
            if !world.keystone.services.contains_key(&endpoint.service_id) {
                return Err(not_found("service", &endpoint.service_id));
            }
            let id = world.hex_id();
            let body = json!({"endpoint": render(&id, &endpoint)});
            world.keystone.endpoints.insert(id, endpoint);
            Ok(Reply::json(201, body))
        }
        ("PATCH", [id]) => {
            require_admin(call, "update_endpoint")?;
            let fields = resource(call, "endpoint")?;
            let endpoint = world
                .keystone
                .endpoints
                .get_mut(*id)
                .ok_or_else(|| not_found("endpoint", id))?;
            if let Some(url) = text(fields, "url") {
                endpoint.url = url;
            }
            if let Some(enabled) = fields.get("enabled").and_then(Value::as_bool) {
                endpoint.enabled = enabled;
            }
            Ok(Reply::json(200, json!({"endpoint": render(id, endpoint)})))
        }
        ("DELETE", [id]) => {
            require_admin(call, "delete_endpoint")?;
            world
                .keystone
                .endpoints
                .remove(*id)
                .ok_or_else(|| not_found("endpoint", id))?;
            Ok(Reply::empty(204))
        }
        _ => Err(no_route()),
    }
}
