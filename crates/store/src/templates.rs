//! Cluster templates, and who sees which.

use jeroboam_types::{ClusterTemplate, TemplateId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};

use crate::page::paged;
use crate::row::columns::Columns;
use crate::row::{cluster, template};
use crate::scope::stored;
use crate::{Answer, Filter, Ident, Page, Scope, Store, StoreError, answers};

/// What becomes of a change when clusters are made from the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InUse {
    /// It is made.
    Change,
    /// It is refused.
    Refuse,
}

/// Questions and changes about cluster templates.
#[derive(Clone, Copy)]
pub struct Templates<'a>(pub(crate) &'a Store);

impl Templates<'_> {
    /// Adds a template.
    pub async fn insert(&self, template: &ClusterTemplate) -> Result<(), StoreError> {
        self.insert_once(template, None).await
    }

    /// The same, together with the answer that is kept for it.
    pub async fn insert_once(
        &self,
        template: &ClusterTemplate,
        answer: Option<&Answer>,
    ) -> Result<(), StoreError> {
        let insert = template::Entity::insert(template::new(template)?);
        let Some(answer) = answer else {
            // A statement alone is a transaction by itself; beginning one would be three round trips more.
            let _turn = self.0.turn().await;
            insert.exec_without_returning(&self.0.db).await?;
            return Ok(());
        };
        let tx = self.0.begin().await?;
        let result = async {
            answers::keep(&tx, answer).await?;
            insert.exec_without_returning(&*tx).await?;
            Ok(())
        }
        .await;
        tx.finish(result).await
    }

    /// A template that the caller may see. [`StoreError::Ambiguous`] when several have the name.
    pub async fn find(&self, scope: &Scope, ident: &Ident) -> Result<ClusterTemplate, StoreError> {
        let query = match ident {
            Ident::Uuid(uuid) => visible(scope).filter(template::Column::Uuid.eq(stored(*uuid))),
            Ident::Name(name) => visible(scope).filter(template::Column::Name.eq(name.as_str())),
        };
        let query = query.order_by_asc(template::Column::Id).limit(2);
        let mut found = all(&self.0.db, &query).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(StoreError::NotFound),
            (Some(template), true) => Ok(template),
            (Some(_), false) => Err(StoreError::Ambiguous),
        }
    }

    /// A template that the caller may see by its row id, which cluster create accepts.
    pub async fn find_row(&self, scope: &Scope, id: i64) -> Result<ClusterTemplate, StoreError> {
        one(&self.0.db, &visible(scope).filter(template::Column::Id.eq(id))).await
    }

    /// Templates that the caller may see.
    pub async fn list(&self, scope: &Scope, page: &Page) -> Result<Vec<ClusterTemplate>, StoreError> {
        self.list_some(scope, &Filter::default(), page).await
    }

    /// Those of them that a filter leaves; templates have no status.
    pub async fn list_some(
        &self,
        scope: &Scope,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<ClusterTemplate>, StoreError> {
        let mut query = visible(scope);
        if let Some(name) = &filter.name {
            query = query.filter(template::Column::Name.eq(name.as_str()));
        }
        if let Some(project_id) = &filter.project_id {
            query = query.filter(template::Column::ProjectId.eq(project_id.as_str()));
        }
        let columns = [template::Column::Id, template::Column::Uuid];
        let query = paged(&self.0.db, visible(scope), query, columns, page).await?;
        all(&self.0.db, &query).await
    }

    /// A template, whoever may see it: what a cluster was made from.
    pub async fn load(&self, id: TemplateId) -> Result<ClusterTemplate, StoreError> {
        one(&self.0.db, &with_uuid(id)).await
    }

    /// Writes everything of `after` but identity, owner and time of creation. [`StoreError::Stale`] when the
    /// template is not `before` any more, [`StoreError::Conflict`] when `in_use` refuses it: no cluster can be made
    /// from a template while it changes.
    pub async fn update(
        &self,
        before: &ClusterTemplate,
        after: &ClusterTemplate,
        in_use: InUse,
    ) -> Result<(), StoreError> {
        let row = template::changed(after)?;
        let id = before.uuid;
        let tx = self.0.begin().await?;
        let result = async {
            if !lock(&*tx, id).await? {
                return Err(StoreError::NotFound);
            }
            if in_use == InUse::Refuse {
                refuse_referenced(&*tx, id).await?;
            }
            refuse_changed(&*tx, before).await?;
            template::Entity::update_many()
                .set(row)
                .filter(template::Column::Uuid.eq(id.to_string()))
                .exec(&*tx)
                .await?;
            Ok(())
        }
        .await;
        tx.finish(result).await
    }

    /// Removes a template. [`StoreError::Conflict`] while a cluster is made from it.
    pub async fn delete(&self, id: TemplateId) -> Result<(), StoreError> {
        self.delete_matching(id, None).await
    }

    /// Removes a template if it still is what the caller has seen, else [`StoreError::Stale`].
    pub async fn delete_unchanged(&self, seen: &ClusterTemplate) -> Result<(), StoreError> {
        self.delete_matching(seen.uuid, Some(seen)).await
    }

    async fn delete_matching(
        &self,
        id: TemplateId,
        seen: Option<&ClusterTemplate>,
    ) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            if !lock(&*tx, id).await? {
                return Err(StoreError::NotFound);
            }
            if let Some(seen) = seen {
                refuse_changed(&*tx, seen).await?;
            }
            refuse_referenced(&*tx, id).await?;
            template::Entity::delete_many()
                .filter(template::Column::Uuid.eq(id.to_string()))
                .exec(&*tx)
                .await?;
            Ok(())
        }
        .await;
        tx.finish(result).await
    }

    /// True while a cluster is made from the template.
    pub async fn is_referenced(&self, id: TemplateId) -> Result<bool, StoreError> {
        Ok(references(&self.0.db, id).await? > 0)
    }
}

