//! POST /v3/auth/tokens: proving who one is and choosing a scope.

use serde_json::Value;

use super::directory::Flaw;
use super::model::{Scope, Target, Token};
use super::{forbidden, forbidden_action, missing, not_found, token, unauthorized};
use crate::call::{Answer, Call, Refusal};
use crate::world::World;

/// Who was recognised, and what the proof already fixes.
#[derive(Default)]
struct Proof {
    user_id: String,
    methods: Vec<String>,
    application_credential_id: Option<String>,
    /// Scope that can't be chosen: that of the application credential.
    scope: Option<Scope>,
    /// From an earlier token: its end and the audit id of its chain.
    earlier: Option<(i64, String)>,
}

pub(super) fn issue(world: &mut World, call: &Call) -> Answer {
    let auth = &call.body["auth"];
    if auth.is_null() {
        return Err(expecting("auth", "request body"));
    }
    let identity = &auth["identity"];
    let methods = identity["methods"]
        .as_array()
        .ok_or_else(|| missing("identity"))?;
    let mut proof = Proof::default();
    for method in methods {
        let method = method.as_str().unwrap_or_default();
        if identity[method].is_null() {
            return Err(expecting(method, "identity"));
        }
        let user_id = match method {
            "password" => by_password(world, &identity["password"]["user"])?,
            "token" => by_token(world, identity, &auth["scope"], &mut proof)?,
            "application_credential" => by_application_credential(world, identity, auth, &mut proof)?,
            _ => {
                return Err(Refusal::new(
                    401,
                    "",
                    "Attempted to authenticate with an unsupported method.",
                ));
            }
        };
        if !proof.user_id.is_empty() && proof.user_id != user_id {
            return Err(unauthorized());
        }
        proof.user_id = user_id;
        if !proof.methods.iter().any(|known| known == method) {
            proof.methods.push(method.to_owned());
        }
    }
    if proof.user_id.is_empty() {
        return Err(unauthorized());
    }
    let scope = match proof.scope.take() {
        Some(scope) => scope,
        None => chosen_scope(world, &auth["scope"], &proof.user_id)?,
    };
    let (id, token) = mint(world, proof, scope);
    world
        .keystone
        .standing(&token, world.now_ms)
        .map_err(|flaw| match flaw {
            Flaw::Invalid | Flaw::Baseless => unauthorized(),
            Flaw::Trust => forbidden(),
        })?;
    if let Scope::Trust(trust_id) = &token.scope {
        use_trust(world, trust_id)?;
    }
    let body = token::render(world, call, &token, call.query("nocatalog").is_none());
    world.keystone.tokens.insert(id.clone(), token);
    let body = body.ok_or_else(unauthorized)?;
    Ok(crate::call::Reply::json(201, body).with_header("x-subject-token", id))
}

fn mint(world: &mut World, proof: Proof, scope: Scope) -> (String, Token) {
    let mut audit_ids = vec![world.rng_text(22)];
    let life = i64::try_from(world.keystone.token_life_ms).unwrap_or(i64::MAX / 2);
    let mut expires_ms = world.now_ms.saturating_add(life);
    if let Some((end, first)) = proof.earlier {
        expires_ms = end;
        audit_ids.push(first);
    }
    let serial = world.keystone.next_serial;
    world.keystone.next_serial += 1;
    let token = Token {
        serial,
        user_id: proof.user_id,
        scope,
        methods: proof.methods,
        application_credential_id: proof.application_credential_id,
        audit_ids,
        issued_ms: world.now_ms,
        expires_ms,
        revoked: false,
    };
    (format!("gAAAAAB{}", world.rng_text(176)), token)
}

fn by_password(world: &World, user: &Value) -> Result<String, Refusal> {
    let (id, known) = world.keystone.user_by(user).ok_or_else(unauthorized)?;
    let given = user["password"].as_str().ok_or_else(|| missing("password"))?;
    let right = known
        .password
        .as_ref()
        .is_some_and(|password| password.matches(given));
    if right && world.keystone.user_is_open(id) {
        Ok(id.clone())
    } else {
        Err(unauthorized())
    }
}

