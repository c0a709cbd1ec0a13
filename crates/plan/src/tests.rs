use super::*;
use jeroboam_driver::{Ref, Spec};

const NOW: Millis = Millis(1_000);

fn key(text: &str) -> Key {
    Key::stored(text)
}

fn graph() -> Graph {
    let mut graph = Graph::default();
    let network = graph.add(key("network:main"), Spec::Network);
    let subnet = graph.add(
        key("subnet:main"),
        Spec::Subnet {
            network: network.clone(),
            cidr: "10.0.0.0/24".into(),
            dns: vec![],
        },
    );
    for name in ["a", "b"] {
        let spec = Spec::Port {
            network: network.clone(),
            subnet: Some(subnet.clone()),
            security_groups: vec![],
            allowed_addresses: vec![],
            allowed_ports: vec![],
        };
        graph.add(Key::new("port", name), spec);
    }
    graph
}

fn entry(graph: &Graph, name: &str, phase: Phase) -> Entry {
    let resource = graph.find(&key(name)).unwrap();
    Entry {
        key: resource.key.clone(),
        name: format!("demo-{}", resource.key.name()),
        needs: resource.needs.clone(),
        group: None,
        spec: resource.spec.clone(),
        phase,
        id: (phase != Phase::Intended).then(|| format!("id-{name}")),
        facts: Default::default(),
        attempts: 0,
        next_check: NOW,
        give_up_at: Millis(9_000),
        started: Millis(0),
        finished: None,
        seen: None,
        fault: None,
        tried: Millis(0),
        uncertain: false,
        maybe_twice: false,
        drop_failed: false,
    }
}

fn ledger(entries: impl IntoIterator<Item = Entry>) -> Ledger {
    entries
        .into_iter()
        .map(|entry| (entry.key.clone(), entry))
        .collect()
}

/// Plans and takes every step at once, until there is none: the order in which things happen.
fn waves(goal: &Goal, ledger: Ledger) -> Vec<Vec<Step>> {
    waves_of(goal, &graph(), ledger)
}

fn waves_of(goal: &Goal, all: &Graph, mut ledger: Ledger) -> Vec<Vec<Step>> {
    let mut waves = Vec::new();
    loop {
        let plan = plan(goal, &ledger, &BTreeSet::new(), NOW);
        if plan.steps.is_empty() {
            assert_eq!(plan.verdict, Verdict::Settled);
            return waves;
        }
        for step in &plan.steps {
            match step {
                Step::Make(key) => drop(ledger.insert(key.clone(), entry(all, key.as_str(), Phase::Made))),
                Step::Await(key) => ledger.get_mut(key).unwrap().phase = Phase::Ready,
                Step::Drop(key) => drop(ledger.remove(key)),
                Step::GiveUp(key) => panic!("gave up {key}"),
            }
        }
        waves.push(plan.steps);
    }
}

#[test]
fn a_creation_goes_from_the_roots_outwards_and_a_deletion_back() {
    let full =
        ledger(["network:main", "subnet:main", "port:a", "port:b"].map(|k| entry(&graph(), k, Phase::Ready)));
    insta::assert_json_snapshot!("creation", waves(&Goal::Present(graph()), Ledger::new()));
    insta::assert_json_snapshot!("deletion", waves(&Goal::Absent, full));
}

#[test]
fn a_deletion_half_way_through_a_creation_drops_what_may_exist() {
    let half = ledger([
        entry(&graph(), "network:main", Phase::Ready),
        entry(&graph(), "subnet:main", Phase::Made),
        entry(&graph(), "port:a", Phase::Intended),
    ]);
    insta::assert_json_snapshot!("deletion_half_way", waves(&Goal::Absent, half));
}

#[test]
fn a_resource_that_waits_names_the_moment_to_look_again() {
    let mut waiting = entry(&graph(), "network:main", Phase::Made);
    waiting.next_check = Millis(1_500);
    let plan = plan(&Goal::Present(graph()), &ledger([waiting]), &BTreeSet::new(), NOW);
    assert_eq!(
        (plan.steps, plan.wake, plan.verdict),
        (vec![], Some(Millis(1_500)), Verdict::Working)
    );
}

#[test]
fn a_used_up_budget_ends_the_waiting() {
    let mut late = entry(&graph(), "network:main", Phase::Made);
    late.give_up_at = NOW;
    late.next_check = Millis(5_000);
    let plan = plan(&Goal::Present(graph()), &ledger([late]), &BTreeSet::new(), NOW);
    assert_eq!(plan.steps, vec![Step::GiveUp(key("network:main"))]);
}

