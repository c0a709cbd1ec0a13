//! Heartbeats of the running processes, as `GET /v1/mservices` shows them.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder};

use crate::row::moment;
use crate::row::service::{self, Column};
use crate::unbroken::Transaction;
use crate::{Store, StoreError};

/// Questions and changes about running processes.
#[derive(Clone, Copy)]
pub struct Services<'a>(pub(crate) &'a Store);

/// A process that runs, or ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRow {
    /// Row id.
    pub id: i64,
    /// Its host.
    pub host: String,
    /// Its name, such as `magnum-conductor`.
    pub binary: String,
    /// True when an administrator took it out of service.
    pub disabled: bool,
    /// Why.
    pub disabled_reason: Option<String>,
    /// True when an administrator declared it dead.
    pub forced_down: bool,
    /// Last heartbeat.
    pub last_seen_up: Option<DateTime<Utc>>,
    /// Heartbeats so far.
    pub report_count: i64,
    /// First heartbeat.
    pub created_at: DateTime<Utc>,
    /// Last heartbeat.
    pub updated_at: Option<DateTime<Utc>>,
}

impl Services<'_> {
    /// Notes that a process is alive.
    pub async fn heartbeat(&self, host: &str, binary: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        if self.beat(host, binary, now).await? {
            return Ok(());
        }
        let first = service::ActiveModel {
            host: ActiveValue::Set(host.to_owned()),
            binary: ActiveValue::Set(binary.to_owned()),
            disabled: ActiveValue::Set(Some(false)),
            forced_down: ActiveValue::Set(Some(false)),
            report_count: ActiveValue::Set(1),
            created_at: ActiveValue::Set(Some(moment(now))),
            last_seen_up: ActiveValue::Set(Some(moment(now))),
            ..Default::default()
        };
        let tx = self.0.begin().await?;
        let result = service::Entity::insert(first).exec_without_returning(&*tx).await;
        match tx.finish(result.map(drop).map_err(StoreError::from)).await {
            // Another with the same name was first.
            Err(StoreError::Conflict(_)) => self.beat(host, binary, now).await.map(drop),
            other => other,
        }
    }

    /// Every process that was ever seen, in the order of their first heartbeats.
    pub async fn list(&self) -> Result<Vec<ServiceRow>, StoreError> {
        let rows = service::Entity::find()
            .order_by_asc(Column::Id)
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().map(ServiceRow::from).collect())
    }

    async fn beat(&self, host: &str, binary: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let tx = self.0.begin().await?;
        let result = beat(&tx, host, binary, now).await;
        tx.finish(result).await
    }
}

async fn beat(tx: &Transaction, host: &str, binary: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let done = service::Entity::update_many()
        .col_expr(Column::ReportCount, Expr::col(Column::ReportCount).add(1))
        .col_expr(Column::LastSeenUp, Expr::value(moment(now)))
        .col_expr(Column::UpdatedAt, Expr::value(moment(now)))
        .filter(Column::Host.eq(host))
        .filter(Column::Binary.eq(binary))
        .exec(tx)
        .await?;
    Ok(done.rows_affected == 1)
}
