use jeroboam_driver::{Key, NodeHealth};

use super::*;

fn node(name: &str, lack: Option<&str>) -> NodeHealth {
    NodeHealth {
        name: name.to_owned(),
        server: Some(Key::new("server", name)),
        lack: lack.map(str::to_owned),
    }
}

#[test]
fn the_reason_is_what_magnum_writes_and_why_a_node_is_not_ready() {
    let health = Health {
        api: ApiHealth::Ok,
        nodes: vec![node("c-master-0", None), node("c-worker-0", Some("is missing"))],
    };
    let shown = reason(&health);
    let pairs: Vec<(&str, &str)> = shown
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("api", "ok"),
            ("c-master-0.Ready", "True"),
            ("c-worker-0.Ready", "False"),
            ("c-worker-0.Reason", "is missing"),
        ]
    );
    let shown = reason(&Health::silent("timed out"));
    assert_eq!(
        shown,
        BTreeMap::from([("api".to_owned(), "timed out".to_owned())])
    );
}

#[test]
fn a_reason_of_very_many_nodes_names_those_that_are_not_ready() {
    let mut nodes: Vec<NodeHealth> = (0..2_000)
        .map(|number| node(&format!("w-{number}"), None))
        .collect();
    nodes[1_900].lack = Some("is missing".to_owned());
    let shown = reason(&Health {
        api: ApiHealth::Ok,
        nodes,
    });
    assert_eq!(
        shown.len(),
        NAMED_NODES + 3,
        "with api, the reason and the number"
    );
    assert_eq!(shown["w-1900.Ready"], "False");
    assert_eq!(shown["nodes"], "1999 of 2000 are ready");
}

#[test]
fn healing_is_left_to_who_it_was_given_to() {
    let labels = |pairs: &[(&str, &str)]| Labels::from_iter(pairs.iter().copied());
    let wanted = labels(&[("auto_healing_enabled", "True ")]);
    assert!(wants_healing(&wanted) && !is_told_by_others(&wanted));
    let draino = labels(&[
        ("auto_healing_enabled", "yes"),
        ("auto_healing_controller", "draino"),
    ]);
    assert!(wants_healing(&draino) && !is_told_by_others(&draino));
    let own = [
        ("auto_healing_enabled", "1"),
        ("auto_healing_controller", "magnum-auto-healer"),
    ];
    assert!(is_told_by_others(&labels(&own)));
    assert!(!is_told_by_others(&labels(&own[1..])));
    assert!(!wants_healing(&labels(&[("auto_healing_enabled", "false")])));
    assert!(!wants_healing(&Labels::default()));
}