#[test]
fn one_failure_stops_new_steps_and_fails_once_nothing_runs() {
    let mut failed = entry(&graph(), "port:a", Phase::Failed);
    let fault = Fault {
        resource: "port:a".into(),
        service: "network".into(),
        message: "no".into(),
        request_id: None,
    };
    failed.fault = Some(fault.clone());
    let entries = ledger([
        entry(&graph(), "network:main", Phase::Ready),
        entry(&graph(), "subnet:main", Phase::Ready),
        failed,
    ]);
    let goal = Goal::Present(graph());
    let running = plan(&goal, &entries, &BTreeSet::from([key("port:b")]), NOW);
    assert_eq!((running.steps, running.verdict), (vec![], Verdict::Working));
    assert_eq!(
        plan(&goal, &entries, &BTreeSet::new(), NOW).verdict,
        Verdict::Failed(vec![fault])
    );
}

#[test]
fn a_busy_resource_gets_no_second_step() {
    let plan = plan(
        &Goal::Present(graph()),
        &Ledger::new(),
        &BTreeSet::from([key("network:main")]),
        NOW,
    );
    assert_eq!((plan.steps, plan.verdict), (vec![], Verdict::Working));
}

#[test]
fn what_the_graph_no_longer_has_is_dropped_and_the_rest_stays() {
    let mut smaller = Graph::default();
    let network = smaller.add(key("network:main"), Spec::Network);
    let spec = Spec::Subnet {
        network,
        cidr: "10.0.0.0/24".into(),
        dns: vec![],
    };
    smaller.add(key("subnet:main"), spec);
    let full =
        ledger(["network:main", "subnet:main", "port:a", "port:b"].map(|k| entry(&graph(), k, Phase::Ready)));
    let plan = plan(&Goal::Present(smaller), &full, &BTreeSet::new(), NOW);
    assert_eq!(
        plan.steps,
        vec![Step::Drop(key("port:a")), Step::Drop(key("port:b"))]
    );
}

#[test]
fn references_become_needs() {
    let graph = graph();
    let port = graph.find(&key("port:a")).unwrap();
    assert_eq!(
        port.needs,
        BTreeSet::from([key("network:main"), key("subnet:main")])
    );
    assert!(matches!(&port.spec, Spec::Port { network: Ref::Made(k), .. } if *k == key("network:main")));
}

mod random {
    use super::*;
    use proptest::prelude::*;

    fn phases() -> impl Strategy<Value = Phase> {
        prop::sample::select(vec![
            Phase::Intended,
            Phase::Made,
            Phase::Ready,
            Phase::Failed,
            Phase::Dropping,
        ])
    }

    proptest! {
        /// Whatever an interrupted engine left behind, a deletion ends with an empty ledger and never drops
        /// a resource that another one still needs.
        #[test]
        fn a_deletion_always_ends_and_keeps_the_order(
            phases in prop::collection::vec(prop::option::of(phases()), 4)
        ) {
            let keys = ["network:main", "subnet:main", "port:a", "port:b"];
            let entries = keys.iter().zip(phases).filter_map(|(k, phase)| Some(entry(&graph(), k, phase?)));
            let start = ledger(entries);
            let mut left: BTreeSet<Key> = start.keys().cloned().collect();
            for wave in waves(&Goal::Absent, start.clone()) {
                for step in &wave {
                    let needed = left.iter().any(|k| start[k].needs.contains(step.key()));
                    prop_assert!(!needed, "{} dropped too early", step.key());
                }
                for step in &wave {
                    left.remove(step.key());
                }
            }
            prop_assert!(left.is_empty());
        }
    }
}

/// A network with a COE of some members.
fn swarm(members: &[&str]) -> Graph {
    let mut graph = Graph::default();
    let mut needs = BTreeSet::new();
    for name in members {
        let server = graph.add(Key::new("network", name), Spec::Network);
        let Ref::Made(server) = server else { unreachable!() };
        let member = Key::new("member", name);
        graph.insert(Resource {
            key: member.clone(),
            needs: BTreeSet::from([server]),
            group: None,
            spec: Spec::Member,
        });
        needs.insert(member);
    }
    graph.insert(Resource {
        key: key("coe:swarm"),
        needs,
        group: None,
        spec: Spec::Coe,
    });
    graph
}

/// The ledger of a graph that is there.
fn built(graph: &Graph) -> Ledger {
    ledger(
        graph
            .iter()
            .map(|resource| entry(graph, resource.key.as_str(), Phase::Ready)),
    )
}

fn resize(from: &[&str], to: &[&str]) -> Vec<Vec<Step>> {
    waves_of(&Goal::Present(swarm(to)), &swarm(to), built(&swarm(from)))
}

#[test]
fn a_resize_makes_and_drops_nodes_and_looks_at_the_coe_anew() {
    insta::assert_json_snapshot!("growth", resize(&["a"], &["a", "b"]));
    insta::assert_json_snapshot!("shrinkage", resize(&["a", "b"], &["a"]));
    insta::assert_json_snapshot!("replacement", resize(&["a", "b"], &["b", "c"]));
    assert!(
        resize(&["a"], &["a"]).is_empty(),
        "nothing is looked at without a change"
    );
}

