//! Ends of the work on a wish. An outcome of a wish that is no longer the present one is refused.

use sea_orm::{ActiveValue, ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter};

use super::progress::write_addresses;
use super::{Claim, Engine, Settlement, fence, held};
use crate::StoreError;
use crate::row::work::{self, NEVER};
use crate::row::{cluster, fitting, ledger, moment_of, nodegroup, sealed};

impl Engine<'_> {
    /// Writes how the work ended and gives the lease back; the work is not due again until something is asked.
    /// [`StoreError::Stale`] when that has happened already: nothing is written then and the lease stays.
    pub async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = settle(&tx, claim, settlement).await;
        tx.finish(result).await
    }

    /// Ends a deletion: removes every row of the cluster. [`StoreError::Conflict`] while the ledger holds
    /// anything, [`StoreError::Stale`] when the generation is not the present one.
    pub async fn forget(&self, claim: &Claim, generation: i64) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = forget(&tx, claim, generation).await;
        tx.finish(result).await
    }
}

/// Holds the work row if the claim is held and the generation is the present one.
async fn fence_generation(
    tx: &DatabaseTransaction,
    claim: &Claim,
    generation: i64,
) -> Result<(), StoreError> {
    fence(tx, claim).await?;
    if held(tx, claim).await?.generation == generation {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

async fn settle(tx: &DatabaseTransaction, claim: &Claim, settlement: &Settlement) -> Result<(), StoreError> {
    fence_generation(tx, claim, settlement.generation).await?;
    let uuid = claim.cluster.to_string();
    let settled = work::ActiveModel {
        settled_generation: ActiveValue::Set(settlement.generation),
        next_check_ms: ActiveValue::Set(NEVER),
        lease_owner: ActiveValue::Set(None),
        lease_until_ms: ActiveValue::Set(0),
        engine_ms: ActiveValue::Set(settlement.engine_ms),
        ..Default::default()
    };
    work::Entity::update_many()
        .set(settled)
        .filter(work::Column::ClusterUuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;

    let given = |text: &Option<String>| match text {
        Some(text) => ActiveValue::Set(Some(fitting(text))),
        None => ActiveValue::NotSet,
    };
    let change = cluster::ActiveModel {
        status: ActiveValue::Set(settlement.status.to_string()),
        status_reason: ActiveValue::Set(settlement.status_reason.clone()),
        api_address: given(&settlement.api_address),
        coe_version: given(&settlement.coe_version),
        container_version: given(&settlement.container_version),
        updated_at: ActiveValue::Set(moment_of(settlement.now)),
        ..Default::default()
    };
    cluster::Entity::update_many()
        .set(change)
        .filter(cluster::Column::Uuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    for (group, status, reason) in &settlement.group_status {
        let change = nodegroup::ActiveModel {
            status: ActiveValue::Set(status.to_string()),
            status_reason: ActiveValue::Set(reason.clone()),
            updated_at: ActiveValue::Set(moment_of(settlement.now)),
            ..Default::default()
        };
        nodegroup::Entity::update_many()
            .set(change)
            .filter(nodegroup::Column::ClusterId.eq(uuid.as_str()))
            .filter(nodegroup::Column::Uuid.eq(group.to_string()))
            .exec(tx)
            .await?;
    }
    let gone: Vec<String> = settlement.gone_groups.iter().map(ToString::to_string).collect();
    if !gone.is_empty() {
        nodegroup::Entity::delete_many()
            .filter(nodegroup::Column::ClusterId.eq(uuid.as_str()))
            .filter(nodegroup::Column::Uuid.is_in(gone))
            .exec(tx)
            .await?;
    }
    write_addresses(tx, claim.cluster, &settlement.node_addresses).await
}

async fn forget(tx: &DatabaseTransaction, claim: &Claim, generation: i64) -> Result<(), StoreError> {
    fence_generation(tx, claim, generation).await?;
    let uuid = claim.cluster.to_string();
    let left = ledger::Entity::find()
        .filter(ledger::Column::ClusterUuid.eq(uuid.as_str()))
        .count(tx)
        .await?;
    if left > 0 {
        return Err(StoreError::Conflict(format!(
            "the ledger still holds {left} resources"
        )));
    }
    crate::node_tokens::forget(tx, &uuid).await?;
    sealed::Entity::delete_many()
        .filter(sealed::Column::ClusterUuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    nodegroup::Entity::delete_many()
        .filter(nodegroup::Column::ClusterId.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    cluster::Entity::delete_many()
        .filter(cluster::Column::Uuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    work::Entity::delete_many()
        .filter(work::Column::ClusterUuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    Ok(())
}
