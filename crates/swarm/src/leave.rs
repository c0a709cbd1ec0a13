//! The way of a node out of the swarm: it is drained, its tasks are given time to stop, and it is removed.
//!
//! Each call takes the next step that the swarm's own list of nodes asks for, and may be repeated.

use jeroboam_blueprint::api::{Api, Method, Url};
use jeroboam_driver::{Access, Ask, Departure, Leaving};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check::{ANSWER_PER_NODE, explain, longest_list};
use crate::options;

/// Tasks of one node that an answer has room for.
const TASKS: usize = 2_000;

/// States of tasks that have ended.
const ENDED: &[&str] = &["complete", "shutdown", "failed", "rejected", "remove", "orphaned"];

/// An item of Docker's `GET /nodes`, as far as it matters to who leaves.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    /// Written back with what changes.
    spec: Value,
    description: Description,
    status: MemberStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(default)]
    hostname: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MemberStatus {
    state: String,
}

/// An item of Docker's `GET /tasks`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    status: TaskStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskStatus {
    state: String,
}

/// Takes the next step.
pub(crate) async fn leave(ask: &Ask, access: &Access, node: &Leaving<'_>) -> Departure {
    match step(ask, access, node).await {
        Ok(None) => Departure::Gone,
        Ok(Some(seen)) | Err(seen) => Departure::NotYet(seen),
    }
}

/// What is still waited for.
async fn step(ask: &Ask, access: &Access, node: &Leaving<'_>) -> Result<Option<String>, String> {
    let asked = options::check_counts(ask).map_err(|invalid| invalid.to_string())?;
    let docker = Api::new("Docker API", access)?;
    let members: Vec<Member> = docker.load("nodes", longest_list(asked), explain).await?;
    let mut waiting = None;
    // A rebuilt node is listed with its old selves.
    for member in members
        .iter()
        .filter(|member| member.description.hostname == node.host_name)
    {
        let seen = part(&docker, member, node.overdue).await?;
        waiting = waiting.or(seen);
    }
    Ok(waiting)
}

async fn part(docker: &Api, member: &Member, overdue: bool) -> Result<Option<String>, String> {
    let is_up = member.status.state != "down";
    let is_manager = member.spec["Role"] == "manager";
    if is_manager || (is_up && member.spec["Availability"] != "drain") {
        let mut spec = member.spec.clone();
        spec["Role"] = json!("worker");
        spec["Availability"] = json!("drain");
        let path = format!("nodes/{}/update?version={}", member.id, member.version.index);
        docker
            .must_change(Method::POST, &path, Some(("application/json", &spec)))
            .await?;
        return Ok(Some("its tasks are being moved to other nodes".to_owned()));
    }
    if is_up && !overdue {
        let tasks: Vec<Task> = docker
            .load(&tasks_of(&member.id)?, TASKS * ANSWER_PER_NODE, explain)
            .await?;
        let left = tasks
            .iter()
            .filter(|task| !ENDED.contains(&task.status.state.as_str()));
        match left.count() {
            0 => {}
            1 => return Ok(Some("a task of it has not stopped yet".to_owned())),
            left => return Ok(Some(format!("{left} tasks of it have not stopped yet"))),
        }
    }
    // By force, because it is still up: its server goes next.
    docker
        .must_change(Method::DELETE, &format!("nodes/{}?force=true", member.id), None)
        .await?;
    Ok(None)
}

/// Path of the list of a node's tasks.
fn tasks_of(node: &str) -> Result<String, String> {
    let filters = json!({"node": [node]}).to_string();
    let url = Url::parse_with_params("https://docker/tasks", [("filters", filters)]);
    let url = url.map_err(|error| error.to_string())?;
    Ok(format!("tasks?{}", url.query().unwrap_or_default()))
}

#[cfg(test)]
mod tests;
