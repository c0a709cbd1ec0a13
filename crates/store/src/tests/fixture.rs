//! Fresh databases and example rows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use jeroboam_driver::ask::Resolved;
use jeroboam_driver::{Key, Spec};
use jeroboam_plan::{Entry, Phase};
use jeroboam_types::nodegroup::first_nodes;
use jeroboam_types::{
    Cluster, ClusterId, ClusterName, ClusterTemplate, Coe, Fault, HealthStatus, Labels, Millis, NodeGroup,
    NodeGroupId, ServerType, Status, TemplateId,
};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{Claim, NewCluster, Scope, Sealed, Store};

/// Connections of a test's pool.
pub const POOL: u32 = 8;
/// The moment at which the examples happen.
pub const NOW: Millis = Millis(1_790_000_000_123);

/// Runs a test on a fresh and migrated database of each kind.
pub async fn on_each(test: impl AsyncFn(Store)) {
    on_each_empty(async |store| {
        store.migrate().await.unwrap();
        Box::pin(test(store)).await;
    })
    .await;
}

/// Runs a test on a fresh database of each kind without a schema.
pub async fn on_each_empty(test: impl AsyncFn(Store)) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:///{}", directory.path().join("test.db").display());
    let store = Store::connect(&url, POOL).await.unwrap();
    Box::pin(test(store.clone())).await;
    store.close().await.unwrap();

    let urls = std::env::var("JEROBOAM_TEST_DATABASES").unwrap_or_default();
    for url in urls.split(',').filter(|url| !url.is_empty()) {
        let server = Store::connect(url, 1).await.unwrap();
        let name = format!("test_{}", Uuid::new_v4().simple());
        server
            .db
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        let (place, _) = url.rsplit_once('/').unwrap();
        let store = Store::connect(&format!("{place}/{name}"), POOL).await.unwrap();
        Box::pin(test(store.clone())).await;
        store.close().await.unwrap();
        server
            .db
            .execute_unprepared(&format!("DROP DATABASE {name}"))
            .await
            .unwrap();
    }
}

pub fn time() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap()
}

