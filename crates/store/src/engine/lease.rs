//! Leases: at most one worker is at a cluster, and a worker that died is replaced when its lease runs out.
//!
//! A row is due when nobody holds it and its time has come, or when its holder let the lease run out. While it is
//! held its time is "never", so that a wake-up by the API is seen when the holder gives it back.

use jeroboam_types::{ClusterId, Millis};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Claim, Engine, fence, held};
use crate::row::parsed;
use crate::row::work::{self, Column, NEVER, goal_text};
use crate::{GoalKind, StoreError};

/// How much work there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Clusters whose work is due and that nobody works on.
    pub due: u64,
    /// Clusters that somebody works on.
    pub held: u64,
    /// Since when the oldest due one has waited.
    pub oldest_due: Option<Millis>,
}

/// Rows in one `IN (...)`.
const BATCH: usize = 500;

impl Engine<'_> {
    /// Takes up to `limit` works that are due, those that waited longest first.
    pub async fn claim_due(
        &self,
        owner: &str,
        now: Millis,
        lease_until: Millis,
        limit: u64,
    ) -> Result<Vec<Claim>, StoreError> {
        // Looked for outside the transaction: an idle engine must not queue up with the writers.
        let mut due = Vec::new();
        // What a dead process has left behind comes first: it has waited longest.
        for condition in [has_run_out(now), is_free_and_due(now)] {
            let query = work::Entity::find()
                .select_only()
                .columns([Column::ClusterUuid, Column::Fence])
                .filter(condition)
                .order_by_asc(Column::NextCheckMs)
                .limit(limit.saturating_sub(due.len() as u64));
            due.extend(query.into_tuple::<(String, i64)>().all(&self.0.db).await?);
        }
        if due.is_empty() {
            return Ok(Vec::new());
        }
        // The same order for all who claim, so that no two wait for each other.
        due.sort();
        let tx = self.0.begin().await?;
        let result = async {
            let mut claims = Vec::new();
            for (uuid, fence) in due {
                let lease = work::ActiveModel {
                    lease_owner: ActiveValue::Set(Some(owner.to_owned())),
                    lease_until_ms: ActiveValue::Set(lease_until.0),
                    fence: ActiveValue::Set(fence + 1),
                    next_check_ms: ActiveValue::Set(NEVER),
                    ..Default::default()
                };
                let taken = work::Entity::update_many()
                    .set(lease)
                    .filter(Column::ClusterUuid.eq(uuid.as_str()))
                    .filter(Column::Fence.eq(fence))
                    .filter(Condition::any().add(is_free_and_due(now)).add(has_run_out(now)))
                    .exec(&*tx)
                    .await?;
                if taken.rows_affected == 1 {
                    let cluster = parsed("cluster_uuid", &uuid)?;
                    claims.push(Claim {
                        cluster,
                        owner: owner.to_owned(),
                        fence: fence + 1,
                    });
                }
            }
            Ok::<_, StoreError>(claims)
        }
        .await;
        tx.finish(result).await
    }

    /// Takes a cluster that stands and of which nothing is asked, for a moment: `None` when somebody is at it, or when
    /// the given generation is not the one that it has settled at. Given back by [`Engine::put_down`].
    pub async fn claim_at_rest(
        &self,
        cluster: ClusterId,
        generation: i64,
        owner: &str,
        lease_until: Millis,
    ) -> Result<Option<Claim>, StoreError> {
        let uuid = cluster.to_string();
        let at_rest = || {
            Condition::all()
                .add(Column::ClusterUuid.eq(uuid.as_str()))
                .add(Column::Goal.eq(goal_text(GoalKind::Present)))
                .add(Column::Generation.eq(generation))
                .add(Column::SettledGeneration.eq(generation))
                .add(Column::NextCheckMs.eq(NEVER))
                .add(Column::LeaseOwner.is_null())
        };
        let query = work::Entity::find().select_only().column(Column::Fence);
        let fence = query.filter(at_rest()).into_tuple::<i64>();
        let Some(fence) = fence.one(&self.0.db).await? else {
            return Ok(None);
        };
        let lease = work::ActiveModel {
            lease_owner: ActiveValue::Set(Some(owner.to_owned())),
            lease_until_ms: ActiveValue::Set(lease_until.0),
            fence: ActiveValue::Set(fence + 1),
            ..Default::default()
        };
        let tx = self.0.begin().await?;
        let taken = work::Entity::update_many()
            .set(lease)
            .filter(at_rest())
            .filter(Column::Fence.eq(fence))
            .exec(&*tx)
            .await;
        let taken = tx.finish(taken.map_err(StoreError::from)).await?;
        Ok((taken.rows_affected == 1).then(|| Claim {
            cluster,
            owner: owner.to_owned(),
            fence: fence + 1,
        }))
    }

    /// Gives back what [`Engine::claim_at_rest`] took. The work is due only if something was asked meanwhile.
    pub async fn put_down(&self, claim: &Claim) -> Result<(), StoreError> {
        self.hand_back(claim, Millis(NEVER)).await
    }

    /// When the next work will be due, `now` at the earliest; `None` when none will be by itself.
    pub async fn next_due(&self, now: Millis) -> Result<Option<Millis>, StoreError> {
        let free = work::Entity::find()
            .select_only()
            .column_as(Column::NextCheckMs.min(), "at")
            .filter(Column::LeaseOwner.is_null())
            .filter(Column::NextCheckMs.lt(NEVER));
        let held = work::Entity::find()
            .select_only()
            .column_as(Column::LeaseUntilMs.min(), "at")
            .filter(Column::LeaseOwner.is_not_null());
        let free = free.into_tuple::<Option<i64>>().one(&self.0.db).await?.flatten();
        // A lease has run out only after its last millisecond.
        let held = held.into_tuple::<Option<i64>>().one(&self.0.db).await?.flatten();
        let next = free
            .into_iter()
            .chain(held.map(|until| until.saturating_add(1)))
            .min();
        Ok(next.map(|at| Millis(at).max(now)))
    }

    /// How much work there is: due and free, held, and since when the oldest due one has waited.
    pub async fn backlog(&self, now: Millis) -> Result<Backlog, StoreError> {
        let due = work::Entity::find()
            .select_only()
            .column_as(Column::ClusterUuid.count(), "number")
            .column_as(Column::NextCheckMs.min(), "oldest")
            .filter(is_free_and_due(now))
            .into_tuple::<(i64, Option<i64>)>()
            .one(&self.0.db)
            .await?;
        let held = work::Entity::find()
            .select_only()
            .column_as(Column::ClusterUuid.count(), "number")
            .filter(Column::LeaseOwner.is_not_null())
            .filter(Column::LeaseUntilMs.gte(now.0))
            .into_tuple::<i64>()
            .one(&self.0.db)
            .await?;
        let (due, oldest) = due.unwrap_or_default();
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Backlog {
            due: count(due),
            held: count(held.unwrap_or_default()),
            oldest_due: oldest.map(Millis),
        })
    }

    /// Lengthens leases, all of one owner, and answers those that are still held.
    pub async fn renew(
        &self,
        owner: &str,
        claims: &[Claim],
        until: Millis,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut kept = Vec::new();
        for batch in claims.chunks(BATCH) {
            let mine = || {
                Condition::all()
                    .add(Column::LeaseOwner.eq(owner))
                    .add(Column::ClusterUuid.is_in(batch.iter().map(|claim| claim.cluster.to_string())))
            };
            let tx = self.0.begin().await?;
            let result = async {
                work::Entity::update_many()
                    .col_expr(Column::LeaseUntilMs, Expr::value(until.0))
                    .filter(mine())
                    .exec(&*tx)
                    .await?;
                let query = work::Entity::find()
                    .select_only()
                    .columns([Column::ClusterUuid, Column::Fence])
                    .filter(mine());
                Ok::<_, StoreError>(query.into_tuple::<(String, i64)>().all(&*tx).await?)
            }
            .await;
            let held = tx.finish(result).await?;
            kept.extend(
                batch
                    .iter()
                    .filter(|claim| {
                        let uuid = claim.cluster.to_string();
                        claim.owner == owner
                            && held
                                .iter()
                                .any(|(held, fence)| *held == uuid && *fence == claim.fence)
                    })
                    .cloned(),
            );
        }
        Ok(kept)
    }

    /// Gives the lease back. The work is due again at `next_check`, or earlier if something was asked
    /// meanwhile. `engine_ms` is the time spent on the wish in all.
    pub async fn release(&self, claim: &Claim, next_check: Millis, engine_ms: i64) -> Result<(), StoreError> {
        self.give_back(claim, next_check, ActiveValue::Set(engine_ms))
            .await
    }

    /// As [`Engine::release`], by a worker that does not know how long it has worked.
    pub async fn hand_back(&self, claim: &Claim, next_check: Millis) -> Result<(), StoreError> {
        self.give_back(claim, next_check, ActiveValue::NotSet).await
    }

    /// Gives back whatever an owner holds, due at once: for a process that starts again under the name that it
    /// had, when nobody else can be using it.
    pub async fn release_all(&self, owner: &str) -> Result<(), StoreError> {
        let given_back = work::ActiveModel {
            lease_owner: ActiveValue::Set(None),
            lease_until_ms: ActiveValue::Set(0),
            next_check_ms: ActiveValue::Set(0),
            ..Default::default()
        };
        let tx = self.0.begin().await?;
        let result = work::Entity::update_many()
            .set(given_back)
            .filter(Column::LeaseOwner.eq(owner))
            .exec(&*tx)
            .await;
        tx.finish(result.map(drop).map_err(StoreError::from)).await
    }

    async fn give_back(
        &self,
        claim: &Claim,
        next_check: Millis,
        engine_ms: ActiveValue<i64>,
    ) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            fence(&tx, claim).await?;
            let row = held(&*tx, claim).await?;
            let given_back = work::ActiveModel {
                lease_owner: ActiveValue::Set(None),
                lease_until_ms: ActiveValue::Set(0),
                next_check_ms: ActiveValue::Set(row.next_check_ms.min(next_check.0)),
                engine_ms,
                ..Default::default()
            };
            work::Entity::update_many()
                .set(given_back)
                .filter(Column::ClusterUuid.eq(claim.cluster.to_string()))
                .exec(&*tx)
                .await?;
            Ok::<_, StoreError>(())
        }
        .await;
        tx.finish(result).await
    }
}

fn is_free_and_due(now: Millis) -> Condition {
    Condition::all()
        .add(Column::LeaseOwner.is_null())
        .add(Column::NextCheckMs.lte(now.0))
}

fn has_run_out(now: Millis) -> Condition {
    Condition::all()
        .add(Column::LeaseOwner.is_not_null())
        .add(Column::LeaseUntilMs.lt(now.0))
}
