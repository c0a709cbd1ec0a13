//! `jeroboam demo`: the main job on one machine, through the public API and nothing else.
//!
//! Starts the simulated OpenStack in this process and the service as a child process, creates a Docker Swarm as
//! a tenant would, and shows what happens. What it starts, it stops.

mod api;
mod coe;
mod kubernetes;
mod machine;
mod progress;
mod rotation;
mod service;
mod swarm;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jeroboam_simcloud::SimCloud;
use serde_json::{Value, json};

use crate::cli::{DemoArguments, DemoCoe, Nodes};
use crate::demo::api::Tenant;
use crate::demo::progress::Reporter;
use crate::demo::service::{Process, Service};
use crate::simcloud::{Place, nodes, wait_for_signal};

/// Published port of the service that `--once` runs on the swarm.
const WEB_PORT: u16 = 8080;

/// How long the demo waits for a cluster to be created or deleted.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs the demo.
pub async fn demo(arguments: DemoArguments) -> anyhow::Result<()> {
    if arguments.masters.is_multiple_of(2) {
        bail!("--masters must be odd");
    }
    let reporter = Reporter::new(arguments.json);
    machine::empty_directory(&arguments.state_dir)?;
    let place = Place {
        state_dir: &arguments.state_dir,
        instance: "demo",
        image_root: arguments.image_root.as_deref(),
    };
    let servers = nodes(arguments.nodes, &place, &|line| reporter.note(line)).await?;
    let cloud = SimCloud::start(jeroboam_simcloud::Options {
        listen: ([127, 0, 0, 1], arguments.cloud_port).into(),
        nodes: servers,
        roomy: true,
        ..Default::default()
    })
    .await?;
    let result = with_cloud(&arguments, &reporter, &cloud).await;
    reporter.note("stopping the simulated cloud");
    cloud.stop().await;
    result
}

async fn with_cloud(arguments: &DemoArguments, reporter: &Reporter, cloud: &SimCloud) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut service = Service::start(arguments, &cloud.auth_url(), cloud.host_address()).await?;
    let process = service.process().clone();
    let ready_ms = started.elapsed().as_millis() as u64;
    cloud.set_container_infra(&format!("{}/v1", process.url));
    reporter.event(
        "service",
        &format!(
            "the service listens on {} (ready after {ready_ms} ms)",
            process.url
        ),
        json!({"url": process.url, "ready_ms": ready_ms}),
    );
    let result = tokio::select! {
        result = with_service(arguments, reporter, cloud, &process) => result,
        stopped = service.stopped() => Err(stopped),
        signal = wait_for_signal() => signal.and_then(|()| if arguments.once { bail!("interrupted") } else { Ok(()) }),
    };
    let stopped = service.stop().await;
    result.and(stopped)
}

