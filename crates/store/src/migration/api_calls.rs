//! Calls that the control planes of private clusters make for the service.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "api_calls"
    }
}

const INDEX: &str = "ix_api_call_cluster_uuid";

/// Of the size that overflows last: MySQL's TEXT ends at 64 KiB.
fn text(backend: DbBackend, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom("mediumtext"),
        _ => column.text(),
    };
    column
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let mut table = Table::create();
        table
            .table("api_call")
            .if_not_exists()
            .col(ColumnDef::new("id").string_len(36).not_null().primary_key())
            .col(ColumnDef::new("cluster_uuid").string_len(36).not_null())
            .col(ColumnDef::new("asked_ms").big_integer().not_null())
            .col(ColumnDef::new("taken_ms").big_integer().null())
            .col(text(backend, "call").not_null())
            .col(text(backend, "answer").null());
        if backend == DbBackend::MySql {
            table
                .engine("InnoDB")
                .character_set("utf8mb4")
                .collate("utf8mb4_bin");
        }
        manager.create_table(table).await?;
        if manager.has_index("api_call", INDEX).await? {
            return Ok(());
        }
        let index = Index::create()
            .name(INDEX)
            .table("api_call")
            .col("cluster_uuid")
            .to_owned();
        manager.create_index(index).await
    }
}
