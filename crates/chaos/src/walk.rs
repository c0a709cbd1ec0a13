//! One cluster's random life.

use std::time::{Duration, Instant};

use jeroboam_simcloud::SimCloud;
use serde_json::{Value, json};

use crate::tally::Tally;
use crate::tenant::Tenant;

/// `create_timeout` of every cluster, and what a deadline may be overrun by: a restart, a poll, a full machine.
const CREATE_MINS: u64 = 1;
const DELETE_MINS: u64 = 2;
const SLACK: Duration = Duration::from_secs(30);

/// A deletion that failed is asked for again, this many times.
const DELETES: u32 = 5;

/// Creates a cluster, perhaps waits for it, and deletes it.
pub async fn walk(
    tenant: &Tenant,
    cloud: &SimCloud,
    template: &str,
    seed: u64,
    run: u32,
    tally: &Tally,
) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(1_000_003) ^ u64::from(run));
    let name = format!("chaos-{run}");
    let masters = if random.f32() < 0.3 { 3 } else { 1 };
    let workers = random.u32(0..=3);
    let body = json!({
        "name": name, "cluster_template_id": template, "create_timeout": CREATE_MINS,
        "master_count": masters, "node_count": workers,
        "master_lb_enabled": masters > 1 || random.f32() < 0.2,
        "floating_ip_enabled": random.bool(),
        "docker_volume_size": (random.f32() < 0.3).then_some(5),
    });
    tenant.create(&body).await?;
    if random.f32() < 0.6 {
        let shown = wait(tenant, &name, Duration::from_secs(CREATE_MINS * 60) + SLACK).await?;
        match shown
            .as_ref()
            .map(|shown| shown["status"].as_str().unwrap_or_default())
        {
            Some("CREATE_COMPLETE") => {
                tally.complete();
                check_servers(cloud, &name, masters + workers, tally);
            }
            Some("CREATE_FAILED") => tally.failed(&shown.unwrap_or_default()["status_reason"]),
            other => tally.stuck(format!("{name} is {other:?} after its create_timeout")),
        }
    } else {
        tokio::time::sleep(Duration::from_millis(random.u64(0..3_000))).await;
        tally.interrupted();
    }
    for _ in 0..DELETES {
        tenant.delete(&name).await?;
        match wait_gone(tenant, &name, Duration::from_secs(DELETE_MINS * 60) + SLACK).await? {
            Gone::Yes => {
                tally.deleted();
                return Ok(());
            }
            Gone::Failed(reason) => tally.delete_failed(&reason),
            Gone::Stuck => break,
        }
    }
    tally.stuck(format!("{name} cannot be deleted"));
    Ok(())
}

/// The cluster once it is no longer in progress; `None` if it still is at the end.
async fn wait(tenant: &Tenant, name: &str, patience: Duration) -> anyhow::Result<Option<Value>> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let shown = tenant.show(name).await?.unwrap_or_default();
        if shown["status"] != "CREATE_IN_PROGRESS" {
            return Ok(Some(shown));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(None)
}

enum Gone {
    Yes,
    Failed(Value),
    Stuck,
}

async fn wait_gone(tenant: &Tenant, name: &str, patience: Duration) -> anyhow::Result<Gone> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        match tenant.show(name).await? {
            None => return Ok(Gone::Yes),
            Some(shown) if shown["status"] == "DELETE_FAILED" => {
                return Ok(Gone::Failed(shown["status_reason"].clone()));
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    Ok(Gone::Stuck)
}

/// No server may have been made twice.
fn check_servers(cloud: &SimCloud, name: &str, expected: u32, tally: &Tally) {
    let prefix = format!("{name}-");
    let usage = cloud.usage();
    let servers = usage
        .items
        .iter()
        .filter(|item| item.kind == "servers" && item.name.starts_with(&prefix));
    let count = servers.count();
    if count != expected as usize {
        tally.stuck(format!("{name} has {count} servers instead of {expected}"));
    }
}
