//! Clusters as the short list tells them. A list of a thousand is the dearest question that tenants ask, so only
//! what it shows is read, and by position.

use std::collections::HashMap;

use jeroboam_types::nodegroup::ROLE_MASTER;
use jeroboam_types::{ClusterId, ClusterName, HealthStatus, Labels, Status, TemplateId};
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait, Select,
};

use crate::row::columns::Columns;
use crate::row::{cluster, damaged, from_json, nodegroup, parsed};
use crate::{Store, StoreError};

/// What the short list tells of a cluster.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are Magnum's own and carry its meaning")]
pub struct ClusterSummary {
    pub uuid: ClusterId,
    pub name: ClusterName,
    pub cluster_template_id: TemplateId,
    pub keypair: Option<String>,
    /// GiB.
    pub docker_volume_size: Option<i32>,
    pub labels: Labels,
    pub master_flavor_id: Option<String>,
    pub flavor_id: Option<String>,
    /// Minutes.
    pub create_timeout: Option<i32>,
    pub stack_id: Option<String>,
    pub status: Status,
    pub health_status: Option<HealthStatus>,
    pub discovery_url: Option<String>,
    pub floating_ip_enabled: Option<bool>,
    /// Nodes that are not masters.
    pub node_count: i32,
    pub master_count: i32,
}

/// The columns, in the order in which [`read`] takes them.
const COLUMNS: [cluster::Column; 14] = [
    cluster::Column::Uuid,
    cluster::Column::Name,
    cluster::Column::ClusterTemplateId,
    cluster::Column::Keypair,
    cluster::Column::DockerVolumeSize,
    cluster::Column::Labels,
    cluster::Column::MasterFlavorId,
    cluster::Column::FlavorId,
    cluster::Column::CreateTimeout,
    cluster::Column::StackId,
    cluster::Column::Status,
    cluster::Column::HealthStatus,
    cluster::Column::DiscoveryUrl,
    cluster::Column::FloatingIpEnabled,
];

/// Runs a query for clusters: one query for them and one for the sizes of all.
pub(super) async fn load(
    store: &Store,
    query: Select<cluster::Entity>,
) -> Result<Vec<ClusterSummary>, StoreError> {
    let rows = query.clone().select_only().columns(COLUMNS).into_query();
    let rows = store.db.query_all(&rows).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut sizes = sizes(store, query).await?;
    rows.iter().map(|row| read(row, &mut sizes)).collect()
}

/// Numbers of nodes.
#[derive(Clone, Copy, Default)]
struct Size {
    masters: i32,
    others: i32,
}

/// The sizes of the clusters of a query. They are asked for by the query itself: a list of a thousand UUIDs would be
/// another statement to prepare for each length.
async fn sizes(store: &Store, query: Select<cluster::Entity>) -> Result<HashMap<String, Size>, StoreError> {
    let page = query.select_only().column(cluster::Column::Uuid).into_query();
    // MySQL takes no LIMIT right inside IN.
    let uuids = Query::select()
        .column(cluster::Column::Uuid)
        .from_subquery(page, "page")
        .take();
    let groups = nodegroup::Entity::find()
        .select_only()
        .columns([
            nodegroup::Column::ClusterId,
            nodegroup::Column::Role,
            nodegroup::Column::NodeCount,
        ])
        .filter(nodegroup::Column::ClusterId.in_subquery(uuids))
        .into_query();
    let mut sizes: HashMap<String, Size> = HashMap::new();
    for row in store.db.query_all(&groups).await? {
        let mut columns = Columns::of(&row);
        let (cluster, role): (String, Option<String>) = (columns.take()?, columns.take()?);
        let nodes: Option<i32> = columns.take()?;
        let size = sizes.entry(cluster).or_default();
        let count = match role.as_deref() == Some(ROLE_MASTER) {
            true => &mut size.masters,
            false => &mut size.others,
        };
        *count = count.saturating_add(nodes.unwrap_or(nodegroup::NODES_OF_NULL));
    }
    Ok(sizes)
}

fn read(row: &QueryResult, sizes: &mut HashMap<String, Size>) -> Result<ClusterSummary, StoreError> {
    let mut columns = Columns::of(row);
    let uuid: String = columns.take()?;
    let size = sizes.remove(&uuid).unwrap_or_default();
    Ok(ClusterSummary {
        uuid: parsed("uuid", &uuid)?,
        name: ClusterName::try_from(columns.take::<String>()?).map_err(|error| damaged("name", error))?,
        cluster_template_id: parsed("cluster_template_id", &columns.take::<String>()?)?,
        keypair: columns.take()?,
        docker_volume_size: columns.take()?,
        labels: from_json("labels", columns.take::<Option<String>>()?.as_deref())?,
        master_flavor_id: columns.take()?,
        flavor_id: columns.take()?,
        create_timeout: columns.take()?,
        stack_id: columns.take()?,
        status: parsed("status", &columns.take::<String>()?)?,
        health_status: columns
            .take::<Option<String>>()?
            .as_deref()
            .map(cluster::health)
            .transpose()?,
        discovery_url: columns.take()?,
        floating_ip_enabled: columns.take()?,
        node_count: size.others,
        master_count: size.masters,
    })
}
