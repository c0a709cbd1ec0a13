//! Table `ledger`: one row for each resource of a cluster that exists, may exist, or is about to.

use jeroboam_driver::Key;
use jeroboam_plan::{Entry, Phase};
use jeroboam_types::{ClusterId, Millis};
use sea_orm::IntoActiveModel;
use sea_orm::entity::prelude::*;

use super::{damaged, json};
use crate::StoreError;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster_uuid: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource_key: String,
    pub name: String,
    pub node_group: Option<String>,
    pub phase: String,
    pub cloud_id: Option<String>,
    pub attempts: i64,
    pub next_check_ms: i64,
    pub give_up_at_ms: i64,
    pub started_ms: i64,
    pub finished_ms: Option<i64>,
    pub tried_ms: i64,
    pub uncertain: bool,
    pub maybe_twice: bool,
    pub drop_failed: bool,
    pub seen: Option<String>,
    pub needs: String,
    pub spec: String,
    pub facts: String,
    pub fault: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A row to write.
pub(crate) fn new(cluster: ClusterId, entry: &Entry) -> Result<ActiveModel, StoreError> {
    let model = Model {
        cluster_uuid: cluster.to_string(),
        resource_key: entry.key.to_string(),
        name: entry.name.clone(),
        node_group: entry.group.clone(),
        phase: entry.phase.as_str().to_owned(),
        cloud_id: entry.id.clone(),
        attempts: entry.attempts.into(),
        next_check_ms: entry.next_check.0,
        give_up_at_ms: entry.give_up_at.0,
        started_ms: entry.started.0,
        finished_ms: entry.finished.map(|finished| finished.0),
        tried_ms: entry.tried.0,
        uncertain: entry.uncertain,
        maybe_twice: entry.maybe_twice,
        drop_failed: entry.drop_failed,
        seen: entry.seen.clone(),
        needs: json(&entry.needs)?,
        spec: json(&entry.spec)?,
        facts: json(&entry.facts)?,
        fault: entry.fault.as_ref().map(json).transpose()?,
    };
    Ok(model.into_active_model())
}

impl TryFrom<Model> for Entry {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let phases = [
            Phase::Intended,
            Phase::Made,
            Phase::Ready,
            Phase::Failed,
            Phase::Dropping,
        ];
        let phase = phases.into_iter().find(|phase| phase.as_str() == row.phase);
        let read = |column: &str, error: serde_json::Error| damaged(column, error);
        Ok(Self {
            key: Key::stored(row.resource_key),
            name: row.name,
            needs: serde_json::from_str(&row.needs).map_err(|error| read("needs", error))?,
            group: row.node_group,
            spec: serde_json::from_str(&row.spec).map_err(|error| read("spec", error))?,
            phase: phase.ok_or_else(|| damaged("phase", &row.phase))?,
            id: row.cloud_id,
            facts: serde_json::from_str(&row.facts).map_err(|error| read("facts", error))?,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            next_check: Millis(row.next_check_ms),
            give_up_at: Millis(row.give_up_at_ms),
            started: Millis(row.started_ms),
            finished: row.finished_ms.map(Millis),
            seen: row.seen,
            fault: row
                .fault
                .map(|fault| serde_json::from_str(&fault).map_err(|error| read("fault", error)))
                .transpose()?,
            tried: Millis(row.tried_ms),
            uncertain: row.uncertain,
            maybe_twice: row.maybe_twice,
            drop_failed: row.drop_failed,
        })
    }
}
