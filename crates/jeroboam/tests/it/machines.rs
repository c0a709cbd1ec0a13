//! What boots machines: the demo's whole job, as a person runs it.

mod cloud;
mod diagnosis;
mod healing;

use std::process::Command;

use serde_json::Value;

use crate::rig::PROGRAM;

/// Runs the demo to its end; gives its events.
pub(crate) fn demo(arguments: &[&str]) -> Vec<Value> {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let state = directory.path().join("demo");
    let fixed = [
        "demo",
        "--once",
        "--json",
        "--port",
        "0",
        "--cloud-port",
        "0",
        "--state-dir",
    ];
    let output = Command::new(PROGRAM)
        .args(fixed)
        .arg(&state)
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = std::fs::read_to_string(state.join("service/service.log")).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{errors}\n{text}\nthe service's log:\n{log}"
    );
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Data of an event.
pub(crate) fn event<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    &events.iter().find(|event| event["event"] == kind).expect(kind)["data"]
}

#[test]
fn one_manager_and_two_workers_run_a_service_and_leave_nothing() {
    let events = demo(&[]);
    let complete = event(&events, "complete");
    assert!(complete["api_address"].as_str().unwrap().ends_with(":2376"));
    assert!(
        complete["coe_version"].as_str().unwrap().starts_with("20."),
        "{complete}"
    );
    assert_eq!(complete["node_addresses"].as_array().map(Vec::len), Some(2));
    assert_eq!(event(&events, "web")["ready_nodes"], 3);
    // The figures that the demo exists to show; limits are for benchmarks, not for a loaded machine.
    eprintln!("{complete} {}", event(&events, "clean"));
}

#[test]
fn three_managers_stand_behind_a_load_balancer() {
    let events = demo(&["--masters", "3", "--workers", "1"]);
    assert_eq!(event(&events, "web")["ready_nodes"], 4);
    let complete = event(&events, "complete");
    let api = complete["api_address"].as_str().unwrap();
    let masters = complete["master_addresses"].as_array().unwrap();
    assert_eq!(masters.len(), 3);
    assert!(
        masters
            .iter()
            .all(|master| !api.contains(master.as_str().unwrap())),
        "the API is the balancer's"
    );
}

#[test]
fn a_swarm_gets_new_authorities_and_its_clients_see_no_failure() {
    let events = demo(&["--masters", "3", "--workers", "1", "--rotate"]);
    let rotated = event(&events, "rotated");
    let asked = |client: usize| rotated["asked"][client].as_u64().unwrap();
    assert!(asked(0) > asked(1) && asked(1) > 10, "{rotated}");
    eprintln!("{rotated}");
}
