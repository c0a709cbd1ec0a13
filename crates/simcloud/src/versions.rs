//! Version documents: what clients read, without a token, to discover a service.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::nova;
use crate::service::Service;

/// The version document at a service's root or at its versioned root; `None` for any other path.
pub(crate) fn document(service: Service, call: &Call) -> Option<Reply> {
    let (method, path) = call.route();
    if path.len() > 1 || !matches!(method, "GET" | "HEAD") {
        return None;
    }
    let version = path.first().copied();
    let url = |version: &str| format!("{}/{}/{version}/", call.base, service.prefix());
    let reply = match (service, version) {
        (Service::Identity, None) => {
            Reply::json(300, json!({"versions": {"values": [identity(&url("v3"))]}}))
        }
        (Service::Identity, Some("v3")) => Reply::json(200, json!({"version": identity(&url("v3"))})),
        (Service::Compute, None) => {
            let old = json!({"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "",
                "updated": "2011-01-21T11:33:21Z", "links": links(&url("v2"))});
            Reply::json(200, json!({"versions": [old, compute(&url("v2.1"))]}))
        }
        (Service::Compute, Some("v2.1")) => {
            let mut version = compute(&url("v2.1"));
            version["media-types"] = json!([{"base": "application/json",
                "type": "application/vnd.openstack.compute+json;version=2.1"}]);
            Reply::json(200, json!({"version": version}))
        }
        (Service::Image, None | Some("v2" | "versions")) => {
            let status = if version.is_some() { 200 } else { 300 };
            let entry = |minor: u32, status: &str| json!({"id": format!("v2.{minor}"), "status": status, "links": links(&url("v2"))});
            let older = (0..=15)
                .rev()
                .filter(|minor| *minor != 14)
                .map(|minor| entry(minor, "SUPPORTED"));
            let all: Vec<Value> = std::iter::once(entry(16, "CURRENT")).chain(older).collect();
            Reply::json(status, json!({"versions": all}))
        }
        (Service::Network, None) => {
            let version = json!({"id": "v2.0", "status": "CURRENT", "links": links(&url("v2.0"))});
            Reply::json(200, json!({"versions": [version]}))
        }
        (Service::Network, Some("v2.0")) => {
            let resource = |name: &str, collection: &str| {
                let href = format!("{}{collection}", url("v2.0"));
                json!({"name": name, "collection": collection, "links": links(&href)})
            };
            let resources = [("network", "networks"), ("subnet", "subnets"), ("port", "ports")];
            let resources: Vec<Value> = resources.map(|(name, all)| resource(name, all)).into();
            Reply::json(200, json!({"resources": resources}))
        }
        (Service::Volume, None) => Reply::json(300, json!({"versions": [volume(&url("v3"))]})),
        (Service::Volume, Some("v3")) => Reply::json(200, json!({"versions": [volume(&url("v3"))]})),
        (Service::LoadBalancer, None | Some("v2" | "v2.0")) => {
            let entry = |minor: u32, status: &str| {
                json!({"id": format!("v2.{minor}"), "status": status, "updated": "2016-12-11T00:00:00Z",
                    "links": [{"href": format!("{}/load-balancer/v2", call.base), "rel": "self"}]})
            };
            let older = (0..27).map(|minor| entry(minor, "SUPPORTED"));
            let all: Vec<Value> = older.chain(std::iter::once(entry(27, "CURRENT"))).collect();
            Reply::json(200, json!({"versions": all}))
        }
        _ => return None,
    };
    Some(reply)
}

/// The page at the simulator's own root.
pub(crate) fn front_page(call: &Call) -> Value {
    let services: Vec<Value> = Service::ALL
        .iter()
        .map(|service| json!({"service": service.name(), "url": format!("{}/{}", call.base, service.prefix())}))
        .collect();
    json!({"services": services})
}

fn links(href: &str) -> Value {
    json!([{"rel": "self", "href": href}])
}

fn identity(url: &str) -> Value {
    json!({"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "links": links(url),
        "media-types": [{"base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json"}]})
}

fn compute(url: &str) -> Value {
    json!({"id": "v2.1", "status": "CURRENT", "version": format!("2.{}", nova::MICROVERSION_MAX),
        "min_version": "2.1", "updated": "2013-07-23T11:33:21Z", "links": links(url)})
}

fn volume(url: &str) -> Value {
    json!({"id": "v3.0", "status": "CURRENT", "version": "3.71", "min_version": "3.0",
        "updated": "2023-08-31T00:00:00Z", "links": links(url),
        "media-types": [{"base": "application/json",
            "type": "application/vnd.openstack.volume+json;version=3"}]})
}
