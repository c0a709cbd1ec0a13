//! What becomes of servers by themselves.
//!
//! A server is in `Nova::due` at the time of its next step. With real nodes the steps that mean a machine's work
//! are done by [`observe`] instead.

use super::model::{Fate, Fault, Server, State, Task};
use crate::world::World;
use crate::{cinder, neutron};

/// How often a server looks again for what it waits for, in milliseconds.
const POLL_MS: u64 = 20;

/// What the machine of a server has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It was started with this boot number.
    Running,
    /// It has stopped.
    Stopped,
    /// It could not be started, with the reason.
    Failed(String),
}

/// Does the steps whose time has come.
pub fn tick(world: &mut World) {
    while let Some((due_ms, id)) = world.nova.due.pop_first() {
        if due_ms > world.now_ms {
            world.nova.due.insert((due_ms, id));
            return;
        }
        step(world, &id);
    }
}

/// Makes a server take its next step after so many milliseconds.
pub(super) fn schedule(world: &mut World, id: &str, after_ms: u64) {
    let due_ms = world
        .now_ms
        .saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX));
    world.nova.due.insert((due_ms, id.to_owned()));
}

/// Decides how the build of a server ends.
pub fn doom(world: &mut World, id: &str, fate: Fate) {
    if let Some(server) = world.nova.servers.get_mut(id) {
        server.fate = fate;
    }
}

fn step(world: &mut World, id: &str) {
    let Some(server) = world.nova.servers.get(id) else {
        return;
    };
    match (server.task, server.state) {
        // The ports and volumes are free only when nothing uses them any more.
        (Some(Task::Deleting), _) if world.nova.machines.contains(id) => schedule(world, id, POLL_MS),
        (Some(Task::Deleting), _) => remove(world, id),
        (Some(Task::Spawning), State::Building) => build(world, id),
        (Some(task), _) if !world.real_nodes => {
            let stopped = task == Task::PoweringOff;
            observe(
                world,
                id,
                if stopped {
                    Observed::Stopped
                } else {
                    Observed::Running
                },
            );
        }
        _ => {}
    }
}

fn build(world: &mut World, id: &str) {
    let fate = world
        .nova
        .servers
        .get(id)
        .map(|server| server.fate.clone())
        .unwrap_or_default();
    match fate {
        Fate::Stuck => {}
        Fate::Error(message) => fail(world, id, message),
        Fate::Healthy => match attach_volumes(world, id) {
            Err(message) => fail(world, id, message),
            Ok(false) => schedule(world, id, POLL_MS),
            Ok(true) => {
                let real_nodes = world.real_nodes;
                if let Some(server) = world.nova.servers.get_mut(id) {
                    server.is_prepared = true;
                }
                if !real_nodes {
                    observe(world, id, Observed::Running);
                }
            }
        },
    }
}

/// Attaches the new volumes that are ready. True when none is missing, an error when one failed.
fn attach_volumes(world: &mut World, id: &str) -> Result<bool, String> {
    let waiting: Vec<(usize, String, String)> = match world.nova.servers.get(id) {
        Some(server) => server
            .volumes
            .iter()
            .enumerate()
            .filter(|(_, volume)| !volume.is_attached)
            .map(|(at, volume)| (at, volume.id.clone(), volume.device.clone()))
            .collect(),
        None => Vec::new(),
    };
    let mut complete = true;
    for (at, volume, device) in waiting {
        match cinder::status(world, &volume).as_deref() {
            Some("available") => {
                cinder::attach(world, &volume, id, &device, "").map_err(|refusal| refusal.message)?;
                if let Some(server) = world.nova.servers.get_mut(id) {
                    server.volumes[at].is_attached = true;
                }
            }
            Some("creating" | "downloading") => complete = false,
            status => {
                return Err(format!(
                    "Build of instance {id} aborted: Volume {volume} did not finish being created even after we \
                     waited 0 seconds or 1 attempts. And its status is {}.",
                    status.unwrap_or("error")
                ));
            }
        }
    }
    Ok(complete)
}

fn fail(world: &mut World, id: &str, message: String) {
    let now_ms = world.now_ms;
    if let Some(server) = world.nova.servers.get_mut(id) {
        server.state = State::Error;
        server.task = None;
        server.fault = Some(Fault {
            code: 500,
            message,
            created_ms: now_ms,
        });
        server.updated_ms = now_ms;
    }
}

/// Takes over what a server's machine has come to. Tells whether that changed anything.
pub fn observe(world: &mut World, id: &str, observed: Observed) -> bool {
    let now_ms = world.now_ms;
    let Some(server) = world.nova.servers.get_mut(id) else {
        return false;
    };
    if server.is_deleting() || !server.is_prepared || server.fate != Fate::Healthy {
        return false;
    }
    let before = (server.state, server.task);
    match observed {
        Observed::Running => started(server, now_ms),
        // A machine that has yet to boot is also not running.
        Observed::Stopped if server.state == State::Building => return false,
        Observed::Stopped if matches!(server.task, Some(Task::Rebooting | Task::RebootingHard)) => {
            return false;
        }
        Observed::Stopped if server.task == Some(Task::PoweringOn) => return false,
        Observed::Stopped => {
            server.state = State::Stopped;
            server.task = None;
        }
        Observed::Failed(message) => {
            if server.state != State::Error {
                fail(world, id, message);
                return true;
            }
            return false;
        }
    }
    let changed = before != (server.state, server.task);
    if changed {
        server.updated_ms = now_ms;
    }
    changed
}

fn started(server: &mut Server, now_ms: i64) {
    match (server.state, server.task) {
        // Still on its way down.
        (_, Some(Task::PoweringOff)) | (State::Error, _) => {}
        // Stopped by request: only os-start brings it back.
        (State::Stopped, None) => {}
        _ => {
            server.state = State::Active;
            server.task = None;
            server.launched_ms.get_or_insert(now_ms);
        }
    }
}

/// Removes a server at once: its ports and volumes are freed, and what was made for it goes too.
pub(super) fn remove(world: &mut World, id: &str) {
    neutron::unbind_ports(world, id);
    cinder::detach_all(world, id);
    let Some(server) = world.nova.servers.remove(id) else {
        return;
    };
    for volume in server
        .volumes
        .iter()
        .filter(|volume| volume.delete_on_termination)
    {
        cinder::delete_on_termination(world, &volume.id);
    }
}
