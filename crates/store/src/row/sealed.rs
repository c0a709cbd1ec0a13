//! Table `sealed`: secrets of a cluster, readable only with the master key.

use jeroboam_types::ClusterId;
use sea_orm::IntoActiveModel;
use sea_orm::entity::prelude::*;

use crate::Sealed;

#[derive(Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sealed")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster_uuid: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub public_part: Option<String>,
    pub sealed: String,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sealed row {} of {}", self.name, self.cluster_uuid)
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A row to write.
pub(crate) fn new(cluster: ClusterId, sealed: &Sealed) -> ActiveModel {
    Model {
        cluster_uuid: cluster.to_string(),
        name: sealed.name.clone(),
        public_part: sealed.public_part.clone(),
        sealed: sealed.sealed.clone(),
    }
    .into_active_model()
}

impl From<Model> for Sealed {
    fn from(row: Model) -> Self {
        Self {
            name: row.name,
            public_part: row.public_part,
            sealed: row.sealed,
        }
    }
}
