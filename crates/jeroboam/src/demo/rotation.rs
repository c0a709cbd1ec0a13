//! New certificate authorities for a cluster, while clients go on asking it.
//!
//! One client trusts from the beginning what the service gives as soon as the rotation was asked for, and has its own
//! certificate signed again when another authority signs. The other one comes when that happens, fetches everything
//! once, and never again. Neither may see a failure: a call that got no answer is made once more, because masters go
//! and come back, but a certificate that is not trusted is a failure at once.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::demo::api::Tenant;
use crate::demo::coe::Coe;
use crate::demo::progress::Reporter;

/// How long all stages may take.
const PATIENCE: Duration = Duration::from_secs(1_500);

/// Pause between two questions of a client, and before a question is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// How a client fared.
#[derive(Default)]
struct Record {
    asked: u32,
    again: u32,
}

/// Rotates; with machines that serve, clients ask them.
pub async fn rotate_and_check(
    reporter: &Reporter,
    tenant: &Tenant,
    cluster: &Value,
    serves: bool,
) -> anyhow::Result<()> {
    let uuid = cluster["uuid"].as_str().context("the cluster has no uuid")?;
    let begun = Instant::now();
    let before = tenant.authority(uuid).await?;
    tenant.rotate_authorities(uuid).await?;
    let overlap = tenant.authority(uuid).await?;
    if !overlap.starts_with(&before) || count(&overlap) != 2 {
        bail!(
            "a rotation that was asked for shows {} authorities",
            count(&overlap)
        );
    }
    reporter.note("the cluster gets new certificate authorities");
    let mut first = Coe::connect_trusting(tenant, cluster, &overlap).await?;
    let mut second: Option<Coe> = None;
    let mut outdated: Option<Coe> = None;
    let mut records = [Record::default(), Record::default()];
    let shown = loop {
        if begun.elapsed() > PATIENCE {
            bail!("the rotation is not done after {} s", PATIENCE.as_secs());
        }
        let present = tenant.authority(uuid).await?;
        if second.is_none() && !present.starts_with(&before) {
            reporter.note(&format!(
                "the new authority signs after {:.1} s",
                begun.elapsed().as_secs_f64()
            ));
            let renewed = Coe::connect_trusting(tenant, cluster, &overlap).await?;
            outdated = Some(std::mem::replace(&mut first, renewed));
            second = Some(Coe::connect(tenant, cluster).await?);
        }
        if serves {
            for (client, record) in [Some(&first), second.as_ref()].into_iter().zip(&mut records) {
                if let Some(client) = client {
                    ask(client, record).await?;
                }
            }
        }
        let shown = tenant.cluster(uuid).await?;
        if shown["status"] != "UPDATE_IN_PROGRESS" {
            break shown;
        }
        tokio::time::sleep(PAUSE).await;
    };
    if shown["status"] != "UPDATE_COMPLETE" {
        bail!(
            "the rotation ended as {}: {}",
            shown["status"],
            shown["status_reason"]
        );
    }
    let after = tenant.authority(uuid).await?;
    if count(&after) != 1 || !overlap.ends_with(&after) {
        bail!("after the rotation {} authorities are shown", count(&after));
    }
    if serves {
        // What was signed by the old authority, or knows it alone, is good for nothing any more.
        let latecomer = Coe::connect_trusting(tenant, cluster, &before).await?;
        if latecomer.ask("version").await.is_ok() {
            bail!("the old authority still vouches for the API");
        }
        if let Some(outdated) = outdated
            && outdated.ask("version").await.is_ok()
        {
            bail!("what the old authority signed is still good");
        }
        Coe::connect(tenant, cluster).await?.ask("version").await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let [one, two] = &records;
    reporter.event(
        "rotated",
        &format!(
            "the authorities are new after {seconds:.1} s; clients asked {} and {} times without a failure, {} of them \
             once more",
            one.asked,
            two.asked,
            one.again + two.again
        ),
        json!({"seconds": seconds, "asked": [one.asked, two.asked], "again": [one.again, two.again]}),
    );
    Ok(())
}

fn count(pem: &str) -> usize {
    pem.matches("BEGIN CERTIFICATE").count()
}

/// Asks, and once more if nothing answered.
async fn ask(client: &Coe, record: &mut Record) -> anyhow::Result<()> {
    record.asked += 1;
    let Err(error) = client.ask("version").await else {
        return Ok(());
    };
    let said = format!("{error:#}");
    if said.contains("ertificate") || said.contains("alert") {
        bail!("a client is not trusted, or does not trust: {said}");
    }
    record.again += 1;
    tokio::time::sleep(PAUSE).await;
    client
        .ask("version")
        .await
        .with_context(|| format!("failed twice, first with: {said}"))
}
