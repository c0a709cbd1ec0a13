//! Indexes for look-ups by name within a project, and for the templates that are offered to everybody.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "list_indexes"
    }
}

const INDEXES: &[(&str, &[&str])] = &[
    ("cluster", &["project_id", "name"]),
    ("cluster_template", &["project_id", "name"]),
    ("cluster_template", &["public", "hidden"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in INDEXES {
            let name = format!("ix_{table}_{}", columns.join("_"));
            if manager.has_index(*table, &name).await? {
                continue;
            }
            let mut index = Index::create().name(&name).table(*table).to_owned();
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
