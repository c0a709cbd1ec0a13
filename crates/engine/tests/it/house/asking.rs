//! What is asked of a cluster, written as the API writes it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use jeroboam_cloud::Find;
use jeroboam_engine::{Clock, SystemClock};
use jeroboam_plan::ledger::nodes_seen;
use jeroboam_store::{ChangeError, ClusterChange, NewCluster, Standing};
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER, ROLE_MASTER, ROLE_WORKER, first_nodes};
use jeroboam_types::roll::{Order, Source};
use jeroboam_types::{
    Change, Cluster, ClusterId, ClusterName, ClusterTemplate, Labels, NodeGroup, NodeGroupId, Revision, Roll,
    Status, TemplateId, trust,
};
use uuid::Uuid;

use super::House;

impl House {
    /// Writes the wish for a cluster as the API does.
    pub async fn ask(&self, masters: i32, workers: i32, change: impl FnOnce(&mut NewCluster)) -> ClusterId {
        let mut new = self.wish(masters, workers);
        change(&mut new);
        self.store.clusters().create(&new, None).await.unwrap();
        new.cluster.uuid
    }

    fn wish(&self, masters: i32, workers: i32) -> NewCluster {
        let uuid = ClusterId(Uuid::new_v4());
        let cluster = Cluster {
            uuid,
            project_id: self.project_id.as_str().into(),
            user_id: self.user_id.as_str().into(),
            name: ClusterName::try_from("demo".to_owned()).unwrap(),
            cluster_template_id: self.template.uuid,
            keypair: None,
            docker_volume_size: None,
            labels: Labels::default(),
            master_flavor_id: Some("m1.small".to_owned()),
            flavor_id: Some("m1.small".to_owned()),
            fixed_network: None,
            fixed_subnet: None,
            floating_ip_enabled: Some(true),
            master_lb_enabled: Some(masters > 1),
            create_timeout: Some(5),
            discovery_url: None,
            stack_id: Some(format!("demo-{}", uuid.short())),
            status: Status::CreateInProgress,
            status_reason: None,
            health_status: None,
            health_status_reason: BTreeMap::new(),
            api_address: None,
            coe_version: None,
            container_version: None,
            created_at: Utc::now(),
            updated_at: None,
        };
        let group = |name: &str, role: &str, count: i32| NodeGroup {
            id: 0,
            uuid: NodeGroupId(Uuid::new_v4()),
            name: name.to_owned(),
            cluster_id: uuid,
            project_id: cluster.project_id.clone(),
            docker_volume_size: None,
            labels: Labels::default(),
            flavor_id: Some("m1.small".to_owned()),
            image_id: Some(self.resolved.image_id.clone()),
            node_addresses: Vec::new(),
            node_count: count,
            nodes: first_nodes(count),
            max_node_count: None,
            min_node_count: None,
            role: role.to_owned(),
            is_default: true,
            stack_id: cluster.stack_id.clone(),
            status: Status::CreateInProgress,
            status_reason: None,
            version: None,
            node_labels: BTreeMap::new(),
            node_taints: Vec::new(),
            roll: None,
            created_at: cluster.created_at,
            updated_at: None,
        };
        NewCluster {
            groups: vec![
                group(DEFAULT_MASTER, ROLE_MASTER, masters),
                group(DEFAULT_WORKER, ROLE_WORKER, workers),
            ],
            deadline: SystemClock.now().plus(Duration::from_secs(300)),
            request_id: "req-0fe3bb4c-7d34-4f4c-8a69-3a0b5c7b3b1d".to_owned(),
            resolved: self.resolved.clone(),
            sealed: Vec::new(),
            cluster,
        }
    }

    /// Asks for a change as the API does, and anew when the engine has written the next stage meanwhile.
    pub async fn change(
        &self,
        cluster: ClusterId,
        kind: Change,
        edit: impl Fn(&Standing, &mut ClusterChange),
    ) {
        loop {
            match self.try_change(cluster, kind, &edit).await {
                Err(ChangeError::Overtaken) => {}
                asked => return asked.unwrap(),
            }
        }
    }

    async fn try_change(
        &self,
        cluster: ClusterId,
        kind: Change,
        edit: impl Fn(&Standing, &mut ClusterChange),
    ) -> Result<(), ChangeError> {
        let standing = self.store.clusters().standing(cluster).await.unwrap();
        let now = SystemClock.now();
        let mut change = ClusterChange {
            cluster,
            change: kind,
            generation: standing.generation,
            groups: Vec::new(),
            new_groups: Vec::new(),
            health: None,
            resolved: None,
            now,
            deadline: now.plus(Duration::from_secs(60)),
            request_id: "req-change".to_owned(),
        };
        edit(&standing, &mut change);
        self.store.clusters().request_change(&change).await
    }

