use std::sync::{Arc, Mutex};

use jeroboam_blueprint::testkit::{access, tls_server_by};
use jeroboam_driver::{Access, Authority, Departure, Leaving};
use jeroboam_types::Roll;

use super::*;
use crate::leave::leave;
use crate::options::tests::ask;

/// A control plane as its API shows it, whose pods end one look after they were made.
#[derive(Default)]
struct World {
    /// Nodes, and whether they are ready; one that is not is silent.
    nodes: BTreeMap<String, bool>,
    cordoned: Vec<String>,
    /// Members of etcd by id: name, and address.
    members: BTreeMap<u64, (String, String)>,
    pods: BTreeMap<String, Value>,
    /// What `etcdctl` says instead of doing this.
    failing: Option<(&'static str, String)>,
    /// All that was changed, in order.
    done: Vec<String>,
}

impl World {
    fn answer(&mut self, what: &str, body: Value) -> (u16, Value) {
        let unknown = (404, json!({"message": "no such"}));
        let (method, path) = what.split_once(" /").unwrap();
        if let Some(name) = path.strip_prefix("api/v1/nodes/") {
            return match (method, self.nodes.get(name)) {
                (_, None) => unknown,
                ("DELETE", _) => {
                    self.nodes.remove(name);
                    self.done.push(format!("node {name} is deleted"));
                    (200, json!({}))
                }
                ("PATCH", _) => {
                    self.cordoned.push(name.to_owned());
                    self.done.push(format!("node {name} is cordoned"));
                    (200, json!({}))
                }
                (_, Some(ready)) => {
                    let ready = if *ready { "True" } else { "Unknown" };
                    let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
                    let spec = json!({"unschedulable": self.cordoned.iter().any(|known| known == name)});
                    (
                        200,
                        json!({"metadata": {"name": name}, "spec": spec, "status": status}),
                    )
                }
            };
        }
        if path.starts_with("api/v1/pods?") {
            return (200, json!({"items": []}));
        }
        let Some(name) = path.strip_prefix(NAMESPACE) else {
            return unknown;
        };
        match (method, name.trim_start_matches('/')) {
            ("DELETE", selector) if selector.starts_with("?labelSelector=jeroboam.io%2Fleaving%3D") => {
                let leaving = selector.rsplit("%3D").next().unwrap();
                self.pods
                    .retain(|_, pod| pod["metadata"]["labels"][LEAVING] != leaving);
                (200, json!({}))
            }
            ("POST", "") => {
                let name = body["metadata"]["name"].as_str().unwrap().to_owned();
                self.pods.insert(name, body);
                (201, json!({}))
            }
            ("DELETE", name) => match self.pods.remove(name) {
                Some(_) => (200, json!({})),
                None => unknown,
            },
            (_, name) if name.ends_with("/log?container=members") => {
                let pod = self.pods.get(name.split('/').next().unwrap());
                pod.map_or(unknown, |pod| (200, pod["log"].clone()))
            }
            (_, name) => match name.strip_prefix("etcd-") {
                Some(node) if self.nodes.contains_key(node) => {
                    let spec = json!({"containers": [{"image": "registry/etcd:1"}]});
                    (
                        200,
                        json!({"metadata": {}, "spec": spec, "status": {"phase": "Running"}}),
                    )
                }
                _ => self.look(name).map_or(unknown, |pod| (200, pod)),
            },
        }
    }

    /// A pod; it has done its work by the next look.
    fn look(&mut self, name: &str) -> Option<Value> {
        let pod = self.pods.get(name)?.clone();
        let mut ended = pod.clone();
        if ended["status"].is_null() {
            let members = self.members.iter();
            let members: Vec<Value> = members
                .map(|(id, (name, address))| {
                    // As etcd does: a name that is empty is left out.
                    let mut member = json!({"ID": id, "peerURLs": [format!("https://{address}:2380")]});
                    if !name.is_empty() {
                        member["name"] = json!(name);
                    }
                    member
                })
                .collect();
            ended["log"] = json!({"header": {}, "members": members});
            ended["status"] = self.run(&pod);
            self.pods.insert(name.to_owned(), ended);
        }
        Some(pod)
    }

    fn run(&mut self, pod: &Value) -> Value {
        for container in pod["spec"]["containers"].as_array().unwrap() {
            let command: Vec<&str> = container["command"]
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_str().unwrap())
                .collect();
            let node = pod["spec"]["nodeName"].as_str().unwrap();
            let command = command[5..].join(" ");
            if let Some((what, said)) = &self.failing
                && command.starts_with(what)
            {
                let ended = json!({"state": {"terminated": {"exitCode": 1, "message": said}}});
                return json!({"phase": "Failed", "containerStatuses": [ended]});
            }
            if let Some(id) = command.strip_prefix("member remove ") {
                self.members.remove(&u64::from_str_radix(id, 16).unwrap());
            }
            if !command.starts_with("member list") {
                self.done.push(format!("{command} on {node}"));
            }
        }
        json!({"phase": "Succeeded"})
    }
}

