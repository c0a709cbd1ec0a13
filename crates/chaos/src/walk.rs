//! One cluster's random life.

use std::time::{Duration, Instant};

use jeroboam_simcloud::SimCloud;
use jeroboam_simcloud::nova::State;
use serde_json::{Value, json};

use crate::tally::Tally;
use crate::tenant::{Asked, Tenant};

/// Flavors of the templates, between which clusters are upgraded.
pub const FLAVORS: [&str; 2] = ["m1.small", "m1.medium"];

/// Stages of an upgrade that may each take its whole time: masters one by one, workers one by one.
const UPGRADE_STAGES: u32 = 4;

/// `create_timeout` of every cluster, and what a deadline may be overrun by: a restart, a poll, a full machine.
const CREATE_MINS: u64 = 1;
const DELETE_MINS: u64 = 2;
const UPDATE_MINS: u64 = 2;
const SLACK: Duration = Duration::from_secs(30);

/// A deletion that failed is asked for again, this many times.
const DELETES: u32 = 5;

/// Creates a cluster, perhaps waits for it, and deletes it.
pub async fn walk(
    tenant: &Tenant,
    cloud: &SimCloud,
    templates: &[String],
    seed: u64,
    run: u32,
    tally: &Tally,
) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(1_000_003) ^ u64::from(run));
    let name = format!("chaos-{run}");
    let masters = if random.f32() < 0.3 { 3 } else { 1 };
    let workers = random.u32(0..=3);
    let body = json!({
        "name": name, "cluster_template_id": templates[0], "create_timeout": CREATE_MINS,
        "master_count": masters, "node_count": workers,
        "master_lb_enabled": masters > 1 || random.f32() < 0.2,
        "floating_ip_enabled": random.bool(),
        "docker_volume_size": (random.f32() < 0.3).then_some(5),
        "labels": {"auto_healing_enabled": "true"},
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
                if random.f32() < 0.5 && (masters > 1 || workers > 0) {
                    heal(tenant, cloud, &name, masters, tally, &mut random).await?;
                    check_servers(cloud, &name, masters + workers, tally);
                }
                Changes {
                    tenant,
                    cloud,
                    name: &name,
                    tally,
                    templates,
                    masters,
                    workers,
                    more: None,
                    flavors: [0, 0],
                }
                .walk(&mut random)
                .await?;
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

/// A change that failed is asked for again, this many times.
const CHANGES: u32 = 5;

/// A cluster that stands, while it is changed.
struct Changes<'a> {
    tenant: &'a Tenant,
    cloud: &'a SimCloud,
    name: &'a str,
    tally: &'a Tally,
    templates: &'a [String],
    masters: u32,
    workers: u32,
    /// Which of the flavors masters and workers are of.
    flavors: [usize; 2],
    /// Nodes of another node group, while there is one.
    more: Option<u32>,
}

impl Changes<'_> {
    /// Some changes, each waited for, and perhaps one more that is not.
    async fn walk(mut self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        for _ in 0..random.u32(0..=3) {
            let asked = self.next(random);
            if !self.settle(&asked).await? {
                return Ok(());
            }
        }
        if random.f32() < 0.3 {
            let asked = self.next(random);
            self.tenant.change(&asked).await?;
            tokio::time::sleep(Duration::from_millis(random.u64(0..500))).await;
        }
        Ok(())
    }

    /// What is asked next. What it leads to is written down already.
    fn next(&mut self, random: &mut fastrand::Rng) -> Asked {
        let groups = format!("clusters/{}/nodegroups", self.name);
        match (random.u32(0..6), self.more) {
            (4 | 5, _) => self.upgrade(random),
            (0, None) => {
                let count = random.u32(0..=2);
                self.more = Some(count);
                Asked::post(groups, json!({"name": "more", "node_count": count}))
            }
            (0, Some(_)) => {
                self.more = None;
                Asked::delete(format!("{groups}/more"))
            }
            (1, _) => Asked::patch(format!("credentials/{}", self.name)),
            (_, Some(_)) if random.bool() => {
                let count = random.u32(0..=2);
                self.more = Some(count);
                self.resize(json!({"node_count": count, "nodegroup": "more"}))
            }
            _ => {
                self.workers = random.u32(0..=4);
                self.resize(json!({"node_count": self.workers}))
            }
        }
    }

    /// To the other flavor: of all nodes, or of the workers alone. The only master of a swarm cannot be replaced.
    fn upgrade(&mut self, random: &mut fastrand::Rng) -> Asked {
        let [masters, workers] = &mut self.flavors;
        let wanted = (*workers + 1) % FLAVORS.len();
        let mut body =
            json!({"cluster_template": self.templates[wanted], "max_batch_size": random.u32(1..=3)});
        if self.masters == 1 || random.bool() {
            body["nodegroup"] = json!("default-worker");
        } else {
            *masters = wanted;
        }
        *workers = wanted;
        Asked::post(format!("clusters/{}/actions/upgrade", self.name), body)
    }

    fn resize(&self, body: Value) -> Asked {
        Asked::post(format!("clusters/{}/actions/resize", self.name), body)
    }

    /// Asks and waits, and asks again if it failed. False when it never came about.
    async fn settle(&self, asked: &Asked) -> anyhow::Result<bool> {
        // A group that could not be built is there all the same: asked for its size, it is gone on with.
        let again = match self.more {
            Some(count) if asked.is_creation() => {
                Some(self.resize(json!({"node_count": count, "nodegroup": "more"})))
            }
            _ => None,
        };
        for turn in 0..CHANGES {
            let asked = again.as_ref().filter(|_| turn > 0).unwrap_or(asked);
            let limits = if asked.is_upgrade() { UPGRADE_STAGES } else { 1 };
            let patience = Duration::from_secs(UPDATE_MINS * 60) * limits + SLACK;
            let is_accepted = self.tenant.change(asked).await?;
            let shown = wait(self.tenant, self.name, patience).await?;
            let shown = shown.unwrap_or_default();
            match shown["status"].as_str() {
                // A repair came first, or the answer to the same question was lost: asked again, it is as wished.
                Some(_) if !is_accepted => {}
                Some("UPDATE_COMPLETE" | "CREATE_COMPLETE") => {
                    self.tally.changed();
                    let expected = self.masters + self.workers + self.more.unwrap_or(0);
                    check_servers(self.cloud, self.name, expected, self.tally);
                    check_flavors(self.cloud, self.name, self.flavors, self.tally);
                    return Ok(true);
                }
                Some("UPDATE_FAILED") => self.tally.change_failed(&shown["status_reason"]),
                other => {
                    self.tally
                        .stuck(format!("{} is {other:?} after a change", self.name));
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }
}

/// Takes a server away behind the service's back, and waits until there is another one in its place.
async fn heal(
    tenant: &Tenant,
    cloud: &SimCloud,
    name: &str,
    masters: u32,
    tally: &Tally,
    random: &mut fastrand::Rng,
) -> anyhow::Result<()> {
    let prefix = format!("{name}-");
    let servers = cloud.usage().items;
    let servers = servers.iter().filter(|item| {
        // The only master cannot be replaced.
        let may_go = masters > 1 || item.name.contains("-worker-");
        item.kind == "servers" && item.name.starts_with(&prefix) && may_go
    });
    let servers: Vec<&str> = servers.map(|item| item.id.as_str()).collect();
    let Some(lost) = random.choice(servers) else {
        return Ok(());
    };
    let state = match random.u32(0..3) {
        0 => Some(State::Stopped),
        1 => Some(State::Error),
        _ => None,
    };
    match state {
        None => {
            tenant
                .destroy(&format!("{}/compute/v2.1/servers/{lost}", cloud.base_url()))
                .await?
        }
        Some(state) => cloud.with_world(|world| {
            if let Some(server) = world.nova.servers.get_mut(lost) {
                server.state = state;
            }
        }),
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(UPDATE_MINS * 60) + SLACK {
        let shown = tenant.show(name).await?.unwrap_or_default();
        let is_gone = cloud.with_world(|world| !world.nova.servers.contains_key(lost));
        if is_gone && shown["status"] == "UPDATE_COMPLETE" {
            tally.healed();
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tally.stuck(format!(
        "{name} lost server {lost} ({state:?}) and has not replaced it"
    ));
    Ok(())
}

/// The cluster once it is no longer in progress; `None` if it still is at the end.
async fn wait(tenant: &Tenant, name: &str, patience: Duration) -> anyhow::Result<Option<Value>> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let shown = tenant.show(name).await?.unwrap_or_default();
        if !shown["status"]
            .as_str()
            .is_some_and(|status| status.ends_with("_IN_PROGRESS"))
        {
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

/// Every master and default worker is of the flavor that the last upgrade asked for.
fn check_flavors(cloud: &SimCloud, name: &str, flavors: [usize; 2], tally: &Tally) {
    let prefix = format!("{name}-");
    let others: Vec<String> = cloud.with_world(|world| {
        let servers = world
            .nova
            .servers
            .values()
            .filter(|server| server.name.starts_with(&prefix));
        let is_other = |server: &&jeroboam_simcloud::nova::Server| {
            let place = ["-master-", "-worker-"]
                .iter()
                .position(|role| server.name.contains(role));
            place.is_some_and(|place| server.flavor.name != FLAVORS[flavors[place]])
        };
        servers
            .filter(is_other)
            .map(|server| format!("{} is of {}", server.name, server.flavor.name))
            .collect()
    });
    if !others.is_empty() {
        tally.stuck(format!("{name} was upgraded, but {}", others.join(", ")));
    }
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
