//! One line for each answer: who asked for what, and what came of it. Never a query, a header with a secret, or a body.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::response::Response;

use crate::caller::Caller;
use crate::microversion::Version;
use crate::operations::Operation;
use crate::request_id::RequestIds;
use crate::server::Peer;

/// Target of the lines. Nobody waits for them: whoever writes the log may do it for many at a time.
pub const TARGET: &str = module_path!();

/// How lines are written.
#[derive(Clone, Debug)]
pub(crate) enum AccessLog {
    /// Not at all.
    Off,
    /// As fields of a line of the log.
    Fields,
    /// As text: fixed parts and the names of what stands between them.
    Text(Vec<(String, Option<String>)>),
}

/// An answered request.
pub(crate) struct Answered<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) response: &'a Response,
    pub(crate) ids: &'a RequestIds,
    pub(crate) operation: Option<Operation>,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) version: Option<Version>,
    pub(crate) elapsed: Duration,
    /// `X-Forwarded-For` and its kin are believed.
    pub(crate) believe_proxy: bool,
}

impl AccessLog {
    /// `format` as in `[api] access_log_format`.
    pub(crate) fn new(on: bool, format: Option<&str>) -> Self {
        match format {
            _ if !on => Self::Off,
            None => Self::Fields,
            Some(format) => {
                let mut pieces = Vec::new();
                let mut rest = format;
                while let Some((fixed, (name, after))) = rest
                    .split_once("%(")
                    .and_then(|(fixed, after)| Some((fixed, after.split_once(")s")?)))
                {
                    pieces.push((fixed.to_owned(), Some(name.to_owned())));
                    rest = after;
                }
                pieces.push((rest.to_owned(), None));
                Self::Text(pieces)
            }
        }
    }

    /// Writes the line.
    pub(crate) fn write(&self, answered: &Answered<'_>) {
        let (parts, ids, caller) = (answered.parts, answered.ids, answered.caller);
        let pieces = match self {
            Self::Off => return,
            Self::Text(pieces) => pieces,
            Self::Fields => {
                let bytes = answered.bytes();
                let version = answered.version.map(tracing::field::display);
                let client = answered.client().map(tracing::field::display);
                tracing::info!(
                    method = %parts.method,
                    path = parts.uri.path(),
                    operation = answered.operation.map(Operation::name),
                    status = answered.response.status().as_u16(),
                    elapsed_ms = answered.elapsed_ms(),
                    bytes,
                    request_id = ids.local,
                    global_request_id = ids.global.as_deref(),
                    user_id = caller.map(|caller| caller.user_id.as_str()),
                    project_id = answered.project(),
                    microversion = version,
                    client,
                    "answered"
                );
                return;
            }
        };
        let mut line = String::with_capacity(256);
        for (fixed, name) in pieces {
            line.push_str(fixed);
            let Some(name) = name else { continue };
            // Writing to a text cannot fail.
            let _ = match name.as_str() {
                "method" => write!(line, "{}", parts.method),
                "path" => write!(line, "{}", printable(parts.uri.path())),
                "operation" => shown(&mut line, answered.operation.map(Operation::name)),
                "status" => write!(line, "{}", answered.response.status().as_u16()),
                "elapsed_ms" => write!(line, "{}", answered.elapsed_ms()),
                "bytes" => shown(&mut line, answered.bytes()),
                "request_id" => write!(line, "{}", ids.local),
                "global_request_id" => shown(&mut line, ids.global.as_deref()),
                "user_id" => shown(&mut line, caller.map(|caller| caller.user_id.as_str())),
                "project_id" => shown(&mut line, answered.project()),
                "microversion" => shown(&mut line, answered.version),
                "client" => shown(&mut line, answered.client()),
                "user_agent" => {
                    let agent = parts.headers.get(USER_AGENT);
                    let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
                    shown(&mut line, agent.map(|agent| printable(&agent)))
                }
                other => write!(line, "%({other})s"),
            };
        }
        tracing::info!("{line}");
    }
}

impl Answered<'_> {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes of the body.
    fn bytes(&self) -> Option<u64> {
        self.response.body().size_hint().exact()
    }

    fn project(&self) -> Option<&str> {
        let project = self.caller?.project_id.as_ref();
        project.map(|project| project.as_str())
    }

    /// Address of the client, as the proxy in front tells it if it is to be believed.
    fn client(&self) -> Option<IpAddr> {
        let forwarded = || {
            let header = self.parts.headers.get("x-forwarded-for")?.to_str().ok()?;
            header.split(',').next()?.trim().parse().ok()
        };
        let peer = || self.parts.extensions.get::<Peer>()?.address;
        match self.believe_proxy {
            true => forwarded().or_else(peer),
            false => peer(),
        }
    }
}

fn shown(line: &mut String, value: Option<impl std::fmt::Display>) -> std::fmt::Result {
    match value {
        Some(value) => write!(line, "{value}"),
        None => line.write_char('-'),
    }
}

/// Without what would look like another line.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}