/// A cluster of three masters.
struct House {
    ask: Ask,
    world: Arc<Mutex<World>>,
    access: Access,
}

impl House {
    fn build() -> Self {
        let ask = ask(3, 1);
        let mut world = World::default();
        for (number, node) in nodes::nodes(&ask.groups).iter().enumerate() {
            let name = ask.cloud_name(&node.key("server"));
            if node.manager {
                let member = (name.clone(), format!("10.0.0.{}", 10 + number));
                world.members.insert(0xA0 + number as u64, member);
            }
            world.nodes.insert(name, true);
        }
        let world = Arc::new(Mutex::new(world));
        let shared = world.clone();
        let address = tls_server_by("127.0.0.1", move |what, body| {
            shared.lock().unwrap().answer(what, body)
        });
        let access = access(format!("https://{address}"), Authority::Cluster);
        Self { ask, world, access }
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.ask.prefix())
    }

    /// A master whose machine is away for its replacement, and those of the old revision.
    fn away(&mut self, out: u32, behind: &[u32]) {
        let revision = self.ask.revision(&self.ask.groups[0]);
        let mut roll = Roll::standing(revision.clone());
        roll.out.insert(out);
        roll.behind = behind.iter().map(|node| (*node, revision.clone())).collect();
        self.ask.groups[0].roll = Some(roll);
    }

    async fn leave(&self, name: &str) -> Departure {
        self.leave_as(name, false).await
    }

    async fn leave_as(&self, name: &str, machine_gone: bool) -> Departure {
        let number = name.rsplit('-').next().unwrap().parse::<u32>().unwrap();
        let node = Leaving {
            host_name: &self.name(name),
            address: Some(&format!("10.0.0.{}", 10 + number)),
            overdue: false,
            machine_gone,
        };
        leave(&self.ask, &self.access, &node).await
    }

    /// Asks until the master is gone, and gives all that was seen.
    async fn gone(&self, name: &str) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..20 {
            match self.leave(name).await {
                Departure::Gone => return seen,
                Departure::NotYet(what) => seen.push(what),
                Departure::AfterMachine(why) => panic!("{name} leaves while it lives: {why}"),
            }
        }
        panic!("{name} does not leave: {seen:?}");
    }

    fn done(&self) -> Vec<String> {
        let short = |text: &String| text.replace(&format!("{}-", self.ask.prefix()), "");
        self.world.lock().unwrap().done.iter().map(short).collect()
    }
}

#[tokio::test]
async fn a_master_leaves_etcd_after_a_snapshot_and_before_its_node_goes() {
    let mut house = House::build();
    house.away(0, &[0, 1, 2]);
    house.gone("master-0").await;
    assert_eq!(
        house.done(),
        [
            "snapshot save /var/lib/jeroboam/etcd/before-master-0.db on master-2",
            "node master-0 is cordoned",
            "member remove a0 on master-2",
            "node master-0 is deleted",
        ]
    );
    let world = house.world.lock().unwrap();
    assert_eq!(world.members.keys().collect::<Vec<_>>(), [&0xA1, &0xA2]);
    assert!(world.pods.is_empty(), "left behind: {:?}", world.pods.keys());
}

#[tokio::test]
async fn it_may_be_asked_again_at_any_moment_and_leaves_nothing() {
    let mut house = House::build();
    house.away(1, &[1, 2]);
    house.gone("master-1").await;
    // As after a crash that came before the answer was written down.
    house.gone("master-1").await;
    let world = house.world.lock().unwrap();
    assert!(world.pods.is_empty());
    assert_eq!(world.members.len(), 2);
    drop(world);
    // What was made anew already is the place for snapshots: it stays.
    assert!(
        house.done()[0].ends_with("before-master-1.db on master-0"),
        "{:?}",
        house.done()
    );
}

#[tokio::test]
async fn a_node_object_that_is_gone_already_does_not_keep_its_member_in_etcd() {
    let mut house = House::build();
    house.away(2, &[2]);
    let name = house.name("master-2");
    house.world.lock().unwrap().nodes.remove(&name);
    house.gone("master-2").await;
    assert_eq!(house.world.lock().unwrap().members.len(), 2);
}

