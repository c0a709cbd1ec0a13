//! The tenant's side of the Magnum API. Every call is repeated until the service, which may just be dead,
//! gives an answer that is its own.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A logged-in tenant.
pub struct Tenant {
    client: reqwest::Client,
    token: String,
    magnum: String,
}

/// A change of a cluster.
pub struct Asked {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Asked {
    /// An action, or something new.
    pub fn post(path: String, body: Value) -> Self {
        let (method, body) = (Method::POST, Some(body));
        Self { method, path, body }
    }

    /// True for something new.
    pub fn is_creation(&self) -> bool {
        self.path.ends_with("/nodegroups")
    }

    /// True for a rolling replacement, which has a time limit for each of its stages.
    pub fn is_upgrade(&self) -> bool {
        self.path.ends_with("/upgrade")
    }

    /// A change without a body.
    pub fn patch(path: String) -> Self {
        let (method, body) = (Method::PATCH, None);
        Self { method, path, body }
    }

    /// Something less.
    pub fn delete(path: String) -> Self {
        let (method, body) = (Method::DELETE, None);
        Self { method, path, body }
    }
}

/// Tries of one call: a restart takes a second at most, and the cloud's faults are short.
const TRIES: u32 = 400;

impl Tenant {
    /// Logs in as the simulated cloud's demo user.
    pub async fn log_in(auth_url: &str, magnum: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()?;
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": "demo", "domain": domain, "password": "secret"}}},
            "scope": {"project": {"name": "demo", "domain": domain}},
        }});
        let answer = client
            .post(format!("{auth_url}/auth/tokens"))
            .json(&body)
            .send()
            .await?;
        let token = answer
            .headers()
            .get("x-subject-token")
            .context("no token")?
            .to_str()?
            .to_owned();
        Ok(Self {
            client,
            token,
            magnum: format!("{magnum}/v1"),
        })
    }

    /// Creates a template whose nodes are of a flavor; gives its UUID.
    pub async fn create_template(&self, flavor: &str) -> anyhow::Result<String> {
        let body = json!({"name": format!("chaos-{flavor}"), "coe": "swarm", "image_id": "debian-12-docker",
            "flavor_id": flavor, "master_flavor_id": flavor, "external_network_id": "public"});
        let (status, answer) = self.call(Method::POST, "clustertemplates", Some(&body)).await?;
        match (status.is_success(), answer["uuid"].as_str()) {
            (true, Some(uuid)) => Ok(uuid.to_owned()),
            _ => bail!("creating the template answered {status}: {answer}"),
        }
    }

    /// Deletes the template.
    pub async fn delete_template(&self, uuid: &str) -> anyhow::Result<()> {
        match self
            .call(Method::DELETE, &format!("clustertemplates/{uuid}"), None)
            .await?
        {
            (status, _) if status.is_success() => Ok(()),
            (status, answer) => bail!("deleting the template answered {status}: {answer}"),
        }
    }

    /// Asks for a cluster. An answer may be lost after the work was done: the name tells.
    pub async fn create(&self, body: &Value) -> anyhow::Result<()> {
        let name = body["name"].as_str().unwrap_or_default();
        for _ in 0..TRIES {
            if self.show(name).await?.is_some() {
                return Ok(());
            }
            match self.once(Method::POST, "clusters", Some(body)).await {
                Some((status, _)) if status.is_success() => return Ok(()),
                // The cloud's faults may make a look-up of the API fail; a tenant tries again.
                Some((status, answer)) if status.as_u16() == 400 && !is_cloudy(&answer) => {
                    bail!("creating {name} answered {status}: {answer}");
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        bail!("creating {name} never succeeded")
    }

    /// The cluster, or `None` when there is none of that name.
    pub async fn show(&self, name: &str) -> anyhow::Result<Option<Value>> {
        match self.call(Method::GET, &format!("clusters/{name}"), None).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, cluster) if status.is_success() => Ok(Some(cluster)),
            (status, answer) => bail!("showing {name} answered {status}: {answer}"),
        }
    }

    /// Asks for a change. An answer may be lost after the work was done: then it has been asked for. False when the
    /// cluster is busy with something else, or with just this.
    pub async fn change(&self, asked: &Asked) -> anyhow::Result<bool> {
        let Asked { method, path, body } = asked;
        for _ in 0..TRIES {
            let (status, answer) = self.call(method.clone(), path, body.as_ref()).await?;
            let text = answer.to_string();
            match status.as_u16() {
                200..300 => return Ok(true),
                404 if *method == Method::DELETE => return Ok(true),
                409 if text.contains("already exists") => return Ok(true),
                409 if text.contains("while its status is UPDATE_IN_PROGRESS") => return Ok(false),
                409 if text.contains("meanwhile") => {}
                _ if is_cloudy(&answer) => {}
                _ => bail!("{method} {path} answered {status}: {answer}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{method} {path} never succeeded")
    }

    /// Deletes a server in the cloud, past the service.
    pub async fn destroy(&self, url: &str) -> anyhow::Result<()> {
        for _ in 0..TRIES {
            let call = self.client.delete(url).header("X-Auth-Token", &self.token);
            if let Ok(answer) = call.send().await
                && (answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{url} was never deleted")
    }

    /// Asks for a deletion.
    pub async fn delete(&self, name: &str) -> anyhow::Result<()> {
        match self
            .call(Method::DELETE, &format!("clusters/{name}"), None)
            .await?
        {
            (status, _) if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            (status, answer) => bail!("deleting {name} answered {status}: {answer}"),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        for _ in 0..TRIES {
            match self.once(method.clone(), path, body).await {
                Some((status, answer)) if !status.is_server_error() && status != StatusCode::UNAUTHORIZED => {
                    return Ok((status, answer));
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        bail!("{method} {path} never got an answer")
    }

    async fn once(&self, method: Method, path: &str, body: Option<&Value>) -> Option<(StatusCode, Value)> {
        let mut request = self
            .client
            .request(method, format!("{}/{path}", self.magnum))
            .header("X-Auth-Token", &self.token)
            .header("OpenStack-API-Version", "container-infra latest");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}

/// True if the refusal speaks of a service's trouble and not of the request.
fn is_cloudy(answer: &Value) -> bool {
    let text = answer.to_string().to_lowercase();
    ["quota", "unavailable", "timed out", "try again", "too many"]
        .iter()
        .any(|word| text.contains(word))
}
