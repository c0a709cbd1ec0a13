//! Answers of creates that may be asked for again.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "answers"
    }
}

const INDEX: &str = "ix_answer_created_ms";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_mysql = manager.get_database_backend() == DbBackend::MySql;
        let mut body = ColumnDef::new("body");
        if is_mysql {
            body.custom("mediumtext");
        } else {
            body.text();
        }
        let mut table = Table::create();
        table
            .table("answer")
            .if_not_exists()
            .col(ColumnDef::new("digest").string_len(64).not_null().primary_key())
            .col(ColumnDef::new("request").string_len(64).not_null())
            .col(ColumnDef::new("created_ms").big_integer().not_null())
            .col(ColumnDef::new("status").integer().not_null())
            .col(ColumnDef::new("location").string_len(2048).null())
            .col(body.not_null());
        if is_mysql {
            table
                .engine("InnoDB")
                .character_set("utf8mb4")
                .collate("utf8mb4_bin");
        }
        manager.create_table(table).await?;
        if manager.has_index("answer", INDEX).await? {
            return Ok(());
        }
        let index = Index::create()
            .name(INDEX)
            .table("answer")
            .col("created_ms")
            .to_owned();
        manager.create_index(index).await
    }
}
