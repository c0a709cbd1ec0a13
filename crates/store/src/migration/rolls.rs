//! What the nodes of a group are made of while and after they are replaced.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "rolls"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut roll = ColumnDef::new("roll");
        match manager.get_database_backend() {
            DbBackend::MySql => roll.custom("mediumtext"),
            _ => roll.text(),
        };
        roll.null();
        // MySQL commits at every change of the schema: what is half done is found and left alone.
        if !manager.has_column("nodegroup", "roll").await? {
            let change = Table::alter().table("nodegroup").add_column(roll).to_owned();
            manager.alter_table(change).await?;
        }
        Ok(())
    }
}
