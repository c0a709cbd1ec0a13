//! Asking for a new cluster: quota, template and rows in one transaction.

use jeroboam_driver::ask::Resolved;
use jeroboam_types::status::Operation;
use jeroboam_types::{Cluster, ClusterTemplate, Millis, NodeGroup, ProjectId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue, ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};
use thiserror::Error;

use super::Clusters;
use crate::row::{cluster, fitting, json, nodegroup, project, quota, sealed, work};
use crate::unbroken::Transaction;
use crate::{Answer, CLUSTER_RESOURCE, GoalKind, Sealed, StoreError, answers, templates};

/// A cluster to be made.
#[derive(Clone, Debug)]
pub struct NewCluster {
    /// The cluster; the engine starts at its `created_at`.
    pub cluster: Cluster,
    /// Its node groups; their row ids are not read.
    pub groups: Vec<NodeGroup>,
    /// What names stand for.
    pub resolved: Resolved,
    /// When the engine gives up.
    pub deadline: Millis,
    /// `req-...` of the request.
    pub request_id: String,
    /// Secrets that exist from the start.
    pub sealed: Vec<Sealed>,
}

/// Why a cluster was not accepted.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The project has as many clusters as it may have.
    #[error("the project may not have more than {limit} clusters")]
    QuotaExceeded {
        /// Clusters that it may have.
        limit: u64,
    },
    /// The template was removed meanwhile.
    #[error("the cluster template is gone")]
    TemplateGone,
    /// The template is not what the cluster was worked out from any more.
    #[error("the cluster template was changed meanwhile")]
    TemplateChanged,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for CreateError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Clusters<'_> {
    /// Accepts a cluster: its rows, its node groups, its secrets and the engine's order to build it. `limit` is
    /// the most clusters of a project whose row of `quotas` says nothing else; `None` is no limit. Exact however
    /// many do so at once.
    pub async fn create(&self, new: &NewCluster, limit: Option<u64>) -> Result<(), CreateError> {
        self.create_once(new, limit, None, None).await
    }

    /// The same, if the template still is what the cluster was worked out from, and together with the answer that is
    /// kept for it.
    pub async fn create_once(
        &self,
        new: &NewCluster,
        limit: Option<u64>,
        template: Option<&ClusterTemplate>,
        answer: Option<&Answer>,
    ) -> Result<(), CreateError> {
        self.ensure_guard(&new.cluster.project_id).await?;
        let tx = self.0.begin().await?;
        let result = async {
            if let Some(answer) = answer {
                answers::keep(&tx, answer).await?;
            }
            create(&tx, new, limit, template).await
        }
        .await;
        tx.finish(result).await
    }

    /// Makes the project's guard row, outside the transaction: on PostgreSQL a failed insert would end it.
    async fn ensure_guard(&self, project_id: &ProjectId) -> Result<(), StoreError> {
        if project::Entity::find_by_id(project_id.as_str())
            .one(&self.0.db)
            .await?
            .is_some()
        {
            return Ok(());
        }
        let row = project::Model {
            project_id: project_id.to_string(),
            version: 0,
        }
        .into_active_model();
        let tx = self.0.begin().await?;
        let result = project::Entity::insert(row).exec_without_returning(&*tx).await;
        match tx.finish(result.map(drop).map_err(StoreError::from)).await {
            Err(StoreError::Conflict(_)) => Ok(()),
            other => other,
        }
    }
}

async fn create(
    tx: &Transaction,
    new: &NewCluster,
    limit: Option<u64>,
    template: Option<&ClusterTemplate>,
) -> Result<(), CreateError> {
    let cluster = &new.cluster;
    project::Entity::update_many()
        .col_expr(
            project::Column::Version,
            Expr::col(project::Column::Version).add(1),
        )
        .filter(project::Column::ProjectId.eq(cluster.project_id.as_str()))
        .exec(tx)
        .await?;
    if let Some(limit) = own_limit(tx, &cluster.project_id).await?.or(limit) {
        let present = cluster::Entity::find()
            .filter(cluster::Column::ProjectId.eq(cluster.project_id.as_str()))
            .count(tx)
            .await?;
        if present >= limit {
            return Err(CreateError::QuotaExceeded { limit });
        }
    }
    if !templates::lock(tx, cluster.cluster_template_id).await? {
        return Err(CreateError::TemplateGone);
    }
    if let Some(template) = template {
        let unchanged = templates::refuse_changed(tx, template).await;
        unchanged.map_err(|error| match error {
            StoreError::Stale => CreateError::TemplateChanged,
            other => other.into(),
        })?;
    }
    cluster::Entity::insert(cluster::new(cluster)?)
        .exec_without_returning(tx)
        .await?;
    // One by one, so that the row ids follow the order that is given.
    for group in &new.groups {
        nodegroup::Entity::insert(nodegroup::new(group)?)
            .exec_without_returning(tx)
            .await?;
    }
    work::Entity::insert(order(new)?)
        .exec_without_returning(tx)
        .await?;
    if !new.sealed.is_empty() {
        let rows = new.sealed.iter().map(|sealed| sealed::new(cluster.uuid, sealed));
        sealed::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// The limit that an administrator set for the project.
async fn own_limit(tx: &Transaction, project_id: &ProjectId) -> Result<Option<u64>, StoreError> {
    let query = quota::Entity::find()
        .filter(quota::Column::ProjectId.eq(project_id.as_str()))
        .filter(quota::Column::Resource.eq(CLUSTER_RESOURCE));
    let row = query.one(tx).await?;
    Ok(row.map(|row| u64::try_from(row.hard_limit).unwrap_or(0)))
}

/// The engine's first order for the cluster.
fn order(new: &NewCluster) -> Result<work::ActiveModel, StoreError> {
    let row = work::Model {
        cluster_uuid: new.cluster.uuid.to_string(),
        goal: work::goal_text(GoalKind::Present).to_owned(),
        operation: work::operation_text(Operation::Create).to_owned(),
        generation: 1,
        settled_generation: 0,
        deadline_ms: new.deadline.0,
        next_check_ms: new.cluster.created_at.timestamp_millis(),
        lease_owner: None,
        lease_until_ms: 0,
        fence: 0,
        resolved: json(&new.resolved)?,
        request_id: fitting(&new.request_id),
        engine_ms: 0,
        credential: 0,
    };
    Ok(work::ActiveModel {
        lease_owner: ActiveValue::Set(None),
        ..row.into_active_model()
    })
}
