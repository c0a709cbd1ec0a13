//! Pages of lists: keyset paging over any column, complete and without repeats, in the same order everywhere.
//!
//! Ties are broken by the row id in the direction of the sort, and nulls sort before everything else, as in
//! MySQL, which Magnum runs on.

use jeroboam_types::{ProjectId, Status};
use sea_orm::sea_query::NullOrdering;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IdenStatic, Iterable, ModelTrait, Order,
    QueryFilter, QueryOrder, QuerySelect, Select, Value,
};
use uuid::Uuid;

use crate::StoreError;
use crate::row::{cluster, nodegroup, quota, template};
use crate::scope::stored;

/// A table whose rows can be listed in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `cluster`
    Clusters,
    /// `cluster_template`
    Templates,
    /// `nodegroup`
    NodeGroups,
    /// `quotas`
    Quotas,
}

/// A column that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey(&'static str);

impl SortKey {
    /// The row id: order of creation.
    pub const ID: Self = Self("id");

    /// A column of the table by its name; `None` for anything else, such as a field that is computed.
    pub fn parse(table: Table, text: &str) -> Option<Self> {
        fn column<E: EntityTrait>(text: &str) -> Option<SortKey> {
            E::Column::iter()
                .map(|column| column.as_str())
                .find(|name| *name == text)
                .map(SortKey)
        }
        match table {
            Table::Clusters => column::<cluster::Entity>(text),
            Table::Templates => column::<template::Entity>(text),
            Table::NodeGroups => column::<nodegroup::Entity>(text),
            Table::Quotas => column::<quota::Entity>(text),
        }
    }

    /// Every column of the table.
    pub fn all(table: Table) -> Vec<Self> {
        fn columns<E: EntityTrait>() -> Vec<SortKey> {
            E::Column::iter().map(|column| SortKey(column.as_str())).collect()
        }
        match table {
            Table::Clusters => columns::<cluster::Entity>(),
            Table::Templates => columns::<template::Entity>(),
            Table::NodeGroups => columns::<nodegroup::Entity>(),
            Table::Quotas => columns::<quota::Entity>(),
        }
    }

    /// Name of the column.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl Default for SortKey {
    fn default() -> Self {
        Self::ID
    }
}

/// A page of a list, whose rows are marked by `M`: their UUID, or their row id where they have no UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<M = Uuid> {
    /// Most rows to answer.
    pub limit: u64,
    /// Last row of the page before; an unknown one is [`StoreError::NotFound`].
    pub marker: Option<M>,
    /// Column to sort by.
    pub sort_key: SortKey,
    /// Direction.
    pub descending: bool,
}

impl<M> Page<M> {
    /// The first rows in order of creation.
    pub fn first(limit: u64) -> Self {
        Self {
            limit,
            marker: None,
            sort_key: SortKey::ID,
            descending: false,
        }
    }
}

/// What a list leaves out besides what its caller may not see. The default leaves out nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only rows of this name.
    pub name: Option<String>,
    /// Only rows in this status, where they have one.
    pub status: Option<Status>,
    /// Only rows of this project.
    pub project_id: Option<ProjectId>,
}

/// What marks a row in a page.
pub(crate) trait Marker: Copy {
    /// The value of the marking column.
    fn value(self) -> Value;
}

impl Marker for Uuid {
    fn value(self) -> Value {
        stored(self).into()
    }
}

impl Marker for i64 {
    fn value(self) -> Value {
        self.into()
    }
}

/// Narrows a query to one page. `seen` finds the marker: all that the caller may see, even what `query` leaves
/// out. Takes one query more when there is a marker.
pub(crate) async fn paged<E, M>(
    db: &impl ConnectionTrait,
    seen: Select<E>,
    query: Select<E>,
    [id, marked]: [E::Column; 2],
    page: &Page<M>,
) -> Result<Select<E>, StoreError>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
    M: Marker,
{
    let column = E::Column::iter()
        .find(|column| column.as_str() == page.sort_key.0)
        .unwrap_or(id);
    let mut query = query.limit(page.limit);
    if let Some(marker) = page.marker {
        let marker = seen
            .filter(marked.eq(marker.value()))
            .one(db)
            .await?
            .ok_or(StoreError::NotFound)?;
        query = query.filter(after(&marker, column, id, page.descending));
    }
    let order = if page.descending { Order::Desc } else { Order::Asc };
    if column.as_str() != id.as_str() {
        let nulls = if page.descending {
            NullOrdering::Last
        } else {
            NullOrdering::First
        };
        query = query.order_by_with_nulls(column, order.clone(), nulls);
    }
    Ok(query.order_by(id, order))
}

/// Rows that come after the marker.
fn after<M: ModelTrait>(
    marker: &M,
    column: <M::Entity as EntityTrait>::Column,
    id: <M::Entity as EntityTrait>::Column,
    descending: bool,
) -> Condition {
    let row = marker.get(id);
    let later = if descending { id.lt(row) } else { id.gt(row) };
    if column.as_str() == id.as_str() {
        return Condition::all().add(later);
    }
    let value = marker.get(column);
    if value == value.as_null() {
        let tied = Condition::all().add(column.is_null()).add(later);
        return if descending {
            tied
        } else {
            Condition::any().add(tied).add(column.is_not_null())
        };
    }
    let beyond = if descending {
        column.lt(value.clone())
    } else {
        column.gt(value.clone())
    };
    let tied = Condition::all().add(column.eq(value)).add(later);
    let after = Condition::any().add(beyond).add(tied);
    if descending {
        after.add(column.is_null())
    } else {
        after
    }
}
