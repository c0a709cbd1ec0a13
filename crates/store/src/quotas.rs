//! Limits that administrators set for single projects. A project without a row has the limit of the configuration.

use chrono::{DateTime, Utc};
use jeroboam_types::ProjectId;
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Select};
use serde::Serialize;

use crate::page::paged;
use crate::row::moment;
use crate::row::quota::{self, Column};
use crate::unbroken::Transaction;
use crate::{Answer, Page, Store, StoreError, answers};

/// The only resource that is limited.
pub const CLUSTER_RESOURCE: &str = "Cluster";

/// Questions and changes about quotas.
#[derive(Clone, Copy)]
pub struct Quotas<'a>(pub(crate) &'a Store);

/// The limit of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuotaRow {
    /// Row id.
    pub id: i64,
    /// The project.
    pub project_id: ProjectId,
    /// What is limited.
    pub resource: String,
    /// How many there may be; zero forbids new ones.
    pub hard_limit: i32,
    /// When it was set first.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
}

impl Quotas<'_> {
    /// Quotas of one project or of all.
    pub async fn list(
        &self,
        project: Option<&ProjectId>,
        page: &Page<i64>,
    ) -> Result<Vec<QuotaRow>, StoreError> {
        let query = match project {
            Some(project) => quota::Entity::find().filter(Column::ProjectId.eq(project.as_str())),
            None => quota::Entity::find(),
        };
        let columns = [Column::Id, Column::Id];
        let query = paged(&self.0.db, query.clone(), query, columns, page).await?;
        let rows = query.all(&self.0.db).await?;
        Ok(rows.into_iter().map(QuotaRow::from).collect())
    }

    /// The limit of a project, if it has one of its own.
    pub async fn find(&self, project: &ProjectId, resource: &str) -> Result<Option<QuotaRow>, StoreError> {
        let row = of(project, resource).one(&self.0.db).await?;
        Ok(row.map(QuotaRow::from))
    }

    /// Sets the first limit of a project. [`StoreError::Conflict`] when it has one.
    pub async fn insert(
        &self,
        project: &ProjectId,
        resource: &str,
        hard_limit: i32,
        now: DateTime<Utc>,
    ) -> Result<QuotaRow, StoreError> {
        self.insert_once(project, resource, hard_limit, now, |_| None)
            .await
    }

    /// The same, together with the answer that is kept for it: `answer` makes it from the row.
    pub async fn insert_once(
        &self,
        project: &ProjectId,
        resource: &str,
        hard_limit: i32,
        now: DateTime<Utc>,
        answer: impl FnOnce(&QuotaRow) -> Option<Answer> + Send,
    ) -> Result<QuotaRow, StoreError> {
        let row = quota::ActiveModel {
            created_at: ActiveValue::Set(Some(moment(now))),
            project_id: ActiveValue::Set(project.to_string()),
            resource: ActiveValue::Set(resource.to_owned()),
            hard_limit: ActiveValue::Set(hard_limit),
            ..Default::default()
        };
        let tx = self.0.begin().await?;
        let result = async {
            quota::Entity::insert(row).exec_without_returning(&*tx).await?;
            let row = present(&*tx, project, resource).await?;
            if let Some(answer) = answer(&row) {
                answers::keep(&tx, &answer).await?;
            }
            Ok(row)
        }
        .await;
        tx.finish(result).await
    }

    /// Changes the limit of a project. [`StoreError::NotFound`] when it has none of its own, and
    /// [`StoreError::Stale`] when it is not `before` any more.
    pub async fn update(
        &self,
        before: &QuotaRow,
        hard_limit: i32,
        now: DateTime<Utc>,
    ) -> Result<QuotaRow, StoreError> {
        let change = quota::ActiveModel {
            hard_limit: ActiveValue::Set(hard_limit),
            updated_at: ActiveValue::Set(Some(moment(now))),
            ..Default::default()
        };
        let tx = self.0.begin().await?;
        let result = async {
            unchanged(&tx, before).await?;
            let query = quota::Entity::update_many()
                .set(change)
                .filter(Column::Id.eq(before.id));
            query.exec(&*tx).await?;
            present(&*tx, &before.project_id, &before.resource).await
        }
        .await;
        tx.finish(result).await
    }

    /// Takes the own limit of a project away. [`StoreError::NotFound`] when it has none, and
    /// [`StoreError::Stale`] when it is not `before` any more.
    pub async fn delete(&self, before: &QuotaRow) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            unchanged(&tx, before).await?;
            let query = quota::Entity::delete_many().filter(Column::Id.eq(before.id));
            query.exec(&*tx).await?;
            Ok(())
        }
        .await;
        tx.finish(result).await
    }
}

fn of(project: &ProjectId, resource: &str) -> Select<quota::Entity> {
    quota::Entity::find()
        .filter(Column::ProjectId.eq(project.as_str()))
        .filter(Column::Resource.eq(resource))
}

async fn present(
    db: &impl ConnectionTrait,
    project: &ProjectId,
    resource: &str,
) -> Result<QuotaRow, StoreError> {
    let row = of(project, resource).one(db).await?.ok_or(StoreError::NotFound)?;
    Ok(row.into())
}

/// Holds the row until the transaction ends, and checks that it is what the caller has seen.
async fn unchanged(tx: &Transaction, before: &QuotaRow) -> Result<(), StoreError> {
    let hold = quota::ActiveModel {
        resource: ActiveValue::Set(before.resource.clone()),
        ..Default::default()
    };
    quota::Entity::update_many()
        .set(hold)
        .filter(Column::Id.eq(before.id))
        .exec(tx)
        .await?;
    match present(tx, &before.project_id, &before.resource).await? == *before {
        true => Ok(()),
        false => Err(StoreError::Stale),
    }
}
