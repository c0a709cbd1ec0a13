//! Autoscalers of clusters: known by their certificates, answered as their protocol says, and obeyed by the same rules as
//! tenants. The client is tonic's, over the real listener; servers come and go in the simulated cloud.

mod messages;
pub mod rig;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jeroboam_driver::{KeyPair, ServiceAccess};
use jeroboam_engine::{Clock, SystemClock, Watch};
use jeroboam_pki::{Authority, LeafRequest, Purpose, RsaBits, Validity, certificate_der};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Rule};
use jeroboam_store::Sealed;
use jeroboam_types::nodegroup::DEFAULT_WORKER;
use jeroboam_types::repair::Limits;
use jeroboam_types::{Change, ClusterId, Millis, Status};
use prost::Message;
use tonic::Code;

use self::messages::{
    DeleteNodesRequest, Empty, ExternalGrpcNode, Instance, Node, NodeGroupForNodeRequest,
    NodeGroupForNodeResponse, NodeGroupsResponse, NodesResponse, OfGroup, OptionsResponse, SizeRequest,
    TargetSizeResponse, TemplateResponse,
};
use self::rig::{Autoscaler, Rig};
use crate::changes::on;
use crate::house::{House, within};

const RUNNING: i32 = 1;
const CREATING: i32 = 2;

fn workers() -> OfGroup {
    OfGroup {
        id: DEFAULT_WORKER.into(),
    }
}

fn node(provider_id: &str, name: &str) -> ExternalGrpcNode {
    ExternalGrpcNode {
        provider_id: provider_id.into(),
        name: name.into(),
        labels: [("kubernetes.io/os".to_owned(), "linux".to_owned())].into(),
        annotations: [("a".to_owned(), "b".to_owned())].into(),
    }
}

impl Autoscaler {
    async fn target(&self) -> i32 {
        let answer: TargetSizeResponse = self.call("NodeGroupTargetSize", workers()).await.unwrap();
        answer.target_size
    }

    async fn instances(&self) -> Vec<Instance> {
        let answer: NodesResponse = self.call("NodeGroupNodes", workers()).await.unwrap();
        answer.instances
    }

    async fn increase(&self, delta: i32) -> Result<Empty, tonic::Status> {
        let asked = SizeRequest {
            delta,
            id: DEFAULT_WORKER.into(),
        };
        self.call("NodeGroupIncreaseSize", asked).await
    }

    async fn decrease(&self, delta: i32) -> Result<Empty, tonic::Status> {
        let asked = SizeRequest {
            delta,
            id: DEFAULT_WORKER.into(),
        };
        self.call("NodeGroupDecreaseTargetSize", asked).await
    }

    async fn delete(&self, nodes: Vec<ExternalGrpcNode>) -> Result<Empty, tonic::Status> {
        let asked = DeleteNodesRequest {
            nodes,
            id: DEFAULT_WORKER.into(),
        };
        self.call("NodeGroupDeleteNodes", asked).await
    }

    async fn group_of(&self, node: ExternalGrpcNode) -> String {
        let asked = NodeGroupForNodeRequest { node: Some(node) };
        let answer: NodeGroupForNodeResponse = self.call("NodeGroupForNode", asked).await.unwrap();
        answer.node_group.map(|group| group.id).unwrap_or_default()
    }

    async fn refresh(&self) -> Result<Empty, tonic::Status> {
        self.call("Refresh", Empty {}).await
    }
}

/// Provider id of a node, as the cloud controller manager makes it of what Nova says.
fn provider_id(house: &House, name: &str) -> String {
    format!("openstack:///{}", house.ids("servers")[name])
}

