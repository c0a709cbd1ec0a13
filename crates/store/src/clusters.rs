//! Clusters and node groups, as callers of the API see and ask for them. What is asked is written together with
//! the engine's work order, in one transaction.

mod change;
mod create;
mod delete;
mod summary;

use std::collections::BTreeMap;

use jeroboam_plan::{Entry, Ledger};
use jeroboam_types::{Cluster, ClusterId, Labels, NodeGroup, Status};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Iterable, JoinType, PaginatorTrait, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, QueryTrait, RelationTrait, Select,
};
use uuid::Uuid;

pub(crate) use change::with_health;
pub use change::{ChangeError, ClusterChange, Seen, Standing, Terms};
pub use create::{CreateError, NewCluster};
pub use summary::ClusterSummary;

use crate::page::paged;
use crate::row::columns::Columns;
use crate::row::{cluster, from_json, ledger, nodegroup, template, work};
use crate::scope::stored;
use crate::{Filter, Ident, Page, Scope, Store, StoreError};

/// Questions and changes about clusters and their node groups.
#[derive(Clone, Copy)]
pub struct Clusters<'a>(pub(crate) &'a Store);

/// A cluster with what an answer about it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterRow {
    /// The cluster.
    pub cluster: Cluster,
    /// Its node groups in order of creation.
    pub groups: Vec<NodeGroup>,
    /// Labels of its template as they are now, whoever may see it; empty when the template is gone.
    pub template_labels: Labels,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Clusters in any status.
    pub clusters: u64,
    /// Their nodes, masters too.
    pub nodes: u64,
}

