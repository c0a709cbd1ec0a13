//! Keystone v3: who is who, who may do what, and where the services are.
//!
//! Tokens are validated as Keystone does with Fernet tokens: nothing about roles is stored in them, so that a
//! removed role, user or project takes effect at once.

mod application_credential;
mod auth;
mod catalog;
mod directory;
mod grant;
mod model;
mod project;
mod role;
mod seed;
mod token;
mod trust;
mod user;

pub use catalog::set_endpoint;
pub use model::{
    ApplicationCredential, Domain, Endpoint, Grant, Keystone, Project, Role, Scope, Target, Token, Trust,
    User,
};
pub use seed::seed;
pub use token::caller;
pub(crate) use token::is_of_broken_trust;

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

/// Answers a call of the identity API; `call.path` begins with `v3`.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let (method, path) = call.route();
    // HEAD is GET without a body, except for role checks and tokens, which know it themselves.
    let method = if method == "HEAD" && !path.contains(&"roles") {
        "GET"
    } else {
        method
    };
    let Some((&"v3", path)) = path.split_first() else {
        return Err(no_route());
    };
    match (method, path) {
        ("POST", ["auth", "tokens"]) => auth::issue(world, call),
        (_, ["auth", rest @ ..]) => token::handle(world, call, method, rest),
        (_, ["domains", ..]) | (_, ["projects", ..]) if path.len() <= 2 => {
            project::handle(world, call, method, path)
        }
        (_, ["users", user_id, "application_credentials", rest @ ..]) => {
            application_credential::handle(world, call, method, user_id, rest)
        }
        (_, ["users", rest @ ..]) => user::handle(world, call, method, rest),
        (_, ["roles", ..] | ["role_inferences"]) => role::handle(world, call, method, path),
        (_, ["role_assignments"] | ["projects" | "domains", ..] | ["system", ..]) => {
            grant::handle(world, call, method, path)
        }
        (_, ["OS-TRUST", "trusts", rest @ ..]) => trust::handle(world, call, method, rest),
        (_, ["services" | "endpoints" | "regions", ..]) => catalog::handle(world, call, method, path),
        ("GET", ["groups"]) => {
            require_admin(call, "list_groups")?;
            Ok(collection(call, "groups", Vec::new()))
        }
        ("GET", ["groups", id]) => Err(not_found("group", id)),
        _ => Err(no_route()),
    }
}

/// Forgets tokens that can't become valid again.
pub fn tick(world: &mut World) {
    const EVERY_MS: i64 = 60_000;
    if world.now_ms >= world.keystone.next_purge_ms {
        let now = world.now_ms;
        world.keystone.next_purge_ms = now + EVERY_MS;
        world.keystone.tokens.retain(|_, token| token.expires_ms > now);
    }
}

/// 401 in Keystone's words.
pub(crate) fn unauthorized() -> Refusal {
    Refusal::new(401, "", "The request you have made requires authentication.")
}

/// 403 without the reason, as Keystone hides it outside its debug mode.
pub(crate) fn forbidden() -> Refusal {
    Refusal::new(403, "", "You are not authorized to perform the requested action.")
}

/// 403 naming the policy, such as `identity:create_user`, or the reason.
fn forbidden_action(action: &str) -> Refusal {
    Refusal::new(
        403,
        "",
        format!("You are not authorized to perform the requested action: {action}."),
    )
}

fn not_found(kind: &str, id: &str) -> Refusal {
    Refusal::new(404, "", format!("Could not find {kind}: {id}."))
}

fn wrong_method() -> Refusal {
    Refusal::new(405, "", "The method is not allowed for the requested URL.")
}

fn no_route() -> Refusal {
    let text = "The requested URL was not found on the server. If you entered the URL manually please check your \
                spelling and try again.";
    Refusal::new(404, "", text)
}

fn duplicate(kind: &str, name: &str, domain_id: Option<&str>) -> Refusal {
    let place = domain_id
        .map(|id| format!(" at domain ID {id}"))
        .unwrap_or_default();
    let text = format!(
        "Conflict occurred attempting to store {kind} - Duplicate entry found with name {name}{place}."
    );
    Refusal::new(409, "", text)
}

fn missing(attribute: &str) -> Refusal {
    Refusal::new(400, "", format!("'{attribute}' is a required property"))
}

/// The resource inside the body, such as the value of `user`.
fn resource<'a>(call: &'a Call, key: &str) -> Result<&'a Map<String, Value>, Refusal> {
    call.body[key].as_object().ok_or_else(|| missing(key))
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn required_name(fields: &Map<String, Value>) -> Result<String, Refusal> {
    match text(fields, "name") {
        Some(name) if !name.is_empty() && name.chars().count() <= 255 => Ok(name),
        Some(_) => Err(Refusal::new(400, "", "Invalid input for field 'name'")),
        None => Err(missing("name")),
    }
}

fn require_caller(call: &Call) -> Result<(), Refusal> {
    if call.caller.user_id.is_empty() {
        Err(unauthorized())
    } else {
        Ok(())
    }
}

/// Lets only administrators of the cloud pass.
fn require_admin(call: &Call, policy: &str) -> Result<(), Refusal> {
    require_caller(call)?;
    if call.caller.is_admin {
        Ok(())
    } else {
        Err(forbidden_action(&format!("identity:{policy}")))
    }
}

/// Lets administrators of the cloud or of this domain pass.
fn require_domain_admin(call: &Call, domain_id: &str, policy: &str) -> Result<(), Refusal> {
    if administers(call, domain_id) {
        Ok(())
    } else {
        require_admin(call, policy)
    }
}

/// True for an `admin` whose token is scoped to this domain.
fn administers(call: &Call, domain_id: &str) -> bool {
    let admin = call.caller.roles.iter().any(|role| role == "admin");
    admin && call.caller.domain_id.as_deref() == Some(domain_id)
}

/// `http://host/identity/v3/<path>`.
fn link(call: &Call, path: &str) -> String {
    format!("{}/identity/v3/{path}", call.base)
}

/// A list answer in Keystone's envelope.
fn collection(call: &Call, key: &str, items: Vec<Value>) -> Reply {
    let own = format!("{}/identity/{}", call.base, call.path.join("/"));
    Reply::json(
        200,
        json!({key: items, "links": {"next": null, "self": own, "previous": null}}),
    )
}

/// Keeps the items whose fields equal the query parameters of the same names; other parameters are ignored.
fn filtered(items: Vec<Value>, call: &Call, fields: &[&str]) -> Vec<Value> {
    let keep = |item: &Value| {
        fields
            .iter()
            .all(|field| match (call.query(field), &item[*field]) {
                (None, _) => true,
                (Some(wanted), Value::Bool(is)) => *is == !matches!(wanted, "0" | "false" | "False" | "no"),
                (Some(wanted), Value::String(is)) => is == wanted,
                (Some(_), _) => false,
            })
    };
    items.into_iter().filter(keep).collect()
}
