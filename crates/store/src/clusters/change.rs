//! Asking for a change of a cluster that stands: everything that is asked, in one transaction.
//!
//! A change is worked out from a [`Standing`], and accepted only while that is still what is asked. Of two changes
//! that race, one is written and the other one is [`ChangeError::Overtaken`].

use std::collections::BTreeMap;

use jeroboam_driver::Ask;
use jeroboam_driver::ask::Resolved;
use jeroboam_plan::{Ledger, Phase};
use jeroboam_types::status::Operation;
use jeroboam_types::{Change, Cluster, ClusterId, ClusterTemplate, HealthStatus, Millis, NodeGroup, Status};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter};
use thiserror::Error;

use super::{ClusterRow, Clusters, load_groups, load_ledger, refuse_changed};
use crate::row::{cluster, fitting, json, ledger, moment_of, nodegroup, parsed, template, work};
use crate::unbroken::Transaction;
use crate::{Answer, GoalKind, StoreError, Turn, answers, health};

/// What is asked of a cluster now, to work out a change from.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The wish.
    pub ask: Ask,
    /// All of its node groups, those that are to go too.
    pub groups: Vec<NodeGroup>,
    /// What was made.
    pub ledger: Ledger,
    /// Number of the wish.
    pub generation: i64,
}

/// A change of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterChange {
    /// The cluster.
    pub cluster: ClusterId,
    /// What kind of change it is: decides from which statuses it may start.
    pub change: Change,
    /// Number of the wish that it was worked out from.
    pub generation: i64,
    /// The groups that change, as they should be, each with its new status.
    pub groups: Vec<NodeGroup>,
    /// Groups that are added; their row ids are not read.
    pub new_groups: Vec<NodeGroup>,
    /// What somebody says of the health, with the reason.
    pub health: Option<(Option<HealthStatus>, BTreeMap<String, String>)>,
    /// What names stand for, where that changes.
    pub resolved: Option<Resolved>,
    /// When it is asked.
    pub now: Millis,
    /// When the engine gives up.
    pub deadline: Millis,
    /// `req-...` of the request.
    pub request_id: String,
}

/// What else a change is bound to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// It is made only while this is as the caller has seen it, else [`StoreError::Stale`].
    pub seen: Option<Seen<'a>>,
    /// Answer that is kept with it.
    pub answer: Option<&'a Answer>,
}

/// What a caller has seen before a change.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// The cluster, its groups and the labels of its template.
    Cluster(&'a ClusterRow),
    /// One of its groups.
    Group(&'a NodeGroup),
}

/// Why a change was not accepted.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The status does not allow it.
    #[error("a cluster in status {0} cannot be changed so")]
    Status(Status),
    /// Something else was asked since the standing was read.
    #[error("something else was asked meanwhile")]
    Overtaken,
    /// The cluster has a node group of the name.
    #[error("the cluster has a node group named {0}")]
    NameTaken(String),
    /// The database failed, or there is no such cluster.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for ChangeError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Clusters<'_> {
    /// What is asked of a cluster now.
    pub async fn standing(&self, cluster: ClusterId) -> Result<Standing, StoreError> {
        let db = &self.0.db;
        let uuid = cluster.to_string();
        // Read first: whatever else is read is at least as new, and a change from it is refused if it is newer.
        let row = work::Entity::find_by_id(uuid.as_str()).one(db).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        let found = cluster::Entity::find()
            .filter(cluster::Column::Uuid.eq(uuid))
            .find_also_related(template::Entity)
            .one(db)
            .await?;
        let (found, template) = found.ok_or(StoreError::NotFound)?;
        let template = template.ok_or_else(|| StoreError::internal("the cluster has no template"))?;
        let groups = load_groups(db, cluster).await?;
        let ask = Ask {
            cluster: Cluster::try_from(found)?,
            template: ClusterTemplate::try_from(template)?,
            groups: groups
                .iter()
                .filter(|group| !group.is_leaving())
                .cloned()
                .collect(),
            resolved: serde_json::from_str(&row.resolved).map_err(StoreError::internal)?,
        };
        Ok(Standing {
            ask,
            groups,
            ledger: load_ledger(db, cluster).await?,
            generation: row.generation,
        })
    }

    /// Writes a change and the engine's order to make it. What failed before is tried again with it.
    pub async fn request_change(&self, change: &ClusterChange) -> Result<(), ChangeError> {
        self.request_change_on(change, Terms::default()).await
    }

    /// The same on terms, which are looked at in the transaction that writes.
    pub async fn request_change_on(
        &self,
        change: &ClusterChange,
        terms: Terms<'_>,
    ) -> Result<(), ChangeError> {
        let tx = self.0.begin().await?;
        let result = async {
            if let Some(answer) = terms.answer {
                answers::keep(&tx, answer).await?;
            }
            request(&tx, change, terms.seen).await
        }
        .await;
        tx.finish(result).await
    }

    /// Writes the replacement of lost nodes as a change, with what is to be remembered of it, unless anything else is
    /// asked or done, or it is another one's turn to look: [`ChangeError::Overtaken`]. `reason` is shown for it.
    pub async fn request_repair(
        &self,
        change: &ClusterChange,
        reason: &str,
        turn: &Turn,
    ) -> Result<(), ChangeError> {
        let tx = self.0.begin().await?;
        let result = async {
            let row = lock(&tx, change.cluster).await?;
            // A change may be under way that the status does not tell of, such as that of a credential.
            if row.settled_generation != row.generation || row.lease_owner.is_some() {
                return Err(ChangeError::Overtaken);
            }
            match health::keep(&tx, turn).await {
                Err(StoreError::Stale) => return Err(ChangeError::Overtaken),
                other => other?,
            }
            request(&tx, change, None).await?;
            let told = cluster::ActiveModel {
                status_reason: ActiveValue::Set(Some(reason.to_owned())),
                ..Default::default()
            };
            write_cluster(&tx, change.cluster, told).await
        }
        .await;
        tx.finish(result).await
    }

    /// Writes what somebody else says of a cluster's health, if the cluster is what was `seen` of it, else
    /// [`StoreError::Stale`]. Nothing is asked of the engine.
    pub async fn set_health(
        &self,
        cluster: ClusterId,
        health: Option<HealthStatus>,
        reason: &BTreeMap<String, String>,
        now: Millis,
        seen: Option<&ClusterRow>,
    ) -> Result<(), ChangeError> {
        let tx = self.0.begin().await?;
        let result = async {
            lock(&tx, cluster).await?;
            if let Some(seen) = seen {
                refuse_changed(&*tx, seen).await?;
            }
            check_status(&tx, cluster, Change::Health).await?;
            let change = cluster::ActiveModel {
                updated_at: ActiveValue::Set(moment_of(now)),
                ..with_health(health, reason)?
            };
            write_cluster(&tx, cluster, change).await
        }
        .await;
        tx.finish(result).await
    }
}

