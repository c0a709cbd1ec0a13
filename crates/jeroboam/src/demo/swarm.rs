//! A tenant's use of the swarm: a client certificate from the API, a service, and an answer over HTTP.

use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::demo::api::Tenant;
use crate::demo::coe::{Coe, page};
use crate::demo::progress::Reporter;

/// Image that the machines of the simulated cloud bring along.
const IMAGE: &str = "demo/web:1";

/// Runs a replica on each worker and asks each for its page.
pub async fn run_and_check(
    reporter: &Reporter,
    tenant: &Tenant,
    cluster: &Value,
    workers: u32,
    port: u16,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let coe = Coe::connect(tenant, cluster).await?;
    let nodes = coe.get("nodes").await?;
    let ready = nodes.as_array().map_or(0, |nodes| {
        nodes
            .iter()
            .filter(|node| node["Status"]["State"] == "ready")
            .count()
    });
    coe.post(
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
    coe.delete("services/web").await?;
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
