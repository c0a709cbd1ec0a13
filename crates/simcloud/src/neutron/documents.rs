//! What the service says of itself: versions, collections, extensions, availability zones.

use serde_json::{Value, json};

use super::{Kind, PREFIX, no_such_page};
use crate::call::{Answer, Call, Refusal, Reply};

/// Aliases of the API extensions whose behaviour is here.
const EXTENSIONS: &[(&str, &str)] = &[
    ("agent", "agent"),
    ("allowed-address-pairs", "Allowed Address Pairs"),
    ("availability_zone", "Availability Zone"),
    ("binding", "Port Binding"),
    ("default-subnetpools", "Default Subnetpools"),
    ("ext-gw-mode", "Neutron L3 Configurable external gateway mode"),
    ("external-net", "Neutron external network"),
    ("extraroute", "Neutron Extra Route"),
    ("extraroute-atomic", "Atomically add/remove extra routes"),
    ("filter-validation", "Filter parameters validation"),
    ("fip-port-details", "Floating IP Port Details Extension"),
    ("ip-substring-filtering", "IP address substring filtering"),
    ("net-mtu", "Network MTU"),
    ("net-mtu-writable", "Network MTU (writable)"),
    ("network-ip-availability", "Network IP Availability"),
    ("pagination", "Pagination support"),
    ("port-security", "Port Security"),
    ("project-id", "project_id field enabled"),
    ("provider", "Provider Network"),
    ("quota_details", "Quota details management support"),
    ("quotas", "Quota management support"),
    (
        "revision-if-match",
        "If-Match constraints based on revision_number",
    ),
    ("router", "Neutron L3 Router"),
    ("security-group", "security-group"),
    (
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
    ),
    ("sorting", "Sorting support"),
    ("standard-attr-description", "standard-attr-description"),
    ("standard-attr-revisions", "Resource revision numbers"),
    (
        "standard-attr-tag",
        "Tag support for resources with standard attribute: port, subnet, network, router",
    ),
    ("standard-attr-timestamp", "Resource timestamps"),
    ("stateful-security-group", "Stateful security group"),
    ("subnet_allocation", "Subnet Allocation"),
    ("tag-creation", "Tag creation"),
];

pub(super) fn versions(call: &Call) -> Reply {
    let link = format!("{}{PREFIX}/v2.0/", call.base);
    Reply::json(
        200,
        json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": link}]}]}),
    )
}

pub(super) fn resources(call: &Call) -> Reply {
    let resources: Vec<Value> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let link = format!("{}{PREFIX}/v2.0/{}", call.base, kind.segment());
            json!({"name": kind.singular(), "collection": kind.plural(), "links": [{"rel": "self", "href": link}]})
        })
        .collect();
    Reply::json(200, json!({"resources": resources}))
}

pub(super) fn extensions(rest: &[&str]) -> Answer {
    let show = |(alias, name): &(&str, &str)| json!({"alias": alias, "name": name, "description": name, "updated": "2013-01-01T10:00:00-00:00", "links": []});
    match rest {
        [] => Ok(Reply::json(
            200,
            json!({"extensions": EXTENSIONS.iter().map(show).collect::<Vec<_>>()}),
        )),
        [alias] => match EXTENSIONS.iter().find(|(known, _)| known == alias) {
            Some(extension) => Ok(Reply::json(200, json!({"extension": show(extension)}))),
            None => Err(Refusal::new(
                404,
                "HTTPNotFound",
                format!("Extension with alias {alias} does not exist"),
            )),
        },
        _ => Err(no_such_page()),
    }
}

pub(super) fn availability_zones() -> Reply {
    let zone = |resource: &str| json!({"name": "nova", "resource": resource, "state": "available"});
    Reply::json(
        200,
        json!({"availability_zones": [zone("network"), zone("router")]}),
    )
}