    /// Asks for another size of a group; the given nodes go.
    pub async fn resize(&self, cluster: ClusterId, name: &str, count: i32, going: &[u32]) {
        self.change(cluster, Change::Resize, |standing, change| {
            let mut group = named(standing, name);
            let seen = nodes_seen(&standing.ledger, name);
            group.resize(count, &going.iter().copied().collect(), &seen);
            group.status = Status::UpdateInProgress;
            change.groups.push(group);
        })
        .await;
    }

    /// Asks for a node group more.
    pub async fn add_group(&self, cluster: ClusterId, name: &str, count: i32) {
        self.change(cluster, Change::CreateGroup, |standing, change| {
            change.new_groups.push(NodeGroup {
                uuid: NodeGroupId(Uuid::new_v4()),
                name: name.to_owned(),
                is_default: false,
                node_count: count,
                nodes: first_nodes(count),
                status: Status::CreateInProgress,
                ..named(standing, DEFAULT_WORKER)
            });
        })
        .await;
    }

    /// Asks for a node group less.
    pub async fn drop_group(&self, cluster: ClusterId, name: &str) {
        self.change(cluster, Change::DeleteGroup, |standing, change| {
            change.groups.push(NodeGroup {
                status: Status::DeleteInProgress,
                ..named(standing, name)
            });
        })
        .await;
    }

    /// A template like the first one but for its flavor.
    pub async fn template_of(&self, flavor: &str) -> ClusterTemplate {
        let template = ClusterTemplate {
            uuid: TemplateId(Uuid::new_v4()),
            flavor_id: Some(flavor.to_owned()),
            master_flavor_id: Some(flavor.to_owned()),
            ..self.template.clone()
        };
        self.store.templates().insert(&template).await.unwrap();
        template
    }

    /// Asks that groups are upgraded to a template.
    pub async fn upgrade(&self, cluster: ClusterId, names: &[&str], template: &ClusterTemplate, batch: u32) {
        let flavor = template.flavor_id.clone().unwrap();
        let session = self.tenant();
        let found = jeroboam_cloud::compute::find_flavor(&session, &flavor)
            .await
            .unwrap();
        let flavor_id = Find::one(found).unwrap().id;
        self.change(cluster, Change::Upgrade, |standing, change| {
            for group in &standing.groups {
                let mut group = group.clone();
                let present = standing.ask.revision(&group);
                if !names.contains(&group.name.as_str()) {
                    group.roll.get_or_insert_with(|| Roll::standing(present));
                } else {
                    let order = Order {
                        target: Revision {
                            flavor_id: flavor_id.clone(),
                            ..present.clone()
                        },
                        source: Source {
                            template: template.uuid,
                            image_id: template.image_id.clone(),
                            flavor_id: Some(flavor.clone()),
                            labels: BTreeMap::new(),
                        },
                        batch,
                    };
                    let seen = nodes_seen(&standing.ledger, &group.name);
                    group.begin_roll(present, order, &seen);
                    group.status = Status::UpdateInProgress;
                }
                change.groups.push(group);
            }
        })
        .await;
    }

    /// Asks for new authorities.
    pub async fn rotate(&self, cluster: ClusterId) {
        let name = self.template.driver.as_deref().unwrap();
        let driver = self.drivers.named(name).unwrap();
        self.change(cluster, Change::RotateAuthorities, |standing, change| {
            let stage = match trust::is_rotating(&standing.groups) {
                true => standing.ask.trust(),
                false => standing.ask.trust().next(),
            };
            for group in &standing.groups {
                let mut group = group.clone();
                let present = standing.ask.revision(&group);
                let seen = nodes_seen(&standing.ledger, &group.name);
                group.begin_rotation(present, driver.trust_of(&group, stage), &seen);
                group.status = Status::UpdateInProgress;
                change.groups.push(group);
            }
        })
        .await;
    }

    /// Asks for a deletion as the API does.
    pub async fn ask_delete(&self, cluster: ClusterId) {
        let now = SystemClock.now();
        let deadline = now.plus(Duration::from_secs(60));
        self.store
            .clusters()
            .request_delete(cluster, now, deadline, "req-delete")
            .await
            .unwrap();
    }
}

fn named(standing: &Standing, name: &str) -> NodeGroup {
    let group = standing.groups.iter().find(|group| group.name == name);
    group.expect("the cluster has the group").clone()
}