fn by_token(world: &World, identity: &Value, scope: &Value, proof: &mut Proof) -> Result<String, Refusal> {
    let id = identity["token"]["id"].as_str().ok_or_else(|| missing("token"))?;
    let earlier = world.keystone.tokens.get(id).ok_or_else(token::unrecognized)?;
    world
        .keystone
        .standing(earlier, world.now_ms)
        .map_err(|_| unauthorized())?;
    // Delegation must not end in more than was delegated.
    let wants_less = scope.get("project").is_some() || scope.get("domain").is_some();
    let refused = match &earlier.scope {
        Scope::Trust(_) => {
            Some("Using trust-scoped token to create another token. Create a new trust-scoped token instead")
        }
        Scope::System if wants_less => Some(
            "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.",
        ),
        _ if earlier.application_credential_id.is_some() => {
            Some("Using a delegated token to create another token is not allowed.")
        }
        _ => None,
    };
    if let Some(action) = refused {
        return Err(forbidden_action(action));
    }
    proof.methods.extend(earlier.methods.iter().cloned());
    let first = earlier.audit_ids.last().cloned().unwrap_or_default();
    proof.earlier = Some((earlier.expires_ms, first));
    Ok(earlier.user_id.clone())
}

fn by_application_credential(
    world: &World,
    identity: &Value,
    auth: &Value,
    proof: &mut Proof,
) -> Result<String, Refusal> {
    let given = &identity["application_credential"];
    if !auth["scope"].is_null() {
        let text = "Error authenticating with application credential: Application credentials cannot request a \
                    scope.";
        return Err(Refusal::new(401, "", text));
    }
    let all = &world.keystone.application_credentials;
    let found = match given["id"].as_str() {
        Some(id) => all.get_key_value(id),
        None => {
            let (user_id, _) = world.keystone.user_by(&given["user"]).ok_or_else(unauthorized)?;
            let name = given["name"].as_str().ok_or_else(|| missing("name"))?;
            all.iter()
                .find(|(_, credential)| credential.user_id == *user_id && credential.name == name)
        }
    };
    let (id, credential) = found.ok_or_else(|| match given["id"].as_str() {
        Some(id) => not_found("Application Credential", id),
        None => unauthorized(),
    })?;
    let expired = credential.expires_ms.is_some_and(|end| end <= world.now_ms);
    let right = given["secret"]
        .as_str()
        .is_some_and(|secret| credential.secret.matches(secret));
    if !right || expired {
        return Err(unauthorized());
    }
    proof.application_credential_id = Some(id.clone());
    proof.scope = Some(Scope::Project(credential.project_id.clone()));
    Ok(credential.user_id.clone())
}

fn chosen_scope(world: &World, scope: &Value, user_id: &str) -> Result<Scope, Refusal> {
    let keystone = &world.keystone;
    if scope.is_null() {
        let home = keystone
            .users
            .get(user_id)
            .and_then(|user| user.default_project_id.clone());
        let usable = home.filter(|id| {
            keystone.project_is_open(id)
                && !keystone
                    .effective_roles(user_id, &Target::Project(id.clone()))
                    .is_empty()
        });
        return Ok(usable.map_or(Scope::Unscoped, Scope::Project));
    }
    if scope == "unscoped" {
        return Ok(Scope::Unscoped);
    }
    let kinds = scope
        .as_object()
        .map(|kinds| kinds.iter().collect::<Vec<_>>())
        .unwrap_or_default();
    match kinds.as_slice() {
        [(kind, value)] => match kind.as_str() {
            "unscoped" => Ok(Scope::Unscoped),
            "system" => Ok(Scope::System),
            "project" => keystone
                .project_by(value)
                .map(|(id, _)| Scope::Project(id.clone()))
                .ok_or_else(unauthorized),
            "domain" => keystone
                .domain_by(value)
                .map(|(id, _)| Scope::Domain(id.clone()))
                .ok_or_else(unauthorized),
            "OS-TRUST:trust" => {
                let id = value["id"].as_str().ok_or_else(|| missing("trust_id"))?;
                let known = keystone.trusts.contains_key(id);
                known
                    .then(|| Scope::Trust(id.to_owned()))
                    .ok_or_else(unauthorized)
            }
            _ => Err(bad_scope()),
        },
        _ => Err(bad_scope()),
    }
}

fn bad_scope() -> Refusal {
    expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
}

fn expecting(attribute: &str, target: &str) -> Refusal {
    let text = format!(
        "Expecting to find {attribute} in {target}. The server could not comply with the request since it is \
         either malformed or otherwise incorrect. The client is assumed to be in error."
    );
    Refusal::new(400, "", text)
}

fn use_trust(world: &mut World, trust_id: &str) -> Result<(), Refusal> {
    let trust = world.keystone.trusts.get_mut(trust_id);
    match trust.and_then(|trust| trust.remaining_uses.as_mut()) {
        Some(0) => Err(not_found("trust", trust_id)),
        Some(left) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}
