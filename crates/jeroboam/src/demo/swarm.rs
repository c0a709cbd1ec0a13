//! A tenant's use of the swarm: a client certificate from the API, a service, and an answer over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::demo::api::Tenant;
use crate::demo::progress::Reporter;

/// Image that the machines of the simulated cloud bring along.
const IMAGE: &str = "demo/web:1";

/// Time for the service to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a replica on each worker and asks each for its page.
pub async fn run_and_check(
    reporter: &Reporter,
    tenant: &Tenant,
    cluster: &Value,
    workers: u32,
    port: u16,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let docker = Docker::connect(tenant, cluster).await?;
    let nodes = docker.get("nodes").await?;
    let ready = nodes.as_array().map_or(0, |nodes| {
        nodes
            .iter()
            .filter(|node| node["Status"]["State"] == "ready")
            .count()
    });
    docker
        .post(
            "services/create",
            &json!({
                "Name": "web",
                "TaskTemplate": {
                    "ContainerSpec": {"Image": IMAGE},
                    "Placement": {"Constraints": ["node.role==worker"], "MaxReplicas": 1},
                },
                "Mode": {"Replicated": {"Replicas": workers}},
                "EndpointSpec": {"Mode": "dnsrr", "Ports": [
                    {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": port, "PublishMode": "host"},
                ]},
            }),
        )
        .await?;
    let addresses: Vec<String> = cluster["node_addresses"]
        .as_array()
        .context("the cluster has no node_addresses")?
        .iter()
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    if addresses.len() != workers as usize {
        bail!(
            "the cluster names {} worker addresses instead of {workers}",
            addresses.len()
        );
    }
    for address in &addresses {
        page(&format!("http://{address}:{port}/"), begun).await?;
    }
    docker.delete("services/web").await?;
    let seconds = begun.elapsed().as_secs_f64();
    reporter.event(
        "web",
        &format!(
            "{ready} swarm nodes are ready; a service on the workers answered over HTTP on {} after {seconds:.1} s",
            addresses.join(" and ")
        ),
        json!({"ready_nodes": ready, "addresses": addresses, "seconds": seconds}),
    );
    Ok(())
}

async fn page(url: &str, begun: Instant) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .no_proxy()
        .build()?;
    loop {
        match client.get(url).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) if begun.elapsed() > PATIENCE => bail!("{url} answers {}", answer.status()),
            Err(error) if begun.elapsed() > PATIENCE => {
                return Err(error).with_context(|| format!("{url} does not answer"));
            }
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Docker's API with a certificate that the Magnum API has signed.
struct Docker {
    client: reqwest::Client,
    url: String,
}

impl Docker {
    async fn connect(tenant: &Tenant, cluster: &Value) -> anyhow::Result<Self> {
        let uuid = cluster["uuid"].as_str().context("the cluster has no uuid")?;
        let address = cluster["api_address"]
            .as_str()
            .context("the cluster has no api_address")?;
        let url = address.replacen("tcp://", "https://", 1);
        let authority = tenant.authority(uuid).await?;
        let request = jeroboam_pki::SigningRequest::generate("admin", &["system:masters"])?;
        let certificate = tenant.sign(uuid, &request.csr_pem).await?;
        use secrecy::ExposeSecret;
        let identity = format!("{certificate}\n{}\n", request.key_pem.expose_secret());
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(authority.as_bytes())?])
            .identity(reqwest::Identity::from_pem(identity.as_bytes())?)
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()?;
        Ok(Self { client, url })
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(format!("{}/{path}", self.url)).send().await;
        Ok(answer
            .context("cannot reach the swarm")?
            .error_for_status()?
            .json()
            .await?)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self
            .client
            .post(format!("{}/{path}", self.url))
            .json(body)
            .send()
            .await;
        let answer = answer.context("cannot reach the swarm")?;
        if !answer.status().is_success() {
            bail!(
                "POST {path} answered {}: {}",
                answer.status(),
                answer.text().await?
            );
        }
        Ok(())
    }

    async fn delete(&self, path: &str) -> anyhow::Result<()> {
        let answer = self.client.delete(format!("{}/{path}", self.url)).send().await;
        answer.context("cannot reach the swarm")?.error_for_status()?;
        Ok(())
    }
}
