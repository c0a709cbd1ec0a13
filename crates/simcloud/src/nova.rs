//! Nova v2.1: flavors, keypairs, server groups, servers, quotas.
//!
//! A server's life is in [`lifecycle`]: requests only set what is wanted and when it is due, and the tick does the
//! rest, or, with real nodes, what became of the machine.

mod action;
mod attachment;
mod block_device;
mod create;
mod flavor;
mod host;
mod keypair;
mod lifecycle;
mod metadata;
mod model;
mod plan;
mod quota;
mod server;
mod server_group;

pub use lifecycle::{Observed, doom, observe, tick};
pub use model::{Fate, Fault, Flavor, Keypair, Nova, Server, ServerGroup, ServerVolume, State, Task};
pub use quota::{make_roomy, set_default_quotas};

use serde_json::Value;

use crate::call::{Answer, Call, Refusal};
use crate::world::World;

/// Newest microversion that is understood: 2.95.
pub const MICROVERSION_MAX: u32 = 95;

/// Answers a call of the compute API; `call.path` begins with `v2.1`.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    microversion(call)?;
    let (method, path) = call.route();
    let Some((&("v2.1" | "v2"), path)) = path.split_first() else {
        return Err(no_route());
    };
    if call.caller.project_id.is_none() {
        return Err(refuse(
            403,
            "Policy doesn't allow this action without a project in the token.",
        ));
    }
    match path {
        ["flavors", rest @ ..] => flavor::handle(world, call, method, rest),
        ["os-keypairs", rest @ ..] => keypair::handle(world, call, method, rest),
        ["os-server-groups", rest @ ..] => server_group::handle(world, call, method, rest),
        ["os-quota-sets", rest @ ..] => quota::handle(world, call, method, rest),
        ["limits"] if method == "GET" => Ok(quota::limits(world, call)),
        ["servers"] if method == "POST" => create::handle(world, call),
        ["servers", id, "metadata", rest @ ..] => metadata::handle(world, call, method, id, rest),
        ["servers", id, "tags", rest @ ..] => metadata::tags(world, call, method, id, rest),
        ["servers", id, "action"] if method == "POST" => action::handle(world, call, id),
        ["servers", id, "os-volume_attachments", rest @ ..] => {
            attachment::volumes(world, call, method, id, rest)
        }
        ["servers", id, "os-interface", rest @ ..] => attachment::interfaces(world, call, method, id, rest),
        ["servers", rest @ ..] => server::handle(world, call, method, rest),
        _ => host::handle(world, call, method, path),
    }
}

/// Fills in the flavors m1.tiny to m1.large.
pub fn seed(world: &mut World) {
    flavor::seed(world);
}

/// The minor microversion that a call asks for: 1 without a header.
///
/// # Errors
/// 400 for a malformed version, 406 for one that is not supported.
pub fn microversion(call: &Call) -> Result<u32, Refusal> {
    let standard = call.headers.get("openstack-api-version").and_then(|all| {
        let mut services = all.split(',').map(str::trim);
        services.find_map(|one| one.strip_prefix("compute ").map(str::trim))
    });
    let legacy = call
        .headers
        .get("x-openstack-nova-api-version")
        .map(|version| version.trim());
    let asked = match standard.or(legacy) {
        None => return Ok(1),
        Some("latest") => return Ok(MICROVERSION_MAX),
        Some(asked) => asked,
    };
    let minor = asked
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match minor {
        Some((2_u32, minor @ 1..=MICROVERSION_MAX)) => Ok(minor),
        Some(_) => Err(refuse(
            406,
            format!(
                "Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.{MICROVERSION_MAX}."
            ),
        )),
        None => {
            let text = format!(
                "API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."
            );
            Err(refuse(400, text))
        }
    }
}

/// Version of a call that [`handle`] has already let in.
fn version(call: &Call) -> u32 {
    microversion(call).unwrap_or(1)
}

fn refuse(status: u16, message: impl Into<String>) -> Refusal {
    Refusal::new(status, "", message)
}

fn no_route() -> Refusal {
    refuse(404, "The resource could not be found.")
}

fn invalid(field: &str) -> Refusal {
    refuse(400, format!("Invalid input for field/attribute {field}."))
}

fn policy(rule: &str) -> Refusal {
    refuse(
        403,
        format!("Policy doesn't allow os_compute_api:{rule} to be performed."),
    )
}

fn require_admin(call: &Call, rule: &str) -> Result<(), Refusal> {
    if call.caller.is_admin {
        Ok(())
    } else {
        Err(policy(rule))
    }
}

/// Refuses callers that may only read.
fn require_member(call: &Call, rule: &str) -> Result<(), Refusal> {
    let may = call
        .caller
        .roles
        .iter()
        .any(|role| matches!(role.as_str(), "member" | "manager" | "admin"));
    if may { Ok(()) } else { Err(policy(rule)) }
}

/// The resource inside the body, such as the value of `server`.
fn resource<'a>(call: &'a Call, key: &str) -> Result<&'a Value, Refusal> {
    let inner = &call.body[key];
    if inner.is_object() {
        Ok(inner)
    } else {
        Err(refuse(400, format!("'{key}' is a required property")))
    }
}

/// `self` and `bookmark` links of a resource.
fn links(call: &Call, path: &str) -> Value {
    let base = format!("{}/compute", call.base);
    serde_json::json!([{"rel": "self", "href": format!("{base}/v2.1/{path}")},
        {"rel": "bookmark", "href": format!("{base}/{path}")}])
}

/// True when a query parameter is set to something that reads as yes.
fn is_set(call: &Call, name: &str) -> bool {
    call.query(name)
        .is_some_and(|value| matches!(value, "" | "1" | "true" | "True" | "yes" | "t"))
}

/// Part of a list.
struct Page<'a, T> {
    items: Vec<(&'a str, T)>,
    /// Link to the next page, if there is one.
    next: Option<Value>,
}

/// One page of sorted items: `limit` and `marker` of the query applied.
fn page<'a, T>(call: &Call, path: &str, items: Vec<(&'a str, T)>) -> Result<Page<'a, T>, Refusal> {
    const MOST: usize = 1000;
    let asked = match call.query("limit") {
        None => MOST,
        Some(text) => text.parse::<usize>().map_err(|_| invalid("limit"))?,
    };
    let start = match call.query("marker") {
        None => 0,
        Some(marker) => match items.iter().position(|(id, _)| *id == marker) {
            Some(at) => at + 1,
            None => return Err(refuse(400, format!("marker [{marker}] not found"))),
        },
    };
    let limit = asked.min(MOST);
    let more = items.len() > start + limit && limit > 0;
    let items: Vec<(&str, T)> = items.into_iter().skip(start).take(limit).collect();
    let next = items.last().filter(|_| more).map(|(last, _)| {
        let kept = call.query.iter().filter(|(name, _)| name != "marker");
        let kept: String = kept.map(|(name, value)| format!("{name}={value}&")).collect();
        let href = format!("{}/compute/v2.1/{path}?{kept}marker={last}", call.base);
        serde_json::json!([{"rel": "next", "href": href}])
    });
    Ok(Page { items, next })
}
