//! The tenant's side of the Magnum API, over HTTP like any client.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A logged-in tenant.
pub struct Tenant {
    client: reqwest::Client,
    token: String,
    magnum: String,
}

impl Tenant {
    /// Logs in as the simulated cloud's demo user.
    pub async fn log_in(auth_url: &str, magnum: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
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
            .await;
        let answer = answer.context("cannot reach Keystone")?.error_for_status()?;
        let token = answer
            .headers()
            .get("x-subject-token")
            .context("Keystone gave no token")?
            .to_str()?
            .to_owned();
        Ok(Self {
            client,
            token,
            magnum: format!("{magnum}/v1"),
        })
    }

    /// Creates a template; gives its UUID.
    pub async fn create_template(&self, template: &Value) -> anyhow::Result<String> {
        uuid(
            &self
                .call(Method::POST, "clustertemplates", Some(template))
                .await?,
        )
    }

    /// Deletes a template.
    pub async fn delete_template(&self, uuid: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, &format!("clustertemplates/{uuid}"), None)
            .await
            .map(drop)
    }

    /// Asks for a cluster; gives its UUID.
    pub async fn create_cluster(&self, template: &str, masters: u32, workers: u32) -> anyhow::Result<String> {
        let body = json!({"name": "demo", "cluster_template_id": template, "master_count": masters,
            "node_count": workers, "create_timeout": 10});
        uuid(&self.call(Method::POST, "clusters", Some(&body)).await?)
    }

    /// The cluster.
    pub async fn cluster(&self, uuid: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, &format!("clusters/{uuid}"), None).await
    }

    /// Progress of the cluster.
    pub async fn steps(&self, uuid: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, &format!("clusters/{uuid}/steps"), None)
            .await
    }

    /// Asks for the cluster to be deleted.
    pub async fn delete_cluster(&self, uuid: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, &format!("clusters/{uuid}"), None)
            .await
            .map(drop)
    }

    /// Waits until the cluster is gone.
    pub async fn wait_gone(&self, uuid: &str, patience: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let answer = self
                .request(Method::GET, &format!("clusters/{uuid}"))
                .send()
                .await?;
            match answer.status() {
                StatusCode::NOT_FOUND => return Ok(()),
                status if status.is_success() => {
                    let shown: Value = answer.json().await?;
                    if shown["status"] == "DELETE_FAILED" {
                        bail!("the cluster is DELETE_FAILED: {}", shown["status_reason"]);
                    }
                }
                status => bail!("GET clusters/{uuid} answered {status}"),
            }
            if begun.elapsed() > patience {
                bail!("the cluster is not gone after {} s", patience.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Asks for new certificate authorities of the cluster.
    pub async fn rotate_authorities(&self, uuid: &str) -> anyhow::Result<()> {
        self.call(Method::PATCH, &format!("certificates/{uuid}"), None)
            .await
            .map(drop)
    }

    /// Certificate of the cluster's CA, PEM; two of them during a rotation.
    pub async fn authority(&self, uuid: &str) -> anyhow::Result<String> {
        pem(&self
            .call(Method::GET, &format!("certificates/{uuid}"), None)
            .await?)
    }

    /// Has a certificate signing request signed; gives the certificate, PEM.
    pub async fn sign(&self, uuid: &str, csr: &str) -> anyhow::Result<String> {
        let body = json!({"cluster_uuid": uuid, "csr": csr});
        pem(&self.call(Method::POST, "certificates", Some(&body)).await?)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut request = self.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("cannot reach the Magnum API at {}", self.magnum))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            let error: Value = serde_json::from_str(&text).unwrap_or_default();
            bail!(
                "{method} {path} answered {status}: {}",
                error["errors"][0]["detail"]
            );
        }
        Ok(if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}/{path}", self.magnum))
            .header("X-Auth-Token", &self.token)
            .header("OpenStack-API-Version", "container-infra latest")
    }
}

fn uuid(answer: &Value) -> anyhow::Result<String> {
    Ok(answer["uuid"]
        .as_str()
        .context("the answer has no uuid")?
        .to_owned())
}

fn pem(answer: &Value) -> anyhow::Result<String> {
    Ok(answer["pem"]
        .as_str()
        .context("the answer has no pem")?
        .to_owned())
}
