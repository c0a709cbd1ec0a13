//! Table `quotas`.

use sea_orm::entity::prelude::*;

use super::utc;
use crate::QuotaRow;

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

impl From<Model> for QuotaRow {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            project_id: row.project_id.into(),
            resource: row.resource,
            hard_limit: row.hard_limit,
            created_at: utc(row.created_at),
            updated_at: row.updated_at.map(|time| time.and_utc()),
        }
    }
}
