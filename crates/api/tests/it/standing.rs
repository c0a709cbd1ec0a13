//! A cluster that stands, changed by hand where the engine would do it.

use std::collections::BTreeMap;

use jeroboam_driver::graph::ServerSpec;
use jeroboam_driver::{Key, Spec};
use jeroboam_plan::{Entry, Phase};
use jeroboam_store::{Claim, LedgerChange, Settlement, Work};
use jeroboam_types::roll::advance;
use jeroboam_types::status::Outcome;
use jeroboam_types::{Millis, Status};
use serde_json::{Value, json};

use crate::rig::{Answer, Rig};

/// A cluster that stands, with its server's names in the ledger.
pub struct Standing {
    pub rig: Rig,
    pub token: String,
    pub uuid: String,
    pub template: String,
}

impl Standing {
    pub async fn start() -> Self {
        Self::with("", json!({"node_count": 3})).await
    }

    pub async fn with(options: &str, cluster: Value) -> Self {
        let rig = Rig::with(options).await;
        let token = rig.token("demo", "demo").await;
        let template = rig.template(&token, json!({"labels": {"t": "1"}})).await;
        let uuid = rig.cluster(&token, &template, cluster).await;
        let standing = Self {
            rig,
            token,
            uuid,
            template,
        };
        standing.finish(Outcome::Complete).await;
        standing
    }

    /// Another template of a name, with more or other members; gives its UUID.
    pub async fn template(&self, name: &str, more: Value) -> String {
        let body = crate::rig::merged(json!({"name": name}), more);
        self.rig.template(&self.token, body).await
    }

    /// Takes the engine's place: ends what is under way, with a server for each node that should be there.
    pub async fn finish(&self, outcome: Outcome) -> Work {
        let claim = self.rig.claim().await.remove(0);
        let store = self.rig.store.engine();
        let begun = store.load(&claim).await.unwrap();
        let work = match outcome {
            Outcome::Complete => self.roll_out(&claim).await,
            _ => begun.clone(),
        };
        let gone = work.groups.iter().filter(|group| group.is_leaving());
        let staying: Vec<_> = work.groups.iter().filter(|group| !group.is_leaving()).collect();
        let mut changes: Vec<LedgerChange> = work.ledger.keys().cloned().map(LedgerChange::Remove).collect();
        for group in &staying {
            let stem = group.name.trim_start_matches("default-");
            let servers = group
                .nodes
                .iter()
                .map(|number| server(&group.name, &format!("{stem}-{number}")));
            changes.extend(servers.map(LedgerChange::Put));
        }
        store.write(&claim, &changes).await.unwrap();
        let status = Status::of(work.operation, outcome);
        let settlement = Settlement {
            generation: work.generation,
            now: Millis(work.cluster.created_at.timestamp_millis() + 1),
            status,
            status_reason: (outcome == Outcome::Failed).then(|| "server:worker-0: no".to_owned()),
            group_status: staying.iter().map(|group| (group.uuid, status, None)).collect(),
            gone_groups: gone.map(|group| group.uuid).collect(),
            api_address: Some("tcp://203.0.113.5:2376".to_owned()),
            coe_version: None,
            container_version: None,
            node_addresses: Vec::new(),
            stopped: Vec::new(),
            upgraded: None,
            engine_ms: 1,
        };
        store.settle(&claim, &settlement).await.unwrap();
        begun
    }

    /// Writes every stage of what is rolling, as the engine does when all that was written stands.
    async fn roll_out(&self, claim: &Claim) -> Work {
        let store = self.rig.store.engine();
        loop {
            let work = store.load(claim).await.unwrap();
            let Some(groups) = advance(&work.groups) else {
                return work;
            };
            store
                .advance(claim, work.generation, &groups, Millis(i64::MAX / 2))
                .await
                .unwrap();
        }
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.rig.call(&self.token, method, path, body).await
    }

    pub async fn resize(&self, body: Value) -> Answer {
        self.call("POST", "/v1/clusters/prod/actions/resize", body).await
    }

    pub async fn group(&self, name: &str) -> Value {
        let path = format!("/v1/clusters/prod/nodegroups/{name}");
        self.call("GET", &path, Value::Null).await.expect(200)
    }

    pub async fn cluster(&self) -> Value {
        self.call("GET", "/v1/clusters/prod", Value::Null)
            .await
            .expect(200)
    }

    /// Numbers of the workers that are asked for.
    pub async fn numbers(&self) -> Vec<u32> {
        let ident = jeroboam_store::Ident::parse(&self.uuid);
        let row = self
            .rig
            .store
            .clusters()
            .find(&jeroboam_store::Scope::All, &ident)
            .await
            .unwrap();
        row.groups[1].nodes.clone()
    }
}

fn server(group: &str, name: &str) -> Entry {
    Entry {
        key: Key::new("server", name),
        name: format!("prod-abc-{name}"),
        needs: Default::default(),
        group: Some(group.to_owned()),
        spec: Spec::Server(ServerSpec {
            image_id: String::new(),
            flavor_id: String::new(),
            keypair: None,
            ports: Vec::new(),
            server_group: None,
            volumes: Vec::new(),
            availability_zone: None,
            boot_volume: 0,
            boot_volume_type: None,
        }),
        phase: Phase::Ready,
        id: Some(format!("id-of-{name}")),
        facts: BTreeMap::new(),
        attempts: 0,
        next_check: Millis(0),
        give_up_at: Millis(0),
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
