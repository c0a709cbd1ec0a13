//! Table `magnum_service`.

use sea_orm::entity::prelude::*;

use super::utc;
use crate::ServiceRow;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "magnum_service")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub created_at: Option<ChronoDateTime>,
    pub updated_at: Option<ChronoDateTime>,
    pub host: String,
    pub binary: String,
    pub disabled: Option<bool>,
    pub disabled_reason: Option<String>,
    pub last_seen_up: Option<ChronoDateTime>,
    pub forced_down: Option<bool>,
    pub report_count: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for ServiceRow {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            host: row.host,
            binary: row.binary,
            disabled: row.disabled.unwrap_or(false),
            disabled_reason: row.disabled_reason,
            forced_down: row.forced_down.unwrap_or(false),
            last_seen_up: row.last_seen_up.map(|time| time.and_utc()),
            report_count: row.report_count.into(),
            created_at: utc(row.created_at),
            updated_at: row.updated_at.map(|time| time.and_utc()),
        }
    }
}
