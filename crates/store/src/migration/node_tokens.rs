//! Tokens that nodes fetch their secrets by.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "node_tokens"
    }
}

const INDEX: &str = "ix_node_token_cluster_uuid";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("node_token")
            .if_not_exists()
            .col(ColumnDef::new("id").string_len(36).not_null().primary_key())
            .col(ColumnDef::new("cluster_uuid").string_len(36).not_null())
            .col(ColumnDef::new("server").string_len(255).not_null())
            .col(ColumnDef::new("digest").string_len(64).not_null())
            .col(ColumnDef::new("expires_ms").big_integer().not_null())
            .col(ColumnDef::new("taken_ms").big_integer().null());
        if manager.get_database_backend() == DbBackend::MySql {
            table
                .engine("InnoDB")
                .character_set("utf8mb4")
                .collate("utf8mb4_bin");
        }
        manager.create_table(table).await?;
        if manager.has_index("node_token", INDEX).await? {
            return Ok(());
        }
        let index = Index::create()
            .name(INDEX)
            .table("node_token")
            .col("cluster_uuid")
            .to_owned();
        manager.create_index(index).await
    }
}
