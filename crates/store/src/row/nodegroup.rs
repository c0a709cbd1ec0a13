//! Table `nodegroup`.

use jeroboam_types::NodeGroup;
use jeroboam_types::nodegroup::first_nodes;
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, IntoActiveModel};

use super::columns::by_position;
use super::{from_json, json, moment, parsed, utc};
use crate::StoreError;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "nodegroup")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub created_at: Option<ChronoDateTime>,
    pub updated_at: Option<ChronoDateTime>,
    pub uuid: String,
    pub name: String,
    pub cluster_id: String,
    pub project_id: String,
    pub docker_volume_size: Option<i32>,
    pub labels: Option<String>,
    pub flavor_id: Option<String>,
    pub image_id: Option<String>,
    pub node_addresses: Option<String>,
    pub node_count: Option<i32>,
    pub max_node_count: Option<i32>,
    pub min_node_count: Option<i32>,
    pub role: Option<String>,
    pub is_default: Option<bool>,
    pub stack_id: Option<String>,
    pub status: String,
    pub status_reason: Option<String>,
    pub version: Option<String>,
    pub node_labels: Option<String>,
    pub node_taints: Option<String>,
    /// Numbers of the nodes; null in rows of a time when they were always the lowest.
    pub nodes: Option<String>,
    /// Where the group stands between revisions; null for one that has never been upgraded.
    pub roll: Option<String>,
}

by_position!(
    id,
    created_at,
    updated_at,
    uuid,
    name,
    cluster_id,
    project_id,
    docker_volume_size,
    labels,
    flavor_id,
    image_id,
    node_addresses,
    node_count,
    max_node_count,
    min_node_count,
    role,
    is_default,
    stack_id,
    status,
    status_reason,
    version,
    node_labels,
    node_taints,
    nodes,
    roll
);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Nodes of a group whose count is null.
pub(crate) const NODES_OF_NULL: i32 = 1;

/// A row to insert.
pub(crate) fn new(group: &NodeGroup) -> Result<ActiveModel, StoreError> {
    let model = Model {
        id: 0,
        created_at: Some(moment(group.created_at)),
        updated_at: group.updated_at.map(moment),
        uuid: group.uuid.to_string(),
        name: group.name.clone(),
        cluster_id: group.cluster_id.to_string(),
        project_id: group.project_id.to_string(),
        docker_volume_size: group.docker_volume_size,
        labels: Some(json(&group.labels)?),
        flavor_id: group.flavor_id.clone(),
        image_id: group.image_id.clone(),
        node_addresses: Some(json(&group.node_addresses)?),
        node_count: Some(group.node_count),
        max_node_count: group.max_node_count,
        min_node_count: group.min_node_count,
        role: Some(group.role.clone()),
        is_default: Some(group.is_default),
        stack_id: group.stack_id.clone(),
        status: group.status.to_string(),
        status_reason: group.status_reason.clone(),
        version: group.version.clone(),
        node_labels: Some(json(&group.node_labels)?),
        node_taints: Some(json(&group.node_taints)?),
        nodes: Some(json(&group.nodes)?),
        roll: group.roll.as_ref().map(json).transpose()?,
    };
    Ok(ActiveModel {
        id: ActiveValue::NotSet,
        ..model.into_active_model()
    })
}

/// What a change writes over the row of a group: all that it can change.
pub(crate) fn change(group: &NodeGroup) -> Result<ActiveModel, StoreError> {
    let all = new(group)?.reset_all();
    Ok(ActiveModel {
        updated_at: all.updated_at,
        node_count: all.node_count,
        nodes: all.nodes,
        max_node_count: all.max_node_count,
        min_node_count: all.min_node_count,
        status: all.status,
        status_reason: all.status_reason,
        node_labels: all.node_labels,
        node_taints: all.node_taints,
        roll: all.roll,
        ..Default::default()
    })
}

/// What an advance of a roll writes over the row of a group.
pub(crate) fn advance(group: &NodeGroup) -> Result<ActiveModel, StoreError> {
    let all = new(group)?.reset_all();
    Ok(ActiveModel {
        nodes: all.nodes,
        roll: all.roll,
        image_id: all.image_id,
        flavor_id: all.flavor_id,
        labels: all.labels,
        ..Default::default()
    })
}

impl TryFrom<Model> for NodeGroup {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let node_count = row.node_count.unwrap_or(NODES_OF_NULL);
        let nodes = match row.nodes.as_deref() {
            Some(text) => from_json("nodes", Some(text))?,
            None => first_nodes(node_count),
        };
        Ok(Self {
            id: row.id.into(),
            uuid: parsed("uuid", &row.uuid)?,
            name: row.name,
            cluster_id: parsed("cluster_id", &row.cluster_id)?,
            project_id: row.project_id.into(),
            docker_volume_size: row.docker_volume_size,
            labels: from_json("labels", row.labels.as_deref())?,
            flavor_id: row.flavor_id,
            image_id: row.image_id,
            node_addresses: from_json("node_addresses", row.node_addresses.as_deref())?,
            node_count,
            nodes,
            max_node_count: row.max_node_count,
            min_node_count: row.min_node_count,
            role: row.role.unwrap_or_default(),
            is_default: row.is_default.unwrap_or(false),
            stack_id: row.stack_id,
            status: parsed("status", &row.status)?,
            status_reason: row.status_reason,
            version: row.version,
            node_labels: from_json("node_labels", row.node_labels.as_deref())?,
            node_taints: from_json("node_taints", row.node_taints.as_deref())?,
            roll: from_json("roll", row.roll.as_deref())?,
            created_at: utc(row.created_at),
            updated_at: row.updated_at.map(|time| time.and_utc()),
        })
    }
}
