//! How old what clusters are known by is, for those who watch that nothing ends unseen.

use jeroboam_types::{Coe, Millis};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::Engine;
use crate::StoreError;
use crate::row::ledger::{self, Column};
use crate::row::{cluster, template};

/// When the oldest of something was made; `None` when there is nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oldest {
    /// Certificate authorities of a cluster.
    pub authorities: Option<Millis>,
    /// A master of Kubernetes, and with it the certificates that kubeadm made on it.
    pub masters: Option<Millis>,
}

impl Engine<'_> {
    /// What was made longest ago.
    pub async fn oldest(&self) -> Result<Oldest, StoreError> {
        let oldest = |prefix: &str| {
            ledger::Entity::find()
                .select_only()
                .column_as(Column::FinishedMs.min(), "oldest")
                .filter(Column::ResourceKey.starts_with(prefix))
        };
        let of_kubernetes = Query::select()
            .column((cluster::Entity, cluster::Column::Uuid))
            .from(cluster::Entity)
            .inner_join(
                template::Entity,
                Expr::col((cluster::Entity, cluster::Column::ClusterTemplateId))
                    .equals((template::Entity, template::Column::Uuid)),
            )
            .and_where(Expr::col((template::Entity, template::Column::Coe)).eq(Coe::Kubernetes.as_str()))
            .to_owned();
        let masters = oldest("server:master-").filter(Column::ClusterUuid.in_subquery(of_kubernetes));
        let db = &self.0.db;
        let authorities = oldest("certificates:")
            .into_tuple::<Option<i64>>()
            .one(db)
            .await?;
        let masters = masters.into_tuple::<Option<i64>>().one(db).await?;
        Ok(Oldest {
            authorities: authorities.flatten().map(Millis),
            masters: masters.flatten().map(Millis),
        })
    }
}
