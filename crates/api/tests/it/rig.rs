//! A simulated cloud, a database of its own, and the router.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jeroboam_api::App;
use jeroboam_cloud::{Connector, Credentials, DomainName, Options, Scope, Session, UserName};
use jeroboam_config::Config;
use jeroboam_driver::graph::Made;
use jeroboam_driver::{
    Access, Ask, Departure, Driver, DriverError, Drivers, Graph, Invalid, LabelDefault, LabelKind,
    LabelReach, LabelSpec, Leaving, NodeAsk, Provides, Report,
};
use jeroboam_pki::Keyring;
use jeroboam_simcloud::SimCloud;
use jeroboam_simcloud::keystone::{Grant, Target};
use jeroboam_store::{Claim, Store};
use jeroboam_types::{Coe, Millis, ServerType};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tower::ServiceExt as _;

thread_local! {
    static AHEAD_MS: Cell<i64> = const { Cell::new(0) };
}

/// Lets time pass for the API of this test.
pub fn pass(duration: Duration) {
    AHEAD_MS.with(|ahead| ahead.set(ahead.get() + i64::try_from(duration.as_millis()).unwrap()));
}

fn clock() -> Millis {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Millis(i64::try_from(now.as_millis()).unwrap() + AHEAD_MS.with(Cell::get))
}

/// A driver of both names of Docker's swarm mode on Debian that builds nothing.
struct Paper(&'static str, &'static [Provides]);

const SWARM: &[Provides] = &[
    Provides {
        server_type: ServerType::Vm,
        os: Some("debian"),
        coe: Coe::Swarm,
    },
    Provides {
        server_type: ServerType::Vm,
        os: Some("debian"),
        coe: Coe::SwarmMode,
    },
];
const LABELS: &[LabelSpec] = &[
    LabelSpec {
        name: "boot_volume_size",
        kind: LabelKind::Integer {
            min: 0,
            max: 100,
            unit: "GiB",
        },
        default: LabelDefault::Option {
            section: "cinder",
            name: "default_boot_volume_size",
        },
        reach: LabelReach::NodeGroup,
        description: "boots from a volume",
    },
    LabelSpec {
        name: "paper_kind",
        kind: LabelKind::Choice(&["plain", "lined"]),
        default: LabelDefault::Value("plain"),
        reach: LabelReach::Cluster,
        description: "kind of paper",
    },
];
const BARE: &[Provides] = &[Provides {
    server_type: ServerType::Bm,
    os: None,
    coe: Coe::SwarmMode,
}];

#[async_trait]
impl Driver for Paper {
    fn name(&self) -> &'static str {
        self.0
    }

    fn provides(&self) -> &'static [Provides] {
        self.1
    }

    fn beta(&self) -> bool {
        self.0.starts_with("beta")
    }

    fn labels(&self) -> &'static [LabelSpec] {
        LABELS
    }

    fn validate(&self, ask: &Ask) -> Result<(), Invalid> {
        let labels = &ask.cluster.labels;
        assert!(labels.value("panic").is_none(), "a secret of the inside");
        if ask.template.tls_disabled {
            return Err(Invalid::new("tls_disabled", "needs TLS. Always"));
        }
        match labels.value("impossible") {
            Some(_) => Err(Invalid::new("labels.impossible", "cannot be built")),
            None => Ok(()),
        }
    }

    fn autoscales(&self, ask: &Ask) -> bool {
        ask.cluster.labels.value("auto_scaling_enabled") == Some("true")
    }

    fn graph(&self, _: &Ask) -> Result<Graph, DriverError> {
        Ok(Graph::default())
    }

    fn user_data(&self, _: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        Ok(Vec::new())
    }

    fn api_address(&self, _: &Ask, _: &Made) -> Option<String> {
        None
    }

    async fn check(&self, _: &Ask, _: &Access) -> Report {
        Report::NotYet("paper".to_owned())
    }

    fn validate_upgrade(&self, ask: &Ask) -> Result<(), Invalid> {
        let mut groups = ask.groups.iter();
        match groups.any(|group| group.is_master() && !group.is_uniform()) {
            true => Err(Invalid::new("nodegroup", "the only manager stays")),
            false => Ok(()),
        }
    }

    fn validate_rotation(&self, ask: &Ask) -> Result<(), Invalid> {
        match ask
            .groups
            .iter()
            .any(|group| group.is_master() && group.node_count == 1)
        {
            true => Err(Invalid::new("nodegroup", "the only manager stays")),
            false => Ok(()),
        }
    }

    async fn leave(&self, _: &Ask, _: &Access, _: &Leaving<'_>) -> Departure {
        Departure::Gone
    }
}

