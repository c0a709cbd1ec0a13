//! The schema's versions. The list only grows: a version that was released is never changed.

mod answers;
mod api_calls;
mod health;
mod list_indexes;
mod node_numbers;
mod node_tokens;
mod rolls;
mod v1;

use std::collections::BTreeSet;

use sea_orm::{DatabaseConnection, EntityTrait};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager, seaql_migrations};

use crate::StoreError;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(v1::Migration),
            Box::new(list_indexes::Migration),
            Box::new(answers::Migration),
            Box::new(node_numbers::Migration),
            Box::new(node_tokens::Migration),
            Box::new(rolls::Migration),
            Box::new(health::Migration),
            Box::new(api_calls::Migration),
        ]
    }
}

/// Applies what is missing.
pub(crate) async fn up(db: &DatabaseConnection) -> Result<(), StoreError> {
    Ok(Migrator::up(db, None).await?)
}

/// True when something is missing. Only reads.
pub(crate) async fn is_pending(db: &DatabaseConnection) -> Result<bool, StoreError> {
    if !SchemaManager::new(db).has_table("seaql_migrations").await? {
        return Ok(true);
    }
    let applied = seaql_migrations::Entity::find().all(db).await?;
    let applied: BTreeSet<String> = applied.into_iter().map(|row| row.version).collect();
    Ok(Migrator::migrations()
        .iter()
        .any(|migration| !applied.contains(migration.name())))
}
