//! A running simulator and sessions with it.

use std::time::{Duration, Instant};

use jeroboam_simcloud::{Options, Pace, SimCloud};
use reqwest::Method;
use serde_json::{Value, json};

/// Status, body and headers of an answer.
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// The body, when the status is as expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub struct Cloud {
    pub sim: SimCloud,
    http: reqwest::Client,
}

/// Everything at once, so that tests need not wait.
pub const INSTANT: Pace = Pace {
    server_build_ms: 0,
    server_delete_ms: 0,
    volume_ms: 0,
    load_balancer_ms: 0,
};

impl Cloud {
    pub async fn start() -> Self {
        Self::start_with(Options {
            pace: INSTANT,
            ..Options::default()
        })
        .await
    }

    pub async fn start_with(options: Options) -> Self {
        Self {
            sim: SimCloud::start(options).await.unwrap(),
            http: reqwest::Client::new(),
        }
    }

    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.sim.base_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_str(&response.text().await?).unwrap_or_default();
        Ok(Answer {
            status,
            body,
            headers,
        })
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        self.try_call(method, path, headers, body).await.unwrap()
    }

    /// POST /auth/tokens.
    pub async fn authenticate(&self, identity: Value, scope: Value) -> Answer {
        let mut auth = json!({"identity": identity});
        if !scope.is_null() {
            auth["scope"] = scope;
        }
        let body = json!({"auth": auth});
        self.call(Method::POST, "/identity/v3/auth/tokens", &[], Some(body))
            .await
    }

    pub async fn session(&self, identity: Value, scope: Value) -> Session<'_> {
        let answer = self.authenticate(identity, scope).await;
        let token = answer.header("x-subject-token").to_owned();
        Session {
            cloud: self,
            token,
            info: answer.expect(201)["token"].clone(),
        }
    }

    /// A session of a seeded user of the default domain on a project there.
    pub async fn login(&self, user: &str, project: &str) -> Session<'_> {
        let scope = json!({"project": {"name": project, "domain": {"id": "default"}}});
        self.session(password(user, "secret"), scope).await
    }

    /// A session of the trustee domain's administrator.
    pub async fn login_domain_admin(&self) -> Session<'_> {
        let user = json!({"name": "magnum_domain_admin", "domain": {"name": "magnum"}, "password": "secret"});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        self.session(identity, json!({"domain": {"name": "magnum"}}))
            .await
    }
}

pub fn password(user: &str, password: &str) -> Value {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": password});
    json!({"methods": ["password"], "password": {"user": user}})
}

pub fn password_of_id(user_id: &str, password: &str) -> Value {
    json!({"methods": ["password"], "password": {"user": {"id": user_id, "password": password}}})
}

pub struct Session<'a> {
    pub cloud: &'a Cloud,
    pub token: String,
    pub info: Value,
}

impl Session<'_> {
    pub fn user_id(&self) -> &str {
        self.info["user"]["id"].as_str().unwrap()
    }

    pub fn project_id(&self) -> &str {
        self.info["project"]["id"].as_str().unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let headers = [
            ("x-auth-token", self.token.as_str()),
            ("x-openstack-nova-api-version", "2.90"),
        ];
        self.cloud.call(method, path, &headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.send(Method::PUT, path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Id of the first item that a list answers.
    pub async fn first_id(&self, path: &str, kind: &str) -> String {
        let body = self.get(path).await.expect(200);
        body[kind][0]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("nothing in {path}"))
            .to_owned()
    }

    /// What a validation of another token says.
    pub async fn validate(&self, subject: &str) -> Answer {
        let headers = [
            ("x-auth-token", self.token.as_str()),
            ("x-subject-token", subject),
        ];
        self.cloud
            .call(Method::GET, "/identity/v3/auth/tokens", &headers, None)
            .await
    }

    /// Asks until the answer is as wanted, for at most five seconds.
    pub async fn wait_for(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let start = Instant::now();
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{path} stays at {}: {}",
                answer.status,
                answer.body
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A server without networks. Returns the answer to its creation.
    pub async fn create_server(&self, name: &str, more: Value) -> Answer {
        let image = self.first_id("/image/v2/images", "images").await;
        let mut server = json!({"name": name, "imageRef": image, "flavorRef": "2", "networks": "none"});
        for (key, value) in more.as_object().into_iter().flatten() {
            server[key.as_str()] = value.clone();
        }
        self.post("/compute/v2.1/servers", json!({"server": server}))
            .await
    }
}