pub struct Rig {
    pub cloud: SimCloud,
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub wake: Arc<Notify>,
    pub dir: TempDir,
    pub router: Router,
    connector: Connector,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks status and format of a refusal and gives its text.
    #[track_caller]
    pub fn refusal(&self, status: u16) -> &str {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(keys(&self.body), ["errors"], "{}", self.text);
        let entry = &self.body["errors"][0];
        assert_eq!(
            keys(entry),
            ["code", "detail", "links", "request_id", "status", "title"],
            "{}",
            self.text
        );
        assert_eq!(entry["status"], status);
        assert_eq!(
            entry["request_id"],
            self.header("x-openstack-request-id").unwrap()
        );
        assert_eq!(self.header("content-type"), Some("application/json"));
        entry["detail"].as_str().unwrap()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }
}

/// Sorted keys of an object.
pub fn keys(value: &Value) -> Vec<&str> {
    let keys: BTreeSet<&str> = value
        .as_object()
        .map(|map| map.keys().map(String::as_str).collect())
        .unwrap();
    keys.into_iter().collect()
}

impl Rig {
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// With more options.
    pub async fn with(options: &str) -> Self {
        let cloud = SimCloud::start(jeroboam_simcloud::Options::default())
            .await
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_ini(&format!(
            "[DEFAULT]\nstate_path = {}\n[healthcheck]\ndisable_by_file_path = $state_path/disabled\n[api]\nlookups_kept = 0\n\
             [keystone_authtoken]\nwww_authenticate_uri = {}\n{options}",
            dir.path().display(),
            cloud.auth_url(),
        ))
        .unwrap();
        let store = Store::connect(config.database.connection.expose_secret(), 5)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let connector = Connector::new(
            Options {
                call_timeout: Duration::from_secs(5),
                connect_timeout: Duration::from_secs(2),
                ..Options::new(cloud.auth_url())
            },
            16,
        )
        .unwrap();
        let keyring = Arc::new(Keyring::open_or_create(&dir.path().join("master.key")).unwrap());
        let wake = Arc::new(Notify::new());
        let app = App {
            store: store.clone(),
            connector: connector.clone(),
            service: connector.session(password("magnum", "service")),
            drivers: Drivers::new(vec![
                Arc::new(Paper("bare_paper", BARE)),
                Arc::new(Paper("swarm_paper", SWARM)),
                Arc::new(Paper("beta_paper", SWARM)),
            ]),
            keyring: Arc::clone(&keyring),
            config: Arc::new(config),
            wake: Arc::clone(&wake),
            clock,
        };
        Self {
            cloud,
            store,
            keyring,
            wake,
            dir,
            connector,
            router: jeroboam_api::router(app),
        }
    }

    /// A session of a user at the other services.
    pub fn session(&self, user: &str, project: &str) -> Session {
        self.connector.session(password(user, project))
    }

    /// A new token.
    pub async fn token(&self, user: &str, project: &str) -> String {
        let session = self.session(user, project);
        session.token().await.unwrap().token.expose_secret().to_owned()
    }

    /// Adds a user like `demo` with other roles in a project.
    pub fn add_user(&self, name: &str, project: &str, roles: &[&str]) {
        self.cloud.with_world(|world| {
            let id = world.rng.u128(..);
            let id = format!("{id:032x}");
            let keystone = &mut world.keystone;
            let mut user = keystone
                .users
                .values()
                .find(|user| user.name == "demo")
                .unwrap()
                .clone();
            user.name = name.to_owned();
            keystone.users.insert(id.clone(), user);
            let (project, _) = keystone
                .projects
                .iter()
                .find(|(_, known)| known.name == project)
                .unwrap();
            let target = Target::Project(project.clone());
            for role in roles {
                let (role_id, _) = keystone
                    .roles
                    .iter()
                    .find(|(_, known)| known.name == *role)
                    .unwrap();
                let (user_id, role_id) = (id.clone(), role_id.clone());
                keystone.grants.insert(Grant {
                    user_id,
                    target: target.clone(),
                    role_id,
                });
            }
        });
    }

    /// Gives a user a role somewhere.
    pub fn grant(&self, user: &str, target: Target, role: &str) {
        self.cloud.with_world(|world| {
            let keystone = &mut world.keystone;
            let id_of = |name: &str| {
                let found = keystone.users.iter().find(|(_, user)| user.name == name);
                found.map(|(id, _)| id.clone()).unwrap()
            };
            let role = keystone.roles.iter().find(|(_, known)| known.name == role);
            let (user_id, role_id) = (id_of(user), role.map(|(id, _)| id.clone()).unwrap());
            keystone.grants.insert(Grant {
                user_id,
                target,
                role_id,
            });
        });
    }

