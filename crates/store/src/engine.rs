//! The engine's side of the store: who works on which cluster, what was made, how it ended.
//!
//! Every write names a [`Claim`] and is refused when the claim's lease is no longer held, in the same
//! transaction that writes.

mod age;
mod lease;
mod outcome;
mod progress;

use std::collections::BTreeMap;

use jeroboam_driver::ask::Resolved;
use jeroboam_driver::{Ask, Key};
use jeroboam_plan::{Entry, Ledger};
use jeroboam_types::status::Operation;
use jeroboam_types::{
    Cluster, ClusterId, ClusterTemplate, Labels, Millis, NodeGroup, NodeGroupId, Status, TemplateId,
};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::clusters::{load_groups, load_ledger};
use crate::row::{cluster, template, work};
use crate::unbroken::Transaction;
use crate::{Store, StoreError};

pub use age::Oldest;
pub use lease::Backlog;

/// Questions and changes of the engine.
#[derive(Clone, Copy)]
pub struct Engine<'a>(pub(crate) &'a Store);

/// A lease on a cluster's work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The cluster.
    pub cluster: ClusterId,
    /// Who holds it: a name that no other running process has.
    pub owner: String,
    /// Number of the claim: grows with each one on the cluster, so that an older one is known to be old.
    pub fence: i64,
}

/// What should become of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GoalKind {
    /// It should stand as asked.
    Present,
    /// Nothing of it should be left.
    Absent,
}

/// All that the engine needs to know of one cluster.
#[derive(Clone, Debug)]
pub struct Work {
    /// The wish for the driver; `None` when the template's row is gone or cannot be read.
    pub ask: Option<Ask>,
    /// The cluster.
    pub cluster: Cluster,
    /// Its node groups in order of creation.
    pub groups: Vec<NodeGroup>,
    /// What should become of it.
    pub goal: GoalKind,
    /// What is being done, for the status.
    pub operation: Operation,
    /// Number of the wish: an outcome is only accepted for the present one.
    pub generation: i64,
    /// When the engine gives up.
    pub deadline: Millis,
    /// What was made.
    pub ledger: Ledger,
    /// `req-...` of the API request that asked.
    pub request_id: String,
    /// Time that the engine spent on this wish so far, in milliseconds.
    pub engine_ms: i64,
    /// How often the password of the cluster's identity was to be changed.
    pub credential: i64,
}

/// A change of the ledger.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "lists of changes are short and mostly of the large kind"
)]
pub enum LedgerChange {
    /// Writes an entry, over the one of the same key if there is one.
    Put(Entry),
    /// Removes an entry: the resource is known to be gone.
    Remove(Key),
}

/// What may be shown while the work goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterProgress {
    /// Address of the COE's API; `None` leaves what is there.
    pub api_address: Option<String>,
    /// Addresses of the nodes of some groups.
    pub groups: Vec<(NodeGroupId, Vec<String>)>,
}

/// How the work on a wish ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The wish that it speaks of.
    pub generation: i64,
    /// When, for `updated_at`.
    pub now: Millis,
    /// Status of the cluster.
    pub status: Status,
    /// Its reason; `None` removes the last one.
    pub status_reason: Option<String>,
    /// Status and reason of node groups.
    pub group_status: Vec<(NodeGroupId, Status, Option<String>)>,
    /// Node groups that are gone: their rows are removed.
    pub gone_groups: Vec<NodeGroupId>,
    /// Address of the COE's API; `None` leaves what is there.
    pub api_address: Option<String>,
    /// Version of the COE; `None` leaves what is there.
    pub coe_version: Option<String>,
    /// Version of the container runtime; `None` leaves what is there.
    pub container_version: Option<String>,
    /// Addresses of the nodes of some groups.
    pub node_addresses: Vec<(NodeGroupId, Vec<String>)>,
    /// Node groups whose replacement a failure has stopped, as they stand.
    pub stopped: Vec<NodeGroup>,
    /// What the cluster is of after an upgrade.
    pub upgraded: Option<Upgraded>,
    /// Time that the engine spent on this wish in all, in milliseconds.
    pub engine_ms: i64,
}

/// What a cluster is of once all of it has been upgraded. Not recorded if the template is gone by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// The new template.
    pub template: TemplateId,
    /// Labels of the cluster.
    pub labels: Labels,
    /// Flavor of new node groups.
    pub flavor_id: Option<String>,
    /// Flavor of the masters.
    pub master_flavor_id: Option<String>,
    /// What names stand for.
    pub resolved: Resolved,
}

