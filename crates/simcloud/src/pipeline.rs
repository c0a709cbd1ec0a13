//! What happens to each request: read, looked up in the fault rules, authenticated, handled, counted, answered.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::call::{Answer, Call, Caller, Dialect, Refusal, Reply};
use crate::faults::{Effect, Subject};
use crate::service::{Service, template};
use crate::simcloud::Shared;
use crate::world::World;
use crate::{admin, http, keystone, nova, versions};

/// Largest body of any call but an image upload, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// How a request ends.
pub(crate) enum Outcome {
    /// With a response.
    Answer(Response<Full<Bytes>>),
    /// The connection closes without a response.
    Close,
    /// The connection is reset.
    Reset,
}

/// Answers one request. `loopback` tells whether it came from this machine, which the admin endpoint demands.
pub(crate) async fn answer(shared: &Shared, request: Request<Incoming>, loopback: bool) -> Outcome {
    let (head, body) = request.into_parts();
    let mut path = http::segments(head.uri.path());
    let first = if path.is_empty() {
        String::new()
    } else {
        path.remove(0)
    };
    let headers: BTreeMap<String, String> = head
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let service = Service::from_prefix(&first);
    let mut call = Call {
        method: head.method.as_str().to_owned(),
        path,
        query: http::query(head.uri.query()),
        headers,
        body: Value::Null,
        caller: Caller::default(),
        base: shared.base.clone(),
        request_id: shared.request_id(),
    };
    let read = if service == Some(Service::Image) && call.path.last().is_some_and(|last| last == "file") {
        read_upload(body).await
    } else {
        read_json(body).await
    };
    match read {
        Ok(body) => call.body = body,
        Err(mut refusal) => {
            if service == Some(Service::Identity) && refusal.status == 400 {
                refusal.message =
                    "Expecting to find valid JSON in request body. The server could not comply \
                                   with the request since it is either malformed or otherwise incorrect. The \
                                   client is assumed to be in error."
                        .to_owned();
            }
            let dialect = service.map_or(Dialect::Nova, Service::dialect);
            return Outcome::Answer(http::response(refusal.render(dialect)));
        }
    }
    if let Some(service) = service {
        return serve(shared, service, call).await;
    }
    let reply = match first.as_str() {
        "_sim" if loopback => admin::handle(shared, &call),
        "" => Reply::json(200, versions::front_page(&call)),
        _ => Reply::json(
            404,
            json!({"error": {"code": 404, "message": "no such service", "title": "Not Found"}}),
        ),
    };
    Outcome::Answer(http::response(reply))
}

async fn read_json(body: Incoming) -> Result<Value, Refusal> {
    let collected = Limited::new(body, BODY_LIMIT).collect().await;
    let bytes = collected
        .map_err(|_| Refusal::new(413, "", "Request is too large."))?
        .to_bytes();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|_| Refusal::new(400, "HTTPBadRequest", "Malformed request body"))
}

/// Image data is counted and thrown away.
async fn read_upload(mut body: Incoming) -> Result<Value, Refusal> {
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::new(400, "", "Truncated upload"))?;
        size += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(json!({"size": size}))
}

async fn serve(shared: &Shared, service: Service, mut call: Call) -> Outcome {
    let path_template = template(&call.path);
    let operation = format!("{} {} {path_template}", call.method, service.name());
    let verdict = shared.faults().decide(&Subject {
        service,
        method: &call.method,
        path: &format!("/{}", call.path.join("/")),
        template: &path_template,
        body: &call.body,
    });
    if verdict.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(verdict.latency_ms)).await;
    }
    let refused = match &verdict.effect {
        Some(Effect::Timeout { ms }) => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            shared.counts().record(&operation, "timeout");
            return Outcome::Close;
        }
        Some(Effect::Reset) => {
            shared.counts().record(&operation, "reset");
            return Outcome::Reset;
        }
        Some(Effect::Late { ms }) => {
            shared.do_later(Duration::from_millis(*ms), service, call);
            shared.counts().record(&operation, "late");
            return Outcome::Reset;
        }
        Some(Effect::Status { status, retry_after }) => {
            let refusal = Refusal::new(*status, "InjectedFault", injected_message(*status));
            let reply = refusal.render(service.dialect());
            Some(match retry_after {
                Some(secs) => reply.with_header("retry-after", secs.to_string()),
                None => reply,
            })
        }
        Some(Effect::Quota) => Some(over_quota(service).render(service.dialect())),
        _ => None,
    };
    let log = console_log(shared, service, &call).await;
    let mut reply = match refused {
        Some(reply) => reply,
        None => shared.with_world(|world| {
            world.console_log = log;
            let answer = dispatch(world, service, &mut call);
            doom(world, verdict.effect.as_ref(), &answer);
            answer.unwrap_or_else(|refusal| refusal.render(service.dialect()))
        }),
    };
    if verdict.effect == Some(Effect::LostAnswer) {
        shared.counts().record(&operation, "lost_answer");
        return Outcome::Reset;
    }
    shared.counts().record(&operation, &reply.status.to_string());
    tracing::debug!(
        operation,
        http.status = reply.status,
        request.id = call.request_id,
        "call answered"
    );
    if reply.status == 401 {
        let challenge = format!("Keystone uri=\"{}/identity\"", call.base);
        reply = reply.with_header("www-authenticate", challenge);
    }
    reply.headers.extend(service.headers(&call, &reply));
    Outcome::Answer(http::response(reply))
}

