//! Table `work`: what is asked of the engine for each cluster, and who is at it.

use jeroboam_types::status::Operation;
use sea_orm::entity::prelude::*;

use super::damaged;
use crate::{GoalKind, StoreError};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "work")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster_uuid: String,
    pub goal: String,
    pub operation: String,
    pub generation: i64,
    pub settled_generation: i64,
    pub deadline_ms: i64,
    /// When the work is due while nobody holds the lease; while somebody does, [`NEVER`] unless it was woken.
    pub next_check_ms: i64,
    pub lease_owner: Option<String>,
    pub lease_until_ms: i64,
    pub fence: i64,
    pub resolved: String,
    pub request_id: String,
    pub engine_ms: i64,
    /// How often the password of the cluster's identity was to be changed.
    pub credential: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A moment that does not come.
pub(crate) const NEVER: i64 = i64::MAX;

/// The operation as it is stored.
pub(crate) const fn operation_text(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
    }
}

/// The goal as it is stored.
pub(crate) const fn goal_text(goal: GoalKind) -> &'static str {
    match goal {
        GoalKind::Present => "present",
        GoalKind::Absent => "absent",
    }
}

impl Model {
    pub(crate) fn operation(&self) -> Result<Operation, StoreError> {
        [Operation::Create, Operation::Update, Operation::Delete]
            .into_iter()
            .find(|operation| operation_text(*operation) == self.operation)
            .ok_or_else(|| damaged("operation", &self.operation))
    }

    pub(crate) fn goal(&self) -> Result<GoalKind, StoreError> {
        [GoalKind::Present, GoalKind::Absent]
            .into_iter()
            .find(|goal| goal_text(*goal) == self.goal)
            .ok_or_else(|| damaged("goal", &self.goal))
    }
}