/// Holds a template's row until the transaction ends, so that it is neither removed nor changed while a cluster is
/// being made from it. False when there is none.
pub(crate) async fn lock(tx: &impl ConnectionTrait, id: TemplateId) -> Result<bool, StoreError> {
    let locked = template::Entity::update_many()
        .col_expr(template::Column::Uuid, Expr::value(id.to_string()))
        .filter(template::Column::Uuid.eq(id.to_string()))
        .exec(tx)
        .await?;
    Ok(locked.rows_affected == 1)
}

async fn refuse_referenced(tx: &impl ConnectionTrait, id: TemplateId) -> Result<(), StoreError> {
    match references(tx, id).await? {
        0 => Ok(()),
        clusters => Err(StoreError::Conflict(format!(
            "{clusters} clusters are made from the template"
        ))),
    }
}

/// [`StoreError::Stale`] when a template is not what was seen of it any more.
pub(crate) async fn refuse_changed(
    tx: &impl ConnectionTrait,
    seen: &ClusterTemplate,
) -> Result<(), StoreError> {
    match one(tx, &with_uuid(seen.uuid)).await? == *seen {
        true => Ok(()),
        false => Err(StoreError::Stale),
    }
}

async fn references(db: &impl ConnectionTrait, id: TemplateId) -> Result<u64, StoreError> {
    let query = cluster::Entity::find().filter(cluster::Column::ClusterTemplateId.eq(id.to_string()));
    Ok(query.count(db).await?)
}

fn with_uuid(id: TemplateId) -> Select<template::Entity> {
    template::Entity::find().filter(template::Column::Uuid.eq(id.to_string()))
}

/// The templates of a query.
async fn all(
    db: &impl ConnectionTrait,
    query: &Select<template::Entity>,
) -> Result<Vec<ClusterTemplate>, StoreError> {
    let rows = db.query_all(query.as_query()).await?;
    rows.iter()
        .map(|row| template::Model::read(&mut Columns::of(row))?.try_into())
        .collect()
}

/// The only one of a query.
async fn one(
    db: &impl ConnectionTrait,
    query: &Select<template::Entity>,
) -> Result<ClusterTemplate, StoreError> {
    all(db, query).await?.pop().ok_or(StoreError::NotFound)
}

/// The caller's own, and what is public and not hidden; for an administrator all.
fn visible(scope: &Scope) -> Select<template::Entity> {
    let own = match scope {
        Scope::All => return template::Entity::find(),
        Scope::Project { project_id } => template::Column::ProjectId.eq(project_id.as_str()),
        Scope::User { user_id } => template::Column::UserId.eq(user_id.as_str()),
    };
    let offered = Condition::all()
        .add(template::Column::Public.eq(true))
        .add(template::Column::Hidden.eq(false));
    template::Entity::find().filter(Condition::any().add(own).add(offered))
}
