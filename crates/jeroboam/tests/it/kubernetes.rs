//! Kubernetes clusters on servers that are rows of a table: everything but the nodes' own work.

use crate::machines::{demo, event};

#[test]
fn a_cluster_of_three_masters_is_made_by_the_beta_driver_and_leaves_nothing() {
    let arguments = ["--nodes", "state-only", "--coe", "kubernetes", "--masters", "3"];
    let events = demo(&arguments);
    let complete = event(&events, "complete");
    let api = complete["api_address"].as_str().unwrap();
    assert!(
        api.starts_with("https://") && api.ends_with(":6443"),
        "{complete}"
    );
    assert_eq!(complete["master_addresses"].as_array().map(Vec::len), Some(3));
    assert_eq!(complete["node_addresses"].as_array().map(Vec::len), Some(2));
    event(&events, "clean");
}
