//! A tenant's use of Kubernetes: a client certificate from the API, a Deployment, and answers over HTTP.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::demo::api::Tenant;
use crate::demo::coe::{Coe, page};
use crate::demo::progress::Reporter;

/// Port on every node that leads to the service.
const NODE_PORT: u16 = 30_080;

/// Time for every replica to have answered.
const PATIENCE: Duration = Duration::from_secs(90);

/// Labels for the image of `cargo xtask e2e kubernetes`: it has no registry to ask.
pub fn labels() -> Value {
    json!({
        "kube_tag": "v1.20.2",
        "container_infra_prefix": "localhost/kube",
        "etcd_tag": "3.5.16-0",
        "coredns_enabled": "false",
        "kube_proxy_conntrack_max_per_core": "0",
    })
}

/// Runs a replica on each worker, and asks each node until every replica has answered through it.
pub async fn run_and_check(
    reporter: &Reporter,
    tenant: &Tenant,
    cluster: &Value,
    workers: u32,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let coe = Coe::connect(tenant, cluster).await?;
    let nodes = coe.get("api/v1/nodes").await?;
    let names = nodes["items"].as_array().map_or(0, Vec::len);
    let labels = json!({"app": "web"});
    let container = json!({
        "name": "web", "image": "localhost/kube/web:1", "imagePullPolicy": "Never",
        "ports": [{"containerPort": 8080}],
    });
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"},
    ]}});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": workers, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [container], "affinity": apart},
        }},
    });
    coe.post("apis/apps/v1/namespaces/default/deployments", &deployment)
        .await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": 8080, "nodePort": NODE_PORT}]},
    });
    coe.post("api/v1/namespaces/default/services", &service).await?;
    let addresses = ["master_addresses", "node_addresses"]
        .iter()
        .filter_map(|field| cluster[*field].as_array())
        .flatten()
        .map(|address| address.as_str().context("an address is no text"))
        .collect::<anyhow::Result<Vec<&str>>>()?;
    for address in &addresses {
        let mut answered = BTreeSet::new();
        while answered.len() < workers as usize {
            answered.insert(page(&format!("http://{address}:{NODE_PORT}/cgi-bin/name"), begun).await?);
            if begun.elapsed() > PATIENCE {
                bail!("through {address} only {answered:?} answer");
            }
        }
    }
    coe.delete("api/v1/namespaces/default/services/web").await?;
    coe.delete("apis/apps/v1/namespaces/default/deployments/web")
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    reporter.event(
        "web",
        &format!(
            "{names} nodes; each of {workers} replicas answered over HTTP through each of {} after {seconds:.1} s",
            addresses.join(", ")
        ),
        json!({"nodes": names, "addresses": addresses, "seconds": seconds}),
    );
    Ok(())
}
