//! Which pages of other origins browsers let use the API: `[cors]`, as oslo.middleware's filter does it.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use jeroboam_config::sections;

/// Headers that need no leave.
const SIMPLE: [&str; 4] = ["accept", "accept-language", "content-language", "content-type"];

/// What is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
    any_origin: bool,
    credentials: bool,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
    methods: Vec<String>,
    /// In lower case.
    headers: Vec<String>,
}

impl Cors {
    /// `None` when no origin is allowed: then the API says nothing about origins.
    pub(crate) fn new(section: &sections::Cors) -> Option<Self> {
        let list = |list: &[String]| -> Vec<String> {
            let items = list.iter().map(|item| item.trim().to_owned());
            items.filter(|item| !item.is_empty()).collect()
        };
        let origins = list(&section.allowed_origin);
        let allowed = list(&section.allow_headers).into_iter();
        let expose = list(&section.expose_headers).join(",");
        (!origins.is_empty()).then(|| Self {
            any_origin: origins.iter().any(|origin| origin == "*"),
            origins,
            credentials: section.allow_credentials,
            expose: HeaderValue::from_str(&expose)
                .ok()
                .filter(|value| !value.is_empty()),
            max_age: HeaderValue::from(section.max_age),
            methods: list(&section.allow_methods),
            headers: allowed.map(|name| name.to_ascii_lowercase()).collect(),
        })
    }

    /// Adds to an answer what a browser needs to know. An answer to `OPTIONS` tells what may be sent, any other what
    /// may be read; without an allowed origin neither.
    pub(crate) fn complete(&self, parts: &Parts, answer: &mut HeaderMap) {
        let Some(origin) = parts.headers.get(ORIGIN) else {
            return;
        };
        let named = origin
            .to_str()
            .is_ok_and(|origin| self.origins.iter().any(|known| known == origin));
        if !named && !self.any_origin {
            return;
        }
        if parts.method == Method::OPTIONS && !self.allow(&parts.headers, answer) {
            return;
        }
        if named {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if self.credentials {
                answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        } else {
            // Browsers refuse credentials where any origin is allowed.
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        answer.append(VARY, HeaderValue::from_static("Origin"));
        if parts.method != Method::OPTIONS
            && let Some(expose) = &self.expose
        {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// Answers a browser that asks in advance; false when what it means to send is not allowed.
    fn allow(&self, asked: &HeaderMap, answer: &mut HeaderMap) -> bool {
        let Some(method) = asked.get(ACCESS_CONTROL_REQUEST_METHOD) else {
            return false;
        };
        if !self
            .methods
            .iter()
            .any(|known| known.as_bytes() == method.as_bytes())
        {
            return false;
        }
        let headers = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let text = headers.map_or(Ok(""), HeaderValue::to_str).unwrap_or("?");
        let mut names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let is_allowed = |name: &str| {
            let name = name.to_ascii_lowercase();
            SIMPLE.contains(&name.as_str()) || self.headers.contains(&name)
        };
        if !names.all(is_allowed) {
            return false;
        }
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if let Some(headers) = headers {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        true
    }
}
