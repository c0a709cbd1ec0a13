//! Asking for a cluster's end.

use jeroboam_plan::Phase;
use jeroboam_types::status::Operation;
use jeroboam_types::{ClusterId, Millis, Status};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter};

use super::{ClusterRow, Clusters, refuse_changed};
use crate::row::{cluster, fitting, ledger, moment_of, nodegroup, work};
use crate::unbroken::Transaction;
use crate::{GoalKind, StoreError};

impl Clusters<'_> {
    /// Asks for a cluster to be taken away, whatever is being done to it. Drops that failed before are tried
    /// again. A delete that is under way goes on as it is, with its own deadline.
    pub async fn request_delete(
        &self,
        cluster: ClusterId,
        now: Millis,
        deadline: Millis,
        request_id: &str,
    ) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = request(&tx, cluster, now, deadline, request_id, None).await;
        tx.finish(result).await
    }

    /// The same, if the cluster still is what the caller has seen, else [`StoreError::Stale`].
    pub async fn request_delete_unchanged(
        &self,
        seen: &ClusterRow,
        now: Millis,
        deadline: Millis,
        request_id: &str,
    ) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = request(&tx, seen.cluster.uuid, now, deadline, request_id, Some(seen)).await;
        tx.finish(result).await
    }
}

async fn request(
    tx: &Transaction,
    cluster: ClusterId,
    now: Millis,
    deadline: Millis,
    request_id: &str,
    seen: Option<&ClusterRow>,
) -> Result<(), StoreError> {
    let uuid = cluster.to_string();
    // Every transaction about a cluster takes its work row first, so that no two wait for each other.
    let locked = work::Entity::update_many()
        .col_expr(work::Column::ClusterUuid, Expr::value(uuid.as_str()))
        .filter(work::Column::ClusterUuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    if locked.rows_affected == 0 {
        return Err(StoreError::NotFound);
    }
    if let Some(seen) = seen {
        refuse_changed(tx, seen).await?;
    }
    let row = work::Entity::find_by_id(uuid.as_str())
        .one(tx)
        .await?
        .ok_or(StoreError::NotFound)?;
    if row.goal()? == GoalKind::Absent && row.generation != row.settled_generation {
        return Ok(());
    }
    let order = work::ActiveModel {
        goal: ActiveValue::Set(work::goal_text(GoalKind::Absent).to_owned()),
        operation: ActiveValue::Set(work::operation_text(Operation::Delete).to_owned()),
        generation: ActiveValue::Set(row.generation + 1),
        deadline_ms: ActiveValue::Set(deadline.0),
        next_check_ms: ActiveValue::Set(now.0),
        request_id: ActiveValue::Set(fitting(request_id)),
        engine_ms: ActiveValue::Set(0),
        ..Default::default()
    };
    work::Entity::update_many()
        .set(order)
        .filter(work::Column::ClusterUuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;

    let status = Status::DeleteInProgress.as_str();
    let change = cluster::ActiveModel {
        status: ActiveValue::Set(status.to_owned()),
        status_reason: ActiveValue::Set(None),
        updated_at: ActiveValue::Set(moment_of(now)),
        ..Default::default()
    };
    cluster::Entity::update_many()
        .set(change)
        .filter(cluster::Column::Uuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    let change = nodegroup::ActiveModel {
        status: ActiveValue::Set(status.to_owned()),
        status_reason: ActiveValue::Set(None),
        updated_at: ActiveValue::Set(moment_of(now)),
        ..Default::default()
    };
    nodegroup::Entity::update_many()
        .set(change)
        .filter(nodegroup::Column::ClusterId.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    let again = ledger::ActiveModel {
        phase: ActiveValue::Set(Phase::Failed.as_str().to_owned()),
        drop_failed: ActiveValue::Set(false),
        attempts: ActiveValue::Set(0),
        ..Default::default()
    };
    ledger::Entity::update_many()
        .set(again)
        .filter(ledger::Column::ClusterUuid.eq(uuid.as_str()))
        .filter(ledger::Column::DropFailed.eq(true))
        .exec(tx)
        .await?;
    Ok(())
}
