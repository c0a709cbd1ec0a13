//! The health of clusters: who looks when, what is remembered between two looks, and what was seen.
//!
//! A look is no work: it needs no lease, and the two columns that it writes are read by nobody who works. What it
//! needs is that one of many processes takes it. So the moment of the next look is moved on by whoever takes this
//! one, on condition that nobody else did; the new moment then is the mark that what is remembered is written with.
//! A process that dies leaves nothing behind: the next look comes when it would have come anyway.

use std::collections::BTreeMap;

use jeroboam_driver::Ask;
use jeroboam_types::repair::Memory;
use jeroboam_types::{ClusterId, HealthStatus, Millis, Status};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::clusters::with_health;
use crate::row::health::{Column, Entity};
use crate::row::{cluster, from_json, health, json, parsed, work};
use crate::unbroken::Transaction;
use crate::{GoalKind, Store, StoreError};

/// Looks at the health of clusters.
#[derive(Clone, Copy)]
pub struct Health<'a>(pub(crate) &'a Store);

/// The right to one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The cluster.
    pub cluster: ClusterId,
    /// When it is the next one's turn: the mark of this one.
    pub next: Millis,
    /// What is remembered.
    pub memory: Memory,
}

/// A cluster whose health is looked at.
#[derive(Clone, Debug)]
pub struct Patient {
    /// What is asked.
    pub ask: Ask,
    /// Number of the wish.
    pub generation: i64,
    /// Id of the request that asked for it, or for the roll of which it is a stage.
    pub request_id: String,
    /// True when nothing is done to the cluster, and nothing is to be.
    pub is_at_rest: bool,
}

/// True for statuses in which a cluster stands and nothing is done to it.
pub fn is_watched(status: Status) -> bool {
    match status {
        Status::CreateFailed | Status::DeleteFailed | Status::DeleteComplete => false,
        status => !status.is_in_progress(),
    }
}

/// The statuses as they are stored.
fn watched() -> Vec<&'static str> {
    let all = Status::ALL.iter().copied();
    all.filter(|status| is_watched(*status))
        .map(Status::as_str)
        .collect()
}

