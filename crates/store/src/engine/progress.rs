//! What the engine writes while it works: the ledger, and what users may already see.

use jeroboam_types::{ClusterId, NodeGroupId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, Iterable, PrimaryKeyToColumn, QueryFilter};

use super::{Claim, ClusterProgress, Engine, LedgerChange, fence, folded, held};
use crate::StoreError;
use crate::row::{cluster, fitting, json, ledger, nodegroup};
use crate::unbroken::Transaction;

/// Rows in one statement.
const BATCH: usize = 200;

impl Engine<'_> {
    /// Writes changes of the ledger, all or none, and answers the present generation: a higher one than that of
    /// the loaded work means that something else is asked by now. The last change of a key counts.
    pub async fn write(&self, claim: &Claim, changes: &[LedgerChange]) -> Result<i64, StoreError> {
        let tx = self.0.begin().await?;
        let result = write(&tx, claim, changes).await;
        tx.finish(result).await
    }

    /// Writes what users may see of a cluster that is being worked on.
    pub async fn progress(&self, claim: &Claim, progress: ClusterProgress) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            fence(&tx, claim).await?;
            if let Some(address) = &progress.api_address {
                let change = cluster::ActiveModel {
                    api_address: ActiveValue::Set(Some(fitting(address))),
                    ..Default::default()
                };
                cluster::Entity::update_many()
                    .set(change)
                    .filter(cluster::Column::Uuid.eq(claim.cluster.to_string()))
                    .exec(&*tx)
                    .await?;
            }
            write_addresses(&tx, claim.cluster, &progress.groups).await
        }
        .await;
        tx.finish(result).await
    }
}

async fn write(tx: &Transaction, claim: &Claim, changes: &[LedgerChange]) -> Result<i64, StoreError> {
    fence(tx, claim).await?;
    let changes = folded(changes);
    let removed: Vec<&str> = changes
        .iter()
        .filter(|(_, entry)| entry.is_none())
        .map(|(key, _)| key.as_str())
        .collect();
    for keys in removed.chunks(BATCH) {
        ledger::Entity::delete_many()
            .filter(ledger::Column::ClusterUuid.eq(claim.cluster.to_string()))
            .filter(ledger::Column::ResourceKey.is_in(keys.iter().copied()))
            .exec(tx)
            .await?;
    }
    let rows = changes
        .into_values()
        .flatten()
        .map(|entry| ledger::new(claim.cluster, entry));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    for rows in rows.chunks(BATCH) {
        let identity = ledger::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
        let rest = ledger::Column::iter()
            .filter(|column| !matches!(column, ledger::Column::ClusterUuid | ledger::Column::ResourceKey));
        ledger::Entity::insert_many(rows.to_vec())
            .on_conflict(OnConflict::columns(identity).update_columns(rest).to_owned())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(held(tx, claim).await?.generation)
}

/// Writes the addresses of the nodes of some groups.
pub(super) async fn write_addresses(
    tx: &Transaction,
    cluster: ClusterId,
    groups: &[(NodeGroupId, Vec<String>)],
) -> Result<(), StoreError> {
    for (group, addresses) in groups {
        let change = nodegroup::ActiveModel {
            node_addresses: ActiveValue::Set(Some(json(addresses)?)),
            ..Default::default()
        };
        nodegroup::Entity::update_many()
            .set(change)
            .filter(nodegroup::Column::ClusterId.eq(cluster.to_string()))
            .filter(nodegroup::Column::Uuid.eq(group.to_string()))
            .exec(tx)
            .await?;
    }
    Ok(())
}
