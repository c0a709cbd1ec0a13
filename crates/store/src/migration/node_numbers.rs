//! Which nodes a group has, and how often a credential was changed.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "node_numbers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut nodes = ColumnDef::new("nodes");
        match manager.get_database_backend() {
            DbBackend::MySql => nodes.custom("mediumtext"),
            _ => nodes.text(),
        };
        nodes.null();
        let mut credential = ColumnDef::new("credential");
        credential.big_integer().not_null().default(0);
        for (table, name, column) in [("nodegroup", "nodes", nodes), ("work", "credential", credential)] {
            // MySQL commits at every change of the schema: what is half done is found and left alone.
            if !manager.has_column(table, name).await? {
                let change = Table::alter().table(table).add_column(column).to_owned();
                manager.alter_table(change).await?;
            }
        }
        Ok(())
    }
}
