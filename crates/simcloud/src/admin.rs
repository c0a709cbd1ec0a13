//! The endpoint `/_sim`: usage, counts, faults, pace. Loopback only, no token.

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::counts::CallCounts;
use crate::faults::Rule;
use crate::simcloud::Shared;
use crate::world::Pace;
use crate::{keystone, nova, usage};

/// Answers a call of the admin endpoint; errors are `{"error": "<text>"}`.
pub(crate) fn handle(shared: &Shared, call: &Call) -> Reply {
    match answer(shared, call) {
        Ok(reply) => reply,
        Err(Mistake { status, text }) => Reply::json(status, json!({"error": text})),
    }
}

struct Mistake {
    status: u16,
    text: String,
}

fn bad(text: impl Into<String>) -> Mistake {
    Mistake {
        status: 400,
        text: text.into(),
    }
}

fn answer(shared: &Shared, call: &Call) -> Result<Reply, Mistake> {
    let (method, path) = call.route();
    let body = &call.body;
    Ok(match (method, path.as_slice()) {
        ("GET", ["usage"]) => Reply::json(200, json!(shared.with_world(|world| usage::leftovers(world)))),
        ("GET", ["calls"]) => Reply::json(200, json!(*shared.counts())),
        ("POST", ["reset-counts"]) => {
            *shared.counts() = CallCounts::default();
            Reply::empty(204)
        }
        ("GET", ["faults"]) => {
            let rules: Vec<Value> = shared
                .faults()
                .list()
                .into_iter()
                .map(|(id, rule, hits)| json!({"id": id, "rule": rule, "hits": hits}))
                .collect();
            Reply::json(200, json!({"faults": rules}))
        }
        ("POST", ["faults"]) => {
            let id = shared.faults().add(rule(body)?);
            Reply::json(201, json!({"id": id}))
        }
        ("DELETE", ["faults"]) => {
            shared.faults().clear();
            Reply::empty(204)
        }
        ("DELETE", ["faults", id]) => {
            let removed = id.parse().is_ok_and(|id| shared.faults().remove(id));
            Reply::empty(if removed { 204 } else { 404 })
        }
        ("GET", ["pace"]) => Reply::json(200, shared.with_world(|world| json!(world.pace))),
        ("PUT", ["pace"]) => shared.with_world(|world| {
            let changes = body.as_object().ok_or_else(|| bad("an object is wanted"))?;
            let mut pace = json!(world.pace);
            merge(&mut pace, changes);
            world.pace = serde_json::from_value::<Pace>(pace).map_err(|error| bad(error.to_string()))?;
            Ok(Reply::json(200, json!(world.pace)))
        })?,
        ("PUT", ["token_life"]) => {
            let secs = body["secs"].as_u64().ok_or_else(|| bad("`secs` is wanted"))?;
            shared.with_world(|world| world.keystone.token_life_ms = secs.saturating_mul(1000));
            Reply::empty(204)
        }
        ("POST", ["seed"]) => {
            let seed = body["seed"].as_u64().ok_or_else(|| bad("`seed` is wanted"))?;
            shared.reseed(seed);
            Reply::empty(204)
        }
        ("POST", ["servers", id, "power-cut"]) => {
            let machines = shared.machines.as_ref();
            machines
                .ok_or_else(|| bad("servers are rows of a table here: there is no power to cut"))?
                .kill(id);
            Reply::empty(204)
        }
        ("PUT", ["consoles", name]) => {
            let output = body["output"].as_str().ok_or_else(|| bad("`output` is wanted"))?;
            shared.with_world(|world| world.consoles.insert((*name).to_owned(), output.to_owned()));
            Reply::empty(204)
        }
        ("PUT", ["endpoints", service_type]) => {
            let url = body["url"].as_str().ok_or_else(|| bad("`url` is wanted"))?;
            shared.with_world(|world| keystone::set_endpoint(world, service_type, url));
            Reply::empty(204)
        }
        ("PUT", ["quotas", "compute"]) => {
            let limits = body.as_object().ok_or_else(|| bad("an object is wanted"))?;
            shared
                .with_world(|world| nova::set_default_quotas(world, limits))
                .map_err(bad)?;
            Reply::empty(204)
        }
        _ => {
            return Err(Mistake {
                status: 404,
                text: "no such operation".to_owned(),
            });
        }
    })
}

fn rule(body: &Value) -> Result<Rule, Mistake> {
    let rule = match body["preset"].as_str() {
        Some("chaos") => Rule::chaos(body["probability"].as_f64().unwrap_or(0.05)),
        Some(other) => return Err(bad(format!("no preset {other}"))),
        None => serde_json::from_value::<Rule>(body.clone()).map_err(|error| bad(error.to_string()))?,
    };
    if (0.0..=1.0).contains(&rule.probability) {
        Ok(rule)
    } else {
        Err(bad("`probability` is between 0 and 1"))
    }
}

fn merge(target: &mut Value, changes: &Map<String, Value>) {
    for (key, value) in changes {
        target[key.as_str()] = value.clone();
    }
}
