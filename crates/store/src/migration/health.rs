//! When the health of each cluster is looked at next, and what is remembered between two looks.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "health"
    }
}

const INDEX: &str = "ix_health_due_ms";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_mysql = manager.get_database_backend() == DbBackend::MySql;
        let mut memory = ColumnDef::new("memory");
        match is_mysql {
            true => memory.custom("mediumtext"),
            false => memory.text(),
        };
        memory.null();
        let mut table = Table::create();
        table
            .table("health")
            .if_not_exists()
            .col(
                ColumnDef::new("cluster_uuid")
                    .string_len(36)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("due_ms").big_integer().not_null())
            .col(memory);
        if is_mysql {
            table
                .engine("InnoDB")
                .character_set("utf8mb4")
                .collate("utf8mb4_bin");
        }
        manager.create_table(table).await?;
        if !manager.has_index("health", INDEX).await? {
            let index = Index::create()
                .name(INDEX)
                .table("health")
                .col("due_ms")
                .to_owned();
            manager.create_index(index).await?;
        }
        // Clusters of earlier versions; those that come later get their row when they stand.
        let standing = "INSERT INTO health (cluster_uuid, due_ms) SELECT uuid, 0 FROM cluster \
                        WHERE uuid NOT IN (SELECT cluster_uuid FROM health)";
        manager.get_connection().execute_unprepared(standing).await?;
        Ok(())
    }
}