impl Engine<'_> {
    /// Everything about a cluster that the claim is on.
    pub async fn load(&self, claim: &Claim) -> Result<Work, StoreError> {
        // Read first: whatever else is read is at least as new as the generation that outcomes are held to.
        let row = held(&self.0.db, claim).await?;
        self.work(claim.cluster, row).await
    }

    /// Everything about a cluster as it is now, for who changes nothing of it; `None` when there is none.
    pub async fn look_at(&self, cluster: ClusterId) -> Result<Option<Work>, StoreError> {
        let row = work::Entity::find_by_id(cluster.to_string())
            .one(&self.0.db)
            .await?;
        let Some(row) = row else { return Ok(None) };
        match self.work(cluster, row).await {
            Ok(work) => Ok(Some(work)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The wish alone; `None` when there is no such cluster, or its template is gone or cannot be read.
    pub(crate) async fn asked(
        &self,
        cluster: ClusterId,
        row: &work::Model,
    ) -> Result<Option<Ask>, StoreError> {
        match self.parts(cluster, row).await {
            Ok((_, _, ask)) => Ok(ask),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The cluster, its groups, and the wish.
    async fn parts(
        &self,
        cluster: ClusterId,
        row: &work::Model,
    ) -> Result<(Cluster, Vec<NodeGroup>, Option<Ask>), StoreError> {
        let db = &self.0.db;
        let found = cluster::Entity::find()
            .filter(cluster::Column::Uuid.eq(cluster.to_string()))
            .find_also_related(template::Entity)
            .one(db)
            .await?;
        let groups = load_groups(db, cluster).await?;
        let (cluster, template) = found.ok_or(StoreError::NotFound)?;
        let cluster = Cluster::try_from(cluster)?;
        // A deletion must not fail for a row that it does not need.
        let resolved = serde_json::from_str(&row.resolved).ok();
        let template = template.and_then(|template| ClusterTemplate::try_from(template).ok());
        let ask = template.zip(resolved).map(|(template, resolved)| Ask {
            cluster: cluster.clone(),
            template,
            groups: groups
                .iter()
                .filter(|group| !group.is_leaving())
                .cloned()
                .collect(),
            resolved,
        });
        Ok((cluster, groups, ask))
    }

    async fn work(&self, cluster_id: ClusterId, row: work::Model) -> Result<Work, StoreError> {
        let (cluster, groups, ask) = self.parts(cluster_id, &row).await?;
        let ledger = load_ledger(&self.0.db, cluster_id).await?;
        Ok(Work {
            ask,
            cluster,
            groups,
            goal: row.goal()?,
            operation: row.operation()?,
            generation: row.generation,
            deadline: Millis(row.deadline_ms),
            ledger,
            request_id: row.request_id,
            engine_ms: row.engine_ms,
            credential: row.credential,
        })
    }
}

/// The work row, if the claim still holds it.
async fn held(db: &impl ConnectionTrait, claim: &Claim) -> Result<work::Model, StoreError> {
    let row = work::Entity::find_by_id(claim.cluster.to_string())
        .one(db)
        .await?;
    row.filter(|row| row.lease_owner.as_deref() == Some(&claim.owner) && row.fence == claim.fence)
        .ok_or(StoreError::LeaseLost)
}

/// Locks the work row for the transaction if the claim still holds it. The first statement of every write.
pub(crate) async fn fence(tx: &Transaction, claim: &Claim) -> Result<(), StoreError> {
    let locked = work::Entity::update_many()
        .col_expr(work::Column::LeaseOwner, Expr::value(claim.owner.as_str()))
        .filter(work::Column::ClusterUuid.eq(claim.cluster.to_string()))
        .filter(work::Column::LeaseOwner.eq(claim.owner.as_str()))
        .filter(work::Column::Fence.eq(claim.fence))
        .exec(tx)
        .await?;
    if locked.rows_affected == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

/// Last change of each key.
fn folded(changes: &[LedgerChange]) -> BTreeMap<&Key, Option<&Entry>> {
    changes
        .iter()
        .map(|change| match change {
            LedgerChange::Put(entry) => (&entry.key, Some(entry)),
            LedgerChange::Remove(key) => (key, None),
        })
        .collect()
}