/// The log of a real machine, when the call asks for it: reading it takes longer than the world may be locked.
async fn console_log(shared: &Shared, service: Service, call: &Call) -> Option<String> {
    let machines = shared.machines.as_ref()?;
    let wanted = service == Service::Compute && call.body.get("os-getConsoleOutput").is_some();
    match call.path.as_slice() {
        [_, _, server, action] if wanted && action == "action" => Some(machines.console_log(server).await),
        _ => None,
    }
}

/// Version documents need no token; for every service but Keystone, everything else does.
pub(crate) fn dispatch(world: &mut World, service: Service, call: &mut Call) -> Answer {
    if let Some(reply) = versions::document(service, call) {
        return Ok(reply);
    }
    let token = call.headers.get("x-auth-token");
    let caller = token.and_then(|token| keystone::caller(world, token));
    let has_broken_trust = token.is_some_and(|token| keystone::is_of_broken_trust(world, token));
    match caller {
        Some(caller) => call.caller = caller,
        None if service == Service::Identity && has_broken_trust => return Err(keystone::forbidden()),
        None if service == Service::Identity => {}
        // keystonemiddleware answers before the service, in shapes of its own.
        None if has_broken_trust => {
            let refusal = Refusal::new(503, "", "The Keystone service is temporarily unavailable.");
            return Ok(refusal.render(Dialect::Glance));
        }
        // Glance lets it pass and refuses in its own words.
        None if service == Service::Image => {
            let text = "This server could not verify that you are authorized to access the document you requested. \
                        Either you supplied the wrong credentials (e.g., bad password), or your browser does not \
                        understand how to supply the credentials required.";
            return Err(Refusal::new(401, "", text));
        }
        None => return Ok(keystone::unauthorized().render(Dialect::Keystone)),
    }
    service.handle(world, call)
}

/// Marks the server that a call has just created.
fn doom(world: &mut World, effect: Option<&Effect>, answer: &Answer) {
    let id = answer
        .as_ref()
        .ok()
        .and_then(|reply| reply.body.as_ref()?["server"]["id"].as_str());
    match (effect, id) {
        (Some(Effect::StuckBuild), Some(id)) => nova::doom(world, id, nova::Fate::Stuck),
        (Some(Effect::ServerError { message }), Some(id)) => {
            nova::doom(world, id, nova::Fate::Error(message.clone()));
        }
        _ => {}
    }
}

fn injected_message(status: u16) -> &'static str {
    match status {
        409 => "The request conflicts with the present state of the resource.",
        429 => "Too Many Requests",
        503 => "The server is currently unavailable. Please try again at a later time.",
        _ => "The server has either erred or is incapable of performing the requested operation.",
    }
}

fn over_quota(service: Service) -> Refusal {
    match service {
        Service::Compute => {
            let text = "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances";
            Refusal::new(403, "", text)
        }
        Service::Network => Refusal::new(409, "OverQuota", "Quota exceeded for resources: ['port']."),
        Service::Volume => {
            let text =
                "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'.";
            Refusal::new(413, "", text)
        }
        Service::LoadBalancer => Refusal::new(403, "", "Quota has been met for resources: Load Balancer"),
        Service::Identity | Service::Image => Refusal::new(403, "", "Quota exceeded."),
    }
}