impl Clusters<'_> {
    /// A cluster that the caller may see. [`StoreError::Ambiguous`] when several have the name.
    pub async fn find(&self, scope: &Scope, ident: &Ident) -> Result<ClusterRow, StoreError> {
        let name = match ident {
            Ident::Uuid(uuid) => return self.find_by_uuid(scope, *uuid).await,
            Ident::Name(name) => name.as_str(),
        };
        let query = visible(scope).filter(cluster::Column::Name.eq(name));
        let query = query.order_by_asc(cluster::Column::Id).limit(2);
        let mut found = self.with_parts(query).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(StoreError::NotFound),
            (Some(row), true) => Ok(row),
            (Some(_), false) => Err(StoreError::Ambiguous),
        }
    }

    /// One statement: nobody waits for one answer after the other, and all of it is of the same moment. The groups
    /// are put in order here, since MariaDB would make a temporary table for it, three times the cost of the rest.
    async fn find_by_uuid(&self, scope: &Scope, uuid: Uuid) -> Result<ClusterRow, StoreError> {
        let query = visible(scope)
            .filter(cluster::Column::Uuid.eq(stored(uuid)))
            .join(JoinType::LeftJoin, cluster::Relation::NodeGroup.def());
        let query = with_templates(query).columns(nodegroup::Column::iter());
        let rows = self.0.db.query_all(query.as_query()).await?;
        let mut cluster = without_groups(rows.first().ok_or(StoreError::NotFound)?)?;
        for row in &rows {
            cluster.groups.extend(joined_group(row)?);
        }
        cluster.groups.sort_unstable_by_key(|group| group.id);
        Ok(cluster)
    }

    /// Clusters that the caller may see: two queries, and one for the marker, however many there are.
    pub async fn list(&self, scope: &Scope, page: &Page) -> Result<Vec<ClusterRow>, StoreError> {
        self.list_some(scope, &Filter::default(), page).await
    }

    /// Those of them that a filter leaves.
    pub async fn list_some(
        &self,
        scope: &Scope,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<ClusterRow>, StoreError> {
        let query = self.page(scope, filter, page).await?;
        self.with_parts(query).await
    }

    /// The same clusters with only what the short list tells, at a fraction of the cost: two queries, and one for
    /// the marker.
    pub async fn summaries(
        &self,
        scope: &Scope,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<ClusterSummary>, StoreError> {
        summary::load(self.0, self.page(scope, filter, page).await?).await
    }

    async fn page(
        &self,
        scope: &Scope,
        filter: &Filter,
        page: &Page,
    ) -> Result<Select<cluster::Entity>, StoreError> {
        let mut query = visible(scope);
        if let Some(name) = &filter.name {
            query = query.filter(cluster::Column::Name.eq(name.as_str()));
        }
        if let Some(status) = filter.status {
            query = query.filter(cluster::Column::Status.eq(status.as_str()));
        }
        if let Some(project_id) = &filter.project_id {
            query = query.filter(cluster::Column::ProjectId.eq(project_id.as_str()));
        }
        let columns = [cluster::Column::Id, cluster::Column::Uuid];
        paged(&self.0.db, visible(scope), query, columns, page).await
    }

    /// Node groups of a cluster, of one role or of all.
    pub async fn nodegroups(
        &self,
        cluster: ClusterId,
        page: &Page,
        role: Option<&str>,
    ) -> Result<Vec<NodeGroup>, StoreError> {
        let mut query = groups_of(cluster);
        if let Some(role) = role {
            query = query.filter(nodegroup::Column::Role.eq(role));
        }
        let columns = [nodegroup::Column::Id, nodegroup::Column::Uuid];
        let query = paged(&self.0.db, groups_of(cluster), query, columns, page).await?;
        all_groups(&self.0.db, &query).await
    }

    /// A node group of a cluster. A name of digits is a row id, as in Magnum.
    pub async fn find_nodegroup(&self, cluster: ClusterId, ident: &Ident) -> Result<NodeGroup, StoreError> {
        let query = match ident {
            Ident::Uuid(uuid) => groups_of(cluster).filter(nodegroup::Column::Uuid.eq(stored(*uuid))),
            Ident::Name(name) => match row_id(name) {
                Some(id) => groups_of(cluster).filter(nodegroup::Column::Id.eq(id)),
                None => groups_of(cluster).filter(nodegroup::Column::Name.eq(name.as_str())),
            },
        };
        let found = all_groups(&self.0.db, &query).await?.pop();
        found.ok_or(StoreError::NotFound)
    }

    /// Clusters and nodes within the scope.
    pub async fn stats(&self, scope: &Scope) -> Result<Stats, StoreError> {
        let clusters = visible(scope).count(&self.0.db).await?;
        let mut nodes = nodegroup::Entity::find()
            .select_only()
            .column(nodegroup::Column::NodeCount)
            .column_as(nodegroup::Column::Id.count(), "groups")
            .group_by(nodegroup::Column::NodeCount);
        if *scope != Scope::All {
            let own = visible(scope)
                .select_only()
                .column(cluster::Column::Uuid)
                .into_query();
            nodes = nodes.filter(nodegroup::Column::ClusterId.in_subquery(own));
        }
        // The type of a sum differs between the databases; that of a count does not.
        let nodes: Vec<(Option<i32>, i64)> = nodes.into_tuple().all(&self.0.db).await?;
        let nodes = nodes
            .into_iter()
            .map(|(nodes, groups)| {
                i64::from(nodes.unwrap_or(nodegroup::NODES_OF_NULL)).saturating_mul(groups)
            })
            .sum::<i64>();
        Ok(Stats {
            clusters,
            nodes: u64::try_from(nodes).unwrap_or(0),
        })
    }

    /// Numbers of all clusters by status.
    pub async fn by_status(&self) -> Result<Vec<(Status, u64)>, StoreError> {
        let counted = cluster::Entity::find()
            .select_only()
            .column(cluster::Column::Status)
            .column_as(cluster::Column::Uuid.count(), "number")
            .group_by(cluster::Column::Status)
            .into_tuple::<(String, i64)>()
            .all(&self.0.db)
            .await?;
        let known = |(text, number): (String, i64)| {
            let status = Status::ALL.iter().find(|status| status.as_str() == text)?;
            Some((*status, u64::try_from(number).unwrap_or_default()))
        };
        Ok(counted.into_iter().filter_map(known).collect())
    }

    /// What was made of a cluster so far.
    pub async fn ledger(&self, cluster: ClusterId) -> Result<Ledger, StoreError> {
        load_ledger(&self.0.db, cluster).await
    }

    /// Milliseconds that the engine spent on the present wish so far.
    pub async fn engine_ms(&self, cluster: ClusterId) -> Result<i64, StoreError> {
        let row = work::Entity::find_by_id(cluster.to_string())
            .one(&self.0.db)
            .await?;
        Ok(row.ok_or(StoreError::NotFound)?.engine_ms)
    }

    async fn with_parts(&self, query: Select<cluster::Entity>) -> Result<Vec<ClusterRow>, StoreError> {
        with_parts(&self.0.db, query).await
    }
}

/// Reads a row of [`with_templates`]; the node groups are to come.
fn without_groups(row: &QueryResult) -> Result<ClusterRow, StoreError> {
    let mut columns = Columns::of(row);
    let cluster = cluster::Model::read(&mut columns)?.try_into()?;
    let template_labels: Option<String> = columns.take()?;
    Ok(ClusterRow {
        cluster,
        groups: Vec::new(),
        template_labels: from_json("labels", template_labels.as_deref())?,
    })
}

/// The node group behind the columns of [`with_templates`]; `None` when the cluster has none.
fn joined_group(row: &QueryResult) -> Result<Option<NodeGroup>, StoreError> {
    let mut columns = Columns::of(row).skip(cluster::Column::iter().len() + 1);
    match columns.peek::<Option<i32>>()? {
        None => Ok(None),
        Some(_) => Ok(Some(nodegroup::Model::read(&mut columns)?.try_into()?)),
    }
}

/// A query for clusters with the labels of their templates.
fn with_templates(query: Select<cluster::Entity>) -> Select<cluster::Entity> {
    query
        .left_join(template::Entity)
        .column_as(template::Column::Labels, "template_labels")
}

/// Runs a query for clusters: one query with the templates' labels, one for the groups of all.
async fn with_parts(
    db: &impl ConnectionTrait,
    query: Select<cluster::Entity>,
) -> Result<Vec<ClusterRow>, StoreError> {
    let rows = db.query_all(with_templates(query).as_query()).await?;
    let mut clusters: Vec<_> = rows.iter().map(without_groups).collect::<Result<_, _>>()?;
    if clusters.is_empty() {
        return Ok(clusters);
    }
    let uuids = clusters.iter().map(|row| row.cluster.uuid.to_string());
    let query = nodegroup::Entity::find()
        .filter(nodegroup::Column::ClusterId.is_in(uuids))
        .order_by_asc(nodegroup::Column::Id);
    let mut groups: BTreeMap<ClusterId, Vec<NodeGroup>> = BTreeMap::new();
    for group in all_groups(db, &query).await? {
        groups.entry(group.cluster_id).or_default().push(group);
    }
    for row in &mut clusters {
        row.groups = groups.remove(&row.cluster.uuid).unwrap_or_default();
    }
    Ok(clusters)
}

/// Refuses when a cluster is not what the caller has seen any more.
pub(crate) async fn refuse_changed(db: &impl ConnectionTrait, seen: &ClusterRow) -> Result<(), StoreError> {
    let uuid = seen.cluster.uuid.to_string();
    let query = cluster::Entity::find().filter(cluster::Column::Uuid.eq(uuid));
    match with_parts(db, query).await?.first() {
        None => Err(StoreError::NotFound),
        Some(present) if present == seen => Ok(()),
        Some(_) => Err(StoreError::Stale),
    }
}

/// A name of digits only.
fn row_id(name: &str) -> Option<i32> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        name.parse().ok()
    } else {
        None
    }
}

