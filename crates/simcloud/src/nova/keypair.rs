//! Keypairs. Nova never sees a private key here: a public one must be given, as since microversion 2.92.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::model::Keypair;
use super::{Page, invalid, no_route, page, policy, quota, refuse, resource, version};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::clock;
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    let user_id = owner(call, call.query("user_id"))?;
    match (method, path) {
        ("GET", []) => {
            let own = world.nova.keypairs.get(&user_id).into_iter().flatten();
            let Page { items: own, next } = page(
                call,
                "os-keypairs",
                own.map(|(name, key)| (name.as_str(), key)).collect(),
            )?;
            let shown: Vec<Value> = own
                .into_iter()
                .map(|(name, keypair)| {
                    let mut body = render(call, &user_id, name, keypair);
                    if let Some(fields) = body.as_object_mut() {
                        fields.remove("user_id");
                    }
                    json!({"keypair": body})
                })
                .collect();
            let mut body = json!({"keypairs": shown});
            if let Some(next) = next {
                body["keypairs_links"] = next;
            }
            Ok(Reply::json(200, body))
        }
        ("POST", []) => create(world, call),
        ("GET", [name]) => {
            let keypair = find(world, &user_id, name)?;
            let mut body = render(call, &user_id, name, keypair);
            body["id"] = json!(keypair.sequence);
            body["created_at"] = json!(clock::naive_micros(keypair.created_ms));
            body["updated_at"] = Value::Null;
            body["deleted_at"] = Value::Null;
            body["deleted"] = json!(false);
            Ok(Reply::json(200, json!({"keypair": body})))
        }
        ("DELETE", [name]) => {
            find(world, &user_id, name)?;
            if let Some(own) = world.nova.keypairs.get_mut(&user_id) {
                own.remove(*name);
            }
            Ok(Reply::empty(if version(call) >= 2 { 204 } else { 202 }))
        }
        _ => Err(no_route()),
    }
}

/// The user whose keypairs are meant: since 2.10 an administrator may name another.
fn owner(call: &Call, asked: Option<&str>) -> Result<String, Refusal> {
    match asked.filter(|_| version(call) >= 10) {
        Some(other) if other != call.caller.user_id && !call.caller.is_admin => {
            Err(policy("os-keypairs:index"))
        }
        Some(other) => Ok(other.to_owned()),
        None => Ok(call.caller.user_id.clone()),
    }
}

pub(super) fn find<'a>(world: &'a World, user_id: &str, name: &str) -> Result<&'a Keypair, Refusal> {
    let keypair = world.nova.keypairs.get(user_id).and_then(|own| own.get(name));
    keypair.ok_or_else(|| refuse(404, format!("Keypair {name} not found for user {user_id}")))
}

fn render(call: &Call, user_id: &str, name: &str, keypair: &Keypair) -> Value {
    let mut body = json!({"name": name, "public_key": keypair.public_key, "fingerprint": keypair.fingerprint,
        "user_id": user_id});
    if version(call) >= 2 {
        body["type"] = json!("ssh");
    }
    body
}

fn create(world: &mut World, call: &Call) -> Answer {
    let fields = resource(call, "keypair")?;
    let user_id = owner(call, fields["user_id"].as_str())?;
    let name = fields["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.chars().count() > 255 {
        return Err(invalid("name"));
    }
    let Some(public_key) = fields["public_key"].as_str() else {
        return Err(refuse(400, "'public_key' is a required property"));
    };
    let fingerprint = fingerprint(public_key)?;
    let own = world.nova.keypairs.entry(user_id.clone()).or_default();
    if own.contains_key(name) {
        return Err(refuse(409, format!("Key pair '{name}' already exists.")));
    }
    let used = own.len();
    quota::check_simple(
        world,
        call.project(),
        "key_pairs",
        used,
        "Quota exceeded, too many key pairs.",
    )?;
    world.nova.sequence += 1;
    let keypair = Keypair {
        public_key: public_key.to_owned(),
        fingerprint,
        created_ms: world.now_ms,
        sequence: world.nova.sequence,
    };
    let body = json!({"keypair": render(call, &user_id, name, &keypair)});
    world
        .nova
        .keypairs
        .entry(user_id)
        .or_default()
        .insert(name.to_owned(), keypair);
    Ok(Reply::json(if version(call) >= 2 { 201 } else { 200 }, body))
}

/// Looks like Nova's MD5 fingerprint of the key, without being one: nothing compares them.
fn fingerprint(public_key: &str) -> Result<String, Refusal> {
    let bad = || refuse(400, "Keypair data is invalid: failed to generate fingerprint");
    let mut words = public_key.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let blob = words
        .next()
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or_else(bad)?;
    if !kind.contains('-') || blob.len() < 16 {
        return Err(bad());
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut digest = [0_u8; 16];
    for (at, byte) in blob.iter().enumerate() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        digest[at % 16] ^= hash.to_le_bytes()[3];
    }
    Ok(digest.map(|byte| format!("{byte:02x}")).join(":"))
}
