//! A tenant's way to what runs in the cluster.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::demo::api::Tenant;

/// Time for a service to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for a page until it comes; gives its text.
pub async fn page(url: &str, begun: Instant) -> anyhow::Result<String> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .no_proxy()
        .build()?;
    loop {
        match client.get(url).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(answer.text().await?),
            Ok(answer) if begun.elapsed() > PATIENCE => bail!("{url} answers {}", answer.status()),
            Err(error) if begun.elapsed() > PATIENCE => {
                return Err(error).with_context(|| format!("{url} does not answer"));
            }
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// The COE's API with a certificate that the Magnum API has signed.
pub struct Coe {
    client: reqwest::Client,
    url: String,
}

impl Coe {
    /// Has a certificate signed.
    pub async fn connect(tenant: &Tenant, cluster: &Value) -> anyhow::Result<Self> {
        let authority = tenant.authority(uuid_of(cluster)?).await?;
        Self::connect_trusting(tenant, cluster, &authority).await
    }

    /// Has a certificate signed, and knows the API by these authorities.
    pub async fn connect_trusting(
        tenant: &Tenant,
        cluster: &Value,
        authorities: &str,
    ) -> anyhow::Result<Self> {
        let address = cluster["api_address"]
            .as_str()
            .context("the cluster has no api_address")?;
        let url = address.replacen("tcp://", "https://", 1);
        let request = jeroboam_pki::SigningRequest::generate("admin", &["system:masters"])?;
        let certificate = tenant.sign(uuid_of(cluster)?, &request.csr_pem).await?;
        use secrecy::ExposeSecret;
        let identity = format!("{certificate}\n{}\n", request.key_pem.expose_secret());
        let client = reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(authorities.as_bytes())?)
            .identity(reqwest::Identity::from_pem(identity.as_bytes())?)
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()?;
        Ok(Self { client, url })
    }

    /// Asks once, on a connection of its own, as a client does that has just started.
    pub async fn ask(&self, path: &str) -> anyhow::Result<()> {
        let answer = self
            .client
            .get(format!("{}/{path}", self.url))
            .header("Connection", "close")
            .timeout(Duration::from_secs(5))
            .send()
            .await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// A document.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(format!("{}/{path}", self.url)).send().await;
        Ok(answer
            .context("cannot reach the cluster")?
            .error_for_status()?
            .json()
            .await?)
    }

    /// Creates something.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self
            .client
            .post(format!("{}/{path}", self.url))
            .json(body)
            .send()
            .await;
        let answer = answer.context("cannot reach the cluster")?;
        if !answer.status().is_success() {
            bail!(
                "POST {path} answered {}: {}",
                answer.status(),
                answer.text().await?
            );
        }
        Ok(())
    }

    /// Deletes something.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        let answer = self.client.delete(format!("{}/{path}", self.url)).send().await;
        answer.context("cannot reach the cluster")?.error_for_status()?;
        Ok(())
    }
}

fn uuid_of(cluster: &Value) -> anyhow::Result<&str> {
    cluster["uuid"].as_str().context("the cluster has no uuid")
}