fn state(instance: &Instance) -> i32 {
    instance.status.as_ref().unwrap().state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_answered_as_the_protocol_says() {
    let rig = Rig::start().await;
    let cluster = rig.cluster(2).await;
    let house = &rig.house;
    house.settled_as(cluster, Status::CreateComplete).await;
    house.add_group(cluster, "by-hand", 1).await;
    house
        .change(cluster, Change::UpdateGroup, |standing, change| {
            let by_hand = standing.groups.iter().find(|group| group.name == "by-hand");
            let mut by_hand = by_hand.unwrap().clone();
            by_hand.max_node_count = None;
            by_hand.status = Status::UpdateInProgress;
            change.groups.push(by_hand);
        })
        .await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    let autoscaler = rig.autoscaler(cluster).await;
    autoscaler.refresh().await.unwrap();

    let groups: NodeGroupsResponse = autoscaler.call("NodeGroups", Empty {}).await.unwrap();
    let groups: Vec<_> = groups
        .node_groups
        .iter()
        .map(|group| (group.id.as_str(), group.min_size, group.max_size))
        .collect();
    assert_eq!(
        groups,
        [(DEFAULT_WORKER, 1, 4)],
        "neither masters nor what has no greatest size"
    );
    assert_eq!(autoscaler.target().await, 2);

    let mut instances = autoscaler.instances().await;
    instances.sort_by(|one, other| one.id.cmp(&other.id));
    let mut expected = ["worker-0", "worker-1"].map(|name| provider_id(house, name));
    expected.sort();
    assert_eq!(instances.len(), 2);
    for (instance, id) in instances.iter().zip(&expected) {
        assert_eq!((&instance.id, state(instance)), (id, RUNNING));
    }

    let prefix = house.show(cluster).await.unwrap().cluster.stack_id.unwrap();
    let of = async |provider_id: &str, name: &str| autoscaler.group_of(node(provider_id, name)).await;
    assert_eq!(of(&expected[0], "anything").await, DEFAULT_WORKER);
    let with_region = expected[1].replace(":///", "://RegionOne/");
    assert_eq!(of(&with_region, "anything").await, DEFAULT_WORKER);
    assert_eq!(of("", &format!("{prefix}-worker-1")).await, DEFAULT_WORKER);
    for (provider, name) in [
        (provider_id(house, "master-0"), "master"),
        (provider_id(house, "by-hand-0"), "by-hand"),
        (
            "openstack:///5a0d2bd0-6ad5-44dd-b1c0-3fa0c4ad5d5e".into(),
            "other",
        ),
        (String::new(), ""),
    ] {
        assert_eq!(of(&provider, name).await, "", "{provider} {name}");
    }

    let template: TemplateResponse = autoscaler
        .call("NodeGroupTemplateNodeInfo", workers())
        .await
        .unwrap();
    assert_eq!(
        template.node_info, template.node_bytes,
        "for releases before 1.35 and after"
    );
    let made = Node::decode(template.node_bytes.as_slice()).unwrap();
    let labels = made.metadata.unwrap().labels;
    assert_eq!(labels["group"], DEFAULT_WORKER);
    assert_eq!(labels["node.kubernetes.io/instance-type"], "m1.small");
    let taint = &made.spec.unwrap().taints[0];
    assert_eq!(
        [&taint.key, &taint.value, &taint.effect],
        ["only", "gpu", "NoSchedule"]
    );
    let status = made.status.unwrap();
    let capacity = |name: &str| status.capacity[name].string.clone();
    assert_eq!((capacity("cpu"), capacity("pods")), ("1".into(), "30".into()));
    let kib = |quantity: &str| quantity.strip_suffix("Ki").unwrap().parse::<u64>().unwrap();
    let memory = kib(&capacity("memory"));
    assert!((1_900 << 10..2_048 << 10).contains(&memory), "of 2 GiB: {memory}");
    let allocatable = kib(&status.allocatable["memory"].string);
    assert_eq!(allocatable, memory - (100 << 10));
    assert!(kib(&status.allocatable["ephemeral-storage"].string) < kib(&capacity("ephemeral-storage")));

    let options: OptionsResponse = autoscaler.call("NodeGroupGetOptions", workers()).await.unwrap();
    assert_eq!(options.options, None, "the autoscaler's own");
    for call in ["GPULabel", "GetAvailableGPUTypes", "Cleanup"] {
        let answer: Empty = autoscaler.call(call, Empty {}).await.unwrap();
        assert_eq!(answer, Empty {}, "{call}");
    }
    for call in ["PricingNodePrice", "PricingPodPrice", "Unheard"] {
        let refused = autoscaler.call::<_, Empty>(call, Empty {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{call}");
    }
    for group in ["by-hand", "default-master", "", "nobody's"] {
        let asked = OfGroup { id: group.into() };
        for call in [
            "NodeGroupTargetSize",
            "NodeGroupNodes",
            "NodeGroupTemplateNodeInfo",
        ] {
            let refused = autoscaler
                .call::<_, Empty>(call, asked.clone())
                .await
                .unwrap_err();
            assert_eq!(refused.code(), Code::NotFound, "{call} {group}");
        }
        let asked = SizeRequest {
            delta: 1,
            id: group.into(),
        };
        let refused = autoscaler.call::<_, Empty>("NodeGroupIncreaseSize", asked).await;
        assert_eq!(refused.unwrap_err().code(), Code::NotFound, "{group}");
    }
    let text = rig.metrics.text();
    let counted = "jeroboam_autoscaler_calls_total{call=\"NodeGroups\",code=\"OK\"} 1";
    assert!(text.contains(counted), "{text}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_and_exactly_those_go_that_are_named() {
    let rig = Rig::start().await;
    let cluster = rig.cluster(2).await;
    let house = &rig.house;
    house.settled_as(cluster, Status::CreateComplete).await;
    let autoscaler = rig.autoscaler(cluster).await;

    autoscaler.increase(2).await.unwrap();
    assert_eq!(autoscaler.target().await, 4);
    // Two are known before there is anything of them.
    let states: Vec<i32> = autoscaler.instances().await.iter().map(state).collect();
    assert_eq!(states.len(), 4, "{states:?}");
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(row.groups[1].node_count, 4);
    assert_eq!(
        house.servers(),
        ["master-0", "worker-0", "worker-1", "worker-2", "worker-3"]
    );
    autoscaler.refresh().await.unwrap();
    assert!(autoscaler.instances().await.iter().all(|it| state(it) == RUNNING));
    for (asked, code) in [(1, Code::FailedPrecondition), (0, Code::InvalidArgument)] {
        let refused = autoscaler.increase(asked).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        assert!(refused.message().contains("(req-"), "{refused:?}");
    }

    // By provider id, by name, and the same again.
    let prefix = row.cluster.stack_id.unwrap();
    let going = [
        node(&provider_id(house, "worker-1"), "any"),
        node("", &format!("{prefix}-worker-2")),
    ];
    autoscaler.delete(going.to_vec()).await.unwrap();
    assert_eq!(autoscaler.target().await, 2);
    autoscaler.delete(going.to_vec()).await.unwrap_or_default();
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-0", "worker-3"]);
    assert_eq!(autoscaler.target().await, 2);

    for (nodes, code) in [
        (
            vec![node(&provider_id(house, "master-0"), "master")],
            Code::NotFound,
        ),
        (
            vec![
                node("openstack:///nobody", "nobody"),
                node(&provider_id(house, "worker-0"), ""),
            ],
            Code::NotFound,
        ),
        (
            vec![
                node(&provider_id(house, "worker-0"), ""),
                node(&provider_id(house, "worker-3"), ""),
            ],
            Code::FailedPrecondition,
        ),
    ] {
        let refused = autoscaler.delete(nodes).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    let refused = autoscaler.decrease(-1).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::InvalidArgument,
        "all of them stand: {refused:?}"
    );
    assert_eq!(house.servers(), ["master-0", "worker-0", "worker-3"]);
    house.delete_and_look(cluster).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_once_are_all_made_whoever_asks_for_them() {
    let rig = Rig::start().await;
    let cluster = rig.cluster(4).await;
    let house = &rig.house;
    house.settled_as(cluster, Status::CreateComplete).await;
    let autoscaler = rig.autoscaler(cluster).await;
    // An autoscaler removes empty nodes by a call for each, and a tenant changes a group meanwhile.
    let ids = ["worker-0", "worker-2", "worker-3"].map(|name| provider_id(house, name));
    let removals = ids.map(|id| {
        let autoscaler = autoscaler.clone();
        async move { autoscaler.delete(vec![node(&id, "")]).await.unwrap() }
    });
    let [one, other, third] = removals;
    tokio::join!(one, other, third, house.add_group(cluster, "more", 1));
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "more-0", "worker-1"]);

    // The quota holds for it too: 6 nodes.
    house.resize(cluster, "more", 3, &[]).await;
    let refused = autoscaler.increase(2).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    autoscaler.increase(1).await.unwrap();
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(row.groups[1].node_count, 2);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_cannot_be_made_are_told_with_their_cause_and_taken_back() {
    let rig = Rig::start().await;
    let cluster = rig.cluster(1).await;
    let house = &rig.house;
    house.settled_as(cluster, Status::CreateComplete).await;
    let autoscaler = rig.autoscaler(cluster).await;
    let refused = Effect::Status {
        status: 403,
        retry_after: None,
    };
    let rule = house
        .cloud
        .faults()
        .add(Rule::new(on(Service::Compute, "POST", "*/servers"), refused));
    autoscaler.increase(2).await.unwrap();
    house.settled_as(cluster, Status::UpdateFailed).await;
    autoscaler.refresh().await.unwrap();
    let instances = autoscaler.instances().await;
    let (running, failed): (Vec<_>, Vec<_>) = instances.iter().partition(|it| state(it) == RUNNING);
    assert_eq!((running.len(), failed.len()), (1, 2), "{instances:#?}");
    for instance in &failed {
        let status = instance.status.as_ref().unwrap();
        let error = status.error.as_ref().unwrap();
        assert_eq!(status.state, CREATING);
        assert!(!error.code.is_empty() && error.class > 0, "{error:?}");
        assert!(error.message.contains("server:worker-"), "{error:?}");
    }
    // As the autoscaler does with both: named by its id alone, and one by less of a target.
    autoscaler
        .delete(vec![node(&failed[0].id, &failed[0].id)])
        .await
        .unwrap();
    autoscaler.decrease(-1).await.unwrap();
    assert_eq!(autoscaler.target().await, 1);
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-0"]);
    house.cloud.faults().remove(rule);
    autoscaler.increase(1).await.unwrap();
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers().len(), 3);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_goes_on_with_the_nodes_that_are_left() {
    let rig = Rig::start().await;
    let cluster = rig.cluster(3).await;
    let house = &rig.house;
    house.settled_as(cluster, Status::CreateComplete).await;
    let autoscaler = rig.autoscaler(cluster).await;
    let idle = provider_id(house, "worker-0");
    let medium = house.template_of("m1.medium").await;
    house.upgrade(cluster, &[DEFAULT_WORKER], &medium, 1).await;
    autoscaler.delete(vec![node(&idle, "")]).await.unwrap();
    autoscaler.increase(2).await.unwrap();
    assert_eq!(
        autoscaler.target().await,
        4,
        "what is asked for, not what is there meanwhile"
    );
    let row = house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(row.groups[1].node_count, 4);
    let template: TemplateResponse = autoscaler
        .call("NodeGroupTemplateNodeInfo", workers())
        .await
        .unwrap();
    let made = Node::decode(template.node_bytes.as_slice()).unwrap();
    let kind = &made.metadata.unwrap().labels["node.kubernetes.io/instance-type"];
    assert_eq!(kind, "m1.medium", "what new nodes are made of");
    let servers = house.servers();
    assert_eq!(servers.len(), 5, "{servers:?}");
    let flavors = house.flavors(cluster).await;
    let of_workers: BTreeSet<_> = flavors
        .iter()
        .filter(|(name, _)| name.starts_with("worker"))
        .map(|(_, flavor)| flavor)
        .collect();
    assert_eq!(of_workers.len(), 1, "{flavors:?}");
    assert_ne!(of_workers.first(), Some(&&flavors["master-0"]), "{flavors:?}");
    assert!(!house.ids("servers").values().any(|id| idle.ends_with(id)));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_group_gets_its_first_node() {
    let rig = Rig::start().await;
    let cluster = rig.cluster(1).await;
    let house = &rig.house;
    house.settled_as(cluster, Status::CreateComplete).await;
    house.add_group(cluster, "big", 0).await;
    house
        .change(cluster, Change::UpdateGroup, |standing, change| {
            let big = standing.groups.iter().find(|group| group.name == "big");
            let mut big = big.unwrap().clone();
            (big.min_node_count, big.max_node_count) = (Some(0), Some(2));
            big.status = Status::UpdateInProgress;
            change.groups.push(big);
        })
        .await;
    house.settled_as(cluster, Status::UpdateComplete).await;
    let autoscaler = rig.autoscaler(cluster).await;
    let big = || OfGroup { id: "big".into() };
    let nodes: NodesResponse = autoscaler.call("NodeGroupNodes", big()).await.unwrap();
    assert!(nodes.instances.is_empty());
    let template: TemplateResponse = autoscaler.call("NodeGroupTemplateNodeInfo", big()).await.unwrap();
    let made = Node::decode(template.node_bytes.as_slice()).unwrap();
    assert_eq!(made.metadata.unwrap().labels["group"], "big");
    let asked = SizeRequest {
        delta: 1,
        id: "big".into(),
    };
    let _: Empty = autoscaler.call("NodeGroupIncreaseSize", asked).await.unwrap();
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["big-0", "master-0", "worker-0"]);
    // And back to none.
    let asked = DeleteNodesRequest {
        nodes: vec![node(&provider_id(house, "big-0"), "")],
        id: "big".into(),
    };
    let _: Empty = autoscaler.call("NodeGroupDeleteNodes", asked).await.unwrap();
    house.settled_as(cluster, Status::UpdateComplete).await;
    assert_eq!(house.servers(), ["master-0", "worker-0"]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_opens_its_own_cluster_alone_and_only_as_long_as_it_is_good() {
    let rig = Rig::start().await;
    let house = &rig.house;
    let (one, other) = (rig.cluster(1).await, rig.cluster(2).await);
    house.settled_as(one, Status::CreateComplete).await;
    house.settled_as(other, Status::CreateComplete).await;
    let (first, second) = (rig.autoscaler(one).await, rig.autoscaler(other).await);
    assert_eq!((first.target().await, second.target().await), (1, 2));
    let foreign = node(&provider_of(house, other, "worker-0").await, "");
    assert_eq!(first.group_of(foreign.clone()).await, "");
    assert_eq!(
        first.delete(vec![foreign]).await.unwrap_err().code(),
        Code::NotFound
    );

    let is_refused = async |address, access: Option<&ServiceAccess>| {
        let refused = rig.connect(address, access).await.refresh().await;
        refused.map_err(|refused| refused.code()) == Err(Code::Unauthenticated)
    };
    assert!(is_refused(rig.address, None).await, "without one");
    let good = rig.given(one);
    assert!(is_refused(rig.address, Some(&made_by_somebody(one, &good))).await);

    // A new credential of the cluster is one of its autoscaler, too; the old one ends when the new one is in use.
    house.change(one, Change::RotateCredential, |_, _| {}).await;
    let place = rig.another().await;
    within(async {
        while !is_refused(rig.another().await, Some(&good)).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let renewed = rig.given(one);
    assert_ne!(renewed.client.certificate, good.client.certificate);
    assert!(!is_refused(place, Some(&renewed)).await);

    // A year later.
    let der = certificate_der(&renewed.client.certificate).unwrap();
    let mut later = rig.engine.engine.clone();
    assert_eq!(later.autoscaled_cluster(&der).await.unwrap(), Some(one));
    later.clock = Arc::new(Ahead(Duration::from_secs(366 * 86_400)));
    assert_eq!(later.autoscaled_cluster(&der).await.unwrap(), None);

    // Taken out, and deleted.
    *rig.driver.wanted.lock().unwrap() = None;
    house.resize(one, DEFAULT_WORKER, 2, &[]).await;
    house.settled_as(one, Status::UpdateComplete).await;
    assert!(is_refused(rig.another().await, Some(&renewed)).await);
    let last = rig.given(other);
    assert!(!is_refused(rig.another().await, Some(&last)).await);
    house.ask_delete(other).await;
    assert!(is_refused(rig.another().await, Some(&last)).await);
    house.gone(other).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_long_before_its_end_by_a_look_at_the_add_ons() {
    let rig = Rig::with(|options| {
        options.health = Some(Watch {
            interval: Duration::from_millis(50),
            parallel: 2,
            limit: Duration::from_secs(5),
            repair: Limits {
                patience: Duration::from_secs(60),
                most: 0,
                window: Duration::from_secs(60),
            },
            mend: Some(Duration::from_millis(50)),
        });
    })
    .await;
    let house = &rig.house;
    let cluster = rig.cluster(1).await;
    house.settled_as(cluster, Status::CreateComplete).await;
    let before = rig.given(cluster);
    let updated = house.show(cluster).await.unwrap().cluster.updated_at;
    age(house, cluster, 181).await;
    within(async {
        while rig.given(cluster).client.certificate == before.client.certificate {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let row = house.show(cluster).await.unwrap().cluster;
    assert_eq!(
        (row.status, row.updated_at),
        (Status::CreateComplete, updated),
        "no wish"
    );
    // The old pod is there until the new one runs.
    let place = rig.another().await;
    for access in [&before, &rig.given(cluster)] {
        rig.connect(place, Some(access)).await.refresh().await.unwrap();
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_autoscaler_waits_while_its_cluster_is_created() {
    let rig = Rig::start().await;
    let house = &rig.house;
    house.cloud.faults().add(Rule::new(
        on(Service::Compute, "POST", "*/servers"),
        Effect::Late { ms: 1_500 },
    ));
    let cluster = rig.cluster(1).await;
    within(async {
        while rig.driver.given.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let autoscaler = rig.autoscaler(cluster).await;
    // It leaves out its round, and backs off from nothing.
    let refused = autoscaler.refresh().await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    assert!(refused.message().contains("CREATE_IN_PROGRESS"), "{refused:?}");
    house.settled_as(cluster, Status::CreateComplete).await;
    autoscaler.refresh().await.unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_still_fetch_their_keys_there_and_find_nothing_else() {
    let rig = Rig::start().await;
    let authority = reqwest::Certificate::from_pem(rig.authority.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let ask = async |path: &str| {
        let url = format!("https://{}{path}", rig.address);
        let answer = client
            .post(url)
            .header("authorization", "Bearer good")
            .header("content-type", "application/grpc")
            .send()
            .await
            .unwrap();
        (
            answer.version(),
            answer.status().as_u16(),
            answer.text().await.unwrap(),
        )
    };
    let http1 = reqwest::Version::HTTP_11;
    assert_eq!(ask("/v1/node-secrets").await, (http1, 200, "keys".into()));
    let call = "/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/Refresh";
    assert_eq!(ask(call).await, (http1, 404, String::new()));
    assert_eq!(ask("/v1/clusters").await, (http1, 404, String::new()));
    let outside = rig.connect(rig.address, None).await;
    let refused = outside.instances_of_nobody().await;
    assert_eq!(refused.code(), Code::Unauthenticated);
    rig.stop().await;
}

impl Autoscaler {
    async fn instances_of_nobody(&self) -> tonic::Status {
        let answer = self.call::<_, NodesResponse>("NodeGroupNodes", workers()).await;
        answer.unwrap_err()
    }
}

/// A clock that runs ahead.
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Millis {
        SystemClock.now().plus(self.0)
    }
}

/// Provider id of a node of one of several clusters.
async fn provider_of(house: &House, cluster: ClusterId, name: &str) -> String {
    let ledger = house.store.clusters().ledger(cluster).await.unwrap();
    let server = ledger
        .values()
        .find(|entry| entry.key.as_str() == format!("server:{name}"));
    format!("openstack:///{}", server.unwrap().id.as_ref().unwrap())
}

/// A certificate that says the same, by an authority of one's own.
fn made_by_somebody(cluster: ClusterId, like: &ServiceAccess) -> ServiceAccess {
    let validity = Validity::days(SystemClock.now().0 / 1_000, 10);
    let authority =
        Authority::generate("Jeroboam autoscalers", Purpose::Node, RsaBits::Rsa2048, validity).unwrap();
    let issued = authority
        .issue(&LeafRequest {
            common_name: format!("autoscaler:{cluster}"),
            organizations: Vec::new(),
            dns: Vec::new(),
            ips: Vec::new(),
            server: false,
            client: true,
            validity,
        })
        .unwrap();
    ServiceAccess {
        client: KeyPair {
            certificate: issued.certificate_pem,
            key: issued.key_pem,
        },
        ..like.clone()
    }
}

/// Makes a cluster's certificate so many days older, as far as the database knows.
async fn age(house: &House, cluster: ClusterId, days: i64) {
    let engine = house.store.engine();
    let claim = within(async {
        loop {
            let work = engine.look_at(cluster).await.unwrap().unwrap();
            let until = SystemClock.now().plus(Duration::from_secs(5));
            let claimed = engine
                .claim_at_rest(cluster, work.generation, "somebody", until)
                .await
                .unwrap();
            if let Some(claim) = claimed {
                return claim;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let rows = engine.list_sealed(cluster).await.unwrap();
    let rows: Vec<&Sealed> = rows
        .iter()
        .filter(|row| row.name.starts_with("autoscaler/"))
        .collect();
    assert_eq!(rows.len(), 1);
    let issued = SystemClock.now().0 - days * 86_400_000;
    let older = Sealed {
        name: format!("autoscaler/000000/{issued:015}"),
        ..rows[0].clone()
    };
    engine.put_sealed(&claim, &older).await.unwrap();
    engine.drop_sealed(&claim, &rows[0].name).await.unwrap();
    engine.put_down(&claim).await.unwrap();
}
