//! One request to a simulated service and its answer, without HTTP: services are plain functions of these.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// Who asks, as read from the token; `None` fields for unauthenticated or unscoped callers.
#[derive(Clone, Default)]
pub struct Caller {
    /// Keystone user id; empty when the call carries no token.
    pub user_id: String,
    /// Project of the token, if it is project-scoped.
    pub project_id: Option<String>,
    /// Role names.
    pub roles: Vec<String>,
    /// True when the caller has the `admin` role in a project or on the system: an administrator of the cloud.
    /// The role on a domain alone does not count.
    pub is_admin: bool,
    /// The token itself.
    pub token: Option<String>,
    /// Domain of the token, if it is domain-scoped.
    pub domain_id: Option<String>,
    /// Domain that the user itself belongs to.
    pub user_domain_id: String,
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Caller")
            .field("user_id", &self.user_id)
            .field("project_id", &self.project_id)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// A request as a service sees it.
#[derive(Clone)]
pub struct Call {
    /// Upper-case HTTP method.
    pub method: String,
    /// Path segments below the service's prefix, percent-decoded: `["v2.1", "servers", "<id>"]`.
    pub path: Vec<String>,
    /// Query parameters in order; a name may repeat.
    pub query: Vec<(String, String)>,
    /// Lower-case header names.
    pub headers: BTreeMap<String, String>,
    /// Parsed JSON body; `Null` when there is none.
    pub body: Value,
    /// Who asks.
    pub caller: Caller,
    /// `http://host:port` of the simulator, for links and the catalog.
    pub base: String,
    /// `req-<uuid>`, also sent back in the response.
    pub request_id: String,
}

/// Bodies and headers carry passwords, tokens and user-data, so only what names the call is shown.
impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// First value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Project of the caller, or an empty text.
    pub fn project(&self) -> &str {
        self.caller.project_id.as_deref().unwrap_or_default()
    }

    /// Method and path as slices, for matching.
    pub fn route(&self) -> (&str, Vec<&str>) {
        (
            self.method.as_str(),
            self.path.iter().map(String::as_str).collect(),
        )
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON body; `None` for an empty one.
    pub body: Option<Value>,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
}

impl Reply {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
        }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            headers: Vec::new(),
        }
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Which error body a service wears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"error": {"code", "message", "title"}}`
    Keystone,
    /// `{"<kind>": {"code", "message"}}`, where kind is `badRequest`, `itemNotFound`, `forbidden`, ...
    Nova,
    /// `{"NeutronError": {"type", "message", "detail"}}`
    Neutron,
    /// As Nova.
    Cinder,
    /// `{"faultcode", "faultstring", "debuginfo"}`
    Octavia,
    /// `{"message", "code", "title"}`, which WebOb sends to clients that accept JSON.
    Glance,
}

/// A refusal by a service: rendered in the dialect of the service.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Neutron's exception class, such as `NetworkNotFound`; others ignore it.
    pub kind: String,
    /// Text for people.
    pub message: String,
}

impl Refusal {
    /// A refusal with a status and a text.
    pub fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message: message.into(),
        }
    }

    /// Renders the body in a service's own shape.
    pub fn render(&self, dialect: Dialect) -> Reply {
        let body = match dialect {
            Dialect::Keystone => json!({"error": {"code": self.status, "message": self.message,
                "title": title(self.status)}}),
            Dialect::Nova | Dialect::Cinder => json!({(nova_kind(self.status)): {"code": self.status,
                "message": self.message}}),
            Dialect::Neutron => json!({"NeutronError": {"type": self.kind, "message": self.message,
                "detail": ""}}),
            Dialect::Octavia => json!({"faultcode": if self.status < 500 { "Client" } else { "Server" },
                "faultstring": self.message, "debuginfo": null}),
            Dialect::Glance => json!({"message": format!("{}<br /><br />\n\n\n", self.message),
                "code": format!("{} {}", self.status, title(self.status)), "title": title(self.status)}),
        };
        let reply = Reply::json(self.status, body);
        if dialect == Dialect::Nova {
            reply.with_header("content-type", "application/json; charset=UTF-8")
        } else {
            reply
        }
    }
}

fn nova_kind(status: u16) -> &'static str {
    match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 => "overLimit",
        429 => "overLimit",
        503 => "serviceUnavailable",
        _ => "computeFault",
    }
}

/// Reason phrase of a status.
pub fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// What a service's handler returns.
pub type Answer = Result<Reply, Refusal>;