/// The two columns of a cluster's health.
pub(crate) fn with_health(
    health: Option<HealthStatus>,
    reason: &BTreeMap<String, String>,
) -> Result<cluster::ActiveModel, StoreError> {
    Ok(cluster::ActiveModel {
        health_status: ActiveValue::Set(health.map(|health| health.as_str().to_owned())),
        health_status_reason: ActiveValue::Set(Some(json(reason)?)),
        ..Default::default()
    })
}

/// The work row, held until the transaction ends: every transaction about a cluster takes it first, so that no two
/// wait for each other.
async fn lock(tx: &Transaction, cluster: ClusterId) -> Result<work::Model, StoreError> {
    let uuid = cluster.to_string();
    let locked = work::Entity::update_many()
        .col_expr(work::Column::ClusterUuid, Expr::value(uuid.as_str()))
        .filter(work::Column::ClusterUuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    if locked.rows_affected == 0 {
        return Err(StoreError::NotFound);
    }
    let row = work::Entity::find_by_id(uuid).one(tx).await?;
    row.ok_or(StoreError::NotFound)
}

/// The cluster's status, if it allows the change.
async fn check_status(tx: &Transaction, cluster: ClusterId, change: Change) -> Result<Status, ChangeError> {
    let row = cluster::Entity::find()
        .filter(cluster::Column::Uuid.eq(cluster.to_string()))
        .one(tx)
        .await?;
    let row = row.ok_or(StoreError::NotFound)?;
    let status: Status = parsed("status", &row.status)?;
    match change.may_start_at(status) {
        true => Ok(status),
        false => Err(ChangeError::Status(status)),
    }
}

async fn write_cluster(
    tx: &Transaction,
    cluster: ClusterId,
    change: cluster::ActiveModel,
) -> Result<(), ChangeError> {
    cluster::Entity::update_many()
        .set(change)
        .filter(cluster::Column::Uuid.eq(cluster.to_string()))
        .exec(tx)
        .await?;
    Ok(())
}

async fn request(
    tx: &Transaction,
    change: &ClusterChange,
    seen: Option<Seen<'_>>,
) -> Result<(), ChangeError> {
    let row = lock(tx, change.cluster).await?;
    match seen {
        None => {}
        Some(Seen::Cluster(seen)) => refuse_changed(tx, seen).await?,
        Some(Seen::Group(seen)) => refuse_changed_group(tx, seen).await?,
    }
    let status = check_status(tx, change.cluster, change.change).await?;
    if row.generation != change.generation {
        return Err(ChangeError::Overtaken);
    }
    let uuid = change.cluster.to_string();
    let is_credential = change.change == Change::RotateCredential;
    let order = work::ActiveModel {
        goal: ActiveValue::Set(work::goal_text(GoalKind::Present).to_owned()),
        operation: ActiveValue::Set(work::operation_text(Operation::Update).to_owned()),
        generation: ActiveValue::Set(row.generation + 1),
        deadline_ms: ActiveValue::Set(change.deadline.0),
        next_check_ms: ActiveValue::Set(change.now.0),
        request_id: ActiveValue::Set(fitting(&change.request_id)),
        engine_ms: ActiveValue::Set(0),
        resolved: match &change.resolved {
            Some(resolved) => ActiveValue::Set(json(resolved)?),
            None => ActiveValue::NotSet,
        },
        credential: ActiveValue::Set(row.credential + i64::from(is_credential)),
        ..Default::default()
    };
    work::Entity::update_many()
        .set(order)
        .filter(work::Column::ClusterUuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    // Magnum's status does not tell of a new credential, unless it has to tell of something that failed.
    if !is_credential || status.is_failed() {
        let begun = cluster::ActiveModel {
            status: ActiveValue::Set(Status::UpdateInProgress.to_string()),
            status_reason: ActiveValue::Set(None),
            updated_at: ActiveValue::Set(moment_of(change.now)),
            ..Default::default()
        };
        write_cluster(tx, change.cluster, begun).await?;
    }
    if let Some((health, reason)) = &change.health {
        write_cluster(tx, change.cluster, with_health(*health, reason)?).await?;
    }
    for group in &change.groups {
        let written = nodegroup::Entity::update_many()
            .set(nodegroup::change(group)?)
            .filter(nodegroup::Column::ClusterId.eq(uuid.as_str()))
            .filter(nodegroup::Column::Uuid.eq(group.uuid.to_string()))
            .exec(tx)
            .await?;
        // Its row went with the end of an earlier change, which does not raise the generation.
        if written.rows_affected == 0 {
            return Err(ChangeError::Overtaken);
        }
    }
    for group in &change.new_groups {
        // Asked before: on PostgreSQL a failed insert would end the transaction.
        let namesake = nodegroup::Entity::find()
            .filter(nodegroup::Column::ClusterId.eq(uuid.as_str()))
            .filter(nodegroup::Column::Name.eq(group.name.as_str()))
            .one(tx)
            .await?;
        if namesake.is_some() {
            return Err(ChangeError::NameTaken(group.name.clone()));
        }
        nodegroup::Entity::insert(nodegroup::new(group)?)
            .exec_without_returning(tx)
            .await?;
    }
    try_again(tx, change, row.generation == row.settled_generation).await
}

/// Refuses when a node group is not what the caller has seen any more.
async fn refuse_changed_group(tx: &Transaction, seen: &NodeGroup) -> Result<(), StoreError> {
    let query = nodegroup::Entity::find().filter(nodegroup::Column::Uuid.eq(seen.uuid.to_string()));
    let present = query.one(tx).await?.ok_or(StoreError::NotFound)?;
    match NodeGroup::try_from(present)? == *seen {
        true => Ok(()),
        false => Err(StoreError::Stale),
    }
}

/// Lets everything that failed be cleared away and made anew, and gives what an operation that ended was still
/// waiting for the time of this one.
async fn try_again(tx: &Transaction, change: &ClusterChange, had_ended: bool) -> Result<(), ChangeError> {
    let of_cluster = ledger::Column::ClusterUuid.eq(change.cluster.to_string());
    let anew = ledger::ActiveModel {
        phase: ActiveValue::Set(Phase::Dropping.as_str().to_owned()),
        drop_failed: ActiveValue::Set(false),
        attempts: ActiveValue::Set(0),
        started_ms: ActiveValue::Set(change.now.0),
        next_check_ms: ActiveValue::Set(change.now.0),
        give_up_at_ms: ActiveValue::Set(change.deadline.0),
        ..Default::default()
    };
    ledger::Entity::update_many()
        .set(anew)
        .filter(of_cluster.clone())
        .filter(ledger::Column::Phase.eq(Phase::Failed.as_str()))
        .exec(tx)
        .await?;
    if had_ended {
        let longer = ledger::ActiveModel {
            give_up_at_ms: ActiveValue::Set(change.deadline.0),
            ..Default::default()
        };
        ledger::Entity::update_many()
            .set(longer)
            .filter(of_cluster)
            .filter(ledger::Column::Phase.ne(Phase::Ready.as_str()))
            .filter(Expr::col(ledger::Column::GiveUpAtMs).lt(change.deadline.0))
            .exec(tx)
            .await?;
    }
    Ok(())
}
