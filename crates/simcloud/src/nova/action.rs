//! POST /servers/{id}/action.

use serde_json::json;

use super::model::{Server, State, Task};
use super::server::{find, find_mut, vm_state};
use super::{invalid, lifecycle, refuse, require_member};
use crate::call::{Answer, Call, Refusal, Reply};
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, id: &str) -> Answer {
    let actions = call
        .body
        .as_object()
        .ok_or_else(|| refuse(400, "Malformed request body"))?;
    let first = actions.iter().next();
    let (action, argument) = first.ok_or_else(|| refuse(400, "There is no such action: "))?;
    let unknown = || refuse(400, format!("There is no such action: {action}"));
    find(world, call, id)?;
    require_member(call, &format!("servers:{action}"))?;
    match action.as_str() {
        "os-start" => start_task(world, call, id, "start", &[State::Stopped], Task::PoweringOn),
        "os-stop" => start_task(
            world,
            call,
            id,
            "stop",
            &[State::Active, State::Error],
            Task::PoweringOff,
        ),
        "reboot" => {
            let (task, from): (_, &[State]) = match argument["type"].as_str() {
                Some("SOFT") => (Task::Rebooting, &[State::Active]),
                Some("HARD") => (
                    Task::RebootingHard,
                    &[State::Active, State::Stopped, State::Error],
                ),
                _ => return Err(invalid("type")),
            };
            start_task(world, call, id, "reboot", from, task)
        }
        "os-getConsoleOutput" => {
            let lines = argument["length"]
                .as_u64()
                .or_else(|| argument["length"].as_str()?.parse().ok());
            let server = find(world, call, id)?;
            if server.state == State::Building && !server.is_prepared {
                return Err(refuse(409, format!("Instance {id} is not ready")));
            }
            let said = world.console_log.as_ref().or(world.consoles.get(&server.name));
            let log = said.cloned().unwrap_or_else(|| imagined_log(server));
            let all: Vec<&str> = log.lines().collect();
            let wanted = lines
                .and_then(|lines| usize::try_from(lines).ok())
                .unwrap_or(all.len());
            let output = all[all.len() - wanted.min(all.len())..].join("\n");
            Ok(Reply::json(200, json!({"output": output})))
        }
        "os-resetState" => {
            super::require_admin(call, "os-admin-actions:reset_state")?;
            let server = find_mut(world, call, id)?;
            server.state = if argument["state"] == "active" {
                State::Active
            } else {
                State::Error
            };
            server.task = None;
            Ok(Reply::empty(202))
        }
        _ => Err(unknown()),
    }
}

/// The log of a server that is no machine.
fn imagined_log(server: &Server) -> String {
    format!(
        "[    0.000000] Linux version 6.1.0 (simulated)\n[    0.512000] systemd[1]: Hostname set to <{0}>.\n\
         [    1.024000] cloud-init[312]: Cloud-init finished. Datasource DataSourceConfigDrive.\n{0} login: ",
        server.name
    )
}

fn start_task(
    world: &mut World,
    call: &Call,
    id: &str,
    what: &str,
    from: &[State],
    task: Task,
) -> Result<Reply, Refusal> {
    let build_ms = world.pace.server_build_ms;
    let server = find_mut(world, call, id)?;
    if let Some(Task::Deleting) = server.task {
        let text = format!("Cannot '{what}' instance {id} while it is in task_state deleting");
        return Err(refuse(409, text));
    }
    if !from.contains(&server.state) || !server.is_prepared {
        let text = format!(
            "Cannot '{what}' instance {id} while it is in vm_state {}",
            vm_state(server)
        );
        return Err(refuse(409, text));
    }
    if server.state == State::Error {
        server.fault = None;
        server.state = State::Active;
    }
    if server.state == State::Stopped && task == Task::RebootingHard {
        server.state = State::Active;
    }
    server.task = Some(task);
    if matches!(task, Task::Rebooting | Task::RebootingHard) {
        server.boot += 1;
    }
    lifecycle::schedule(world, id, build_ms);
    Ok(Reply::empty(202))
}