    /// A new token that is good for something else than a project.
    pub async fn scoped_token(&self, user: &str, scope: Scope) -> String {
        let Credentials::Password { user, password, .. } = password(user, "") else {
            unreachable!("passwords are all there is");
        };
        let session = self.connector.session(Credentials::Password {
            user,
            password,
            scope,
        });
        session.token().await.unwrap().token.expose_secret().to_owned()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
            body,
        }
    }

    /// A call at the latest microversion.
    pub async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_at("1.14", token, method, path, body).await
    }

    pub async fn call_at(
        &self,
        version: &str,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("host", "magnum.example:9511")
            .header("x-auth-token", token)
            .header("accept", "application/json")
            .header("openstack-api-version", format!("container-infra {version}"))
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    /// A call at the latest microversion with more headers; one of the same name counts instead.
    pub async fn call_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&'static str, &str)],
    ) -> Answer {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = Request::builder().method(method).uri(path).body(body).unwrap();
        let fixed = [
            ("host", "magnum.example:9511"),
            ("x-auth-token", token),
            ("openstack-api-version", "container-infra 1.14"),
            ("content-type", "application/json"),
        ];
        for (name, value) in fixed.iter().chain(headers) {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        self.send(request).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, None).await
    }

    /// A list of clusters, asked for with more headers.
    pub async fn with_headers(&self, token: &str, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = Request::builder()
            .uri("/v1/clusters")
            .header("x-auth-token", token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// The same.
    pub async fn with_headers_owned(&self, token: &str, headers: Vec<(&'static str, String)>) -> Answer {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.with_headers(token, &headers).await
    }

    /// A token of a new application credential that is good for some requests only.
    pub async fn application_credential_token(&self, owner: &str, rules: Value) -> String {
        let user_id = self
            .cloud
            .with_world(|world| world.keystone.tokens[owner].user_id.clone());
        let client = reqwest::Client::new();
        let auth_url = self.cloud.auth_url();
        let name = format!("c{}", rules.as_array().unwrap().len());
        let body = json!({"application_credential": {"name": name, "access_rules": rules}});
        let made = client
            .post(format!("{auth_url}/users/{user_id}/application_credentials"))
            .header("x-auth-token", owner)
            .json(&body)
            .send()
            .await
            .unwrap();
        let made: Value = made.json().await.unwrap();
        let made = &made["application_credential"];
        let body = json!({"auth": {"identity": {"methods": ["application_credential"],
            "application_credential": {"id": made["id"], "secret": made["secret"]}}}});
        let tokens = client.post(format!("{auth_url}/auth/tokens")).json(&body);
        let answer = tokens.send().await.unwrap();
        let token = answer.headers()["x-subject-token"].to_str().unwrap();
        token.to_owned()
    }

    /// Creates a template and gives its UUID.
    pub async fn template(&self, token: &str, more: Value) -> String {
        let body = merged(template(), more);
        let answer = self
            .call(token, "POST", "/v1/clustertemplates", Some(body))
            .await
            .expect(201);
        answer["uuid"].as_str().unwrap().to_owned()
    }

    /// Creates a cluster and gives its UUID.
    pub async fn cluster(&self, token: &str, template: &str, more: Value) -> String {
        let body = merged(json!({"name": "prod", "cluster_template_id": template}), more);
        let answer = self
            .call(token, "POST", "/v1/clusters", Some(body))
            .await
            .expect(202);
        answer["uuid"].as_str().unwrap().to_owned()
    }

    /// Takes the engine's place for the clusters that are due.
    pub async fn claim(&self) -> Vec<Claim> {
        let now = clock();
        self.store
            .engine()
            .claim_due("test", now, now.plus(Duration::from_secs(60)), 100)
            .await
            .unwrap()
    }
}

fn password(user: &str, project: &str) -> Credentials {
    let domain = DomainName::Name("Default".to_owned());
    Credentials::Password {
        user: UserName::Name {
            name: user.to_owned(),
            domain: domain.clone(),
        },
        password: "secret".into(),
        scope: Scope::ProjectName {
            name: project.to_owned(),
            domain,
        },
    }
}

/// Body of a template that the simulated cloud can serve.
pub fn template() -> Value {
    json!({
        "name": "swarm-small",
        "coe": "swarm-mode",
        "image_id": "debian-12-docker",
        "flavor_id": "m1.small",
        "master_flavor_id": "m1.small",
        "external_network_id": "public",
    })
}

/// An object with the members of another one over its own.
pub fn merged(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}
