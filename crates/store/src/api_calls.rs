//! Calls that the control planes of private clusters make for the service: asked for by one process, handed out by
//! another one perhaps, and gone when their answers are read. All that they hold is sealed by the caller.
//!
//! They are no wishes, and need no claim: a look at the health makes calls too. Who has lost its lease while its call is
//! under way is as one whose call is under way on a network.

use std::collections::BTreeSet;

use jeroboam_types::{ClusterId, Millis};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::row::api_call::{self, Column, Entity, Model};
use crate::row::parsed;
use crate::unbroken::Transaction;
use crate::{Engine, StoreError};

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiCallState {
    /// Nobody has come for it.
    Untaken,
    /// Somebody makes it.
    Taken,
    /// What was answered.
    Answered(String),
    /// It was removed.
    Gone,
}

impl Engine<'_> {
    /// Asks for a call. What was asked of the same cluster before a moment, and nobody waits for any more, goes.
    pub async fn put_api_call(
        &self,
        cluster: ClusterId,
        id: Uuid,
        call: String,
        asked: Millis,
        forgotten: Millis,
    ) -> Result<(), StoreError> {
        let db = &self.0.db;
        Entity::delete_many()
            .filter(Column::ClusterUuid.eq(cluster.to_string()))
            .filter(Column::AskedMs.lt(forgotten.0))
            .exec(db)
            .await?;
        let row = Model {
            id: id.to_string(),
            cluster_uuid: cluster.to_string(),
            asked_ms: asked.0,
            taken_ms: None,
            call,
            answer: None,
        };
        Entity::insert(row.into_active_model())
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Clusters of which calls were asked since a moment that nobody has taken.
    pub async fn clusters_with_api_calls(&self, since: Millis) -> Result<BTreeSet<ClusterId>, StoreError> {
        let rows: Vec<String> = Entity::find()
            .select_only()
            .column(Column::ClusterUuid)
            .distinct()
            .filter(Column::TakenMs.is_null())
            .filter(Column::AskedMs.gte(since.0))
            .into_tuple()
            .all(&self.0.db)
            .await?;
        rows.iter().map(|uuid| parsed("cluster_uuid", uuid)).collect()
    }

    /// Takes the oldest call of a cluster that was asked since a moment. Each is taken once.
    pub async fn take_api_call(
        &self,
        cluster: ClusterId,
        since: Millis,
        now: Millis,
    ) -> Result<Option<(Uuid, String)>, StoreError> {
        let oldest = Entity::find()
            .filter(Column::ClusterUuid.eq(cluster.to_string()))
            .filter(Column::TakenMs.is_null())
            .filter(Column::AskedMs.gte(since.0))
            .order_by_asc(Column::AskedMs)
            .order_by_asc(Column::Id);
        loop {
            let Some(row) = oldest.clone().one(&self.0.db).await? else {
                return Ok(None);
            };
            let taken = Entity::update_many()
                .col_expr(Column::TakenMs, Expr::value(now.0))
                .filter(Column::Id.eq(row.id.as_str()))
                .filter(Column::TakenMs.is_null())
                .exec(&self.0.db)
                .await?;
            if taken.rows_affected == 1 {
                return Ok(Some((parsed("id", &row.id)?, row.call)));
            }
        }
    }

    /// Writes what a call was answered. False when nobody waits for it any more, or it was answered before.
    pub async fn answer_api_call(
        &self,
        cluster: ClusterId,
        id: Uuid,
        answer: String,
    ) -> Result<bool, StoreError> {
        let answered = Entity::update_many()
            .col_expr(Column::Answer, Expr::value(answer))
            .filter(Column::Id.eq(id.to_string()))
            .filter(Column::ClusterUuid.eq(cluster.to_string()))
            .filter(Column::TakenMs.is_not_null())
            .filter(Column::Answer.is_null())
            .exec(&self.0.db)
            .await?;
        Ok(answered.rows_affected == 1)
    }

    /// How far a call is.
    pub async fn api_call_state(&self, id: Uuid) -> Result<ApiCallState, StoreError> {
        let row: Option<(Option<i64>, Option<String>)> = Entity::find_by_id(id.to_string())
            .select_only()
            .columns([Column::TakenMs, Column::Answer])
            .into_tuple()
            .one(&self.0.db)
            .await?;
        Ok(match row {
            None => ApiCallState::Gone,
            Some((_, Some(answer))) => ApiCallState::Answered(answer),
            Some((Some(_), None)) => ApiCallState::Taken,
            Some((None, None)) => ApiCallState::Untaken,
        })
    }

    /// Removes a call; that there is none is no error.
    pub async fn drop_api_call(&self, id: Uuid) -> Result<(), StoreError> {
        Entity::delete_by_id(id.to_string()).exec(&self.0.db).await?;
        Ok(())
    }
}

/// Removes every call of a cluster.
pub(crate) async fn forget(tx: &Transaction, cluster: &str) -> Result<(), StoreError> {
    api_call::Entity::delete_many()
        .filter(Column::ClusterUuid.eq(cluster))
        .exec(tx)
        .await?;
    Ok(())
}
