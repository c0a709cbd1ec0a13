//! Ends of the work on a wish. An outcome of a wish that is no longer the present one is refused.

use jeroboam_types::{Millis, NodeGroup};
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::progress::write_addresses;
use super::{Claim, Engine, Settlement, Upgraded, fence, held};
use crate::row::work::{self, NEVER};
use crate::row::{cluster, fitting, json, ledger, moment_of, nodegroup, sealed, template};
use crate::unbroken::Transaction;
use crate::{StoreError, health};

impl Engine<'_> {
    /// Writes how the work ended and gives the lease back; the work is not due again until something is asked.
    /// [`StoreError::Stale`] when that has happened already: nothing is written then and the lease stays.
    pub async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = settle(&tx, claim, settlement).await;
        tx.finish(result).await
    }

    /// Writes the next stage of a rolling replacement: the given groups as they should be now, with a new deadline
    /// for it. It is a newer wish: a change that was worked out from the stage before is refused.
    /// [`StoreError::Stale`] when something else is asked by now: nothing is written then.
    pub async fn advance(
        &self,
        claim: &Claim,
        generation: i64,
        groups: &[NodeGroup],
        deadline: Millis,
    ) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            fence_generation(&tx, claim, generation).await?;
            let longer = work::ActiveModel {
                generation: ActiveValue::Set(generation + 1),
                deadline_ms: ActiveValue::Set(deadline.0),
                ..Default::default()
            };
            work::Entity::update_many()
                .set(longer)
                .filter(work::Column::ClusterUuid.eq(claim.cluster.to_string()))
                .exec(&*tx)
                .await?;
            write_rolls(&tx, claim, groups).await
        }
        .await;
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
async fn fence_generation(tx: &Transaction, claim: &Claim, generation: i64) -> Result<(), StoreError> {
    fence(tx, claim).await?;
    if held(tx, claim).await?.generation == generation {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

async fn settle(tx: &Transaction, claim: &Claim, settlement: &Settlement) -> Result<(), StoreError> {
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
    write_rolls(tx, claim, &settlement.stopped).await?;
    if health::is_watched(settlement.status) {
        health::wake(tx, claim.cluster, settlement.now).await?;
    }
    if let Some(upgraded) = &settlement.upgraded {
        record(tx, claim, upgraded).await?;
    }
    write_addresses(tx, claim.cluster, &settlement.node_addresses).await
}

async fn write_rolls(tx: &Transaction, claim: &Claim, groups: &[NodeGroup]) -> Result<(), StoreError> {
    for group in groups {
        nodegroup::Entity::update_many()
            .set(nodegroup::advance(group)?)
            .filter(nodegroup::Column::ClusterId.eq(claim.cluster.to_string()))
            .filter(nodegroup::Column::Uuid.eq(group.uuid.to_string()))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Records the template that a cluster is of now, if it is still there.
async fn record(tx: &Transaction, claim: &Claim, upgraded: &Upgraded) -> Result<(), StoreError> {
    let (uuid, template) = (claim.cluster.to_string(), upgraded.template.to_string());
    let known = template::Entity::find().filter(template::Column::Uuid.eq(template.as_str()));
    if known.count(tx).await? == 0 {
        return Ok(());
    }
    let change = cluster::ActiveModel {
        cluster_template_id: ActiveValue::Set(template),
        labels: ActiveValue::Set(Some(json(&upgraded.labels)?)),
        flavor_id: ActiveValue::Set(upgraded.flavor_id.clone()),
        master_flavor_id: ActiveValue::Set(upgraded.master_flavor_id.clone()),
        ..Default::default()
    };
    cluster::Entity::update_many()
        .set(change)
        .filter(cluster::Column::Uuid.eq(uuid.as_str()))
        .exec(tx)
        .await?;
    let resolved = work::ActiveModel {
        resolved: ActiveValue::Set(json(&upgraded.resolved)?),
        ..Default::default()
    };
    work::Entity::update_many()
        .set(resolved)
        .filter(work::Column::ClusterUuid.eq(uuid))
        .exec(tx)
        .await?;
    Ok(())
}

async fn forget(tx: &Transaction, claim: &Claim, generation: i64) -> Result<(), StoreError> {
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
    crate::api_calls::forget(tx, &uuid).await?;
    health::forget(tx, &uuid).await?;
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