#[tokio::test]
async fn a_dead_master_leaves_etcd_before_its_machine_is_dropped_and_its_node_goes_after() {
    let mut house = House::build();
    house.away(1, &[]);
    let dead = house.name("master-1");
    house.world.lock().unwrap().nodes.insert(dead.clone(), false);
    let mut seen = Vec::new();
    let why = loop {
        match house.leave("master-1").await {
            Departure::NotYet(what) => seen.push(what),
            Departure::AfterMachine(why) => break why,
            Departure::Gone => panic!("it left with its machine: {seen:?}"),
        }
        assert!(seen.len() < 20, "{seen:?}");
    };
    assert_eq!(why, "its kubelet does not answer");
    {
        let world = house.world.lock().unwrap();
        assert_eq!(world.members.keys().collect::<Vec<_>>(), [&0xA0, &0xA2]);
        assert!(world.nodes.contains_key(&dead));
    }
    assert_eq!(house.leave_as("master-1", true).await, Departure::Gone);
    assert_eq!(
        house.done(),
        [
            "snapshot save /var/lib/jeroboam/etcd/before-master-1.db on master-0",
            "node master-1 is cordoned",
            "member remove a1 on master-0",
            "node master-1 is deleted",
        ]
    );
    assert!(house.world.lock().unwrap().pods.is_empty());
}

#[tokio::test]
async fn a_master_whose_etcd_never_started_is_found_by_its_address() {
    for has_joined in [true, false] {
        let mut house = House::build();
        house.away(2, &[]);
        let name = house.name("master-2");
        {
            let mut world = house.world.lock().unwrap();
            world.members.get_mut(&0xA2).unwrap().0.clear();
            // One that another machine was about to become stays.
            world
                .members
                .insert(0xA3, (String::new(), "10.0.0.99".to_owned()));
            if !has_joined {
                world.nodes.remove(&name);
            }
        }
        house.gone("master-2").await;
        let world = house.world.lock().unwrap();
        assert_eq!(world.members.keys().collect::<Vec<_>>(), [&0xA0, &0xA1, &0xA3]);
    }
}

#[tokio::test]
async fn without_a_snapshot_nothing_is_touched_and_the_cause_stays_named() {
    let mut house = House::build();
    house.away(0, &[0, 1, 2]);
    let said = "{\"level\":\"info\"}\nError: open x.part: no space left on device\n";
    house.world.lock().unwrap().failing = Some(("snapshot", said.to_owned()));
    for round in 0..6 {
        let Departure::NotYet(seen) = house.leave("master-0").await else {
            panic!("it left without a snapshot");
        };
        assert!(
            round < 2 || seen.contains("no space left on device"),
            "{round}: {seen}"
        );
    }
    assert_eq!(house.done(), Vec::<String>::new());
    house.world.lock().unwrap().failing = None;
    house.gone("master-0").await;
    assert_eq!(house.world.lock().unwrap().members.len(), 2);
}

#[tokio::test]
async fn a_member_that_etcd_cannot_do_without_stays() {
    let mut house = House::build();
    house.away(0, &[0]);
    let said = "Error: etcdserver: unhealthy cluster".to_owned();
    house.world.lock().unwrap().failing = Some(("member remove", said));
    let mut seen = String::new();
    for _ in 0..8 {
        if let Departure::NotYet(what) = house.leave("master-0").await {
            seen = what;
        }
    }
    assert!(
        seen.contains("not out of etcd") && seen.contains("unhealthy cluster"),
        "{seen}"
    );
    let world = house.world.lock().unwrap();
    assert_eq!((world.members.len(), world.nodes.len()), (3, 4));
}

#[tokio::test]
async fn the_place_is_a_master_that_is_ready() {
    let mut house = House::build();
    house.away(0, &[0, 1, 2]);
    let last = house.name("master-2");
    *house.world.lock().unwrap().nodes.get_mut(&last).unwrap() = false;
    house.gone("master-0").await;
    assert!(house.done()[0].ends_with(" on master-1"), "{:?}", house.done());
    // One that becomes unready on the way is left for another.
    let mut house = House::build();
    house.away(0, &[0, 1, 2]);
    assert!(matches!(house.leave("master-0").await, Departure::NotYet(_)));
    *house.world.lock().unwrap().nodes.get_mut(&last).unwrap() = false;
    house.gone("master-0").await;
    assert!(house.done().last().unwrap().ends_with("deleted"));
    let mut alone = House::build();
    alone.away(0, &[]);
    for node in ["master-1", "master-2"] {
        let name = alone.name(node);
        *alone.world.lock().unwrap().nodes.get_mut(&name).unwrap() = false;
    }
    let expected = "no other master is ready and has a running etcd";
    assert_eq!(
        alone.leave("master-0").await,
        Departure::NotYet(expected.to_owned())
    );
}

#[test]
fn a_list_that_is_old_is_made_anew() {
    let pod = |minute: u32| -> Pod {
        let made = format!("2026-11-23T02:{minute:02}:00Z");
        serde_json::from_value(json!({"metadata": {"creationTimestamp": made}, "spec": {"containers": []}}))
            .unwrap()
    };
    let now = DateTime::parse_from_rfc2822("Mon, 23 Nov 2026 02:30:00 GMT")
        .unwrap()
        .to_utc();
    assert!(is_stale(&pod(10), now) && !is_stale(&pod(20), now));
}