async fn with_service(
    arguments: &DemoArguments,
    reporter: &Reporter,
    cloud: &SimCloud,
    service: &Process,
) -> anyhow::Result<()> {
    if arguments.empty {
        next_steps(arguments, reporter, cloud, service, None)?;
        return std::future::pending().await;
    }
    let tenant = Tenant::log_in(&cloud.auth_url(), &service.url).await?;
    let template = tenant.create_template(&template(arguments)).await?;
    let begun = Instant::now();
    let cluster = tenant
        .create_cluster(&template, arguments.masters, arguments.workers)
        .await?;
    reporter.event(
        "cluster",
        &format!(
            "creating cluster demo ({cluster}): {} master(s), {} worker(s)",
            arguments.masters, arguments.workers
        ),
        json!({"uuid": cluster, "masters": arguments.masters, "workers": arguments.workers}),
    );
    let shown = progress::follow(reporter, &tenant, &cluster, PATIENCE).await?;
    let elapsed = begun.elapsed();
    if shown["status"] != "CREATE_COMPLETE" {
        bail!(
            "the cluster is {}: {}",
            text(&shown["status"]),
            text(&shown["status_reason"])
        );
    }
    let engine_seconds = tenant.steps(&cluster).await?["engine_seconds"]
        .as_f64()
        .unwrap_or_default();
    reporter.event(
        "complete",
        &format!(
            "CREATE_COMPLETE after {:.1} s, of which {engine_seconds:.2} s were the engine's own work",
            elapsed.as_secs_f64()
        ),
        json!({
            "seconds": elapsed.as_secs_f64(), "engine_seconds": engine_seconds,
            "api_address": shown["api_address"], "coe_version": shown["coe_version"],
            "master_addresses": shown["master_addresses"], "node_addresses": shown["node_addresses"],
        }),
    );
    if !arguments.once {
        next_steps(arguments, reporter, cloud, service, Some(&shown))?;
        return std::future::pending().await;
    }
    if arguments.nodes == Nodes::Real {
        match arguments.coe {
            DemoCoe::Swarm => {
                swarm::run_and_check(reporter, &tenant, &shown, arguments.workers, WEB_PORT).await?;
            }
            DemoCoe::Kubernetes => {
                kubernetes::run_and_check(reporter, &tenant, &shown, arguments.workers).await?;
            }
        }
    }
    if arguments.rotate {
        rotation::rotate_and_check(reporter, &tenant, &shown, arguments.nodes == Nodes::Real).await?;
    }
    let begun = Instant::now();
    tenant.delete_cluster(&cluster).await?;
    tenant.wait_gone(&cluster, PATIENCE).await?;
    tenant.delete_template(&template).await?;
    let seconds = begun.elapsed().as_secs_f64();
    reporter.event(
        "deleted",
        &format!("cluster deleted after {seconds:.1} s"),
        json!({"seconds": seconds}),
    );
    let left = cloud.usage();
    if !left.is_empty() {
        bail!(
            "left behind in the cloud: {}",
            serde_json::to_string(&left.counts)?
        );
    }
    let resident_mib = service.resident_mib()?;
    reporter.event(
        "clean",
        &format!("nothing is left in the cloud; the service uses {resident_mib:.0} MiB of memory"),
        json!({"resident_mib": resident_mib}),
    );
    Ok(())
}

fn template(arguments: &DemoArguments) -> Value {
    let mut template = plain_template(arguments);
    if arguments.coe == DemoCoe::Kubernetes {
        template["name"] = json!("kubernetes");
        template["coe"] = json!("kubernetes");
        template["network_driver"] = json!("neutron");
        template["labels"] = kubernetes::labels();
    }
    template
}

fn plain_template(arguments: &DemoArguments) -> Value {
    json!({
        "name": "swarm",
        "coe": "swarm-mode",
        "image_id": "debian-12-docker",
        "flavor_id": "m1.small",
        "master_flavor_id": "m1.small",
        "external_network_id": "public",
        "dns_nameserver": "9.9.9.9",
        "docker_storage_driver": "overlay2",
        "floating_ip_enabled": true,
        "master_lb_enabled": arguments.masters > 1,
        "labels": {"worker_open_ports": WEB_PORT.to_string()},
    })
}

/// What a user does now, with the cluster that runs, if there is one.
fn next_steps(
    arguments: &DemoArguments,
    reporter: &Reporter,
    cloud: &SimCloud,
    service: &Process,
    cluster: Option<&Value>,
) -> anyhow::Result<()> {
    let openrc = arguments.state_dir.join("openrc");
    let exports: String = crate::clients::environment(&cloud.auth_url())
        .iter()
        .map(|(name, value)| format!("export {name}={value}\n"))
        .collect();
    std::fs::write(&openrc, exports).with_context(|| format!("cannot write {}", openrc.display()))?;
    let docker = match (arguments.nodes, arguments.coe) {
        (Nodes::Real, DemoCoe::Swarm) => "  docker node ls\n",
        (Nodes::Real, DemoCoe::Kubernetes) => "  kubectl get nodes\n",
        (Nodes::StateOnly, _) => "",
    };
    let mut words = match cluster {
        Some(_) => "\nThe cluster runs.".to_owned(),
        None => "\nThe cloud and the service run.".to_owned(),
    };
    words += &format!(
        " In another terminal:\n\n  . {}\n  openstack coe cluster list\n",
        openrc.display()
    );
    if let Some(cluster) = cluster {
        words += &format!(
            "  mkdir -p certs && eval $(openstack coe cluster config demo --dir certs --force --output-certs)\n\
             {docker}\nThe API of the cluster is {}.",
            text(&cluster["api_address"])
        );
    }
    words += &format!(
        "\nThe Magnum API is {}.\nThe service logs to {}. Ctrl-C stops everything.",
        service.url,
        service.log.display()
    );
    reporter.event(
        "next",
        &words,
        json!({"openrc": openrc, "log": service.log, "magnum_url": service.url}),
    );
    Ok(())
}

/// A JSON text, or what else stands there.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