#[test]
fn what_is_dropped_to_be_made_of_other_nodes_has_a_budget_too() {
    let (before, after) = (swarm(&["a", "b"]), swarm(&["a"]));
    let mut ledger = built(&before);
    let coe = ledger.values_mut().find(|entry| entry.spec == Spec::Coe).unwrap();
    coe.phase = Phase::Dropping;
    coe.give_up_at = NOW;
    let given_up = Step::GiveUp(coe.key.clone());
    let plan = plan(&Goal::Present(after), &ledger, &BTreeSet::new(), NOW);
    assert!(plan.steps.contains(&given_up), "{plan:?}");
}

#[test]
fn what_can_go_goes_although_the_growth_fails() {
    let graph = swarm(&["b", "c"]);
    let mut half = built(&swarm(&["a", "b"]));
    half.remove(&key("coe:swarm"));
    half.insert(key("network:c"), entry(&graph, "network:c", Phase::Failed));
    let plan = plan(&Goal::Present(graph), &half, &BTreeSet::new(), NOW);
    assert_eq!(plan.steps, [Step::Drop(key("member:a"))]);
}

/// Nodes behind a load balancer.
fn balanced(members: &[&str]) -> Graph {
    let mut graph = swarm(members);
    let balancer = graph.add(
        key("load-balancer:api"),
        Spec::LoadBalancer {
            subnet: Ref::Given("subnet-id".into()),
            port: 6443,
            balancing: Default::default(),
        },
    );
    graph.insert(Resource {
        key: key("pool:api"),
        needs: members.iter().map(|name| Key::new("member", name)).collect(),
        group: None,
        spec: Spec::Pool {
            balancer,
            subnet: Ref::Given("subnet-id".into()),
            port: 6443,
            members: Vec::new(),
        },
    });
    graph
}

#[test]
fn a_node_leaves_its_load_balancer_before_the_coe_and_one_that_comes_is_put_there_when_it_is_made() {
    let goal = Goal::Present(balanced(&["b", "c"]));
    let waves = waves_of(&goal, &balanced(&["b", "c"]), built(&balanced(&["a", "b"])));
    let wave = |step: Step| waves.iter().position(|wave| wave.contains(&step)).unwrap();
    assert!(wave(Step::Drop(key("pool:api"))) < wave(Step::Drop(key("member:a"))));
    assert!(wave(Step::Make(key("member:c"))) < wave(Step::Make(key("pool:api"))));
    assert!(
        !waves.concat().contains(&Step::Drop(key("load-balancer:api"))),
        "that stays"
    );
}

#[test]
fn what_a_node_was_made_after_may_go_when_it_is_not_wanted_to_need_it() {
    let mut before = balanced(&["a", "b"]);
    let other = before.add(key("network:other"), Spec::Network);
    // As of a load balancer whose members were a part of it, and of a worker that knew other masters.
    let mut ledger = built(&before);
    let Ref::Made(other) = other else { unreachable!() };
    for name in ["load-balancer:api", "network:a"] {
        ledger.get_mut(&key(name)).unwrap().needs.insert(other.clone());
    }
    let goal = Goal::Present(balanced(&["a", "b"]));
    let plan = plan(&goal, &ledger, &BTreeSet::new(), NOW);
    assert_eq!(plan.steps, [Step::Drop(other)]);
}

#[test]
fn an_add_on_keeps_its_old_login_until_it_works_with_the_new_one() {
    let wanted = |rotations: u32| {
        let mut graph = Graph::default();
        let login = key(&format!("application-credential:cloud-{rotations}"));
        graph.add(login.clone(), Spec::ApplicationCredential);
        graph.insert(Resource {
            key: key("add-on:a"),
            needs: BTreeSet::from([login]),
            group: None,
            spec: Spec::AddOn {
                revision: rotations.to_string(),
                cloud: true,
                autoscales: false,
            },
        });
        graph
    };
    let (before, after) = (wanted(0), wanted(1));
    let old = entry(&before, "application-credential:cloud-0", Phase::Ready);
    let new = entry(&after, "application-credential:cloud-1", Phase::Ready);
    let goal = Goal::Present(after.clone());
    let steps = |add_on: Entry| {
        let ledger = ledger([old.clone(), new.clone(), add_on]);
        plan(&goal, &ledger, &BTreeSet::new(), NOW).steps
    };
    let add_on = key("add-on:a");
    let outdated = entry(&before, "add-on:a", Phase::Ready);
    assert_eq!(steps(outdated), [Step::Drop(add_on.clone())]);
    let renewed = |phase| entry(&after, "add-on:a", phase);
    assert_eq!(steps(renewed(Phase::Intended)), [Step::Make(add_on.clone())]);
    assert_eq!(steps(renewed(Phase::Made)), [Step::Await(add_on)]);
    assert_eq!(steps(renewed(Phase::Ready)), [Step::Drop(old.key.clone())]);
    // When all goes, nothing is held back.
    let ledger = ledger([old.clone(), renewed(Phase::Made)]);
    let steps = plan(&Goal::Absent, &ledger, &BTreeSet::new(), NOW).steps;
    assert!(steps.contains(&Step::Drop(old.key.clone())), "{steps:?}");
}