pub fn project(id: &str) -> Scope {
    Scope::Project {
        project_id: id.into(),
    }
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels(
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

/// A template with every field set.
pub fn template(project: &str, name: &str) -> ClusterTemplate {
    let text = |text: &str| Some(text.to_owned());
    ClusterTemplate {
        uuid: TemplateId(Uuid::new_v4()),
        project_id: project.into(),
        user_id: "user".into(),
        name: text(name),
        coe: Coe::Swarm,
        image_id: "ubuntu".into(),
        flavor_id: text("m1.small"),
        master_flavor_id: text("m1.large"),
        keypair_id: text("key"),
        external_network_id: text("public"),
        fixed_network: text("net"),
        fixed_subnet: text("subnet"),
        dns_nameserver: text("8.8.8.8"),
        network_driver: text("docker"),
        volume_driver: text("rexray"),
        apiserver_port: Some(2376),
        docker_volume_size: Some(5),
        docker_storage_driver: text("overlay2"),
        cluster_distro: text("ubuntu"),
        driver: text("swarm"),
        http_proxy: text("http://p:1"),
        https_proxy: text("http://p:2"),
        no_proxy: text("10.0.0.1"),
        insecure_registry: text("r:5000"),
        labels: labels(&[("a", "1"), ("é", "ü")]),
        server_type: ServerType::Bm,
        registry_enabled: true,
        tls_disabled: true,
        public: false,
        hidden: false,
        master_lb_enabled: true,
        floating_ip_enabled: false,
        tags: text("x,y"),
        created_at: time(),
        updated_at: None,
    }
}

/// A cluster with every field set.
pub fn cluster(project: &str, name: &str, template: TemplateId) -> Cluster {
    let text = |text: &str| Some(text.to_owned());
    Cluster {
        uuid: ClusterId(Uuid::new_v4()),
        project_id: project.into(),
        user_id: "user".into(),
        name: ClusterName::try_from(name.to_owned()).unwrap(),
        cluster_template_id: template,
        keypair: text("key"),
        docker_volume_size: Some(7),
        labels: labels(&[("a", "2")]),
        master_flavor_id: text("m1.large"),
        flavor_id: text("m1.small"),
        fixed_network: text("net"),
        fixed_subnet: text("subnet"),
        floating_ip_enabled: Some(false),
        master_lb_enabled: None,
        create_timeout: Some(60),
        discovery_url: text("http://d"),
        stack_id: text("stack"),
        status: Status::CreateInProgress,
        status_reason: text("building"),
        health_status: Some(HealthStatus::Unknown),
        health_status_reason: BTreeMap::from([("api".to_owned(), "ok".to_owned())]),
        api_address: text("tcp://203.0.113.1:2376"),
        coe_version: text("29"),
        container_version: text("2"),
        created_at: time(),
        updated_at: Some(time() + TimeDelta::microseconds(1)),
    }
}

/// A node group with every field set.
pub fn group(cluster: &Cluster, name: &str, role: &str, node_count: i32) -> NodeGroup {
    NodeGroup {
        id: 0,
        uuid: NodeGroupId(Uuid::new_v4()),
        name: name.into(),
        cluster_id: cluster.uuid,
        project_id: cluster.project_id.clone(),
        docker_volume_size: Some(3),
        labels: labels(&[("g", "1")]),
        flavor_id: Some("m1.small".into()),
        image_id: Some("ubuntu".into()),
        node_addresses: vec!["10.0.0.5".into()],
        node_count,
        nodes: first_nodes(node_count),
        max_node_count: Some(9),
        min_node_count: Some(0),
        role: role.into(),
        is_default: true,
        stack_id: Some("stack".into()),
        status: Status::CreateInProgress,
        status_reason: Some("building".into()),
        version: Some("1".into()),
        node_labels: BTreeMap::from([("tier".to_owned(), "gpu".to_owned())]),
        node_taints: vec![BTreeMap::from([("key".to_owned(), "gpu".to_owned())])],
        roll: None,
        created_at: time(),
        updated_at: None,
    }
}

/// A cluster of one master and two workers with one secret.
pub fn new_cluster(project: &str, name: &str, template: TemplateId) -> NewCluster {
    let cluster = cluster(project, name, template);
    NewCluster {
        groups: vec![
            group(&cluster, "default-master", "master", 1),
            group(&cluster, "default-worker", "worker", 2),
        ],
        cluster,
        resolved: Resolved {
            image_id: "image".into(),
            ..Resolved::default()
        },
        deadline: Millis(NOW.0 + 3_600_000),
        request_id: "req-1".into(),
        sealed: vec![Sealed {
            name: "ca".into(),
            public_part: Some("pem".into()),
            sealed: "box".into(),
        }],
    }
}

/// A ledger entry with every field set.
pub fn entry(key: Key) -> Entry {
    Entry {
        name: format!("c-{}", key.name()),
        needs: BTreeSet::from([Key::new("network", "main")]),
        group: Some("default-worker".into()),
        spec: Spec::Volume {
            size: 5,
            volume_type: None,
            availability_zone: Some("nova".into()),
        },
        phase: Phase::Failed,
        id: Some("cloud-id".into()),
        facts: BTreeMap::from([("address".to_owned(), serde_json::json!({"v4": ["10.0.0.5"]}))]),
        attempts: u32::MAX,
        next_check: Millis(1),
        give_up_at: Millis(i64::MAX),
        started: Millis(3),
        finished: Some(Millis(4)),
        seen: Some("ERROR".into()),
        fault: Some(Fault {
            resource: key.to_string(),
            service: "compute".into(),
            message: "No valid host was found. 'quoted' \u{1F980}".into(),
            request_id: Some("req-2".into()),
        }),
        tried: Millis(5),
        uncertain: true,
        maybe_twice: true,
        drop_failed: true,
        key,
    }
}

/// Stores a template and a cluster made from it.
pub async fn stored_cluster(store: &Store) -> NewCluster {
    let template = template("p1", "t");
    store.templates().insert(&template).await.unwrap();
    let new = new_cluster("p1", "c", template.uuid);
    store.clusters().create(&new, None).await.unwrap();
    new
}

/// Claims the only work that is due.
pub async fn claim(store: &Store, owner: &str, now: Millis) -> Claim {
    let mut claims = store
        .engine()
        .claim_due(owner, now, later(now, 30), 10)
        .await
        .unwrap();
    assert_eq!(claims.len(), 1, "one work is due");
    claims.remove(0)
}

pub fn later(now: Millis, secs: i64) -> Millis {
    Millis(now.0 + secs * 1000)
}
