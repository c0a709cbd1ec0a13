//! Plays the scenario's steps against a simulator.

use std::collections::BTreeMap;

use jeroboam_simcloud::faults::{Effect, Match, Rule};
use jeroboam_simcloud::{Options, Pace};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::normal::Normal;
use crate::support::{Answer, Cloud};

/// Asynchronous work takes longer than the whole test, so that a state stays until [`Play`] moves the clock.
const WORK_MS: u64 = 60_000;

/// Headers that are compared, and whether their value is.
const HEADERS: [(&str, bool); 9] = [
    ("content-type", true),
    ("location", false),
    ("openstack-api-version", true),
    ("retry-after", false),
    ("www-authenticate", false),
    ("x-compute-request-id", false),
    ("x-openstack-nova-api-version", true),
    ("x-openstack-request-id", false),
    ("x-subject-token", false),
];

/// Where the services are; the version is the scenario's.
const ROOTS: [(&str, &str); 6] = [
    ("identity", "/identity/v3"),
    ("image", "/image/v2"),
    ("compute", "/compute/v2.1"),
    ("network", "/networking/v2.0"),
    ("block-storage", "/volume/v3/${project}"),
    ("load-balancer", "/load-balancer/v2"),
];

/// One call of the scenario.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub name: String,
    /// Session; `nobody` sends no token, `stranger` one that is none. The tenant's when absent.
    #[serde(rename = "as")]
    session: Option<String>,
    service: String,
    method: String,
    path: String,
    body: Option<Value>,
    /// Session whose token the call is about.
    subject: Option<String>,
    /// Variables to be read out of the answer, by JSON pointer.
    #[serde(default)]
    capture: BTreeMap<String, String>,
    /// Session that the answer's token opens.
    #[serde(rename = "session")]
    opens: Option<String>,
    /// The call is repeated until this holds.
    until: Option<Until>,
    /// A server that the real scheduler finds no host for. The simulator's hosts have room for all, so it is told.
    #[serde(default)]
    no_valid_host: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Until {
    status: Option<u16>,
    #[serde(default)]
    body: BTreeMap<String, Value>,
}

impl Until {
    fn holds(&self, answer: &Answer) -> bool {
        self.status.is_none_or(|status| status == answer.status)
            && self
                .body
                .iter()
                .all(|(place, wanted)| answer.body.pointer(place) == Some(wanted))
    }
}

/// An answer in a recording's form.
#[derive(Deserialize)]
pub struct Seen {
    pub name: String,
    pub status: u16,
    pub headers: BTreeMap<String, Value>,
    pub body: Value,
}

pub struct Play {
    pub cloud: Cloud,
    variables: Vec<(String, String)>,
    tokens: BTreeMap<String, String>,
    keep: Vec<String>,
}

impl Play {
    pub async fn start(keep: Vec<String>) -> Self {
        let pace = Pace {
            server_build_ms: WORK_MS,
            server_delete_ms: WORK_MS,
            volume_ms: WORK_MS,
            load_balancer_ms: WORK_MS,
        };
        let options = Options {
            pace,
            ..Options::default()
        };
        let variables = [
            ("run", "rec-00000000"),
            ("secret", "correct-horse"),
            ("admin_name", "admin"),
            ("admin_password", "secret"),
            ("admin_project", "admin"),
            ("admin_user_domain", "Default"),
            ("admin_project_domain", "Default"),
        ];
        Self {
            cloud: Cloud::start_with(options).await,
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            tokens: BTreeMap::new(),
            keep,
        }
    }

    pub async fn play(&mut self, step: &Step) -> Seen {
        if step.no_valid_host {
            let message = "No valid host was found. ".to_owned();
            let rule = Rule::new(Match::default(), Effect::ServerError { message });
            self.cloud.sim.faults().add(rule);
        }
        let mut answer = self.call(step).await;
        self.cloud.sim.faults().clear();
        // Twice: a detached volume waits for its server, a deleted load balancer for its port.
        for _ in 0..2 {
            if step.until.as_ref().is_some_and(|until| !until.holds(&answer)) {
                self.cloud.sim.with_world(|world| {
                    let later = world.now_ms + 2 * i64::try_from(WORK_MS).unwrap();
                    world.advance(later);
                });
                answer = self.call(step).await;
            }
        }
        for (name, place) in &step.capture {
            // A missing value shows in the comparison; the later steps go on with what cannot exist.
            let value = answer.body.pointer(place).and_then(Value::as_str);
            let value = value.map_or_else(|| format!("missing-{name}"), str::to_owned);
            self.variables.push((name.clone(), value));
        }
        if let Some(session) = &step.opens {
            let token = answer.header("x-subject-token").to_owned();
            self.tokens.insert(session.clone(), token);
        }
        self.seen(step, &answer)
    }

    fn seen(&self, step: &Step, answer: &Answer) -> Seen {
        let headers = HEADERS.into_iter().filter_map(|(name, is_valued)| {
            let value = answer.headers.get(name)?.to_str().unwrap();
            let value = if is_valued { value.into() } else { true.into() };
            Some((name.to_owned(), value))
        });
        let normal = Normal {
            variables: &self.variables,
            keep: &self.keep,
        };
        Seen {
            name: step.name.clone(),
            status: answer.status,
            headers: headers.collect(),
            body: normal.body(&answer.body),
        }
    }

    async fn call(&self, step: &Step) -> Answer {
        let root = ROOTS.iter().find(|(service, _)| *service == step.service);
        let path = self.fill(&format!("{}{}", root.unwrap().1, step.path));
        let token = |session: &str| match session {
            "nobody" => None,
            session => Some(self.tokens.get(session).map_or("no-token-at-all", String::as_str)),
        };
        let mut headers = vec![("accept", "application/json")];
        if let Some(token) = token(step.session.as_deref().unwrap_or("tenant")) {
            headers.push(("x-auth-token", token));
        }
        if let Some(token) = step.subject.as_deref().and_then(token) {
            headers.push(("x-subject-token", token));
        }
        if step.service == "compute" {
            headers.push(("openstack-api-version", "compute 2.67"));
        }
        let method = Method::from_bytes(step.method.as_bytes()).unwrap();
        let body = step.body.as_ref().map(|body| self.filled(body));
        self.cloud.call(method, &path, &headers, body).await
    }

    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.fill(text).into(),
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, item)| (name.clone(), self.filled(item)))
                .collect(),
            other => other.clone(),
        }
    }

    fn fill(&self, text: &str) -> String {
        self.variables
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("${{{name}}}"), value)
            })
    }
}
