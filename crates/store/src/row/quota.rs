//! Table `quotas`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quotas")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub created_at: Option<ChronoDateTime>,
    pub updated_at: Option<ChronoDateTime>,
    pub project_id: String,
    pub resource: String,
    pub hard_limit: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The only resource that is limited.
pub(crate) const CLUSTER: &str = "Cluster";
