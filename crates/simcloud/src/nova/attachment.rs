//! Volumes and ports of an existing server.

use serde_json::{Value, json};

use super::block_device::free_device;
use super::model::ServerVolume;
use super::server::{find, find_mut};
use super::{no_route, refuse, require_member, resource, version};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;
use crate::{cinder, neutron};

/// `os-volume_attachments`.
pub(super) fn volumes(world: &mut World, call: &Call, method: &str, id: &str, path: &[&str]) -> Answer {
    let missing = |volume: &str| refuse(404, format!("Instance {id} is not attached to volume {volume}"));
    match (method, path) {
        ("GET", []) => {
            let server = find(world, call, id)?;
            let all: Vec<Value> = server
                .volumes
                .iter()
                .map(|volume| render_volume(call, id, volume))
                .collect();
            Ok(Reply::json(200, json!({"volumeAttachments": all})))
        }
        ("GET", [volume_id]) => {
            let server = find(world, call, id)?;
            let volume = server.volumes.iter().find(|volume| volume.id == *volume_id);
            let body = render_volume(call, id, volume.ok_or_else(|| missing(volume_id))?);
            Ok(Reply::json(200, json!({"volumeAttachment": body})))
        }
        ("POST", []) => attach_volume(world, call, id),
        ("DELETE", [volume_id]) => {
            require_member(call, "os-volumes-attachments:delete")?;
            let server = find_mut(world, call, id)?;
            let at = server.volumes.iter().position(|volume| volume.id == *volume_id);
            let at = at.ok_or_else(|| missing(volume_id))?;
            if server.volumes[at].is_root {
                return Err(refuse(403, "Cannot detach a root device volume"));
            }
            server.volumes.remove(at);
            detach(world, volume_id, id);
            Ok(Reply::empty(202))
        }
        _ => Err(no_route()),
    }
}

fn render_volume(call: &Call, server_id: &str, volume: &ServerVolume) -> Value {
    let minor = version(call);
    let mut body = json!({"volumeId": volume.id, "serverId": server_id, "device": volume.device});
    if minor < 89 {
        body["id"] = json!(volume.id);
    } else {
        body["attachment_id"] = json!(volume.id);
        body["bdm_uuid"] = json!(volume.id);
    }
    if minor >= 70 {
        body["tag"] = Value::Null;
    }
    if minor >= 79 {
        body["delete_on_termination"] = json!(volume.delete_on_termination);
    }
    body
}

fn attach_volume(world: &mut World, call: &Call, id: &str) -> Answer {
    require_member(call, "os-volumes-attachments:create")?;
    let fields = resource(call, "volumeAttachment")?;
    let volume_id = fields["volumeId"]
        .as_str()
        .ok_or_else(|| refuse(400, "'volumeId' is a required property"))?;
    let server = find(world, call, id)?;
    let taken: Vec<String> = server
        .volumes
        .iter()
        .map(|volume| volume.device.clone())
        .collect();
    let device = fields["device"]
        .as_str()
        .map(str::to_owned)
        .filter(|name| !taken.contains(name));
    let device = device.unwrap_or_else(|| free_device(&taken, false));
    if cinder::status(world, volume_id).is_none() {
        return Err(refuse(404, format!("Volume {volume_id} could not be found.")));
    }
    if server.volumes.iter().any(|volume| volume.id == volume_id) {
        let text = format!("Invalid volume: volume {volume_id} is already attached to instances: {id}");
        return Err(refuse(400, text));
    }
    let project = if call.caller.is_admin {
        String::new()
    } else {
        server.project_id.clone()
    };
    cinder::attach(world, volume_id, id, &device, &project)
        .map_err(|refusal| refuse(400, refusal.message))?;
    let volume = ServerVolume {
        id: volume_id.to_owned(),
        device,
        is_root: false,
        delete_on_termination: fields["delete_on_termination"].as_bool().unwrap_or(false),
        is_attached: true,
    };
    let body = render_volume(call, id, &volume);
    find_mut(world, call, id)?.volumes.push(volume);
    Ok(Reply::json(200, json!({"volumeAttachment": body})))
}

/// Takes one volume from a server.
fn detach(world: &mut World, volume_id: &str, server_id: &str) {
    let now_ms = world.now_ms;
    let gone = |attachment: &cinder::Attachment| {
        attachment.volume_id == volume_id && attachment.server_id == server_id
    };
    world.cinder.attachments.retain(|_, attachment| !gone(attachment));
    let is_free = world.cinder.attachments_of(volume_id).next().is_none();
    if let Some(volume) = world.cinder.volumes.get_mut(volume_id).filter(|_| is_free) {
        volume.status = cinder::Status::Available;
        volume.updated_ms = Some(now_ms);
    }
}

/// `os-interface`.
pub(super) fn interfaces(world: &mut World, call: &Call, method: &str, id: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", []) => {
            find(world, call, id)?;
            let all: Vec<Value> = neutron::compute::ports_of(&world.neutron, id)
                .map(render_port)
                .collect();
            Ok(Reply::json(200, json!({"interfaceAttachments": all})))
        }
        ("GET", [port_id]) => {
            let port = port_of(world, call, id, port_id)?;
            Ok(Reply::json(
                200,
                json!({"interfaceAttachment": render_port(port)}),
            ))
        }
        ("POST", []) => {
            require_member(call, "os-attach-interfaces:create")?;
            let server = find(world, call, id)?;
            let project = server.project_id.clone();
            let fields = resource(call, "interfaceAttachment")?;
            let port_id = match (fields["port_id"].as_str(), fields["net_id"].as_str()) {
                (Some(port), _) => neutron::bind_port(world, port, id, &project).map(|()| port.to_owned()),
                (None, Some(network)) => neutron::create_port_for_server(world, network, id, &project, &[]),
                (None, None) => return Err(refuse(400, "Either port_id or net_id must be given")),
            };
            let port_id = port_id.map_err(|refusal| refuse(refusal.status, refusal.message))?;
            let port = port_of(world, call, id, &port_id)?;
            Ok(Reply::json(
                200,
                json!({"interfaceAttachment": render_port(port)}),
            ))
        }
        ("DELETE", [port_id]) => {
            require_member(call, "os-attach-interfaces:delete")?;
            port_of(world, call, id, port_id)?;
            neutron::compute::unbind_port(world, port_id);
            Ok(Reply::empty(202))
        }
        _ => Err(no_route()),
    }
}

fn port_of<'a>(world: &'a World, call: &Call, id: &str, port_id: &str) -> Result<&'a neutron::Port, Refusal> {
    find(world, call, id)?;
    let port = world
        .neutron
        .ports
        .get(port_id)
        .filter(|port| port.device_id == id);
    port.ok_or_else(|| {
        refuse(
            404,
            format!("Instance {id} does not have a port with id {port_id}"),
        )
    })
}

fn render_port(port: &neutron::Port) -> Value {
    let fixed: Vec<Value> = port
        .fixed_ips
        .iter()
        .map(|fixed| json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.ip_address}))
        .collect();
    json!({"port_id": port.common.id, "net_id": port.network_id, "mac_addr": port.mac_address,
        "port_state": port.status, "fixed_ips": fixed})
}
