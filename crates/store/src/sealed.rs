//! Secrets of clusters, sealed by the caller: the store neither can nor may read them.

use std::collections::BTreeSet;
use std::fmt;

use jeroboam_types::ClusterId;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::engine::fence;
use crate::row::parsed;
use crate::row::sealed::{self, Column};
use crate::{Claim, Engine, StoreError};

/// A secret of a cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Name inside the cluster, such as `ca`.
    pub name: String,
    /// What need not be hidden, such as the certificate of a key.
    pub public_part: Option<String>,
    /// The sealed secret, as text.
    pub sealed: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({})", self.name)
    }
}

/// A secret with the cluster that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// The cluster.
    pub cluster: ClusterId,
    /// The secret.
    pub sealed: Sealed,
}

impl Engine<'_> {
    /// Writes a secret, over the one of the same name if there is one.
    pub async fn put_sealed(&self, claim: &Claim, sealed: &Sealed) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            fence(&tx, claim).await?;
            sealed::Entity::insert(sealed::new(claim.cluster, sealed))
                .on_conflict(
                    OnConflict::columns([Column::ClusterUuid, Column::Name])
                        .update_columns([Column::PublicPart, Column::Sealed])
                        .to_owned(),
                )
                .exec_without_returning(&*tx)
                .await?;
            Ok::<_, StoreError>(())
        }
        .await;
        tx.finish(result).await
    }

    /// A secret of a cluster. Needs no claim.
    pub async fn find_sealed(&self, cluster: ClusterId, name: &str) -> Result<Option<Sealed>, StoreError> {
        let row = sealed::Entity::find_by_id((cluster.to_string(), name.to_owned()))
            .one(&self.0.db)
            .await?;
        Ok(row.map(Sealed::from))
    }

    /// All secrets of a cluster by name. Needs no claim.
    pub async fn list_sealed(&self, cluster: ClusterId) -> Result<Vec<Sealed>, StoreError> {
        let query = sealed::Entity::find().filter(Column::ClusterUuid.eq(cluster.to_string()));
        let rows = query.order_by_asc(Column::Name).all(&self.0.db).await?;
        Ok(rows.into_iter().map(Sealed::from).collect())
    }

    /// Removes a secret; that it is not there is no error.
    pub async fn drop_sealed(&self, claim: &Claim, name: &str) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            fence(&tx, claim).await?;
            sealed::Entity::delete_by_id((claim.cluster.to_string(), name.to_owned()))
                .exec(&*tx)
                .await?;
            Ok::<_, StoreError>(())
        }
        .await;
        tx.finish(result).await
    }

    /// Secrets of all clusters, those that come after the named one, for a change of the master key.
    pub async fn sealed_page(
        &self,
        after: Option<(ClusterId, &str)>,
        limit: u64,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let mut query = sealed::Entity::find()
            .order_by_asc(Column::ClusterUuid)
            .order_by_asc(Column::Name)
            .limit(limit);
        if let Some((cluster, name)) = after {
            let same = Condition::all()
                .add(Column::ClusterUuid.eq(cluster.to_string()))
                .add(Column::Name.gt(name));
            let beyond = Column::ClusterUuid.gt(cluster.to_string());
            query = query.filter(Condition::any().add(beyond).add(same));
        }
        let rows = query.all(&self.0.db).await?.into_iter();
        rows.map(|row| {
            Ok(SealedRow {
                cluster: parsed("cluster_uuid", &row.cluster_uuid)?,
                sealed: row.into(),
            })
        })
        .collect()
    }

    /// The different keys that secrets are sealed with, as `key_of` reads them from the sealed texts.
    pub async fn sealing_keys(
        &self,
        key_of: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut keys = BTreeSet::new();
        let mut last: Option<SealedRow> = None;
        loop {
            let after = last.as_ref().map(|row| (row.cluster, row.sealed.name.as_str()));
            let page = self.sealed_page(after, 500).await?;
            keys.extend(page.iter().filter_map(|row| key_of(&row.sealed.sealed)));
            match page.into_iter().next_back() {
                Some(row) => last = Some(row),
                None => return Ok(keys),
            }
        }
    }

    /// Replaces the sealed text if it is still the old one; false when it is not.
    pub async fn replace_sealed(
        &self,
        cluster: ClusterId,
        name: &str,
        old_sealed: &str,
        new_sealed: &str,
    ) -> Result<bool, StoreError> {
        let tx = self.0.begin().await?;
        let result = sealed::Entity::update_many()
            .col_expr(Column::Sealed, Expr::value(new_sealed))
            .filter(Column::ClusterUuid.eq(cluster.to_string()))
            .filter(Column::Name.eq(name))
            .filter(Column::Sealed.eq(old_sealed))
            .exec(&*tx)
            .await;
        tx.finish(
            result
                .map(|done| done.rows_affected == 1)
                .map_err(StoreError::from),
        )
        .await
    }
}