impl Health<'_> {
    /// Takes up to `limit` looks that are due, those that waited longest first; `next` says when it is a cluster's
    /// turn again. Of several that ask at once each look is given to one.
    pub async fn take_due(
        &self,
        now: Millis,
        next: impl Fn() -> Millis,
        limit: u64,
    ) -> Result<Vec<Turn>, StoreError> {
        // Looked for outside the transaction: who finds nothing must not queue up with the writers.
        let mut due: Vec<health::Model> = Entity::find()
            .inner_join(cluster::Entity)
            .filter(Column::DueMs.lte(now.0))
            .filter(cluster::Column::Status.is_in(watched()))
            .order_by_asc(Column::DueMs)
            .limit(limit)
            .all(&self.0.db)
            .await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        // The same order for all, so that no two wait for each other.
        due.sort_by(|one, other| one.cluster_uuid.cmp(&other.cluster_uuid));
        let tx = self.0.begin().await?;
        let result = async {
            let mut turns = Vec::new();
            for row in due {
                // Never what it was: else it would not be seen that somebody took it.
                let next = Millis(next().0.max(row.due_ms.saturating_add(1)));
                let taken = Entity::update_many()
                    .col_expr(Column::DueMs, Expr::value(next.0))
                    .filter(Column::ClusterUuid.eq(row.cluster_uuid.as_str()))
                    .filter(Column::DueMs.eq(row.due_ms))
                    .exec(&*tx)
                    .await?;
                if taken.rows_affected == 1 {
                    turns.push(Turn {
                        cluster: parsed("cluster_uuid", &row.cluster_uuid)?,
                        next,
                        memory: from_json("memory", row.memory.as_deref())?,
                    });
                }
            }
            Ok::<_, StoreError>(turns)
        }
        .await;
        tx.finish(result).await
    }

    /// The cluster of a look as it is now; `None` when it does not stand any more.
    pub async fn load(&self, turn: &Turn) -> Result<Option<Patient>, StoreError> {
        // Read first: whatever else is read is at least as new, and a change from it is refused if it is newer.
        let row = work::Entity::find_by_id(turn.cluster.to_string())
            .one(&self.0.db)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(ask) = self.0.engine().asked(turn.cluster, &row).await? else {
            return Ok(None);
        };
        let patient = Patient {
            generation: row.generation,
            request_id: row.request_id.clone(),
            is_at_rest: row.goal()? == GoalKind::Present
                && row.settled_generation == row.generation
                && row.lease_owner.is_none(),
            ask,
        };
        Ok(is_watched(patient.ask.cluster.status).then_some(patient))
    }

    /// Writes what was seen, if the cluster still stands and nobody else has looked since. Not a change of the
    /// cluster: `updated_at` stays.
    pub async fn record(
        &self,
        turn: &Turn,
        health: HealthStatus,
        reason: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let mine = Entity::find()
            .select_only()
            .column(Column::ClusterUuid)
            .filter(Column::ClusterUuid.eq(turn.cluster.to_string()))
            .filter(Column::DueMs.eq(turn.next.0));
        cluster::Entity::update_many()
            .set(with_health(Some(health), reason)?)
            .filter(cluster::Column::Uuid.in_subquery(sea_orm::QueryTrait::into_query(mine)))
            .filter(cluster::Column::Status.is_in(watched()))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    /// Writes what is to be remembered, unless it is another one's turn by now.
    pub async fn remember(&self, turn: &Turn) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::Memory, Expr::value(json(&turn.memory)?))
            .filter(Column::ClusterUuid.eq(turn.cluster.to_string()))
            .filter(Column::DueMs.eq(turn.next.0))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    /// Numbers of clusters that stand by health.
    pub async fn count(&self) -> Result<Vec<(Option<HealthStatus>, u64)>, StoreError> {
        let counted = cluster::Entity::find()
            .select_only()
            .column(cluster::Column::HealthStatus)
            .column_as(cluster::Column::Uuid.count(), "number")
            .filter(cluster::Column::Status.is_in(watched()))
            .group_by(cluster::Column::HealthStatus)
            .into_tuple::<(Option<String>, i64)>()
            .all(&self.0.db)
            .await?;
        let known = |(text, number): (Option<String>, i64)| {
            let mut all = HealthStatus::ALL.iter().copied();
            let health = match text {
                Some(text) => Some(all.find(|health| health.as_str() == text)?),
                None => None,
            };
            Some((health, u64::try_from(number).unwrap_or_default()))
        };
        Ok(counted.into_iter().filter_map(known).collect())
    }
}

/// Has a cluster looked at soon, now that the work on it has ended.
pub(crate) async fn wake(tx: &Transaction, cluster: ClusterId, now: Millis) -> Result<(), StoreError> {
    let row = health::ActiveModel {
        cluster_uuid: ActiveValue::Set(cluster.to_string()),
        due_ms: ActiveValue::Set(now.0),
        memory: ActiveValue::NotSet,
    };
    let again = OnConflict::column(Column::ClusterUuid)
        .update_column(Column::DueMs)
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Writes what is to be remembered together with a repair; [`StoreError::Stale`] when it is another one's turn.
pub(crate) async fn keep(tx: &Transaction, turn: &Turn) -> Result<(), StoreError> {
    let kept = Entity::update_many()
        .col_expr(Column::Memory, Expr::value(json(&turn.memory)?))
        .filter(Column::ClusterUuid.eq(turn.cluster.to_string()))
        .filter(Column::DueMs.eq(turn.next.0))
        .exec(tx)
        .await?;
    match kept.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale),
    }
}

/// Forgets a cluster.
pub(crate) async fn forget(tx: &Transaction, cluster: &str) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::ClusterUuid.eq(cluster))
        .exec(tx)
        .await?;
    Ok(())
}