/// Clusters of the scope.
fn visible(scope: &Scope) -> Select<cluster::Entity> {
    let query = cluster::Entity::find();
    match scope {
        Scope::All => query,
        Scope::Project { project_id } => query.filter(cluster::Column::ProjectId.eq(project_id.as_str())),
        Scope::User { user_id } => query.filter(cluster::Column::UserId.eq(user_id.as_str())),
    }
}

fn groups_of(cluster: ClusterId) -> Select<nodegroup::Entity> {
    nodegroup::Entity::find().filter(nodegroup::Column::ClusterId.eq(cluster.to_string()))
}

/// Node groups of a cluster in order of creation.
pub(crate) async fn load_groups(
    db: &impl ConnectionTrait,
    cluster: ClusterId,
) -> Result<Vec<NodeGroup>, StoreError> {
    all_groups(db, &groups_of(cluster).order_by_asc(nodegroup::Column::Id)).await
}

/// The node groups of a query.
async fn all_groups(
    db: &impl ConnectionTrait,
    query: &Select<nodegroup::Entity>,
) -> Result<Vec<NodeGroup>, StoreError> {
    let rows = db.query_all(query.as_query()).await?;
    rows.iter()
        .map(|row| nodegroup::Model::read(&mut Columns::of(row))?.try_into())
        .collect()
}

/// The whole ledger of a cluster.
pub(crate) async fn load_ledger(db: &impl ConnectionTrait, cluster: ClusterId) -> Result<Ledger, StoreError> {
    let query = ledger::Entity::find().filter(ledger::Column::ClusterUuid.eq(cluster.to_string()));
    let entries = query.all(db).await?.into_iter().map(Entry::try_from);
    entries
        .map(|entry| entry.map(|entry| (entry.key.clone(), entry)))
        .collect()
}
