//! Servers, server groups, keypairs and volumes.

use std::collections::BTreeMap;

use jeroboam_cloud::Session;
use jeroboam_cloud::compute::{self as nova, BootVolume, NewServer};
use jeroboam_cloud::volume as cinder;
use jeroboam_driver::graph::ServerSpec;
use jeroboam_driver::{Made, NodeAsk, Spec};
use jeroboam_plan::Entry;
use jeroboam_types::Fault;

use super::{Look, Seen, Step, gone, id};
use crate::bootstrap;
use crate::context::Context;
use crate::fault::StepError;

pub(super) async fn find(session: &Session, entry: &Entry) -> Step<Vec<Seen>> {
    let name = entry.name.as_str();
    Ok(match &entry.spec {
        Spec::Keypair { .. } => nova::find_keypair(session, name)
            .await?
            .map(|key| ready(key.name))
            .into_iter()
            .collect(),
        Spec::ServerGroup { .. } => nova::server_groups_named(session, name)
            .await?
            .into_iter()
            .map(|group| ready(group.id))
            .collect(),
        Spec::Volume { .. } => {
            let volumes = cinder::volumes_named(session, name).await?;
            volumes
                .into_iter()
                .map(|v| Seen {
                    look: volume(entry, &v),
                    id: v.id,
                })
                .collect()
        }
        Spec::Server(_) => {
            let servers = nova::servers_named(session, name).await?;
            servers
                .into_iter()
                .map(|s| Seen {
                    look: server(entry, &s),
                    id: s.id,
                })
                .collect()
        }
        _ => Vec::new(),
    })
}

pub(super) async fn create(context: &Context<'_>, entry: &Entry, made: &Made) -> Step<Seen> {
    let session = context.session().await?;
    let name = entry.name.as_str();
    Ok(match &entry.spec {
        Spec::Keypair { public_key } => ready(nova::create_keypair(&session, name, public_key).await?.name),
        Spec::ServerGroup { policy } => ready(nova::create_server_group(&session, name, policy).await?.id),
        Spec::Volume {
            size,
            volume_type,
            availability_zone,
        } => {
            let zone = availability_zone.as_deref();
            let v = cinder::create_volume(&session, name, *size, volume_type.as_deref(), zone).await?;
            Seen {
                look: volume(entry, &v),
                id: v.id,
            }
        }
        Spec::Server(spec) => {
            let server = new_server(context, entry, spec, made).await?;
            let id = nova::create_server(&session, &server).await?;
            Seen {
                id,
                look: Look::Pending("BUILD".to_owned()),
            }
        }
        _ => return Err(StepError::Ours(format!("{} is no compute resource", entry.key))),
    })
}

async fn new_server(context: &Context<'_>, entry: &Entry, spec: &ServerSpec, made: &Made) -> Step<NewServer> {
    let stage = context.ask()?.trust_of(entry.group.as_deref());
    let authorities = context.authorities(stage).await?;
    let bootstrap = bootstrap::grant(context, &entry.key).await?;
    let node = NodeAsk {
        ask: context.ask()?,
        server: &entry.key,
        host_name: &entry.name,
        made,
        certificates: authorities.as_ref(),
        bootstrap: bootstrap.as_ref(),
    };
    let ids = |references: &[jeroboam_driver::Ref]| -> Step<Vec<String>> {
        references
            .iter()
            .map(|reference| id(made, reference).map(str::to_owned))
            .collect()
    };
    let optional = |reference: &Option<jeroboam_driver::Ref>| -> Step<Option<String>> {
        reference
            .as_ref()
            .map(|reference| id(made, reference).map(str::to_owned))
            .transpose()
    };
    let boot_volume = (spec.boot_volume > 0).then(|| BootVolume {
        size_gib: spec.boot_volume,
        volume_type: spec.boot_volume_type.clone(),
    });
    Ok(NewServer {
        name: entry.name.clone(),
        image_id: Some(spec.image_id.clone()),
        flavor_id: spec.flavor_id.clone(),
        key_name: optional(&spec.keypair)?,
        port_ids: ids(&spec.ports)?,
        user_data: Some(context.driver()?.user_data(&node)?),
        metadata: BTreeMap::from([
            ("jeroboam_cluster".to_owned(), context.cluster.uuid.to_string()),
            ("jeroboam_resource".to_owned(), entry.key.to_string()),
        ]),
        server_group: optional(&spec.server_group)?,
        volumes: ids(&spec.volumes)?,
        boot_volume,
        availability_zone: spec.availability_zone.clone(),
        config_drive: false,
        tags: Vec::new(),
    })
}

pub(super) async fn look(session: &Session, entry: &Entry, id: &str) -> Step<Option<Look>> {
    Ok(match &entry.spec {
        Spec::Volume { .. } => absent(cinder::show_volume(session, id).await)?.map(|v| volume(entry, &v)),
        Spec::Server(_) => absent(nova::show_server(session, id).await)?.map(|s| server(entry, &s)),
        _ => find(session, entry)
            .await?
            .into_iter()
            .find(|seen| seen.id == id)
            .map(|seen| seen.look),
    })
}

pub(super) async fn drop_one(session: &Session, entry: &Entry, id: &str) -> Step<bool> {
    match &entry.spec {
        Spec::Keypair { .. } => gone(nova::delete_keypair(session, id).await),
        Spec::ServerGroup { .. } => gone(nova::delete_server_group(session, id).await),
        Spec::Volume { .. } => match absent(cinder::show_volume(session, id).await)? {
            None => Ok(true),
            Some(volume) if volume.status == "deleting" => Ok(false),
            Some(_) => gone(cinder::delete_volume(session, id).await).map(|_| false),
        },
        Spec::Server(_) => drop_server(session, id).await,
        _ => Ok(true),
    }
}

/// Drops a server; `true` when it is gone.
pub(super) async fn drop_server(session: &Session, id: &str) -> Step<bool> {
    match absent(nova::show_server(session, id).await)? {
        None => Ok(true),
        Some(server) if server.status == "DELETED" => Ok(true),
        Some(server) if server.task_state.as_deref() == Some("deleting") => Ok(false),
        Some(_) => gone(nova::delete_server(session, id).await).map(|_| false),
    }
}

/// Not found is an answer here.
fn absent<T>(result: Result<T, jeroboam_cloud::Error>) -> Step<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn ready(id: String) -> Seen {
    Seen {
        id,
        look: Look::Ready(BTreeMap::new()),
    }
}

fn server(entry: &Entry, server: &nova::Server) -> Look {
    match server.status.as_str() {
        "ACTIVE" => Look::Ready(BTreeMap::new()),
        "ERROR" => {
            let message = server
                .fault
                .clone()
                .unwrap_or_else(|| "the server went to ERROR".to_owned());
            Look::Broken((broken(entry, "compute", message), true))
        }
        status => Look::Pending(match &server.task_state {
            Some(task) => format!("{status}, {task}"),
            None => status.to_owned(),
        }),
    }
}

fn volume(entry: &Entry, volume: &cinder::Volume) -> Look {
    match volume.status.as_str() {
        "available" | "in-use" | "reserved" | "attaching" => Look::Ready(BTreeMap::new()),
        status if status.starts_with("error") => Look::Broken((
            broken(entry, "block-storage", format!("the volume went to {status}")),
            true,
        )),
        status => Look::Pending(status.to_owned()),
    }
}

fn broken(entry: &Entry, service: &str, message: String) -> Fault {
    Fault {
        resource: entry.key.to_string(),
        service: service.to_owned(),
        message,
        request_id: None,
    }
}
